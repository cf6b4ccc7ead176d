"""The view that the address bar asks for: time range and filters, and the addresses of the views next to it.

The filters' names are the store's (NAMES);
`range` is a time back from now. An address with neither means the last day.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from flask import abort, url_for

from switchman.addons.store.reading.filters import Filters

RANGES: dict[str, tuple[str, float | None]] = {
    "15m": ("last 15 minutes", 900),
    "1h": ("last hour", 3600),
    "6h": ("last 6 hours", 21_600),
    "24h": ("last 24 hours", 86_400),
    "7d": ("last 7 days", 604_800),
    "all": ("all time", None),
}
DEFAULT_RANGE = "24h"
CUSTOM = "custom"  # the address has its own `from` or `to`
NAMES = (
    *("from", "to", "model", "server", "outcome", "status", "client", "route", "layer", "cache", "token", "agent"),
    *("attempts", "text"),
)
IN_THE_BAR = ("model", "server", "outcome", "text")


@dataclass(frozen=True, slots=True)
class View:
    """`args` are the filters as the address has them, without empty ones."""

    filters: Filters
    range: str
    args: Mapping[str, str]

    @property
    def narrowed(self) -> bool:
        """Whether any filter but the time range is set."""
        return bool(self.args)

    @property
    def ranges(self) -> list[tuple[str, str]]:
        """The choices of the time menu."""
        own = [(CUSTOM, "as in the address")] if self.range == CUSTOM else []
        return own + [(name, words) for name, (words, _) in RANGES.items()]

    @property
    def range_words(self) -> str:
        return RANGES[self.range][0] if self.range in RANGES else "the time in the address"

    @property
    def carried(self) -> list[tuple[str, str]]:
        """Filters without a field of their own in the bar."""
        return [(name, value) for name, value in self.args.items() if name not in IN_THE_BAR]

    def chosen(self, name: str) -> str:
        """A filter's value, "" where it is not set."""
        return self.args.get(name, "")

    def url(self, endpoint: str, **changes: Any) -> str:
        """The address of `endpoint` with these filters, some changed; "" and None leave one out."""
        values: dict[str, Any] = {**self.args, "range": self.range, **changes}
        if values["range"] in (DEFAULT_RANGE, CUSTOM):
            del values["range"]
        return url_for(endpoint, **{name: value for name, value in values.items() if value not in (None, "")})


@contextmanager
def reading_address() -> Iterator[None]:
    """Turns the ValueError of a bad filter, time or cursor into a 400 that says so."""
    try:
        yield
    except ValueError as error:
        abort(400, f"The address cannot be read: {error}.")


def parse_view(values: Mapping[str, str], now: float | None = None) -> View:
    """The view that an address asks for. ValueError, with a sentence, for a bad time, status or range."""
    given = {name: values.get(name, "").replace("\0", "").strip() for name in NAMES}
    args = {name: value for name, value in given.items() if value}
    filters = Filters.parse(args)
    wanted = values.get("range", "").strip()
    if wanted in ("", CUSTOM) and ("from" in args or "to" in args):
        return View(filters, CUSTOM, args)
    wanted = wanted if wanted not in ("", CUSTOM) else DEFAULT_RANGE
    if wanted not in RANGES:
        raise ValueError(f"range {wanted!r} is not known; expected one of {', '.join(RANGES)}")
    args = {name: value for name, value in args.items() if name not in ("from", "to")}
    seconds = RANGES[wanted][1]
    start = None if seconds is None else (time.time() if now is None else now) - seconds
    return View(replace(filters, start=start, end=None), wanted, args)
