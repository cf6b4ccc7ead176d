"""Figures say what the rows say, whatever was written, summed up, forgotten or aged out; on both databases."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, delete, func, inspect, select, text, update
from sqlalchemy.exc import DBAPIError

from switchman.addons.core.record import Record
from switchman.addons.store import Filters, Store, open_store
from switchman.addons.store.database import _alembic_config, database_url, insert_rows, make_engine, writing
from switchman.addons.store.figures.cells import DAY, HOUR, MINUTE
from switchman.addons.store.figures.keeping import read_marks, sum_up
from switchman.addons.store.figures.reading import Figures
from switchman.addons.store.figures.tables import figure_kinds, figure_marks, figures
from switchman.addons.store.keeping.elsewhere import Elsewhere
from switchman.addons.store.keeping.forgetting import Wanted, forget
from switchman.addons.store.rows import MOST_SUMMED, prepare
from switchman.addons.store.tables import requests
from switchman.addons.testing.samples import make_record

Write = Callable[..., None]


def made(count: int, now: float, days: float, seed: int = 5) -> list[Record]:
    numbers = random.Random(seed)
    return [
        make_record(
            id=f"r{seed}-{n}", started_at=now - numbers.uniform(0, days * DAY), server=numbers.choice(["a", "b", None]),
            model=numbers.choice(["m", "n"]), token=numbers.choice(["anna", None]), token_id=None,
            outcome=numbers.choice(["ok", "ok", "cached", "failed", "answered"]),
            duration_ms=numbers.lognormvariate(6, 1), cost=numbers.choice([None, 7]),
            cache=numbers.choice([None, "hit"]),
        )
        for n in range(count)
    ]  # fmt: skip


def said(store: Store, **filters: Any) -> tuple[float, ...]:
    """What the figures say."""
    total = store.queries.figures.divided(Filters(**filters)).total
    return told(total)


def told(one: Figures) -> tuple[float, ...]:
    return one.requests, one.errors, one.input_tokens, one.cost, one.priced, len("".join(one.durations))


def counted(store: Store, **filters: Any) -> tuple[float, ...]:
    """What the rows say."""
    where = [*Filters(**filters).conditions(), requests.c.outcome != "answered"]
    with store.engine.connect() as conn:
        rows = conn.execute(select(requests).where(*where)).all()
    return (
        len(rows),
        sum(row.outcome == "failed" for row in rows),
        sum(row.input_tokens or 0 for row in rows),
        sum(row.cost_microdollars or 0 for row in rows),
        sum(row.cost_microdollars is not None for row in rows),
        sum(row.outcome in ("ok", "cached") for row in rows),
    )


def check(store: Store, now: float) -> None:
    for filters in (
        {}, {"start": now - 3 * DAY - 5}, {"start": now - HOUR, "end": now - 61}, {"start": now - DAY, "server": "a"},
        {"end": now - DAY, "token": "anna"}, {"outcome": "error"}, {"cache": "hit", "model": "m"},
    ):  # fmt: skip
        assert said(store, **filters) == counted(store, **filters), filters


def test_figures_are_those_of_the_rows(store: Store, write: Write) -> None:
    """Rows of all times, written in any order; a request that came before counts once, also from the spool."""
    now = time.time()
    some = made(120, now, 6)
    write(store, *some[:60])
    write(store, *some[60:])
    check(store, now)
    assert said(store)[0] == sum(record.outcome != "answered" for record in some)


def test_hours_and_days_are_summed_up_when_they_are_over(store: Store, write: Write) -> None:
    """Nothing is counted twice; old minutes go; what comes late is added to the sums."""
    now = time.time()
    recent = made(60, now, 0.1)
    write(store, *recent)
    later = now + 4 * DAY
    with writing(store.engine) as conn:
        sum_up(conn, read_marks(conn), later)
        widths = dict(
            conn.execute(select(figures.c.width, func.sum(figures.c.requests)).group_by(figures.c.width)).all()
        )
    assert widths == {HOUR: 120, DAY: 120}  # each request in its own kind and in its outcome's
    check(store, now)
    write(store, *made(20, now, 2, seed=6))
    check(store, now)


def test_what_is_forgotten_is_in_no_figure(store: Store, write: Write, tmp_path: Path) -> None:
    """Neither its counts nor its names; the rest stays as it was."""
    now = time.time()
    write(store, *made(80, now, 4))
    forget(store.engine, store.blobs, Wanted(token="anna"), Elsewhere(tmp_path / "unused.db"))
    check(store, now)
    assert said(store)[0] > 0
    with store.engine.connect() as conn:
        assert not conn.scalar(select(func.count()).select_from(figure_kinds).where(figure_kinds.c.token == "anna"))


def test_figures_end_with_their_rows(store: Store, write: Write) -> None:
    """Retention takes the oldest rows, and no figure of them is left; a row that comes late is counted all the same."""
    now = time.time()
    write(store, *made(100, now, 6))
    store.retention._max_age = 3 * DAY + 1234
    assert store.retention.run_once(now)
    check(store, now)
    with store.engine.connect() as conn:
        assert conn.scalar(select(func.min(figures.c.bucket))) > now - 5 * DAY
    write(store, make_record(id="late", started_at=now - 5.5 * DAY))
    check(store, now)


def test_a_log_of_before_gets_its_figures(url: str, tmp_path: Path) -> None:
    """The migration counts all rows that are there; a downgrade takes the tables away."""
    now = time.time()
    with open_store(url=url, blob_path=tmp_path, max_age_days=None) as store:
        command_on(store, "downgrade", "0010_private")
        with writing(store.engine) as conn:
            insert_rows(conn, requests, before(conn, *made(90, now, 6)))
        command_on(store, "upgrade", "head")
        check(store, now)
        assert said(store)[0] > 50


def before(conn: Connection, *records: Record) -> list[dict[str, Any]]:
    """Rows as the version before had them."""
    known = {column["name"] for column in inspect(conn).get_columns("requests")}
    rows = [prepare(record, 100).row for record in records]
    return [{name: value for name, value in row.items() if name in known} for row in rows]


def command_on(store: Store, which: str, revision: str) -> None:
    config = _alembic_config()
    with writing(store.engine) as conn:
        config.attributes["connection"] = conn
        getattr(command, which)(config, revision)


def test_a_migration_that_fails_leaves_the_database_as_it_was(url: str, tmp_path: Path) -> None:
    """A row that cannot be counted stops it, and nothing of it stays."""
    with open_store(url=url, blob_path=tmp_path, max_age_days=None) as store:
        command_on(store, "downgrade", "0010_private")
        with writing(store.engine) as conn:
            insert_rows(conn, requests, before(conn, make_record()))
            conn.execute(update(requests).values(started_at=1e300))
        with pytest.raises((OverflowError, DBAPIError)):
            command_on(store, "upgrade", "0011_figures")
        with store.engine.connect() as conn:
            assert conn.scalar(text("SELECT version_num FROM alembic_version")) == "0010_private"
        with writing(store.engine) as conn:
            conn.execute(delete(requests))
        command_on(store, "upgrade", "head")
        assert said(store)[0] == 0


def test_a_new_database_begins_now(url: str, tmp_path: Path) -> None:
    """There is a mark of each kind, so that updates of them find a row."""
    make_engine(database_url(url, tmp_path / "unused")).dispose()
    with open_store(url=url, blob_path=tmp_path) as store, store.engine.connect() as conn:
        marks = dict(conn.execute(select(figure_marks.c.name, figure_marks.c.value)).all())
    assert marks.keys() == {"floor", "minutes", "hours", "days"}
    assert marks["floor"] == 0
    assert marks["minutes"] % HOUR == marks["hours"] % HOUR == marks["days"] % DAY == 0
    assert MINUTE < time.time() - marks["hours"] < 2 * HOUR


def test_what_a_server_says_of_one_request_does_not_fill_a_sum(url: str, tmp_path: Path, write: Write) -> None:
    """Neither in rows of before, which the upgrade sums up, nor in those that come: costs and tokens of 2^62."""
    now, much = time.time(), 2**62
    huge = {"input_tokens": much, "output_tokens": much, "cost": much, "session": "s" * 32}
    with open_store(url=url, blob_path=tmp_path, max_age_days=None) as store:
        command_on(store, "downgrade", "0010_private")
        with writing(store.engine) as conn:
            rows = before(conn, *(make_record(id=f"old{number}", started_at=now, **huge) for number in range(4)))
            insert_rows(conn, requests, [{**row, "cost_microdollars": much, "input_tokens": much} for row in rows])
        command_on(store, "upgrade", "head")
        write(store, *(make_record(id=f"new{number}", started_at=now, **huge) for number in range(4)))
        found = store.queries.get_session("s" * 32)
        assert found is not None and found.requests == 8 and found.cost_microdollars == 8 * MOST_SUMMED
        assert said(store)[0] == 8
