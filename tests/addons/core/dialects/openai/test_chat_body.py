"""Chat completions bodies written: for servers that take less than OpenAI, and for those that want more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.dialects.neutral.form import (
    FormatName,
    Image,
    Message,
    Opaque,
    Reasoning,
    Request,
    ResponseFormat,
    Sampling,
    Stamp,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from switchman.addons.core.dialects.neutral.limits import Notes, Untranslatable
from switchman.addons.core.dialects.neutral.sampling import Quirks
from switchman.addons.core.dialects.openai.chat_body import (
    effort_of,
    encode_format,
    encode_request,
    encode_tool_choice,
    split_prefixed,
)
from switchman.addons.core.dialects.translate import translate_request
from switchman.addons.core.request.call import Endpoint

MESSAGES = Endpoint("anthropic", "chat", "/v1/messages")
STAMP = Stamp("x", 0.0, "m")
USE = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
ASSISTANT = {"role": "assistant", "content": [USE]}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "42"}]}
HI = {"role": "user", "content": "Hi."}


def written(
    *messages: Message, origin: FormatName = "ollama.chat", quirks: Quirks | None = None, **members: Any
) -> tuple[dict[str, Any], list[str]]:
    """The body without its model, and what was lost."""
    notes = Notes(origin, "openai")
    body = encode_request(Request(origin, "m", messages, **members), notes, quirks or Quirks())
    assert body.pop("model") == "m"
    return body, [warning.partition(" was ")[0] for warning in notes.warnings]


def said(*messages: Message, origin: FormatName = "ollama.chat", quirks: Quirks | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = written(*messages, origin=origin, quirks=quirks)[0]["messages"]
    return found


# ---- numbers and options -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reasoning", "effort"),
    [
        pytest.param(Reasoning(True), "medium", id="only-on"),
        pytest.param(Reasoning(True, "xhigh"), "xhigh", id="a-word"),
        pytest.param(Reasoning(True, budget=0), "low", id="nothing"),
        pytest.param(Reasoning(True, budget=4095), "low", id="below-medium"),
        pytest.param(Reasoning(True, budget=4096), "medium", id="medium"),
        pytest.param(Reasoning(True, budget=8192), "high", id="high"),
        pytest.param(Reasoning(True, budget=-1), "low", id="below-nothing"),
        pytest.param(Reasoning(True, "low", 9000), "low", id="the-word-wins"),
    ],
)
def test_a_budget_is_an_effort_in_words(reasoning: Reasoning, effort: str) -> None:
    """The largest step that fits, and the least one for any number below."""
    assert effort_of(reasoning) == effort


@pytest.mark.parametrize(
    ("origin", "known", "sent"),
    [("openai.chat", False, True), ("ollama.chat", True, True), ("ollama.chat", False, False)],
    ids=["said-by-the-client", "known-to-the-server", "unknown-to-the-server"],
)
def test_not_to_think_is_said_where_it_is_known(origin: FormatName, known: bool, sent: bool) -> None:
    """Many servers refuse the word "none"."""
    body, warnings = written(origin=origin, reasoning=Reasoning(False), quirks=Quirks(effort_none=known))
    assert body.get("reasoning_effort") == ("none" if sent else None) and warnings == []


EXTENDED = Sampling(top_k=3, min_p=0.1, repeat_penalty=1.1, temperature=0)


def test_extensions_are_for_servers_that_take_them() -> None:
    """OpenAI's own API has no top_k; vLLM and llama.cpp do, and an OpenAI client that sends one knows why."""
    all_of_them = {"top_k": 3, "min_p": 0.1, "repetition_penalty": 1.1, "temperature": 0}
    body, warnings = written(sampling=EXTENDED)
    assert body == {"messages": [], "temperature": 0} and warnings == ["top_k", "min_p", "repeat_penalty"]
    assert written(sampling=EXTENDED, quirks=Quirks(sampling_extensions=True)) == ({"messages": [], **all_of_them}, [])
    assert written(sampling=EXTENDED, origin="openai.chat") == ({"messages": [], **all_of_them}, [])


@pytest.mark.parametrize(
    ("origin", "counts", "wants", "name"),
    [
        ("ollama.chat", False, False, "max_tokens"),
        ("ollama.chat", False, True, "max_completion_tokens"),
        ("openai.responses", True, False, "max_completion_tokens"),
        ("openai.chat", False, True, "max_tokens"),
    ],
    ids=["as-usual", "the-server-wants-the-newer", "the-client-said-the-newer", "an-openai-client-is-left-alone"],
)
def test_the_limit_has_the_name_that_the_server_takes(origin: FormatName, counts: bool, wants: bool, name: str) -> None:
    """Never both."""
    quirks = Quirks(max_completion_tokens=wants)
    body, _ = written(origin=origin, sampling=Sampling(max_tokens=5, counts_reasoning=counts), quirks=quirks)
    assert {key: value for key, value in body.items() if key.startswith("max")} == {name: 5}


def test_a_strict_server_gets_no_fields_that_it_refuses() -> None:
    """`openai_fields: false`; the warning says so."""
    sampling = Sampling(seed=7)
    assert written(user="u", sampling=sampling)[0] == {"messages": [], "seed": 7, "user": "u"}
    body, warnings = written(user="u", sampling=sampling, quirks=Quirks(openai_fields=False))
    assert body == {"messages": []} and warnings == ["seed", "user"]


def test_openais_own_fields_go_to_a_server_that_takes_them() -> None:
    """From a Responses client; others are lost either way, and padding is not worth a word."""
    extras = {"metadata": {"a": "b"}, "text.verbosity": "low", "truncation": "auto", "stream_options": {"x": 1}}
    body, warnings = written(origin="openai.responses", extras=extras, quirks=Quirks(openai_fields=True))
    assert body == {"messages": [], "metadata": {"a": "b"}, "verbosity": "low"} and warnings == ["truncation"]
    body, warnings = written(origin="openai.responses", extras=extras)
    assert body == {"messages": []} and warnings == ["metadata", "text.verbosity", "truncation"]


@pytest.mark.parametrize(
    ("stream", "asked"), [(True, True), (False, False), (None, False)], ids=["stream", "whole", "unsaid"]
)
def test_a_streams_usage_is_asked_for(stream: bool | None, asked: bool) -> None:
    """Every client but OpenAI's wants it; some servers refuse to be asked."""
    assert ("stream_options" in written(stream=stream)[0]) is asked
    assert "stream_options" not in written(stream=stream, quirks=Quirks(usage_in_stream=False))[0]


@pytest.mark.parametrize(
    ("wanted", "body"),
    [
        pytest.param(ResponseFormat("text"), {"type": "text"}, id="text"),
        pytest.param(ResponseFormat("json"), {"type": "json_object"}, id="json"),
        pytest.param(
            ResponseFormat("schema", {"type": "object"}),
            {"type": "json_schema", "json_schema": {"name": "response", "schema": {"type": "object"}}},
            id="schema-without-a-name",
        ),
        pytest.param(
            ResponseFormat("schema", {}, "n", False, {"description": "d"}),
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": False, "description": "d"}},
            id="schema-in-full",
        ),
    ],
)
def test_a_response_format(wanted: ResponseFormat, body: dict[str, Any]) -> None:
    """The API demands a name."""
    assert encode_format(wanted) == body


def test_quirks_say_how_a_server_differs(translate: Any) -> None:
    """OpenAI's own models want max_completion_tokens; vLLM takes top_k; some know no effort "none"."""
    body = {"model": "m", "max_tokens": 5, "top_k": 3, "messages": [], "thinking": {"type": "disabled"}}
    quirks = Quirks(max_completion_tokens=True, sampling_extensions=True, effort_none=False)
    out = translate("/v1/messages", body, "openai", quirks=quirks)
    assert out.body == {
        "model": "m",
        "messages": [],
        "max_completion_tokens": 5,
        "top_k": 3,
        "stream": False,
    }


# ---- tools -------------------------------------------------------------------------------------------------------


def test_tools_and_their_choice() -> None:
    """What only the client's own format has is lost; a named one is an object."""
    tool = Tool("f", "d", {"type": "object"}, True, extra={"cache_control": {"type": "ephemeral"}})
    choice = ToolChoice("named", "f")
    body, warnings = written(origin="anthropic.messages", tools=(tool,), tool_choice=choice, parallel_tools=False)
    function = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
    assert body == {
        "messages": [],
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": False,
    }
    assert warnings == ["tools.cache_control"]
    assert encode_tool_choice(ToolChoice("auto")) == "auto"


@pytest.mark.parametrize("tools", [None, ()], ids=["none", "empty"])
def test_without_tools_nothing_is_said_of_them(tools: Any) -> None:
    """The API refuses a choice without tools; an OpenAI client's own request is its own affair."""
    members: dict[str, Any] = {"tools": tools, "tool_choice": ToolChoice("auto"), "parallel_tools": True}
    assert written(**members)[0] == {"messages": []}
    assert written(origin="openai.chat", **members)[0]["tool_choice"] == "auto"


def test_a_tool_of_another_kind_is_refused() -> None:
    """By its type."""
    with pytest.raises(Untranslatable, match=r"tools \(computer\)"):
        written(origin="anthropic.messages", tools=(Tool("computer", opaque={}),))


def test_members_are_split_by_their_prefix() -> None:
    """Those of the inner object lose it."""
    assert split_prefixed({"function.a": 1, "b": 2}, "function.") == ({"a": 1}, {"b": 2})


# ---- messages ----------------------------------------------------------------------------------------------------

CALLS = Message("assistant", (ToolCall("a", "f", ""), ToolCall("b", "g", "{}")))


def test_results_follow_each_other_and_pictures_follow_them() -> None:
    """Each result is a message; a picture has a place in a user's only, behind the last of them."""
    results = Message(
        "tool", (ToolResult("a", "f", (Text("1"), Image("AA", "image/png")), "parts"), ToolResult("b", "g", ()))
    )
    (_, first, second, pictures) = said(CALLS, results)
    assert first == {"role": "tool", "tool_call_id": "a", "content": "1"}
    assert second == {"role": "tool", "tool_call_id": "b", "content": ""}
    url = {"url": "data:image/png;base64,AA"}
    assert pictures == {"role": "user", "content": [{"type": "image_url", "image_url": url}]}
    assert written(CALLS, results)[1] == ["messages[1] (image in a tool result)"]


def test_calls_of_other_kinds_go_back_as_they_came() -> None:
    """In their order; for another format's client there are none."""
    custom = {"id": "c", "type": "custom", "custom": {"name": "x", "input": "y"}}
    parts = (Opaque("audio", {"type": "audio"}), Opaque("tool_calls", custom), ToolCall("a", "f", ""))
    (message,) = said(Message("assistant", parts, "parts", {"name": "n"}), origin="openai.chat")
    function = {"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
    assert message == {
        "role": "assistant",
        "content": [{"type": "audio"}],
        "tool_calls": [custom, function],
        "name": "n",
    }


def test_an_assistant_who_calls_says_null() -> None:
    """And arguments are never empty text, which servers cannot parse."""
    (message,) = said(CALLS)
    assert message["content"] is None
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == ["{}", "{}"]


@pytest.mark.parametrize(
    ("parts", "shape", "content"),
    [
        pytest.param((), "absent", "", id="nothing"),
        pytest.param((Text("a"),), "text", "a", id="a-text"),
        pytest.param((Text("a"), Text("b")), "text", "ab", id="texts"),
        pytest.param((Text("a"), Text("b")), "parts", "a\n\nb", id="parts-are-paragraphs"),
        pytest.param(
            (Text("a"), Image(url="http://x/a")),
            "parts",
            [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "http://x/a"}}],
            id="with-a-picture",
        ),
        pytest.param((Text("no", refusal=True),), "text", "no", id="a-refusal"),
    ],
)
def test_content_is_one_text_where_it_can_be(parts: Any, shape: Any, content: Any) -> None:
    """Many servers take no list of parts."""
    assert said(Message("user", parts, shape)) == [{"role": "user", "content": content}]


def test_thoughts_are_not_sent_back() -> None:
    """A turn of thoughts only is left out, as some servers refuse an empty message."""
    body, warnings = written(Message("assistant", (Thinking("hm"), Text("a"))), Message("assistant", (Thinking("hm"),)))
    assert body["messages"] == [{"role": "assistant", "content": "a"}]
    assert warnings == ["messages[0].thinking (and 1 more)"]
    native = said(Message("assistant", (Thinking("hm"), Text("a"))), origin="openai.chat")
    assert native == [{"role": "assistant", "content": "a", "reasoning_content": "hm"}]


@pytest.mark.parametrize(("known", "roles"), [(True, ["developer"]), (None, ["system"]), (False, ["system"])])
def test_developers_are_for_servers_that_know_them(known: bool | None, roles: list[str]) -> None:
    """Others refuse the role."""
    quirks = Quirks(developer_role=known)
    assert [item["role"] for item in said(Message("developer", (Text("a"),)), quirks=quirks)] == roles


@pytest.mark.parametrize(
    ("part", "field"),
    [
        pytest.param(Opaque("document", {}), "messages[0].content[0] (document)", id="a-document"),
        pytest.param(
            Opaque("document", {}, words="anthropic"), "messages[0].content[0] (document)", id="in-anthropics-words"
        ),
    ],
)
def test_a_part_of_another_kind_is_refused(part: Opaque, field: str) -> None:
    """By its place and kind; one that was put in OpenAI's words goes out."""
    with pytest.raises(Untranslatable) as refused:
        written(Message("user", (part,), "parts"), origin="anthropic.messages")
    assert refused.value.field == field
    pdf = Opaque("file", {"type": "file"}, words="openai")
    assert said(Message("user", (pdf,), "parts"), origin="anthropic.messages")[0]["content"] == [{"type": "file"}]


def test_what_only_the_clients_format_has_is_lost_with_its_place() -> None:
    """Of messages, parts and results; nulls are not worth a word."""
    message = Message("user", (Text("a", extra={"cache_control": 1}),), "parts", {"name": "n", "x": None})
    result = Message("tool", (ToolResult("a", "f", (), is_error=True, extra={"cache_control": 1}),))
    _, warnings = written(message, CALLS, result, origin="anthropic.messages")
    assert warnings == [
        "messages[0].name",
        "messages[0].content[0].cache_control",
        "messages[2].is_error",
        "messages[2].cache_control",
    ]


def test_a_server_that_wants_the_thoughts_of_calls_gets_them() -> None:
    """DeepSeek and its like refuse a call in the history without what was thought before it, and an empty thought."""
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    messages = [HI, {"role": "assistant", "content": [thought, USE]}, RESULT, ASSISTANT, RESULT]
    body = {"model": "m", "max_tokens": 9, "messages": messages}
    out = translate_request(MESSAGES, body, "openai", STAMP, quirks=Quirks(thinking_switch="thinking"))
    assert [item.get("reasoning_content") for item in out.body["messages"]] == [None, "Hm.", None, " ", None]
    assert not any("thinking" in line for line in out.warnings)
    out = translate_request(MESSAGES, body, "openai", STAMP)
    assert "reasoning_content" not in json.dumps(out.body)
    assert any("thinking was dropped" in line for line in out.warnings)
