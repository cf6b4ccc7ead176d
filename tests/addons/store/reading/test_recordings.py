"""Requests in the order of their start, with their bodies, the same on both databases."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.core.access.caller import Caller, Terms
from switchman.addons.core.record import Record
from switchman.addons.store import Store
from switchman.addons.store.reading import recordings
from switchman.addons.store.reading.recordings import Recordings
from switchman.addons.testing.samples import make_record

Write = Callable[..., None]


def records(count: int, **changes: Any) -> list[Record]:
    return [make_record(id=f"r{n:04}", started_at=1000.0 + n, **changes) for n in range(count)]


def read(store: Store, since: float | None = None, limit: int = 10_000, **more: Any) -> list[Any]:
    found = Recordings(store.engine, store.blobs)
    span = found.span(since, limit)
    return list(found.of(span, **more)) if span is not None else []


def test_all_rows_come_once_and_in_order(store: Store, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """From page to page, also where several began at one moment."""
    monkeypatch.setattr(recordings, "PAGE", 4)
    shuffled = [make_record(id=f"r{n:02}", started_at=1000.0 + n // 5) for n in range(23)]
    random.Random(1).shuffle(shuffled)
    write(store, *shuffled)
    assert [one.id for one in read(store)] == [f"r{n:02}" for n in range(23)]


def test_the_newest_of_a_time(store: Store, write: Write) -> None:
    """`limit` counts from the newest; what comes meanwhile is not among them."""
    assert read(store) == []
    write(store, *records(10))
    assert [one.id for one in read(store, limit=3)] == ["r0007", "r0008", "r0009"]
    assert [one.id for one in read(store, since=1008.0)] == ["r0008", "r0009"]
    assert read(store, since=2000.0) == []
    found = Recordings(store.engine, store.blobs)
    span = found.span(None, 100)
    assert span is not None and span.rows == 10
    write(store, make_record(id="late", started_at=5000.0))
    assert len(list(found.of(span))) == 10


def test_bodies_come_as_they_were_sent(store: Store, write: Write) -> None:
    """Small ones lie in the database, large ones in files; what is cut, too long or not kept is none."""
    random_bytes = random.Random(1).randbytes(30_000)
    write(
        store,
        make_record(id="a", started_at=1.0, request_body=b'{"model":"m"}'),
        make_record(id="b", started_at=2.0, request_body=random_bytes),
        make_record(id="c", started_at=3.0, request_body=b"beginning", request_size=10_000),
        make_record(id="d", started_at=4.0, request_body=b""),
        make_record(id="e", started_at=5.0, request_body=None, request_size=17, capture="metadata"),
    )
    bodies = {one.id: one.body for one in read(store)}
    assert bodies == {"a": b'{"model":"m"}', "b": random_bytes, "c": None, "d": b"", "e": None}
    assert {one.id: one.body for one in read(store, most_body=1000)} == bodies | {"b": None}


def test_a_row_has_what_decisions_hang_on(store: Store, write: Write) -> None:
    """With the caller as its token is now; of a token that is gone, the name."""
    token, _ = store.access.tokens.create(Terms("anna", groups=frozenset({"staff"})), 1.0)
    head = (("x-team", "lab"), ("authorization", "Bearer sk-0123456789abcdefghij"))
    write(
        store,
        make_record(id="a", started_at=1.0, token="anna", token_id=token.caller.id, request_headers=head),
        make_record(id="b", started_at=2.0, token="ben", token_id="b" * 12, cached_tokens=3, cache="miss"),
        make_record(id="c", started_at=3.0),
    )
    first, second, third = read(store)
    assert (first.caller, second.caller, third.caller) == (token.caller, Caller("b" * 12, "ben"), None)
    assert first.headers[0] == ("x-team", "lab") and "0123456789" not in first.headers[1][1]
    assert (second.cached_tokens, second.cache, third.layer, third.route) == (3, "miss", "alias", "git-commit-model")
    assert third.trace[0]["layer"] == "alias"


def test_the_median_is_of_good_answers_of_one_target(store: Store, write: Write) -> None:
    """The newest thousand; None where it never answered."""
    write(
        store,
        *(make_record(id=f"r{n}", started_at=1.0 + n, duration_ms=float(took)) for n, took in enumerate((9, 1, 5))),
        make_record(id="failed", duration_ms=1000.0, outcome="failed", status=502),
        make_record(id="cached", duration_ms=0.1, outcome="cached"),
        make_record(id="other", duration_ms=700.0, server="laptop"),
    )
    found = Recordings(store.engine, store.blobs)
    assert found.median("fast-box", "llama3") == 5.0
    assert found.median("laptop", "llama3") == 700.0
    assert found.median("laptop", "qwen") is None
