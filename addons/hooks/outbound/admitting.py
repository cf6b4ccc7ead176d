"""Admitting: a request goes to a server that has room for it, or waits until one has.

Before each attempt, of the candidates that are left, those that rest (their breaker is open) after the others:
1. The first that has room: its place is taken, and it is asked next. Those that were passed over come after it.
2. None has: the request waits for whichever has room first, as long as the `queue:` of these servers says, and no
   longer than the request may take as a whole.
3. Who waited in vain, or finds the queues full, goes to one that rests; to one that only its own answers call used
   up, as it says best itself when to come back; else the client is refused, by the key of the rules file that is in
   the way.

A place is held until the request is over: to the end of its stream, or of its WebSocket. An attempt that is made once
more at the same server keeps it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from mitmproxy import http
from mitmproxy.connection import ConnectionState

from switchman.addons.core.access.limits.bounds import bound_of
from switchman.addons.core.keys.rate_limits import told_by
from switchman.addons.core.routes.plan import Candidate, TraceLine
from switchman.addons.core.servers.retry import BUSY_STATUSES, parse_retry_after
from switchman.addons.core.servers.servers import Server
from switchman.addons.flow.costs import tokens_at
from switchman.addons.flow.exchange import LEFT, Attempt, Crowded, Exchange, exchange, ms_since
from switchman.addons.flow.refusal import STOPPED
from switchman.addons.proxy.attempt import UpstreamFailure
from switchman.addons.state.queues.queues import Cut, Held, Place, Waited, Wanted
from switchman.addons.state.runtime import Runtime

LAYER: Final = "queue"
SOON: Final = 5  # seconds for Retry-After where nobody knows when there will be room
# A server that asks for no time again and again is not asked without end: of `wait_up_to` each time but the first takes
# at least this share, or LEAST seconds.
SHARE: Final = 0.1
LEAST: Final = 1.0


class Admitting:
    """Rewriting and Failover ask it; as an addon it reads what servers tell of their limits.

    Writes: place, plan, crowded, leaves, queued, waited_out, trace, attempt.asks_again.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def may_wait(self, x: Exchange) -> bool:
        """Whether any server of the plan has limits: then the next attempt may have to wait."""
        return x.plan is not None and any(one.server.limits is not None for one in x.plan.candidates)

    async def admit(self, flow: http.HTTPFlow, x: Exchange) -> bool:
        """Put the candidate first that has room for the request, of those that are left. False: none has, as
        `x.crowded` says.
        """
        assert x.plan is not None
        left = x.plan.candidates[x.next_candidate :]
        if x.place is not None and x.place.server == left[0].server.name:
            return True
        self.leave(x)
        if all(one.server.limits is None for one in left):
            return True
        x.crowded = None
        breakers, now = self.runtime.breakers, time.monotonic()
        wanted = [self.wanted(x, one) for one in left]
        resting = [breakers.is_open(one.target, now) for one in wanted]
        live = [one for one, rests in zip(wanted, resting, strict=True) if not rests] or wanted
        if all(resting) and not await self._rest(flow, x, wanted, now):
            return False
        held: dict[int, Held] = {}
        if await self._enter(x, left, wanted, live, held):
            return True
        waited = await self._wait(flow, x, wanted, live, held)
        if waited is not None and waited.place is not None:
            self._choose(x, left, _place_of(wanted, live[waited.nth]), waited.place)
            return True
        if waited is not None and waited.ended in ("left", "stopped"):
            return self._cut(x, waited.ended)
        if await self._enter(x, left, wanted, [one for one in wanted if one not in live], held):
            return True
        return await self._enter_used_up(x, left, wanted, held) or self._in_vain(x, wanted, held, waited)

    def begins(self, x: Exchange, attempt: Attempt) -> None:
        """An attempt goes out: of what its server told of its limits, so much less is left."""
        server = attempt.candidate.server
        if server.limits is not None:
            key = attempt.key.label if attempt.key is not None else ""
            tokens = self.wanted(x, attempt.candidate).tokens
            self.runtime.queues.paces.begin(attempt.target, key, tokens, attempt.started)

    def used_up_keys(self, server: Server, target: str) -> set[str]:
        """The labels of the server's keys that its answers call used up; none where all are."""
        if server.limits is None:
            return set()
        paces, now = self.runtime.queues.paces, time.monotonic()
        found = {key.label for key in server.keys if paces.ready_in(target, key.label, 0, now) > 0}
        return found if len(found) < len(server.keys) else set()

    def leave(self, x: Exchange) -> None:
        """Give its place back, with the tokens that its attempts there took."""
        if x.place is not None:
            server = x.place.server
            asked = any(one.candidate.server.name == server for one in x.attempts)
            self.runtime.queues.leave(x.place, tokens_at(x, server), unused=not asked)
            x.place = None

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or flow.response is None or (attempt := x.attempt) is None:
            return
        if attempt.candidate.server.limits is not None and attempt.verdict is None:
            self._learn(attempt, flow.response.headers)

    def upstream_failed(self, failure: UpstreamFailure) -> None:
        if (x := exchange(failure.flow)) is None or (attempt := x.attempt) is None or failure.response is None:
            return
        if (limits := attempt.candidate.server.limits) is not None:
            headers = failure.response.headers
            self._learn(attempt, headers)
            if limits.wait_up_to and attempt.status in BUSY_STATUSES:
                asked = parse_retry_after(headers, time.time())
                if asked is not None and asked <= limits.wait_up_to:
                    attempt.asks_again = time.monotonic() + asked

    async def wait_out(self, flow: http.HTTPFlow, x: Exchange) -> Candidate | None:
        """Wait for the server that asked for the least time, of those that may have it: `wait_up_to` seconds for one
        request in all. None: there is none, or the client left, or the router stops.
        """
        asking = [one for one in x.attempts if one.asks_again is not None]
        if not asking:
            return None
        first = min(asking, key=lambda one: one.asks_again or 0.0)
        limits, now = first.candidate.server.limits, time.monotonic()
        if limits is None:
            return None
        times = sum(one.candidate is first.candidate for one in x.attempts)
        least = min(LEAST, limits.wait_up_to * SHARE) if times > 1 else 0.0
        seconds = max(least, (first.asks_again or 0.0) - now)
        if x.waited_out + seconds > limits.wait_up_to or now + seconds >= x.deadline:
            return None
        if x.place is not None and x.place.server != first.candidate.server.name:
            self.leave(x)  # nothing of it runs there meanwhile
        for one in asking:
            if one.candidate is first.candidate:
                one.asks_again = None
        x.waited_out += seconds
        what = f"{first.target} asked for {seconds:.1f} s (Retry-After), and nobody else can answer"
        if (cut := await self._pause(flow, x, seconds)) is not None:
            self._cut(x, cut)
            x.trace.append(TraceLine(LAYER, "miss", f"{what}: waiting ended before that."))
            return None
        x.trace.append(
            TraceLine(LAYER, "hit", f"{what}: waited for (wait_up_to: {limits.wait_up_to:g}), and asked again.")
        )
        return first.candidate

    def stopping(self) -> None:
        self.runtime.queues.stop()

    def done(self) -> None:
        self.runtime.queues.stop()

    async def _enter(
        self, x: Exchange, left: Sequence[Candidate], wanted: Sequence[Wanted], asked: Sequence[Wanted],
        held: dict[int, Held],
    ) -> bool:  # fmt: skip
        """A place at the first of these that has one."""
        for one in asked:
            at = _place_of(wanted, one)
            if one.server.limits is None:
                self._choose(x, left, at, None)
                return True
            found = await self.runtime.queues.enter(one)
            if isinstance(found, Place):
                self._choose(x, left, at, found)
                return True
            held[at] = found
        return False

    async def _wait(
        self, flow: http.HTTPFlow, x: Exchange, wanted: Sequence[Wanted], live: Sequence[Wanted],
        held: Mapping[int, Held],
    ) -> Waited | None:  # fmt: skip
        """None where it is known that waiting would be in vain."""
        started = time.monotonic()
        most = max(one.server.limits.queue_wait for one in live if one.server.limits is not None)
        seconds = min(most, x.deadline - started)
        soonest = min((one.retry_in or 0.0 for one in held.values()), default=0.0)
        if soonest > seconds or seconds <= 0:
            return None
        waited = await self.runtime.queues.wait(live, seconds, self._watching(flow, x))
        self._over(x, started)
        if waited.ended != "full":
            what = f"{_in_the_way(wanted, held)} had as much to do as it may"
            self._tell(x, live, what, waited, started)
        return waited

    async def _rest(self, flow: http.HTTPFlow, x: Exchange, wanted: Sequence[Wanted], now: float) -> bool:
        """All rest: let the one that is back first have its time, where that is little. False: the client left."""
        breakers = self.runtime.breakers
        back = [
            (breakers.back_in(one.target, now), one.server.limits.wait_up_to, one.target)
            for one in wanted
            if one.server.limits is not None and one.server.limits.wait_up_to
        ]
        seconds, most, target = min(back, default=(0.0, 0.0, ""))
        if seconds <= 0 or x.waited_out + seconds > most or now + seconds >= x.deadline:
            return True
        x.waited_out += seconds
        detail = (
            f"{target} rests for {seconds:.1f} s more, and nobody else can answer: waited for (wait_up_to: {most:g})."
        )
        x.trace.append(TraceLine(LAYER, "hit", detail))
        cut = await self._pause(flow, x, seconds)
        return cut is None or self._cut(x, cut)

    def _cut(self, x: Exchange, how: str) -> bool:
        """Waiting was ended by the client, which hears no more of it, or by the router, which says so."""
        x.crowded = Crowded(503, STOPPED, 1) if how == "stopped" else LEFT
        return False

    async def _pause(self, flow: http.HTTPFlow, x: Exchange, seconds: float) -> Cut | None:
        """Let time pass; what ended it before its time."""
        started = time.monotonic()
        cut = await self.runtime.queues.pause(seconds, self._watching(flow, x))
        self._over(x, started)
        return cut

    def _over(self, x: Exchange, started: float) -> None:
        """It waits no longer. What it waited for before its first attempt is no overhead of the router's."""
        x.leaves = None
        if x.routed is None:
            x.queued += time.monotonic() - started

    def _watching(self, flow: http.HTTPFlow, x: Exchange) -> Callable[[Callable[[], None]], None]:
        def on_wait(leaves: Callable[[], None]) -> None:
            x.leaves = leaves
            if flow.client_conn.state is ConnectionState.CLOSED:
                leaves()  # it has left before

        return on_wait

    def _choose(self, x: Exchange, left: Sequence[Candidate], at: int, place: Place | None) -> None:
        """Ask this one next, and the others after it in their order."""
        x.place = place
        if at == 0:
            return
        assert x.plan is not None
        chosen, others = left[at], (*left[:at], *left[at + 1 :])
        x.plan = replace(x.plan, candidates=(*x.plan.candidates[: x.next_candidate], chosen, *others))
        names = ", ".join(one.target for one in left[:at])
        x.trace.append(TraceLine(LAYER, "skip", f"{chosen.target} is asked before {names}: it has room, or had first."))

    def _tell(self, x: Exchange, live: Sequence[Wanted], what: str, waited: Waited, started: float) -> None:
        took = ms_since(started)
        before = f", behind {waited.before} others" if waited.before else ""
        if waited.place is not None:
            detail = f"Waited {took / 1000:.1f} s for {live[waited.nth].target}{before}: {what}."
            x.trace.append(TraceLine(LAYER, "hit", detail, elapsed_ms=took))
        else:
            ended = {"left": "the client left", "stopped": "the router stopped"}.get(waited.ended, "there was no room")
            detail = f"Waited {took / 1000:.1f} s{before}, until {ended}: {what}."
            x.trace.append(TraceLine(LAYER, "miss", detail, elapsed_ms=took))

    async def _enter_used_up(
        self, x: Exchange, left: Sequence[Candidate], wanted: Sequence[Wanted], held: dict[int, Held]
    ) -> bool:  # fmt: skip
        """A place at the first that only its own answers call used up: it says best itself when to come back."""
        for at, found in list(held.items()):
            if found.why != "pace":
                continue
            place = await self.runtime.queues.enter(wanted[at], heeds_pace=False)
            if isinstance(place, Place):
                detail = f"{left[at].target} told that it is used up; it is asked all the same."
                x.trace.append(TraceLine(LAYER, "skip", detail))
                self._choose(x, left, at, place)
                return True
            held[at] = place
        return False

    def _in_vain(self, x: Exchange, wanted: Sequence[Wanted], held: Mapping[int, Held], waited: Waited | None) -> bool:
        x.crowded = _crowded(wanted, held, waited, time.monotonic() >= x.deadline)
        for one in wanted:
            self.runtime.queues.turned_away[one.server.name] += 1
        x.trace.append(TraceLine(LAYER, "hit", x.crowded.message))
        return False

    def wanted(self, x: Exchange, candidate: Candidate) -> Wanted:
        """What the request asks of a candidate's server."""
        server, tokens = candidate.server, 0
        if x.outgoing is not None and server.limits is not None:
            counted = x.features.input_tokens if x.features is not None else None
            bound = bound_of(x.outgoing, counted)
            tokens = bound.about_in + bound.about_out
        caller = x.caller.id if x.caller is not None and x.caller.id else x.client
        return Wanted(server, candidate.target_for(x.call.model if x.call else ""), caller, tokens)

    def _learn(self, attempt: Attempt, headers: Mapping[str, str]) -> None:
        if told := told_by(headers, time.time()):
            key = attempt.key.label if attempt.key is not None else ""
            self.runtime.queues.paces.learn(attempt.target, key, told, attempt.started, time.monotonic())


def _place_of(wanted: Sequence[Wanted], one: Wanted) -> int:
    return next(nth for nth, other in enumerate(wanted) if other is one)


def limit_of(server: Server, why: str) -> str:
    """The key in the rules file, with its value."""
    limits = server.limits
    value = getattr(limits, why, None)
    return f"{why}: {value}" if value is not None else "what its answers told"


def _in_the_way(wanted: Sequence[Wanted], held: Mapping[int, Held]) -> str:
    """Of each server, the limit that holds. `held`: by the place among the wanted."""
    said = {wanted[nth].server.name: limit_of(wanted[nth].server, found.why) for nth, found in held.items()}
    return ", ".join(f"{name} ({limit})" for name, limit in said.items())


def _crowded(wanted: Sequence[Wanted], held: Mapping[int, Held], waited: Waited | None, is_late: bool) -> Crowded:
    what = f"All servers for this request have as much to do as they may: {_in_the_way(wanted, held)}."
    retry_in = min((one.retry_in for one in held.values() if one.retry_in is not None), default=float(SOON))
    limits = next((one.server.limits for one in wanted if one.server.limits is not None), None)
    assert limits is not None
    if waited is not None and waited.ended == "full":
        why = f" {limits.queue_size} requests wait already (queue: size)."
    elif is_late:
        return Crowded(
            504, f"{what} The request waited until its time was over (REQUEST_TIMEOUT).", math.ceil(retry_in)
        )
    else:
        why = f" There was no room within {limits.queue_wait:g} s (queue: wait)."
    status = 503 if all(one.why == "max_concurrent" for one in held.values()) else 429
    return Crowded(status, f"{what}{why} Try again later.", max(1, math.ceil(retry_in)))
