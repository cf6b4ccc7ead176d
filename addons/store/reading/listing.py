"""A page of the list of requests, from indexes, whatever is filtered: newest first, by keyset.

1. A filter by one value has an index in the list's order. What is several values (any error, 4xx) is asked for value by
   value, each a page from its index, and the pages are merged.
2. Several filters at once, and what has no index, are found in the columns (figures/columns/).
3. So are words of prompts and answers, after their own index. The list's order is then that of requests.seq, which is
   the one in which requests ended.
4. Where not all is in columns, and too little was found in them, rows are looked at, which may take long.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from itertools import islice
from math import inf
from operator import itemgetter
from typing import Any

from sqlalchemy import Column, Connection, RowMapping, Select, column, func, literal, select, table, tuple_
from sqlalchemy.sql.elements import BindParameter

from switchman.addons.core.texts.searching.words import Query
from switchman.addons.store.figures.columns.reading import ColumnReader, rows_of
from switchman.addons.store.reading.filters import ERROR_OUTCOMES, Filters, as_stored, status_range
from switchman.addons.store.reading.matching import fts5, matching
from switchman.addons.store.tables import requests

MAX_VALUES = 500  # of one filter menu
MANY = 5_000  # rows of one moment that a page is found among
_BY_SEQ = "#"  # begins the cursor of a list in the order of seq

_FTS = table("request_words", column("rowid"), column("request_words"))


def newest(
    conn: Connection, reader: ColumnReader, shown: Sequence[Any], filters: Filters, before: str | None, limit: int
) -> tuple[list[RowMapping], str | None]:
    """`limit` rows, and the cursor of the page after them; None where nothing follows. `shown`: columns, `seq`,
    `started_at` and `id` among them. Raises ValueError for a bad cursor or status.
    """
    if filters.words is not None:
        rows = _with_words(conn, reader, shown, filters, _seq_of(before), limit + 1)
    else:
        rows = _by_time(conn, reader, shown, filters, parse_cursor(before) if before is not None else None, limit + 1)
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], f"{_BY_SEQ}{last['seq']}" if filters.words is not None else cursor_of(last)


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


def count(conn: Connection, reader: ColumnReader, filters: Filters, most: int) -> int:
    """How many rows there are, `most` at most."""
    look = reader.look(filters, traffic=False)
    if look.count >= most or not look.more:
        return min(look.count, most)
    found = select(literal(1)).select_from(requests).where(*filters.conditions()).limit(most).subquery()
    return conn.scalar(select(func.count()).select_from(found)) or 0


def _by_time(
    conn: Connection,
    reader: ColumnReader,
    shown: Sequence[Any],
    filters: Filters,
    cursor: tuple[float, str] | None,
    limit: int,
) -> list[RowMapping]:
    if not _has_an_index(filters):
        look = reader.look(filters, traffic=False)
        moment = cursor[0] if cursor is not None else inf
        seqs = [*look.begun_at(moment), *look.newest(limit, moment)]
        if len(seqs) <= MANY and (len(seqs) >= limit or not look.more):
            rows = sorted(_rows(conn, shown, seqs), key=_place, reverse=True)
            return [row for row in rows if cursor is None or _place(row) < cursor][:limit]
    pages = [list(conn.execute(_page(shown, one, cursor, limit)).mappings()) for one in _apart(conn, filters)]
    return list(islice(heapq.merge(*pages, key=_place, reverse=True), limit))


def _has_an_index(filters: Filters) -> bool:
    """Whether one index has all that is filtered by. Several at once have none, and little may be found."""
    values = [each.name for each in fields(filters) if getattr(filters, each.name) is not None]
    narrowed = [name for name in values if name not in ("start", "end", "named")]
    return len(narrowed) < 2 and "text" not in narrowed and filters.modality != "text"


def _place(row: RowMapping) -> tuple[float, str]:
    return row["started_at"], row["id"]


def _rows(conn: Connection, shown: Sequence[Any], seqs: Sequence[int]) -> list[RowMapping]:
    return [row._mapping for row in rows_of(conn, shown, seqs)]


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
    conn: Connection, reader: ColumnReader, shown: Sequence[Any], filters: Filters, before: int | None, limit: int
) -> list[RowMapping]:
    assert filters.words is not None
    query = Query.parse(filters.words)
    if not query.terms:
        return []
    look = reader.look(filters, traffic=False)
    seqs = look.last(limit, before)
    if len(seqs) >= limit or not look.more:
        return sorted(_rows(conn, shown, seqs), key=itemgetter("seq"), reverse=True)
    others = replace(filters, words=None)
    if conn.dialect.name != "sqlite":
        narrowed = replace(others, start=None, end=None) != Filters()
        found = select(*shown).where(*others.of_columns(), matching(filters.words, each=narrowed))
        if before is not None:
            found = found.where(requests.c.seq < before)
        return list(conn.execute(found.order_by(requests.c.seq.desc()).limit(limit)).mappings())
    return list(conn.execute(_by_words(shown, others, fts5(query), before, limit)).mappings())


def _by_words(shown: Sequence[Any], others: Filters, typed: str, before: int | None, limit: int) -> Select[Any]:
    """From the index of words, newest first."""
    found = select(*shown).select_from(_FTS.join(requests, requests.c.seq == _FTS.c.rowid))
    found = found.where(_FTS.c.request_words.op("MATCH")(BindParameter(None, typed)), *others.of_columns())
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
