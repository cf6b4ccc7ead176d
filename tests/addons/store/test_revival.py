"""A log whose SQLite file is deleted or replaced under a running router is noticed, and made anew."""

from __future__ import annotations

import logging
import shutil
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from switchman.addons.store import Store, open_store
from switchman.addons.store.database import is_passing
from switchman.addons.testing.samples import make_record


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log" / "requests.db"


def opened(file: Path) -> Store:
    file.parent.mkdir(exist_ok=True)
    return open_store(db_path=file, blob_path=file.parent.parent / "blobs", max_age_days=None)


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    with opened(file) as store:
        yield store


def ids(store: Store) -> list[str]:
    return [row.id for row in store.queries.list_requests().rows]


def delete(file: Path, suffixes: tuple[str, ...]) -> None:
    for suffix in suffixes:
        file.with_name(file.name + suffix).unlink(missing_ok=True)


@pytest.mark.parametrize("suffixes", [("",), ("", "-wal", "-shm"), ("", "-wal")])
def test_what_comes_after_a_deletion_is_in_a_new_file(
    store: Store, file: Path, suffixes: tuple[str, ...], write, caplog: pytest.LogCaptureFixture
) -> None:
    """With nothing of the old one, whichever of SQLite's files were deleted; for its owner only; and it is said."""
    write(store, make_record(id="before", request_body=b"the same"))
    delete(file, suffixes)
    with caplog.at_level(logging.WARNING):
        write(store, make_record(id="after", request_body=b"the same"))
    assert ids(store) == ["after"]
    body = store.queries.body("after", "request")
    assert body is not None and body.data == b"the same"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [record.getMessage() for record in caplog.records if "was deleted; a new one is made" in record.getMessage()]
    with opened(file) as another:
        assert ids(another) == ["after"]
        with another.engine.connect() as conn:
            assert conn.scalar(text("PRAGMA integrity_check")) == "ok"
            assert conn.scalar(text("PRAGMA journal_mode")) == "wal"


def test_a_reader_makes_it_anew_too(store: Store, file: Path) -> None:
    """The dashboard shows an empty list, and no error."""
    delete(file, ("",))
    assert ids(store) == [] and store.check() is None
    assert file.exists()


def test_the_folder_is_made_anew_too(store: Store, file: Path, write) -> None:
    """Somebody tidied up."""
    write(store, make_record(id="before"))
    shutil.rmtree(file.parent)
    write(store, make_record(id="after"))
    assert ids(store) == ["after"]


def test_several_processes_meet_in_the_new_file(file: Path, write) -> None:
    """Whoever comes first makes it; here, several stores at the same moment."""
    stores = [opened(file) for _ in range(4)]
    try:
        for number, store in enumerate(stores):
            write(store, make_record(id=f"before-{number}"))
        delete(file, ("", "-wal", "-shm"))
        barrier = threading.Barrier(len(stores))

        def work(number: int) -> None:
            barrier.wait()
            write(stores[number], make_record(id=f"after-{number}"))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(len(stores))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for store in stores:
            assert sorted(ids(store)) == [f"after-{number}" for number in range(len(stores))]
    finally:
        for store in stores:
            store.close()


def test_a_file_that_is_put_in_its_place_is_used(store: Store, file: Path, write, tmp_path: Path) -> None:
    """A backup, say."""
    write(store, make_record(id="old"))
    other = tmp_path / "other" / "requests.db"
    with opened(other) as prepared:
        write(prepared, make_record(id="of the backup"))
    delete(file, ("-wal", "-shm"))
    other.replace(file)
    write(store, make_record(id="new"))
    assert sorted(ids(store)) == ["new", "of the backup"]


def test_where_it_cannot_be_made_it_is_tried_again(store: Store, file: Path, write, tmp_path: Path) -> None:
    """An error that the writer waits for to pass, so that nothing is lost."""
    aside = tmp_path / "aside"
    file.parent.rename(aside)
    file.parent.write_text("no folder")
    with pytest.raises(OperationalError, match="is gone, and cannot be made anew") as raised:
        ids(store)
    assert is_passing(raised.value)
    file.parent.unlink()
    write(store, make_record(id="after"))
    assert ids(store) == ["after"]
