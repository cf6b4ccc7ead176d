"""Recording: every request leaves a record, however it ended."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from mitmproxy import http

from switchman.addons.core.access.capturing import Captured
from switchman.addons.core.access.prices.cost import total_of
from switchman.addons.core.decision.verdicts.errorclass import error_class
from switchman.addons.core.record import AttemptRecord, Outcome, Record
from switchman.addons.core.routes.plan import TraceLine
from switchman.addons.core.sessions.growing import Growing
from switchman.addons.core.sessions.membership import Membership, membership_of
from switchman.addons.core.streams.reply import ReplyCollector
from switchman.addons.core.texts.searching import asked as searching
from switchman.addons.core.texts.unicode import decoded
from switchman.addons.flow.costs import attempt_cost, tokens_at
from switchman.addons.flow.exchange import Attempt, Exchange, exchange
from switchman.addons.hooks.recording.changes import changes
from switchman.addons.hooks.recording.conveying import how_sent
from switchman.addons.state.runtime import Runtime
from switchman.addons.state.together.shared import ANSWERS, CONVERSATIONS, HOMES, KEYS

# nginx's status for "client closed request"; there is no registered one.
CLIENT_CLOSED_REQUEST = 499

# Monitoring asks for these every few seconds: their rows would bury the requests.
PROBES = frozenset({"/healthz", "/readyz"})


class Recording:
    """Makes a Record of the Exchange, and queues it for the writer. The hooks touch no file and no database.

    Writes: recorded.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._growing = Growing()

    def response(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is not None and flow.response is not None and flow.websocket is None:
            self._write(flow, x, flow.response.status_code)

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        """A WebSocket's answer is its head; the row tells how it ended."""
        if (x := exchange(flow)) is not None and flow.response is not None:
            self._write(flow, x, flow.response.status_code)

    def error(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None:
            return
        if x.outcome == "cancelled":
            status = CLIENT_CLOSED_REQUEST
        else:
            status = x.status or (flow.response.status_code if flow.response else 502)
        self._write(flow, x, status)

    def done(self) -> None:
        """Record what still runs; Judging has said how it ended."""
        for flow in list(self.runtime.underway.values()):
            self.error(flow)
        self.runtime.close()

    def _write(self, flow: http.HTTPFlow, x: Exchange, status: int) -> None:
        if x.recorded:
            return
        x.recorded = True
        self.runtime.underway.pop(id(x), None)
        for attempt in x.attempts:
            self.runtime.busy.end(attempt)
        if x.place is not None:
            self.runtime.queues.leave(x.place, tokens_at(x, x.place.server))
        if not x.leaves_row:
            self.runtime.unlogged()
            return
        if x.outcome == "answered" and (flow.request.path in PROBES or flow.request.method == "OPTIONS"):
            return  # a browser asks before each request of a page
        self.runtime.live.finished(x)
        flow.metadata.update(x.summary())
        if self.runtime.wants_records:
            member = self._growing.placed(_member(flow, x), x.id)
            captured = self.runtime.capturing.of(x)
            self.runtime.put(_record(flow, x, status, captured, member))


def _member(flow: http.HTTPFlow, x: Exchange) -> Membership:
    sent = _text(x.sent.fields if x.sent else flow.request.headers.fields)
    return membership_of(sent, x.call, x.caller.id if x.caller and x.caller.id else x.client)


def _record(flow: http.HTTPFlow, x: Exchange, status: int, captured: Captured, member: Membership) -> Record:
    outcome: Outcome = x.outcome or "failed"
    call, plan, candidate, reply = x.call, x.plan, x.candidate, x.reply
    duration_ms = _ms(x.started, time.monotonic())
    costs = [attempt_cost(x, attempt) for attempt in x.attempts]
    sent = _text(x.sent.fields if x.sent else flow.request.headers.fields)
    body, keeps_bodies = _reply_body(flow, x), captured.mode != "metadata"
    attempts = tuple(_attempt(x, a, cost) for a, cost in zip(x.attempts, costs, strict=True))
    return Record(
        id=x.id,
        started_at=x.started_at,
        duration_ms=duration_ms,
        method=flow.request.method if x.sent is None else x.sent.method,
        path=x.sent.path if x.sent else flow.request.path,
        client=x.client,
        dialect=call.dialect if call else None,
        operation=call.endpoint.operation if call else None,
        requested_model=call.model if call else "",
        layer=plan.layer if plan else None,
        route=plan.route if plan else None,
        server=candidate.server.name if candidate else None,
        model=(candidate.model or (call.model if call else "") or None) if candidate else None,
        status=status,
        outcome=outcome,
        streamed=_streamed(x),
        error=x.error,
        overhead_ms=_ms(x.started, x.routed - x.queued) if x.routed is not None else None,
        ttft_ms=_ms(x.started, reply.first_token_at) if reply and reply.first_token_at is not None else None,
        **_told(reply),
        cache=x.cache.status if x.cache else None,
        saved_ms=_saved(x, duration_ms),
        token=x.caller.name if x.caller else None,
        token_id=x.caller.id if x.caller else None,
        cost=total_of(costs),
        saved_cost=x.cache.saved if x.cache else None,
        capture=captured.mode,
        capture_by=captured.by or None,
        session=member.session,
        agent=member.agent,
        project=member.project,
        branch=member.branch,
        parent=member.parent,
        kept_as=_kept_as(x),
        error_class=error_class(outcome, status, attempts, x.error),
        **_content(x, keeps_bodies),
        request_headers=sent,
        response_headers=_text(flow.response.headers.fields) if flow.response else (),
        request_body=x.sent.content if x.sent and keeps_bodies else None,
        request_size=len(x.sent.content) if x.sent and not keeps_bodies else None,
        response_body=body if keeps_bodies else None,
        response_size=len(body) if body is not None and not keeps_bodies else None,
        attempts=attempts,
        trace=tuple(line_values(line) for line in x.trace),
    )


def _kept_as(x: Exchange) -> str | None:
    """What else may be kept of a request, by space and key: its answer in the cache, its conversation's target."""
    kept = []
    if x.cache is not None and x.cache.fingerprint is not None and x.cache.keeps:
        kept.append(f"{ANSWERS}/{x.cache.fingerprint.key}")
    if x.conversation is not None:
        kept.append(f"{CONVERSATIONS}/{x.conversation}")
    if x.key_conversation is not None:
        kept.append(f"{KEYS}/{x.key_conversation}")
    kept += [f"{HOMES}/{key}" for key in x.homes]
    return " ".join(kept) or None


def _content(x: Exchange, keeps_text: bool) -> dict[str, Any]:
    """The text of a request, by which it is found, and the kinds of its and its answer's content, as far as somebody
    has looked.
    """
    if x.call is None:
        return {}
    said = searching.asked(x.call.body)
    kinds = said.kinds | searching.OF_OPERATIONS.get(x.call.endpoint.operation, 0)
    if x.features is not None:  # it has seen all messages
        kinds |= searching.IMAGE if "vision" in x.features.modalities else 0
        kinds |= searching.AUDIO if "audio" in x.features.modalities else 0
    if x.reply is not None and x.reply.tool_calls:
        kinds |= searching.TOOLS
    return {"modality": kinds, "asked": said.text if keeps_text else None}


def _streamed(x: Exchange) -> bool:
    if x.outcome == "cached":
        return x.call is not None and x.call.stream
    return x.pipe is not None and x.pipe.framing != "raw"


def _reply_body(flow: http.HTTPFlow, x: Exchange) -> bytes | None:
    if x.pipe is not None:
        return x.pipe.kept
    return flow.response.raw_content if flow.response else None


def _told(reply: ReplyCollector | None) -> dict[str, Any]:
    """What the answer told of itself, by the names of the record."""
    return {
        "tokens_per_second": reply.tokens_per_second if reply else None,
        "input_tokens": reply.input_tokens if reply else None,
        "output_tokens": reply.output_tokens if reply else None,
        "cached_tokens": reply.cached_tokens if reply else None,
        "reasoning_tokens": reply.reasoning_tokens if reply else None,
        "finish_reason": reply.finish_reason if reply else None,
    }


def _saved(x: Exchange, duration_ms: float) -> float | None:
    """What the cache saved of the time that the answer took when it was first given."""
    earlier = x.cache.earlier if x.cache else None
    return max(0.0, earlier.took_ms - duration_ms) if earlier and earlier.took_ms is not None else None


def _attempt(x: Exchange, a: Attempt, cost: int | None) -> AttemptRecord:
    ended = a.ended if a.ended is not None else time.monotonic()
    sent, edits = how_sent(x, a)
    return AttemptRecord(
        number=a.number,
        server=a.candidate.server.name,
        model=a.candidate.model,
        url=a.url,
        started_at=a.started_at,
        duration_ms=_ms(a.started, ended),
        status=a.status,
        outcome=a.outcome or "cancelled",
        error=a.error,
        first_byte_ms=_ms(a.started, a.first_byte) if a.first_byte is not None else None,
        changes=changes(x.call, a),
        cost=cost,
        connect_ms=_ms(a.started, a.connected) if a.connected is not None else None,
        reused=a.reused,
        sent=sent,
        edits=edits,
    )


def line_values(line: TraceLine) -> dict[str, Any]:
    """The line as a mapping, as dataclasses.asdict() gives it, in a tenth of the time."""
    return {
        "layer": line.layer,
        "outcome": line.outcome,
        "detail": line.detail,
        "score": line.score,
        "elapsed_ms": line.elapsed_ms,
        "earlier": dataclasses.asdict(line.earlier) if line.earlier is not None else None,
    }


def _text(fields: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((decoded(name), decoded(value)) for name, value in fields)


def _ms(start: float, end: float) -> float:
    return (end - start) * 1000
