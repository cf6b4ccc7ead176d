"""What sessions sum up to is always what their rows are: as these are written, removed and forgotten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from switchman.addons.core.access.session import BY_BEGINNING, session_digest
from switchman.addons.store import Store
from switchman.addons.store.database import writing
from switchman.addons.store.keeping.beside.sessions import add_to_sessions
from switchman.addons.store.keeping.elsewhere import Elsewhere
from switchman.addons.store.keeping.forgetting import Wanted, forget
from switchman.addons.store.keeping.logsize import remove_rows
from switchman.addons.store.reading.sessions import SessionFilters
from switchman.addons.store.tables import requests, sessions
from switchman.addons.testing.samples import make_record

Write = Callable[..., None]
ANNA, BERT = session_digest("anna"), session_digest("bert")


def asked(number: int, session: str | None = ANNA, **fields: Any) -> Any:
    return make_record(f"r{number}", **{
        "session": session, "agent": "codex", "started_at": 1_000.0 + number, "duration_ms": 500.0,
        "input_tokens": 100, "output_tokens": 10, "cached_tokens": 50, "cost": 7, **fields,
    })  # fmt: skip


def kept(store: Store) -> dict[str, tuple[Any, ...]]:
    """All that is summed up, by session."""
    with store.engine.connect() as conn:
        return {row[0]: tuple(row[1:]) for row in conn.execute(select(sessions))}


def counted(store: Store) -> dict[str, tuple[Any, ...]]:
    """The same from the rows themselves, by the code that has just written them: into an empty table."""
    with store.engine.connect() as conn:
        rows = conn.execute(select(requests).order_by(requests.c.seq)).mappings().all()
        before = conn.execute(select(sessions)).all()
    with writing(store.engine) as conn:
        conn.execute(sessions.delete())
        add_to_sessions(conn, rows)
    found = kept(store)
    with writing(store.engine) as conn:
        conn.execute(sessions.delete())
        for row in before:
            conn.execute(sessions.insert().values(**row._mapping))
    return found


def test_a_session_sums_up_its_requests(store: Store, write: Write) -> None:
    """From the first start to the last end; what is not known is counted apart, and is no zero."""
    write(store, asked(1, project=None), asked(3, project="/srv/a", outcome="failed", duration_ms=2_000.0))
    write(
        store, asked(2, cost=None, input_tokens=None, cached_tokens=None), asked(4, cached_tokens=None), asked(5, None)
    )
    row = store.queries.get_session(ANNA)
    assert row is not None
    assert (row.agent, row.project, row.started_at, row.ended_at) == ("codex", "/srv/a", 1_001.0, 1_005.0)
    assert (row.requests, row.errors, row.unpriced, row.uncounted) == (4, 1, 1, 1)
    assert (row.input_tokens, row.output_tokens, row.cached_tokens, row.told_tokens) == (300, 40, 100, 200)
    assert (row.cost, row.from_cache, row.tokens) == (21, 0.5, (300, 40))
    assert len(kept(store)) == 1 and kept(store) == counted(store)


def test_what_is_removed_is_taken_away(store: Store, write: Write) -> None:
    """A session without rows is gone; of another, all is as if those rows had never been."""
    write(store, *(asked(at, ANNA if at % 3 else BERT, outcome="failed" if at % 2 else "ok") for at in range(1, 13)))
    for most in (1, 4, 7):
        with writing(store.engine) as conn:
            query = select(requests.c.seq, requests.c.stored_size).order_by(requests.c.started_at).limit(most)
            assert remove_rows(conn, query, oldest=False) == most
        left = counted(store)
        assert kept(store) == left
    assert kept(store) == {}


def test_a_forgotten_folder_is_not_kept_by_the_session(store: Store, write: Write, tmp_path: Path) -> None:
    """Where the request that told it goes, and others of the session stay."""
    write(
        store, asked(1, token="anna", token_id="a", project="/home/anna/secret"), asked(2, token="bert", token_id="b")
    )
    forget(store.engine, store.blobs, Wanted(token="anna"), Elsewhere(tmp_path / "log.db"))
    row = store.queries.get_session(ANNA)
    assert row is not None and (row.requests, row.project, row.started_at) == (1, None, 1_002.0)


def test_a_subagent_is_forgotten_by_its_own_name(store: Store, write: Write, tmp_path: Path) -> None:
    """It is a part of its parent's session, whose name takes all of it."""
    write(store, asked(1), asked(2, branch=session_digest("child")), asked(3, branch=f"{BY_BEGINNING}0123456789abcd"))
    done = forget(store.engine, store.blobs, Wanted(session="child"), Elsewhere(tmp_path / "log.db"))
    assert done.rows == 1
    with store.engine.connect() as conn:
        assert set(conn.scalars(select(requests.c.id))) == {"r1", "r3"}
    assert forget(store.engine, store.blobs, Wanted(session="anna"), Elsewhere(tmp_path / "log.db")).rows == 2


def test_a_session_without_a_name_is_forgotten_by_its_digest(store: Store, write: Write, tmp_path: Path) -> None:
    """As its page shows it."""
    digest = BY_BEGINNING + "0" * 30
    write(store, asked(1, digest), asked(2))
    assert forget(store.engine, store.blobs, Wanted(session=digest), Elsewhere(tmp_path / "log.db")).rows == 1
    assert set(kept(store)) == {ANNA}


def test_metadata_has_no_session_of_what_was_asked(store: Store, write: Write) -> None:
    """Nor a folder; what the client named stays."""
    digest = BY_BEGINNING + "0" * 30
    some = {"capture": "metadata", "project": "/home/anna", "branch": f"{BY_BEGINNING}0123456789abcd"}
    write(store, asked(1, digest, **some), asked(2, ANNA, **{**some, "branch": BERT, "parent": ANNA}))
    with store.engine.connect() as conn:
        names = ("session", "agent", "project", "branch", "parent")
        found = conn.execute(select(*(requests.c[name] for name in names)).order_by(requests.c.seq)).all()
    assert [tuple(row) for row in found] == [(None, "codex", None, None, None), (ANNA, "codex", None, BERT, ANNA)]
    assert set(kept(store)) == {ANNA} and kept(store)[ANNA][1] is None


def test_redacted_has_the_folder_without_what_is_private(store: Store, write: Write) -> None:
    """As all texts."""
    write(store, asked(1, capture="redacted", trace=(), project="/home/anna.smith@example.org/shop"))
    row = store.queries.get_session(ANNA)
    assert row is not None and row.project == "/home/[email]/shop"


def test_many_sessions_of_one_batch_are_all_there(store: Store, write: Write) -> None:
    """More than one statement takes."""
    write(store, *(asked(at, session_digest(str(at % 70))) for at in range(140)))
    with store.engine.connect() as conn:
        assert conn.scalar(select(func.count()).select_from(sessions)) == 70
        assert set(conn.scalars(select(sessions.c.requests))) == {2}
    assert len(store.queries.list_sessions(SessionFilters(), limit=100).rows) == 70


def test_a_session_that_counts_more_than_there_is_goes_with_its_last_row(store: Store, write: Write) -> None:
    """Rows of it may have gone uncounted; then nothing is left that has a time."""
    write(store, asked(1), asked(2, BERT))
    with writing(store.engine) as conn:
        conn.execute(sessions.update().values(requests=sessions.c.requests + 3))
        query = select(requests.c.seq, requests.c.stored_size).where(requests.c.session == ANNA)
        assert remove_rows(conn, query, oldest=False) == 1
    assert set(kept(store)) == {BERT}


def test_rows_that_know_little_come_and_go(store: Store, write: Write) -> None:
    """Without agent, project, tokens, cost: such rows are written, removed and leave their session right."""
    none = {"agent": None, "project": None, "cost": None, "input_tokens": None, "output_tokens": None}
    write(store, *(asked(n, cached_tokens=None, **none) for n in range(3)), asked(3, project="/srv/a"))
    with writing(store.engine) as conn:
        query = select(requests.c.seq, requests.c.stored_size).where(requests.c.id.in_(["r0", "r3"]))
        assert remove_rows(conn, query, oldest=False) == 2
    assert kept(store) == {ANNA: ("codex", *counted(store)[ANNA][1:])}
