"""Each official client at servers of each dialect whose streams end too soon, too late, or with the wrong word."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream

SERVER_PATHS = {"openai": "/v1/chat/completions", "ollama": "/api/chat", "anthropic": "/v1/messages"}
TOOL_USE = {"openai": "tool_calls", "ollama": "tool_calls", "anthropic": "tool_use"}
SHORT = Behaviour(text="One two three.")
SOON = 20.0  # seconds; promised is a part of one, and what else would end it is a deadline of 300


def events_of(upstream: FakeUpstream, asks: Any) -> list[bytes]:
    """The events of a short stream, as the server sends them."""
    body = {"model": "real-model", "max_tokens": 99, "stream": True, **asks["plain"][upstream.dialect]}
    if upstream.dialect == "ollama":
        del body["max_tokens"]
    upstream.script([SHORT])
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    answer = httpx.post(upstream.url + SERVER_PATHS[upstream.dialect], json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    end = b"\n" if upstream.dialect == "ollama" else b"\n\n"
    return [event + end for event in answer.content.split(end) if event]


def is_whole(events: list[bytes]) -> bool:
    """A finish reason is enough: some OpenAI servers leave out what comes behind it."""
    return any(b'"finish_reason":"' in event for event in events)


@pytest.mark.parametrize("way", ["breaks off", "ends"])
def test_a_stream_that_is_cut_after_any_event_is_an_error(
    way: str, client: Any, upstream: FakeUpstream, asks: Any, proxy: Any
) -> None:
    """The client raises, and never sees an answer that looks whole; the row says so too."""
    events = events_of(upstream, asks)
    assert len(events) > 3
    for kept in range(1, len(events)):
        if way == "ends" and is_whole(events[:kept]):
            break
        how = Behaviour(text=SHORT.text, cut_after=kept) if way == "breaks off" else Behaviour(events=events[:kept])
        upstream.script([how])
        model = f"{upstream.dialect}/m-{way[0]}{client.name[:2]}{kept}"  # each its own, so that no breaker opens
        refused = client.refused(lambda model=model: client.stream(model, asks["plain"][client.name]))
        assert upstream.dialect in refused.message or "ended before its reply did" in refused.message, kept
        row = proxy.row_of(client)
        assert (row["outcome"], row["attempts"][0]["outcome"]) == ("stream_error", "stream"), kept


def test_a_client_that_leaves_has_its_usage_in_the_row(
    client: Any, upstream: FakeUpstream, asks: Any, proxy: Any
) -> None:
    """What the server had said by then: Anthropic's first event, and OpenAI servers that say it in each."""
    upstream.script([Behaviour(text="One two three four five.", stall_after=5, usage_in="every")])
    client.leave(f"{upstream.dialect}/real-model", asks["plain"][client.name])
    row = proxy.row_of(client)
    assert (row["outcome"], row["status"]) == ("cancelled", 499)
    assert row["input_tokens"] == {"openai": 11, "anthropic": 11, "ollama": None}[upstream.dialect]


def test_the_answer_ends_when_the_server_has_said_so(
    client: Any, upstream: FakeUpstream, asks: Any, proxy: Any
) -> None:
    """Not when it ends the body, which this one never does: a whole answer, and an attempt that is a success."""
    upstream.script([Behaviour(text="One two three.", stall_after=9999)])
    seen = client.stream(f"{upstream.dialect}/real-model", asks["plain"][client.name])
    assert (seen.text, seen.finish) == ("One two three.", client.finishes["stop"])
    row = proxy.row_of(client)
    assert (row["outcome"], row["attempts"][0]["outcome"]) == ("ok", "ok")
    assert row["duration_ms"] < 1000 * SOON
    assert upstream.requests[-1].disconnected.wait(SOON)
    upstream.script([SHORT])  # the client's connection has come to no harm
    assert client.stream(f"{upstream.dialect}/real-model", asks["plain"][client.name]).text == "One two three."


@pytest.mark.parametrize("way", ["stream", "whole"])
def test_tool_use_without_a_call_is_no_reason(
    way: str, client: Any, upstream: FakeUpstream, asks: Any, proxy: Any
) -> None:
    """In one dialect and in two: an agent would wait for a call, and stop without a word."""
    upstream.script([Behaviour(text="One two three.", finish=TOOL_USE[upstream.dialect])])
    seen = getattr(client, way)(f"{upstream.dialect}/real-model", asks["plain"][client.name])
    if client.name == upstream.dialect == "ollama":
        assert seen.finish == "tool_calls"  # the dialect has no such reason, and no client that looks for it
    else:
        assert (seen.text, seen.finish, seen.calls) == ("One two three.", client.finishes["stop"], [])


def test_two_calls_without_id_and_index_are_two(clients: Any, upstreams: Any, proxy: Any, asks: Any) -> None:
    """For the clients of the other dialects; OpenAI's own gets the bytes as they are."""
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None}]
    for city in ("Oslo", "Rome"):
        function = {"name": "get_weather", "arguments": json.dumps({"city": city})}
        deltas.append({"tool_calls": [{"index": 0, "id": "", "type": "function", "function": function}]})
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    events = [b"data: " + json.dumps({**head, "choices": [choice]}).encode() + b"\n\n" for choice in choices]
    for name in ("ollama", "anthropic"):
        upstreams["openai"].script([Behaviour(events=[*events, b"data: [DONE]\n\n"])])
        seen = clients[name].stream("openai/real-model", asks["plain"][name])
        assert seen.calls == [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Rome"})]
        assert seen.finish == clients[name].finishes["tool_calls"]
