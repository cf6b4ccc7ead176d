"""Is it an answer? Asked of the beginning of a stream, of a whole answer, and of one that is too large to hold back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.decision.verdicts.held import (
    MAX_ERROR,
    NOWHERE,
    NoAnswer,
    judge_oversized,
    judge_start,
    judge_whole,
)
from switchman.addons.core.dialects.neutral.form import Failed
from switchman.addons.core.request.call import Call, Endpoint, Operation
from switchman.addons.core.servers.retry import FallbackOn
from switchman.addons.core.streams.framing.sse import SSESplitter
from switchman.addons.core.streams.reply import ReplyCollector

RETRY = frozenset({500, 503})
NOBODY: frozenset[int] = frozenset()  # there is no other server to ask
TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
BUSY: dict[str, Any] = {"error": {"message": "busy", "code": 503}}
WRONG: dict[str, Any] = {"error": {"message": "wrong", "type": "invalid_request_error"}}


def event(obj: Any) -> bytes:
    return b"data: %s\n\n" % json.dumps(obj).encode()


def started(
    data: bytes, retry: frozenset[int] = RETRY, *, ended: bool = False, output: bool = False, pings: bool = True
) -> NoAnswer | str:
    """The verdict on a stream of which these bytes have come."""
    reply = ReplyCollector()
    for one in SSESplitter().feed(data):
        reply.feed(one, 1.0)
    return judge_start(reply, ended=ended, has_output=output, knows_pings=pings, status=200, retry_statuses=retry)


def call(operation: Operation = "chat") -> Call:
    return Call(Endpoint("openai", operation, "/v1"), "", "{}", {}, {}, "m", stream=False)


def whole(
    obj: Any, retry: frozenset[int] = RETRY, *, status: int | None = 200, of: Call | None = None
) -> NoAnswer | Failed | None:
    body = obj if isinstance(obj, bytes) else json.dumps(obj).encode()
    return judge_whole(of or call(), status, body, retry)


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("retry", [RETRY, NOBODY])
def test_a_stream_begins_with_its_first_event(retry: frozenset[int], ended: bool) -> None:
    """Whatever follows it, and whoever else could be asked."""
    assert started(TEXT, retry, ended=ended, output=True) == "begins"
    assert started(TEXT + event(BUSY), retry, ended=ended, output=True) == "begins"


@pytest.mark.parametrize(
    ("output", "pings", "state"),
    [(False, False, "waits"), (False, True, "waits"), (True, True, "waits"), (True, False, "begins")],
)
def test_comments_are_waited_behind_where_the_client_knows_pings(output: bool, pings: bool, state: str) -> None:
    """For another one, what goes out is its answer; half an event goes out to nobody."""
    assert started(b": hello\n\n" + TEXT[:9], output=output, pings=pings) == state


@pytest.mark.parametrize("pings", [True, False])
def test_a_stream_that_ends_before_its_first_event_is_no_answer(pings: bool) -> None:
    """Whoever else can be asked; nor is one of which only the last word comes."""
    none = NoAnswer("reset", "the server's stream ended before its first event")
    for data in (b"", b": hello\n\n"):
        for retry in (RETRY, NOBODY):
            assert started(data, retry, ended=True, pings=pings) == none
    assert started(b"data: [DONE]\n\n", output=True, pings=pings) == none


@pytest.mark.parametrize("status", [400, 404, 503])
def test_an_error_may_be_a_stream_without_an_event(status: int) -> None:
    """Where nobody else is asked, the client gets it as it is."""
    found = judge_start(
        ReplyCollector(), ended=True, has_output=False, knows_pings=True, status=status, retry_statuses=NOBODY
    )
    assert found == "begins"


@pytest.mark.parametrize("retry", [RETRY, NOBODY])
@pytest.mark.parametrize("payload", ["<html>", "1", "[]", '"text"', '{"choices":'])
def test_a_stream_that_begins_with_no_json_object_is_no_answer(payload: str, retry: frozenset[int]) -> None:
    """Nothing of it has gone out yet; the message quotes it."""
    found = started(f"data: {payload}\n\n".encode(), retry, output=True)
    assert found == NoAnswer("unreadable", f'status 200, but its stream begins with no JSON: "{payload}"')
    assert started(b"data:\n\n" + TEXT, retry, output=True) == "begins"


@pytest.mark.parametrize("ended", [False, True])
def test_an_error_in_the_place_of_the_first_event_counts_as_its_status_would(ended: bool) -> None:
    """Only one for which another server is asked is no answer; a bad request goes to the client at once."""
    found = started(event(BUSY), ended=ended, output=True)
    assert isinstance(found, NoAnswer) and found.failed is not None
    assert (found.kind, found.failed.status) == ("error", 503)
    assert found.message == "status 200 with an error for an answer: busy"
    assert started(event(BUSY), NOBODY, ended=ended, output=True) == "begins"
    assert started(event(WRONG), ended=ended, output=True) == "begins"


def test_a_whole_error_with_a_good_status_counts_as_its_own_status_would() -> None:
    """No answer, where another server is asked for it; else it is the answer that is passed on."""
    found = whole(BUSY)
    assert isinstance(found, NoAnswer) and found.failed is not None
    assert (found.kind, found.failed.status) == ("error", 503)
    assert found.message == "status 200 with an error for an answer: busy"
    for passed_on, status in ((whole(WRONG), 400), (whole(BUSY, NOBODY), 503)):
        assert isinstance(passed_on, Failed) and passed_on.status == status


@pytest.mark.parametrize("status", [200, 299, 300, 399])
def test_an_error_below_400_is_looked_for(status: int) -> None:
    """A redirect with an error in it is no answer either."""
    assert isinstance(whole(BUSY, status=status), NoAnswer)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"choices": [{"text": "a"}]}),
        (200, {"choices": [{"text": "a"}], **BUSY}),
        (200, {"done": True, "text": "error"}),
        (302, b"<html>"),
        (400, BUSY),
        (503, BUSY),
        (None, BUSY),
    ],
)
def test_all_else_is_an_answer(status: int | None, body: Any) -> None:
    """One beside an error is one, and an error status speaks for itself."""
    assert whole(body, status=status) is None


@pytest.mark.parametrize(("more", "is_seen"), [(0, True), (1, False)])
def test_a_large_answer_is_not_looked_at(more: int, is_seen: bool) -> None:
    """An error is smaller, and reading megabytes takes time."""
    body = json.dumps(BUSY).encode()
    body += b" " * (MAX_ERROR + more - len(body))
    assert (whole(body) is not None) is is_seen


def test_an_error_is_looked_for_only_in_what_a_model_was_asked() -> None:
    """Any other answer may hold what it likes."""
    assert judge_whole(None, 200, json.dumps(BUSY).encode(), RETRY) is None
    assert judge_whole(None, 200, b"", RETRY) is None


TEXTS: list[Operation] = ["chat", "completion", "responses"]


@pytest.mark.parametrize("operation", TEXTS)
def test_an_empty_answer_is_none_where_text_was_asked_for(operation: Operation) -> None:
    """Whoever else can be asked, where its status was good."""
    empty = NoAnswer("reset", "the server's answer is empty")
    for status in (200, 204, 299):
        assert whole(b"", status=status, of=call(operation)) == empty
    for status in (300, 304, 400, None):
        assert whole(b"", status=status, of=call(operation)) is None
    assert whole(b"", NOBODY, of=call(operation)) == empty
    assert whole(b"", of=call("speech")) is None


@pytest.mark.parametrize("retry", [RETRY, NOBODY])
def test_what_cannot_be_read_is_no_answer(retry: frozenset[int]) -> None:
    """Whoever else can be asked; the message quotes it, without the secrets that are known."""
    body = b"<html><title>Log in</title> our-own-key"
    found = judge_whole(call(), 200, body, retry, secrets=("our-own-key",))
    message = 'status 200, but its answer is no JSON: "<html><title>Log in</title> ..."'
    assert found == NoAnswer("unreadable", message)
    assert judge_whole(call(), 200, body, retry, is_plain=False) is None
    assert whole(body, retry, of=call("speech")) is whole(body, retry, status=302) is None


def test_an_error_that_is_half_there_is_no_answer_either() -> None:
    """Nor one within a list, or as a text of its own."""
    for body in (b'{"error"', b"[" * 50_000 + b'"error"', b'["error"]', b'"error"'):
        found = whole(body, NOBODY)
        assert isinstance(found, NoAnswer) and found.kind == "unreadable"
    assert isinstance(whole(b'{"error":"\xff"}', NOBODY), NoAnswer | Failed)


def test_an_oversized_answer_must_begin_as_one() -> None:
    """It can be passed on as it comes, but not a page without end."""
    page = judge_oversized(7, pinged=False, translated=False, call=call(), start=b"<html>" + b"x" * 500)
    assert isinstance(page, NoAnswer) and page.kind == "unreadable" and '"<html>xxx' in page.message
    for start in (b"{", b"\xef\xbb\xbf {"):
        assert judge_oversized(7, pinged=False, translated=False, call=call(), start=start) is None
    assert judge_oversized(7, pinged=False, translated=False, call=call("speech"), start=b"ID3") is None


@pytest.mark.parametrize(("pinged", "translated"), [(True, False), (False, True), (True, True)])
def test_an_answer_that_is_too_large_must_be_whole_for_some_clients(pinged: bool, translated: bool) -> None:
    """One that has the head of a stream, and one that could not read it; for others it is streamed on."""
    found = judge_oversized(7, pinged=pinged, translated=translated)
    assert found == NoAnswer("reset", "a reply of more than 7 bytes that is no stream")
    assert judge_oversized(7, pinged=False, translated=False) is None


CONTEXT: frozenset[FallbackOn] = frozenset({"context"})
FILTER: frozenset[FallbackOn] = frozenset({"content_filter"})
TOO_LONG: dict[str, Any] = {"error": {"message": "prompt is too long: 9 tokens > 8 maximum"}}
ROLE = event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
CREATED = event({"type": "response.created", "response": {"object": "response", "id": "r", "status": "in_progress"}})
GREETING = event({"type": "message_start", "message": {"role": "assistant", "content": []}})


def moved(data: bytes, on: frozenset[FallbackOn], *, ended: bool = False) -> NoAnswer | str:
    reply = ReplyCollector()
    for one in SSESplitter().feed(data):
        reply.feed(one, 1.0)
    return judge_start(
        reply, ended=ended, has_output=True, knows_pings=False, status=200, retry_statuses=NOBODY, fallback_on=on
    )


def test_a_stream_that_says_first_that_the_prompt_is_too_long_moves_on() -> None:
    """Whatever its error's status is taken for; not where that is no reason to move on."""
    found = moved(event(TOO_LONG), CONTEXT)
    assert isinstance(found, NoAnswer) and found.kind == "error" and found.failed is not None
    assert moved(event(TOO_LONG), NOWHERE) == moved(event(TOO_LONG), FILTER) == "begins"
    assert moved(event(WRONG), CONTEXT) == "begins"


def test_a_stream_of_responses_says_it_after_its_first_events() -> None:
    """They are held back; two of them, as a third is there once the model is at work."""
    failed = {"code": "context_length_exceeded", "message": "no"}
    ending = {"type": "response.failed", "response": {"object": "response", "status": "failed", "error": failed}}
    assert moved(CREATED, CONTEXT) == moved(CREATED * 2, CONTEXT) == "greets"
    assert moved(CREATED * 3, CONTEXT) == moved(CREATED, NOWHERE) == moved(CREATED, CONTEXT, ended=True) == "begins"
    assert isinstance(moved(CREATED + event(ending), CONTEXT), NoAnswer)
    assert moved(CREATED + event(ending), NOWHERE) == "begins"
    assert moved(ROLE, CONTEXT) == "begins"  # of no other format is any held back


@pytest.mark.parametrize(
    "end",
    [
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter"}]},
        {"type": "message_delta", "delta": {"stop_reason": "refusal"}},
        {"error": {"message": "filtered", "code": "content_filter"}},
    ],
)
def test_a_stream_may_be_filtered_until_it_has_content(end: dict[str, Any]) -> None:
    """So what comes before is held back where that moves a request on, and only there."""
    for before in (ROLE, GREETING, ROLE * 5, b""):
        assert not before or moved(before, FILTER) == "greets"
        found = moved(before + event(end), FILTER)
        assert isinstance(found, NoAnswer) and found.failed is not None and found.failed.code == "content_filter"
        assert moved(before + event(end), CONTEXT) == "begins"
    assert moved(ROLE + TEXT, FILTER) == moved(ROLE + TEXT + event(end), FILTER) == "begins"
    assert moved(ROLE + event({"choices": [{"delta": {}, "finish_reason": "stop"}]}), FILTER) == "begins"


def test_a_whole_answer_that_moves_on() -> None:
    """An error with a good status, or a filter in place of an answer, where that is a reason."""
    filtered = {"choices": [{"index": 0, "finish_reason": "content_filter", "message": {"content": None}}]}
    body, long = json.dumps(filtered).encode(), json.dumps(TOO_LONG).encode()
    found = judge_whole(call(), 200, body, NOBODY, fallback_on=FILTER)
    assert isinstance(found, NoAnswer) and "content_filter" in found.message
    assert judge_whole(call(), 200, body, NOBODY, fallback_on=CONTEXT) is None
    assert isinstance(judge_whole(call(), 200, long, NOBODY, fallback_on=CONTEXT), NoAnswer)
    assert isinstance(judge_whole(call(), 200, long, NOBODY, fallback_on=FILTER), Failed)
    assert isinstance(judge_whole(call(), 200, long, RETRY, fallback_on=FILTER), Failed)
