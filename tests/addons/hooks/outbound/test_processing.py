"""What becomes of a whole reply."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from typing import Any

import pytest

from switchman.addons.hooks.outbound.processing import Processing

THOUGHT = {"role": "assistant", "content": "<think>hm</think>\n\nfine"}
REPLY = {"id": "c", "model": "other", "choices": [{"index": 0, "message": THOUGHT, "finish_reason": "stop"}]}
USAGE = {"prompt_tokens": 3, "completion_tokens": 4}
CLAUDE = {
    "id": "m", "type": "message", "role": "assistant", "model": "a", "stop_reason": "end_turn",
    "content": [{"type": "text", "text": "fine"}], "usage": {"input_tokens": 3, "output_tokens": 4},
}  # fmt: skip


async def settled(processing: Awaitable[None]) -> None:
    """Wait for what is done off the event loop, as mitmproxy does."""
    await processing


@pytest.fixture
def process(pipeline: Any, answer_of: Any) -> Any:
    """Send a request, get this answer, have it processed."""

    def run(target: str, status: int, body: Any, *, auto: bool = False, more: Any = None, **headers: str) -> Any:
        flow, x = pipeline.read(target, **(more or {}))
        x.auto = auto
        pipeline.rewriting.request(flow)
        x.attempt.status, flow.response = status, answer_of(status, body, **headers)
        if (processing := Processing(pipeline.runtime).response(flow)) is not None:
            asyncio.run(settled(processing))
        return flow, x

    return run


def test_thoughts_are_stripped_and_the_rest_stays(process: Any) -> None:
    """Every other field of the reply is still there, and its length is right."""
    flow, x = process("one/m", 200, {**REPLY, "usage": USAGE, "odd": [1]})
    body = json.loads(flow.response.content)
    assert body["choices"][0]["message"]["content"] == "fine"
    assert (body["odd"], body["model"]) == ([1], "other")
    assert flow.response.headers["content-length"] == str(len(flow.response.raw_content))
    assert (x.reply.input_tokens, x.reply.output_tokens, x.reply.finish_reason) == (3, 4, "stop")


def test_a_reply_that_nothing_changes_is_the_same_to_the_byte(process: Any) -> None:
    """It is only read."""
    said = b'{ "choices":[{"message":{"content" : "a\\u00e9"}}],\r\n "n":1e400 }\n'
    flow, x = process("one/m", 200, said)
    assert flow.response.raw_content == said and x.reply is not None


def test_an_answer_to_auto_names_who_gave_it(process: Any) -> None:
    """`server/model`, as it can be asked for by name."""
    flow, _ = process("one/gpt", 200, REPLY, auto=True)
    assert json.loads(flow.response.content)["model"] == "one/gpt"


def test_a_reply_of_another_dialect_is_translated(process: Any) -> None:
    """Whole, or as the stream that was asked for."""
    flow, _ = process("claude/a", 200, CLAUDE)
    assert json.loads(flow.response.content)["choices"][0]["message"]["content"] == "fine"
    flow, _ = process("claude/a", 200, CLAUDE, more={"stream": True})
    assert flow.response.headers["content-type"].startswith("text/event-stream")
    assert flow.response.content.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("body", [b"no JSON", b'{"type": "error", "error": {"type": "api_error", "message": "m"}}'])
def test_an_error_in_the_place_of_a_reply_says_whose_it_is(body: bytes, process: Any) -> None:
    """As every answer does: its head has the request's id, and the server."""
    flow, x = process("claude/a", 200, body)
    assert flow.response.status_code >= 400
    assert flow.response.headers.get_all("x-switchman-request-id") == [x.id]
    assert flow.response.headers["x-switchman-target"] == "claude/a"


@pytest.mark.parametrize("target", ["one/m", "claude/m"])
def test_a_large_reply_is_processed_off_the_event_loop(
    target: str, process: Any, pipeline: Any, answer_of: Any
) -> None:
    """It ends up as a small one does."""
    text = "wörds. " * 50_000 + "\ud83d"
    said = (
        {**CLAUDE, "content": [{"type": "text", "text": text}]}
        if target == "claude/m"
        else {**REPLY, "choices": [{"index": 0, "message": {"content": f"<think>hm</think>{text}"}}]}
    )
    flow, x = process(target, 200, said)
    assert json.loads(flow.response.content)["choices"][0]["message"]["content"] == text
    assert flow.response.headers["content-length"] == str(len(flow.response.raw_content)) and x.reply is not None
    flow.response = answer_of(200, said)
    processing = Processing(pipeline.runtime).response(flow)
    assert processing is not None
    asyncio.run(settled(processing))


@pytest.mark.parametrize("target", ["claude/m", "one/m"])
def test_bytes_of_a_reply_that_are_no_utf_8(target: str, process: Any) -> None:
    """One character of it is U+FFFD where it is written anew; else the bytes pass."""
    said = json.dumps(CLAUDE if target == "claude/m" else {**REPLY, "choices": [{"message": {"content": "fine"}}]})
    broken = said.encode().replace(b"fine", b"f\xa3ne")
    flow, x = process(target, 200, broken)
    assert x.reply is not None and flow.response.status_code == 200
    if target == "one/m":
        assert flow.response.raw_content == broken
    else:
        assert json.loads(flow.response.content)["choices"][0]["message"]["content"] == "f\ufffdne"


def test_an_answer_in_one_piece_is_told_as_the_stream_that_was_asked_for(process: Any) -> None:
    """In the client's own dialect, thoughts stripped; an error stays one."""
    flow, x = process("one/m", 200, {**REPLY, "usage": USAGE}, more={"stream": True})
    assert flow.response.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[6:]) for line in flow.response.text.split("\n\n")[:-2]]
    assert "".join(c["delta"].get("content") or "" for event in events for c in event["choices"]) == "fine"
    assert flow.response.text.endswith("data: [DONE]\n\n") and x.reply.output_tokens == 4
    assert flow.response.headers["content-length"] == str(len(flow.response.raw_content))


@pytest.mark.parametrize("said", [b"", b"no json", b"[1]"])
def test_a_reply_that_cannot_be_read(said: bytes, process: Any, pipeline: Any) -> None:
    """Goes on as it is, where the client speaks that dialect; where not, the server has failed."""
    flow, x = process("one/m", 200, said)
    assert (flow.response.status_code, flow.response.raw_content, x.failed) == (200, said, None)
    flow, x = process("claude/m", 200, said)
    assert (flow.response.status_code, x.failed.status) == (502, 502)
    assert "cannot be read" in json.loads(flow.response.content)["error"]["message"]
    pipeline.judging.response(flow)
    assert (x.outcome, x.verdict.kind, x.verdict.health) == ("failed", "error", "failed")


def test_an_error_within_an_answer_to_be_translated(process: Any, pipeline: Any) -> None:
    """Its status is the one that the error should have had."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "too busy"}}
    flow, x = process("claude/a", 200, error)
    assert (flow.response.status_code, x.failed.status) == (529, 529)
    assert "too busy" in json.loads(flow.response.content)["error"]["message"]
    pipeline.judging.response(flow)
    assert (x.outcome, x.error, x.attempt.outcome) == ("upstream_error", "too busy", "error")
    assert not x.was_answered


def test_an_error_status_is_said_in_the_clients_dialect(process: Any) -> None:
    """The same status and Retry-After."""
    error = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
    flow, _ = process("claude/a", 429, error, retry_after="9")
    assert (flow.response.status_code, flow.response.headers["retry-after"]) == (429, "9")
    assert json.loads(flow.response.content)["error"]["message"] == "slow down"
    flow, _ = process("one/a", 429, error)
    assert json.loads(flow.response.content) == error


def test_what_went_through_a_pipe_is_left_alone(pipeline: Any, answer_of: Any) -> None:
    """As is what has a verdict already, and what is no LLM call."""
    for case in ("pipe", "judged", "no call"):
        no_call = {"path": "/no/call", "model": ""} if case == "no call" else {}
        flow, x = pipeline.send("one/m", **no_call)
        if case == "judged":
            pipeline.answer(flow, 200, REPLY)
        flow.response = answer_of(200, REPLY)
        x.pipe = object() if case == "pipe" else None
        Processing(pipeline.runtime).response(flow)
        assert (json.loads(flow.response.content), x.reply) == (REPLY, None)
