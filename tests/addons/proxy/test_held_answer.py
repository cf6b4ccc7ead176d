"""Is it an answer? Asked of the beginning of a stream, of a whole answer, and of an error that is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mitmproxy import http

from switchman.addons.core.decision.verdicts.held import MAX_ERROR
from switchman.addons.core.request.call import Endpoint
from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.core.streams.pipe import Pipe
from switchman.addons.core.streams.reply import ReplyCollector
from switchman.addons.flow.exchange import Attempt, Exchange
from switchman.addons.proxy import held_answer
from switchman.addons.proxy.held_answer import HeldError, HeldStream, is_all_said, oversized_failure, whole_failure
from switchman.addons.testing import make_call

HEAD = http.Response.make(200, b"", {"content-type": "text/event-stream"})
RETRY = frozenset({500, 503})
FIRST = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
BUSY: dict[str, Any] = {"error": {"message": "busy", "code": 503}}
WRONG: dict[str, Any] = {"error": {"message": "wrong", "type": "invalid_request_error"}}
OLLAMA = Endpoint("ollama", "chat", "/api/chat")
SPEECH = Endpoint("openai", "speech", "/v1/audio/speech")


def event(obj: Any) -> bytes:
    return b"data: %s\n\n" % json.dumps(obj).encode()


def exchange_of(retry: frozenset[int] = RETRY, framing: Any = "sse", **call: Any) -> Exchange:
    """A streamed request whose attempt has brought a head; `retry`: statuses for which another server is asked."""
    x = Exchange("x", 0.0, 0.0, "", call=make_call(stream=True, **call))
    server = Server("s", parse("http://s"))
    x.attempts.append(Attempt(1, Candidate(server, "m"), "s/m", "", 0.0, 0.0, status=200, retry_statuses=retry))
    x.reply = ReplyCollector()
    x.pipe = Pipe(framing, [], x.reply, 1000, lambda error, what: pytest.fail(repr(error)), lambda: 0.0)
    return x


def test_the_first_event_begins_the_answer() -> None:
    """What is half an event does not."""
    stream = HeldStream(exchange_of(), HEAD)
    held = stream.feed(FIRST[:9])
    assert (held.begins, held.chunks, held.failure) == (False, [], None)
    held = stream.feed(FIRST[9:])
    assert (held.begins, held.chunks, held.failure) == (True, [FIRST], None)


def test_comments_are_sent_on_and_waited_behind() -> None:
    """To a client that knows pings; for another they begin its answer."""
    held = HeldStream(exchange_of(), HEAD).feed(b": hello\n\n")
    assert (held.begins, held.chunks) == (False, [b": hello\n\n"])
    held = HeldStream(exchange_of(endpoint=OLLAMA), HEAD).feed(b": hello\n\n")
    assert (held.begins, held.chunks) == (True, [b": hello\n\n"])


def test_an_error_in_the_place_of_the_first_event_is_a_failure() -> None:
    """Where its status is one for which another server is asked; else it is the answer."""
    failure = HeldStream(exchange_of(), HEAD).feed(event(BUSY)).failure
    assert failure is not None and failure.failed is not None
    assert (failure.kind, failure.response, failure.failed.status) == ("error", HEAD, 503)
    assert failure.message == "status 200 with an error for an answer: busy"
    for retry, error in ((RETRY, WRONG), (frozenset(), BUSY)):
        held = HeldStream(exchange_of(retry), HEAD).feed(event(error))
        assert (held.begins, held.chunks, held.failure) == (True, [event(error)], None)


def test_a_stream_that_ends_before_it_begins_is_a_failure() -> None:
    """Whoever else can be asked."""
    for retry in (RETRY, frozenset[int]()):
        failure = HeldStream(exchange_of(retry), HEAD).feed(b"").failure
        assert failure is not None
        assert (failure.kind, failure.message) == ("reset", "the server's stream ended before its first event")


def test_an_error_answer_is_kept_until_its_end() -> None:
    """Its body comes with the failure."""
    head = http.Response.make(503)
    error = HeldError(head)
    assert [error.feed(piece).failure for piece in (b"bu", b"sy")] == [None, None]
    failure = error.feed(b"").failure
    assert failure is not None
    assert (failure.kind, failure.message, failure.response) == ("status", "status 503", head)
    assert head.content == b"busy"


def test_an_error_answer_is_kept_up_to_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A larger one is a failure without a body."""
    monkeypatch.setattr(held_answer, "MAX_HELD", 4)
    error = HeldError(http.Response.make(503))
    assert error.feed(b"1234").failure is None
    failure = error.feed(b"5").failure
    assert failure is not None
    assert (failure.message, failure.response) == ("status 503 with an endless body", None)


def test_a_whole_answer_may_be_an_error_with_a_good_status() -> None:
    """A failure, where another server is asked for it; else the error is noted."""
    x, head = exchange_of(), http.Response.make(200)
    failure = whole_failure(x, head, json.dumps(BUSY).encode())
    assert failure is not None and failure.failed is not None
    assert (failure.kind, failure.failed.status, failure.response, x.failed) == ("error", 503, head, None)
    assert whole_failure(x, head, json.dumps(WRONG).encode()) is None
    assert x.failed is not None and x.failed.status == 400
    x = exchange_of(frozenset())
    assert whole_failure(x, head, json.dumps(BUSY).encode()) is None
    assert x.failed is not None and x.failed.status == 503


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"choices":[{"text":"a"}],"error":{"message":"busy","code":503}}'),
        (200, b'{"choices":[{"text":"\\"error\\""}]}'),
        (200, b'{"done":true,"text":"error"}'),
        (404, json.dumps(BUSY).encode()),
        (200, json.dumps({**BUSY, "x": "x" * MAX_ERROR}).encode()),
    ],
)
def test_what_is_an_answer_is_no_failure(status: int, body: bytes) -> None:
    """One beside an error is one; an error status speaks for itself; in a large body no error is looked for."""
    x = exchange_of()
    assert whole_failure(x, http.Response.make(status), body) is None and x.failed is None


def test_an_empty_answer_is_a_failure_where_text_was_asked_for() -> None:
    """Whoever else can be asked, where its status was good."""
    head = http.Response.make(200)
    for retry in (RETRY, frozenset[int]()):
        failure = whole_failure(exchange_of(retry), head, b"")
        assert failure is not None and (failure.kind, failure.message) == ("reset", "the server's answer is empty")
    assert whole_failure(exchange_of(), http.Response.make(304), b"") is None
    assert whole_failure(exchange_of(endpoint=SPEECH), head, b"") is None


def test_a_client_that_was_pinged_must_be_answered_whole() -> None:
    """Nobody else, unless its answer is translated (test_stream.py)."""
    x = exchange_of()
    assert oversized_failure(x) is oversized_failure(None) is None
    x.pinged = True
    failure = oversized_failure(x)
    assert failure is not None
    assert (failure.kind, failure.message) == ("reset", "a reply of more than 67108864 bytes that is no stream")


def test_all_is_said_after_the_last_word_and_nothing_held_back() -> None:
    """Half an event behind it is something."""
    for data, said in ((FIRST, False), (FIRST + b"data: [DONE]\n\n", True), (b"data: [DONE]\n\n: x", False)):
        x = exchange_of()
        assert x.pipe is not None
        x.pipe(data)
        assert is_all_said(x) is said
    assert not is_all_said(Exchange("x", 0.0, 0.0, ""))
