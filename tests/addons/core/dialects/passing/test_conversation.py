"""A stored request and its answer as a conversation, in every dialect, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.dialects.codecs import CODECS, FORMATS
from switchman.addons.core.dialects.neutral.form import (
    Choice,
    Image,
    Reply,
    Stamp,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
)
from switchman.addons.core.dialects.passing.conversation import answered, asked, paired
from switchman.addons.core.dialects.translate import as_stream

STAMP = Stamp("id1", 0.0, "m", include_usage=True)
PNG = "iVBORw0KGgo="
WITHOUT_CALLS = {"openai.completion", "ollama.generate"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}

# One conversation in each format: what the system says, a question with a picture, a call, its result, a question.
ASKED: dict[tuple[str, str], dict[str, Any]] = {
    ("openai", "chat"): {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [
                {"type": "text", "text": "See?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            ]},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "a dot"},
            {"role": "user", "content": "And now?"},
        ],
    },
    ("openai", "responses"): {
        "model": "m",
        "instructions": "Be kind.",
        "input": [
            {"role": "user", "content": [
                {"type": "input_text", "text": "See?"},
                {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
            ]},
            {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": '{"at": 1}'},
            {"type": "function_call_output", "call_id": "call_1", "output": "a dot"},
            {"role": "user", "content": "And now?"},
        ],
    },
    ("anthropic", "chat"): {
        "model": "m",
        "max_tokens": 9,
        "system": "Be kind.",
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "See?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            ]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "call_1", "name": "look", "input": {"at": 1}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "a dot"},
                {"type": "text", "text": "And now?"},
            ]},
        ],
    },
    ("ollama", "chat"): {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "See?", "images": [PNG]},
            {"role": "assistant", "content": "", "tool_calls": [
                {"function": {"name": "look", "arguments": {"at": 1}}},
            ]},
            {"role": "tool", "tool_name": "look", "content": "a dot"},
            {"role": "user", "content": "And now?"},
        ],
    },
}  # fmt: skip


@pytest.mark.parametrize("key", ASKED, ids="/".join)
def test_a_request_is_read_with_its_calls_and_results(key: tuple[str, str]) -> None:
    """Who said what, the picture's bytes, and the result with its call, in every dialect that has conversations."""
    request = asked(*key, json.dumps(ASKED[key]).encode())
    assert request is not None
    linked, results = paired(request.messages)
    assert [message.text() for message in linked if message.text()] == ["Be kind.", "See?", "And now?"]
    assert linked[0].role == "system"
    (image,) = [part for message in linked for part in message.parts if isinstance(part, Image)]
    assert image.data == PNG
    (call,) = [part for message in linked for part in message.parts if isinstance(part, ToolCall)]
    assert (call.name, json.loads(call.arguments)) == ("look", {"at": 1})
    assert [part.text for part in results[call.id].content if isinstance(part, Text)] == ["a dot"]


@pytest.mark.parametrize(("key", "field"), [(("openai", "completion"), "prompt"), (("ollama", "completion"), "prompt")])
def test_a_prompt_is_what_a_user_says(key: tuple[str, str], field: str) -> None:
    """Where there are no messages."""
    request = asked(*key, json.dumps({"model": "m", field: "Once upon"}).encode())
    assert request is not None
    assert [(message.role, message.text()) for message in request.messages] == [("user", "Once upon")]


@pytest.mark.parametrize("key", FORMATS, ids="/".join)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_answer_is_put_together(key: Any, streamed: bool) -> None:
    """Thoughts, text, calls and usage, whole or in pieces, of every format as its own encoder writes it."""
    name = FORMATS[key]
    call = () if name in WITHOUT_CALLS else (ToolCall("call_1", "look", '{"at": 1}'),)
    thought = () if name == "openai.completion" else (Thinking("Hm."),)
    reply = Reply("r", "m", (Choice(0, (*thought, Text("Hello there."), *call), "stop"),), Usage(input=3, output=4))
    body = as_stream(reply, name, STAMP) if streamed else json.dumps(CODECS[name].encode_reply(reply, STAMP)).encode()
    found = answered(*key, body)
    assert found is not None and (found.complete, found.streamed, found.error) == (True, streamed, None)
    (choice,) = found.reply.choices
    assert choice.text() == "Hello there."
    assert [part.text for part in choice.parts if isinstance(part, Thinking)] == [part.text for part in thought]
    calls = [(part.name, json.loads(part.arguments)) for part in choice.parts if isinstance(part, ToolCall)]
    assert calls == [("look", {"at": 1}) for _ in call]
    assert found.reply.usage is not None and (found.reply.usage.input, found.reply.usage.output) == (3, 4)


@pytest.mark.parametrize("key", FORMATS, ids="/".join)
def test_a_stream_that_was_cut_has_what_came(key: Any) -> None:
    """At every byte: never an exception, the text a beginning of the whole one, and complete only at the end."""
    reply = Reply("r", "m", (Choice(0, (Text("Hello there, 问题."),), "stop"),))
    body = as_stream(reply, FORMATS[key], STAMP)
    for end in range(len(body)):
        found = answered(*key, body[:end])
        said = "".join(choice.text() for choice in found.reply.choices) if found is not None else ""
        assert "Hello there, 问题.".startswith(said), body[:end]
    whole = answered(*key, body)
    assert whole is not None and whole.complete and whole.reply.choices[0].text() == "Hello there, 问题."
    begun = answered(*key, body[: body.index(b"Hello") + 10 + body[body.index(b"Hello") :].index(b"\n")])
    assert begun is not None and not begun.complete


@pytest.mark.parametrize(
    ("key", "body", "error"),
    [
        (("openai", "chat"), {"error": {"message": "too many"}}, "too many"),
        (("openai", "responses"), {"error": {"message": "too many"}}, "too many"),
        (("anthropic", "chat"), {"type": "error", "error": {"type": "x", "message": "too many"}}, "too many"),
        (("ollama", "chat"), {"error": "too many"}, "too many"),
    ],
)
def test_an_error_is_told(key: tuple[str, str], body: dict[str, Any], error: str) -> None:
    """In the server's own words, of a whole body."""
    found = answered(*key, json.dumps(body).encode())
    assert found is not None and (found.error, found.complete) == (error, False)


def test_an_error_within_a_stream_is_told_with_what_came_before() -> None:
    """The text stays."""
    body = b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\ndata: {"error":{"message":"died"}}\n\n'
    found = answered("openai", "chat", body)
    assert found is not None and (found.error, found.complete) == ("died", False)
    assert found.reply.choices[0].text() == "Hel"


@pytest.mark.parametrize("body", [b"", b"   ", b"\x00\xff", b"[]", b"3", b'{"model":', b"<html>", b"[" * 100_000])
@pytest.mark.parametrize("key", [*FORMATS, ("openai", "embedding"), (None, None), ("odd", "chat")], ids=str)
def test_what_cannot_be_read_is_none(key: Any, body: bytes) -> None:
    """Nothing is raised, whatever was stored."""
    assert asked(*key, body) is None
    found = answered(*key, body)
    assert found is None or not found.reply.choices


@pytest.mark.parametrize("key", ASKED, ids="/".join)
def test_members_of_another_kind_raise_nothing(key: tuple[str, str]) -> None:
    """Each member of a request, and of each message, in the place of which stands something else."""
    whole = ASKED[key]
    for odd in (None, 3, "text", [], [3], {}, {"type": 3}):
        for name in whole:
            asked(*key, json.dumps({**whole, name: odd}).encode())
        field = "input" if "input" in whole else "messages"
        for at, message in enumerate(whole[field]):
            for name in message:
                messages = [*whole[field]]
                messages[at] = {**message, name: odd}
                asked(*key, json.dumps({**whole, field: messages}).encode())


def test_a_result_without_its_call_is_paired_with_none() -> None:
    """Of a history that was cut short."""
    body = {"model": "m", "messages": [{"role": "tool", "tool_call_id": "gone", "content": "x"}]}
    request = asked("openai", "chat", json.dumps(body).encode())
    assert request is not None
    linked, results = paired(request.messages)
    assert results == {} and any(isinstance(part, ToolResult) for message in linked for part in message.parts)
