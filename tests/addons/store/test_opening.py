"""Opening the log: what is made, and what is said when it cannot be."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from switchman.addons.store import Store, open_store
from switchman.addons.store.database import writing
from switchman.addons.testing.samples import make_record


def test_check(store: Store) -> None:
    """None while the log works; a sentence when its writer is gone."""
    assert store.check() is None
    store.writer().close()
    assert store.check() == "the log's writer has stopped"


def test_tables_that_are_gone_are_a_sentence(store: Store) -> None:
    """For /readyz; and no failure of the list of what runs costs anybody anything."""
    with writing(store.engine) as conn:
        conn.execute(text("DROP TABLE totals"))
        conn.execute(text("DROP TABLE underway"))
    why = store.check()
    assert why is not None and why.startswith("the log's database does not answer: ") and "totals" in why
    failed = store.write_underway("w1", [], 1.0)
    assert failed is not None and "underway" in failed


def test_a_store_that_only_reads_starts_no_thread(url: str, tmp_path: Path) -> None:
    """The dashboard's: nothing was to be written, so nothing is lost. A process has one writer."""
    before = set(threading.enumerate())
    with open_store(url=url, blob_path=tmp_path / "blobs", max_age_days=1) as store:
        assert store.queries.list_requests().rows == ()
        assert not set(threading.enumerate()) - before
        assert store.close()
    with open_store(url=url, blob_path=tmp_path / "blobs", max_age_days=None) as store:
        assert store.writer() is store.writer()
        assert store.close()


def test_the_sizes_that_are_given_are_kept_to(url: str, tmp_path: Path, write: Callable[..., None]) -> None:
    """A body is cut to `max_blob_size`; its row says how long it was."""
    record = make_record(request_body=b"x" * 5)
    with open_store(url=url, blob_path=tmp_path / "blobs", max_blob_size=3, max_age_days=None) as store:
        write(store, record)
        content = store.queries.body(record.id, "request")
        assert content is not None and content.data == b"xxx"
        assert (content.info.size, content.info.truncated) == (5, True)


def test_closing_writes_what_is_queued(url: str, tmp_path: Path) -> None:
    """A record that was put just before the end is in the log of the next start."""
    with open_store(url=url, blob_path=tmp_path / "blobs", max_age_days=None) as store:
        store.writer().put(make_record())
    with open_store(url=url, blob_path=tmp_path / "blobs") as store:
        assert len(store.queries.list_requests().rows) == 1


def test_bodies_in_memory(url: str, tmp_path: Path, write: Callable[..., None]) -> None:
    """With BLOB_STORAGE_TYPE=memory rows are kept, bodies end with the process, and nothing is written beside."""
    record = make_record(request_body=b"x" * 5)
    with open_store(url=url, blob_type="memory", blob_path=tmp_path / "blobs", max_age_days=None) as store:
        write(store, record)
        content = store.queries.body(record.id, "request")
        assert content and content.data == b"xxxxx"
        detail = store.queries.get_request(record.id)
        assert detail and detail.request_body.state == "kept"
    with open_store(url=url, blob_type="memory") as store:
        detail = store.queries.get_request(record.id)
        assert detail and detail.request_body.state == "gone"
        assert detail.request_body.size == 5
    assert not (tmp_path / "blobs").exists()
