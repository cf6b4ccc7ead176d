"""The view that the address bar asks for: time range, filters and their menus, and the addresses of views beside it.

The filters' names are the store's (store/reading/filters.py); `range` is a time back from now. An address with neither
means the last day.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from flask import abort, g, url_for
from flask_babel import gettext
from sqlalchemy.exc import DBAPIError

from switchman.addons.store.reading.filters import FILTER_NAMES, Filters, parse_end, parse_time
from switchman.webui.access.viewing import log
from switchman.webui.languages.shown import choices, translated
from switchman.webui.looks.marked import N_
from switchman.webui.looks.outcomes import LOOKS
from switchman.webui.looks.palette import Mark, mark, marks

RANGES: dict[str, tuple[str, float | None]] = {
    "15m": (N_("last 15 minutes"), 900),
    "1h": (N_("last hour"), 3600),
    "6h": (N_("last 6 hours"), 21_600),
    "24h": (N_("last 24 hours"), 86_400),
    "7d": (N_("last 7 days"), 604_800),
    "all": (N_("all time"), None),
}
_LAST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
DEFAULT_RANGE = "24h"
CUSTOM = "custom"  # the address has its own `from` or `to`
NAMES = ("from", "to", *FILTER_NAMES)
OUTCOMES = [("error", N_("any error")), *((outcome, look.word) for outcome, look in LOOKS.items())]
IN_THE_BAR = ("from", "to", "model", "server", "outcome", "text")  # of every page that has filters


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
        return [*named_ranges(), (CUSTOM, gettext("from … to …"))]

    @property
    def range_words(self) -> str:
        return words_of_range(self.range)

    @property
    def carried(self) -> list[tuple[str, str]]:
        """Filters without a field of their own in the bar."""
        return self.beside(IN_THE_BAR)

    def beside(self, names: Container[str]) -> list[tuple[str, str]]:
        """Filters but these."""
        return [(name, value) for name, value in self.args.items() if name not in names]

    def moment(self, name: str) -> str:
        """`from` or `to` as a field for a time has it, in UTC: `2026-01-31T12:00`; "" where it is not set."""
        if not (text := self.chosen(name)):
            return ""
        epoch = parse_time(text) if name == "from" else max(parse_time(text), parse_end(text) - 60)
        at = datetime.fromtimestamp(min(max(0.0, epoch), _LAST), UTC)
        return at.strftime("%Y-%m-%dT%H:%M" if epoch % 60 == 0 else "%Y-%m-%dT%H:%M:%S")

    def chosen(self, name: str) -> str:
        """A filter's value, "" where it is not set."""
        return self.args.get(name, "")

    def url(self, endpoint: str, **changes: Any) -> str:
        """The address of `endpoint` with these filters, some changed; "" and None leave one out."""
        values: dict[str, Any] = {**self.args, "range": self.range, **changes}
        timed = values.get("from") or values.get("to")
        if values["range"] == DEFAULT_RANGE or (values["range"] == CUSTOM and timed):
            del values["range"]
        return url_for(endpoint, **{name: value for name, value in values.items() if value not in (None, "")})


def named_ranges() -> list[tuple[str, str]]:
    """The choices of a time menu that have a name."""
    return choices((name, words) for name, (words, _) in RANGES.items())


def words_of_range(name: str) -> str:
    """A range as it stands in a sentence."""
    return translated(RANGES[name][0]) if name in RANGES else gettext("the time in the address")


@contextmanager
def reading_address() -> Iterator[None]:
    """Turns the ValueError of a bad filter, time or cursor into a 400 that says so."""
    try:
        yield
    except ValueError as error:
        abort(400, gettext("The address cannot be read: %(why)s.", why=error))


def parse_view(values: Mapping[str, str], now: float | None = None) -> View:
    """The view that an address asks for. ValueError, with a sentence, for a bad time, status or range."""
    given = {name: values.get(name, "").replace("\0", "").strip() for name in NAMES}
    args = {name: value for name, value in given.items() if value}
    filters = Filters.parse(args)
    if filters.words is not None and not log().searches:
        raise ValueError(
            gettext("words of prompts and answers cannot be searched: FULL_TEXT or VIEWERS_SEE_BODIES says so")
        )
    wanted = values.get("range", "").strip()
    if wanted == CUSTOM or (not wanted and ("from" in args or "to" in args)):
        return View(filters, CUSTOM, args)
    wanted = wanted or DEFAULT_RANGE
    if wanted not in RANGES:
        raise unknown_range(wanted)
    args = {name: value for name, value in args.items() if name not in ("from", "to")}
    seconds = RANGES[wanted][1]
    start = None if seconds is None else beginning((time.time() if now is None else now) - seconds, seconds)
    return View(replace(filters, start=start, end=None), wanted, args)


def unknown_range(wanted: str) -> ValueError:
    """A range that is none of RANGES."""
    told = gettext(
        "range %(range)s is not known; expected one of %(known)s", range=repr(wanted), known=", ".join(RANGES)
    )
    return ValueError(told)


def beginning(moment: float, seconds: float) -> float:
    """Where a range of so many seconds begins, that would begin then: with a minute, or an hour where it is long.

    Figures are by these, so no rows have to be read for a part of one.
    """
    whole = 3600 if seconds > 86_400 else 60
    return moment // whole * whole


def bar_choices(view: View) -> dict[str, Any]:
    """The menus of the filter bar; a value that is set is in its menu whether or not the log still has it."""
    queries = log()
    menus = {}
    for name in ("model", "server"):
        values = dict.fromkeys(value for value in (*queries.values(name), view.chosen(name)) if value)
        menus[f"{name}s"] = [(value, value) for value in values]
    return {**menus, "outcomes": choices(OUTCOMES)}


def mark_of(model: str | None) -> Mark:
    """The mark of a model among those of the log: the same on each page, and of two models never the same while there
    are enough. Of a model that is not in the log yet, that of its name.
    """
    known: dict[str, Mark] | None = g.get("marks_of_models")
    if known is None:
        try:
            known = marks(str(model) for model in log().values("model") if model)
        except DBAPIError:
            known = {}
        g.marks_of_models = known
    return known.get(model or "") or mark(model)
