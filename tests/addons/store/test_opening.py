"""Opening the log: what is made, and what is said when it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from switchman.addons.store import Store, open_store
from switchman.addons.testing.samples import make_record


def test_check(store: Store) -> None:
    """None while the log works; a sentence when its tables are gone, or its writer."""
    assert store.check() is None
    store.writer().close()
    assert store.check() == "the log's writer has stopped"


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
