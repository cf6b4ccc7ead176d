"""Filters: which requests a view shows, the same for the list, the live rows, the summary and the scatter plot."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, literal_column, or_, select

from switchman.addons.core.decision.verdicts.errorclass import ERROR_CLASSES
from switchman.addons.core.texts.searching.asked import KINDS
from switchman.addons.store.reading.matching import id_begins, matching
from switchman.addons.store.rows import MAX_TEXT, fit_text
from switchman.addons.store.tables import feedback, has, requests

# Outcomes that a person looking for "errors" looks for. `cancelled` is the client's choice and not among them.
ERROR_OUTCOMES = ("upstream_error", "failed", "refused", "stream_error")
NO_LAYER = "none"  # the layer of what was refused, or answered by the router, before anything was decided
MANY = "many"
FEEDBACK = ("good", "bad", "any")


@dataclass(frozen=True, slots=True)
class Filters:
    """None means "any". `start` and `end` are epoch seconds, start <= t < end.

    `outcome` is one of core.record.Outcome, or "error" for all of ERROR_OUTCOMES. `status` is a code ("404") or a class
    ("4xx"). `error` is a class of core/decision/verdicts/errorclass.py. `model` is the one that answered, `asked` the
    one that was asked for. `layer` may be NO_LAYER. `stream` is "yes" or "no". `cache` is what the caches did, as
    core.record.Record has it. `token` is the name of one. `session` is a digest. `modality` is one of KINDS.
    `attempts` MANY: more than one was made. `feedback`: what somebody said of it, FEEDBACK. `text` is looked for,
    without regard to case, in both model names, and as the beginning of the id. `words` are looked for in prompts and
    answers (reading/matching.py).

    `named`: the names of models that have `text` in them, where somebody has looked: then no row is searched for them.
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
    attempts: str | None = None
    text: str | None = None
    error: str | None = None
    asked: str | None = None
    agent: str | None = None
    session: str | None = None
    stream: str | None = None
    modality: str | None = None
    feedback: str | None = None
    words: str | None = None
    named: tuple[str, ...] | None = None

    @classmethod
    def parse(cls, values: Mapping[str, str]) -> Filters:
        """From a query string's values: `from`, `to` and the names above; empty and unknown ones are left out.

        Times are ISO 8601 (UTC where no offset is given) or epoch seconds, and both are within what is asked for: a
        `to` that is a date ends with that day, one that is a minute with that minute. Raises ValueError with a sentence
        for a person.
        """
        given = {name: value.strip() for name, value in values.items() if value.strip()}
        kept: dict[str, Any] = {name: given[name] for name in FILTER_NAMES if name in given}
        status_range(kept.get("status", "2xx"))
        for name, known in _CHOICES.items():
            if kept.get(name, known[0]) not in known:
                raise ValueError(f"{name} {kept[name][:40]!r} is not known; expected {' or '.join(known)}")
        start, end = given.get("from"), given.get("to")
        return cls(
            start=parse_time(start) if start else None,
            end=parse_end(end) if end else None,
            **kept,
        )

    def conditions(self) -> list[ColumnElement[bool]]:
        """The conditions of a WHERE clause on `requests`. Raises ValueError for a bad status."""
        found = self.of_columns()
        if self.words is not None:
            found.append(matching(self.words))
        return found

    def of_columns(self) -> list[ColumnElement[bool]]:
        """The same without `words`."""
        found = [*self.of_time(), *self._of_values()]
        if self.attempts is not None:
            found.append(requests.c.attempt_count > literal_column("1"))  # a value would not find the index
        if self.outcome == "error":
            found.append(requests.c.outcome.in_(ERROR_OUTCOMES))
        elif self.outcome is not None:
            found.append(requests.c.outcome == as_stored(self.outcome))
        if self.status is not None:
            first, last = status_range(self.status)
            found.append(requests.c.status == first if first == last else requests.c.status.between(first, last))
        if self.stream is not None:
            found.append(requests.c.streamed == (self.stream == "yes"))
        if self.modality == "text":  # nearly all have it, so there is no index
            found.append(requests.c.modality.bitwise_and(1) != 0)
        elif self.modality is not None:
            found.append(literal_column(has(self.modality)))
        if self.feedback is not None:
            said = select(feedback.c.request_id)
            said = said if self.feedback == "any" else said.where(feedback.c.verdict == self.feedback)
            found.append(requests.c.id.in_(said))
        if self.text:
            found.append(or_(*self._of_text(as_stored(self.text))))
        return found

    def of_time(self) -> Iterator[ColumnElement[bool]]:
        if self.start is not None:
            yield requests.c.started_at >= self.start
        if self.end is not None:
            yield requests.c.started_at < self.end

    def _of_values(self) -> Iterator[ColumnElement[bool]]:
        for name, column in _COLUMNS.items():
            if (value := getattr(self, name)) is not None:
                yield requests.c[column] == as_stored(value)
        if self.layer is not None:
            none = self.layer == NO_LAYER
            yield requests.c.layer.is_(None) if none else requests.c.layer == as_stored(self.layer)

    def _of_text(self, text: str) -> Iterator[ColumnElement[bool]]:
        yield id_begins(text)
        for column in (requests.c.model, requests.c.requested_model):
            yield column.icontains(text, autoescape=True) if self.named is None else column.in_(self.named)


# Filters by one value, and their columns.
_COLUMNS = {
    "model": "model",
    "server": "server",
    "client": "client",
    "route": "route",
    "cache": "cache",
    "token": "token",
    "error": "error_class",
    "asked": "requested_model",
    "agent": "agent",
    "session": "session",
}
_CHOICES: dict[str, tuple[str, ...]] = {
    "attempts": (MANY,),
    "stream": ("yes", "no"),
    "modality": KINDS,
    "error": ERROR_CLASSES,
    "feedback": FEEDBACK,
}
FILTER_NAMES = (
    *(*_COLUMNS, "outcome", "status", "layer", "stream", "modality", "attempts", "feedback", "text", "words"),
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


def parse_time(text: str) -> float:
    """Epoch seconds of an ISO 8601 time (UTC unless it says otherwise) or of a number. Raises ValueError."""
    return _parsed(text)[0]


def parse_end(text: str) -> float:
    """The first moment after what a person means by this as an end: of a date its day, of a time its minute, second or
    millisecond, as it is written. Raises ValueError."""
    moment, length = _parsed(text)
    return moment + length if length else math.nextafter(moment, math.inf)


def _parsed(text: str) -> tuple[float, float]:
    """A time, and how many seconds it stands for."""
    try:
        moment, length = _number_or_iso(text)
        if math.isfinite(moment):
            return moment, length
    except (ValueError, OverflowError):
        pass  # the sentence below says it
    raise ValueError(f"{text[:40]!r} is not a time; expected 2026-01-31, 2026-01-31T12:00 or epoch seconds")


def _number_or_iso(text: str) -> tuple[float, float]:
    if text.replace(".", "", 1).isdecimal() and not (len(text) == 8 and text.isdecimal()):  # 20260131 is a date
        return float(text), 0.0 if "." in text else 1.0
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if "T" not in text and " " not in text and ":" not in text:
        return moment.timestamp(), (moment + timedelta(days=1)).timestamp() - moment.timestamp()
    clock = re.split(r"[T ]", text, maxsplit=1)[-1]
    fraction = re.search(r"[.,](\d+)", clock)
    if fraction is not None:
        return moment.timestamp(), 10.0 ** -len(fraction[1])
    digits = re.sub(r"(Z|[+-][\d:]+)$", "", clock).replace(":", "")
    return moment.timestamp(), {2: 3600.0, 4: 60.0}.get(len(digits), 1.0)
