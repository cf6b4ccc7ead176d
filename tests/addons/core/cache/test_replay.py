"""An answer kept and given again: what is fit, and that every client gets it in its own form."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from switchman.addons.core.cache.replay import CachedAnswer, pack, replay, streamed_reply, unpack, whole_reply
from switchman.addons.core.dialects.codecs import CODECS
from switchman.addons.core.dialects.neutral.form import FormatName, Stamp, Usage
from switchman.addons.core.streams.framing.ndjson import NDJSONSplitter
from switchman.addons.core.streams.framing.sse import SSESplitter

STAMP = Stamp("id1", 1_700_000_000.0, "srv/m")
WITH_USAGE = Stamp("id1", 1_700_000_000.0, "srv/m", include_usage=True)
CHATS: list[FormatName] = ["openai.chat", "ollama.chat", "anthropic.messages"]


def chat(text: str = "Hello.", finish: str | None = "stop", **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": text, **message}
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 5, "model": "m", "x_unknown": 1,
        "choices": [{"index": 0, "finish_reason": finish, "message": said}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }  # fmt: skip


def kept(reply: dict[str, Any] | None = None, format: FormatName = "openai.chat") -> CachedAnswer:
    return CachedAnswer(format, reply or chat(), "srv", "m", "rules", "r", "hi", 1.0)


def raw(obj: object) -> bytes:
    return json.dumps(obj).encode()


def test_a_complete_text_is_fit() -> None:
    """The whole body is kept, with what no decoder knows."""
    assert whole_reply("openai.chat", raw(chat())) == chat()


@pytest.mark.parametrize("format", CHATS)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_no_text_is_kept_and_replayed_as_text(format: FormatName, stream: bool) -> None:
    """A byte that is no UTF-8 is U+FFFD, half a pair an escape, in the store and for every client."""
    reply = whole_reply("openai.chat", raw(chat("costs SIGN5 \ud83d")).replace(b"SIGN", b"\xa3"))
    assert reply == chat("costs \ufffd5 \ud83d")
    found = unpack(pack(kept(reply)))
    assert found == kept(reply)
    body, _ = replay(found, format, stream, STAMP)
    assert "costs \ufffd5 \\ud83d" in body.decode().replace("\\ufffd", "\ufffd")


def test_a_stream_with_a_byte_that_is_no_text_is_kept() -> None:
    """It is as complete as any other."""
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    said = [{"index": 0, "delta": {"content": "costs SIGN5"}}, {"index": 0, "delta": {}, "finish_reason": "stop"}]
    data = b"".join(b"data: " + raw({**chunk, "choices": [choice]}) + b"\n\n" for choice in said)
    reply = streamed_reply("openai.chat", data.replace(b"SIGN", b"\xa3") + b"data: [DONE]\n\n", STAMP, None)
    assert reply is not None and reply["choices"][0]["message"]["content"] == "costs \ufffd5"


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    "reply",
    [
        chat(finish="length"), chat(finish="content_filter"), chat(finish="error"), chat(finish=None), chat(text=""),
        chat(finish="tool_calls", tool_calls=[CALL]), chat(finish="stop", tool_calls=[CALL]),
        {"error": {"message": "no"}}, {"choices": []}, [], {**chat(), "error": {"message": "late"}},
        {"choices": [], "finish_reason": "stop"}, chat(" \n", reasoning_content="Hm."),
        {**chat(), "choices": [*chat()["choices"], {**chat()["choices"][0], "index": 1, "finish_reason": "weird"}]},
    ],
    ids=lambda reply: str(reply)[-60:],
)  # fmt: skip
def test_what_is_not_fit(reply: Any) -> None:
    """Cut, filtered, failed, empty and tool-calling answers are not kept, nor are those with one such choice."""
    assert whole_reply("openai.chat", raw(reply)) is None


MESSAGE = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I patch it."}]}


@pytest.mark.parametrize("kind", ["custom_tool_call", "local_shell_call", "image_generation_call", "computer_call"])
def test_a_response_that_does_more_than_speak_is_not_fit(kind: str) -> None:
    """Whole or streamed: given again as a stream it would be without its calls."""
    item = {"type": kind, "call_id": "c", "name": "apply_patch", "input": "x"}
    response = {"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": [MESSAGE, item]}
    assert whole_reply("openai.responses", raw(response)) is None
    assert whole_reply("openai.responses", raw({**response, "output": [MESSAGE]})) is not None
    events = [
        {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}},
        {"type": "response.output_text.delta", "output_index": 0, "delta": "I patch it."},
        {"type": "response.output_item.added", "output_index": 1, "item": item},
        {"type": "response.completed", "response": response},
    ]
    stream = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
    assert streamed_reply("openai.responses", b"".join(stream), STAMP, None) is None


@pytest.mark.parametrize("status", ["incomplete", "failed", "cancelled", "weird", None])
def test_a_response_that_did_not_come_to_its_end_is_not_fit(status: str | None) -> None:
    """A Responses object says in its status whether that is all."""
    response = {"id": "resp_1", "object": "response", "status": status, "model": "m", "output": [MESSAGE]}
    assert whole_reply("openai.responses", raw(response)) is None


def test_an_old_ollama_gives_no_reason_for_its_end() -> None:
    """Before 0.1.34 `done` was all it said, which is enough; an answer that is not done is not kept."""
    answer = {"model": "m", "message": {"role": "assistant", "content": "Hi."}, "done": True}
    assert whole_reply("ollama.chat", raw(answer)) == answer
    assert whole_reply("ollama.chat", raw({**answer, "done": False})) is None
    assert whole_reply("ollama.chat", raw({**answer, "done_reason": "length"})) is None


def test_an_id_stays_in_its_dialect() -> None:
    """Anthropic's clients get an id of Anthropic's form; OpenAI's get the one that there was."""
    for stream in (False, True):
        openai, _ = replay(kept(), "openai.chat", stream, STAMP)
        anthropic, _ = replay(kept(), "anthropic.messages", stream, STAMP)
        assert b"chatcmpl-1" in openai
        assert b"chatcmpl-1" not in anthropic and b'"msg_id1"' in anthropic


def test_a_trace_shows_the_beginning_of_a_prompt() -> None:
    """400 characters of what may be a whole book, and of a short one all."""
    book = "x" * 10_000
    assert replace(kept(), asked=book).earlier.asked == "x" * 400
    assert kept().earlier.asked == "hi"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000], ids=lambda body: repr(body[:4]))
def test_unreadable_bodies_are_not_fit(body: bytes) -> None:
    """What is no JSON is not kept, and nothing raises."""
    assert whole_reply("openai.chat", body) is None


@pytest.mark.parametrize("target", CHATS)
@pytest.mark.parametrize("source", CHATS)
def test_a_stream_of_it_can_be_kept_again(source: FormatName, target: FormatName) -> None:
    """Kept from any dialect, streamed in any dialect, read back: the same text, and the model it is given under."""
    reply = CODECS["openai.chat"].decode_reply(chat("Say \u00fc \U0001f600"))
    stored = kept(CODECS[source].encode_reply(reply, STAMP), source)
    stream, content_type = replay(stored, target, True, WITH_USAGE)
    assert content_type == CODECS[target].stream_type
    back = streamed_reply(target, stream, STAMP, None)
    assert back is not None
    again = CODECS[target].decode_reply(back)
    assert [part.text for part in again.choices[0].parts] == ["Say \u00fc \U0001f600"]  # type: ignore[union-attr]
    assert again.model == "srv/m"
    assert again.usage is not None
    assert again.usage.output == 2


@pytest.mark.parametrize("target", CHATS)
def test_a_whole_one_in_every_dialect(target: FormatName) -> None:
    """A whole answer is the client's own format, with the model it is given under."""
    body, content_type = replay(kept(), target, False, STAMP)
    assert content_type == "application/json"
    obj = json.loads(body)
    assert obj["model"] == "srv/m"
    assert "Hello." in body.decode()
    assert ("x_unknown" in obj) == (target == "openai.chat")


def test_the_openai_stream_ends_as_it_must() -> None:
    """An OpenAI stream ends with [DONE], and has a usage chunk only for who asked for it."""
    plain, _ = replay(kept(), "openai.chat", True, STAMP)
    asked, _ = replay(kept(), "openai.chat", True, WITH_USAGE)
    assert plain.endswith(b"data: [DONE]\n\n")
    assert b'"usage":{' not in plain
    assert b'"usage":{' in asked


def stream_of(*chunks: dict[str, Any], done: bool = True) -> bytes:
    lines = [b"data: " + raw({"id": "1", "model": "m", "created": 5, **chunk}) + b"\n\n" for chunk in chunks]
    return b"".join(lines) + (b"data: [DONE]\n\n" if done else b"")


def piece(text: str = "", finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text, **delta}, "finish_reason": finish}]}


def test_a_stream_is_kept_whole() -> None:
    """The pieces are put together, with the usage that the client did not get to see."""
    stream = stream_of(piece("Hel"), piece("lo"), piece(finish="stop"))
    found = streamed_reply("openai.chat", stream, STAMP, Usage(input=3, output=2))
    assert found is not None
    assert found["choices"][0]["message"]["content"] == "Hello"
    assert found["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize(
    "stream",
    [
        stream_of(piece("Hel"), piece("lo"), piece(finish="stop"), done=False),
        stream_of(piece("Hel"), piece(finish="length")),
        stream_of(piece("Hel")),
        stream_of(piece("Hel"), piece(finish="weird")),
        stream_of(piece("Hel"), {"error": {"message": "died"}}),
        stream_of(piece("Hel"), piece(tool_calls=[{"index": 0, **CALL}]), piece(finish="tool_calls")),
        b"",
        b"data: {nonsense",
    ],
    ids=range(8),
)
def test_streams_that_are_not_fit(stream: bytes) -> None:
    """A stream without its end, cut at the limit, failed, or calling tools is not kept."""
    assert streamed_reply("openai.chat", stream, STAMP, None) is None


def test_packed_and_unpacked() -> None:
    """What comes out of the store is what went in; what it does not understand is a miss."""
    assert unpack(pack(kept())) == kept()
    odd = replace(kept(), reply=["no object"])  # type: ignore[arg-type]
    for value in (b"", b"{}", b"[]", b"\xff", pack(kept()).replace(b"openai.chat", b"future.form"), pack(odd)):
        assert unpack(value) is None


def test_an_ollama_stream_is_lines() -> None:
    """Ollama's clients get NDJSON whose last line says done."""
    stream, _ = replay(kept(), "ollama.chat", True, STAMP)
    splitter = NDJSONSplitter()
    assert [event.data["done"] for event in splitter.feed(stream)][-1] is True
    assert SSESplitter().feed(stream) == []
