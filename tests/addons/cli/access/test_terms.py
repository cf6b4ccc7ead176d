"""What options of `switchman token create` and `update` say of a token."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from switchman.addons.cli.access.terms import add_changes, add_terms, changed_terms, terms_of
from switchman.addons.core.access.caller import Allowance, Budget, Terms

NOW = 1_000_000.0
MONTH = Budget(20_000_000, "usd", "month", "small")
DAY = Budget(500, "tokens", "day", "small")
ALL = Terms(
    "ci", frozenset({"a"}), ("m*",), ("s",), Allowance(60, 1000, 4, 2000, (MONTH, DAY)), "metadata", NOW + 90
)  # fmt: skip


def changed(before: Terms, *arguments: str) -> Terms:
    parser = argparse.ArgumentParser()
    add_changes(parser)
    return changed_terms(before, parser.parse_args([*arguments]), NOW)


CHANGES: list[tuple[list[str], dict[str, Any], dict[str, Any]]] = [
    (["--name", "build"], {"name": "build"}, {}),
    (["--groups", "b, c"], {"groups": frozenset({"b", "c"})}, {}),
    (["--groups", "none"], {"groups": frozenset()}, {}),
    (["--models", "x,y"], {"models": ("x", "y")}, {}),
    (["--models", "any"], {"models": ()}, {}),
    (["--servers", "any"], {"servers": ()}, {}),
    (["--capture", "none"], {"capture": None}, {}),
    (["--capture", "full"], {"capture": "full"}, {}),
    (["--expires", "12h"], {"expires_at": NOW + 43_200}, {}),
    (["--expires", "never"], {"expires_at": None}, {}),
    (["--rpm", "5"], {}, {"requests_per_minute": 5}),
    (["--tpm", "none"], {}, {"tokens_per_minute": None}),
    (["--concurrent", "none"], {}, {"concurrent": None}),
    (["--max-body", "2MB"], {}, {"body_bytes": 2_000_000}),
    (["--max-body", "none"], {}, {"body_bytes": None}),
    (["--budget", "none"], {}, {"budgets": ()}),
    (["--budget", "3/day"], {}, {"budgets": (Budget(3_000_000, "usd", "day", "small"),)}),
    (["--budget", "3/day", "--downgrade", "none"], {}, {"budgets": (Budget(3_000_000, "usd", "day"),)}),
    (
        ["--downgrade", "tiny"],
        {},
        {"budgets": (Budget(20_000_000, "usd", "month", "tiny"), Budget(500, "tokens", "day", "tiny"))},
    ),
]


@pytest.mark.parametrize(("arguments", "terms", "limits"), CHANGES, ids=[" ".join(one[0]) for one in CHANGES])
def test_one_change_leaves_all_else(arguments: list[str], terms: dict[str, Any], limits: dict[str, Any]) -> None:
    """Each option changes what it names."""
    parts = {name: getattr(ALL, name) for name in Terms.__dataclass_fields__}
    kept = {name: getattr(ALL.allowance, name) for name in Allowance.__dataclass_fields__}
    assert changed(ALL, *arguments) == Terms(**{**parts, **terms, "allowance": Allowance(**{**kept, **limits})})


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "say what is to be changed"),
        (["--name", "none/"], "is no name"),
        (["--models", ""], "expected names or globs"),
        (["--expires", "soon"], "no length of time"),
        (["--budget", "none", "--budget", "3/day"], "stands alone"),
        (["--budget", "none", "--downgrade", "x"], "stands alone"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str], complaint: str) -> None:
    """With a sentence for a person."""
    with pytest.raises(ValueError, match=complaint):
        changed(ALL, *arguments)


def test_a_downgrade_needs_a_budget() -> None:
    """One that is there, or one that is given; and it is not guessed which of two models is meant."""
    with pytest.raises(ValueError, match="give a --budget, too"):
        changed(Terms("ci"), "--downgrade", "small")
    two = Terms("ci", allowance=Allowance(budgets=(MONTH, Budget(500, "tokens", "day"))))
    with pytest.raises(ValueError, match="give --downgrade, too"):
        changed(two, "--budget", "3/day")


def test_none_is_no_count_of_a_new_token(capsys: pytest.CaptureFixture[str]) -> None:
    """What is not limited there is left out."""
    parser = argparse.ArgumentParser()
    add_terms(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--name", "ci", "--rpm", "none"])
    assert "expected a whole number from 1" in capsys.readouterr().err
    assert terms_of(parser.parse_args(["--name", "ci"]), NOW) == Terms("ci")
