"""Pass a WebSocket's frames on as they come, without keeping any, and say how it ended.

    start --> relay --a closing frame from each side, or a broken connection--> done
                |
                | a frame that may not pass, no byte from either side for too long, or the router stops
                +--> close: a closing frame to each side, where it cuts none in two; LINGER for the answers --> done

mitmproxy's own layer keeps every message, puts them together and inflates them. Back-pressure is that of the
connections: nothing more is read from one side while the other has not taken what was sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mitmproxy import http
from mitmproxy.connection import Connection
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.websocket import WebsocketEndHook, WebsocketStartHook
from mitmproxy.websocket import WebSocketData
from wsproto.frame_protocol import FrameProtocol

from switchman.addons.core.access.admission.ending import Ending, passed
from switchman.addons.core.access.admission.frames import GOING_AWAY, TOO_BIG, Frames
from switchman.addons.core.routes.plan import TraceLine
from switchman.addons.core.servers.deadlines import EARLY
from switchman.addons.flow.exchange import exchange
from switchman.addons.flow.refusal import STOPPED
from switchman.addons.proxy.attempt import RouterStops

LINGER = 5.0  # seconds that the two sides have to answer a closing frame


@dataclass(eq=False)
class _Side:
    """One end. `frames`: those that come from it. `is_told`: it got a closing frame of the router's own."""

    name: Literal["client", "server"]
    connection: Connection
    frames: Frames
    is_told: bool = False
    is_open: bool = True


class Relay(layer.Layer):
    """Between the client's and the server's connection of one flow.

    Writes: ending, trace.
    """

    def __init__(self, context: Context, flow: http.HTTPFlow, clock: Callable[[], float]) -> None:
        """`clock`: seconds, only forward. The limits are options: on a message, and on silence."""
        super().__init__(context)
        self.flow = flow
        self._clock = clock
        self._idle: int = context.options.switchman_websocket_idle_timeout
        self._heard = clock()  # when something last came, from whichever side
        self._linger: commands.RequestWakeup | None = None
        limit = context.options.switchman_max_websocket_message
        self._client = _Side("client", context.client, Frames(masked=True, limit=limit))
        self._server = _Side("server", context.server, Frames(masked=False, limit=limit))
        self._ending: Ending | None = None
        self._state: Callable[[events.Event], layer.CommandGenerator[None]] = self._relay

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Start):
            yield WebsocketStartHook(self.flow)
            yield commands.RequestWakeup(self._idle)
        else:
            yield from self._state(event)

    def _relay(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.DataReceived):
            self._heard = self._clock()
            side, other = self._sides(event.connection)
            yield from self._pass(side, other, event.data)
            if (violation := side.frames.violation) is not None:
                self._ending = Ending("router", violation.code, violation.reason, guilty=side.name)
                yield from self._close()
            elif side.frames.closed is not None:
                self._note(side)
                if other.frames.closed is not None:
                    yield from self._done()
        elif isinstance(event, events.ConnectionClosed):
            side, other = self._sides(event.connection)
            yield from self._shut(side)
            self._note(side)
            if side.frames.closed is not None and other.frames.closed is None:
                yield from self._await()  # who has not answered its closing frame yet
            else:
                yield from self._done()
        elif isinstance(event, events.Wakeup):
            left = self._heard + self._idle - self._clock()
            if left > EARLY:
                yield commands.RequestWakeup(left)
                return
            reason = f"Nothing came for {self._idle} s (WEBSOCKET_IDLE_TIMEOUT)."
            self._ending = self._ending or Ending("router", GOING_AWAY, reason, is_idle=True)
            yield from self._close()
        elif isinstance(event, RouterStops):
            self._ending = self._ending or Ending("router", GOING_AWAY, STOPPED)
            yield from self._close()

    def _pass(self, side: _Side, other: _Side, data: bytes) -> layer.CommandGenerator[None]:
        if (data := side.frames.feed(data)) and other.is_open:
            yield commands.SendData(other.connection, data)

    def _note(self, side: _Side) -> None:
        """Keep who ended it first."""
        if self._ending is None:
            code, reason = side.frames.closed or (None, "")
            self._ending = Ending(side.name, code, reason)

    def _close(self) -> layer.CommandGenerator[None]:
        """End it on the router's own account."""
        for side in (self._client, self._server):
            side.frames.finish()
        yield from self._tell()
        yield from self._await()

    def _await(self) -> layer.CommandGenerator[None]:
        self._state, self._linger = self._await_answers, commands.RequestWakeup(LINGER)
        yield self._linger

    def _tell(self) -> layer.CommandGenerator[None]:
        """Send the router's closing frame to whom no frame is in the middle of being passed on to."""
        ending = self._ending
        if ending is None or ending.by != "router" or ending.code is None:
            return
        for side, other in ((self._client, self._server), (self._server, self._client)):
            if side.is_told or not side.is_open or other.frames.passes or other.frames.closed is not None:
                continue  # what comes from the other one is not over, or was a closing frame
            side.is_told = True
            speaker = FrameProtocol(client=side is self._server, extensions=[])
            yield commands.SendData(side.connection, bytes(speaker.close(ending.code, ending.reason)))

    def _await_answers(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Wakeup) and event.command is self._linger:
            yield from self._done()
            return
        if not isinstance(event, events.DataReceived | events.ConnectionClosed):
            return
        side, other = self._sides(event.connection)
        if isinstance(event, events.ConnectionClosed):
            yield from self._shut(side)
            side.frames.finish()
        else:
            yield from self._pass(side, other, event.data)
            yield from self._tell()
        if all(one.frames.closed is not None or not one.is_open for one in (self._client, self._server)):
            yield from self._done()

    def _done(self) -> layer.CommandGenerator[None]:
        self._state = _ignore
        self._write_end()
        for side in (self._client, self._server):
            yield from self._shut(side)
        yield WebsocketEndHook(self.flow)
        self.flow.live = False

    def _shut(self, side: _Side) -> layer.CommandGenerator[None]:
        """Close a connection, once: the layer forgets it after the event that tells of its end."""
        if side.is_open:
            side.is_open = False
            yield commands.CloseConnection(side.connection)

    def _write_end(self) -> None:
        ending, data = self._ending, self.flow.websocket or WebSocketData()
        x = exchange(self.flow)
        assert ending is not None and x is not None
        data.timestamp_end, data.closed_by_client = time.time(), ending.by == "client"
        data.close_code, data.close_reason = ending.code or 1006, ending.reason
        x.ending = ending
        counts = " and ".join(passed(s.frames.messages, s.frames.size, s.name) for s in (self._client, self._server))
        outcome: Literal["hit", "skip"] = "skip" if ending.code == TOO_BIG and ending.by == "router" else "hit"
        x.trace.append(TraceLine("websocket", outcome, f"{ending.fact} It had passed {counts}."))
        if ending.said:  # a line of its own: it may quote a message, so not everybody may read it
            x.trace.append(TraceLine("websocket_reason", "hit", f"The {ending.by}'s reason: {ending.said}"))

    def _sides(self, connection: Connection) -> tuple[_Side, _Side]:
        """Where an event came from, and the other one."""
        if connection is self._client.connection:
            return self._client, self._server
        return self._server, self._client


def _ignore(event: events.Event) -> layer.CommandGenerator[None]:
    yield from ()
