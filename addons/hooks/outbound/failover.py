"""Failover: puts our HTTP layer into mitmproxy's stack, and says what follows a failed attempt.

How it decides, in this order:
1. The stream had begun: end it with an error event in the client's dialect. No switch, so no text is doubled.
2. The connection was an old one, closed by the server as the request went out: once more, on a fresh connection.
3. The server lacks what we assumed (stream_options, the Responses API, thinking): once more, without it.
4. It sends the request on to another address of its own: there.
5. It wants credentials, and the client's were not for it: no fault of the server, and its answer no news to the client.
6. It refused one of several keys of ours, and another does not rest: once more, with that one.
7. It says that the prompt is too long for it, or its content filter refused it, and `fallback_on` names that: the next
   candidate, of those that may have a larger context.
8. There is another candidate, and time: that one.
9. A server asked for little time (Retry-After), and `wait_up_to` lets it have that: there once more, after it.
10. Give up: the last upstream's own answer, status, headers and body; if none answered, 504 (time) or 502.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable
from typing import Any, Final
from weakref import WeakSet

from mitmproxy import ctx, http
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.layers.http import HttpLayer

from switchman.addons.core.decision.verdicts.causes import Cause
from switchman.addons.core.decision.verdicts.judge import REJECTED, Feature, Verdict
from switchman.addons.core.dialects import stream_error
from switchman.addons.core.dialects.passing.thoughts import digests
from switchman.addons.core.routes.plan import TraceLine
from switchman.addons.core.servers.reaching.redirects import REDIRECTS
from switchman.addons.core.servers.retry import FallbackOn
from switchman.addons.flow.exchange import LEFT, Attempt, Exchange, exchange
from switchman.addons.flow.refusal import crowded, refusal, relayed_error, translate_error
from switchman.addons.hooks.outbound.holding import refused_keys
from switchman.addons.hooks.outbound.rewriting import Rewriting
from switchman.addons.proxy.attempt import UpstreamFailure
from switchman.addons.proxy.failover_layer import RoutedHttpLayer
from switchman.addons.proxy.held_answer import NO_ROOM
from switchman.addons.state.background import Run, at_once, in_place
from switchman.addons.state.runtime import Runtime

logger = logging.getLogger(__name__)

LAYER_OF: Final[dict[FallbackOn, str]] = {"context": "overflow", "content_filter": "content_filter"}
LAST_WORD = "the client gets what the last server said."
OVERLOADED = "The router has too many connections open to begin another one. Try again in a moment."


class Failover:
    """Choose what follows a failed attempt: the same server, the next candidate, or the final answer.

    Writes: last_answer, pipe, reply, trace.
    """

    def __init__(self, runtime: Runtime, rewriting: Rewriting) -> None:
        self.runtime = runtime
        self.rewriting = rewriting
        self.layers: WeakSet[RoutedHttpLayer] = WeakSet()  # of all connections

    def next_layer(self, nextlayer: NextLayer) -> None:
        """Let the built-in addon choose; where it chose an HttpLayer, ours takes its place with the same mode."""
        builtin = ctx.master.addons.get("nextlayer")
        if builtin is None or nextlayer.layer is not None:
            return
        builtin.next_layer(nextlayer)
        outer: Any = None
        chosen: Any = nextlayer.layer
        while chosen is not None and type(chosen) is not HttpLayer:
            outer, chosen = chosen, getattr(chosen, "child_layer", None)
        if chosen is None:
            return
        # A layer enters this list when it is made, and finds its neighbours by its place there.
        layers = chosen.context.layers
        place = layers.index(chosen)
        settings = self.runtime.settings
        ours = RoutedHttpLayer(
            chosen.context, chosen.mode, settings.body_timeout, keys=self.runtime.keys,
            body_rate=settings.min_body_rate, head_timeout=settings.head_timeout, budget=self.runtime.budget,
        )  # fmt: skip
        self.layers.add(ours)
        layers.remove(ours)
        layers[place] = ours
        if outer is None:
            nextlayer.layer = ours
        else:
            outer.child_layer = ours

    def upstream_failed(self, failure: UpstreamFailure) -> Awaitable[None] | None:
        """An awaitable where the request, written for the next server, or what is left of a stream, is large, or where
        the next server may have to be waited for.
        """
        if (x := exchange(failure.flow)) is None or x.attempt is None or x.attempt.verdict is None:
            return None
        if failure.begun:
            if x.pipe is not None and x.pipe.is_heavy(b""):
                return self._follow(failure, x, x.attempt, x.attempt.verdict, self.runtime.background.step)
        elif x.call is not None and x.call.large:
            return self._follow(failure, x, x.attempt, x.attempt.verdict, self.runtime.background.run)
        elif self.rewriting.admitting.may_wait(x):
            return self._follow(failure, x, x.attempt, x.attempt.verdict, in_place)
        at_once(self._follow(failure, x, x.attempt, x.attempt.verdict, in_place))
        return None

    async def _follow(
        self, failure: UpstreamFailure, x: Exchange, attempt: Attempt, verdict: Verdict, run: Run
    ) -> None:
        if verdict.health == "failed":
            told = self.runtime.capturing.told(x, verdict.error or failure.message)
            logger.warning("%s failed: %s", attempt.target, told)
        if failure.begun:  # 1
            if verdict.is_answer and x.pipe is not None:
                failure.tail = await run(x.pipe, b"")  # all was said; only the end of the framing is missing
            else:
                await run(self._end_stream, x, failure)
            return
        await self._follow_unsent(failure, x, attempt, verdict, run)

    async def _follow_unsent(
        self, failure: UpstreamFailure, x: Exchange, attempt: Attempt, verdict: Verdict, run: Run
    ) -> None:
        """The client has nothing of this attempt's answer."""
        flow = failure.flow
        x.pipe = x.reply = None  # nothing has gone through it
        if verdict.cause is not None and verdict.cause.on in attempt.fallback_on:  # 7
            await self._elsewhere(failure, x, attempt, verdict.cause, run)
            return
        match verdict.kind:
            case "stopped":
                flow.response = refusal(x, 503, failure.message, headers={"retry-after": "1"})
            case "local":  # another candidate would need a connection, or room for its answer, too
                flow.response = refusal(x, 503, self._what_is_short(failure.message), headers={"retry-after": "1"})
            case "stale":  # 2
                await self._again(flow, x, failure, run)
                failure.fresh = True
            case "lacks":  # 3
                self._note_lack(x, attempt, verdict)
                await self._again(flow, x, failure, run)
            case "refused" if attempt.status not in attempt.retry_statuses:
                # Held back as it might have told of a lack, but it did not: nobody else is asked.
                self._keep_answer(x, attempt, failure)
                flow.response = x.last_answer
            case "moved":  # 4
                assert verdict.hop is not None
                failure.retry = await self.rewriting.follow(flow, x, verdict.hop, run)
            case "withheld":  # 5
                if x.last_answer is None:
                    self._keep_answer(x, attempt, failure)
                await self._next_or_last(flow, x, failure, run)
            case _:
                self._keep_answer(x, attempt, failure)
                await self._next_or_last(flow, x, failure, run)  # 6, 8, 9, 10

    async def _elsewhere(self, failure: UpstreamFailure, x: Exchange, attempt: Attempt, cause: Cause, run: Run) -> None:
        """Another candidate may answer what this one refused; else the client gets the refusal."""
        self._keep_answer(x, attempt, failure)
        larger = cause.overflow is not None and cause.overflow.of == "context"
        where = "a candidate whose context may be larger" if larger else "another candidate"
        detail = f"{attempt.target} did not answer: {cause}. So {where} is asked."
        x.trace.append(TraceLine(LAYER_OF[cause.on], "skip", detail))
        await self._next_or_last(failure.flow, x, failure, run)
        if not failure.retry:
            x.trace.append(TraceLine(LAYER_OF[cause.on], "miss", f"There is none: {LAST_WORD}"))

    def _has_other_key(self, x: Exchange) -> bool:
        """Whether a key of ours was refused that is one of several, and another may do."""
        attempt = x.attempt
        if attempt is None or attempt.verdict is None or attempt.verdict.own_key is None:
            return False
        server, ring = attempt.candidate.server, self.runtime.key_ring
        return ring.has_other(server, attempt.target, time.monotonic(), refused_keys(x, server, attempt.target))

    def _what_is_short(self, message: str) -> str:
        """What to tell the client. A lack of descriptors is everybody's: the log is told, too."""
        if message == NO_ROOM:
            return f"{NO_ROOM[0].upper()}{NO_ROOM[1:]}. Try again in a moment."
        self.runtime.shortage.tell(message)
        return OVERLOADED

    def response(self, flow: http.HTTPFlow) -> None:
        """Forget a recorded lack if the retry without our additions was rejected too."""
        if (x := exchange(flow)) is None or flow.response is None or flow.response.status_code not in REJECTED:
            return
        for before, last in zip(x.attempts, x.attempts[1:], strict=False):
            if before.target != last.target or before.rendered is None or last.rendered is None:
                continue
            if before.rendered.has_thoughts and not last.rendered.has_thoughts:
                self.rewriting.refused.forget(before.candidate.server.name, _thoughts(x))
            if before.rendered.injected and not last.rendered.injected:
                self.rewriting.without["usage"].discard(_lacking(before, "usage"))
            if before.rendered.reasons and not last.rendered.reasons:
                self.rewriting.without["reasoning"].discard(_lacking(before, "reasoning"))

    def _note_lack(self, x: Exchange, attempt: Attempt, verdict: Verdict) -> None:
        """Remember what the server does not take."""
        assert verdict.feature is not None
        if verdict.feature == "thoughts":
            self.rewriting.refused.add(attempt.candidate.server.name, _thoughts(x))
        else:
            self.rewriting.without[verdict.feature].add(_lacking(attempt, verdict.feature))

    def _keep_answer(self, x: Exchange, attempt: Attempt, failure: UpstreamFailure) -> None:
        """Keep this error answer; the client gets it if no later attempt does better."""
        if failure.failed is not None:
            x.last_answer = relayed_error(x, failure.failed, failure.response)
        elif failure.response is not None and failure.response.status_code not in REDIRECTS:
            # A client would follow a redirect with its own credentials.
            x.last_answer = failure.response
            if attempt.answer is not None:
                translate_error(x.last_answer, attempt.answer)

    async def _again(self, flow: http.HTTPFlow, x: Exchange, failure: UpstreamFailure, run: Run) -> None:
        if await self.rewriting.again(flow, x, run):
            failure.retry = True
        elif x.crowded is not None:
            flow.response = crowded(x, x.crowded)
        elif x.last_answer is not None:
            flow.response = x.last_answer
        else:  # said in the only way that is left, the request would be another one
            flow.response = refusal(
                x, 400, str(x.untranslatable), param=x.untranslatable.field if x.untranslatable else None
            )

    async def _next_or_last(self, flow: http.HTTPFlow, x: Exchange, failure: UpstreamFailure, run: Run) -> None:
        in_time = time.monotonic() < x.deadline
        if in_time and self._has_other_key(x):
            await self._again(flow, x, failure, run)
        elif in_time and (await self.rewriting.prepare_by(run, flow, x) or await self._waited_out(flow, x, run)):
            failure.retry = True
        elif x.crowded is LEFT:
            flow.response = crowded(x, LEFT)
        elif x.last_answer is not None:
            flow.response = x.last_answer
        elif x.crowded is not None:
            flow.response = crowded(x, x.crowded)
        else:
            flow.response = refusal(x, 504 if failure.kind == "timeout" else 502, _story(x))

    async def _waited_out(self, flow: http.HTTPFlow, x: Exchange, run: Run) -> bool:
        """Wait for a server that asked for little time, and ask it again. False where there is none."""
        candidate = await self.rewriting.admitting.wait_out(flow, x) if x.crowded is not LEFT else None
        return candidate is not None and await self.rewriting.once_more(flow, x, candidate, run)

    def _end_stream(self, x: Exchange, failure: UpstreamFailure) -> None:
        if x.pipe is None or x.call is None or x.pipe.framing == "raw":
            return  # bytes of no known form: only a broken connection tells that they are not all
        status, message = 503, failure.message
        if failure.kind != "cancelled":
            server = x.attempts[-1].candidate.server.name
            status, message = 502, f"The server {server} failed during its answer: {failure.message}"
        failure.tail = x.pipe.abort(stream_error(x.call.endpoint, status, message))


def _thoughts(x: Exchange) -> set[str]:
    return digests(x.outgoing) if x.outgoing is not None else set()


def _lacking(attempt: Attempt, feature: Feature) -> str:
    """The key in `Rewriting.without`: the target for reasoning, else the server's name."""
    return attempt.target if feature == "reasoning" else attempt.candidate.server.name


def _story(x: Exchange) -> str:
    """What happened, attempt by attempt, for the person who reads the error."""
    tried = "; ".join(f"{a.target}: {a.error}" for a in x.attempts)
    return f"No server could answer. Tried {tried}."
