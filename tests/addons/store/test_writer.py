"""The writer: never in the way of the proxy, and every request leaves its row."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.core.keys.known import KnownKeys
from switchman.addons.core.record import AttemptRecord, Record
from switchman.addons.store import Store, open_store
from switchman.addons.store.database import writing
from switchman.addons.store.writer import Writer
from switchman.addons.testing.samples import make_record

Write = Callable[..., None]
ATTEMPT = AttemptRecord(1, "a", "m", "http://a/v1", 1.0, 2.0, 503, "status", "busy", 1.5, cost=7)


def detail_of(store: Store, request_id: str) -> Any:
    detail = store.queries.get_request(request_id)
    assert detail
    return detail


def make_writer(store: Store, **options: Any) -> Writer:
    return Writer(
        store.engine, store.blobs, **{"max_body": 1000, "max_total": 10**9, "gather_seconds": 0.001, **options}
    )


def test_a_record_comes_back_as_it_was(store: Store, write: Write) -> None:
    """Every field of a record, its attempts, trace, headers and bodies can be read again."""
    record = make_record(
        attempts=(ATTEMPT, AttemptRecord(2, "b", "n", "http://b/v1", 3.0, 4.0, 200, "ok")),
        cached_tokens=3, reasoning_tokens=4, error="an error", tokens_per_second=1.25,
    )  # fmt: skip
    write(store, record)
    detail = detail_of(store, record.id)
    for name in Record.__slots__:
        if hasattr(detail.row, name) and name not in ("request_size", "response_size"):
            assert getattr(detail.row, name) == getattr(record, name), name
    columns = {"cost": "cost_microdollars"}
    assert [tuple(getattr(a, columns.get(n, n)) for n in AttemptRecord.__slots__) for a in detail.attempts] == [
        tuple(getattr(a, n) for n in AttemptRecord.__slots__) for a in record.attempts
    ]
    assert (detail.trace, detail.request_headers) == (record.trace, record.request_headers)
    for which in ("request", "response"):
        content = store.queries.body(record.id, which)
        assert content and content.data == getattr(record, f"{which}_body")
        assert content.info.size == len(content.data)


def test_a_key_of_the_configuration_never_reaches_the_store(url: str, tmp_path: Path) -> None:
    """By its value, in every field of a record, its attempts, its trace and its bodies; nothing else changes."""
    key = "an-own-key-1234567890"
    attempt = AttemptRecord(1, key, key, f"http://a/{key}", 1.0, 2.0, 503, "status", f"not {key}", 1.5, (f"x: {key}",))
    record = make_record(
        path=f"/{key}", client=key, requested_model=key, layer=key, route=key, server=key, model=key,
        error=f"not {key}", finish_reason=key,
        request_headers=(("x-any", key), ("referer", f"/?a={key}")), response_headers=(("x", key),),
        request_body=f'{{"user": "{key}"}}'.encode(), response_body=f"data: {key}\n\n".encode(), attempts=(attempt,),
        trace=({"layer": key, "outcome": "hit", "detail": key, "earlier": {"id": key}},),
    )  # fmt: skip
    with open_store(url=url, blob_path=tmp_path, max_age_days=None, keys=lambda: KnownKeys([key])) as opened:
        opened.writer().put(record)
        opened.writer().close()
        detail = detail_of(opened, record.id)
        bodies = [opened.queries.body(record.id, which) for which in ("request", "response")]
    assert key not in repr(detail) and detail.row.requested_model == detail.row.server == "...7890"
    assert [body.data for body in bodies if body] == [
        b'{"user": "' + b"*" * len(key) + b'"}',
        b"data: " + b"*" * len(key) + b"\n\n",
    ]
    assert detail.row.started_at == record.started_at and detail.row.status == record.status


def test_secrets_never_reach_the_store(url: str, tmp_path: Path) -> None:
    """A caller that forgot to mask leaves no credential in headers, path, trace, attempts' URLs or errors."""
    secret = "sk-0123456789abcdefghijklmn"
    with open_store(url=url, blob_path=tmp_path / "blobs", max_age_days=None) as store:
        store.writer().put(
            make_record(
                request_headers=(("Authorization", f"Bearer {secret}"), ("x-api-key", secret)),
                response_headers=(("set-cookie", f"s={secret}; Path=/"),),
                path=f"/v1/x?key={secret}",
                error=f"http://u:{secret}@h/ refused: incorrect key {secret}",
                trace=({"layer": "arbiter", "outcome": "error", "detail": f"it says: no such key: {secret}"},),
                attempts=(
                    AttemptRecord(
                        1, "a", "m", f"http://u:{secret}@a/?key={secret}", 1, 2, None, "dns", f"key {secret}"
                    ),
                ),
            )
        )
    with open_store(url=url, blob_path=tmp_path / "blobs") as store:
        detail = store.queries.get_request(store.queries.list_requests().rows[0].id)
        assert detail
        assert detail.request_headers == (("Authorization", "Bearer ...klmn"), ("x-api-key", "...klmn"))
        assert secret not in repr(detail)


@pytest.mark.parametrize(
    "changes",
    [
        {"requested_model": 7, "model": "m\0n"},
        {"model": "\ud800half a pair", "request_headers": (("x", "\udcff\0"),)},
        {"requested_model": "m" * 5_000, "path": "/" + "p" * 100_000, "error": "e" * 1_000_000},
        {
            "input_tokens": 10**30,
            "output_tokens": -(10**30),
            "tokens_per_second": float("inf"),
            "ttft_ms": float("nan"),
        },
        {"trace": ({"layer": "x", "score": float("nan"), "detail": "\0\ud800"},)},
        {"attempts": (ATTEMPT, ATTEMPT, ATTEMPT)},
        {"client": "fe80::1%" + "z" * 500, "finish_reason": "é" * 500},
    ],
)
def test_odd_values_leave_a_row(store: Store, write: Write, changes: dict[str, Any]) -> None:
    """What a database would refuse (NUL, half surrogates, giant numbers and names, doubled attempts) is made to fit."""
    record = make_record(**changes)
    write(store, record)
    assert store.writer().counts.failed == 0
    detail = detail_of(store, record.id)
    repr(detail).encode()  # nothing that cannot be shown
    assert len(detail.attempts) == len(record.attempts)


def test_a_bad_record_costs_only_itself(store: Store, write: Write, caplog: pytest.LogCaptureFixture) -> None:
    """One record that cannot be stored is logged by its id; the others of its batch are written."""
    good = [make_record(id=f"good-{n}") for n in range(5)]
    bad = [make_record(id="bad-1", request_body="text"), make_record(id="bad-2", started_at=None)]
    write(store, *good[:2], *bad, *good[2:])
    assert {row.id for row in store.queries.list_requests().rows} == {record.id for record in good}
    assert store.writer().counts.failed == 2
    assert "bad-1 is left out" in caplog.text


def test_an_id_that_comes_twice(store: Store, write: Write) -> None:
    """Clients choose ids: a second request with the same one leaves a row too, under an id of its own."""
    write(store, make_record(id="same", started_at=1.0), make_record(id="other", started_at=2.0))
    write(store, make_record(id="same", started_at=3.0, attempts=(ATTEMPT,)), make_record(id="third", started_at=4.0))
    rows = store.queries.list_requests().rows
    assert [row.started_at for row in rows] == [4.0, 3.0, 2.0, 1.0]
    assert rows[1].id.startswith("same~")
    assert len(detail_of(store, rows[1].id).attempts) == 1


def test_the_same_record_twice_is_one_row(store: Store, write: Write) -> None:
    """A batch that was committed just as the connection broke comes again, and is not written twice."""
    record = make_record()
    write(store, record)
    write(store, record)
    assert len(store.queries.list_requests().rows) == 1
    assert store.writer().counts.failed == 0


def test_a_full_queue_drops_and_counts(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """put() returns at once with False when the queue is full; the count is logged once, not per record."""
    with writing(store.engine):  # nothing can be written meanwhile
        writer = make_writer(store, queue_records=10)
        results = [writer.put(make_record(id=f"r{n}")) for n in range(1_000)]
        assert not all(results)
    assert writer.close(60)
    assert writer.counts.written == sum(results)
    assert writer.counts.dropped == 1_000 - sum(results)
    assert len([r for r in caplog.records if "were not logged so far" in r.message]) <= 2


def test_too_many_bytes_keep_the_row(store: Store) -> None:
    """When the bodies that wait take too much memory, requests are queued without theirs, and say so."""
    with writing(store.engine):
        writer = make_writer(store, queue_bytes=100, gather_seconds=30)
        writer.put(make_record(id="first", request_body=b"x" * 60, response_body=None))
        writer.put(make_record(id="second", request_body=b"y" * 60, response_body=None))
    assert writer.close(60)
    assert writer.counts.bodiless == 1
    assert detail_of(store, "first").request_body.state == "kept"
    info = detail_of(store, "second").request_body
    assert (info.state, info.size) == ("gone", 60)


def test_put_after_close_is_a_drop(store: Store) -> None:
    """A record that comes after the end is counted, not an error."""
    writer = make_writer(store)
    assert writer.close(60)
    assert writer.put(make_record()) is False
    assert writer.counts.dropped == 1


def test_a_locked_database_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """While somebody holds SQLite's lock, "database is locked" is tried again until it is free; nothing is lost."""
    monkeypatch.setattr("switchman.addons.store.database.BUSY_SECONDS", 0.05)
    with open_store(db_path=tmp_path / "log.db", blob_type="memory") as store:
        with writing(store.engine):
            writer = make_writer(store)
            writer.put(make_record())
            wait_until(lambda: "trying again" in caplog.text)
        wait_until(lambda: writer.counts.written == 1)
        assert writer.close(60)


def test_a_lost_connection_is_made_again(
    new_postgres_url: Callable[[], str], tmp_path: Path, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """PostgreSQL ending our connections (a restart) costs a second try, not a record."""
    with open_store(url=new_postgres_url(), blob_path=tmp_path, max_age_days=None) as store:
        write(store, make_record(id="before"))
        with (
            open_store(url=store.engine.url.render_as_string(hide_password=False)) as other,
            other.engine.begin() as conn,
        ):
            conn.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        write(store, make_record(id="after"))
        assert {row.id for row in store.queries.list_requests().rows} == {"before", "after"}


def test_close_gives_up_in_time(store: Store, locked: Callable[[Store], AbstractContextManager[None]]) -> None:
    """A database that stays away does not keep the proxy from ending; what is lost is counted."""
    with locked(store):
        writer = make_writer(store)
        writer.put(make_record())
        began = time.monotonic()
        assert writer.close(0.2) is False
        assert time.monotonic() - began < 30
    wait_until(lambda: not writer.alive)
    assert writer.counts.written + writer.counts.dropped == 1


def test_a_full_disk_keeps_the_row(
    store: Store, write: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """When a body's file cannot be written, the request is logged without it."""
    (tmp_path / "blobs").write_text("a file where the folder should be")
    record = make_record(request_body=random.Random(1).randbytes(90_000))
    write(store, record)
    assert detail_of(store, record.id).request_body.state == "gone"
    assert "logged without it" in caplog.text


def test_ordinary_writing_is_silent(store: Store, write: Write, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is logged about a record that is logged."""
    caplog.set_level(logging.INFO, logger="switchman")
    write(store, make_record())
    assert caplog.text == ""


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
