"""Which way an answer takes to its client."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from switchman.addons.flow.exchange import MAX_REPLY, CacheUse
from switchman.addons.hooks.outbound.streaming import Streaming
from switchman.addons.proxy.attempt import LongStep

SSE, NDJSON = "text/event-stream", "application/x-ndjson"
CHUNK = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"<think>hm</think>fine"}}]}\n\n'
DONE = b"data: [DONE]\n\n"


@pytest.fixture
def begin(pipeline: Any, answer_of: Any) -> Any:
    """A request was sent, and this head of an answer has come."""

    def run(target: str, status: int = 200, kind: str = SSE, *, auto: bool = False, **more: Any) -> Any:
        headers = more.pop("answered", {})
        flow, x = pipeline.read(target, **{"stream": True, **more})
        x.auto = auto
        pipeline.rewriting.request(flow)
        x.attempt.status, flow.response = status, answer_of(status, **{"content-type": kind, **headers})
        flow.response.stream = False
        Streaming(pipeline.runtime).responseheaders(flow)
        return flow, x

    return run


def test_a_stream_goes_event_by_event_through_the_stages(begin: Any) -> None:
    """Its length is no longer known, and nothing between may keep it back."""
    flow, x = begin("one/m")
    assert flow.response.stream is x.pipe and x.reply is not None
    assert flow.response.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in flow.response.headers
    out = b"".join([*x.pipe(CHUNK), *x.pipe(DONE), *x.pipe(b"")])
    assert b"fine" in out and b"hm" not in out and out.endswith(DONE)
    assert x.reply.ended


def test_a_stream_of_another_dialect_becomes_the_clients(begin: Any) -> None:
    """Content-type and all."""
    flow, x = begin("laptop/m", kind=NDJSON, path="/v1/chat/completions")
    assert flow.response.headers["content-type"].startswith(SSE)
    out = b"".join([*x.pipe(b'{"message":{"content":"fine"},"done":true,"done_reason":"stop"}\n'), *x.pipe(b"")])
    assert b"fine" in out and out.endswith(DONE)


def test_a_usage_that_only_the_router_asked_for_is_hidden(begin: Any) -> None:
    """And counted."""
    _, x = begin("one/m")
    x.pipe(b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n')
    assert b"usage" not in x.pipe.kept and x.reply.output_tokens == 2


def test_an_answer_to_auto_names_who_gave_it(begin: Any) -> None:
    """In each event."""
    _, x = begin("one/gpt", auto=True)
    assert b'"one/gpt"' in b"".join(x.pipe(CHUNK))


def test_a_whole_answer_is_held_back(begin: Any) -> None:
    """For Processing; so are errors, and whole answers of another dialect."""
    for target, status, kind, stream in [
        ("one/m", 200, "application/json", False),
        ("one/m", 500, "application/json", True),
        ("claude/m", 500, SSE, True),
        ("laptop/m", 200, NDJSON, False),
        ("laptop/m", 200, "text/plain", False),
    ]:
        flow, x = begin(target, status, kind, stream=stream)
        assert (flow.response.stream, x.pipe) == (False, None), (target, status, kind)
        assert flow.response.headers["x-switchman-target"] == target


def test_everything_else_passes_untouched(begin: Any) -> None:
    """Audio of a known operation, and whatever is no LLM call: as it comes, without a reply to be read."""
    for kind, path in [("audio/mpeg", "/v1/audio/speech"), ("application/json", "/no/call"), (SSE, "/no/call")]:
        flow, x = begin("one/m", kind=kind, path=path, model="m" if path.startswith("/v1") else "")
        assert flow.response.stream is x.pipe and x.reply is None
        assert x.pipe(b"\x00odd") == [b"\x00odd"]


def test_what_is_encoded_although_nobody_asked_is_not_read(begin: Any) -> None:
    """The trace says so."""
    flow, x = begin("one/m", answered={"content-encoding": "br"})
    assert (x.reply, flow.response.headers["content-encoding"]) == (None, "br")
    assert "encoded its answer as br" in x.trace[-1].detail


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_gets_none(status: int, begin: Any) -> None:
    """Nor a framing for one."""
    flow, x = begin("one/m", status)
    assert (flow.response.stream, x.pipe) == (False, None)
    assert "transfer-encoding" not in flow.response.headers


def test_the_routers_own_answers_are_only_labelled(pipeline: Any, answer_of: Any) -> None:
    """There was no attempt, or all have failed."""
    flow, x = pipeline.read("one/m")
    flow.response = answer_of(400)
    Streaming(pipeline.runtime).responseheaders(flow)
    flow, x = pipeline.send("one/m")
    pipeline.fail(flow, "connect")
    Streaming(pipeline.runtime).responseheaders(flow)
    assert x.pipe is None and flow.response.headers["x-switchman-attempts"] == "1"


def test_a_whole_reply_after_pings_is_held_back(pipeline: Any, answer_of: Any) -> None:
    """It is told within the stream whose head has gone out; here its status says that it is no stream."""
    flow, x = pipeline.send("one/m", stream=True)
    x.pinged, flow.response = True, answer_of(404, **{"content-type": "text/plain"})
    flow.response.stream = False
    Streaming(pipeline.runtime).responseheaders(flow)
    assert (flow.response.stream, x.pipe) == (False, None)


@pytest.mark.parametrize(("keeps", "kept"), [(True, MAX_REPLY), (False, 0)])
def test_as_much_is_kept_as_somebody_wants(keeps: bool, kept: int, pipeline: Any, answer_of: Any) -> None:
    """The log is off here; a cache wants all of it that it would store."""
    flow, x = pipeline.read("one/m", stream=True)
    x.cache = CacheUse("miss", keeps=keeps)
    pipeline.rewriting.request(flow)
    flow.response = answer_of(200, **{"content-type": SSE})
    Streaming(pipeline.runtime).responseheaders(flow)
    x.pipe(b"data: " + b"x" * 2 * MAX_REPLY + b"\n\n")
    assert (len(x.pipe.kept), x.pipe.truncated) == (kept, True)


def test_a_stage_that_fails_is_named_in_the_log(begin: Any, caplog: pytest.LogCaptureFixture) -> None:
    """And the client gets its answer."""
    _, x = begin("one/m")
    x.pipe._stages[0].feed = None
    with caplog.at_level(logging.ERROR):
        assert b"".join([*x.pipe(CHUNK), *x.pipe(b"")])
    assert "ThinkStage failed, and is left out for the rest of this stream" in caplog.text


def test_a_long_step_is_done_in_another_thread(pipeline: Any) -> None:
    """Its result is there once the hook is over."""
    step = LongStep(lambda what: (what, threading.current_thread().name), ("done",))
    asyncio.run(Streaming(pipeline.runtime).long_step(step))
    assert step.is_done and step.result[0] == "done"
    assert step.result[1] != threading.current_thread().name
