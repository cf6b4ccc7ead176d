"""Taps: whether the bytes of a connection are read on.

The layers are sans-io, and mitmproxy reads from a socket whatever comes. A tap that is shut leaves what comes where it
is: in the kernel's buffers, which fill, until the other side has to wait (TCP's own back-pressure). One that is shut
does not hear that the other side leaves.
"""

from __future__ import annotations

from asyncio import Event, sleep
from typing import Any, Final, Literal

from mitmproxy.connection import Connection

# Why one is shut: the client sent further requests before its answer; there is no room for its body; what has come of
# a server's answer is still being read.
type Reason = Literal["ahead", "room", "beside"]

_ATTRIBUTE: Final = "switchman_tap"  # of a Connection; mitmproxy saves one by the fields it knows


class Tap:
    """Open at first, and again when none of the reasons to shut it holds any longer."""

    def __init__(self) -> None:
        self._reasons: set[Reason] = set()
        self._opened = Event()
        self._opened.set()

    @property
    def is_open(self) -> bool:
        return not self._reasons

    def shut(self, reason: Reason) -> None:
        self._reasons.add(reason)
        self._opened.clear()

    def open(self, reason: Reason) -> None:
        """Take one reason back."""
        self._reasons.discard(reason)
        if not self._reasons:
            self._opened.set()

    async def flow(self) -> None:
        """Until it is open."""
        await self._opened.wait()


class TappedReader:
    """A connection's reader, as mitmproxy uses it, that obeys a tap."""

    def __init__(self, reader: Any, tap: Tap) -> None:
        self._reader = reader
        self._tap = tap
        self._begun = False

    async def read(self, most: int) -> bytes:
        if not self._begun:
            # mitmproxy notes who reads a connection after its first turn, which ends here: where all that a client has
            # to say came before that, and its end with it, the whole connection would be over by then.
            self._begun = True
            await sleep(0)
        if not self._tap.is_open:
            await self._tap.flow()
        data: bytes = await self._reader.read(most)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


def tap_of(connection: Connection) -> Tap:
    """The connection's own; nothing obeys it before its reader is a TappedReader."""
    tap: Tap | None = connection.__dict__.get(_ATTRIBUTE)
    if tap is None:
        tap = connection.__dict__[_ATTRIBUTE] = Tap()
    return tap
