"""The usage that a reply tells, streamed and whole, by ReplyCollector."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from switchman.addons.core.access.prices.price import Usage
from switchman.addons.core.streams.framing.ndjson import NDJSONSplitter
from switchman.addons.core.streams.reply import ReplyCollector


def collect(*datas: Any) -> ReplyCollector:
    """A collector that got one event after the other."""
    reply = ReplyCollector()
    for data in datas:
        text = data if isinstance(data, str) else json.dumps(data)
        for event in NDJSONSplitter().feed(text.encode() + b"\n"):
            reply.feed(event, 1.0)
    return reply


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": None, **more}


def test_usage_is_the_least_until_the_reply_has_ended() -> None:
    """A client that leaves has taken what was told by then, and perhaps more."""
    begun = {"input_tokens": 10, "cache_read_input_tokens": 3, "cache_creation": {"ephemeral_1h_input_tokens": 2},
             "cache_creation_input_tokens": 2, "output_tokens": 1, "service_tier": "standard"}  # fmt: skip
    events: list[Any] = [
        {"type": "message_start", "message": {"model": "claude", "content": [], "usage": begun}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 30}},
        {"type": "message_stop"},
    ]
    parts = Usage(input=10, cached=3, cache_write_1h=2, output=1, partial=True)
    assert [collect(*events[:count]).usage for count in (1, 2)] == [parts, parts]
    assert collect(*events).usage == replace(parts, output=30, partial=False)
    whole = ReplyCollector()
    whole.feed_whole(
        {"type": "message", "content": [], "stop_reason": "end_turn", "usage": {**begun, "output_tokens": 30}}
    )
    assert whole.usage == collect(*events).usage
    assert collect(chunk({"content": "a"}), chunk({}, "stop"), "[DONE]").usage is None


def test_a_service_tier_beside_the_usage() -> None:
    """OpenAI says it with each event; that of the last one counts."""
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    told = [
        chunk({"content": "a"}, service_tier="auto"), chunk({}, "stop", service_tier="flex"),
        {"choices": [], "usage": usage, "service_tier": "flex"},
    ]  # fmt: skip
    assert collect(*told, "[DONE]").usage == Usage(input=1, output=2, service="flex")
    whole = ReplyCollector()
    whole.feed_whole({"choices": [], "usage": usage, "service_tier": "flex"})
    assert whole.usage == Usage(input=1, output=2, service="flex")


def test_a_service_tier_that_the_last_event_leaves_out() -> None:
    """It was told before: a dearer service is not charged as the usual one."""
    told = [chunk({"content": "a"}, service_tier="priority"), chunk({}, "stop")]
    last = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    assert collect(*told, last, "[DONE]").usage == Usage(input=1, output=2, service="priority")
    assert collect(*told, "[DONE]").usage is None


@pytest.mark.parametrize(
    ("name", "searches", "tools"),
    [
        ("code_execution", 0, (("code_execution", 1),)),
        ("bash_code_execution", 0, (("code_execution", 1),)),
        ("text_editor_code_execution", 0, (("code_execution", 1),)),
        ("bash_code_execution", 2, (("web_search", 2),)),  # beside a search it costs nothing
        ("tool_search_tool_regex", 0, ()),
        ("web_search", 2, (("web_search", 2),)),
    ],
)
def test_a_container_of_anthropics_is_used(name: str, searches: int, tools: Any) -> None:
    """Its time is charged, and the usage does not tell it; streamed it comes after the first token."""
    block = {"type": "server_tool_use", "id": "srvtoolu_1", "name": name, "input": {}}
    text = {"type": "text", "text": "Hello"}
    usage = {"input_tokens": 3, "cache_read_input_tokens": 0, "output_tokens": 4,
             "server_tool_use": {"web_search_requests": searches, "web_fetch_requests": 0}}  # fmt: skip
    reply = collect(
        {
            "type": "message_start",
            "message": {"model": "claude", "content": [], "usage": {**usage, "output_tokens": 1}},
        },
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "content_block_start", "index": 1, "content_block": block},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage},
        {"type": "message_stop"},
    )
    assert reply.usage == Usage(input=3, output=4, tools=tools)
    whole = ReplyCollector()
    whole.feed_whole({"type": "message", "content": [text, block], "stop_reason": "end_turn", "usage": usage})
    assert whole.usage == reply.usage
    assert (whole.tool_calls, reply.tool_calls) == (0, 0)


def test_uses_of_the_providers_tools_are_counted_once() -> None:
    """Each is told twice in a stream of Responses, as it is done and at the end."""
    item = {"type": "web_search_call", "id": "ws_1", "action": {"type": "search"}}
    usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    response = {"object": "response", "status": "completed", "output": [item, {**item, "id": "ws_2"}], "usage": usage}
    reply = collect(
        {"type": "response.output_item.done", "item": item}, {"type": "response.completed", "response": response}
    )
    assert reply.usage == Usage(input=3, output=4, tools=(("web_search", 2),))
    assert reply.tool_calls == 0


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        ({"data": [{"b64_json": "aGk="}, {"url": "http://x"}]}, Usage(images=2)),
        (
            {"data": [{"b64_json": "aGk="}], "usage": {"input_tokens": 1, "output_tokens": 9}},
            Usage(input=1, image_out=9),
        ),
        ({"data": [{"embedding": [1]}], "usage": {"prompt_tokens": 5, "total_tokens": 5}}, Usage(input=5)),
        ({"data": [{"embedding": [1]}]}, None),
        ({"model": "m", "embeddings": [[1]], "total_duration": 5, "prompt_eval_count": 8}, Usage(input=8)),
        ({"model": "m", "embeddings": [[1]]}, None),
        ({"text": "Hello", "usage": {"type": "duration", "seconds": 3}}, Usage(audio_ms=3000)),
    ],
)  # fmt: skip
def test_replies_that_are_no_text(body: dict[str, Any], usage: Usage | None) -> None:
    """Pictures are counted where their tokens are not."""
    reply = ReplyCollector()
    reply.feed_whole(body)
    assert reply.usage == usage


def test_streams_of_pictures_and_of_what_was_heard() -> None:
    """The last event has the usage, and the picture."""
    usage = {"input_tokens": 50, "input_tokens_details": {"text_tokens": 10, "image_tokens": 40}, "output_tokens": 4160}
    reply = collect(
        {"type": "image_generation.partial_image", "partial_image_index": 0, "b64_json": "aGk="},
        {"type": "image_generation.completed", "b64_json": "aGk=", "usage": usage},
    )
    assert reply.usage == Usage(input=10, image_in=40, image_out=4160)
    heard = {"type": "transcript.text.done", "text": "Hello", "usage": {"input_tokens": 9, "output_tokens": 2,
             "input_token_details": {"audio_tokens": 9}}}  # fmt: skip
    assert collect({"type": "transcript.text.delta", "delta": "Hello"}, heard).usage == Usage(audio_in=9, output=2)


def test_counts_that_cannot_be_true_are_not_taken() -> None:
    """So that no sum of them overflows a database."""
    reply = ReplyCollector()
    reply.feed_whole({"usage": {"prompt_tokens": 10**30, "completion_tokens": -5}})
    assert (reply.input_tokens, reply.output_tokens, reply.usage) == (None, None, None)


def test_thoughts_in_the_total_only_are_output() -> None:
    """Gemini's, through its OpenAI-compatible API."""
    reply = ReplyCollector()
    reply.feed_whole({"usage": {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623}})
    assert (reply.input_tokens, reply.output_tokens, reply.reasoning_tokens) == (20, 603, 405)
