"""Responses streams: each event read, and items written one after the other, each with its beginning and end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.dialects.neutral.assembling import assemble
from switchman.addons.core.dialects.neutral.form import (
    End,
    Failed,
    Finish,
    Stamp,
    Start,
    StreamEvent,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolDelta,
    ToolName,
    Usage,
    UsageSeen,
)
from switchman.addons.core.dialects.openai.responses_reply import encode_reply
from switchman.addons.core.dialects.openai.responses_stream import ResponsesDecoder, ResponsesEncoder
from switchman.addons.testing import every_split

STAMP = Stamp("abc", 1_700_000_000.0, "asked")
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}


# ---- read --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "events"),
    [
        pytest.param(
            {"type": "response.created", "response": {"id": "resp_1", "model": "m", "created_at": 5}},
            [Start("resp_1", "m", 5)],
            id="created",
        ),
        pytest.param({"type": "response.created"}, [Start("", "")], id="created-empty"),
        pytest.param({"type": "response.in_progress"}, [], id="in-progress"),
        pytest.param({"type": "response.output_text.delta", "delta": "a"}, [TextDelta(0, "a")], id="text"),
        pytest.param({"type": "response.output_text.delta", "delta": 5}, [TextDelta(0, "")], id="text-a-number"),
        pytest.param({"type": "response.output_text.done", "text": "a"}, [], id="text-done"),
        pytest.param(
            {"type": "response.refusal.delta", "delta": "no"}, [TextDelta(0, "no", refusal=True)], id="refusal"
        ),
        pytest.param({"type": "response.reasoning_text.delta", "delta": "hm"}, [ThinkingDelta(0, "hm")], id="thought"),
        pytest.param(
            {"type": "response.reasoning_summary_text.delta", "delta": "hm"}, [ThinkingDelta(0, "hm")], id="summary"
        ),
        pytest.param(
            {"type": "response.output_item.added", "output_index": 3, "item": CALL},
            [ToolDelta(0, 0, "c", "f", "")],
            id="call",
        ),
        pytest.param({"type": "response.output_item.added", "item": {"type": "message"}}, [], id="message"),
        pytest.param({"type": "response.output_item.added", "item": {"type": "reasoning"}}, [], id="reasoning"),
        pytest.param({"type": "response.output_item.added"}, [], id="item-missing"),
        pytest.param({"type": "response.function_call_arguments.delta", "delta": "{"}, [], id="piece-of-no-call"),
        pytest.param(
            {"type": "response.completed", "response": {"usage": {"input_tokens": 1}}},
            [UsageSeen(Usage(1)), Finish(0, "stop"), End()],
            id="completed",
        ),
        pytest.param(
            {"type": "response.incomplete", "response": {"incomplete_details": {"reason": "max_output_tokens"}}},
            [Finish(0, "length"), End()],
            id="incomplete",
        ),
        pytest.param(
            {"type": "error", "code": "rate_limit_exceeded", "message": "slow"},
            [Failed("slow", None, "rate_limit_exceeded", 429)],
            id="error",
        ),
        pytest.param(
            {"type": "response.failed", "response": {"error": {"code": "server_error", "message": "no"}}},
            [Failed("no", None, "server_error")],
            id="failed",
        ),
        pytest.param({"type": "response.failed"}, [Failed("the upstream failed")], id="failed-without-a-word"),
        pytest.param({"error": {"message": "no"}}, [Failed("no")], id="an-error-without-a-type"),
        pytest.param({"type": "response.new_thing", "error": {"message": "x"}}, [], id="unknown"),
        pytest.param({}, [], id="empty"),
        pytest.param({"type": 5, "response": []}, [], id="other-types"),
    ],
)
def test_each_kind_of_event(data: dict[str, Any], events: list[StreamEvent]) -> None:
    """What is said again at its end is passed over."""
    assert ResponsesDecoder().feed(data) == events


def test_pieces_belong_to_the_call_at_their_place() -> None:
    """Calls are numbered among themselves, whatever stands between them."""
    decoder = ResponsesDecoder()
    added = {"type": "response.output_item.added"}
    piece = {"type": "response.function_call_arguments.delta"}
    events = [
        {**added, "output_index": 1, "item": CALL},
        {**added, "output_index": 4, "item": {**CALL, "call_id": "d", "name": "g"}},
        {**piece, "output_index": 4, "delta": "["},
        {**piece, "output_index": 1, "delta": "{"},
        {**piece, "output_index": 2, "delta": "lost"},
    ]
    assert [item for event in events for item in decoder.feed(event)] == [
        ToolDelta(0, 0, "c", "f", ""),
        ToolDelta(0, 1, "d", "g", ""),
        ToolDelta(0, 1, "", "", "["),
        ToolDelta(0, 0, "", "", "{"),
    ]


def test_a_custom_tools_text_becomes_the_arguments_of_a_function() -> None:
    """Piece by piece; a text that its end says for the first time counts too."""
    item = {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": ""}
    text = 'a "quoted"\n\\line é'
    added = {"type": "response.output_item.added", "output_index": 1, "item": item}
    pieces = [
        {"type": "response.custom_tool_call_input.delta", "output_index": 1, "delta": text[:9]},
        {"type": "response.custom_tool_call_input.delta", "output_index": 1, "delta": text[9:]},
    ]
    done = {"type": "response.custom_tool_call_input.done", "output_index": 1, "input": text}
    last = {"type": "response.output_item.done", "output_index": 1, "item": {**item, "input": text}}
    for events in ([added, *pieces, done, last], [added, *pieces, last], [added, done, last], [added, last]):
        decoder = ResponsesDecoder()
        found = [event for data in events for event in decoder.feed(data)]
        assert found[0] == ToolDelta(0, 0, "c", "patch", "")
        arguments = "".join(event.arguments for event in found if isinstance(event, ToolDelta))
        assert json.loads(arguments) == {"input": text}


def test_a_name_that_only_the_end_of_a_call_says() -> None:
    """Nothing goes out before it; arguments that were streamed are not said twice."""
    decoder = ResponsesDecoder()
    item = {"type": "function_call", "call_id": "c", "name": ""}
    assert decoder.feed({"type": "response.output_item.added", "item": item}) == []
    assert decoder.feed({"type": "response.function_call_arguments.delta", "delta": '{"a":1}'}) == []
    done = {"type": "response.function_call_arguments.done", "name": "f", "arguments": '{"a":1}'}
    assert decoder.feed(done) == [ToolDelta(0, 0, "c", "f", '{"a":1}')]
    assert decoder.feed({"type": "response.output_item.done", "item": {**item, "name": "f"}}) == []


# ---- written -----------------------------------------------------------------------------------------------------


def encoded(events: list[StreamEvent], stamp: Stamp = STAMP) -> bytes:
    encoder = ResponsesEncoder(stamp)
    return b"".join(encoder.feed(event) for event in events) + encoder.end()


def events_of(data: bytes) -> list[dict[str, Any]]:
    """The events; each is named by its type, and they are numbered without a gap."""
    found = []
    for number, event in enumerate(data.split(b"\n\n")[:-1]):
        name, _, body = event.partition(b"\ndata: ")
        obj = json.loads(body)
        assert (name, obj["sequence_number"]) == (b"event: " + obj["type"].encode(), number)
        found.append(obj)
    return found


EVENTS: list[StreamEvent] = [
    Start("resp_1", "gpt", 5.9),
    ThinkingDelta(0, "Hm 😀"),
    TextDelta(0, "Grü"),
    TextDelta(0, "ezi\n"),
    ToolDelta(0, 0, "c", "f", '{"a":'),
    ToolDelta(0, 1, "", "g", ""),
    ToolDelta(0, 0, "", "", "1}"),
    Finish(0, "tool_calls"),
    UsageSeen(Usage(1, 2)),
    End(),
]


def test_items_begin_and_end_one_after_the_other() -> None:
    """A thought or message is closed when something else begins; calls stay open till the end."""
    told = [
        (event["type"].removeprefix("response."), event.get("output_index")) for event in events_of(encoded(EVENTS))
    ]
    assert told == [
        ("created", None),
        ("in_progress", None),
        ("output_item.added", 0),
        ("content_part.added", 0),
        ("reasoning_text.delta", 0),
        ("reasoning_text.done", 0),
        ("content_part.done", 0),
        ("output_item.done", 0),
        ("output_item.added", 1),
        ("content_part.added", 1),
        ("output_text.delta", 1),
        ("output_text.delta", 1),
        ("output_text.done", 1),
        ("content_part.done", 1),
        ("output_item.done", 1),
        ("output_item.added", 2),
        ("function_call_arguments.delta", 2),
        ("output_item.added", 3),
        ("function_call_arguments.delta", 2),
        ("function_call_arguments.done", 2),
        ("output_item.done", 2),
        ("function_call_arguments.done", 3),
        ("output_item.done", 3),
        ("completed", None),
    ]


def test_the_end_has_the_whole_reply() -> None:
    """The items as they were told, which is what the whole reply has, but for their ids."""
    *_, last = events_of(encoded(EVENTS))
    response = last["response"]
    done = [event["item"] for event in events_of(encoded(EVENTS)) if event["type"] == "response.output_item.done"]
    assert response["output"] == done
    whole = encode_reply(assemble(EVENTS), STAMP)
    for obj in (response, whole):
        obj["output"] = [{key: value for key, value in item.items() if key != "id"} for item in obj["output"]]
    assert response == whole


def test_any_cut_of_the_stream_is_the_same_stream(decode: Any) -> None:
    """Read again it says the same."""
    short: list[StreamEvent] = [Start("resp_1", "m"), TextDelta(0, "é😀"), Finish(0, "length"), End()]
    data = encoded(short)
    whole = decode("openai.responses", [data])
    assert whole == [Start("resp_1", "m", 1_700_000_000), TextDelta(0, "é😀"), Finish(0, "length"), End()]
    for pieces in every_split(data):
        assert decode("openai.responses", pieces) == whole


def test_what_it_writes_it_reads(decode: Any) -> None:
    """Thoughts, text, calls mixed in pieces, usage."""
    reply = assemble(decode("openai.responses", [encoded(EVENTS)]))
    (choice,) = reply.choices
    assert choice.parts == (
        Thinking("Hm 😀"),
        Text("Grüezi\n"),
        ToolCall("c", "f", '{"a":1}'),
        ToolCall("call_abc_0_1", "g", "{}"),
    )
    assert (reply.id, reply.usage) == ("resp_1", Usage(1, 2, 0, 0, 0, 3))


def test_a_refusal_is_an_item_of_its_own_kind() -> None:
    """Text around it is not mixed with it."""
    told = events_of(encoded([TextDelta(0, "a"), TextDelta(0, "no", refusal=True), Finish(0, "stop"), End()]))
    contents = [item["content"] for item in told[-1]["response"]["output"]]
    assert [part["type"] for (part,) in contents] == ["output_text", "refusal"]
    assert any(event["type"] == "response.refusal.done" and event["refusal"] == "no" for event in told)


def test_a_custom_tools_text_comes_when_it_is_whole() -> None:
    """It is within JSON till then; the name is the client's own, with its namespace."""
    stamp = Stamp("abc", 0.0, "m", tools={"ns__p": ToolName("p", "ns", custom=True)})
    events: list[StreamEvent] = [
        ToolDelta(0, 0, "c", "ns__p", '{"input":'),
        ToolDelta(0, 0, "", "", '"a"}'),
        Finish(0, "stop"),
        End(),
    ]
    told = [
        event for event in events_of(encoded(events, stamp)) if event["type"].startswith("response.custom_tool_call")
    ]
    assert [(event["type"].rpartition(".")[2], event.get("delta", event.get("input"))) for event in told] == [
        ("delta", "a"),
        ("done", "a"),
    ]
    item = events_of(encoded(events, stamp))[-1]["response"]["output"][0]
    assert (item["type"], item["name"], item["namespace"], item["input"]) == ("custom_tool_call", "p", "ns", "a")


def test_an_empty_answer_has_no_items() -> None:
    """Thoughts without text are none; the end still comes."""
    told = events_of(
        encoded([Start("", ""), ThinkingDelta(0, "", signature="s"), TextDelta(0, ""), Finish(0, "stop"), End()])
    )
    assert [event["type"] for event in told] == ["response.created", "response.in_progress", "response.completed"]
    assert told[-1]["response"]["output"] == [] and told[-1]["response"]["id"] == "resp_abc"


@pytest.mark.parametrize("begun", [True, False], ids=["after-text", "at-once"])
def test_a_failure_is_told_twice(begun: bool) -> None:
    """As the error event and as the failed response, both with the code; no completed one follows."""
    before: list[StreamEvent] = [Start("resp_1", "m"), TextDelta(0, "a")] if begun else []
    *_, error, failed = events_of(encoded([*before, Failed("no", "overloaded_error", None, 529), End()]))
    assert (error["type"], error["code"], error["message"]) == ("error", "overloaded_error", "no")
    assert error["error"]["type"] == "overloaded_error"
    response = failed["response"]
    assert (failed["type"], response["status"]) == ("response.failed", "failed")
    assert response["error"] == {"code": "overloaded_error", "message": "no"}
    assert response["id"] == ("resp_1" if begun else "resp_abc")
