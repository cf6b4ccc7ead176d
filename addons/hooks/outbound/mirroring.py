"""Mirroring: asks the target of a rule's `mirror` what its client asked another one; nobody gets that answer.

It begins when the first answer is whole, in a task of its own over httpx, and touches nothing of the request: neither
its time, nor its breakers, limits, caches, conversations. What bounds it, in this order:
1. Only what was answered, asks for text, and is in the mirrored share of conversations. Never what local_only forbids.
2. A mirror is never a client's request, so it is never mirrored again.
3. AT_ONCE at a time in each worker, with MOST_BYTES of requests together; what is more is dropped, and counted.
4. `max_cost` of a day, by the ledger of budgets, over all workers. What has no price is not asked outside the own
   network.
5. The server's own deadline, and LONGEST in any case.

What is sent: the request as the target would get it as a candidate, redacted where a rule says so, with the target's
own key and headers. No field of the client's, so no credential of its own, goes there.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from dataclasses import asdict, dataclass, field

import httpx
from mitmproxy import http

from switchman.addons.config.settings import zone_of
from switchman.addons.core.access.caller import Allowance, Budget
from switchman.addons.core.access.capturing import Captured
from switchman.addons.core.access.limits.asking import Reserve, Source, Sources, Ticket, Used, settlement_of, take_of
from switchman.addons.core.access.limits.bounds import bound_of
from switchman.addons.core.access.limits.ledger import Taken
from switchman.addons.core.access.limits.periods import Calendar
from switchman.addons.core.access.prices.cost import cost_of, most_of
from switchman.addons.core.access.prices.price import Price
from switchman.addons.core.decision.stickiness import conversation_key
from switchman.addons.core.decision.verdicts.errorclass import error_class
from switchman.addons.core.dialects import framing_of
from switchman.addons.core.dialects.errors import decode_error
from switchman.addons.core.dialects.rendering import Rendered
from switchman.addons.core.record import AttemptRecord, Outcome, Record
from switchman.addons.core.request.call import GENERATING
from switchman.addons.core.routes.plan import Candidate, Earlier, TraceLine
from switchman.addons.core.rules.reading.mirrorfile import Mirror
from switchman.addons.core.servers import credentials
from switchman.addons.core.servers.reaching.addressing import address, is_azure
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.streams.framing.ndjson import NDJSONSplitter
from switchman.addons.core.streams.framing.sse import SSESplitter
from switchman.addons.core.streams.reply import ReplyCollector
from switchman.addons.flow.exchange import MAX_REPLY, Exchange, exchange
from switchman.addons.hooks import seen
from switchman.addons.hooks.outbound.redacting import redacted_path
from switchman.addons.hooks.outbound.rewriting import ANTHROPIC_VERSION, Rewriting
from switchman.addons.state.access.capturing import applying
from switchman.addons.state.access.ledgers import LedgerAway
from switchman.addons.state.background import in_place
from switchman.addons.state.learned.upstream_reader import UNREACHABLE, UpstreamReader
from switchman.addons.state.runtime import Runtime

logger = logging.getLogger(__name__)

AT_ONCE = 16
MOST_BYTES = 32 * 1024 * 1024
LONGEST = 600.0  # seconds
LATER = 0.05  # seconds, in which the client's answer goes out
SPENT_FOR = 60.0  # seconds for which nobody asks again whether a day's money is spent
LAYER = "mirror"


@dataclass
class Heard:
    """What came of one mirrored request. Times are monotonic seconds, `cost` micro-dollars; None: not known."""

    outcome: Outcome = "failed"
    error: str | None = None
    url: str = ""
    kind: str = "ok"  # as core.record.AttemptRecord.outcome
    status: int | None = None
    fields: tuple[tuple[str, str], ...] = ()
    body: bytearray = field(default_factory=bytearray)  # the first MAX_REPLY bytes
    size: int = 0
    streamed: bool = False
    first_byte: float | None = None
    reply: ReplyCollector = field(default_factory=ReplyCollector)
    cost: int | None = None

    async def read(self, response: httpx.Response) -> None:
        """Read the answer to its end. Raises what httpx does where it has none."""
        self.status, self.first_byte = response.status_code, time.monotonic()
        self.fields = tuple(response.headers.items())
        framing = framing_of(response.headers.get("content-type", ""))
        splitter = {"sse": SSESplitter, "ndjson": NDJSONSplitter}[framing]() if framing is not None else None
        self.streamed = splitter is not None
        async for piece in response.aiter_bytes():
            self.size += len(piece)
            self.body += piece[: max(0, MAX_REPLY - len(self.body))]
            for event in splitter.feed(piece) if splitter is not None and self.status < 400 else ():
                self.reply.feed(event, time.monotonic())
        self._judge()

    def fails(self, kind: str, error: str) -> None:
        self.kind, self.error = kind, error
        self.outcome = "failed" if self.status is None else "stream_error"

    def _judge(self) -> None:
        assert self.status is not None
        self.outcome, self.kind = "ok", "ok"
        if self.status >= 400:
            self.outcome, self.kind = "upstream_error", "status"
            self.error = decode_error(self.status, bytes(self.body)).message
        elif self.streamed:
            if self.reply.error is not None or self.reply.was_cut:
                self.outcome, self.kind = "stream_error", "stream"
                self.error = self.reply.error or "the stream ended before its reply did"
        elif self.size == len(self.body):
            try:
                self.reply.feed_whole(dict(json.loads(self.body)))
            except (ValueError, TypeError, RecursionError):
                self.outcome, self.kind, self.error = "upstream_error", "unreadable", "its answer cannot be read"

    @property
    def may_be_billed(self) -> bool:
        """Whether a model may have worked on it, as far as anybody can tell."""
        return self.outcome != "refused" and self.kind != "connect" and (self.status is None or self.status < 400)

    def cost_by(self, price: Price | None) -> int | None:
        if self.reply.usage is None:
            return None if self.may_be_billed else 0
        return cost_of(self.reply.usage, price, time.time())


class Mirroring:
    """Runs before Recording. `sent`, `dropped`: how many, since the start.

    Writes: trace.
    """

    def __init__(self, runtime: Runtime, rewriting: Rewriting) -> None:
        self.runtime = runtime
        self.rewriting = rewriting
        self.sent = self.dropped = 0
        self._reader = UpstreamReader(LONGEST, runtime.keys)
        self._tasks: dict[asyncio.Task[None], int] = {}  # the bytes of each request under way
        self._spent: dict[str, float] = {}  # by route: until when nothing is asked, monotonic seconds
        self._sources: dict[Mirror, Sources] = {}
        self._calendar: Calendar | None = None

    def response(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or x.plan is None or x.call is None or not x.was_answered:
            return
        mirror = (x.rules or self.runtime.rules.current).mirror_for(x.plan)
        if mirror is None or x.call.endpoint.operation not in GENERATING or flow.websocket is not None:
            return
        if not mirror.takes(conversation_key(x.call, "", seen.caller(x)) or x.id):
            return
        candidate = Candidate(mirror.target.server, mirror.target.model)
        target = candidate.target_for(x.call.model)
        if (why := self._no_room(x, mirror)) is not None:
            self.dropped += 1
            x.trace.append(TraceLine(LAYER, "skip", f"{target} was not asked as well: {why}."))
            return
        self.sent += 1
        request_id = secrets.token_hex(10)
        detail = f"{target} is asked as well; its answer goes to nobody."
        x.trace.append(TraceLine(LAYER, "skip", detail, earlier=Earlier(request_id, "", None)))
        task = asyncio.create_task(self._mirror(x, mirror, candidate, request_id), name="switchman mirror")
        self._tasks[task] = len(x.sent.content) if x.sent is not None else 0
        task.add_done_callback(self._tasks.pop)

    async def done(self) -> None:
        """What is under way ends with the router, without a row."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._reader.close()

    def _no_room(self, x: Exchange, mirror: Mirror) -> str | None:
        size = len(x.sent.content) if x.sent is not None else 0
        if self.runtime.is_stopping:
            return "the router stops"
        if not mirror.target.server.enabled:
            return "its server is off"
        if len(self._tasks) >= AT_ONCE:
            return f"{AT_ONCE} mirrored requests are under way"
        if sum(self._tasks.values()) + size > MOST_BYTES:
            return f"mirrored requests of {MOST_BYTES} bytes are under way"
        if time.monotonic() < self._spent.get(mirror.route, 0.0):
            return "the max_cost of its mirror is spent for today"
        return None

    async def _mirror(self, x: Exchange, mirror: Mirror, candidate: Candidate, request_id: str) -> None:
        await asyncio.sleep(LATER)
        began = time.monotonic()
        ticket: Ticket | None = None
        try:
            found = await self._reserved(x, mirror, candidate)
            if isinstance(found, str):
                self.dropped += 1
                heard = Heard("refused", f"The mirror was not asked: {found}.")
            else:
                ticket = found
                heard = await self._ask(x, candidate)
            self._record(x, candidate, heard, request_id, began)
            if ticket is not None:
                self._settle(x, candidate, ticket, heard)
                ticket = None
        except Exception:  # nothing that goes wrong here is the business of a request that is over
            logger.exception("A mirrored request failed")
        finally:
            if ticket is not None:  # it ended with the router, and may be billed
                self.runtime.counters.settle(settlement_of(ticket, Used(ticket.reserve.usd)))

    async def _ask(self, x: Exchange, candidate: Candidate) -> Heard:
        assert x.call is not None and x.sent is not None
        run = self.runtime.background.run if x.call.large else in_place
        try:
            rendered = await run(self.rewriting.render, x, candidate)
        except ValueError as error:  # Untranslatable, Malformed
            return Heard("refused", f"{candidate.server.name} cannot be asked this: {error}")
        heard, seconds = Heard(url=_url(x, candidate, rendered)), min(LONGEST, candidate.server.timeout.total)
        try:
            async with asyncio.timeout(seconds):
                client = await self._reader.client(candidate.server.reach)
                content = rendered.data if rendered.edited else x.sent.content
                headers = _headers(candidate.server, rendered)
                async with client.stream("POST", heard.url, headers=headers, content=content) as response:
                    await heard.read(response)
        except (TimeoutError, httpx.TimeoutException):
            heard.fails("timeout", f"no whole answer within {seconds:g} s")
        except httpx.ConnectError as error:
            heard.fails("connect", str(error))
        except UNREACHABLE as error:
            heard.fails("reset", str(error) or type(error).__name__)
        return heard

    def _record(self, x: Exchange, candidate: Candidate, heard: Heard, request_id: str, began: float) -> None:
        rules = x.rules or self.runtime.rules.current
        model = candidate.model or (x.call.model if x.call is not None else "")
        heard.cost = heard.cost_by(rules.price_for(candidate.server, model))
        route = x.plan.route if x.plan is not None else ""
        servers = [*(attempt.candidate.server for attempt in x.attempts), candidate.server]
        captured = applying(self.runtime.settings.capture, rules, x.caller, route, servers)
        heard.body = bytearray(self.runtime.keys().hide(bytes(heard.body)))
        self.runtime.put(_record(x, candidate, heard, captured, request_id, began))

    # What it costs

    async def _reserved(self, x: Exchange, mirror: Mirror, candidate: Candidate) -> Ticket | str | None:
        """What is held of the day's money; None where it costs nothing. A sentence's end: why it is not asked."""
        most = self._most(x, candidate)
        if most is None:
            return (
                f"the price of {candidate.target} is not known, so its max_cost cannot be held: add input_cost and "
                "output_cost for it under models:, or free: true for its server"
            )
        if most == 0:
            return None
        sources = self._sources.setdefault(mirror, _sources_of(mirror))
        calendar = self._calendar = self._calendar or Calendar(zone_of(self.runtime.settings.budget_timezone))
        reserve = Reserve(usd=most)
        take = take_of(sources, reserve, calendar, time.time())
        try:
            result = await self.runtime.counters.take(take)
        except LedgerAway:
            return "nobody can say what was spent today"
        if isinstance(result, Taken):
            return Ticket(take, result, reserve=reserve)
        self._spent[mirror.route] = time.monotonic() + SPENT_FOR
        return "the max_cost of its mirror is spent for today, or does not hold it"

    def _most(self, x: Exchange, candidate: Candidate) -> int | None:
        """Micro-dollars that it can cost at most; None where nobody knows."""
        assert x.outgoing is not None
        rules = x.rules or self.runtime.rules.current
        server, model = candidate.server, candidate.model or x.outgoing.model
        price = rules.price_for(server, model)
        if server.free or (price is None and (rules.limits.free or credentials.is_on_own_network(server.url.host))):
            return 0
        bound = bound_of(x.outgoing)
        return most_of(price, bound.within(rules.facts(server, model).context), bound.most_out)

    def _settle(self, x: Exchange, candidate: Candidate, ticket: Ticket, heard: Heard) -> None:
        used = heard.cost
        if used is None:  # it may be billed, and does not say how much
            used = ticket.reserve.usd if heard.may_be_billed else 0
        self.runtime.counters.settle(settlement_of(ticket, Used(used)))


def _sources_of(mirror: Mirror) -> Sources:
    allowance = Allowance(budgets=(Budget(mirror.max_cost, "usd", "day"),))
    return Sources((Source(f"mirror:{mirror.route}", allowance),), in_usd=True)


def _url(x: Exchange, candidate: Candidate, rendered: Rendered) -> str:
    """Without the parameters by which a client says who it is."""
    assert x.call is not None
    server, path = candidate.server, credentials.without_secrets(rendered.path)
    if x.redaction is not None:
        path = redacted_path(path, x.redaction.redactor)
    model = candidate.model or x.call.model
    return f"{server.url.scheme}://{server.url.authority}{address(server, path, model, x.call.api_version)}"


def _headers(server: Server, rendered: Rendered) -> list[tuple[bytes, bytes]]:
    """Those that the rules give the server; nothing of the client's."""
    dialect = rendered.endpoint.dialect
    fields = {"content-type": "application/json", "accept": "*/*", "accept-encoding": "identity"}
    if dialect == "anthropic":
        fields["anthropic-version"] = ANTHROPIC_VERSION
    if server.keys:
        key = server.keys[0].value.get_secret_value()
        fields |= dict([credentials.header_for(key, dialect, azure=is_azure(server))])
    fields |= {name.lower(): value for name, value in server.headers.items()}
    return [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in fields.items()]


def _record(
    x: Exchange, candidate: Candidate, heard: Heard, captured: Captured, request_id: str, began: float
) -> Record:
    """Its own row: of no caller, session or cache; `layer` and trace say of which request it is a mirror."""
    assert x.call is not None and x.sent is not None and x.plan is not None
    ended, reply, keeps = time.monotonic(), heard.reply, captured.mode != "metadata"
    started_at, duration = time.time() - (ended - began), (ended - began) * 1000
    first_token = reply.first_token_at
    detail = f"A mirror of a request that {x.target} answered; nobody got this answer."
    took = (x.attempt.ended - x.started) * 1000 if x.attempt is not None and x.attempt.ended is not None else None
    attempt = AttemptRecord(
        number=1, server=candidate.server.name, model=candidate.model, url=heard.url.partition("?")[0],
        started_at=started_at, duration_ms=duration, status=heard.status, outcome=heard.kind, error=heard.error,
        first_byte_ms=(heard.first_byte - began) * 1000 if heard.first_byte is not None else None, cost=heard.cost,
    )  # fmt: skip
    attempts = (attempt,) if heard.url else ()
    status = heard.status or (504 if heard.kind == "timeout" else 502)
    line = TraceLine(LAYER, "skip", detail, earlier=Earlier(x.id, "", took))
    return Record(
        id=request_id,
        started_at=started_at,
        duration_ms=duration,
        method=x.sent.method,
        path=credentials.without_secrets(x.sent.path),
        client=x.client,
        dialect=x.call.dialect,
        operation=x.call.endpoint.operation,
        requested_model=x.call.model,
        layer=LAYER,
        route=x.plan.route,
        server=candidate.server.name,
        model=candidate.model or x.call.model,
        status=status,
        outcome=heard.outcome,
        streamed=heard.streamed,
        error=heard.error,
        ttft_ms=(first_token - began) * 1000 if first_token is not None else None,
        tokens_per_second=reply.tokens_per_second,
        input_tokens=reply.input_tokens,
        output_tokens=reply.output_tokens,
        cached_tokens=reply.cached_tokens,
        reasoning_tokens=reply.reasoning_tokens,
        finish_reason=reply.finish_reason,
        cost=heard.cost,
        capture=captured.mode,
        capture_by=captured.by or None,
        error_class=error_class(heard.outcome, status, attempts, heard.error),
        response_headers=heard.fields,
        request_body=x.sent.content if keeps else None,
        request_size=None if keeps else len(x.sent.content),
        response_body=bytes(heard.body) if keeps else None,
        response_size=heard.size if not keeps or heard.size > len(heard.body) else None,
        attempts=attempts,
        trace=(asdict(line),),
    )
