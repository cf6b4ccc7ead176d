"""Tells the other workers how this one's breakers and live figures stand, and hears theirs, several times a second.

A note for each worker lies in Shared: so the workers of one machine know each other's by its file, and those of many
machines by Redis. No decision waits for it: what was heard is in memory. A note of a worker that died is believed for
KEPT seconds as far as it says which targets rest, and for FRESH seconds in all else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from switchman.addons.core.servers.breaker import Breakers
from switchman.addons.core.servers.standing import Standing, pack, unpack
from switchman.addons.state.live import LiveFigures
from switchman.addons.state.together.shared import Note, Shared, SharedStoreError

logger = logging.getLogger(__name__)

SPACE: Final = "workers"
EVERY: Final = 0.25  # seconds between two looks
RENEW: Final = 1.0  # seconds after which what has not changed is said again, while there is anything to say ...
RENEW_IDLE: Final = 20.0  # ... and where it is only of what is over
FRESH: Final = 5.0  # seconds
KEPT: Final = 60.0  # seconds
MOST: Final = 256  # targets that are told of
COMPLAIN_EVERY: Final = 60.0  # seconds
LONGEST_NOTE: Final = 1_000_000  # bytes of one that is read

type Heard = tuple[Mapping[str, Standing], Mapping[str, Any], str]  # breakers, figures, and of which machine


def no_servers() -> frozenset[str]:
    """None that a machine has for itself."""
    return frozenset()


class Standings:
    """For one worker. All of it runs in the event loop. `clock`: seconds, as breakers and figures have them. `own`: the
    servers that each machine has for itself, of which no other `machine` is heard.
    """

    def __init__(
        self,
        shared: Shared,
        owner: str,
        breakers: Breakers,
        live: LiveFigures,
        clock: Callable[[], float] = time.monotonic,
        machine: str = "",
        own: Callable[[], frozenset[str]] = no_servers,
    ) -> None:
        self._shared, self._owner, self._clock = shared, owner, clock
        self._breakers, self._live = breakers, live
        self._machine, self._own = machine, own
        self._said: object = None
        self._said_at = self._figures_at = self._heard_at = self._failed_at = float("-inf")
        self._figures: dict[str, Any] = {}
        self._heard: dict[str, tuple[bytes, Heard]] = {}  # by owner: a note is read once
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._watch(), name="switchman standings")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def step(self) -> None:
        """Tell what is new, and hear the others. Raises SharedStoreError."""
        try:
            notes = await self._shared.post(SPACE, self._owner, self._news(self._clock()), KEPT)
        except BaseException:
            self._said_at = float("-inf")  # it may not have been said
            self._hear_nobody()
            raise
        self._heard_at = now = self._clock()
        heard = {note.owner: (note.text, self._read(note)) for note in notes if len(note.text) <= LONGEST_NOTE}
        self._heard = heard
        told = [(note.age, heard[note.owner][1]) for note in notes if note.owner in heard]
        meant = [(age, self._meant(said, where), self._meant(figures, where)) for age, (said, figures, where) in told]
        self._breakers.hear([(age, standings) for age, standings, _ in meant], now, FRESH)
        self._live.hear([figures for age, _, figures in meant if age <= FRESH])

    def _meant[T](self, told: Mapping[str, T], machine: str) -> Mapping[str, T]:
        """What was told on a machine, by target, as far as the targets are ours, too."""
        if machine == self._machine or not (own := self._own()):
            return told
        return {target: one for target, one in told.items() if target.partition("/")[0] not in own}

    def _hear_nobody(self) -> None:
        """What was heard last is not believed for ever: one who probed then need not probe now."""
        if (now := self._clock()) - self._heard_at > FRESH:
            self._breakers.hear([], now, FRESH)
            self._live.hear([])

    def _news(self, now: float) -> bytes | None:
        """The note; None where the last one still says it."""
        told = self._breakers.standings(now)
        if len(told) > MOST:
            told = dict(sorted(told.items(), key=lambda item: (item[1].opened, item[1].version))[-MOST:])
        if now - self._figures_at >= RENEW:
            self._figures, self._figures_at = self._live.told(MOST), now
        # What only runs down is no news.
        state = {target: (one.version, one.failures, one.requests, one.probing) for target, one in told.items()}
        saying = (state, self._figures) if state or self._figures else None
        if saying == self._said:
            is_busy = bool(self._figures) or any(one.opened or one.failures for one in told.values())
            if saying is None or now - self._said_at < (RENEW if is_busy else RENEW_IDLE):
                return None
        self._said, self._said_at = saying, now
        return json.dumps(
            {"breakers": pack(told), "figures": self._figures, "machine": self._machine}, separators=(",", ":")
        ).encode()

    def _read(self, note: Note) -> Heard:
        """A note of another version of the router, or of nobody's, says nothing."""
        if (known := self._heard.get(note.owner)) is not None and known[0] == note.text:
            return known[1]
        try:
            said = json.loads(note.text)
        except (ValueError, RecursionError):
            return {}, {}, ""
        if not isinstance(said, dict):
            return {}, {}, ""
        figures = said.get("figures")
        machine = str(said.get("machine", ""))
        return unpack(said.get("breakers")), figures if isinstance(figures, dict) else {}, machine

    async def _watch(self) -> None:
        while True:
            try:
                await self.step()
            except SharedStoreError as error:
                logger.debug("what the other workers know could not be had: %s", error)
            except Exception:  # the boundary: the next look may succeed
                if (now := self._clock()) - self._failed_at >= COMPLAIN_EVERY:
                    self._failed_at = now
                    logger.exception("What the other workers know could not be taken over.")
            await asyncio.sleep(EVERY)
