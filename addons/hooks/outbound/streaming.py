"""Streaming: the only owner of `flow.response.stream`. Puts a Pipe between a streaming upstream and the client.

An answer takes one of three ways:
- SSE or NDJSON of a known operation: event by event through the stages, first byte out before the last is in. Where
  a stream was asked for, an answer counts as one, whatever its head says, until its first bytes tell what it is
  (proxy/held_answer.py).
- An answer that should be JSON, whatever its head calls it: held back whole, for Processing.
- Everything else (audio, texts, errors of pass-through calls, files): through as it comes, untouched.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any

from mitmproxy import http

from switchman.addons.core.decision.verdicts.expecting import expected_opening, why_held
from switchman.addons.core.decision.verdicts.readable import is_object
from switchman.addons.core.dialects import WIRES, framing_of, stream_error, text_slots
from switchman.addons.core.dialects.codecs import CODECS, FORMATS
from switchman.addons.core.dialects.endings import end_stage
from switchman.addons.core.dialects.neutral.streams import CUT_SHORT
from switchman.addons.core.dialects.passing.restoring import RestoreStage, channels_of
from switchman.addons.core.request.call import Call, DialectName, Operation
from switchman.addons.core.routes.plan import TraceLine
from switchman.addons.core.streams.fences import FenceStage
from switchman.addons.core.streams.hidingusage import HideUsage
from switchman.addons.core.streams.naming import NameStage
from switchman.addons.core.streams.pipe import Framing, Pipe, Stage
from switchman.addons.core.streams.reply import ReplyCollector
from switchman.addons.core.streams.slots import Slot
from switchman.addons.core.streams.slotstage import SlotStage
from switchman.addons.core.streams.think import ThinkStage
from switchman.addons.flow.exchange import MAX_REPLY, Attempt, Exchange, exchange
from switchman.addons.flow.labels import label, make_open_ended
from switchman.addons.proxy.attempt import LongStep
from switchman.addons.state.runtime import Runtime

logger = logging.getLogger(__name__)

BODILESS = (204, 304)  # RFC 9110 section 6.4.1


class Streaming:
    """Chooses the way, and writes the x-switchman-* headers.

    Writes: pipe, reply, trace, attempt.thoughts.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or flow.response is None:
            return
        self._choose(flow, flow.response, x)
        label(flow.response, x, flow.request)

    def _choose(self, flow: http.HTTPFlow, response: http.Response, x: Exchange) -> None:
        if (attempt := x.attempt) is None or attempt.verdict is not None:
            return  # the router's own answer
        if response.status_code in BODILESS:
            return
        framing = framing_of(response.headers.get("content-type", ""))
        coding = response.headers.get("content-encoding", "identity")
        encoded = coding.lower() != "identity"
        if encoded and x.call is not None:
            x.trace.append(TraceLine("reply", "skip", f"Unasked, the server encoded its answer as {coding}: unread."))
        if attempt.answer is not None and (response.status_code >= 400 or not _streams(attempt)):
            return  # held back, to be said in the client's dialect
        awaited = x.awaits_stream and 200 <= response.status_code < 300
        if x.call is not None and (framing is not None or awaited) and not encoded:
            x.reply = ReplyCollector()
            if awaited and attempt.rendered is not None:
                spoken = WIRES[attempt.rendered.endpoint.dialect].framing
                if attempt.answer is None and framing != spoken:
                    response.headers["content-type"] = CODECS[FORMATS[_operation(x.call)]].stream_type
                framing = spoken
            assert framing is not None
            self._pipe(x, flow, framing, self._stages(x, attempt, framing))
            if attempt.answer is not None:
                response.headers["content-type"] = attempt.answer.content_type
            make_open_ended(response)
        elif x.pinged:
            return  # held back, to be said within the stream whose head has gone out
        elif x.call is None or (attempt.answer is None and not _is_held(x, response, encoded)):
            self._pipe(x, flow, "raw", [])

    async def long_step(self, step: LongStep) -> None:
        """A step of an answer that would hold the event loop: other streams go on meanwhile, this one waits."""
        await self.runtime.background.step(step.do)

    def _stages(self, x: Exchange, attempt: Attempt, framing: Framing) -> list[Stage]:
        stages: list[Stage] = [*text_stages(x, attempt, self.runtime, streamed=True)]
        if attempt.rendered is not None and attempt.rendered.injected and attempt.answer is None:
            stages.append(HideUsage())
        if x.auto:
            stages.append(NameStage(attempt.name_for_client))
        if attempt.rendered is not None and x.redaction is not None and x.redaction.restorer is not None:
            spoken = attempt.rendered.endpoint  # the server's own: behind a translation there are no events to read
            stages.append(RestoreStage(x.redaction.restorer, channels_of(spoken.dialect, spoken.operation)))
        if attempt.answer is not None:
            stages.append(attempt.answer.stage())  # the last one: what it gives is in the client's dialect
        elif x.call is not None and x.reply is not None:
            cut = f"The server {attempt.candidate.server.name} failed during its answer: {CUT_SHORT}"
            stages += end_stage(x.call.endpoint, framing, x.reply, stream_error(x.call.endpoint, 502, cut))
        return stages

    def _pipe(self, x: Exchange, flow: http.HTTPFlow, framing: Framing, stages: list[Stage]) -> None:
        assert flow.response is not None
        keep = self.runtime.settings.max_blob_size if self.runtime.settings.enable_logging else 0
        if x.cache is not None and x.cache.keeps:
            keep = max(keep, MAX_REPLY)
        output = x.attempt.answer.framing if x.attempt and x.attempt.answer and framing != "raw" else None
        x.pipe = Pipe(framing, stages, x.reply, keep, _stage_failed, time.monotonic, output)
        flow.response.stream = x.pipe
        if framing == "raw" and framing_of(flow.response.headers.get("content-type", "")) is not None:
            flow.response.headers["x-accel-buffering"] = "no"  # the server's own word for it is not passed on


def text_stages(x: Exchange, attempt: Attempt, runtime: Runtime, streamed: bool) -> list[SlotStage]:
    """What changes a reply's text, in the order it works: thinking goes before a fence is looked for."""
    assert x.call is not None and attempt.rendered is not None
    rules, candidate, requested_model = x.rules or runtime.rules.current, attempt.candidate, x.call.model
    endpoint = attempt.rendered.endpoint
    stages: list[SlotStage] = []

    def slots(obj: dict[str, Any]) -> Iterable[Slot]:
        return text_slots(endpoint, obj, streamed)

    mode = rules.thinking_for(candidate, requested_model)
    if mode != "keep":
        learned = runtime.openings.known(attempt.target, endpoint.path)
        expected = expected_opening(x.call, attempt.rendered, candidate, rules, learned)
        attempt.thoughts = ThinkStage(slots, mode, opens=expected.opens, settled=expected.settled)
        stages.append(attempt.thoughts)
        if streamed and (line := why_held(expected, candidate, x.call, rules)) is not None:
            x.trace.append(line)
    if rules.strips_json_for(candidate, requested_model):
        stages.append(FenceStage(slots))
    return stages


def _operation(call: Call) -> tuple[DialectName, Operation]:
    return call.endpoint.dialect, call.endpoint.operation


def _streams(attempt: Attempt) -> bool:
    """Was a stream asked for? A server may stream although it was not; then the client still gets a whole answer."""
    return attempt.rendered is not None and attempt.rendered.streams


def _is_held(x: Exchange, response: http.Response, encoded: bool) -> bool:
    """Is it held back whole? It says that it is JSON, or would have to be: then it may turn out to be no answer."""
    if "json" in response.headers.get("content-type", "").lower():
        return True
    return is_object(x.call) and 200 <= response.status_code < 300 and not encoded


def _stage_failed(error: Exception, stage: Stage | ReplyCollector) -> None:
    logger.error("%s failed, and is left out for the rest of this stream: %r", type(stage).__name__, error)
