"""Pings, and whole answers told within a stream that has begun with them."""

import json
from dataclasses import replace

import pytest
from mitmproxy import http

from switchman.addons.core.call import Endpoint
from switchman.addons.exchange import Exchange
from switchman.addons.keepalive import as_events, ping_of
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


def test_a_whole_answer_is_an_error_that_says_so() -> None:
    """A client that reads events would not understand it."""
    answer = http.Response.make(200, b"{}", {"content-type": "application/json"})
    assert b"in one piece" in as_events(asking(OPENAI), answer)
