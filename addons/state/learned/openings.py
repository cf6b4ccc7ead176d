"""What was learned of servers and models: whether their replies begin inside a thinking block that the template opened.

Known to this process at once. Through Shared it is known to the other workers of the machine, too, where there is a log
(else each worker learns by itself): what one learned is fetched by the others in the background, while a request is on
its way, so that no request waits for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Final

from switchman.addons.core.texts.unicode import shown
from switchman.addons.state.together.shared import Quota, Shared, SharedStoreError

SPACE: Final = "openings"
MOST: Final = 4096  # servers and models that are remembered: their names come from clients
TTL: Final = 7 * 24 * 3600.0  # seconds
LOOK_EVERY: Final = 5.0  # seconds between two looks at what the others know of one server and model
QUOTA: Final = Quota(entries=MOST, bytes=1024 * 1024)


class Openings:
    """By target (`server/model`) and path of the API: servers treat thoughts differently in each."""

    def __init__(self, shared: Shared, clock: Callable[[], float] = time.monotonic) -> None:
        self._shared, self._clock = shared, clock
        self._known: OrderedDict[str, bool] = OrderedDict()
        self._looked: OrderedDict[str, float] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def known(self, target: str, path: str) -> bool | None:
        """What replies have shown: True, they begin in the block; False, they do not; None where none has told."""
        return self._known.get(_key(target, path))

    def learn(self, target: str, path: str, opens: bool) -> None:
        """Remember what a reply has shown, and tell the other workers in the background. Needs a running event loop."""
        key = _key(target, path)
        if self._known.get(key) is opens:
            return
        self._keep(key, opens)
        self._note(key, self._clock())  # what is being written is not to be overwritten by an older look
        self._start(self._tell(key, opens))

    def look(self, target: str, path: str) -> None:
        """Fetch what the other workers have learned, in the background. Needs a running event loop."""
        key, now = _key(target, path), self._clock()
        if now - self._looked.get(key, float("-inf")) < LOOK_EVERY:
            return
        self._note(key, now)
        self._start(self._fetch(key, self._known.get(key)))

    async def settled(self) -> None:
        """Until all that has begun in the background is done."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name="switchman openings")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, key: str, opens: bool) -> None:
        try:
            await self._shared.put(SPACE, key, b"1" if opens else b"0", TTL, QUOTA)
        except SharedStoreError:
            pass  # this worker knows it all the same

    async def _fetch(self, key: str, before: bool | None) -> None:
        try:
            found = await self._shared.get(SPACE, key)
        except SharedStoreError:
            return
        if found is not None and self._known.get(key) is before:  # nothing was learned here meanwhile
            self._keep(key, found == b"1")

    def _note(self, key: str, now: float) -> None:
        self._looked[key] = now
        self._looked.move_to_end(key)
        if len(self._looked) > MOST:
            self._looked.popitem(last=False)

    def _keep(self, key: str, opens: bool) -> None:
        self._known[key] = opens
        self._known.move_to_end(key)
        if len(self._known) > MOST:
            self._known.popitem(last=False)


def _key(target: str, path: str) -> str:
    return shown(f"{path} {target}")  # a client may name half a surrogate pair, which no database takes
