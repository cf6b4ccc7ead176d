"""What tokens are made for, as people write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchman.addons.core.access.caller import Budget
from switchman.addons.core.access.written import (
    budget_text,
    check_name,
    parse_budget,
    parse_duration,
    parse_globs,
    parse_names,
)


@pytest.mark.parametrize("name", ["anna", "ci-runner_2", "a", "x@y.z", "Büro 7", "猫", "z" * 64])
def test_names(name: str) -> None:
    """Letters and digits of any script, and a few signs between."""
    assert check_name(f" {name} ") == name


@pytest.mark.parametrize(
    "name",
    ["", " ", "a" * 65, "a*", "a,b", "a/b", "[x]", "a\nb", "a\u202eb", "-a", "a-b ?", "0123456789ab", "f" * 64, "<b>"],
)
def test_what_is_no_name(name: str) -> None:
    """No globs, no lists, nothing that looks like an id, nothing that cannot be seen."""
    with pytest.raises(ValueError, match=r"no name|id of a token"):
        check_name(name)


def test_lists() -> None:
    """With commas between; blanks do not count."""
    assert parse_globs(" gpt-*, local/* ,gpt-*") == ("gpt-*", "local/*")
    assert parse_names("b, a,,") == {"a", "b"}
    for bad in ("", " , ", ",".join(f"m{n}" for n in range(201)), "x" * 301, "a\x00b"):
        with pytest.raises(ValueError, match="expected"):
            parse_globs(bad)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("1h", 3600), ("90d", 7_776_000), ("2w", 1_209_600), (" 1.5H ", 5400)],
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    """A number and its unit."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "1y", "1e9d", "36601d", "1 day", "nan"])
def test_what_is_no_length_of_time(text: str) -> None:
    """A sentence, and no token that ends in a thousand years."""
    with pytest.raises(ValueError, match=r"no length of time|100 years"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("20/month", Budget(20_000_000, "usd", "month")),
        ("$0.50/day", Budget(500_000, "usd", "day")),
        ("0.000001 usd / DAY", Budget(1, "usd", "day")),
        ("500000tokens/day", Budget(500_000, "tokens", "day")),
        ("1 token/month", Budget(1, "tokens", "month")),
    ],
)
def test_budgets(text: str, budget: Budget) -> None:
    """Dollars exact to the micro-dollar, or whole tokens."""
    assert parse_budget(text) == budget
    assert parse_budget(budget_text(budget)) == budget


@pytest.mark.parametrize(
    "text",
    ["", "20", "20/year", "-1/day", "0/day", "0.0000001/day", "1.5tokens/day", "1e3/day", "9" * 30 + "/day", "x/day"],
)
def test_what_is_no_budget(text: str) -> None:
    """Nothing is rounded, and nothing is no limit by mistake."""
    with pytest.raises(ValueError, match=r"no budget|too small"):
        parse_budget(text)


@given(st.integers(1, 2**53 - 1), st.sampled_from(["usd", "tokens"]), st.sampled_from(["day", "month"]))
def test_what_is_written_is_read_again(amount: int, unit: str, period: str) -> None:
    """For every amount there is."""
    budget = Budget(amount, unit, period, "small")  # type: ignore[arg-type]
    assert parse_budget(budget_text(budget), "small") == budget
