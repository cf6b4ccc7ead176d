"""Pings while a stream is silent: in the client's own form, between whole events, and never in a whole answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream

MESSAGES: Any = [{"role": "user", "content": "hi"}]
PING = b": ping\n\n"
SLOW = Behaviour(pieces=["a", "b"], delay=0.5)  # every event is half a second late
LATE = Behaviour(pieces=["a", "b"], latency=2.0)


@pytest.fixture(scope="module")
def upstream(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="up")


@pytest.fixture(scope="module")
def other(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="other")


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: FakeUpstream, other: FakeUpstream) -> Iterator[Any]:
    routes = f"""
keepalive: {{after: 0.1}}
servers:
  up: {{url: "{upstream.url}", dialect: openai}}
  early: {{url: "{upstream.url}/", dialect: openai, keepalive: {{before_answer: true}}}}
  mute: {{url: "{upstream.url}/", dialect: openai, keepalive: {{before_answer: true}}, timeout: {{first_byte: 1}}}}
  never: {{url: "{upstream.url}", dialect: openai, keepalive: {{after: 0}}}}
  other: {{url: "{other.url}", dialect: openai}}
aliases:
  pair: {{instances: [early/m, other/m]}}
"""
    yield start_shared(routes, {"DEFAULT_UPSTREAM": upstream.url})


def raw(proxy: Any, model: str, path: str = "/v1/chat/completions", **more: Any) -> httpx.Response:
    return proxy.post(path, {"model": model, "messages": MESSAGES, "stream": True, **more})


def without_pings(data: bytes) -> bytes:
    return data.replace(PING, b"")


def test_a_silent_stream_is_kept_alive_by_comments(proxy: Any, upstream: FakeUpstream) -> None:
    """Several between two slow events; without them the stream is the upstream's own."""
    upstream.script([SLOW, Behaviour(pieces=["a", "b"])])
    slow, quick = raw(proxy, "up/m"), raw(proxy, "never/m")
    assert slow.content.count(PING) >= 3
    assert PING not in quick.content
    events = [json.loads(e[6:])["choices"] for e in without_pings(slow.content).split(b"\n\n")[:-2] if e]
    assert events == [json.loads(e[6:])["choices"] for e in quick.content.split(b"\n\n")[:-2] if e]


def test_the_official_client_does_not_notice(proxy: Any, upstream: FakeUpstream) -> None:
    """Its stream has the chunks, and only them."""
    upstream.script([SLOW])
    chunks = proxy.openai().chat.completions.create(model="up/m", messages=MESSAGES, stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "ab"


def test_anthropic_clients_get_ping_events(proxy: Any, upstream: FakeUpstream) -> None:
    """As Anthropic's own server sends them; the official client skips them. The answer is translated."""
    upstream.script([SLOW, SLOW])
    answer = raw(proxy, "up/m", "/v1/messages", max_tokens=9)
    assert answer.content.count(b'event: ping\ndata: {"type": "ping"}\n\n') >= 3
    assert b": ping\n\n" not in answer.content.replace(b"event: ping\n", b"")
    with (
        anthropic.Anthropic(base_url=proxy.url, api_key="k", max_retries=0) as client,
        client.messages.stream(model="up/m", max_tokens=9, messages=MESSAGES) as stream,
    ):
        assert stream.get_final_text() == "ab"


def test_ollama_streams_have_no_place_for_pings(proxy: Any, upstream: FakeUpstream) -> None:
    """Every line stays JSON of the answer."""
    upstream.script([SLOW])
    lines = [json.loads(line) for line in raw(proxy, "up/m", "/api/chat").text.splitlines()]
    assert "".join(line["message"]["content"] for line in lines) == "ab"
    assert lines[-1]["done"] is True


def test_whole_answers_are_never_pinged(proxy: Any, upstream: FakeUpstream) -> None:
    """However late they are."""
    upstream.script([LATE])
    answer = proxy.chat("early/m")
    assert answer.json()["choices"][0]["message"]["content"] == "ab"


def test_nothing_is_sent_before_the_answer_unless_it_is_asked_for(proxy: Any, upstream: FakeUpstream) -> None:
    """So that a late failure still has its status."""
    upstream.script([Behaviour(latency=0.5, status=404, message="no such thing")])
    answer = raw(proxy, "up/m")
    assert (answer.status_code, answer.json()["error"]["message"]) == (404, "no such thing")


def test_pings_may_begin_before_the_answer(proxy: Any, upstream: FakeUpstream) -> None:
    """The head goes out with the first one; then comes the stream as it would have come."""
    upstream.script([LATE])
    answer = raw(proxy, "early/m")
    assert answer.content.startswith(PING * 3)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-switchman-request-id"]
    assert b'"content": "a"' in answer.content or b'"content":"a"' in answer.content
    assert answer.content.endswith(b"data: [DONE]\n\n")
    row = proxy.row_of(answer)
    assert (row["status"], row["outcome"]) == (200, "ok")


def test_another_server_is_tried_although_pings_were_sent(
    proxy: Any, upstream: FakeUpstream, other: FakeUpstream
) -> None:
    """Nothing but pings has gone out, so no text is doubled."""
    upstream.script([Behaviour(latency=2.0, status=503)])
    other.script([Behaviour(pieces=["from other"])])
    client = proxy.openai()
    chunks = client.chat.completions.create(model="pair", messages=MESSAGES, stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "from other"


def test_a_failure_after_early_pings_is_an_event_of_the_stream(proxy: Any, upstream: FakeUpstream) -> None:
    """An error status, and silence past the deadline: the official client raises what the event says."""
    for server, behaviour, words in (
        ("early", Behaviour(latency=2.0, status=404, message="no such thing"), "no such thing"),
        ("mute", Behaviour(never_answer=True), "first-byte deadline"),
    ):
        upstream.script([behaviour])
        stream = proxy.openai().chat.completions.create(model=f"{server}/m", messages=MESSAGES, stream=True)
        with pytest.raises(openai.APIError, match=words):  # the status has gone out with the first ping
            list(stream)


def test_an_answer_that_says_nothing_after_early_pings_is_an_error_that_quotes_it(
    proxy: Any, upstream: FakeUpstream
) -> None:
    """The client waits for a stream by now, so the error is an event of it, and the row says what it came to."""
    upstream.script([Behaviour(latency=2.0, body={"choices": []})])
    answer = raw(proxy, "early/m")
    (event,) = without_pings(answer.content).split(b"\n\n")[:-1]
    message = json.loads(event.removeprefix(b"data: "))["error"]["message"]
    assert 'without text, call or finish reason: "{"choices":[]}"' in message
    row = proxy.row_of(answer)
    assert (row["status"], row["outcome"], row["attempts"][0]["outcome"]) == (502, "failed", "unreadable")


def test_an_answer_in_one_piece_after_early_pings_is_told_as_a_stream(proxy: Any, upstream: FakeUpstream) -> None:
    """With its text, its reason and the last word, in events as any other."""
    body = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}
    upstream.script([Behaviour(latency=2.0, body=body)])
    stream = proxy.openai().chat.completions.create(model="early/m", messages=MESSAGES, stream=True)
    chunks = [chunk.choices[0] for chunk in stream if chunk.choices]
    assert "".join(chunk.delta.content or "" for chunk in chunks) == "hi"
    assert chunks[-1].finish_reason == "stop"
