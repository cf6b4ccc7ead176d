"""Shared in Redis, for the workers of many machines: each call is one step of a script (shared.lua).

All keys begin with `switchman:{shared}`. Redis's clock is the only one that counts. Every value and every index has a
time to live, and each space its quota, so that nothing stays in Redis that nobody asks for.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

from switchman.addons.state.together.redislink import TRY_PATIENCE, RedisLink
from switchman.addons.state.together.shared import Clock, Note, Quota

SCRIPT: Final = files("switchman.addons.state.together").joinpath("shared.lua").read_text("utf-8")
RATE: Final = 20_000_000  # bytes a second that a network is trusted with


class RedisShared:
    """`clock`: in the place of Redis's own, for tests. Who opens the link closes it."""

    def __init__(self, link: RedisLink, clock: Clock | None = None) -> None:
        self._link, self._clock = link, clock
        self._script = link.redis.register_script(SCRIPT)

    async def get(self, space: str, key: str) -> bytes | None:
        found = await self._run("get", space, key)
        return bytes(found) if found is not None else None

    async def put(self, space: str, key: str, value: bytes, ttl: float, quota: Quota) -> None:
        more = len(value) / RATE
        await self._run("put", space, key, value, _ms(ttl), quota.entries, quota.bytes, more=more)

    async def claim(self, space: str, key: str, owner: str, ttl: float) -> bool:
        return bool(await self._run("claim", space, key, owner, _ms(ttl)))

    async def release(self, space: str, key: str, owner: str) -> None:
        await self._run("release", space, key, owner)

    async def post(self, space: str, owner: str, text: bytes | None, ttl: float) -> list[Note]:
        found = await self._run("post", space, owner, text or b"", _ms(ttl), more=TRY_PATIENCE)
        threes = zip(found[::3], found[1::3], found[2::3], strict=True)
        return [Note(bytes(who).decode(errors="replace"), int(age) / 1000, bytes(text)) for who, age, text in threes]

    def close(self) -> None:
        """The link is closed by who opened it."""

    async def _run(self, *args: str | bytes | int, more: float = 0.0) -> Any:
        clock = "" if self._clock is None else str(round(self._clock() * 1000))
        return await self._link.run(lambda: self._script(args=[self._link.prefix, clock, *args]), more)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
