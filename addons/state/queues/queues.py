"""Queues: a request takes a place at a server whose rules limit how much it is asked, or waits for one.

    enter    a place at once, or what is in the way
    wait     the first place that comes free at any of several servers; ended by time, by `leave` of the client, by a
             router that stops
    pause    time to pass, ended in the same ways
    leave    the place comes back: when the request is over, or goes on elsewhere

What is counted (max_concurrent, rpm, tpm) is counted by the ledger of the limits on callers (state/access/), so over
all workers, and with Redis over all machines: an account for each server, named `server/NAME`. A worker that dies gives
back what it held. Where the ledger is away, each worker goes on with max_concurrent of its own.
The queue is each worker's own, and fair among its callers. A place that another worker gave back is seen after POLL.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from switchman.addons.core.access.limits.ledger import Claim, Entry, Refused, Take, Taken
from switchman.addons.core.servers.pacing.fairqueue import FairQueue
from switchman.addons.core.servers.pacing.limits import ServerLimits
from switchman.addons.core.servers.pacing.paces import Paces
from switchman.addons.core.servers.servers import Server
from switchman.addons.state.access.counters import Counters
from switchman.addons.state.access.ledgers import LedgerAway

logger = logging.getLogger(__name__)

POLL: Final = 0.1  # seconds between two looks for a place that another worker may have given back
EARLY: Final = 0.005  # seconds by which a timer may ring too early
LOOK: Final = 5.0  # seconds after which a pace is looked at anew: answers may have told something else by then

Why = Literal["max_concurrent", "rpm", "tpm", "pace"]
Cut = Literal["left", "stopped"]
_KEYS: Final[dict[str, Why]] = {"concurrent": "max_concurrent", "requests": "rpm", "tokens": "tpm"}


class Wanted(NamedTuple):
    """A server that a request may go to. `caller`: among whom the queue is fair. `tokens`: by estimate."""

    server: Server
    target: str
    caller: str
    tokens: int


class Held(NamedTuple):
    """Why a request may not go now. `retry_in`: seconds until it may; None where nobody knows."""

    why: Why
    retry_in: float | None = None


@dataclass(eq=False, slots=True)
class Place:
    """What a request holds at a server until it is left."""

    server: str
    caller: str
    take: Take | None = None
    taken: Taken | None = None
    is_left: bool = False


class Waited(NamedTuple):
    """How waiting ended. `place`: the one that was got, at `wanted[nth]`. Else `ended`; "full": no queue had room."""

    nth: int = 0
    place: Place | None = None
    ended: Literal["time", "full", "left", "stopped"] = "time"
    before: int = 0  # who waited there already


@dataclass(eq=False, slots=True)
class _Waiter:
    done: asyncio.Future[tuple[int, Place] | Cut]

    def end(self, how: tuple[int, Place] | Cut) -> bool:
        if self.done.done():
            return False
        self.done.set_result(how)
        return True


class _Entry(NamedTuple):
    waiter: _Waiter
    wanted: Wanted
    nth: int


@dataclass(eq=False)
class _Line:
    """One server's."""

    callers: Counter[str] = field(default_factory=Counter)  # how many of each run
    queue: FairQueue[_Entry] = field(default_factory=FairQueue)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    running: int = 0
    task: asyncio.Task[None] | None = None

    def begin(self, caller: str) -> None:
        self.running += 1
        self.callers[caller] += 1

    def end(self, caller: str) -> None:
        self.running -= 1
        self.callers[caller] -= 1
        if not self.callers[caller]:
            del self.callers[caller]
        self.changed.set()


class Queues:
    """Of one worker. All of it runs in the event loop."""

    def __init__(self, counters: Callable[[], Counters]) -> None:
        self._counters = counters
        self._lines: dict[str, _Line] = {}
        self._waiters: set[_Waiter] = set()
        self._stopped = False
        self.paces = Paces()
        self.turned_away: Counter[str] = Counter()  # by server: requests that waited in vain, or found the queue full

    def waiting(self, server: str) -> int:
        """How many wait for a server. One that waits for several is counted at each."""
        return len(self._lines[server].queue) if server in self._lines else 0

    def depths(self) -> dict[str, int]:
        """How many wait, by server; servers for which nobody does are left out."""
        return {name: len(line.queue) for name, line in self._lines.items() if len(line.queue)}

    def held(self, server: str) -> int:
        """How many places of a server this worker's requests hold."""
        return self._lines[server].running if server in self._lines else 0

    async def enter(self, wanted: Wanted, *, heeds_pace: bool = True) -> Place | Held:
        """A place at once. Nobody passes those who wait, but for one that is to go whatever its answers told, as far as
        the file's limits let it.
        """
        line = self._lines.get(wanted.server.name)
        if heeds_pace and line is not None and len(line.queue):
            return Held("max_concurrent")
        if heeds_pace and (left := self._paced(wanted)) > 0:
            return Held("pace", left)
        return await self._take(wanted)

    async def wait(
        self, wanted: Sequence[Wanted], seconds: float, on_wait: Callable[[Callable[[], None]], None]
    ) -> Waited:
        """The first place at any of these. `on_wait` is given what is to be called when the client leaves."""
        waiter = _Waiter(asyncio.get_running_loop().create_future())
        joined: list[tuple[_Line, _Entry]] = []
        before = 0
        for nth, one in enumerate(wanted):
            line, entry = self._line(one.server.name), _Entry(waiter, one, nth)
            if len(line.queue) < _limits(one.server).queue_size:
                before = max(before, len(line.queue))
                line.queue.add(one.caller, entry)
                joined.append((line, entry))
        if not joined:
            self._tidy(wanted)
            return Waited(ended="full")
        for line, entry in joined:
            self._pump(entry.wanted.server.name, line)
        try:
            how = await self._until(waiter, seconds, on_wait)
        except asyncio.CancelledError:
            got = waiter.done.result() if waiter.done.done() and not waiter.done.cancelled() else None
            if isinstance(got, tuple):
                self.leave(got[1], 0, unused=True)
            raise
        finally:
            for line, entry in joined:
                line.queue.remove(entry.wanted.caller, entry)
                line.changed.set()
            self._tidy(wanted)
        if how is None or isinstance(how, str):
            return Waited(ended=how or "time", before=before)
        return Waited(*how, before=before)

    async def pause(self, seconds: float, on_wait: Callable[[Callable[[], None]], None]) -> Cut | None:
        """Let time pass; what ended it before its time."""
        how = await self._until(_Waiter(asyncio.get_running_loop().create_future()), seconds, on_wait)
        return how if isinstance(how, str) else None

    async def _until(
        self, waiter: _Waiter, seconds: float, on_wait: Callable[[Callable[[], None]], None]
    ) -> tuple[int, Place] | Cut | None:
        if self._stopped:
            return "stopped"

        def leaves() -> None:
            waiter.end("left")

        self._waiters.add(waiter)
        on_wait(leaves)
        try:
            await asyncio.wait([waiter.done], timeout=max(0.0, seconds))
        finally:
            self._waiters.discard(waiter)
            if not waiter.done.done():
                waiter.done.cancel()  # also where this task is cancelled: who has a place for it keeps that
        return None if waiter.done.cancelled() else waiter.done.result()

    def leave(self, place: Place | None, used: int | None = None, *, unused: bool = False) -> None:
        """Give a place back; a second time changes nothing. `used`: tokens; None: as many as were estimated. `unused`:
        nothing was asked of the server.
        """
        if place is None or place.is_left:
            return
        place.is_left = True
        self._line(place.server).end(place.caller)
        if place.take is not None and place.taken is not None:
            self._counters().settle(
                tuple(_entry(claim, place.taken, used, unused=unused) for claim in place.take.claims)
            )
        self._forget(place.server)

    def reset(self, server: str) -> int:
        """Forget what a server's answers told of its limits, for those that wait, too. Returns as Paces.reset does."""
        if (line := self._lines.get(server)) is not None:
            line.changed.set()
        return self.paces.reset(server)

    def stop(self) -> None:
        """The router stops: nobody waits any longer."""
        self._stopped = True
        for waiter in list(self._waiters):
            waiter.end("stopped")

    def _paced(self, wanted: Wanted) -> float:
        """Seconds for which it is better not asked: with none of its keys."""
        labels = [key.label for key in wanted.server.keys] or [""]
        now = time.monotonic()
        return min(self.paces.ready_in(wanted.target, label, wanted.tokens, now) for label in labels)

    async def _take(self, wanted: Wanted) -> Place | Held:
        limits, name = _limits(wanted.server), wanted.server.name
        line = self._line(name)
        if limits.max_concurrent is not None and line.running >= limits.max_concurrent:
            return Held("max_concurrent")
        line.begin(wanted.caller)  # before the ledger answers: nobody else is to have it meanwhile
        found: Place | Held | None = None
        try:
            found = await self._counted(wanted, limits)
            return found
        finally:
            if not isinstance(found, Place):
                line.end(wanted.caller)
                self._forget(name)

    async def _counted(self, wanted: Wanted, limits: ServerLimits) -> Place | Held:
        name = wanted.server.name
        if not limits.is_counted:
            return Place(name, wanted.caller)
        reserve = min(wanted.tokens, limits.tpm) if limits.tpm is not None else 0
        claim = Claim(f"server/{name}", limits.rpm, limits.tpm, limits.max_concurrent, reserve)
        take = Take((claim,))
        try:
            result = await self._counters().take(take)
        except LedgerAway as error:
            logger.debug("The limits of %s are this worker's own for now: %s", name, error)
            return Place(name, wanted.caller)
        if isinstance(result, Refused):
            why = _KEYS.get(result.what, "max_concurrent")
            return Held(why, result.retry_in if why != "max_concurrent" else None)
        return Place(name, wanted.caller, take, result)

    def _pump(self, name: str, line: _Line) -> None:
        if line.task is None:
            task = asyncio.get_running_loop().create_task(self._serve(name, line), name="switchman queue")
            # mitmproxy's loop runs a task at once: one that is over by now would be taken for one that runs for ever.
            line.task = None if task.done() else task
        else:
            line.changed.set()

    async def _serve(self, name: str, line: _Line) -> None:
        """Let those that wait go, one after another, as there is room."""
        try:
            while len(line.queue):
                line.changed.clear()
                pause = LOOK
                for entry in line.queue.in_turn(line.callers):
                    paced = self._paced(entry.wanted)
                    found = Held("pace", paced) if paced > 0 else await self._take(entry.wanted)
                    if isinstance(found, Place):
                        line.queue.take(entry.wanted.caller, entry)
                        if not entry.waiter.end((entry.nth, found)):
                            self.leave(found, 0, unused=True)  # it has left, or got a place elsewhere
                        pause = 0.0
                        break
                    pause = min(pause, found.retry_in if found.retry_in is not None else POLL)
                    if found.why != "pace":
                        break  # what holds for all of the server; a pace may be one model's
                if pause > 0:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(pause + EARLY):
                            await line.changed.wait()
        finally:
            line.task = None
            self._forget(name)

    def _line(self, name: str) -> _Line:
        if (line := self._lines.get(name)) is None:
            line = self._lines[name] = _Line()
        return line

    def _tidy(self, wanted: Sequence[Wanted]) -> None:
        for one in wanted:
            self._forget(one.server.name)

    def _forget(self, name: str) -> None:
        """Keep nothing of a server at which nobody is."""
        line = self._lines.get(name)
        if line is not None and not line.running and not len(line.queue) and line.task is None:
            del self._lines[name]


def _limits(server: Server) -> ServerLimits:
    return server.limits or ServerLimits()


def _entry(claim: Claim, taken: Taken, used: int | None, *, unused: bool) -> Entry:
    reserve = claim.reserve if claim.tokens is not None else 0
    tokens = (reserve, reserve if used is None or not reserve else used)
    return Entry(claim.account, int(claim.has_place), taken.second, tokens, requests=int(unused))
