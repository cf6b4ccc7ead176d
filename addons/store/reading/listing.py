"""A page of the list of requests, from indexes, whatever is filtered: newest first, by keyset.

1. A filter by one value has an index in the list's order. What is several values (any error, 4xx) is asked for value by
   value, each a page from its index, and the pages are merged.
2. Words of prompts and answers are found by their own index, whose order is that of requests.seq: then that is the
   list's order, too, which is the one in which requests ended. Where the other filters leave few rows, these are looked
   at instead, in the same order.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Column, Connection, RowMapping, Select, column, func, literal, select, table, tuple_
from sqlalchemy.sql.elements import BindParameter

from switchman.addons.core.texts.searching.words import Query
from switchman.addons.store.reading.filters import ERROR_OUTCOMES, Filters, as_stored, status_range
from switchman.addons.store.reading.matching import fts5, matching
from switchman.addons.store.tables import requests

MAX_VALUES = 500  # of one filter menu
FEW = 2_000  # rows that are looked at one by one
_BY_SEQ = "#"  # begins the cursor of a list in the order of seq

_FTS = table("request_words", column("rowid"), column("request_words"))


def newest(
    conn: Connection, columns: Sequence[Any], filters: Filters, before: str | None, limit: int
) -> tuple[list[RowMapping], str | None]:
    """`limit` rows, and the cursor of the page after them; None where nothing follows. `columns` have `seq`,
    `started_at` and `id`. Raises ValueError for a bad cursor or status.
    """
    if filters.words is not None:
        rows = _with_words(conn, columns, filters, _seq_of(before), limit + 1)
    else:
        cursor = parse_cursor(before) if before is not None else None
        pages = [list(conn.execute(_page(columns, one, cursor, limit + 1)).mappings()) for one in _apart(conn, filters)]
        merged = heapq.merge(*pages, key=lambda row: (row["started_at"], row["id"]), reverse=True)
        rows = [row for row, _ in zip(merged, range(limit + 1), strict=False)]
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], f"{_BY_SEQ}{rows[limit - 1]['seq']}" if filters.words is not None else cursor_of(
        rows[limit - 1]
    )


def cursor_of(row: RowMapping) -> str:
    return f"{row['started_at']!r}~{row['id']}"


def values_of(field: Column[Any], first: Any = None, last: Any = None) -> Select[Any]:
    """Distinct values by hopping through the column's index: one look-up per value, however many rows there are."""
    begin = select(func.min(field).label("value"), literal(1).label("n"))
    begin = begin.where(field.is_not(None) if first is None else field >= first)
    hops = begin.cte("hops", recursive=True)
    following = select(func.min(field)).where(field > hops.c.value).scalar_subquery()
    hops = hops.union_all(select(following, hops.c.n + 1).where(hops.c.value.is_not(None), hops.c.n < MAX_VALUES))
    found = select(hops.c.value).where(hops.c.value.is_not(None))
    return found if last is None else found.where(hops.c.value <= last)


def count(conn: Connection, filters: Filters, most: int) -> int:
    """How many rows there are, `most` at most."""
    found = select(literal(1)).select_from(requests).where(*filters.conditions()).limit(most).subquery()
    return conn.scalar(select(func.count()).select_from(found)) or 0


def _page(columns: Sequence[Any], filters: Filters, cursor: tuple[float, str] | None, limit: int) -> Select[Any]:
    query = select(*columns).where(*filters.of_columns())
    if cursor is not None:
        query = query.where(tuple_(requests.c.started_at, requests.c.id) < tuple_(*cursor))
    return query.order_by(requests.c.started_at.desc(), requests.c.id.desc()).limit(limit)


def _apart(conn: Connection, filters: Filters) -> Iterator[Filters]:
    """The same, a filter for each value of those that mean several; together they find the same rows, each once."""
    statuses: Sequence[str | None] = [filters.status]
    if filters.status is not None:
        first, last = status_range(filters.status)
        if first != last:
            statuses = [str(code) for code in conn.scalars(values_of(requests.c.status, first, last))]
    outcomes: Sequence[str | None] = ERROR_OUTCOMES if filters.outcome == "error" else [filters.outcome]
    for status in statuses:
        for outcome in outcomes:
            yield replace(filters, status=status, outcome=outcome)


def _with_words(
    conn: Connection, columns: Sequence[Any], filters: Filters, before: int | None, limit: int
) -> list[RowMapping]:
    assert filters.words is not None
    query = Query.parse(filters.words)
    if not query.terms:
        return []
    others = replace(filters, words=None)
    narrowed = replace(others, start=None, end=None) != Filters()
    if conn.dialect.name != "sqlite" or (narrowed and count(conn, others, FEW) < FEW):
        found = select(*columns).where(*others.of_columns(), matching(filters.words, each=narrowed))
        if before is not None:
            found = found.where(requests.c.seq < before)
        return list(conn.execute(found.order_by(requests.c.seq.desc()).limit(limit)).mappings())
    return list(conn.execute(_by_words(conn, columns, others, fts5(query), before, limit)).mappings())


def _by_words(
    conn: Connection, columns: Sequence[Any], others: Filters, typed: str, before: int | None, limit: int
) -> Select[Any]:
    """From the index of words, newest first: what is older than the time that is asked for is not looked at."""
    found = select(*columns).select_from(_FTS.join(requests, requests.c.seq == _FTS.c.rowid))
    found = found.where(_FTS.c.request_words.op("MATCH")(BindParameter(None, typed)), *others.of_columns())
    if others.start is not None or others.end is not None:
        bounds = select(func.min(requests.c.seq), func.max(requests.c.seq)).where(*others.of_time())
        first, last = conn.execute(bounds).one()
        found = found.where(_FTS.c.rowid >= (first or 0), _FTS.c.rowid <= (last or 0))
    if before is not None:
        found = found.where(_FTS.c.rowid < before)
    return found.order_by(_FTS.c.rowid.desc()).limit(limit)


def _seq_of(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    number = cursor.removeprefix(_BY_SEQ)
    if cursor.startswith(_BY_SEQ) and number.isascii() and number.isdecimal() and len(number) < 19:
        return int(number)
    raise ValueError(f"{cursor[:40]!r} is not a page cursor of a list by words")


def parse_cursor(cursor: str) -> tuple[float, str]:
    started, tilde, request_id = cursor.partition("~")
    try:
        if tilde:
            return float(started), as_stored(request_id)
    except ValueError:
        pass  # the sentence below says it
    raise ValueError(f"{cursor[:40]!r} is not a page cursor")
