"""Messages bodies written: what the API demands and other formats do not is put in here."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.dialects.anthropic.body import encode_request
from switchman.addons.core.dialects.anthropic.request import decode_request
from switchman.addons.core.dialects.neutral.form import (
    FormatName,
    Image,
    Message,
    Opaque,
    Reasoning,
    Request,
    ResponseFormat,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from switchman.addons.core.dialects.neutral.limits import Notes, Untranslatable

OPENAI_CHAT = "/v1/chat/completions"
USER = Message("user", (Text("hi"),))
TOOL = Tool("f", parameters={"type": "object"})


def written(*messages: Message, origin: FormatName = "openai.chat", **members: Any) -> tuple[dict[str, Any], list[str]]:
    """The body without its model, and what was lost; max_tokens is given, if nothing else is said."""
    notes = Notes(origin, "anthropic")
    sampling = members.pop("sampling", Sampling(max_tokens=9000))
    body = encode_request(Request(origin, "m", messages or (USER,), sampling=sampling, **members), notes)
    assert body.pop("model") == "m"
    return body, [warning.partition(" was ")[0] for warning in notes.warnings]


def turns(*messages: Message, **members: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = written(*messages, **members)[0]["messages"]
    return found


# ---- numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "max_tokens", "thinking"),
    [
        ({}, 4096, None),
        ({"max_tokens": 10}, 10, None),
        ({"max_completion_tokens": 10}, 10, None),
        ({"reasoning_effort": "low"}, 5120, {"type": "enabled", "budget_tokens": 1024}),
        ({"reasoning_effort": "medium"}, 8192, {"type": "enabled", "budget_tokens": 4096}),
        ({"reasoning_effort": "high", "max_tokens": 5000}, 5000, {"type": "enabled", "budget_tokens": 4999}),
        ({"reasoning_effort": "high", "max_tokens": 900}, 900, None),
        ({"reasoning_effort": "none", "max_tokens": 900}, 900, {"type": "disabled"}),
    ],
)
def test_anthropic_gets_a_limit_and_room_to_think(
    translate: Any, more: dict[str, Any], max_tokens: int, thinking: Any
) -> None:
    """max_tokens defaults to 4096 and the budget on top; a budget always leaves room below max_tokens."""
    out = translate(OPENAI_CHAT, {"model": "m", "messages": [], **more}, "anthropic")
    assert (out.body["max_tokens"], out.body.get("thinking")) == (max_tokens, thinking)


def test_anthropic_takes_temperatures_up_to_one(translate: Any) -> None:
    """A higher one is lowered, with a warning."""
    out = translate(OPENAI_CHAT, {"model": "m", "messages": [], "max_tokens": 1, "temperature": 1.5}, "anthropic")
    assert out.body["temperature"] == 1 and out.warnings[0].startswith("temperature was changed")


@pytest.mark.parametrize("limit", [-1, -2])
def test_no_limit_is_the_default_one(limit: int) -> None:
    """LM Studio's and llama.cpp's clients write -1."""
    body, warnings = written(sampling=Sampling(max_tokens=limit))
    assert body["max_tokens"] == 4096 and warnings == ["max_tokens"]


@pytest.mark.parametrize(
    ("reasoning", "budget"),
    [
        pytest.param(Reasoning(True, "minimal"), 1024, id="minimal"),
        pytest.param(Reasoning(True), 4096, id="only-on"),
        pytest.param(Reasoning(True, "enormous"), 4096, id="an-unknown-word"),
        pytest.param(Reasoning(True, "max"), 8999, id="more-than-there-is-room-for"),
        pytest.param(Reasoning(True, budget=5), 1024, id="below-the-least"),
        pytest.param(Reasoning(True, budget=-1), 1024, id="below-nothing"),
        pytest.param(Reasoning(True, "low", 5000), 5000, id="a-budget"),
    ],
)
def test_an_effort_is_a_budget(reasoning: Reasoning, budget: int) -> None:
    """Never less than the API takes, and always with room for an answer."""
    body, warnings = written(reasoning=reasoning, tools=(TOOL,), tool_choice=ToolChoice("auto"))
    assert body["thinking"] == {"type": "enabled", "budget_tokens": budget}
    assert warnings == ["reasoning_effort"]


@pytest.mark.parametrize(
    ("effort", "budget"),
    [("minimal", 1024), ("low", 1024), ("medium", 4096), ("high", 8192), ("xhigh", 16384), ("max", 32768)],
)
def test_each_word_has_its_budget(effort: str, budget: int) -> None:
    """On top of the default limit, where the client gave none."""
    body, _ = written(reasoning=Reasoning(True, effort), sampling=Sampling())
    assert (body["thinking"]["budget_tokens"], body["max_tokens"]) == (budget, 4096 + budget)


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"tools": (TOOL,), "tool_choice": ToolChoice("required")}, id="a-call-is-forced"),
        pytest.param({"tools": (TOOL,), "tool_choice": ToolChoice("named", "f")}, id="one-tool-is-forced"),
        pytest.param({"sampling": Sampling(max_tokens=1024)}, id="no-room"),
        pytest.param({"sampling": Sampling(max_tokens=0)}, id="no-room-at-all"),
    ],
)
def test_thinking_is_left_out_where_it_is_refused(members: dict[str, Any]) -> None:
    """The warning names it either way."""
    body, warnings = written(reasoning=Reasoning(True, "high"), **members)
    assert "thinking" not in body and warnings == ["reasoning_effort"]


def test_thinking_is_left_out_after_calls() -> None:
    """The assistant's last message would have to begin with a signed thought."""
    calls = Message("assistant", (ToolCall("c", "f", "{}"),))
    result = Message("tool", (ToolResult("c", "", ()),))
    assert "thinking" not in written(USER, calls, result, reasoning=Reasoning(True))[0]
    later = Message("assistant", (Text("so"),))
    assert "thinking" in written(USER, calls, result, later, USER, reasoning=Reasoning(True))[0]


@pytest.mark.parametrize(
    ("reasoning", "sent", "lost"),
    [
        (None, {"temperature": 1, "top_k": 3}, ["temperature", "top_p", "min_p", "seed"]),
        (Reasoning(True), {}, ["reasoning_effort", "temperature", "top_p", "top_k", "min_p", "seed"]),
    ],
    ids=["not-thinking", "thinking"],
)
def test_sampling_that_is_taken(reasoning: Reasoning | None, sent: dict[str, Any], lost: list[str]) -> None:
    """Temperature up to 1 and not beside top_p; none of them beside thinking."""
    sampling = Sampling(9000, temperature=1.5, top_p=0.9, top_k=3, min_p=0.1, seed=7)
    body, warnings = written(sampling=sampling, reasoning=reasoning)
    assert {key: body[key] for key in ("temperature", "top_p", "top_k", "min_p", "seed") if key in body} == sent
    assert sorted(warnings) == sorted(lost)
    assert written(sampling=Sampling(9000, top_p=0.9))[0]["top_p"] == 0.9
    assert written(sampling=Sampling(9000, temperature=1))[1] == []


@pytest.mark.parametrize(
    ("stop", "sent", "lost"),
    [(("a", "b"), ["a", "b"], []), (("a", " \n", ""), ["a"], ["stop"]), ((), [], [])],
    ids=["texts", "blanks", "none"],
)
def test_stop_sequences_of_blanks_are_refused(stop: Any, sent: list[str], lost: list[str]) -> None:
    """So they are left out, with a warning."""
    body, warnings = written(sampling=Sampling(9, stop=stop))
    assert (body["stop_sequences"], warnings) == (sent, lost)


@pytest.mark.parametrize(
    ("origin", "wanted", "sent", "lost"),
    [
        (
            "openai.chat",
            ResponseFormat("schema", {"a": 1}),
            {"format": {"type": "json_schema", "schema": {"a": 1}}},
            [],
        ),
        ("openai.chat", ResponseFormat("json"), None, ["response_format"]),
        ("openai.responses", ResponseFormat("schema"), None, ["text.format"]),
        ("ollama.chat", ResponseFormat("json"), None, ["format"]),
        ("openai.chat", ResponseFormat("text"), None, []),
    ],
    ids=["schema", "json", "schema-without-one", "ollamas-json", "text"],
)
def test_a_format_needs_a_schema(origin: FormatName, wanted: ResponseFormat, sent: Any, lost: list[str]) -> None:
    """Named as the client knows it, where it has to be dropped."""
    body, warnings = written(origin=origin, format=wanted)
    assert (body.get("output_config"), warnings) == (sent, lost)


# ---- tools -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "parallel", "sent"),
    [
        (None, None, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (None, True, None),
        (ToolChoice("auto"), None, {"type": "auto"}),
        (ToolChoice("required"), False, {"type": "any", "disable_parallel_tool_use": True}),
        (ToolChoice("none"), False, {"type": "none"}),
        (ToolChoice("named", "f"), True, {"type": "tool", "name": "f"}),
    ],
)
def test_a_choice_says_whether_calls_may_be_parallel(choice: Any, parallel: Any, sent: Any) -> None:
    """Which `none` has no place for; without tools there is none at all."""
    members = {"tool_choice": choice, "parallel_tools": parallel}
    assert written(tools=(TOOL,), **members)[0].get("tool_choice") == sent
    for tools in (None, ()):
        assert {"tools", "tool_choice"}.isdisjoint(written(tools=tools, **members)[0])


@pytest.mark.parametrize(
    ("parameters", "schema"),
    [
        (None, {"type": "object", "properties": {}}),
        ({}, {"type": "object"}),
        ({"properties": {}}, {"type": "object", "properties": {}}),
        ({"type": "object", "x": 1}, {"type": "object", "x": 1}),
    ],
    ids=["none", "empty", "without-a-type", "whole"],
)
def test_a_tool_has_a_schema_of_an_object(parameters: Any, schema: dict[str, Any]) -> None:
    """The API demands it; only a true `strict` is said."""
    tool = Tool("f", "d", parameters, strict=False, extra={"x": 1})
    body, warnings = written(tools=(tool,))
    assert body["tools"] == [{"name": "f", "description": "d", "input_schema": schema}] and warnings == ["tools.x"]
    assert written(tools=(Tool("f", strict=True),))[0]["tools"][0]["strict"] is True


def test_what_has_no_place_is_refused() -> None:
    """A tool of another kind, a part of another kind, a call of another kind, a gap."""
    for members, messages, field in (
        ({"tools": (Tool("web_search", opaque={}),)}, (), "tools (web_search)"),
        ({}, (Message("user", (Opaque("audio", {}),)),), "messages[0].content[0] (audio)"),
        ({}, (Message("assistant", (Opaque("tool_calls", {}),)),), "messages[0].content[0] (tool_calls)"),
        ({"suffix": "b", "origin": "openai.completion"}, (), "suffix"),
    ):
        with pytest.raises(Untranslatable) as refused:
            written(*messages, **members)  # type: ignore[arg-type]
        assert refused.value.field == field
        assert ("tool call" in refused.value.reason) is ("tool_calls" in field)


# ---- messages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "system"),
    [
        pytest.param([Message("system", (Text("s"),))], "s", id="one-text"),
        pytest.param([Message("developer", (Text("d"),))], "d", id="a-developer"),
        pytest.param(
            [Message("system", (Text("s"),)), Message("developer", (Text("d"),))],
            [{"type": "text", "text": "s"}, {"type": "text", "text": "d"}],
            id="two",
        ),
        pytest.param([Message("system", (Text("s"), Text("")), "parts")], [{"type": "text", "text": "s"}], id="parts"),
        pytest.param([Message("system", (Text(""),))], None, id="empty"),
        pytest.param([Message("system", (Text(" \n"),))], None, id="blank"),
        pytest.param(
            [Message("system", (Text("s"), Text(" ")), "parts")], [{"type": "text", "text": "s"}], id="blanks"
        ),
        pytest.param([Message("system", (), "parts")], None, id="no-parts"),
    ],
)
def test_the_system_prompt_stands_apart(messages: list[Message], system: Any) -> None:
    """Empty texts are refused, so they are left out."""
    body, _ = written(*messages, USER)
    assert body.get("system") == system and body["messages"] == [{"role": "user", "content": "hi"}]


def test_a_system_message_alone_is_said_by_the_user() -> None:
    """The API wants a message; with nothing at all to say, the server says so."""
    body, warnings = written(Message("system", (Text("s"),)))
    assert (body["messages"], warnings) == ([{"role": "user", "content": "s"}], ["messages"])
    assert "system" not in body
    assert written(Message("system", (Text(""),)))[0]["messages"] == []


def test_results_of_parallel_calls_are_one_message() -> None:
    """With what the user says behind them, as Bedrock refuses two; a picture is part of its result."""
    calls = Message("assistant", (ToolCall("a", "f", '{"a":1}'), ToolCall("b", "g", "oops")))
    first = Message("tool", (ToolResult("a", "", (Text("1"), Image("AA", "image/png")), "parts"),))
    second = Message("tool", (ToolResult("b", "", (), "null", is_error=True),))
    assistant, results = turns(calls, first, second, USER)
    assert assistant["content"] == [
        {"type": "tool_use", "id": "a", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "b", "name": "g", "input": {"raw_arguments": "oops"}},
    ]
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}}
    assert results == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "1"}, image]},
            {"type": "tool_result", "tool_use_id": "b", "is_error": True},
            {"type": "text", "text": "hi"},
        ],
    }


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        pytest.param(Message("user", (Text(" \n"),)), [], id="a-blank-text"),
        pytest.param(Message("user", (), "parts"), [], id="no-parts"),
        pytest.param(
            Message("user", (Text("a"), Text(" ")), "parts"),
            [{"role": "user", "content": [{"type": "text", "text": "a"}]}],
            id="a-blank-block",
        ),
        pytest.param(Message("assistant", (Thinking("hm"),)), [], id="only-thoughts"),
    ],
)
def test_blanks_are_refused_so_they_are_left_out(message: Message, sent: list[Any]) -> None:
    """A message of nothing else with them."""
    assert turns(message, Message("assistant", (Text("Yes."),)))[:-1] == sent


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        pytest.param((Text("{ \n"),), "{", id="a-text"),
        pytest.param((Text("a "), Text("{ ")), [{"type": "text", "text": t} for t in ("a ", "{")], id="two-texts"),
        pytest.param((Text("{"),), "{", id="none"),
    ],
)
def test_an_answer_that_was_begun_ends_without_blanks(parts: tuple[Text, ...], content: Any) -> None:
    """ "final assistant content cannot end with trailing whitespace"; the trace says so."""
    body, warnings = written(USER, Message("assistant", parts, "text" if len(parts) == 1 else "parts"))
    assert body["messages"][1:] == [{"role": "assistant", "content": content}]
    assert len(warnings) == (0 if parts == (Text("{"),) else 1)
    assert turns(USER, Message("assistant", (Text("a "),)), USER)[1]["content"] == "a "


def test_neighbours_of_one_role_are_one_turn() -> None:
    """The API joins them itself; Bedrock refuses two turns of one role."""
    yes = Message("assistant", (Text("Yes."),))
    joined = turns(USER, USER, yes, yes, USER)
    assert [turn["role"] for turn in joined] == ["user", "assistant", "user"]
    assert joined[0]["content"] == [{"type": "text", "text": "hi"}] * 2


def test_thoughts_that_anthropic_did_not_sign_are_dropped() -> None:
    """With a warning, as all that only the client's format has."""
    message = Message("assistant", (Thinking("hm", "s"), Text("a", extra={"x": 1})), extra={"name": "n", "y": None})
    body, warnings = written(USER, message)
    assert body["messages"][1] == {"role": "assistant", "content": [{"type": "text", "text": "a"}]}
    assert warnings == ["messages[1].name", "messages[1].content[0].thinking", "messages[1].content[1].x"]


@pytest.mark.parametrize(
    ("image", "source"),
    [
        (Image(url="http://x/a"), {"type": "url", "url": "http://x/a"}),
        (Image("AA", "image/webp;x=y"), {"type": "base64", "media_type": "image/webp", "data": "AA"}),
        (Image("/9j/"), {"type": "base64", "media_type": "image/jpeg", "data": "/9j/"}),
    ],
    ids=["address", "type-with-a-parameter", "no-type"],
)
def test_a_picture_has_a_plain_type(image: Image, source: dict[str, Any]) -> None:
    """Ollama's have none."""
    assert turns(Message("user", (image,), "parts"))[0]["content"] == [{"type": "image", "source": source}]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"system": ""}, id="an-empty-system"),
        pytest.param({"system": []}, id="a-system-of-no-blocks"),
        pytest.param({"system": [{"type": "text", "text": ""}]}, id="a-system-of-an-empty-block"),
        pytest.param({"tools": [], "tool_choice": {"type": "auto", "disable_parallel_tool_use": False}}, id="no-tools"),
        pytest.param(
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": None}]}]}, id="nulls"
        ),
        pytest.param({"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]}, id="a-blank-block"),
        pytest.param({"temperature": 1.5, "top_p": 0.1, "stop_sequences": [" "]}, id="what-others-have-to-change"),
    ],
)
def test_a_messages_body_goes_back_as_it_came(body: dict[str, Any]) -> None:
    """Also what is left out for other clients."""
    body = {"model": "m", "max_tokens": 9, "messages": [], **body}
    notes = Notes("anthropic.messages", "anthropic")
    again = encode_request(decode_request(body), notes)
    for message in again["messages"]:
        for block in message["content"]:
            if block["type"] == "tool_result":
                assert block.pop("tool_use_id") == ""
    assert (again, notes.warnings) == (body, [])


def test_what_belongs_to_the_request() -> None:
    """The user has a place, a stream is said, and the rest is lost, but for padding."""
    body, warnings = written(user="u", stream=True, extras={"stream_options": {}, "logit_bias": {"5": 1}, "n": 1})
    assert (body["metadata"], body["stream"], warnings) == ({"user_id": "u"}, True, ["logit_bias"])
    _, warnings = written(origin="ollama.generate", raw=True)
    assert warnings == ["raw"]
