"""Redis while it answers, the machine's own store while it does not."""

from __future__ import annotations

import asyncio

import pytest

from switchman.addons.state.together.fallback import Fallback
from switchman.addons.state.together.shared import MemoryShared, Note, Quota, SharedStoreError

ROOM = Quota(10)


class Shaky(MemoryShared):
    """One that is away while `away` is set."""

    away = False

    async def get(self, space: str, key: str) -> bytes | None:
        self._look()
        return await super().get(space, key)

    async def put(self, space: str, key: str, value: bytes, ttl: float, quota: Quota) -> None:
        self._look()
        await super().put(space, key, value, ttl, quota)

    async def claim(self, space: str, key: str, owner: str, ttl: float) -> bool:
        self._look()
        return await super().claim(space, key, owner, ttl)

    async def release(self, space: str, key: str, owner: str) -> None:
        self._look()
        await super().release(space, key, owner)

    async def post(self, space: str, owner: str, text: bytes | None, ttl: float) -> list[Note]:
        self._look()
        return await super().post(space, owner, text, ttl)

    def _look(self) -> None:
        if self.away:
            raise SharedStoreError("away")


def test_each_call_goes_where_it_works() -> None:
    """Values and notes of meanwhile stay on the machine; a claim is given back wherever it was taken."""

    async def story() -> None:
        first, second = Shaky(), MemoryShared()
        both = Fallback(first, second)
        await both.put("a", "k", b"first", 10, ROOM)
        assert await both.claim("a", "k", "me", 10)
        await both.post("a", "me", b"first", 10)
        first.away = True
        assert await both.get("a", "k") is None
        await both.put("a", "k", b"second", 10, ROOM)
        assert await both.get("a", "k") == b"second"
        assert await both.claim("a", "k", "you", 10)
        await both.release("a", "k", "me")  # not his, here
        assert not await both.claim("a", "k", "they", 10)
        await both.post("a", "me", b"second", 10)
        assert [note.text for note in await both.post("a", "you", None, 10)] == [b"second"]
        first.away = False
        assert await both.get("a", "k") == b"first"
        assert [note.text for note in await both.post("a", "you", None, 10)] == [b"first"]
        await both.release("a", "k", "you")
        assert await second.claim("a", "k", "they", 10)
        both.close()

    asyncio.run(story())


def test_where_both_fail_the_error_is_the_one_that_callers_expect() -> None:
    """A SharedStoreError, as of any store."""
    first, second = Shaky(), Shaky()
    first.away = second.away = True
    with pytest.raises(SharedStoreError):
        asyncio.run(Fallback(first, second).get("a", "k"))
