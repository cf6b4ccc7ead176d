"""What follows an attempt that failed."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from typing import Any

import pytest
from mitmproxy import http

from switchman.addons.core.dialects.neutral.form import Failed
from switchman.addons.core.streams.events import LARGE
from switchman.addons.core.streams.pipe import Pipe
from switchman.addons.core.streams.reply import ReplyCollector
from switchman.addons.core.texts.redaction.redactor import Redact
from switchman.addons.hooks.outbound.redacting import Redacting
from switchman.addons.proxy.attempt import UpstreamFailure

TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
DONE = b"data: [DONE]\n\n"


def streaming(x: Any, *events: bytes) -> None:
    """Some of a stream has gone to the client."""
    x.reply = ReplyCollector()
    x.pipe = Pipe("sse", [], x.reply, 1000, lambda *_: None, time.monotonic)
    for event in events:
        x.pipe(event)


def test_the_next_candidate_is_asked(pipeline: Any) -> None:
    """With its own request; nothing is left of the first one's answer."""
    flow, x = pipeline.send("one/a", "two/b")
    streaming(x)
    failure = pipeline.fail(flow, "connect", message="refused")
    assert (failure.retry, failure.fresh, flow.response) == (True, False, None)
    assert (flow.request.host, [one.outcome for one in x.attempts]) == ("two", ["connect", None])
    assert (x.pipe, x.reply) == (None, None)


@pytest.mark.parametrize(("kind", "status"), [("connect", 502), ("reset", 502), ("timeout", 504)])
def test_when_nobody_answered_the_router_says_so(kind: str, status: int, pipeline: Any) -> None:
    """What was tried stands in the message."""
    flow, x = pipeline.send("one/a", "two/b")
    pipeline.fail(flow, "connect", message="refused")
    failure = pipeline.fail(flow, kind, message="mute")
    assert (failure.retry, flow.response.status_code, x.outcome) == (False, status, "failed")
    assert x.error == "No server could answer. Tried one/a: refused; two/b: mute."


def test_the_last_server_that_answered_has_the_last_word(pipeline: Any, answer_of: Any) -> None:
    """Its status, headers and body."""
    flow, x = pipeline.send("one/a", "two/b")
    said = answer_of(503, {"error": "busy"}, retry_after="7")
    pipeline.fail(flow, "status", message="status 503", response=said)
    pipeline.fail(flow, "connect", message="refused")
    assert flow.response is said
    pipeline.judging.response(flow)
    assert (x.outcome, x.error) == ("upstream_error", "status 503 from the last server that answered")


def test_an_error_with_a_good_status_is_told_with_the_one_it_should_have_had(pipeline: Any, answer_of: Any) -> None:
    """A client's SDK reads the status."""
    flow, _ = pipeline.send("one/a")
    head = answer_of(200, retry_after="3")
    pipeline.fail(flow, "error", message="m", response=head, failed=Failed("too busy", "server_error", status=529))
    assert (flow.response.status_code, flow.response.headers["retry-after"]) == (529, "3")
    assert json.loads(flow.response.content)["error"]["message"] == "too busy"


def test_no_further_server_is_asked_when_the_time_is_up(pipeline: Any) -> None:
    """The deadline is of the request as a whole."""
    flow, x = pipeline.send("one/a", "two/b")
    x.deadline = time.monotonic() - 1
    assert not pipeline.fail(flow, "timeout").retry
    assert flow.response.status_code == 504


def test_a_stale_connection_is_no_failure(pipeline: Any) -> None:
    """The same server is asked once more, on a fresh one; the breaker hears nothing of it."""
    flow, x = pipeline.send("one/a", "two/b")
    for _ in range(10):
        failure = pipeline.fail(flow, "reset", reused=True)
        assert (failure.retry, failure.fresh, x.attempt.target) == (True, True, "one/a")
    assert not pipeline.runtime.breakers.is_open("one/a", time.monotonic())


def test_what_a_server_lacks_it_is_asked_without(pipeline: Any, answer_of: Any) -> None:
    """And not asked for again; unless it refuses the request without it, too: then it had nothing against it."""
    flow, x = pipeline.send("one/a", "two/b", stream=True)
    said = answer_of(400, {"error": "unknown field stream_options"})
    failure = pipeline.fail(flow, "status", message="status 400", response=said)
    assert failure.retry and x.attempt.target == "one/a"
    assert "stream_options" not in json.loads(flow.request.raw_content)
    assert pipeline.rewriting.without["usage"] == {"one"}
    assert "stream_options" in (x.attempts[0].error or "")
    pipeline.answer(flow, 400, {"error": "bad"})
    assert pipeline.rewriting.without["usage"] == set()


def test_a_400_about_something_else_is_the_end(pipeline: Any, answer_of: Any) -> None:
    """It is asked once, and its server is not taken for one that lacks something."""
    flow, _ = pipeline.send("one/a", "two/b", stream=True)
    said = answer_of(400, {"error": "the temperature is too high"})
    failure = pipeline.fail(flow, "status", message="status 400", response=said)
    assert (failure.retry, flow.response, pipeline.rewriting.without["usage"]) == (False, said, set())


def test_a_redirect_on_the_same_server_is_followed(pipeline: Any, answer_of: Any) -> None:
    """With method, body and key, at the address that it names; on https, too. Nobody is blamed."""
    flow, x = pipeline.send("keyed/a", "two/b")
    content = flow.request.raw_content
    said = answer_of(307, location="https://keyed:84/moved?a=b")
    assert pipeline.fail(flow, "status", message="status 307", response=said).retry
    request = flow.request
    assert (request.scheme, request.host, request.port, request.path) == ("https", "keyed", 84, "/moved?a=b")
    assert (request.method, request.raw_content) == ("POST", content)
    assert request.headers["authorization"] == "Bearer its-own-key"
    assert (x.attempt.target, x.attempt.url, len(x.attempts)) == ("keyed/a", "https://keyed:84/moved", 2)
    assert (x.attempts[0].outcome, x.attempts[0].error) == ("status", "status 307, followed to https://keyed:84/moved")
    assert x.trace[-1].layer == "redirect"
    for path in "ab":
        assert pipeline.fail(flow, "status", response=answer_of(308, location=f"https://keyed:84/{path}")).retry
    failure = pipeline.fail(flow, "status", response=answer_of(308, location="https://keyed:84/c"))
    assert failure.retry and x.attempt.target == "two/b" and "3 times" in (x.attempts[3].error or "")


def test_a_redirect_that_is_not_followed_is_not_handed_on(pipeline: Any, answer_of: Any) -> None:
    """Its client would follow it, with its own key; it gets a 502 that says where it leads."""
    flow, _ = pipeline.send("keyed/a")
    failure = pipeline.fail(flow, "status", response=answer_of(302, location="http://elsewhere/login"))
    assert not failure.retry and flow.response.status_code == 502 and "location" not in flow.response.headers
    assert "status 302, a redirect to http://elsewhere/login" in flow.response.text


def test_thinking_is_a_matter_of_the_model(pipeline: Any, answer_of: Any) -> None:
    """Another model of the same server is still told."""
    flow, x = pipeline.send("laptop/a", think=None, reasoning_effort="high")
    assert x.attempt.rendered.reasons
    said = answer_of(400, {"error": '"a" does not support thinking'})
    assert pipeline.fail(flow, "status", message="status 400", response=said).retry
    assert pipeline.rewriting.without["reasoning"] == {"laptop/a"}
    pipeline.answer(flow, 400, {"error": "bad"})
    assert pipeline.rewriting.without["reasoning"] == set()


def test_thoughts_that_a_server_refuses_are_not_sent_again(pipeline: Any, answer_of: Any) -> None:
    """Nor in the requests that follow; unless it refuses the request without them, too. Others still get them."""
    thought = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
    said = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [thought, {"type": "text", "text": "a"}]},
    ]
    asked = {"path": "/v1/messages", "messages": said, "max_tokens": 9}
    flow, x = pipeline.send("claude/a", **asked)
    assert "c2ln" in flow.request.text
    refused = answer_of(400, {"error": {"message": "messages.1.content.0: Invalid `signature` in `thinking` block"}})
    assert pipeline.fail(flow, "status", message="status 400", response=refused).retry
    assert x.attempt.target == "claude/a" and "c2ln" not in flow.request.text and '"a"' in flow.request.text
    assert "thoughts" in (x.attempts[0].error or "")
    assert any("another one's thoughts" in line.detail for line in x.trace)
    again, _ = pipeline.send("claude/a", **asked)
    assert "c2ln" not in again.request.text
    pipeline.answer(flow, 400, {"error": "bad"})
    again, _ = pipeline.send("claude/a", **asked)
    assert "c2ln" in again.request.text


def test_thoughts_are_known_as_they_were_sent(runtime: Any, pipeline: Any, answer_of: Any) -> None:
    """Those of a redacted request have placeholders, and are not sent again either; nor does what follows a body."""
    redact = Redact(frozenset({"email"}))
    runtime.rules.current = dataclasses.replace(runtime.rules.current, redact=redact)
    thought = {"type": "thinking", "thinking": "to jane@example.org", "signature": "c2ln"}
    said = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [thought, {"type": "text", "text": "a"}]},
    ]
    flow, _ = pipeline.read("claude/a", path="/v1/messages", messages=said, max_tokens=9)
    flow.request.trailers = http.Headers(((b"x-mail", b"jane@example.org"),))
    Redacting(runtime).request(flow)
    pipeline.rewriting.request(flow)
    assert "c2ln" in flow.request.text and "jane" not in flow.request.text and flow.request.trailers is None
    refused = answer_of(400, {"error": {"message": "messages.1.content.0: Invalid `signature` in `thinking` block"}})
    assert pipeline.fail(flow, "status", message="status 400", response=refused).retry
    assert "c2ln" not in flow.request.text and '"a"' in flow.request.text


def test_a_clients_own_fault_is_the_end(pipeline: Any, answer_of: Any) -> None:
    """Held back as it might have told of a lack, it is handed on: others would say the same."""
    flow, x = pipeline.send("one/a", "two/b", path="/v1/responses", input="hi", messages=None)
    said = answer_of(404, {"error": {"message": "no such model", "code": "model_not_found"}})
    failure = pipeline.fail(flow, "status", message="status 404", response=said)
    assert (failure.retry, flow.response) == (False, said)
    pipeline.judging.response(flow)
    assert (x.outcome, x.error, x.attempt.outcome) == ("upstream_error", None, "status")


def test_a_refusal_for_want_of_credentials_is_worse_than_any_answer(pipeline: Any, answer_of: Any) -> None:
    """The next one is asked; what was said before stays the answer."""
    flow, x = pipeline.send("one/a", "abroad/b", "two/c", headers=[(b"authorization", b"Bearer k")])
    busy = answer_of(503)
    pipeline.fail(flow, "status", message="status 503", response=busy)
    assert pipeline.fail(flow, "status", message="status 401", response=answer_of(401)).retry
    assert x.attempts[1].error == "status 401; it was not given the client's credentials"
    pipeline.fail(flow, "connect")
    assert flow.response is busy


def test_a_stream_that_died_ends_with_an_error_event(pipeline: Any) -> None:
    """No other server: the client would get its text twice."""
    flow, x = pipeline.send("one/a", "two/b", stream=True)
    streaming(x, TEXT)
    failure = pipeline.fail(flow, "stream", message="gone", begun=True)
    (tail,) = failure.tail
    assert (failure.retry, "The server one failed during its answer: gone" in tail.decode()) == (False, True)
    assert (x.outcome, x.error, x.attempt.outcome, len(x.attempts)) == ("stream_error", "gone", "stream", 1)


def test_a_stream_that_died_after_its_last_word_is_an_answer(pipeline: Any) -> None:
    """Only the end of the framing is missing."""
    flow, x = pipeline.send("one/a", stream=True)
    streaming(x, TEXT, DONE)
    assert pipeline.fail(flow, "stream", begun=True).tail == []
    assert (x.outcome, x.error, x.attempt.outcome) == ("ok", None, "ok")


def test_bytes_of_no_known_form_break_where_the_server_broke(pipeline: Any) -> None:
    """There is no way to tell the client otherwise."""
    flow, x = pipeline.send("one/", path="/no/llm/call")
    x.pipe = Pipe("raw", [], None, 0, lambda *_: None, time.monotonic)
    assert pipeline.fail(flow, "stream", begun=True).tail is None
    assert x.outcome == "stream_error"


def test_a_router_that_stops_says_so(pipeline: Any) -> None:
    """503 where nothing has gone out, an error event in a stream; nobody is asked instead, and nobody blamed."""
    flow, x = pipeline.send("one/a", "two/b")
    failure = pipeline.fail(flow, "cancelled", message="stopped")
    assert (failure.retry, flow.response.status_code, flow.response.headers["retry-after"]) == (False, 503, "1")
    assert (x.outcome, x.attempt.outcome) == ("failed", "cancelled")
    flow, x = pipeline.send("one/a", stream=True)
    streaming(x, TEXT)
    (tail,) = pipeline.fail(flow, "cancelled", message="stopped", begun=True).tail
    assert b"stopped" in tail and (x.outcome, x.attempt.outcome) == ("stream_error", "cancelled")


def test_an_error_in_another_dialect_is_translated(pipeline: Any, answer_of: Any) -> None:
    """The client gets its own dialect's form."""
    flow, _ = pipeline.send("claude/a")
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "too busy"}}
    pipeline.fail(flow, "status", message="status 529", response=answer_of(529, body))
    assert flow.response.status_code == 529
    assert json.loads(flow.response.content)["error"]["message"] == "too busy"
    assert "type" not in json.loads(flow.response.content)


def test_a_large_event_that_is_left_is_read_beside_the_loop(pipeline: Any) -> None:
    """It was whole but for its blank line when the server broke off: the client gets it, then the error."""
    flow, x = pipeline.send("one/a", stream=True)
    large = b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n' % (b"x" * LARGE)
    streaming(x, TEXT, large)
    failure = UpstreamFailure(flow, "stream", "gone", begun=True)
    pipeline.judging.upstream_failed(failure)
    waiting = pipeline.failover.upstream_failed(failure)
    assert waiting is not None and failure.tail is None
    asyncio.run(waiting)
    (tail,) = failure.tail
    assert tail.startswith(large + b"\n") and b"The server one failed during its answer: gone" in tail


def test_the_end_of_a_small_stream_waits_for_no_thread(pipeline: Any) -> None:
    """Also where the request is large: what it would wait behind takes seconds."""
    flow, x = pipeline.send("one/a", stream=True)
    x.call = dataclasses.replace(x.call, large=True)
    streaming(x, TEXT)
    failure = UpstreamFailure(flow, "stream", "gone", begun=True)
    pipeline.judging.upstream_failed(failure)
    assert pipeline.failover.upstream_failed(failure) is None
    assert b"The server one failed during its answer: gone" in failure.tail[0]


@pytest.mark.parametrize(
    ("status", "tried"),
    [
        (429, [("a", "key 1"), ("a", "key 2"), ("b", "key 2"), ("b", "key 1")]),
        (401, [("a", "key 1"), ("a", "key 2"), ("b", "key 1")]),
    ],
)
def test_keys_at_another_model_of_their_server(
    status: int, tried: list[tuple[str, str]], pipeline: Any, answer_of: Any
) -> None:
    """One that is used up at a model may not be at the next; one that is refused is refused there, too."""
    flow, x = pipeline.send("pooled/a", "pooled/b")
    said = answer_of(status, {"error": "no"}, retry_after="60")
    while pipeline.fail(flow, "status", message=f"status {status}", response=said).retry:
        assert len(x.attempts) < 9
    assert [(one.candidate.model, one.key.label) for one in x.attempts] == tried
    assert flow.response is said
