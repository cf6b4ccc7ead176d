"""What is typed into the forms, as the values that /api/admin takes. Pure: the clock is an argument.

A form shows again what was typed, with each fault at its field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from switchman.addons.core.access.written import MICRO, budget_text, parse_budget
from switchman.addons.store.access.tokens import Token
from switchman.webui.admin.models import BudgetModel, TokenIn
from switchman.webui.looks.marked import N_

DAY = 86_400.0
COUNTS = ("requests_per_minute", "tokens_per_minute", "concurrent", "body_bytes")
LISTS = ("models", "servers", "groups")
FIELDS = ("name", *LISTS, *COUNTS, "budgets", "expires", "capture")
EXPIRES = (
    ("", N_("never")),
    ("1d", N_("in a day")),
    ("30d", N_("in 30 days")),
    ("90d", N_("in 90 days")),
    ("365d", N_("in a year")),
)
GRACES = (
    ("3600", N_("an hour")),
    ("86400", N_("a day")),
    ("604800", N_("a week")),
    ("0", N_("not at all: it ends at once")),
)
# The same in a sentence, once it is done.
HELD = {
    "3600": N_("The old one holds for an hour."),
    "86400": N_("The old one holds for a day."),
    "604800": N_("The old one holds for a week."),
    "0": N_("The old one has ended."),
}
CAPTURES = (
    ("full", N_("all of them")),
    ("redacted", N_("all, without what is private")),
    ("metadata", N_("no bodies")),
)
KEEP = "keep"  # an expiry that is not one of the choices stays as it is

_ARROW = re.compile(r"->|→")


class FormFaults(Exception):
    """`faults`: a sentence for each field that has one; "" stands for the form as a whole."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(faults.values()))
        self.faults = faults


def typed(form: Mapping[str, str]) -> dict[str, str]:
    """The texts of a token's form, as they were typed."""
    return {name: form.get(name, "").strip() for name in FIELDS}


def read_token(texts: Mapping[str, str], now: float, before: Token | None = None) -> TokenIn:
    """The values of a token's form. Raises FormFaults."""
    faults: dict[str, str] = {}

    def read(name: str, reader: Callable[[str], Any]) -> Any:
        try:
            return reader(texts[name])
        except ValueError as error:
            faults[name] = str(error)
            return None

    values: dict[str, Any] = {
        "name": texts["name"],
        **{name: words(texts[name]) for name in LISTS},
        "groups": names(texts["groups"]),
        **{name: read(name, count) for name in COUNTS},
        "budgets": read("budgets", budgets) or [],
        "capture": texts["capture"] or None,
        "expires_at": read("expires", lambda text: expires_at(text, now, before)),
    }
    try:
        made = TokenIn.model_validate(values)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_context=False, include_input=False):
            name = {"expires_at": "expires"}.get(str(one["loc"][0]), str(one["loc"][0]))
            faults.setdefault(name, one["msg"].removeprefix("Value error, "))
        raise FormFaults(faults) from None
    if faults:
        raise FormFaults(faults)
    return made


def words(text: str) -> list[str]:
    """Names with commas, blanks or lines between."""
    return [word for word in re.split(r"[,\s]+", text) if word]


def names(text: str) -> list[str]:
    """Names with commas or lines between: those of groups may have blanks."""
    return [name for part in re.split(r"[,\n]", text) if (name := part.strip())]


def count(text: str) -> int | None:
    """`1000`, `1_000`, `1 000`, `20k`, `5M`; "" for none."""
    if not text:
        return None
    found = re.fullmatch(r"([0-9]{1,15})([kKmM]?)", re.sub(r"[_ ,']", "", text))
    if found is None or not int(found[1]):
        raise ValueError(N_("expected a number above 0, such as 60 or 20k"))
    return int(found[1]) * {"": 1, "k": 1000, "m": MICRO}[found[2].lower()]


def budgets(text: str) -> list[dict[str, Any]]:
    """`20/month, 2/day -> small-model, 1000000 tokens/day`: dollars unless it says tokens."""
    found = []
    for part in filter(None, (part.strip() for part in re.split(r"[,\n]", text))):
        what, arrow, downgrade = (one.strip() for one in _ARROW.sub("\0", part, count=1).partition("\0"))
        if arrow and not downgrade:
            raise ValueError(f"{part[:60]!r}: behind the arrow stands the model that answers once it is used up")
        found.append(BudgetModel.of(parse_budget(what.replace("_", ""), downgrade or None)).model_dump())
    return found


def expires_at(text: str, now: float, before: Token | None) -> float | None:
    if text == KEEP and before is not None:
        return before.caller.expires_at
    if not text:
        return None
    found = re.fullmatch(r"([0-9]{1,5})\s*d", text)
    if found is None or not int(found[1]):
        raise ValueError(N_("expected days, such as 90d"))
    return now + int(found[1]) * DAY


def of_token(token: Token) -> dict[str, str]:
    """The texts of a token that is there, for its form."""
    caller, allowance = token.caller, token.caller.allowance
    return {
        "name": caller.name,
        "models": ", ".join(caller.models),
        "servers": ", ".join(caller.servers),
        "groups": ", ".join(sorted(caller.groups)),
        **{name: str(getattr(allowance, name) or "") for name in COUNTS},
        "budgets": ", ".join(
            budget_text(one) + (f" -> {one.downgrade}" if one.downgrade else "") for one in allowance.budgets
        ),
        "expires": KEEP if caller.expires_at is not None else "",
        "capture": caller.capture or "",
    }
