"""A Record as the rows it becomes. What does not fit a column is cut to fit: every request leaves its row.

Text from outside may hold what a database refuses (NUL, half a surrogate pair, a name longer than an index entry), and
numbers from an upstream's JSON may be larger than a column. Credentials are masked once more here, so that none reaches
the store whatever the caller forgot.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Double, Integer, SmallInteger, String, Table, Text

from switchman.addons.core.masking import mask_headers, mask_url
from switchman.addons.core.record import AttemptRecord, Record
from switchman.addons.store import tables
from switchman.addons.store.blobs import Body, make_body

MAX_TEXT = 10_000  # characters of an error message
MAX_ATTEMPTS = 1_000
_MAX_INTEGER = {BigInteger: 2**63 - 1, Integer: 2**31 - 1, SmallInteger: 2**15 - 1}


@dataclass(slots=True)
class Prepared:
    """One record, ready for the tables: the row of `requests`, the rows of `attempts`, the bodies to keep."""

    row: dict[str, Any]
    attempts: list[dict[str, Any]]
    bodies: list[Body]


def prepare(record: Record, max_body: int) -> Prepared:
    """Raises TypeError or ValueError for a record that is none (a string where bytes belong, and the like)."""
    row = _fit(tables.requests, {name: getattr(record, name) for name in _PLAIN})
    row["path"] = _text(mask_url(record.path), 2000)
    row["error"] = None if record.error is None else _text(mask_url(record.error), MAX_TEXT)
    row["request_headers"] = _headers(record.request_headers)
    row["response_headers"] = _headers(record.response_headers)
    row["trace"] = _clean(list(record.trace))
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
    tried = [_attempt(row["id"], n, attempt) for n, attempt in enumerate(record.attempts[:MAX_ATTEMPTS], 1)]
    return Prepared(row, tried, bodies)


def _attempt(request_id: str, number: int, attempt: AttemptRecord) -> dict[str, Any]:
    values = {name: getattr(attempt, name) for name in _ATTEMPT}
    values["url"] = mask_url(attempt.url)
    values["error"] = None if attempt.error is None else mask_url(attempt.error)
    return {"request_id": request_id, "number": number, **_fit(tables.attempts, values)}


def _fit(table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _fit_one(table.c[name].type, value) for name, value in values.items()}


def _fit_one(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, String):
        return _text(value, MAX_TEXT if isinstance(kind, Text) else kind.length or MAX_TEXT)
    if isinstance(kind, Integer):
        most = _MAX_INTEGER.get(type(kind), 2**31 - 1)
        return max(-most, min(most, int(value)))
    if isinstance(kind, Double):
        number = float(value)
        return number if math.isfinite(number) else None
    return value


def _text(value: object, most: int) -> str:
    """Short enough, and without what PostgreSQL (NUL) or UTF-8 (a lone surrogate) cannot hold."""
    if not isinstance(value, str):  # from a client's or an upstream's JSON: a model name that is a number
        value = str(value)
    if len(value) > most:
        value = value[: most - 3] + "..."
    if "\0" in value:
        value = value.replace("\0", "\ufffd")
    if not value.isascii():
        value = value.encode("utf-8", "replace").decode("utf-8")
    return value


def _headers(pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    return [[_text(name, MAX_TEXT), _text(value, MAX_TEXT)] for name, value in mask_headers(pairs)]


def _clean(value: Any) -> Any:
    """JSON values with every string made storable."""
    if isinstance(value, str):
        return _text(value, MAX_TEXT)
    if isinstance(value, Mapping):
        return {_text(str(key), 200): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


_OWN = {"seq", "path", "error", "request_headers", "response_headers", "trace"}
_BODY = {f"{which}_{part}" for which in ("request", "response") for part in ("hash", "size", "truncated")}
_PLAIN = tuple(column.name for column in tables.requests.columns if column.name not in _OWN | _BODY)
_ATTEMPT = tuple(column.name for column in tables.attempts.columns if column.name not in ("request_id", "number"))
