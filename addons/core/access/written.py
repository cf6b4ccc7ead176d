"""What tokens are made for, as people write it: names, globs, lengths of time, budgets.

Each parser raises ValueError with a sentence that says what was expected; `budget_text` writes what `parse_budget`
reads.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Final

from switchman.addons.core.access.caller import Budget, Unit

LONGEST_NAME: Final = 64  # characters
MOST_GLOBS: Final = 200  # of one token
_LONGEST_GLOB: Final = 300
MOST_SECONDS: Final = 100 * 366 * 86_400.0
MICRO: Final = 1_000_000  # micro-dollars of a dollar
_MOST: Final = 2**53  # what JSON's readers hold exactly

_NAME: Final = re.compile(r"\w(?:[\w .@+-]*[\w@+.-])?")
_DIGITS_ONLY: Final = re.compile(r"[0-9a-f]{12}|[0-9a-f]{64}")
_TIME: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_BUDGET: Final = re.compile(r"\$?\s*([0-9]+(?:\.[0-9]+)?)\s*(\$|usd|tokens?)?\s*/\s*(day|month)", re.IGNORECASE)


def check_name(text: str) -> str:
    """The name of a token or of a group, without blanks around it."""
    name = text.strip()
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise ValueError(
            f"{text[:80]!r} is no name: expected up to {LONGEST_NAME} letters, digits, blanks and . _ - @ +, such as "
            "anna or ci-runner"
        )
    if _DIGITS_ONLY.fullmatch(name):
        raise ValueError(f"{name!r} looks like the id of a token: choose another name")
    return name


def parse_globs(text: str) -> tuple[str, ...]:
    """`gpt-*, local/*`: names or globs with commas between."""
    globs = tuple(dict.fromkeys(one.strip() for one in text.split(",") if one.strip()))
    if not globs:
        raise ValueError("expected names or globs with commas between, such as gpt-*,local/*")
    if len(globs) > MOST_GLOBS or any(len(one) > _LONGEST_GLOB or not one.isprintable() for one in globs):
        raise ValueError(f"expected at most {MOST_GLOBS} globs of at most {_LONGEST_GLOB} characters each")
    return globs


def parse_names(text: str) -> frozenset[str]:
    """`team-a, staff`: names with commas between."""
    return frozenset(check_name(one) for one in text.split(",") if one.strip())


def parse_duration(text: str) -> float:
    """`90d`, `1h`, `30m`: seconds."""
    found = _TIME.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{text[:40]!r} is no length of time: expected a number with s, m, h, d or w, such as 90d")
    seconds = float(found[1]) * _SECONDS[found[2]]
    if seconds > MOST_SECONDS:
        raise ValueError(f"{text[:40]!r} is more than 100 years")
    return seconds


def parse_budget(text: str, downgrade: str | None = None) -> Budget:
    """`20/month` ($), `$0.50/day`, `500000tokens/day`. `downgrade`: the model that answers once it is used up."""
    found = _BUDGET.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"{text[:40]!r} is no budget: expected dollars or tokens a day or month, such as 20/month, $0.50/day or "
            "500000tokens/day"
        )
    number, unit, period = found[1], (found[2] or "$").lower(), found[3].lower()
    return Budget(_amount(number, unit), _unit(unit), "day" if period == "day" else "month", downgrade)


def budget_text(budget: Budget) -> str:
    """`$20/month`, `500000tokens/day`."""
    if budget.unit == "tokens":
        return f"{budget.amount}tokens/{budget.period}"
    dollars = Decimal(budget.amount) / MICRO
    return f"${dollars:f}/{budget.period}"


def _unit(text: str) -> Unit:
    return "tokens" if text.startswith("token") else "usd"


def _amount(number: str, unit: str) -> int:
    try:
        value = Decimal(number) * (1 if _unit(unit) == "tokens" else MICRO)
    except InvalidOperation:
        raise ValueError(f"{number[:40]!r} is no number") from None
    if value != value.to_integral_value() or not 0 < value < _MOST:
        raise ValueError(f"{number[:40]} is too small, too large or too exact: expected whole tokens, or micro-dollars")
    return int(value)
