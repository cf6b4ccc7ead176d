"""What a reply teaches of its server and model, and what the next one's stream is like for it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from switchman.addons.flow.exchange import Exchange
from switchman.addons.hooks.outbound.learning import Learning
from switchman.addons.hooks.outbound.processing import Processing
from switchman.addons.hooks.outbound.streaming import Streaming
from switchman.addons.state.learned.openings import Openings
from switchman.addons.testing import every_split

CHAT = "/v1/chat/completions"
THOUGHTS = ("Hm, ", "ü <b>", "</th", "ink>\n", "🚀!")
PLAIN = ("No", " thought.")
SHORT = (",", ":")


def sse(*datas: Any) -> bytes:
    return b"".join(f"data: {json.dumps(data, separators=SHORT)}\n\n".encode() for data in datas) + b"data: [DONE]\n\n"


def chunks(pieces: tuple[str, ...], finish: str = "stop") -> bytes:
    made = [{"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]} for piece in pieces]
    return sse(*made, {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})


def lines(pieces: tuple[str, ...]) -> bytes:
    made = [{"message": {"role": "assistant", "content": piece}, "done": False} for piece in pieces]
    made.append({"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"})
    return b"".join(json.dumps(one, separators=SHORT).encode() + b"\n" for one in made)


def blocks(pieces: tuple[str, ...]) -> bytes:
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "i", "role": "assistant", "content": [], "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": one}} for one in pieces),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]
    return b"".join(f"event: {one['type']}\ndata: {json.dumps(one, separators=SHORT)}\n\n".encode() for one in events)


SERVERS = {"one": chunks, "laptop": lines, "claude": blocks}
KINDS = {"one": "text/event-stream", "laptop": "application/x-ndjson", "claude": "text/event-stream"}


class Asked:
    """Requests through the addons that see an answer."""

    def __init__(self, pipeline: Any, answer_of: Any) -> None:
        self.pipeline, self.answer_of = pipeline, answer_of
        self.learning = Learning(pipeline.runtime)

    def begin(self, target: str, kind: str, **more: Any) -> tuple[Any, Exchange]:
        flow, x = self.pipeline.send(target, **{"stream": True, **more})
        x.attempt.status, flow.response = 200, self.answer_of(200, **{"content-type": kind})
        flow.response.stream = False
        return flow, x

    def stream(self, target: str, parts: list[bytes], **more: Any) -> tuple[bytes, Exchange]:
        """What the client gets of a stream, and the Exchange at its end."""
        out, x = self.piped(target, parts, **more)
        self.end(self.flow)
        return out, x

    def piped(self, target: str, parts: list[bytes], **more: Any) -> tuple[bytes, Exchange]:
        """The same, before its end is looked at."""
        self.flow, x = self.begin(target, KINDS[target.partition("/")[0]], **more)
        Streaming(self.pipeline.runtime).responseheaders(self.flow)
        assert x.pipe is not None
        return b"".join(piece for part in [*parts, b""] for piece in x.pipe(part)), x

    def whole(self, target: str, obj: dict[str, Any], **more: Any) -> dict[str, Any]:
        flow, _ = self.begin(target, "application/json", stream=False, **more)
        flow.response.raw_content = json.dumps(obj).encode()
        Streaming(self.pipeline.runtime).responseheaders(flow)
        Processing(self.pipeline.runtime).response(flow)
        self.end(flow)
        found: dict[str, Any] = json.loads(flow.response.raw_content)
        return found

    def end(self, flow: Any) -> None:
        self.pipeline.judging.response(flow)

        async def learn() -> None:
            await self.learning.response(flow)
            await self.pipeline.runtime.openings.settled()

        asyncio.run(learn())


@pytest.fixture
def asked(pipeline: Any, answer_of: Any) -> Asked:
    return Asked(pipeline, answer_of)


def text_of(out: bytes) -> str:
    """The text of a stream in any dialect."""
    found = ""
    for line in out.decode().splitlines():
        if (data := line.removeprefix("data: ")).startswith("{"):
            event = json.loads(data)
            for choice in event.get("choices") or ():
                found += choice["delta"].get("content") or ""
            found += (event.get("delta") or {}).get("text") or ""
            found += (event.get("message") or {}).get("content") or ""  # type: ignore[operator]
    return found


def content(obj: dict[str, Any]) -> Any:
    return obj["choices"][0]["message"]["content"]


def reply(text: str, finish: str = "stop", **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"content": text, **more}, "finish_reason": finish}]}


@pytest.mark.parametrize("path", [CHAT, "/v1/messages", "/api/chat"])
@pytest.mark.parametrize("server", SERVERS)
def test_no_split_of_the_bytes_changes_the_text(asked: Asked, server: str, path: str) -> None:
    """From each server to each client: what follows the closer, or all of it where there is none."""
    for pieces, text in ((THOUGHTS, "🚀!"), (PLAIN, "No thought.")):
        for parts in every_split(SERVERS[server](pieces)):
            out, x = asked.piped(f"{server}/deepseek-r1", parts, path=path, max_tokens=9)
            assert text_of(out) == text, parts
            assert x.attempt is not None and x.attempt.thoughts is not None
            assert x.attempt.thoughts.found_orphan is (pieces is THOUGHTS)


def test_a_stream_teaches_and_a_later_one_unteaches(asked: Asked) -> None:
    """An orphan passes once; what cannot tell changes nothing; a whole reply without one is the end of it."""
    known = asked.pipeline.runtime.openings
    assert text_of(asked.stream("one/m", [chunks(THOUGHTS)])[0]) == "".join(THOUGHTS)
    for pieces, finish, more in (
        (THOUGHTS, "stop", {}),
        (PLAIN, "length", {}),
        (PLAIN, "tool_calls", {}),
        (PLAIN, "stop", {"stop": ["x"]}),
        (PLAIN, "stop", {"reasoning_effort": "none"}),
    ):
        out, x = asked.stream("one/m", [chunks(pieces, finish)], **more)
        assert text_of(out) == ("🚀!" if pieces is THOUGHTS else "No thought.")
        assert known.known("one/m", CHAT) is True, (finish, more)
    assert text_of(asked.stream("one/m", [chunks(PLAIN)])[0]) == "No thought."
    assert known.known("one/m", CHAT) is False
    out, x = asked.stream("one/m", [chunks(PLAIN)])
    assert not [line for line in x.trace if line.layer == "thinking"]


def test_a_call_teaches_nothing_whatever_the_reason_says(asked: Asked) -> None:
    """Ollama ends a reply with calls by "stop", and so do some servers of OpenAI's dialect; whole and streamed."""
    known = asked.pipeline.runtime.openings
    function = {"name": "f", "arguments": {}}
    called = {"message": {"role": "assistant", "content": "", "tool_calls": [{"function": function}]}}
    last = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
    asked.stream("laptop/deepseek-r1", [b"".join(json.dumps(one).encode() + b"\n" for one in (called, last))])
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    delta = {"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}
    asked.stream("one/deepseek-r1", [sse(delta, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})])
    asked.whole("one/deepseek-r1", reply("", tool_calls=[call]))
    assert known.known("laptop/deepseek-r1", "/api/chat") is None
    assert known.known("one/deepseek-r1", CHAT) is None


def test_whole_replies_teach_as_well(asked: Asked) -> None:
    """They are cleaned either way, but for what the rules or the server's own field settle."""
    known = asked.pipeline.runtime.openings
    assert content(asked.whole("one/m", reply("a</think>b"))) == "b"
    assert known.known("one/m", CHAT) is True
    assert content(asked.whole("one/m", reply("ab"))) == "ab"
    assert known.known("one/m", CHAT) is False
    assert content(asked.whole("one/m", reply("a</think>b", reasoning_content="hm"))) == "a</think>b"
    assert known.known("one/m", CHAT) is False
    assert content(asked.whole("one/m", reply("a</think>b"))) == "b"
    assert known.known("one/m", CHAT) is True
    # A model that nobody expected to do so teaches nothing by not doing so.
    assert content(asked.whole("one/other", reply("ab"))) == "ab"
    assert known.known("one/other", CHAT) is None


def test_another_worker_is_asked_while_the_server_works(asked: Asked) -> None:
    """What it has learned is known when the answer comes."""
    runtime = asked.pipeline.runtime
    flow, _ = asked.pipeline.send("one/m", stream=True)

    async def run() -> None:
        other = Openings(runtime.openings._shared)
        other.learn("one/m", CHAT, True)
        await other.settled()
        await asked.learning.request(flow)
        await runtime.openings.settled()

    asyncio.run(run())
    assert text_of(asked.stream("one/m", [chunks(THOUGHTS)])[0]) == "🚀!"


def test_an_error_teaches_nothing(asked: Asked) -> None:
    """Nor does a stream that broke off; but a closer that it had is one."""
    known = asked.pipeline.runtime.openings
    broken = sse({"choices": [{"index": 0, "delta": {"content": "x"}}]}, {"error": {"message": "broken"}})
    asked.stream("one/deepseek-r1", [broken])
    assert known.known("one/deepseek-r1", CHAT) is None
    flow, x = asked.begin("one/m", KINDS["one"])
    Streaming(asked.pipeline.runtime).responseheaders(flow)
    x.pipe(chunks(THOUGHTS)[:-60])

    async def left() -> None:
        await asked.learning.error(flow)
        await known.settled()

    asyncio.run(left())
    assert known.known("one/m", CHAT) is True


def test_the_trace_says_why_text_was_held(asked: Asked) -> None:
    """In a stream; a whole reply is not held."""
    _, x = asked.stream("one/deepseek-r1", [chunks(THOUGHTS)])
    (line,) = [line for line in x.trace if line.layer == "thinking"]
    assert "deepseek-r1's template opens its thinking" in line.detail
    flow, x = asked.begin("one/deepseek-r1", "application/json", stream=False)
    flow.response.raw_content = json.dumps(reply("a</think>b")).encode()
    Processing(asked.pipeline.runtime).response(flow)
    assert not [line for line in x.trace if line.layer == "thinking"]
