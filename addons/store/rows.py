"""Rows: makes a Record into rows. What does not fit its column is cut to fit, so that every request leaves its row.

Text from outside may hold what a database refuses (NUL, half a surrogate pair, a name longer than an index entry), and
numbers from an upstream's JSON may be larger than a column. Credentials are masked once more here, so that none reaches
the store whatever the caller forgot.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import BigInteger, Double, Integer, SmallInteger, String
from sqlalchemy.types import TypeEngine

from switchman.addons.core.record import AttemptRecord, Record
from switchman.addons.core.texts.masking import mask_headers, mask_text, mask_url
from switchman.addons.core.texts.searching.answered import answered
from switchman.addons.core.texts.searching.words import words_of
from switchman.addons.core.texts.unicode import shown
from switchman.addons.store import tables
from switchman.addons.store.blobs import Body, make_body
from switchman.addons.store.keeping.heads import cut_head

MAX_TEXT = 4_000  # characters of an error message
MAX_DETAIL = 2_000  # characters of one text in a trace, or of an attempt's error
MAX_TRACE = 32_768  # characters of a trace as JSON; what is beyond is left out, and counted in a line of its own
MAX_ATTEMPTS = 100
MAX_TRIED = 65_536  # characters of all attempts together, about; after that, each has only MAX_SHORT of each text
MAX_SHORT = 200
WORDS_TAKE = 2  # bytes for each character of the words, with the index over them; measured
ROW_OVERHEAD = 1_500  # bytes that a row takes beside its texts, with its entries in the indexes; measured
# Sums over many requests are kept in 64 bits: what a server says of one may not fill them.
SUMMED = (
    *("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"),
    *("cost_microdollars", "saved_microdollars"),
)
MOST_SUMMED = 10**12
_MAX_INTEGER = {BigInteger: 2**63 - 1, Integer: 2**31 - 1, SmallInteger: 2**15 - 1}


@dataclass(slots=True)
class Prepared:
    """One record, ready for the tables: the row of `requests`, the rows of `attempts`, the bodies to keep."""

    row: dict[str, Any]
    attempts: list[dict[str, Any]]
    bodies: list[Body]
    words: str = ""  # by which its prompt and answer are found, with spaces between


def prepare(record: Record, max_body: int, searched: bool = False) -> Prepared:
    """`searched`: with the words of prompt and answer.

    Raises TypeError or ValueError for what is not a record (a string where bytes belong, and the like).
    """
    row = {name: fit(getattr(record, _CALLED.get(name, name))) for name, fit in _REQUEST_FIT.items()}
    row["path"] = fit_text(mask_url(record.path), 2000)
    row["error"] = None if record.error is None else fit_text(mask_text(record.error), MAX_TEXT)
    for side, pairs in (("request", record.request_headers), ("response", record.response_headers)):
        head = cut_head(mask_headers(pairs))
        row[f"{side}_headers"] = _json(head.fields)
        row[f"{side}_fields_cut"], row[f"{side}_head_cut"] = head.fields_cut, head.bytes_cut
    for name in SUMMED:
        if row[name] is not None and row[name] > MOST_SUMMED:
            row[name] = MOST_SUMMED
    row["trace"] = _trace(record)
    row["attempt_count"] = min(len(record.attempts), MAX_ATTEMPTS)
    bodies = []
    for which, data, size in (
        ("request", record.request_body, record.request_size),
        ("response", record.response_body, record.response_size),
    ):
        body = make_body(data, size, max_body) if data else None
        row[f"{which}_hash"] = body.digest if body else None
        row[f"{which}_size"] = body.size if body else size if data is None else 0
        row[f"{which}_truncated"] = body.truncated if body else False
        if body:
            bodies.append(body)
    tried: list[dict[str, Any]] = []
    for number, attempt in enumerate(record.attempts[:MAX_ATTEMPTS], 1):
        short = sum(map(_length, tried)) > MAX_TRIED
        tried.append(_attempt(row["id"], number, attempt, MAX_SHORT if short else MAX_DETAIL))
    words = " ".join(_words(record)) if searched else ""
    size = ROW_OVERHEAD + sum(map(_length, (row, *tried))) + WORDS_TAKE * len(words)
    row["stored_size"] = min(size, _MAX_INTEGER[Integer])
    return Prepared(row, tried, bodies, words)


def _words(record: Record) -> list[str]:
    return words_of(record.asked or "", answered(record.response_body or b""))


def _length(values: Mapping[str, Any]) -> int:
    """What the texts among these take, about."""
    return sum(len(value) for value in values.values() if isinstance(value, str))


def _trace(record: Record) -> str:
    lines = [{**line, "detail": mask_text(line["detail"])} for line in record.trace]
    omitted = {"layer": "log", "outcome": "skip", "score": None, "elapsed_ms": None, "earlier": None}
    return _bounded(lines, MAX_TRACE, lambda more: {**omitted, "detail": f"{more} more lines are not kept"})


def _bounded(items: Sequence[Any], most: int, more: Callable[[int], Any]) -> str:
    """The items as JSON of about `most` characters; `more` says how many there would be."""
    if sum(len(item) if isinstance(item, str) else _length(item) for item in items) <= most:
        text = _json(items)
        if len(text) <= most:
            return text
    kept: list[str] = []
    room = most
    for item in items:
        one = json.dumps(_clean(item))
        room -= len(one) + 2
        if room < 0:
            break
        kept.append(one)
    if len(kept) < len(items):
        kept.append(json.dumps(more(len(items) - len(kept))))
    return f"[{', '.join(kept)}]"


def _attempt(request_id: str, number: int, attempt: AttemptRecord, most: int) -> dict[str, Any]:
    row = {name: fit(getattr(attempt, _CALLED.get(name, name))) for name, fit in _ATTEMPT_FIT.items()}
    row["url"] = fit_text(mask_url(attempt.url), most)
    row["error"] = None if attempt.error is None else fit_text(mask_text(attempt.error), most)
    row["changes"] = _bounded(attempt.changes, 4 * most, lambda more: f"{more} more changes")
    row["edits"] = _whole(attempt.edits, 2 * most) if attempt.edits is not None else None
    return {"request_id": request_id, "number": number, **row}


def _whole(value: Any, most: int) -> str | None:
    """JSON text of what would be wrong if it were cut to fit; None where it does not fit as it is."""
    text = json.dumps(value)
    return text if len(text) <= most and text == _json(value) else None


def _json(value: Any) -> str:
    """JSON text. Strings that not every database can store are replaced, where there are any."""
    text = json.dumps(value)
    if len(text) > MAX_TRACE or "\\u0000" in text or "\\ud" in text or "NaN" in text or "Infinity" in text:
        text = json.dumps(_clean(value))
    return text


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return fit_text(value, MAX_DETAIL)
    if isinstance(value, Mapping):
        return {fit_text(str(key), 200): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def fit_text(value: object, most: int) -> str:
    """Cut the text to `most` characters, and replace what PostgreSQL (NUL) or UTF-8 (a lone surrogate) cannot hold."""
    text = value if isinstance(value, str) else str(value)  # from somebody's JSON: a model name that is a number
    if len(text) > most:
        text = text[: most - 3] + "..."
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return shown(text)


def _fit_for(kind: TypeEngine[Any]) -> Callable[[Any], Any]:
    """The function that makes a value fit a column of this type. None stays None."""
    if isinstance(kind, String):
        length = kind.length or MAX_TEXT
        return lambda value: None if value is None else fit_text(value, length)
    if isinstance(kind, Integer):
        most = _MAX_INTEGER.get(type(kind), 2**31 - 1)
        return lambda value: None if value is None else max(-most, min(most, int(value)))
    if isinstance(kind, Double):
        return lambda value: None if value is None or not math.isfinite(value) else float(value)
    return lambda value: value


_OWN = {
    *("seq", "path", "error", "request_headers", "response_headers", "trace", "attempt_count", "stored_size"),
    *("request_fields_cut", "request_head_cut", "response_fields_cut", "response_head_cut"),
    *("request_id", "number", "url", "changes", "edits"),
}
# Columns whose unit is in their name, and what the record calls them.
_CALLED = {"cost_microdollars": "cost", "saved_microdollars": "saved_cost"}
_BODY = {f"{which}_{part}" for which in ("request", "response") for part in ("hash", "size", "truncated")}
_REQUEST_FIT = {c.name: _fit_for(c.type) for c in tables.requests.columns if c.name not in _OWN | _BODY}
_ATTEMPT_FIT = {c.name: _fit_for(c.type) for c in tables.attempts.columns if c.name not in _OWN}


def body_bytes(record: Record) -> int:
    return len(record.request_body or b"") + len(record.response_body or b"")


def head_bytes(record: Record) -> int:
    """What the texts take that can be long, about."""
    heads = (*record.request_headers, *record.response_headers)
    return sum(len(name) + len(value) for name, value in heads) + len(record.path) + len(record.error or "")


def without_bodies(record: Record) -> Record:
    """The same record; the bodies' sizes stay, so the row still says what is missing."""
    return replace(
        record,
        request_body=None,
        response_body=None,
        request_size=record.request_size or len(record.request_body or b""),
        response_size=record.response_size or len(record.response_body or b""),
    )


def renamed(item: Prepared) -> Prepared:
    """The same under another id, which is always the same one."""
    told = json.dumps([item.row[name] for name in ("started_at", "duration_ms", "client", "path")])
    fresh = f"{item.row['id'][:180]}~{hashlib.sha256(told.encode()).hexdigest()[:12]}"
    tried = [{**attempt, "request_id": fresh} for attempt in item.attempts]
    return Prepared({**item.row, "id": fresh}, tried, item.bodies, item.words)


def blob_row(body: Body, used: float, inline: int) -> dict[str, Any]:
    """The row of a body that is compressed; its content stands in it where that takes `inline` bytes at most."""
    packed = body.packed or b""
    return {
        "hash": body.digest,
        "size": len(body.data),
        "stored_size": len(packed),
        "created_at": time.time(),
        "last_used": used,
        "data": packed if len(packed) <= inline else None,
    }
