"""Failover: puts our HTTP layer into mitmproxy's stack, and says what follows a failed attempt.

How it decides, in this order:
1. The stream had begun: end it with an error event in the client's dialect. No switch, so no text is doubled.
2. The connection was an old one, closed by the server as the request went out: once more, on a fresh connection.
3. The server lacks what we assumed (stream_options, the Responses API, thinking): once more, without it.
4. It wants credentials, and the client's were not for it: no fault of the server, and its answer no news to the client.
5. There is another candidate, and time: that one.
6. Give up: the last upstream's own answer, status, headers and body; if none answered, 504 (time) or 502.
"""

from __future__ import annotations

import logging
import time
from typing import Any
from weakref import WeakSet

from mitmproxy import ctx, http
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.layers.http import HttpLayer

from switchman.addons.core.dialects import stream_error
from switchman.addons.core.dialects.errors import decode_error
from switchman.addons.core.servers.retry import parse_retry_after, retriable_statuses
from switchman.addons.flow.exchange import Attempt, Exchange, exchange
from switchman.addons.flow.refusal import refusal, relayed_error, translate_error
from switchman.addons.hooks.outbound.rewriting import NO_SUCH_PATH, REJECTED, UNAUTHORIZED, Rewriting
from switchman.addons.proxy.attempt import UpstreamFailure
from switchman.addons.proxy.failover_layer import RoutedHttpLayer
from switchman.addons.state.runtime import Runtime

logger = logging.getLogger(__name__)


class Failover:
    """What follows an attempt that failed, or whose client left; Verdict judges those that came to their end."""

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
        ours = RoutedHttpLayer(chosen.context, chosen.mode, self.runtime.settings.body_timeout)
        self.layers.add(ours)
        layers.remove(ours)
        layers[place] = ours
        if outer is None:
            nextlayer.layer = ours
        else:
            outer.child_layer = ours

    def upstream_failed(self, failure: UpstreamFailure) -> None:
        flow = failure.flow
        if (x := exchange(flow)) is None or (attempt := x.attempt) is None:
            return
        attempt.ended = time.monotonic()
        attempt.outcome, attempt.error = failure.kind, failure.message
        faults = retriable_statuses(attempt.candidate.server)
        if not failure.begun:
            x.pipe = x.reply = None  # nothing has gone through it
        if failure.begun:  # 1
            if x.reply is not None and x.reply.ended and x.pipe is not None:
                attempt.outcome = "ok"  # all was said; only the end of the framing is missing
                failure.tail = x.pipe(b"")
            else:
                self._blame(attempt, failure)
                self._end_stream(x, failure)
        elif failure.kind == "cancelled":
            self._blame(attempt, failure)
            flow.response = refusal(x, 503, failure.message, headers={"retry-after": "1"})
        elif failure.reused and failure.kind == "reset":  # 2
            attempt.error = "the server had closed the idle connection; sent again on a fresh one"
            self._again(flow, x, failure)
            failure.fresh = True
        elif failure.kind == "status" and (lack := self._missing_feature(x, attempt, failure.response)):  # 3
            attempt.error = lack
            self._again(flow, x, failure)
        elif failure.response is not None and attempt.status in (NO_SUCH_PATH | REJECTED) - faults:
            # Swallowed as it might have told of a lack, but it did not: the client's own fault, nobody else is asked.
            self.runtime.breakers.success(attempt.target, time.monotonic())
            self._keep_answer(x, attempt, failure)
            flow.response, x.outcome = x.last_answer, "upstream_error"
        elif failure.kind == "status" and attempt.withheld and attempt.status in UNAUTHORIZED:  # 4
            attempt.error = f"{failure.message}; it was not given the client's credentials"
            self.runtime.breakers.success(attempt.target, time.monotonic())
            if x.last_answer is None:
                self._keep_answer(x, attempt, failure)
            self._next_or_last(flow, x, failure)
        else:
            self._count(attempt, failure)
            self._keep_answer(x, attempt, failure)
            self._next_or_last(flow, x, failure)  # 5, 6

    def error(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is not None and (attempt := x.attempt) is not None and attempt.ended is None:
            # The client left: no verdict on the server, unless it was answering.
            attempt.ended, attempt.outcome = time.monotonic(), "cancelled"
            if x.reply is not None and x.reply.first_token_at is not None:
                self.runtime.breakers.success(attempt.target, attempt.ended)
            elif attempt.probe:
                self.runtime.breakers.release(attempt.target)

    def response(self, flow: http.HTTPFlow) -> None:
        """A server that refuses a request without our additions too had nothing against them: later ones get them."""
        if (x := exchange(flow)) is None or flow.response is None or flow.response.status_code not in REJECTED:
            return
        for before, last in zip(x.attempts, x.attempts[1:], strict=False):
            if before.target != last.target or before.rendered is None or last.rendered is None:
                continue
            if before.rendered.injected and not last.rendered.injected:
                self.rewriting.without_usage.discard(before.candidate.server.name)
            if before.rendered.reasons and not last.rendered.reasons:
                self.rewriting.without_reasoning.discard(before.target)

    def _blame(self, attempt: Attempt, failure: UpstreamFailure) -> None:
        """Nobody is to blame where the router itself stops."""
        if failure.kind != "cancelled":
            self._count(attempt, failure)
        elif attempt.probe:
            self.runtime.breakers.release(attempt.target)

    def _count(self, attempt: Attempt, failure: UpstreamFailure) -> None:
        retry_after = parse_retry_after(failure.response.headers, time.time()) if failure.response is not None else None
        self.runtime.breakers.failure(attempt.target, time.monotonic(), retry_after)
        logger.warning("%s failed: %s", attempt.target, failure.message)

    def _keep_answer(self, x: Exchange, attempt: Attempt, failure: UpstreamFailure) -> None:
        """In case it is the best there is."""
        if failure.failed is not None:
            x.last_answer = relayed_error(x, failure.failed, failure.response)
        elif failure.response is not None:
            x.last_answer = failure.response
            if attempt.answer is not None:
                translate_error(x.last_answer, attempt.answer)

    def _again(self, flow: http.HTTPFlow, x: Exchange, failure: UpstreamFailure) -> None:
        if self.rewriting.again(flow, x):
            failure.retry = True
        elif x.last_answer is not None:
            flow.response, x.outcome = x.last_answer, "upstream_error"
        else:  # said in the only way that is left, the request would be another one
            flow.response = refusal(
                x, 400, str(x.untranslatable), param=x.untranslatable.field if x.untranslatable else None
            )

    def _missing_feature(self, x: Exchange, attempt: Attempt, response: http.Response | None) -> str | None:
        """What the server turned out not to have, and is not asked for again; None where its answer is no such news."""
        server, rendered = attempt.candidate.server, attempt.rendered
        if rendered is None or x.call is None:
            return None
        if rendered.reasons and attempt.status in REJECTED and _is_about_thinking(response):
            self.rewriting.without_reasoning.add(attempt.target)
            return "the model refused what it was told of thinking; sent again without"
        if rendered.injected and attempt.status in REJECTED:
            self.rewriting.without_usage.add(server.name)
            return "the server rejected stream_options, which the router had added; sent again without"
        asked_responses = x.call.endpoint.operation == "responses" and rendered.answer is None
        if asked_responses and attempt.status in NO_SUCH_PATH and not _is_about_model(response):
            self.rewriting.without_responses.add(server.name)
            return "the server has no Responses API; sent again as a chat completion"
        return None

    def _next_or_last(self, flow: http.HTTPFlow, x: Exchange, failure: UpstreamFailure) -> None:
        in_time = time.monotonic() < x.deadline
        if in_time and self.rewriting.prepare(flow, x):
            failure.retry = True
        elif x.last_answer is not None:
            flow.response = x.last_answer
            x.outcome, x.error = (
                "upstream_error",
                f"status {x.last_answer.status_code} from the last server that answered",
            )
        else:
            flow.response = refusal(x, 504 if failure.kind == "timeout" else 502, _story(x))

    def _end_stream(self, x: Exchange, failure: UpstreamFailure) -> None:
        x.outcome, x.error = "stream_error", failure.message
        if x.pipe is None or x.call is None or x.pipe.framing == "raw":
            return  # bytes of no known form: only a broken connection tells that they are not all
        status, message = 503, failure.message
        if failure.kind != "cancelled":
            server = x.attempts[-1].candidate.server.name
            status, message = 502, f"The server {server} failed during its answer: {failure.message}"
        failure.tail = x.pipe.abort(stream_error(x.call.endpoint, status, message))


def _is_about_thinking(response: http.Response | None) -> bool:
    """`"llama3" does not support thinking` (Ollama), `Unrecognized request argument: reasoning_effort` (OpenAI)."""
    if response is None:
        return False
    error = decode_error(response.status_code, response.get_content(strict=False) or b"")
    return any(word in f"{error.message} {error.param}".lower() for word in ("think", "reasoning"))


def _is_about_model(response: http.Response | None) -> bool:
    """Whether a 404 says that the model is missing, not the path."""
    if response is None:
        return False
    error = decode_error(response.status_code, response.get_content(strict=False) or b"")
    return error.code == "model_not_found" or "model" in error.message.lower()


def _story(x: Exchange) -> str:
    """What happened, attempt by attempt, for the person who reads the error."""
    tried = "; ".join(f"{a.target}: {a.error}" for a in x.attempts)
    return f"No server could answer. Tried {tried}."
