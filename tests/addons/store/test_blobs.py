"""Bodies by their hash: whole or not at all, small ones in the table, large ones as files."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select

from switchman.addons.store import Store
from switchman.addons.store.blobs import FileBlobs, MemoryBlobs, make_body, pack, sha256, unpack
from switchman.addons.store.database import writing
from switchman.addons.store.tables import blobs
from switchman.addons.testing.samples import make_record

Write = Callable[..., None]
LARGE = random.Random(7).randbytes(50_000)  # compresses to more than is kept in the table
AB = "ab" * 32


@pytest.mark.parametrize("size", [0, 1, 1999, 2000, 2001, 65_536, 65_537, 200_000])
def test_sha256_is_sha256(size: int) -> None:
    """Hashing in pieces gives the same hash."""
    data = random.Random(size).randbytes(size)
    assert sha256(data) == hashlib.sha256(data).hexdigest()


def test_a_body_larger_than_allowed_is_cut() -> None:
    """The beginning is kept, with a flag and the size of the whole; a body that was cut before keeps its true size."""
    body = make_body(b"0123456789", None, 4)
    assert (body.data, body.size, body.truncated) == (b"0123", 10, True)
    body = make_body(b"0123", 1_000, 4)
    assert (body.data, body.size, body.truncated) == (b"0123", 1_000, True)
    body = make_body(b"0123", 4, 4)
    assert (body.size, body.truncated) == (4, False)


def test_pack_and_unpack() -> None:
    """Several bodies at once come back each as it was; a broken one is None, not wrong bytes."""
    bodies = [make_body(data, None, 10**6) for data in (b"a", b"hello" * 1000, LARGE)]
    pack(bodies)
    assert [unpack(body.digest, body.packed or b"") for body in bodies] == [body.data for body in bodies]
    assert bodies[1].packed and len(bodies[1].packed) < 100
    assert unpack(bodies[0].digest, bodies[1].packed) is None
    assert unpack(bodies[1].digest, bodies[1].packed[:-3]) is None
    assert unpack(bodies[1].digest, b"") is None


def test_files_are_whole_and_in_two_levels_of_folders(tmp_path: Path) -> None:
    """A blob is <root>/ab/ab/<hash>, nothing is left beside it, and reading what is not there is None."""
    store = FileBlobs(tmp_path / "blobs")
    assert store.get(AB) is None
    assert store.refresh(AB) is False
    store.put(AB, b"packed")
    assert [str(p.relative_to(tmp_path / "blobs")) for p in tmp_path.rglob("*") if p.is_file()] == [f"ab/ab/{AB}"]
    assert (store.get(AB), store.refresh(AB)) == (b"packed", True)
    store.delete([AB, "cd" * 32])
    assert store.get(AB) is None


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    """When the file cannot be put in place, what was written aside is removed."""
    store = FileBlobs(tmp_path)
    store.path(AB).mkdir(parents=True)
    with pytest.raises(OSError, match=AB):
        store.put(AB, b"packed")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_memory_keeps_within_its_size() -> None:
    """The least recently used go first, and a body that alone is too large is not kept."""
    store = MemoryBlobs(10)
    store.put("a", b"aaaa")
    store.put("b", b"bbbb")
    assert store.refresh("a")
    store.put("c", b"cccc")
    assert [store.get(name) for name in "abc"] == [b"aaaa", None, b"cccc"]
    store.put("d", b"d" * 11)
    assert (store.get("d"), store.total) == (None, 0)


def test_small_in_the_table_large_as_a_file(store: Store, write: Write, tmp_path: Path) -> None:
    """A small body makes no file; a large one does, under its hash; both can be read."""
    write(store, make_record(request_body=b"small", response_body=LARGE))
    files = [path.name for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert files == [hashlib.sha256(LARGE).hexdigest()]
    row = store.queries.list_requests().rows[0]
    for which, data in (("request", b"small"), ("response", LARGE)):
        content = store.queries.body(row.id, which)
        assert content and content.data == data


def test_a_body_is_kept_once(store: Store, write: Write) -> None:
    """Requests that share a body share its blob, and the total counts it once."""
    write(store, *(make_record(id=f"r{n}", request_body=LARGE, response_body=b"same") for n in range(10)))
    write(store, make_record(id="again", request_body=LARGE, response_body=None))
    with store.engine.connect() as conn:
        count, size = conn.execute(select(func.count(), func.sum(blobs.c.stored_size)).select_from(blobs)).one()
    assert (count, store.queries.stored_bytes()) == (2, size)


def test_too_large_a_body_says_so(store: Store, write: Write) -> None:
    """MAX_BLOB_SIZE keeps the beginning; the row knows the whole size and that it was cut."""
    write(store, make_record(id="big", request_body=b"x" * 100_001, response_body=b"y" * 100_000))
    content = store.queries.body("big", "request")
    assert content and content.data == b"x" * 100_000
    assert (content.info.size, content.info.truncated) == (100_001, True)
    content = store.queries.body("big", "response")
    assert content and (content.info.size, content.info.truncated) == (100_000, False)


def test_a_lost_file_is_written_again(store: Store, write: Write, tmp_path: Path) -> None:
    """A body whose file somebody removed is "gone", until a request brings the same content again."""
    write(store, make_record(id="one", request_body=LARGE))
    store.blobs.delete([hashlib.sha256(LARGE).hexdigest()])
    content = store.queries.body("one", "request")
    assert content and (content.data, content.info.state) == (None, "gone")
    write(store, make_record(id="two", request_body=LARGE))
    content = store.queries.body("one", "request")
    assert content and content.data == LARGE


def test_a_broken_file_is_not_shown(store: Store, write: Write, tmp_path: Path) -> None:
    """Bytes that are not what the hash says are no body."""
    write(store, make_record(id="one", request_body=LARGE))
    FileBlobs(tmp_path / "blobs").path(hashlib.sha256(LARGE).hexdigest()).write_bytes(b"rot")
    content = store.queries.body("one", "request")
    assert content and (content.data, content.info.state) == (None, "gone")


def test_none_gone_and_kept_are_three_things(store: Store, write: Write) -> None:
    """A body that never was is "none", one whose blob was removed is "gone"."""
    write(store, make_record(id="r", request_body=b"", response_body=b"answer"))
    detail = store.queries.get_request("r")
    assert detail and (detail.request_body.state, detail.response_body.state) == ("none", "kept")
    with writing(store.engine) as conn:
        conn.execute(delete(blobs))
    detail = store.queries.get_request("r")
    assert detail and (detail.request_body.state, detail.response_body.state) == ("none", "gone")
