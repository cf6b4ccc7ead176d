"""Heads and traces are packed in SQLite, and read whatever wrote them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from switchman.addons.store import Store, open_store
from switchman.addons.store.database import insert_rows, writing
from switchman.addons.store.keeping.packing import COLUMNS, DICTIONARY, FIRST, packed_rows, read_json
from switchman.addons.store.rows import prepare
from switchman.addons.store.tables import requests
from switchman.addons.testing.samples import make_record

HEADS = (("content-type", "application/json"), ("x-odd", 'é "\u2028\ud83d\ude00'), ("x-long", "v" * 300))
PACKED = "0128b52ffd2039d50000505b782d6b796573225d5d04003ce56c38ca0a840b02646cf90a"
TRACE = ({"layer": "route", "outcome": "hit", "detail": "rule", "score": None, "elapsed_ms": 0.1, "earlier": None},)


def test_what_is_packed_is_read_again() -> None:
    """And is shorter; what would get no shorter stays text."""
    whole = prepare(make_record(request_headers=HEADS, response_headers=(), trace=TRACE), 10).row
    (packed,) = packed_rows([whole])
    assert packed["response_headers"] == "[]"
    for name in COLUMNS:
        assert read_json(packed[name]) == json.loads(whole[name])
    assert isinstance(packed["trace"], bytes) and len(packed["trace"]) < len(whole["trace"]) / 2
    less = sum(len(whole[name]) - len(packed[name]) for name in COLUMNS)
    assert {**packed, **{name: whole[name] for name in COLUMNS}} == {
        **whole,
        "stored_size": whole["stored_size"] - less,
    }
    assert packed_rows([]) == []


@pytest.mark.parametrize("broken", [b"", b"\x02abc", FIRST + b"nothing", FIRST])
def test_what_cannot_be_read_is_an_error(broken: bytes) -> None:
    """ValueError, not a wrong head."""
    with pytest.raises(ValueError, match=r"cannot be read|newer version"):
        read_json(broken)


def test_the_dictionary_is_a_part_of_the_format() -> None:
    """A row that was packed by the first version with it is read: whoever changes it sees this test fail."""
    assert len(DICTIONARY) > 3000
    stored = bytes.fromhex(PACKED)
    assert read_json(stored) == [list(pair) for pair in HEADS[:1]] + [["x-kept", "yes"]]


def test_rows_of_before_are_read_beside_packed_ones(store: Store, write: Callable[..., None], tmp_path: Path) -> None:
    """On both databases."""
    write(store, make_record("new", request_headers=HEADS, trace=TRACE))
    with writing(store.engine) as conn:
        insert_rows(conn, requests, [prepare(make_record("old", request_headers=HEADS, trace=TRACE), 10).row])
    for name in ("new", "old"):
        detail = store.queries.get_request(name)
        assert detail is not None and detail.trace == TRACE
        assert [value for name, value in detail.request_headers if name == "x-long"] == ["v" * 300]
    with store.engine.connect() as conn:
        assert len(conn.execute(select(requests.c.trace)).all()) == 2


def test_a_row_takes_less(tmp_path: Path) -> None:
    """What is in SQLite's file is bytes, a third of the text or less."""
    with open_store(db_path=tmp_path / "log.db", blob_path=tmp_path, max_age_days=None) as store:
        store.writer().put(make_record("one", request_headers=HEADS[:1] * 20, trace=TRACE * 4))
    with closing(sqlite3.connect(tmp_path / "log.db")) as db:
        (head, trace) = db.execute("SELECT request_headers, trace FROM requests").fetchone()
    assert isinstance(head, bytes) and isinstance(trace, bytes)
    assert len(trace) * 3 < len(json.dumps(TRACE * 4))
