"""What is kept of requests beside their rows: the workers' file, and the spool."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np

from switchman.addons.semantics.index import VectorIndex
from switchman.addons.state.together.shared import ANSWERS, CONVERSATIONS, HOMES, KEYS, Quota, SQLiteShared
from switchman.addons.store.keeping.elsewhere import SPACES, Elsewhere

QUOTA = Quota(100)


def test_answers_and_targets_go_and_leave_no_byte(tmp_path: Path) -> None:
    """By their keys, beside a worker that has the file open; what others have stays, and so do other spaces."""
    assert set(SPACES) == {ANSWERS, CONVERSATIONS, KEYS, HOMES}
    shared, elsewhere = SQLiteShared(tmp_path / "log.cache.db"), Elsewhere(tmp_path / "log.db")

    async def fill() -> None:
        for space, key in ((ANSWERS, "a"), (ANSWERS, "b"), (CONVERSATIONS, "a"), ("openings", "a")):
            await shared.put(space, key, f"zq-{space}-{key}".encode(), 60, QUOTA)

    asyncio.run(fill())
    assert elsewhere.forget_keys({"answers/a", "conversations/a", "openings/a", "answers/none"}) == 2
    assert elsewhere.overwrite() == ""
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"zq-answers-a" not in files and b"zq-conversations-a" not in files
    assert b"zq-answers-b" in files and b"zq-openings-a" in files
    assert asyncio.run(shared.get(ANSWERS, "b")) == b"zq-answers-b"
    assert elsewhere.forget_before(4e9) == 1
    assert asyncio.run(shared.get(ANSWERS, "b")) is None
    shared.close()


def test_vectors_go_with_their_answers(tmp_path: Path) -> None:
    """Beside a process that has them open; none of the text's vector is in its files, also after a start anew."""
    (tmp_path / "semantic_state").mkdir()
    file = tmp_path / "semantic_state" / "vectors-0a.db"
    shared, elsewhere = SQLiteShared(tmp_path / "log.cache.db"), Elsewhere(tmp_path / "log.db")
    index = VectorIndex(2, file)
    vectors = {"a": np.array([0.6, 0.8], "<f4"), "b": np.array([0.28, 0.96], "<f4")}
    for entry, vector in vectors.items():
        asyncio.run(shared.put(ANSWERS, entry, b"an answer", 60, QUOTA))
        index.add("scope", entry, vector)
    assert elsewhere.forget_vectors() == 0
    assert elsewhere.forget_keys({"answers/a"}) == elsewhere.forget_vectors() == 1
    assert elsewhere.overwrite() == ""
    files = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert vectors["a"].tobytes() not in files and vectors["b"].tobytes() in files
    index.add("scope", "c", vectors["b"])
    assert index.forget(["a"]) == 1
    index.close()
    again = VectorIndex(2, file)
    assert len(again) == 2
    again.close()
    shared.close()


def test_files_that_are_not_there_hold_nothing(tmp_path: Path) -> None:
    """None is made by looking."""
    elsewhere = Elsewhere(tmp_path / "log.db")
    assert elsewhere.forget_waiting(lambda row: True) == elsewhere.forget_keys({"answers/a"}) == 0
    assert (elsewhere.forget_before(1.0), elsewhere.forget_vectors()) == (0, 0)
    assert (elsewhere.overwrite(), list(tmp_path.iterdir())) == ("", [])


def test_the_caches_are_counted_and_cleared(tmp_path: Path) -> None:
    """Beside a worker that has the file open: it finds no answer any more, and conversations keep their targets."""
    (tmp_path / "semantic_state").mkdir()
    shared, elsewhere = SQLiteShared(tmp_path / "log.cache.db"), Elsewhere(tmp_path / "log.db")
    assert (elsewhere.answers(), elsewhere.vectors(), Elsewhere(tmp_path / "none.db").clear_answers()) == ((0, 0), 0, 0)
    index = VectorIndex(2, tmp_path / "semantic_state" / "vectors-0a.db")

    async def fill() -> None:
        for space, key in ((ANSWERS, "a"), (ANSWERS, "b"), (CONVERSATIONS, "a")):
            await shared.put(space, key, b"0123456789", 60, QUOTA)

    asyncio.run(fill())
    index.add("scope", "a", np.array([0.6, 0.8], "<f4"))
    count, size = elsewhere.answers()
    assert count == 2 and size >= 20 and elsewhere.vectors() == 1
    assert elsewhere.clear_answers() == 2
    assert elsewhere.answers() == (0, 0) and elsewhere.vectors() == 0
    assert asyncio.run(shared.get(ANSWERS, "a")) is None
    assert asyncio.run(shared.get(CONVERSATIONS, "a")) == b"0123456789"
    index.close()
    shared.close()
