"""Whole Responses replies: their items read, and items written as the official client reads them."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import Response

from switchman.addons.core.dialects.neutral.form import (
    Choice,
    FinishReason,
    Opaque,
    Part,
    Reply,
    Stamp,
    Text,
    Thinking,
    ToolCall,
    ToolName,
    Usage,
)
from switchman.addons.core.dialects.openai.responses_reply import (
    call_item,
    decode_reply,
    encode_reply,
    encode_usage,
    ending,
    finish_of,
    joined,
    response_id,
    tool_name,
    usage_of,
)

STAMP = Stamp("abc", 1_700_000_000.5, "asked")


@pytest.mark.parametrize(
    ("item", "parts"),
    [
        pytest.param(
            {
                "type": "message",
                "content": [
                    {"type": "output_text", "text": "a"},
                    {"type": "refusal", "refusal": "no"},
                    {"type": "x"},
                    5,
                ],
            },
            [Text("a"), Text("no", refusal=True)],
            id="message",
        ),
        pytest.param({"type": "message", "content": None}, [], id="message-without-content"),
        pytest.param(
            {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": "{}"},
            [ToolCall("c", "f", "{}")],
            id="call",
        ),
        pytest.param(
            {"type": "custom_tool_call", "call_id": "c", "name": "p", "input": "a"},
            [ToolCall("c", "p", '{"input": "a"}')],
            id="custom-call",
        ),
        pytest.param(
            {"type": "reasoning", "summary": [{"text": "a"}], "content": [{"text": "b"}]},
            [Thinking("ab")],
            id="thought",
        ),
        pytest.param({"type": "reasoning", "summary": [], "encrypted_content": "x"}, [], id="encrypted-thought"),
        pytest.param({"type": "web_search_call"}, [Opaque("web_search_call", {"type": "web_search_call"})], id="other"),
        pytest.param({}, [Opaque("None", {})], id="no-type"),
    ],
)
def test_each_kind_of_item(item: dict[str, Any], parts: list[Part]) -> None:
    """What no other format has stays as it is."""
    assert list(decode_reply({"output": [item]}).choices[0].parts) == parts


@pytest.mark.parametrize(
    "obj",
    [{}, {"output": None}, {"output": ["x"], "id": 5, "model": None, "created_at": "now", "usage": 5}],
    ids=["empty", "null", "other-types"],
)
def test_a_reply_of_another_shape_is_an_empty_one(obj: dict[str, Any]) -> None:
    """One choice, as there always is."""
    assert decode_reply(obj) == Reply("", "", (Choice(0, (), "stop"),))


@pytest.mark.parametrize(
    ("obj", "finish"),
    [
        ({"status": "completed", "incomplete_details": None}, "stop"),
        ({"incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"incomplete_details": {"reason": "other"}}, "stop"),
        ({"incomplete_details": "max_output_tokens"}, "stop"),
    ],
    ids=["completed", "length", "filter", "unknown", "a-text"],
)
def test_why_a_response_ended(obj: dict[str, Any], finish: FinishReason) -> None:
    """Calls end it as such."""
    assert finish_of(obj) == finish
    called = decode_reply({**obj, "output": [{"type": "function_call", "call_id": "c", "name": "f"}]}).choices[0].finish
    assert called == ("tool_calls" if finish == "stop" else finish)


def test_usage_has_its_details() -> None:
    """An empty one is none."""
    usage = {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 14,
    }
    assert usage_of(usage) == Usage(9, 5, 4, 1, 2, 14)
    assert usage_of({}) is None and usage_of({"input_tokens": "9"}) == Usage()
    assert encode_usage(usage_of(usage)) == usage


# ---- back to the wire --------------------------------------------------------------------------------------------


def written(*parts: Part, stamp: Stamp = STAMP, finish: FinishReason | None = "stop", **reply: Any) -> dict[str, Any]:
    obj = encode_reply(Reply("", "", (Choice(0, parts, finish),), **reply), stamp)
    Response.model_validate(obj)
    return obj


def test_an_answer_has_an_item_for_each_kind() -> None:
    """Thoughts first, in one; texts in one message; a call each. The thought's id says that nobody signed it."""
    obj = written(Text("a"), Thinking("h"), ToolCall("c", "f", ""), Text("b"), Thinking("m"), Text("no", refusal=True))
    thought, message, call = obj["output"]
    assert thought == {
        "id": "rs_unsigned_abc",
        "type": "reasoning",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "hm"}],
    }
    assert [part.get("text", part.get("refusal")) for part in message["content"]] == ["ab", "no"]
    assert call == {
        "id": "fc_abc_0",
        "type": "function_call",
        "status": "completed",
        "call_id": "c",
        "name": "f",
        "arguments": "{}",
    }
    assert (obj["status"], obj["id"], obj["model"], obj["created_at"]) == (
        "completed",
        "resp_abc",
        "asked",
        1_700_000_000,
    )


def test_an_empty_answer_is_an_empty_message() -> None:
    """But calls alone need none."""
    (message,) = written()["output"]
    assert (message["type"], message["content"]) == ("message", [])
    assert encode_reply(Reply("", "", ()), STAMP)["output"] == [message]
    assert [item["type"] for item in written(ToolCall("c", "f", "{}"))["output"]] == ["function_call"]


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("stop_sequence", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_an_answer_that_was_cut_off_is_incomplete(reason: FinishReason, status: str, details: Any) -> None:
    """With the reason."""
    assert ending(reason) == {"status": status, "incomplete_details": details}
    assert written(Text("a"), finish=reason)["status"] == status


def test_settings_of_the_request_are_repeated() -> None:
    """Over the defaults that every response has."""
    settings = {"temperature": 0.5, "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": False}]}
    obj = written(Text("a"), stamp=Stamp("abc", 0.0, "m", settings=settings))
    assert (obj["temperature"], obj["tools"], obj["top_p"]) == (0.5, settings["tools"], None)


@pytest.mark.parametrize(
    ("id", "expected"),
    [("resp_1", "resp_1"), ("chatcmpl-1", "resp_abc"), ("", "resp_abc")],
    ids=["own", "chat", "none"],
)
def test_a_response_is_told_by_its_prefix(id: str, expected: str) -> None:
    """Another format's id would not be known as one."""
    assert response_id(id, STAMP) == expected


def test_a_call_has_the_clients_name_for_its_tool() -> None:
    """Namespace apart, a custom tool's text as such; ids that were taken before are replaced."""
    tools = {"ns__f": ToolName("f", "ns"), "p": ToolName("p", custom=True)}
    stamp = Stamp("abc", 0.0, "m", tools=tools, taken=frozenset({"c"}))
    function, custom = written(ToolCall("c", "ns__f", "{}"), ToolCall("d", "p", '{"input":"a"}'), stamp=stamp)["output"]
    assert (function["name"], function["namespace"], function["call_id"]) == ("f", "ns", "call_abc_0_0")
    assert (custom["type"], custom["input"], custom["call_id"]) == ("custom_tool_call", "a", "d")
    assert "arguments" not in custom and "namespace" not in custom
    assert tool_name("other", stamp) == ToolName("other")


def test_a_call_under_way_has_no_arguments_yet() -> None:
    """An empty object would be put before what is still to come."""
    assert call_item("i", "c", ToolName("f"), "", "in_progress")["arguments"] == ""
    assert call_item("i", "c", ToolName("f"), "")["arguments"] == "{}"


def test_neighbouring_texts_of_a_kind_are_one() -> None:
    """A refusal between them keeps them apart."""
    no = Text("no", refusal=True)
    assert joined([Text("a"), Text("b"), no, no, Text("c")]) == [Text("ab"), Text("nono", refusal=True), Text("c")]
    assert joined([]) == []


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        pytest.param(None, None, id="none"),
        pytest.param(Usage(total=5), None, id="no-count-of-either"),
        pytest.param(Usage(3), (3, 0, 3), id="input-only"),
        pytest.param(Usage(3, 4), (3, 4, 7), id="added-up"),
        pytest.param(Usage(3, 4, total=9), (3, 4, 9), id="the-servers-total"),
    ],
)
def test_the_format_demands_every_count(usage: Usage | None, counts: Any) -> None:
    """0 stands for what nobody counted; null for no usage at all."""
    body = encode_usage(usage)
    found = body and (body["input_tokens"], body["output_tokens"], body["total_tokens"])
    assert found == counts
    written(Text("a"), usage=usage)
