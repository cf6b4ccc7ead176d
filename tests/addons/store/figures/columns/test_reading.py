"""Whatever is filtered, columns find what the rows say: against SQL, over pieces and rows that are in none yet."""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from switchman.addons.store import Filters, Store
from switchman.addons.store.database import insert_rows, writing
from switchman.addons.store.figures.columns import reading
from switchman.addons.store.figures.columns.keeping import make_pieces
from switchman.addons.store.figures.columns.pieces import ROWS
from switchman.addons.store.figures.columns.reading import ColumnReader
from switchman.addons.store.keeping.beside.adding import add_beside
from switchman.addons.store.keeping.beside.words import add_words
from switchman.addons.store.rows import prepare
from switchman.addons.store.tables import feedback, requests
from switchman.addons.testing.samples import make_record

COUNT = 240
CHOICES: dict[str, tuple[Any, ...]] = {
    "model": ("gpt", "phi", None), "server": ("gpu", None), "client": ("10.0.0.1", "10.0.0.2"),
    "agent": ("codex", None),
    "outcome": ("ok", "ok", "ok", "cached", "failed", "refused", "cancelled", "answered"),
    "status": (200, 404, 429, 502),
    "layer": ("route", "alias", None), "route": ("rule 1", "rule 2", None), "cache": ("miss", "hit", None),
    "token": ("anna", None), "requested_model": ("auto", "GPT-x"), "streamed": (True, False),
    "modality": (1, 3, 0, None),
    "error_class": ("timeout", None), "session": ("s1", None), "asked": ("some words", "other words", "words some few"),
}  # fmt: skip
ONE_EACH = [
    *(Filters(**{name: value}) for name, value in (
        ("model", "gpt"), ("server", "gpu"), ("client", "10.0.0.2"), ("agent", "codex"), ("outcome", "failed"),
        ("outcome", "error"), ("outcome", "answered"), ("status", "404"), ("status", "4xx"), ("layer", "route"),
        ("layer", "none"), ("route", "rule 2"), ("cache", "hit"), ("token", "anna"), ("asked", "auto"),
        ("stream", "yes"), ("stream", "no"), ("modality", "text"), ("modality", "image"), ("error", "timeout"),
        ("session", "s1"), ("feedback", "good"), ("feedback", "any"), ("attempts", "many"), ("text", "gpt"),
        ("text", "r1"), ("words", "some"), ("words", "som"), ("words", '"som"'), ("words", "some few"),
        ("words", "?"), ("model", "nobody"), ("client", "a\0b"),
    )),
    Filters(start=1100.0, end=1201.0),
]  # fmt: skip


def fill(store: Store) -> None:
    """Rows in five pieces, of which those of the last are no piece yet."""
    numbers = random.Random(11)
    seqs = sorted(numbers.sample(range(4 * ROWS, 4 * ROWS + 60), 40) + numbers.sample(range(1, 4 * ROWS), COUNT - 40))
    prepared = []
    for at, seq in enumerate(seqs):
        values = {name: numbers.choice(choices) for name, choices in CHOICES.items()}
        record = make_record(id=f"r{seq}", started_at=1000.0 + at + numbers.randrange(9), attempts=(), **values)
        one = prepare(record, 1000, searched=True)
        prepared.append(replace(one, row=one.row | {"seq": seq, "attempt_count": numbers.choice([0, 1, 2])}))
    with writing(store.engine) as conn:
        insert_rows(conn, requests, [one.row for one in prepared])
        add_beside(conn, prepared, 5000.0)
        said = [
            {"request_id": one.row["id"], "verdict": "good" if at % 2 else "bad"} for at, one in enumerate(prepared)
        ]
        conn.execute(insert(feedback), [one | {"who": "me", "at": 1.0, "by_token": False} for one in said[::9]])
    make_pieces(store.engine, threading.Event(), pause=0)


def by_sql(store: Store, filters: Filters) -> list[str]:
    """The ids of the list, as SQL says."""
    query = select(requests.c.id).where(*store.queries._looked_up(filters).conditions())
    by = (requests.c.seq.desc(),) if filters.words is not None else (requests.c.started_at.desc(), requests.c.id.desc())
    with store.engine.connect() as conn:
        return list(conn.scalars(query.order_by(*by)))


def listed(store: Store, filters: Filters, limit: int) -> list[str]:
    found: list[str] = []
    before = None
    while True:
        page = store.queries.list_requests(filters, before, limit)
        found += [row.id for row in page.rows]
        if (before := page.next) is None:
            return found


def test_what_is_found_is_what_the_rows_say(store: Store) -> None:
    """Each filter alone and some with each other: lists page by page, counts, and what is traffic of them.

    With each other on SQLite only: how masks are joined is no matter of the database.
    """
    fill(store)
    numbers = random.Random(5)
    joined = []
    pairs = 16 if store.engine.dialect.name == "sqlite" else 0
    for a, b in [numbers.sample(ONE_EACH, 2) for _ in range(pairs)]:
        both = {name: getattr(a, name) if getattr(b, name) is None else getattr(b, name) for name in NAMES}
        joined.append(Filters(**both))
    some = 0
    for at, filters in enumerate((*ONE_EACH, *joined)):
        wanted = by_sql(store, filters)
        some += bool(wanted)
        assert listed(store, filters, 90) == wanted, filters
        assert store.queries.count_requests(filters) == len(wanted), filters
        with store.engine.connect() as conn:
            traffic = select(func.count()).where(requests.c.id.in_(wanted), requests.c.outcome != "answered")
            count = conn.scalar(traffic)
        assert store.queries.latency_summary(filters).overall.count == count, filters
        if at % 8 == 0:
            assert sum(layer.count for layer in store.queries.layer_counts(filters)) == count
            assert (store.queries.scatter(filters).total, store.queries.scatter(filters).more) == (count, False)
    assert some > len(ONE_EACH) * 0.8  # most find something


NAMES = tuple(name for name in Filters.__dataclass_fields__ if name != "named")


def test_what_was_written_since_is_found(store: Store) -> None:
    """Also by words that were looked for before, and what has gone is not."""
    fill(store)
    wanted = Filters(words="som")
    before = listed(store, wanted, 500)
    prepared = [prepare(make_record(id=f"new{n}", asked=asked), 1000, searched=True) for n, asked in enumerate(TEXTS)]
    prepared = [replace(one, row=one.row | {"seq": 4 * ROWS + 90 + at}) for at, one in enumerate(prepared)]
    with writing(store.engine) as conn:
        insert_rows(conn, requests, [one.row for one in prepared])
        add_words(conn, prepared)
    assert listed(store, wanted, 500) == ["new1", "new0", *before]
    assert listed(store, Filters(words='"some" few'), 1)[:1] == ["new1"]
    assert store.queries.latency_summary(wanted).overall.count > 2


TEXTS = ("some thing", "few somewhere some", "nothing", "awesome")


def test_what_is_too_much_is_not_said_to_be_all(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts are of the newest that were looked at, and say so; lists have all, as the rows are asked then."""
    fill(store)
    wanted = [Filters(words="words"), Filters(words="words", stream="yes"), Filters(text="r", stream="yes")]
    monkeypatch.setattr(reading, "MOST_FOUND", 30)
    for filters in (*wanted, Filters(session="s1"), Filters(feedback="any", session="s1")):
        more = len(by_sql(store, filters)) > 30 or filters in wanted or filters.session
        summary = store.queries.latency_summary(filters)
        assert summary.more == bool(more), filters
        assert listed(store, filters, 50) == by_sql(store, filters)
    assert store.queries.latency_summary(Filters(words="words")).overall.count <= 30
    monkeypatch.setattr(reading, "MOST_READ", 0)
    with writing(store.engine) as conn:
        conn.execute(reading.request_columns.delete())
    reader = ColumnReader(store.engine)
    assert (reader.look(Filters()).count, reader.look(Filters()).more) == (0, True)
    monkeypatch.setattr(reading, "MOST_READ", 3)
    counts = []
    for _ in range(3):  # what was read once is kept, so that all is known in the end
        counts.append((reader.look(Filters(), traffic=False).count, reader.look(Filters()).more))
    assert counts[0][0] < COUNT
    assert counts[-1] == (COUNT, False)
