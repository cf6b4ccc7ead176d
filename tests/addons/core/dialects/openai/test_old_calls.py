"""`functions` and `function_call`: read as tools, and answered in the words of old."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.core.dialects.codecs import CHAT_FORMATS, CODECS
from switchman.addons.core.dialects.neutral.form import Choice, Reply, Stamp, Text, ToolCall
from switchman.addons.core.dialects.openai.old_calls import as_tools, has_old_calls
from switchman.addons.core.dialects.translate import Outbound, as_stream
from switchman.addons.core.request.call import DialectName
from switchman.addons.core.streams.framing.ndjson import NDJSONSplitter
from switchman.addons.core.streams.framing.sse import SSESplitter

Translate = Callable[..., Outbound]
CHAT = "/v1/chat/completions"
STAMP = Stamp("x", 0.0, "m")
SCHEMA = {"type": "object", "properties": {"t": {"type": "string"}}}
F = {"name": "w", "description": "Weather.", "parameters": SCHEMA}
HI = {"role": "user", "content": "Hi."}
CALLED = {"role": "assistant", "content": None, "function_call": {"name": "w", "arguments": '{"t":"Oslo"}'}}
RESULT = {"role": "function", "name": "w", "content": "5"}
BODY: dict[str, Any] = {
    "model": "m", "max_tokens": 9, "functions": [F], "function_call": {"name": "w"}, "messages": [HI, CALLED, RESULT]
}  # fmt: skip
ANSWERS = [
    Reply("r", "m", (Choice(0, (ToolCall("c9", "w", '{"t":"Rome"}'),), "tool_calls"),)),
    Reply("r", "m", (Choice(0, (Text("It is cold."),), "stop"),)),
]


def test_anthropic_gets_tools_a_call_and_its_result(translate: Translate) -> None:
    """The ids that the old form lacks are made."""
    out = translate(CHAT, BODY, "anthropic")
    assert out.body["tools"] == [{"name": "w", "description": "Weather.", "input_schema": SCHEMA}]
    assert out.body["tool_choice"] == {"type": "tool", "name": "w"}
    assert out.body["messages"] == [
        HI,
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "call00001", "name": "w", "input": {"t": "Oslo"}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call00001", "content": "5"}]},
    ]
    assert out.warnings == ()


def test_ollama_gets_tools_a_call_and_its_result(translate: Translate) -> None:
    """By the function's name."""
    out = translate(CHAT, {**BODY, "function_call": "auto"}, "ollama")
    assert out.body["tools"] == [{"type": "function", "function": F}]
    assert out.body["messages"][1:] == [
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "w", "arguments": {"t": "Oslo"}}}]},
        {"role": "tool", "content": "5", "tool_name": "w"},
    ]
    assert out.warnings == ()


@pytest.mark.parametrize(("given", "choice"), [("auto", {"type": "auto"}), ("none", {"type": "none"}), (None, None)])
def test_a_choice_of_old_is_one_of_today(given: Any, choice: Any, translate: Translate) -> None:
    """None means that the model decides."""
    out = translate(CHAT, {**BODY, "function_call": given}, "anthropic")
    assert out.body.get("tool_choice") == choice


@pytest.mark.parametrize("server", ["ollama", "anthropic"])
def test_the_answer_has_a_call_of_old(server: DialectName, translate: Translate) -> None:
    """Whole and streamed, with its own finish reason; a text is as ever."""
    out = translate(CHAT, BODY, server)
    target = CHAT_FORMATS[server]
    (choice,) = out.answer.whole(CODECS[target].encode_reply(ANSWERS[0], STAMP))["choices"]
    assert json.loads(choice["message"]["function_call"]["arguments"]) == {"t": "Rome"}
    assert (choice["message"]["function_call"]["name"], choice["finish_reason"]) == ("w", "function_call")
    assert "tool_calls" not in choice["message"]
    (choice,) = out.answer.whole(CODECS[target].encode_reply(ANSWERS[1], STAMP))["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("It is cold.", "stop")
    name, arguments, finish = "", "", None
    for choice in streamed(out, server, ANSWERS[0]):
        assert "tool_calls" not in choice["delta"]
        call = choice["delta"].get("function_call", {})
        name, arguments = name + call.get("name", ""), arguments + call.get("arguments", "")
        finish = choice["finish_reason"] or finish
    assert (name, json.loads(arguments), finish) == ("w", {"t": "Rome"}, "function_call")


def streamed(out: Outbound, server: DialectName, answer: Reply) -> list[dict[str, Any]]:
    splitter = NDJSONSplitter() if server == "ollama" else SSESplitter()
    stage = out.answer.stage()
    events = splitter.feed(as_stream(answer, CHAT_FORMATS[server], STAMP))
    raw = b"".join(piece.raw for event in [*events, *splitter.end()] for piece in stage.feed(event))
    chunks = [json.loads(line[6:]) for line in raw.decode().splitlines() if line.startswith("data: {")]
    return [choice for chunk in chunks for choice in chunk["choices"]]


def test_a_request_with_tools_is_one_of_today(translate: Translate) -> None:
    """Its answer has tool_calls, whatever else is in it."""
    tools = [{"type": "function", "function": F}]
    assert not has_old_calls({"functions": [F], "tools": tools})
    body = {"model": "m", "max_tokens": 9, "messages": [HI], "tools": tools}
    answer = CODECS["anthropic.messages"].encode_reply(ANSWERS[0], STAMP)
    (choice,) = translate(CHAT, body, "anthropic").answer.whole(answer)["choices"]
    assert choice["finish_reason"] == "tool_calls" and choice["message"]["tool_calls"][0]["id"] == "c9"


def test_what_has_another_shape_stays() -> None:
    """The table of limits says what becomes of it."""
    odd = {"functions": "f", "function_call": 5, "messages": ["hi", {"role": "assistant", "function_call": None}]}
    assert as_tools(odd) == odd
