"""Pings, and whole answers told within a stream that has begun with them."""

import json
from dataclasses import replace

import pytest
from mitmproxy import http

from switchman.addons.core.request.call import Endpoint
from switchman.addons.flow.exchange import Exchange
from switchman.addons.proxy.keepalive import as_events, ping_of
from switchman.addons.testing import make_call

OPENAI = Endpoint("openai", "chat", "/v1/chat/completions")
ANTHROPIC = Endpoint("anthropic", "chat", "/v1/messages")
OLLAMA = Endpoint("ollama", "chat", "/api/chat")


def asking(endpoint: Endpoint, stream: bool = True) -> Exchange:
    call = replace(make_call(), endpoint=endpoint, stream=stream)
    return Exchange(id="x", started_at=0.0, started=0.0, client="127.0.0.1", dialect=endpoint.dialect, call=call)


def test_each_dialect_has_its_own_ping() -> None:
    """Ollama's lines have none."""
    assert ping_of(asking(OPENAI)) == b": ping\n\n"
    assert ping_of(asking(ANTHROPIC)).startswith(b"event: ping\n")
    assert ping_of(asking(OLLAMA)) == b""


@pytest.mark.parametrize(
    "x", [asking(OPENAI, stream=False), asking(Endpoint("openai", "speech", "/v1/audio/speech")), asking(OLLAMA)]
)
def test_who_waits_for_no_event_stream_is_not_pinged(x: Exchange) -> None:
    """Whole answers, sound, lines."""
    assert ping_of(x) == b""


def test_a_request_that_is_no_call_is_not_pinged() -> None:
    """Nobody knows what it waits for."""
    assert ping_of(Exchange(id="x", started_at=0.0, started=0.0, client="")) == b""


def test_an_error_becomes_an_event_of_the_clients_stream() -> None:
    """With the message that the client would have got."""
    body = json.dumps({"error": {"message": "no such model", "type": "invalid_request_error"}}).encode()
    answer = http.Response.make(404, body, {"content-type": "application/json"})
    event = as_events(asking(OPENAI), answer)
    assert json.loads(event.removeprefix(b"data: "))["error"]["message"] == "no such model"
    assert as_events(asking(ANTHROPIC), answer).startswith(b"event: error\n")


def test_a_stream_in_one_piece_goes_as_it_is() -> None:
    """As the translation of a whole answer makes it."""
    answer = http.Response.make(200, b"data: [DONE]\n\n", {"content-type": "text/event-stream"})
    assert as_events(asking(OPENAI), answer) == b"data: [DONE]\n\n"


def test_a_whole_answer_is_told_as_a_stream() -> None:
    """Comments of a server that then failed began the stream, and the next one does not stream."""
    message = {"role": "assistant", "content": "Four."}
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    reply = {"id": "c1", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    answer = http.Response.make(200, json.dumps(reply | {"usage": usage}), {"content-type": "application/json"})
    events = as_events(asking(OPENAI), answer).decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    assert all(chunk["object"] == "chat.completion.chunk" for chunk in chunks)
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == "Four."
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"

    said = {"id": "m1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
    said |= {"content": [{"type": "text", "text": "Four."}], "usage": {"input_tokens": 3, "output_tokens": 1}}
    answer = http.Response.make(200, json.dumps(said), {"content-type": "application/json"})
    stream = as_events(asking(ANTHROPIC), answer).decode()
    assert stream.startswith("event: message_start\n") and stream.rstrip().endswith('{"type":"message_stop"}')


@pytest.mark.parametrize("body", [b"{}", b"[]", b"<html>", b'{"error": {"message": "no"}}', b"[" * 100_000])
def test_what_is_no_answer_is_an_error_that_says_so(body: bytes) -> None:
    """A client that reads events would not understand it."""
    answer = http.Response.make(200, body, {"content-type": "application/json"})
    assert b"in one piece" in as_events(asking(OPENAI), answer)
