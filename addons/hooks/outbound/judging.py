"""Judging: says how each attempt ended, once, and tells the breakers.

The status is known from the head on, but only the end tells whether an answer was one: servers send errors in the
middle of streams, and with a status of 200. core/decision/verdicts/judge.py has the rules; whoever else wants to know
(Failover, Sticking, Keeping, Recording, the live figures) reads `attempt.verdict`, or `x.outcome` for the request.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from itertools import takewhile

from mitmproxy import http

from switchman.addons.core.decision.verdicts.judge import Ending, How, Verdict, judge, outcome_of
from switchman.addons.core.keys.rest_times import parse_rate_reset
from switchman.addons.core.keys.ring import shares_keys
from switchman.addons.core.servers.retry import parse_retry_after
from switchman.addons.core.servers.servers import ServerKey
from switchman.addons.flow.exchange import Attempt, Exchange, exchange
from switchman.addons.flow.refusal import STOPPED
from switchman.addons.proxy.attempt import UpstreamFailure
from switchman.addons.state.descriptors import any_left
from switchman.addons.state.runtime import Runtime

logger = logging.getLogger(__name__)

SWITCHING = 101  # a WebSocket begins: it keeps its server busy until it is over
UNAUTHORIZED = 401  # such a key is not used up: what is said of limits is not about it


class Judging:
    """Judge each attempt once and tell the breakers. Runs after Processing, before all who read the verdict.

    Writes: attempt.verdict, attempt.ended, attempt.usage, outcome, error.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def upstream_failed(self, failure: UpstreamFailure) -> None:
        """The proxy gave an attempt up. Where its client has some of the answer, no other one can follow."""
        if (x := exchange(failure.flow)) is None or (attempt := x.attempt) is None:
            return
        how = failure.kind
        if attempt.status is None and how in ("dns", "timeout") and not any_left():
            how = "local"  # a look-up needs a descriptor, too, and does not say that it got none
        self._judge(x, attempt, how, failure.response, failure)
        if failure.begun:
            self._settle(x, failure.flow)

    def response(self, flow: http.HTTPFlow) -> None:
        """The answer is whole."""
        if (x := exchange(flow)) is None or flow.response is None:
            return
        if (attempt := x.attempt) is not None and attempt.verdict is None:
            self._judge(x, attempt, "complete", flow.response)
        self._settle(x, flow)

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        """Its head was an answer; what the request came to is told by its end."""
        if (x := exchange(flow)) is not None and x.ending is not None:
            x.outcome, x.error = x.ending.outcome, x.ending.error
            if x.attempt is not None:
                self.runtime.busy.end(x.attempt)

    def error(self, flow: http.HTTPFlow) -> None:
        """The client left, or the proxy refused it. After the last word its answer still counts."""
        if (x := exchange(flow)) is None:
            return
        if (attempt := x.attempt) is not None and attempt.verdict is None:
            verdict = self._judge(x, attempt, "left", flow.response)
            if verdict.is_answer and x.pipe is not None and not x.pipe.is_heavy(b""):
                x.pipe(b"")  # what the stages still hold is part of the answer
        self._settle(x, flow, left=True)

    def done(self) -> None:
        """End what still runs: only mitmdump and mitmweb stop with requests under way."""
        self.runtime.stopping()
        for flow in list(self.runtime.underway.values()):
            self.error(flow)

    def _judge(
        self,
        x: Exchange,
        attempt: Attempt,
        how: How,
        response: http.Response | None,
        failure: UpstreamFailure | None = None,
    ) -> Verdict:
        status = attempt.status
        if status is None and how == "complete" and response is not None:
            status = response.status_code
        attempt.ended = time.monotonic()
        if status != SWITCHING:
            self.runtime.busy.end(attempt)
        attempt.usage = x.reply.usage if x.reply is not None else None
        attempt.verdict = verdict = judge(
            Ending(
                server=attempt.candidate.server,
                how=how,
                status=status,
                message=failure.message if failure else None,
                body=response.get_content(strict=False) if failure and response else None,
                failed=failure.failed if failure else x.failed,
                reply=x.reply,
                streamed=x.pipe is not None and x.pipe.framing != "raw",
                reused=failure is not None and failure.reused,
                url=attempt.url,
                location=attempt.location or response.headers.get("location") if response is not None else None,
                hops=_hops(x),
                withheld=attempt.withheld,
                credential=attempt.credential,
                shares_keys=shares_keys(attempt.candidate.server),
                call=x.call,
                rendered=attempt.rendered,
            )
        )
        if verdict.error:  # it may quote where a redirect leads
            attempt.verdict = verdict = replace(verdict, error=self.runtime.keys().hide_text(verdict.error))
        self._tell(attempt, verdict, attempt.ended, response)
        return verdict

    def _tell(self, attempt: Attempt, verdict: Verdict, ended: float, response: http.Response | None) -> None:
        """Tell the breakers of the server, and what is known of the caller's own key there."""
        breakers, keys = self.runtime.breakers, self.runtime.caller_keys
        retry_after = parse_retry_after(response.headers, time.time()) if response is not None else None
        match verdict.breaker:
            case "success":
                breakers.success(attempt.target, ended)
            case "failure":
                breakers.failure(attempt.target, ended, retry_after)
            case "release" if attempt.probe:
                breakers.release(attempt.target)
        server = attempt.candidate.server.name
        if attempt.key is not None and shares_keys(attempt.candidate.server):
            self._tell_of_our_key(attempt, attempt.key, verdict, ended, retry_after, response)
        if verdict.key is not None and attempt.credential is not None:
            keys.refused(attempt.credential, server, attempt.target, verdict.key, ended, retry_after)
        elif verdict.is_answer:
            keys.accepted(attempt.credential, server, attempt.target, ended)

    def _tell_of_our_key(
        self, attempt: Attempt, key: ServerKey, verdict: Verdict, ended: float, retry_after: float | None,
        response: http.Response | None,
    ) -> None:  # fmt: skip
        ring, server = self.runtime.key_ring, attempt.candidate.server
        if verdict.own_key is not None:
            if retry_after is None and response is not None and verdict.own_key != UNAUTHORIZED:
                retry_after = parse_rate_reset(response.headers, time.time())
            rest = ring.refused(server, attempt.target, key, verdict.own_key, ended, retry_after)
            logger.warning(
                "%s answered %d to %s, which rests for %.0f s", server.name, verdict.own_key, key.label, rest
            )
        elif verdict.is_answer:
            ring.accepted(server, attempt.target, key)

    def _settle(self, x: Exchange, flow: http.HTTPFlow, *, left: bool = False) -> None:
        """Write what the request came to, unless the router has answered it itself. `left`: its client may be gone."""
        if x.outcome is not None:
            return
        why = flow.error.msg if left and flow.error else None
        x.outcome, x.error = outcome_of(
            x.verdict,
            status=flow.response.status_code if flow.response is not None else None,
            is_kept=x.last_answer is not None and flow.response is x.last_answer,
            left=left,
            message=STOPPED if self.runtime.is_stopping else why,
        )


def _hops(x: Exchange) -> int:
    """How many redirects have led to the attempt that runs now."""
    earlier = reversed(x.attempts[:-1])
    return sum(1 for _ in takewhile(lambda one: one.verdict is not None and one.verdict.kind == "moved", earlier))
