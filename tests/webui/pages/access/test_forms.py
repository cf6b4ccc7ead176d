"""What is typed into the forms, as values."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from switchman.addons.core.access.caller import Allowance, Budget, Caller, Terms
from switchman.addons.store.access.tokens import Token
from switchman.addons.store.opening import Store
from switchman.webui.pages.access.forms import FormFaults, budgets, count, names, of_token, read_token, typed, words

NOW = 1_000_000.0
DAY = 86_400.0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("60", 60),
        ("20k", 20_000),
        ("2M", 2_000_000),
        ("1_000", 1000),
        ("1 000 000", 1_000_000),
        ("1,000", 1000),
    ],
)
def test_a_count_as_people_write_it(text: str, value: int | None) -> None:
    """With a unit, or with signs between."""
    assert count(text) == value


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", "1e3", "9" * 16, "١"])
def test_what_is_no_count(text: str) -> None:
    """It is refused with an example."""
    with pytest.raises(ValueError, match="such as 60 or 20k"):
        count(text)


def test_budgets_as_people_write_them() -> None:
    """Dollars unless it says tokens; behind an arrow the model that answers afterwards."""
    assert budgets("20/month, $0.50 / day\n1_000_000 tokens/day -> small, 5 usd/month → local/llama3") == [
        {"amount": Decimal(20), "unit": "usd", "period": "month", "downgrade": None},
        {"amount": Decimal("0.5"), "unit": "usd", "period": "day", "downgrade": None},
        {"amount": Decimal(1_000_000), "unit": "tokens", "period": "day", "downgrade": "small"},
        {"amount": Decimal(5), "unit": "usd", "period": "month", "downgrade": "local/llama3"},
    ]


@pytest.mark.parametrize(
    "text", ["20", "20/year", "x/month", "-3/day", "20 euro/month", "1.0000001/day", "20/month ->"]
)
def test_what_is_no_budget(text: str) -> None:
    """It is refused with what was typed and an example."""
    with pytest.raises(ValueError, match=r"is no budget|too exact|behind the arrow"):
        budgets(text)


def test_names_have_commas_blanks_or_lines_between() -> None:
    """However they were pasted."""
    assert words(" gpt-*,claude-*\n local/llama3  ,, x") == ["gpt-*", "claude-*", "local/llama3", "x"]


def form(**changes: str) -> dict[str, str]:
    return typed({"name": "ci", **changes})


def test_a_form_with_every_fault_names_each_field() -> None:
    """All at once, and none of them twice."""
    wrong = form(name="", requests_per_minute="many", concurrent="-1", budgets="20", expires="soon", capture="none")
    with pytest.raises(FormFaults) as refused:
        read_token(wrong, NOW)
    assert set(refused.value.faults) == {"name", "requests_per_minute", "concurrent", "budgets", "expires", "capture"}


def test_an_expiry_is_days_from_now() -> None:
    """Or never."""
    assert read_token(form(expires="90d"), NOW).expires_at == NOW + 90 * DAY
    assert read_token(form(), NOW).expires_at is None


def test_a_token_that_is_there_comes_out_of_its_form_as_it_went_in(store: Store) -> None:
    """A change of one field leaves the others as they are, to the micro-dollar."""
    budgets = (
        Budget(20_000_000, "usd", "month"), Budget(1, "usd", "day", "small"), Budget(1_234_567, "tokens", "day"),
        Budget(123_456_789_012, "usd", "day"),
    )  # fmt: skip
    allowance = Allowance(60, 100_000, 4, 1_000_000, budgets)
    terms = Terms("ci", frozenset({"b", "a"}), ("gpt-*", "x"), ("openai",), allowance, "metadata", NOW + 5.5)
    token, _ = store.access.tokens.create(terms, NOW)
    texts: dict[str, Any] = of_token(token)
    assert read_token(texts, NOW, token).terms() == terms


def test_groups_whose_names_have_blanks_stay_as_they_are() -> None:
    """`switchman token create --groups` takes such names; a change of something else keeps them whole."""
    assert names(" team a, b\nc d ,,") == ["team a", "b", "c d"]
    token = Token(Caller("0" * 12, "ci", groups=frozenset({"team a", "b"})), 0.0, None, ())
    assert read_token(of_token(token), 1.0, token).terms() == token.caller.terms
