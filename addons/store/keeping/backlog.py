"""The backlog of a writer whose database cannot be written: it goes to the spool, and from there back in its order.

    idle      the spool is empty: the writer writes to the database itself
    active    all that comes goes to the spool, and is taken from its other end as soon as the database takes it

What the spool has no room for is held, one batch of it; the writer takes no more from its queue then, which fills up
and drops what comes, counted.
"""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Sequence

from switchman.addons.store.keeping.spool import Spool, SpoolError
from switchman.addons.store.rows import Prepared

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0  # seconds between tries of the database
AT_ONCE = 4  # portions that go back before more is taken from the queue


class Away(Exception):
    """The database cannot be written, for a reason that may pass. Its text is the reason."""


def forget_frames(error: BaseException) -> None:
    """Take the frames from an error and its causes, once it is handled.

    SQLAlchemy's errors are parts of cycles, and the frames below them hold a batch of records: all of it would stay
    with each try of a database that is away, until Python looks for cycles.
    """
    cause: BaseException | None = error
    while cause is not None:
        traceback.clear_frames(cause.__traceback__)
        cause.__traceback__, cause = None, cause.__cause__ or cause.__context__


class Backlog:
    """Used by the writer's thread only; `active` and `reason` may be read by any.

    Args:
        store: writes records to the database, or raises Away: none of them is lost then, and some may be written.
        say: logs a sentence.
    """

    def __init__(
        self, spool: Spool, store: Callable[[Sequence[Prepared]], None], say: Callable[[str], None], portion: int
    ) -> None:
        self.spool = spool
        self.active = False
        self.reason = ""
        self.kept = 0  # records that went through the spool
        self.held: Sequence[Prepared] = ()
        self._store, self._say, self._portion = store, say, portion
        self._pause = FIRST_PAUSE
        self._next_try = 0.0
        self._drops_noted = 0
        try:
            self.active = spool.state().records > 0  # left by a process before
        except SpoolError as error:
            say(f"{spool.path} cannot be read: {error}")

    @property
    def wait(self) -> float | None:
        """Seconds until there is something to do without new records; None: never."""
        return max(0.0, min(self._pause, self._next_try - time.monotonic())) if self.active else None

    @property
    def problem(self) -> str | None:
        """Why records wait; None where none does."""
        return f"the log's database cannot be written: {self.reason or 'some requests wait'}" if self.active else None

    def note_drops(self, dropped: int) -> None:
        """So many records were dropped so far: note it where the dashboard sees it."""
        with contextlib.suppress(SpoolError):
            self.spool.count_dropped(dropped - self._drops_noted, time.time())
            self._drops_noted = dropped

    def begin(self, items: Sequence[Prepared], reason: str) -> None:
        """The database could not be written: these are the first that go to the spool."""
        if not self.active:
            self.active, self.reason = True, reason
            self._pause, self._next_try = FIRST_PAUSE, time.monotonic() + FIRST_PAUSE
            self._say(
                f"the log's database cannot be written ({reason}); requests wait in {self.spool.path} until it can"
            )
        self.add(items)

    def add(self, items: Sequence[Prepared]) -> None:
        """Put these at the end of the spool; what it has no room for is held."""
        try:
            taken = self.spool.append(items)
        except SpoolError as error:
            taken = 0
            self.reason = (
                f"{self.reason}; and {self.spool.path}: {error}" if "; and " not in self.reason else self.reason
            )
        self.kept += taken
        self.held = items[taken:]

    def step(self, size: int, at_once: bool = False) -> None:
        """Give some back to the database, if it is time to try; the held ones go to the spool then."""
        if not self.active or (time.monotonic() < self._next_try and not at_once):
            return
        try:
            for _ in range(AT_ONCE):
                if not self._give_back(size):
                    break
        except Away as error:
            self.reason = self.reason or str(error)
            self._next_try = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            forget_frames(error)

    def _give_back(self, size: int) -> bool:
        """One portion; False when nothing is left. Raises Away."""
        try:
            with self.spool.oldest(self._portion, size) as items:
                if items:
                    self._store(items)
        except SpoolError as error:  # it cannot be read: at least what is held is written
            if not self.held:
                raise Away(f"{self.spool.path}: {error}") from None
            items = []
        if items:
            if self.held:
                self.add(self.held)
            return True
        if self.held:  # there is nothing before them
            self._store(self.held)
            self.held = ()
        self._say(f"the log's database can be written again; {self.kept} requests that waited are in it")
        self.active, self.reason, self.kept = False, "", 0
        return False
