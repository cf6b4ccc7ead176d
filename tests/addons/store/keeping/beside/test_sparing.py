"""No row is lost, and no row stays, for the sake of what stands beside it; what is missing is noted, and told once."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError, OperationalError

from switchman.addons.store import Store, open_store
from switchman.addons.store.database import writing
from switchman.addons.store.keeping.beside.sparing import ALL, DAMAGED, hours_of, is_damage, raise_passing
from switchman.addons.store.keeping.elsewhere import Elsewhere
from switchman.addons.store.keeping.forgetting import Wanted, forget
from switchman.addons.store.tables import missed
from switchman.addons.testing.samples import make_record

Write = Callable[..., None]
AT = 1_700_000_000.0
HOUR = str(int(AT // 3600) * 3600)


@pytest.fixture(autouse=True)
def nothing_is_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is noted is looked at here; test_mending.py sees it made good."""
    monkeypatch.setattr("switchman.addons.store.retention.mend", lambda *_: None)


@contextmanager
def without(store: Store, table: str) -> Iterator[None]:
    """The table is not there: whatever is done with it fails, and not for a reason that passes."""
    for before, after in ((table, f"{table}_away"), (f"{table}_away", table)):
        with writing(store.engine) as conn:
            conn.exec_driver_sql(f"ALTER TABLE {before} RENAME TO {after}")
        if after != table:
            yield


def notes(store: Store) -> set[tuple[str, str]]:
    with store.engine.connect() as conn:
        return {tuple(row) for row in conn.execute(select(missed.c.kind, missed.c.name))}  # type: ignore[misc]


def ids(store: Store) -> set[str]:
    return {row.id for row in store.queries.list_requests().rows}


def asked(number: int, **fields: object):
    return make_record(
        f"r{number}", started_at=AT + number, session="s" * 32, asked=f"zebra{number}", token=None, **fields
    )


@pytest.mark.parametrize(
    ("table", "kind", "name"),
    [("figures", "figures", HOUR), ("sessions", "sessions", "s" * 32), ("request_words", "words", "lost")],
)
def test_what_cannot_be_kept_up_costs_no_row(
    store: Store, write: Write, caplog: pytest.LogCaptureFixture, table: str, kind: str, name: str
) -> None:
    """Rows are written, in one transaction, and go by age, although a table beside them fails; the others follow."""
    caplog.set_level(logging.WARNING, logger="switchman")
    with without(store, table):
        write(store, *(asked(n) for n in range(3)))
        write(store, asked(3))
        assert ids(store) == {"r0", "r1", "r2", "r3"} and store.writer().counts.failed == 0
        assert notes(store) == {(kind, name)}
        assert [line.levelname for line in caplog.records] == ["WARNING"], "told once"
        assert "some requests" in caplog.text
        store.retention._max_age = 1.0
        removed = store.retention.run_once(AT + 2.5)
        assert removed is not None and removed.rows == 2
        forget(store.engine, store.blobs, Wanted(before=AT + 2.9), Elsewhere("no.db"))
        assert ids(store) == {"r3"}


def test_rows_go_although_their_columns_cannot(store: Store, write: Write) -> None:
    """All columns are noted to be made anew, as they have rows that went."""
    write(store, asked(1), asked(2))
    with without(store, "request_columns"):
        forget(store.engine, store.blobs, Wanted(before=AT + 1.5), Elsewhere("no.db"))
    assert (ids(store), notes(store)) == ({"r2"}, {("columns", ALL)})


def test_other_figures_follow_where_one_fails(store: Store, write: Write) -> None:
    """Sessions and words of a batch whose figures could not be kept are there."""
    with without(store, "figures"):
        write(store, asked(1))
    session = store.queries.get_session("s" * 32)
    assert session is not None and session.requests == 1
    with store.engine.connect() as conn:
        assert conn.scalar(text("SELECT count(*) FROM request_words")) == 1


def test_a_damaged_index_of_words_holds_nothing_up(tmp_path: Path, write: Write) -> None:
    """Rows come and go although FTS5 finds its own tables broken; that is noted as damage."""
    with open_store(db_path=tmp_path / "log.db", blob_path=tmp_path / "blobs", max_age_days=None) as store:
        write(store, *(asked(n) for n in range(3)))
        with writing(store.engine) as conn:
            conn.exec_driver_sql("UPDATE request_words_data SET block = x'ffff'")
        write(store, asked(3))
        store.retention._max_age = 1.0
        removed = store.retention.run_once(AT + 2.5)
        assert removed is not None and removed.rows == 2
        assert ids(store) == {"r2", "r3"}
        assert notes(store) == {("words", DAMAGED)}


def test_what_passes_is_raised() -> None:
    """Of an error, and of those that came before it: then the whole transaction is tried again."""
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    after = OperationalError("ROLLBACK TO", {}, sqlite3.OperationalError("no such savepoint"))
    after.__context__ = OperationalError("INSERT", {}, full)
    with pytest.raises(OperationalError, match="full"):
        raise_passing(after)
    raise_passing(ValueError("no database at all"))


@pytest.mark.parametrize(
    ("code", "words", "damage"),
    [
        (sqlite3.SQLITE_CORRUPT_VTAB, "database disk image is malformed", True),
        (sqlite3.SQLITE_ERROR, "vtable constructor failed: request_words", True),
        (sqlite3.SQLITE_ERROR, "no such table: request_words", False),
    ],
)
def test_damage_is_told_from_other_errors(code: int, words: str, damage: bool) -> None:
    """What is damaged is made anew; what is only missing is not."""
    error = sqlite3.DatabaseError(words)
    error.sqlite_errorcode = code
    assert is_damage(DatabaseError("INSERT", {}, error)) is damage


def test_a_time_that_is_none_has_no_hour() -> None:
    """Whatever a row says when it began, the note can be written."""
    rows = [{"started_at": at} for at in (7_300.0, 7_201.0, float("inf"), float("nan"), -5.0, 1e300)]
    assert hours_of(rows) == ["7200"]
