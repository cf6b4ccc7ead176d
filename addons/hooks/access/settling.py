"""Settling: what a request has used is written down, and what it held comes back, however it ended.

    upstream_failed   an attempt may be billed, and another is to come: as much again is reserved, or it is not made
    response          the answer is whole
    error             the client left, the server broke off, or the proxy refused the rest
    websocket_end     a WebSocket is over
    done              the router stops

What was used, attempt by attempt:
1. As the answer's usage says, where it is whole and its price known.
2. Nothing where no model was asked, or it answered with an error.
3. Of a stream that broke off, or that does not tell its usage: the prompt (as told, else by estimate), and of the
   answer what had passed, by estimate.
4. Else, where the client left or time was over before an answer began, nobody tells: as it was reserved.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from mitmproxy import http

from switchman.addons.core.access.limits.asking import Reserve, Ticket, Used, again, settlement_of
from switchman.addons.core.access.limits.bounds import passed
from switchman.addons.core.access.limits.ledger import Taken
from switchman.addons.core.access.prices.price import Usage
from switchman.addons.core.request.call import GENERATING
from switchman.addons.core.routes.plan import TraceLine
from switchman.addons.flow.costs import UNCHARGED, cost_by
from switchman.addons.flow.exchange import Attempt, Exchange, exchange
from switchman.addons.hooks.access.pricing import without_first
from switchman.addons.proxy.attempt import UpstreamFailure
from switchman.addons.state.access.ledgers import LedgerAway
from switchman.addons.state.runtime import Runtime

logger = logging.getLogger(__name__)

SWEEP_EVERY = 30.0  # seconds between two looks for requests that ended without a hook's knowing
ERRORS = ("status", "refused", "lacks", "withheld", "error")  # verdicts of servers that answered with one
NOT_AGAIN = (
    "The failed attempt may be billed, and the budget does not hold another one beside it: no other server is asked."
)


class Settling:
    """Runs after Judging, whose verdict it reads, and before Failover.

    Writes: ticket, plan, trace.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._open: dict[int, Exchange] = {}  # by id(): requests that hold something
        self._sweeping: asyncio.Task[None] | None = None

    def running(self) -> None:
        self._sweeping = asyncio.create_task(self._sweep(), name="switchman limits swept")

    def request(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is not None and x.ticket is not None:
            self._open[id(x)] = x

    async def upstream_failed(self, failure: UpstreamFailure) -> None:
        if (x := exchange(failure.flow)) is None or (ticket := x.ticket) is None or failure.begun or x.plan is None:
            return
        attempt, more = x.attempt, x.next_candidate < len(x.plan.candidates)
        if attempt is None or not more or not _may_be_billed(attempt) or not _costs(ticket.reserve):
            return
        take = again(ticket.take)
        if not take.claims:
            return
        try:
            result = await self.runtime.counters.take(take)
        except LedgerAway:
            result = None
        if isinstance(result, Taken):
            ticket.extended.append(take)
        else:
            x.plan = without_first(x.plan, x.next_candidate)
            x.trace.append(TraceLine("limits", "hit", NOT_AGAIN))

    def response(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or x.ticket is None or flow.websocket is not None:
            return
        self._settle(x, _length(flow, x))

    def error(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is not None and x.ticket is not None:
            self._settle(x)

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        self.error(flow)

    async def done(self) -> None:
        """Judging has said how what still runs ended."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for flow in list(self.runtime.underway.values()):
            self.error(flow)
        await self.runtime.counters.close()
        await self.runtime.alerts.close()

    async def _sweep(self) -> None:
        """No request holds anything that has its row, whatever its hooks came to."""
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            for key, x in list(self._open.items()):
                if key not in self.runtime.underway:
                    self._settle(x)

    def _settle(self, x: Exchange, length: int | None = None) -> None:
        """`length`: bytes of a whole answer."""
        self._open.pop(id(x), None)
        ticket, x.ticket = x.ticket, None
        if ticket is None:
            return
        try:
            settlement = settlement_of(ticket, _used(x, ticket, length))
        except Exception:
            logger.exception("What a request used could not be told: it counts as it was reserved")
            settlement = settlement_of(ticket, Used(ticket.reserve.usd, ticket.reserve.tokens))
        if ticket.take.place:
            self.runtime.counters.settle(settlement)


def _costs(reserve: Reserve) -> bool:
    return bool(reserve.usd or reserve.tokens)


def _length(flow: http.HTTPFlow, x: Exchange) -> int | None:
    """Bytes of an answer that came whole; None for a stream."""
    return len(flow.response.raw_content or b"") if flow.response is not None and x.pipe is None else None


def _used(x: Exchange, ticket: Ticket, length: int | None) -> Used:
    total = Used()
    for attempt in x.attempts:
        total += _used_by(x, attempt, ticket, length if attempt is x.attempt else None)
    return total


def _may_be_billed(attempt: Attempt) -> bool:
    """Whether a model may have worked on it, as far as anybody can tell."""
    verdict = attempt.verdict
    if verdict is None or attempt.usage is not None:
        return True
    if verdict.kind in UNCHARGED or verdict.kind in ERRORS:
        return False
    return attempt.status is None or attempt.status < 400


def _used_by(x: Exchange, attempt: Attempt, ticket: Ticket, length: int | None) -> Used:
    if not _may_be_billed(attempt):
        return Used()
    usage, reserve = attempt.usage, ticket.reserve
    if x.call is None:  # what is not counted in tokens
        return Used(reserve.usd)
    if usage is None or usage.partial:
        usage = _estimated(x, attempt, ticket, length)
    if usage is None:
        return Used(reserve.usd, reserve.tokens or reserve.about)
    cost = cost_by(x, attempt, usage)
    if cost is None:
        cost = reserve.usd  # 0 where no budget is in dollars
    return Used(cost, usage.input_tokens + usage.output_tokens)


def _estimated(x: Exchange, attempt: Attempt, ticket: Ticket, length: int | None) -> Usage | None:
    """The usage of an answer that does not tell it, or broke off before it did; None where nothing tells."""
    told, reply = attempt.usage, x.reply if attempt is x.attempt else None
    streamed = reply is not None and reply.payloads > 0
    if streamed:
        assert reply is not None
        came = passed(reply.payloads, reply.size, reply.least)
    elif length is not None and attempt.verdict is not None and attempt.verdict.is_answer and x.call is not None:
        came = length // 4 if x.call.endpoint.operation in GENERATING else 0
    elif told is not None:
        came = told.output
    else:
        return None
    if told is None:
        return Usage(input=ticket.about_in, output=came, partial=True)
    known = told.input_tokens or ticket.about_in
    return replace(told, input=told.input + known - told.input_tokens, output=max(told.output, came - told.reasoning))
