"""Words of prompts and answers: written with their rows, found, and gone with them, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from switchman.addons.core.record import Record
from switchman.addons.store import Filters, Store, open_store
from switchman.addons.store.database import is_passing, writing
from switchman.addons.store.keeping.beside.words import add_words, has_words, remove_words
from switchman.addons.store.keeping.elsewhere import Elsewhere
from switchman.addons.store.keeping.forgetting import Wanted, forget
from switchman.addons.store.keeping.spool import Spool
from switchman.addons.store.rows import prepare
from switchman.addons.testing.samples import STARTED_AT, make_record

Write = Callable[..., None]


def said(number: int, asked: str, **fields: object) -> Record:
    return make_record(id=f"r{number}", started_at=STARTED_AT + number, asked=asked, **fields)  # type: ignore[arg-type]


def found(store: Store, words: str, **more: object) -> list[str]:
    return [row.id for row in store.queries.list_requests(Filters(words=words, **more)).rows]  # type: ignore[arg-type]


def indexed(store: Store) -> int:
    with store.engine.connect() as conn:
        return conn.scalar(text("SELECT count(*) FROM request_words")) or 0


def test_prompts_and_answers_are_found_by_their_words(store: Store, write: Write) -> None:
    """Of any script, all words, also with other filters; operators of a database are words; newest first."""
    write(
        store,
        said(1, "Explain the weather_report, please", server="one"),
        said(2, "今天天气怎么样?", response_body='{"choices":[{"message":{"content":"Sonnig, 晴天"}}]}'.encode()),
        said(3, "explain that", server="two"),
    )
    assert found(store, "explain") == ["r3", "r1"]
    assert found(store, "expl weather") == ["r1"]
    assert found(store, '"expl"') == []
    assert found(store, "天气") == found(store, "天") == found(store, "sonnig 晴天") == ["r2"]
    assert found(store, "explain", server="two") == ["r3"]
    assert found(store, "explain", end=STARTED_AT + 2) == ["r1"]
    assert found(store, "explain OR nothing") == found(store, "role") == found(store, "*") == []
    assert [row.id for row in store.queries.newer_than("0", Filters(words="weather")).rows] == ["r1"]
    assert store.queries.count_requests(Filters(words="explain")) == 2
    assert store.queries.latency_summary(Filters(words="explain")).overall.count == 2


def test_pages_of_what_is_found_meet(store: Store, write: Write) -> None:
    """Each row once, also where few rows are left by other filters."""
    write(store, *(said(n, "same words", status=200 + n % 2) for n in range(7)))
    for more in ({}, {"status": "200"}, {"start": STARTED_AT + 2.0}):
        seen, before = [], None
        while True:
            page = store.queries.list_requests(Filters(words="same", **more), before, limit=2)  # type: ignore[arg-type]
            seen += [row.id for row in page.rows]
            if (before := page.next) is None:
                break
        assert sorted(seen) == sorted(row.id for row in store.queries.list_requests(Filters(**more)).rows)  # type: ignore[arg-type]
        assert len(set(seen)) == len(seen)


def test_what_is_not_kept_is_not_found(store: Store, write: Write) -> None:
    """CAPTURE=metadata keeps no word; `redacted` none that is private."""
    write(
        store,
        said(1, "planted hidden", capture="metadata"),
        said(2, "planted write to ada@example.org", capture="redacted", trace=()),
    )
    assert found(store, "planted") == ["r2"]
    assert found(store, "ada") == found(store, "hidden") == []
    assert found(store, "hello") == ["r2"]  # of its answer, which is not private


def test_words_go_with_their_rows(store: Store, write: Write) -> None:
    """By age, and when they are forgotten."""
    write(store, *(said(n, "leaving" if n < 3 else "staying", token="anna" if n == 4 else None) for n in range(6)))
    assert indexed(store) == 6
    store.retention._max_age = 1.0
    store.retention.run_once(STARTED_AT + 3.5)
    assert (found(store, "leaving"), indexed(store)) == ([], 3)
    forget(store.engine, store.blobs, Wanted(token="anna"), Elsewhere("no.db"))
    assert (found(store, "staying"), indexed(store)) == (["r5", "r3"], 2)


def test_nothing_of_forgotten_words_is_in_the_file(tmp_path: Path) -> None:
    """FTS5 only notes what is removed until its parts are merged; `forget` has them merged, and zeros written."""
    path = tmp_path / "log.db"
    with open_store(db_path=path, blob_path=tmp_path / "blobs", max_age_days=None) as store:
        for word in ("plantedword", "otherword"):
            counts = store.writer().counts
            due = counts.written + 1
            store.writer().put(said(due, word, token=word, request_body=None, response_body=None))
            while counts.written < due:
                store.writer()._stop.wait(0.01)
        forget(store.engine, store.blobs, Wanted(token="plantedword"), Elsewhere(path))
    whole = b"".join(each.read_bytes() for each in tmp_path.glob("log.db*"))
    assert b"plantedword" not in whole and b"otherword" in whole


def test_words_wait_in_the_spool_with_their_rows(tmp_path: Path) -> None:
    """What was said while the database was away is found when it is back."""
    spool = Spool(tmp_path / "spool.db", 10_000_000)
    spool.append([prepare(said(1, "patience"), 1000, searched=True)])
    with spool.oldest(10, 1_000_000) as items:
        assert [item.words.split()[0] for item in items] == ["patience"]


def test_full_text_can_be_off(url: str, tmp_path: Path, write: Write) -> None:
    """No words are written, and asking for some says why there are none."""
    with open_store(url=url, blob_path=tmp_path, full_text=False) as store:
        write(store, said(1, "unseen"))
        assert indexed(store) == 0 and not store.queries.searches
        try:
            found(store, "unseen")
        except ValueError as error:
            assert "cannot be searched" in str(error)
        else:
            raise AssertionError("it should have said so")


def test_a_database_without_the_index_is_a_log_all_the_same(store: Store, write: Write) -> None:
    """SQLite without FTS5 has no such table; and one that breaks costs no row."""
    with writing(store.engine) as conn:
        conn.exec_driver_sql("DROP TABLE request_words")
    assert not has_words(store.engine)
    write(store, said(1, "kept"))
    assert store.queries.get_request("r1") is not None
    with writing(store.engine) as conn:
        remove_words(conn, [1])


def test_words_are_not_kept_where_bodies_are_not(tmp_path: Path, write: Write) -> None:
    """BLOB_STORAGE_TYPE=memory says that nothing of what was said gets to a disk."""
    with open_store(db_path=tmp_path / "log.db", blob_type="memory", max_age_days=None) as store:
        write(store, said(1, "nobody reads quetzalcoatl"))
        assert indexed(store) == 0
    assert not any(b"quetzalcoatl" in path.read_bytes() for path in tmp_path.iterdir() if path.is_file())


def test_a_disk_that_is_full_is_told(tmp_path: Path, write: Write) -> None:
    """It may have undone the rows, too: the batch is written again, or goes to the spool."""
    with open_store(db_path=tmp_path / "log.db", max_age_days=None, full_text=False) as store:
        write(store, said(1, "some"))
        many = prepare(said(1, " ".join(f"word{n:035d}" for n in range(390))), 10, searched=True)
        with pytest.raises(DBAPIError) as told, writing(store.engine) as conn:
            conn.exec_driver_sql("PRAGMA max_page_count = 1")  # it becomes what is there
            add_words(conn, [many])
        assert is_passing(told.value)
