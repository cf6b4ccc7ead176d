"""Deadlines: when somebody must be woken for a request, what has expired then, and what to tell the person.

One value for each request; times are seconds of one clock that only goes forward. Each phase waits for one thing:

    phase         waits for                    until
    ------------  ---------------------------  -----------------------------------------------------------------
    nothing       nobody                       for ever: a hook runs, a connection is opened, or all is over
    body          more of the request's body   `patience` after the last piece, and not later than its rate allows; or
                  room for it                  `patience` after there was none
    answer        the head of the answer       the first-byte deadline
    first_event   the first event of a stream  the same first-byte deadline, whatever comments, or blanks of a whole
                                               answer, come before it
    rest          the rest of the answer       the idle deadline after the last piece
    last          the end of a stream's body   LINGER after its last word

Answer, first_event and rest also end with the attempt (`timeout: total`) and with the request as a whole
(REQUEST_TIMEOUT), and in them the client may be due a ping. A connection that is being opened has `connect_left()`
seconds.

             await_body        clear              await_answer          head_arrived           first_event_awaited
    nothing ------------> body -----> nothing --------------> answer ------------> rest -----------------> first_event
                                         ^                                          ^                            |
                                         | begin_attempt, from any phase            +-- stream_begins, or -------+
                                                                                    |   whole_awaited
                                                                                    +-- last_word --> last
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final, Literal

from switchman.addons.core.servers.servers import Timeouts

Phase = Literal["nothing", "body", "answer", "first_event", "rest", "last"]
Expired = Literal["body", "slow_body", "first_byte", "idle", "total", "ping", "last"]

# Seconds. Servers end the body with the last word or right after it, and their connection can then be used again; a
# client that reads up to the end of the body need not wait for one that does not.
LINGER: Final = 0.25
# A body may be as late as two silences make it before it is too slow.
GRACE: Final = 2.0
EARLY: Final = 0.001  # seconds that a timer may ring before its time, here and wherever one is set

NO_LIMITS: Final = Timeouts(inf, inf, inf, inf)
NOT_CONNECTED: Final = "timed out: no connection within the connect deadline of"


@dataclass(slots=True)
class Deadlines:
    """The times of one request, and of the attempt that is under way for it.

    `heard` is the one field that is written from outside: the stream sets it for each piece of an answer, its most
    frequent event by far, and so saves a call. All others change by the methods only.
    """

    phase: Phase = "nothing"
    heard: float = inf  # the last sign of the peer that is waited for; may be set while nothing is waited for
    patience: float = inf  # seconds between two pieces of the request's body
    body_started: float = 0.0  # when the head of the request was here
    body_by: float = inf  # when the request's body must be over, or more of it be here
    paused: float = inf  # since when nothing of the body is read, for want of room; inf while it is
    request_started: float = 0.0
    request_end: float = inf  # when the request as a whole must be over
    end: float = inf  # when the attempt must be over: never after the request
    answer_by: float = inf  # when the answer must have begun
    limits: Timeouts = NO_LIMITS  # of the server that is asked
    ping_after: float = inf  # seconds without output until the client is sent a ping
    ping_at: float = inf  # when the client is sent the next one
    last_by: float = inf  # when the body must be over, after the last word

    # --- what happens

    def await_body(self, now: float, patience: float) -> None:
        """The head of a request is here, or a piece of its body: the next one must come within `patience` seconds."""
        if self.phase != "body":
            self.body_started = now
        self.phase, self.heard, self.patience = "body", now, patience

    def body_came(self, received: int, rate: float, end: float) -> None:
        """So many bytes of the body are here: it must come with `rate` bytes a second (0: any rate will do), with
        GRACE times `patience` seconds to spare, and be over at `end`.
        """
        allowed = self.body_started + GRACE * self.patience + received / rate if rate else inf
        self.body_by = min(allowed, end)

    def body_waits(self, waits: bool, now: float) -> None:
        """Nothing more of the body is read, for want of room: so long its client is not the one that is waited for. Or
        it is read on, as if no time had passed meanwhile.
        """
        if waits:
            self.heard = self.paused = now
        elif self.paused != inf:
            waited, self.paused = now - self.paused, inf
            self.heard, self.body_started, self.body_by = now, self.body_started + waited, self.body_by + waited

    def begin_request(self, started: float, end: float) -> None:
        """The request is complete; its answer must be complete at `end`, however many attempts it takes."""
        self.phase = "nothing"
        self.request_started, self.request_end = started, end

    def begin_attempt(self, now: float, started: float, limits: Timeouts, ping_after: float, early: bool) -> None:
        """Another server is asked, since `started`; a connection to it is opened now.

        `ping_after` is inf for a client that gets no pings; `early`: it gets them before the answer begins, too. Pings
        that have begun go on in their own time, whatever the settings of the next server are.
        """
        self.phase, self.limits = "nothing", limits
        self.end = min(self.request_end, started + limits.total)
        self.ping_after = ping_after
        self.ping_at = min(self.ping_at, now + ping_after) if early else inf

    def connect_left(self, now: float) -> float:
        """Seconds in which a connection must stand: the server's own, and never more than the request has left."""
        return max(0.0, min(self.limits.connect, self.request_end - now))

    def await_answer(self, now: float) -> None:
        """The request has been sent."""
        self.phase, self.heard = "answer", now
        self.answer_by = now + self.limits.first_byte

    def hear(self, now: float) -> None:
        """Something came of the answer."""
        self.heard = now

    def head_arrived(self, now: float) -> None:
        """The head of the answer is here."""
        if self.phase == "answer":
            self.phase, self.heard = "rest", now

    def first_event_awaited(self, now: float) -> None:
        """The head is one of a stream, and nothing is sent on before its first event."""
        self.phase = "first_event"
        self.ping_at = now + self.ping_after

    def whole_came(self, now: float, is_blank: bool) -> None:
        """A piece of a whole answer is here. `is_blank`: white space, as all before it. Some servers send that to keep
        the connection: it is no first token.
        """
        if is_blank and self.phase == "rest":
            self.phase, self.heard = "first_event", now
        elif not is_blank and self.phase == "first_event":
            self.phase, self.heard = "rest", now

    def stream_begins(self, now: float) -> None:
        """The client gets the head of the stream, with its first event or before it."""
        if self.phase != "nothing":
            self.phase, self.heard = "rest", now
            self.ping_at = now + self.ping_after

    def last_word(self, now: float) -> None:
        """The server has said that its stream is complete."""
        if self.phase == "rest":
            self.phase, self.last_by = "last", now + LINGER

    def whole_awaited(self, now: float, is_pinged: bool) -> None:
        """What should have been a stream comes in one piece; who has not been pinged by now is not pinged either."""
        if self.phase == "nothing":
            return
        self.phase, self.heard = "rest", now
        self.ping_at = self.ping_at if is_pinged else inf

    def sent(self, now: float) -> None:
        """The client was sent something, be it a ping."""
        self.ping_at = now + self.ping_after

    def clear(self) -> None:
        """Wait for nothing any more, until another attempt begins."""
        self.phase = "nothing"

    # --- what is asked

    @property
    def due(self) -> float:
        """When somebody must be woken; inf for never."""
        if self.phase == "nothing":
            return inf
        if self.phase == "body":
            return min(self.heard + self.patience, self.body_by if self.paused == inf else inf)
        if self.phase == "last":
            return self.last_by
        return min(self._silence_ends(), self.end, self.ping_at)

    def expired(self, now: float) -> Expired | None:
        """The deadline that has passed; "ping" where the client is due one; None where it is too early for either."""
        if self.phase == "nothing":
            return None
        if self.phase == "body":
            if now >= self.heard + self.patience:
                return "body"
            return "slow_body" if now >= self.body_by and self.paused == inf else None
        if self.phase == "last":
            return "last" if now >= self.last_by else None
        if now >= self.end:
            return "total"
        if now >= self._silence_ends():
            return "idle" if self.phase == "rest" else "first_byte"
        return "ping" if now >= self.ping_at else None

    def _silence_ends(self) -> float:
        return self.heard + self.limits.idle if self.phase == "rest" else self.answer_by

    def message(self, expired: Expired) -> str:
        """What to tell the person of a deadline that has passed."""
        limits = self.limits
        match expired:
            case "body":
                return f"The request's body did not arrive: nothing came for {self.patience:g} s (BODY_TIMEOUT)."
            case "slow_body":
                seconds = self.body_by - self.body_started
                return (
                    f"The request's body came too slowly: it was not complete after {seconds:.3g} s "
                    "(MIN_BODY_RATE, REQUEST_TIMEOUT)."
                )
            case "total":
                total = min(limits.total, self.request_end - self.request_started)
                return f"no complete answer within the total deadline of {total:g} s"
            case "first_byte":
                return f"no answer within the first-byte deadline of {limits.first_byte:g} s"
            case _:
                return f"nothing came for {limits.idle:g} s, the idle deadline"


def not_connected(seconds: float) -> str:
    """What to tell the person of a connection that did not stand after `seconds`."""
    return f"{NOT_CONNECTED} {seconds:g} s"
