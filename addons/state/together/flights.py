"""Flights: identical requests that come while the first is under way wait for its answer instead of asking again.

    leader      the one that goes to the upstream; it reports how it ended
    follower    waits, then takes the answer out of the store

1. One leader for each key: within a process by this table, between the workers of a machine by a claim in Shared.
2. A leader that failed lets one follower go on in its place. A leader whose answer cannot be kept lets them all go.
3. Waiting is bounded, in time and in number. A follower that waited long enough, or finds the queue full, goes alone.
4. A leader that never finishes costs its followers the time that they wait, and nobody else anything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Literal
from weakref import WeakValueDictionary

from switchman.addons.state.together.shared import Shared, SharedStoreError

PATIENCE = 30.0  # seconds a follower waits
CLAIM = 300.0  # seconds after which another worker no longer believes in a leader
MAX_FOLLOWERS = 64  # of one leader
MAX_WAITING = 1024  # in one process
LOOKS = 3  # at an answer that is known to be there: a look may time out on a busy machine
SPACE = "flights"
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.1  # seconds between two looks at another worker's claim

Result = Literal["stored", "failed", "unfit"]


class Flight:
    """One leader's way to the upstream and back. `Flights` holds it only weakly: it lives with the leader's request."""

    __slots__ = ("__weakref__", "claimed", "done", "followers", "key", "result", "waited")

    def __init__(self, key: str) -> None:
        self.key = key
        self.done = asyncio.Event()
        self.result: Result | None = None
        self.followers = 0
        self.claimed = False
        self.waited = False  # its leader followed another one first


class Flights:
    """The flights of one process. `owner` names the process among the workers."""

    def __init__(self, shared: Shared, owner: str, patience: float = PATIENCE) -> None:
        self._shared, self._owner, self._patience = shared, owner, patience
        self._flights: WeakValueDictionary[str, Flight] = WeakValueDictionary()
        self._waiting = 0

    async def join[T](self, key: str, look: Callable[[], Awaitable[T | None]]) -> T | Flight | None:
        """What `look` finds in the store as soon as it is there. A Flight: the caller leads, and has to `finish` it.
        None: the caller goes alone, and leads nobody.
        """
        until = time.monotonic() + self._patience
        waited = False
        while True:
            flight = self._flights.get(key)
            if flight is None:
                # No await between the look into the table and the entry into it: there is one leader.
                flight = self._flights[key] = Flight(key)
                flight.waited = waited
                return await self._as_leader(flight, look, until)
            waited = True
            result = await self._follow(flight, until)
            if result is None or result == "unfit":
                return None
            if result == "stored" and (found := await _found(look)) is not None:
                return found

    async def finish(self, flight: Flight, result: Result) -> None:
        """Record how the leader ended, and let the followers go. Only the first call counts."""
        if flight.result is not None:
            return
        flight.result = result
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
        flight.done.set()
        if flight.claimed:
            try:
                await self._shared.release(SPACE, flight.key, self._owner)
            except SharedStoreError:
                pass  # the claim expires

    async def _as_leader[T](
        self, flight: Flight, look: Callable[[], Awaitable[T | None]], until: float
    ) -> T | Flight | None:
        found: T | None = None
        led = False
        try:
            flight.claimed = await self._claim(flight, until)
            if flight.claimed:
                # Another may have stored it since the caller looked, and surely has if it was waited for.
                found = await (_found(look) if flight.waited else look())
                led = found is None
        finally:
            if not led:
                await self.finish(flight, "failed" if found is None else "stored")
        return flight if led else found

    async def _claim(self, flight: Flight, until: float) -> bool:
        """Claim the key among the workers, waiting for others; False if that takes too long. Without a working store
        this process is on its own.
        """
        pause = FIRST_PAUSE
        try:
            while not await self._shared.claim(SPACE, flight.key, self._owner, CLAIM):
                flight.waited = True
                if time.monotonic() + pause > until:
                    return False
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE)
        except SharedStoreError:
            return True
        return True

    async def _follow(self, flight: Flight, until: float) -> Result | None:
        if flight.followers >= MAX_FOLLOWERS or self._waiting >= MAX_WAITING:
            return None
        flight.followers += 1
        self._waiting += 1
        try:
            async with asyncio.timeout(until - time.monotonic()):
                await flight.done.wait()
        except TimeoutError:
            return None
        finally:
            flight.followers -= 1
            self._waiting -= 1
        return flight.result


async def _found[T](look: Callable[[], Awaitable[T | None]]) -> T | None:
    for _ in range(LOOKS):
        if (found := await look()) is not None:
            return found
    return None
