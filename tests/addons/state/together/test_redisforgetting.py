"""What is forgotten goes from Redis, too, and what it is not sure of is said."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switchman.addons.semantics.index import VectorIndex
from switchman.addons.state.together.redisforgetting import RedisKept
from switchman.addons.state.together.redislink import RedisLink
from switchman.addons.state.together.redisshared import RedisShared
from switchman.addons.state.together.shared import ANSWERS, CONVERSATIONS, KEYS, Quota
from switchman.addons.store.keeping.elsewhere import Elsewhere


def fill(url: str, kept: Iterable[tuple[str, str]]) -> None:
    async def work() -> None:
        link = RedisLink(url, patience=60)
        for space, key in kept:
            await RedisShared(link).put(space, key, b"zq", 60, Quota(1000))
        await link.close()

    asyncio.run(work())


def test_answers_and_targets_go_with_their_vectors(redis_server: Any, tmp_path: Path) -> None:
    """By their keys, by time, or all answers; a vector stays as long as its answer is in Redis."""
    (tmp_path / "semantic_state").mkdir()
    index = VectorIndex(2, tmp_path / "semantic_state" / "vectors-0a.db")
    for entry in ("a", "b"):
        index.add("scope", entry, np.array([0.6, 0.8], "<f4"))
    index.close()
    elsewhere = Elsewhere(tmp_path / "log.db", RedisKept(redis_server.url))
    fill(redis_server.url, [(ANSWERS, "a"), (ANSWERS, "b"), (CONVERSATIONS, "a"), (KEYS, "k"), ("openings", "a")])
    assert elsewhere.answers() == (2, 6) and elsewhere.forget_vectors() == 0
    assert elsewhere.forget_keys({"answers/a", "conversations/a", "openings/a", "answers/none"}) == 2
    assert (elsewhere.answers(), elsewhere.forget_vectors(), elsewhere.vectors()) == ((1, 3), 1, 1)
    assert elsewhere.forget_before(4e9) == 2
    fill(redis_server.url, [(ANSWERS, str(number)) for number in range(600)] + [(CONVERSATIONS, "a")])
    assert elsewhere.clear_answers() == 600 and elsewhere.vectors() == 0
    assert RedisKept(redis_server.url).count(CONVERSATIONS) == (1, 3)


def test_where_redis_is_away_nothing_is_said_to_be_forgotten(redis_server: Any, tmp_path: Path) -> None:
    """An OSError, as of a file that cannot be used, and without the password."""
    redis_server.stop()
    path = redis_server.url.removeprefix("unix://")
    elsewhere = Elsewhere(tmp_path / "log.db", RedisKept(f"unix://:hush-hush@{path}"))
    for work in (elsewhere.answers, elsewhere.clear_answers, lambda: elsewhere.forget_keys({"answers/a"})):
        with pytest.raises(OSError, match="Redis: ") as caught:
            work()
        assert "hush-hush" not in str(caught.value)
