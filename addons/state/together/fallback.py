"""Redis while it answers, and what the workers of this machine have of their own while it does not.

What was kept here meanwhile is not taken to Redis: it is a cache, and expires.
"""

from __future__ import annotations

from switchman.addons.state.together.shared import Note, Quota, Shared, SharedStoreError


class Fallback:
    """`first` where it works, else `second`, for each call anew."""

    def __init__(self, first: Shared, second: Shared) -> None:
        self._first, self._second = first, second

    async def get(self, space: str, key: str) -> bytes | None:
        try:
            return await self._first.get(space, key)
        except SharedStoreError:
            return await self._second.get(space, key)

    async def put(self, space: str, key: str, value: bytes, ttl: float, quota: Quota) -> None:
        try:
            await self._first.put(space, key, value, ttl, quota)
        except SharedStoreError:
            await self._second.put(space, key, value, ttl, quota)

    async def claim(self, space: str, key: str, owner: str, ttl: float) -> bool:
        try:
            return await self._first.claim(space, key, owner, ttl)
        except SharedStoreError:
            return await self._second.claim(space, key, owner, ttl)

    async def release(self, space: str, key: str, owner: str) -> None:
        """In both: it may have been taken in either."""
        try:
            await self._first.release(space, key, owner)
        except SharedStoreError:
            pass  # it expires there
        await self._second.release(space, key, owner)

    async def post(self, space: str, owner: str, text: bytes | None, ttl: float) -> list[Note]:
        try:
            return await self._first.post(space, owner, text, ttl)
        except SharedStoreError:
            return await self._second.post(space, owner, text, ttl)

    def close(self) -> None:
        self._first.close()
        self._second.close()
