"""Filters: which requests a view shows, the same for the list, the live rows, the summary and the scatter plot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, literal_column, or_

from switchman.addons.store.rows import MAX_TEXT, fit_text
from switchman.addons.store.tables import requests

# Outcomes that a person looking for "errors" looks for. `cancelled` is the client's choice and not among them.
ERROR_OUTCOMES = ("upstream_error", "failed", "refused", "stream_error")
NO_LAYER = "none"  # the layer of what was refused, or answered by the router, before anything was decided
MANY = "many"


@dataclass(frozen=True, slots=True)
class Filters:
    """None means "any". `start` and `end` are epoch seconds, start <= t < end.

    `outcome` is one of core.record.Outcome, or "error" for all of ERROR_OUTCOMES. `status` is a code ("404") or a class
    ("4xx"). `layer` may be NO_LAYER. `cache` is what the caches did, as core.record.Record has it. `token` is the
    name of one. `agent`: the program that sent it. `attempts` MANY: more than one was made. `text` is looked for,
    without regard to case, in the id and in both model names.
    """

    start: float | None = None
    end: float | None = None
    model: str | None = None
    server: str | None = None
    outcome: str | None = None
    status: str | None = None
    client: str | None = None
    route: str | None = None
    layer: str | None = None
    cache: str | None = None
    token: str | None = None
    agent: str | None = None
    attempts: str | None = None
    text: str | None = None

    @classmethod
    def parse(cls, values: Mapping[str, str]) -> Filters:
        """From a query string's values: `from`, `to` and the names above; empty and unknown ones are left out.

        Times are ISO 8601 (UTC where no offset is given) or epoch seconds. A `to` that is only a date means the end of
        that day. Raises ValueError with a sentence for a person.
        """
        given = {name: value.strip() for name, value in values.items() if value.strip()}
        kept = {name: given[name] for name in _TEXT if name in given}
        status_range(kept.get("status", "2xx"))
        if kept.get("attempts", MANY) != MANY:
            raise ValueError(f"attempts {kept['attempts'][:40]!r} is not known; expected {MANY}")
        start, end = given.get("from"), given.get("to")
        return cls(
            start=parse_time(start) if start else None,
            end=parse_time(end, day_end=True) if end else None,
            **kept,
        )

    def conditions(self) -> list[ColumnElement[bool]]:
        """The conditions of a WHERE clause on `requests`. Raises ValueError for a bad status."""
        found: list[ColumnElement[bool]] = []
        if self.start is not None:
            found.append(requests.c.started_at >= self.start)
        if self.end is not None:
            found.append(requests.c.started_at < self.end)
        for name in ("model", "server", "client", "route", "cache", "token", "agent"):
            if (value := getattr(self, name)) is not None:
                found.append(requests.c[name] == as_stored(value))
        if self.layer is not None:
            none = self.layer == NO_LAYER
            found.append(requests.c.layer.is_(None) if none else requests.c.layer == as_stored(self.layer))
        if self.attempts is not None:
            found.append(requests.c.attempt_count > literal_column("1"))  # a value would not find the index
        if self.outcome == "error":
            found.append(requests.c.outcome.in_(ERROR_OUTCOMES))
        elif self.outcome is not None:
            found.append(requests.c.outcome == as_stored(self.outcome))
        if self.status is not None:
            first, last = status_range(self.status)
            found.append(requests.c.status == first if first == last else requests.c.status.between(first, last))
        if self.text:
            columns = (requests.c.id, requests.c.model, requests.c.requested_model)
            found.append(or_(*(column.icontains(as_stored(self.text), autoescape=True) for column in columns)))
        return found


_TEXT = (
    "model",
    "server",
    "outcome",
    "status",
    "client",
    "route",
    "layer",
    "cache",
    "token",
    "agent",
    "attempts",
    "text",
)


def as_stored(text: str) -> str:
    """The form a text from outside has in the tables, so that looking for what no table can hold finds nothing."""
    return fit_text(text, MAX_TEXT)


def status_range(text: str) -> tuple[int, int]:
    """ "404" -> (404, 404); "4xx" -> (400, 499). Raises ValueError."""
    if len(text) == 3 and text.isascii() and text.isdigit():
        return int(text), int(text)
    if len(text) == 3 and text[0] in "12345" and text[1:].lower() == "xx":
        return int(text[0]) * 100, int(text[0]) * 100 + 99
    raise ValueError(f"status {text!r} is neither a code like 404 nor a class like 4xx")


def parse_time(text: str, day_end: bool = False) -> float:
    """Epoch seconds of an ISO 8601 time (UTC unless it says otherwise) or of a number. With `day_end`, a bare date is
    the moment after its last one. Raises ValueError."""
    try:
        if math.isfinite(moment := _number_or_iso(text, day_end)):
            return moment
    except (ValueError, OverflowError):
        pass  # the sentence below says it
    raise ValueError(f"{text[:40]!r} is not a time; expected 2026-01-31, 2026-01-31T12:00 or epoch seconds")


def _number_or_iso(text: str, day_end: bool) -> float:
    if text.replace(".", "", 1).isdecimal() and not (len(text) == 8 and text.isdecimal()):  # 20260131 is a date
        return float(text)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    is_date = "T" not in text and " " not in text and ":" not in text
    return (moment + timedelta(days=1) if day_end and is_date else moment).timestamp()
