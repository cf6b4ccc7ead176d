"""What is kept of requests beside their rows: the workers' file, and the spool."""

from __future__ import annotations

import asyncio
from pathlib import Path

from switchman.addons.state.shared import ANSWERS, CONVERSATIONS, KEYS, Quota, SQLiteShared
from switchman.addons.store.keeping.elsewhere import SPACES, Elsewhere

QUOTA = Quota(100)


def test_answers_and_targets_go_and_leave_no_byte(tmp_path: Path) -> None:
    """By their keys, beside a worker that has the file open; what others have stays, and so do other spaces."""
    assert set(SPACES) == {ANSWERS, CONVERSATIONS, KEYS}
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


def test_files_that_are_not_there_hold_nothing(tmp_path: Path) -> None:
    """None is made by looking."""
    elsewhere = Elsewhere(tmp_path / "log.db")
    assert elsewhere.forget_waiting(lambda row: True) == elsewhere.forget_keys({"answers/a"}) == 0
    assert (elsewhere.forget_before(1.0), elsewhere.overwrite(), list(tmp_path.iterdir())) == (0, "", [])
