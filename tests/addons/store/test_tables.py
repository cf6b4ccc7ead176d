"""What the tables themselves hold to, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from switchman.addons.store import Store
from switchman.addons.store.database import writing
from switchman.addons.store.tables import attempts, blobs, requests, totals, underway
from switchman.addons.testing.samples import make_attempt, make_record

Write = Callable[..., None]


def seqs(store: Store) -> list[int]:
    with store.engine.connect() as conn:
        return list(conn.scalars(select(requests.c.seq).order_by(requests.c.seq)))


def test_a_number_is_never_given_twice(store: Store, write: Write) -> None:
    """Also not that of the newest row when it is deleted: a live list that has seen it would miss the next one."""
    write(store, make_record("a"), make_record("b"))
    newest = seqs(store)[-1]
    with writing(store.engine) as conn:
        conn.execute(delete(requests))
    write(store, make_record("c"))
    assert seqs(store)[0] > newest


def test_attempts_go_with_their_request(store: Store, write: Write) -> None:
    """And none is there without one."""
    write(store, make_record("a", attempts=(make_attempt(1), make_attempt(2))), make_record("b"))
    with writing(store.engine) as conn:
        conn.execute(delete(requests).where(requests.c.id == "a"))
        assert list(conn.scalars(select(attempts.c.request_id))) == ["b"]
    orphan = {"request_id": "none", "number": 1, "server": "s", "model": "m", "url": "u", "started_at": 1.0,
              "duration_ms": 1.0, "outcome": "ok"}  # fmt: skip
    with pytest.raises(IntegrityError), writing(store.engine) as conn:
        conn.execute(insert(attempts), orphan)


def test_the_total_is_the_sum_of_what_is_stored(store: Store, write: Write) -> None:
    """It is kept in the transaction that changes it, so that nobody has to add up."""
    write(store, *(make_record(f"r{n}", request_body=b"x" * n * 100, response_body=b"y") for n in range(1, 5)))
    with store.engine.connect() as conn:
        assert conn.scalar(select(func.sum(blobs.c.stored_size))) == conn.scalar(
            select(totals.c.value).where(totals.c.name == "blob_bytes")
        )


def test_what_is_under_way_has_the_names_of_the_log() -> None:
    """The dashboard shows both in one list, so a column of both has one type."""
    both = {"id", "started_at", "method", "path", "client", "requested_model", "layer", "route", "server", "model"}
    assert {name: str(underway.c[name].type) for name in both} == {name: str(requests.c[name].type) for name in both}
