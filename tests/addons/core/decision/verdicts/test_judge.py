"""How an attempt ended, and what breaker, record, caches, stickiness and live figures make of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.decision.verdicts.judge import (
    Ending,
    How,
    Kind,
    Verdict,
    judge,
    outcome_of,
    telling_statuses,
)
from switchman.addons.core.dialects.neutral.form import Failed
from switchman.addons.core.dialects.neutral.streams import CUT_SHORT
from switchman.addons.core.dialects.rendering import Rendered
from switchman.addons.core.request.call import Call, Endpoint
from switchman.addons.core.servers.retry import OPT_IN_STATUSES, RETRIABLE_STATUSES
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.core.streams.events import Event
from switchman.addons.core.streams.framing.sse import SSESplitter
from switchman.addons.core.streams.reply import ReplyCollector
from switchman.addons.testing import make_call

TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
LAST = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
BUSY = b'data: {"error":{"message":"too busy","type":"server_error"}}\n\n'
WRONG = b'data: {"error":{"message":"too long","type":"invalid_request_error"}}\n\n'
BREAKS: list[How] = ["connect", "dns", "tls", "timeout", "reset", "stream"]
ALL: list[How] = [*BREAKS, "cancelled", "left", "complete"]


def server(**more: Any) -> Server:
    return Server("s", parse("http://s:1"), **more)


def collected(*events: bytes) -> ReplyCollector:
    """What is known of a stream of these events."""
    reply, splitter = ReplyCollector(), SSESplitter()
    found: list[Event] = splitter.feed(b"".join(events))
    for event in found:
        reply.feed(event, 1.0)
    return reply


def whole(obj: dict[str, Any]) -> ReplyCollector:
    reply = ReplyCollector()
    reply.feed_whole(obj)
    return reply


def call(operation: Any = "chat") -> Call:
    return Call(Endpoint("openai", operation, "/v1"), "", "{}", {}, {}, "m", stream=False)


def rendered(**more: Any) -> Rendered:
    return Rendered("/v1", "{}", False, Endpoint("openai", "chat", "/v1"), **more)


def verdict(how: How = "complete", *, retry_on: frozenset[int] = frozenset(), **more: Any) -> Verdict:
    return judge(Ending(server=server(retry_on=retry_on), how=how, **more))


def follows(one: Verdict) -> tuple[Any, ...]:
    """All that somebody reads of a verdict, but its words."""
    return one.kind, one.recorded, one.outcome, one.breaker, one.counts, one.is_answer


GOOD = ("ok", "ok", "ok", "success", "answer", True)


@pytest.mark.parametrize("how", ALL)
def test_a_stream_that_said_its_last_word_is_an_answer(how: How) -> None:
    """However its connection ended, whoever left after that, and whichever hook told of it."""
    assert follows(verdict(how, status=200, reply=collected(TEXT, LAST, DONE), streamed=True)) == GOOD


@pytest.mark.parametrize("events", [(TEXT, DONE), (BUSY, DONE), (WRONG,)])
def test_an_error_status_is_none_whatever_is_streamed_with_it(events: tuple[bytes, ...]) -> None:
    """Some servers end an error's body, too, with [DONE]."""
    busy = verdict(status=503, reply=collected(*events), streamed=True)
    assert follows(busy) == ("status", "status", "upstream_error", "failure", "failure", False)
    mine = verdict(status=404, reply=collected(*events), streamed=True)
    assert follows(mine)[2:] == ("upstream_error", "success", None, False)


@pytest.mark.parametrize("how", ["unreadable"])
def test_what_cannot_be_read_is_the_servers_failure(how: How) -> None:
    """Its message is the proxy's."""
    found = verdict(how, status=200, message="no JSON")
    assert follows(found) == ("unreadable", "unreadable", "upstream_error", "failure", "failure", False)
    assert found.error == "no JSON"


ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'


@pytest.mark.parametrize("events", [(ROLE,), (ROLE, DONE), (DONE,)])
def test_a_stream_that_said_nothing_is_no_answer(events: tuple[bytes, ...]) -> None:
    """Neither text nor a call nor a reason for its end; a reason alone is enough."""
    found = verdict(status=200, reply=collected(*events), streamed=True, call=call())
    assert follows(found) == ("stream", "stream", "stream_error", "failure", "failure", False)
    assert follows(verdict(status=200, reply=collected(ROLE, LAST, DONE), streamed=True, call=call())) == GOOD
    assert follows(verdict(status=200, reply=collected(*events), streamed=True, call=call("image"))) == GOOD
    assert verdict("reset", status=200, reply=collected(*events), streamed=True, call=call()).kind == "reset"


def test_a_redirect_is_followed_or_the_servers_failure() -> None:
    """Only what was held back can be followed; nobody is blamed for that."""
    url = "http://s:1/v1/chat/completions"
    found = verdict("status", status=307, body=b"", url=url, location="/x")
    assert follows(found) == ("moved", "status", "upstream_error", "release", None, False)
    assert found.hop is not None and found.hop.path == "/x"
    assert found.error == "status 307, followed to http://s:1/x"
    for status, location, hops in ((302, "/x", 0), (307, "http://other/x", 0), (308, "/x", 3), (303, None, 0)):
        found = verdict("status", status=status, body=b"", url=url, location=location, hops=hops)
        assert follows(found) == ("status", "status", "upstream_error", "failure", "failure", False)
        assert found.error is not None and found.error.startswith(f"status {status}, a redirect")
    endless = verdict("status", status=307, message="status 307 with an endless body", url=url, location="/x")
    assert (endless.kind, endless.error) == ("status", "status 307 with an endless body")


@pytest.mark.parametrize("reply", [None, whole({"choices": []}), whole({})])
def test_a_whole_answer_is_one(reply: ReplyCollector | None) -> None:
    """Whatever it says: what cannot be read does not come to its end (test_held.py)."""
    assert follows(verdict(status=200, reply=reply)) == GOOD


@pytest.mark.parametrize("call", [None, make_call()], ids=["of-no-known-operation", "of-text"])
def test_a_stream_of_the_clients_dialect_may_end_without_its_last_word(call: Call | None) -> None:
    """The client got what the server sent, to the byte; not every server says [DONE], but each says why text ends."""
    assert follows(verdict(status=200, reply=collected(TEXT, LAST), streamed=True, call=call)) == GOOD
    cut = verdict(status=200, reply=collected(TEXT), streamed=True, call=call)
    assert follows(cut) == (("stream", "stream", "stream_error", "failure", "failure", False) if call else GOOD)


def test_a_stream_that_was_not_read_to_its_end_may_have_said_it() -> None:
    """An event that was too large, or a collector that broke: nothing is held against the server."""
    reply = collected(TEXT)
    reply.missed = True
    assert follows(verdict(status=200, reply=reply, streamed=True, call=make_call())) == GOOD


@pytest.mark.parametrize("events", [(TEXT,), ()])
def test_a_translated_stream_that_was_cut_short_is_the_servers_failure(events: tuple[bytes, ...]) -> None:
    """Its client was told so, and so are all others."""
    found = verdict(status=200, reply=collected(*events), streamed=True, rendered=rendered(answer=object()))
    assert follows(found) == ("stream", "stream", "stream_error", "failure", "failure", False)
    assert found.error == CUT_SHORT
    done = verdict(status=200, reply=collected(TEXT, LAST), streamed=True, rendered=rendered(answer=object()))
    assert follows(done) == GOOD


@pytest.mark.parametrize("how", BREAKS)
def test_a_connection_that_fails_is_the_servers_failure(how: How) -> None:
    """Whatever had come by then, if it was not the last word."""
    for reply in (None, collected(TEXT), collected(TEXT, LAST)):
        found = verdict(how, message="it broke", status=200, reply=reply, streamed=reply is not None)
        outcome = "stream_error" if how == "stream" else "upstream_error"
        assert follows(found) == (how, how, outcome, "failure", "failure", False)
        assert found.error == "it broke"


def test_an_idle_connection_that_was_closed_says_nothing() -> None:
    """It is asked again, on a fresh one; only a reset can be of that kind."""
    assert follows(verdict("reset", reused=True))[:2] == ("stale", "reset")
    assert follows(verdict("reset", reused=True))[3:] == ("release", None, False)
    assert verdict("timeout", reused=True).kind == "timeout"


@pytest.mark.parametrize(
    ("reply", "breaker"), [(None, "release"), (collected(), "release"), (collected(TEXT), "success")]
)
def test_a_client_that_left_says_nothing_but_that_its_server_was_answering(
    reply: ReplyCollector | None, breaker: str
) -> None:
    """No answer to be kept, and no duration that counts."""
    found = verdict("left", status=200, reply=reply, streamed=reply is not None)
    assert follows(found) == ("left", "cancelled", "cancelled", breaker, None, False)


def test_a_router_that_stops_blames_nobody() -> None:
    """Half a stream is no answer all the same."""
    found = verdict("cancelled", message="stopped", status=200, reply=collected(TEXT), streamed=True)
    assert follows(found) == ("stopped", "cancelled", "stream_error", "release", None, False)


@pytest.mark.parametrize("how", ["complete", "left", "stream", "reset"])
@pytest.mark.parametrize("after", [b"", DONE])
def test_an_error_within_a_stream_is_what_counts(after: bytes, how: How) -> None:
    """Clients leave when they read one, servers close, and some still say [DONE]."""
    busy = verdict(how, status=200, reply=collected(TEXT, BUSY, after), streamed=True)
    assert follows(busy) == ("stream", "stream", "stream_error", "failure", "failure", False)
    assert "too busy" in (busy.error or "")
    wrong = verdict(how, status=200, reply=collected(TEXT, WRONG, after), streamed=True)
    assert follows(wrong) == ("stream", "stream", "stream_error", "success", None, False)


STATUSES = [400, 401, 403, 404, 405, 409, 413, 422, 451, 501, *sorted(RETRIABLE_STATUSES)]


@pytest.mark.parametrize("how", ["complete", "status"])
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("opt_in", [frozenset(), OPT_IN_STATUSES], ids=["plain", "retry_on"])
def test_retry_on_counts_whether_there_is_another_candidate_or_not(
    status: int, opt_in: frozenset[int], how: How
) -> None:
    """`complete` is the last one's, whose answer was passed on; `status` that of one that was held back."""
    found = verdict(how, status=status, body=b"{}", retry_on=opt_in)
    if status in RETRIABLE_STATUSES | opt_in:
        assert follows(found) == ("status", "status", "upstream_error", "failure", "failure", False)
    else:
        assert follows(found) == ("refused", "status", "upstream_error", "success", None, False)


def test_an_error_that_never_ends_is_the_servers_failure() -> None:
    """Whatever its status: there is nothing that the client could be told."""
    assert verdict("status", status=400, message="endless", body=None).health == "failed"


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("how", ["complete", "status"])
def test_a_refusal_for_want_of_credentials_is_no_fault(status: int, how: How) -> None:
    """Also where the server's 401 would count otherwise."""
    found = verdict(how, status=status, body=b"", message="status", withheld=True, retry_on=OPT_IN_STATUSES)
    assert follows(found) == ("withheld", "status", "upstream_error", "success", None, False)
    assert verdict(how, status=500, body=b"", withheld=True).kind == "status"


ERRORS: list[tuple[int, str, str | None]] = [
    (400, "success", None),
    (404, "success", None),
    (500, "failure", "failure"),
]


@pytest.mark.parametrize(("status", "breaker", "counts"), ERRORS)
@pytest.mark.parametrize("how", ["complete", "error"])
def test_an_error_for_an_answer_counts_as_its_status_would(
    how: How, status: int, breaker: str, counts: str | None
) -> None:
    """Though the status of the head is 200: it is no answer, whosever fault it is."""
    failed = Failed("no", status=status)
    found = verdict(how, status=200, failed=failed)
    assert follows(found) == ("error", "error", "upstream_error", breaker, counts, False)
    assert found.error == "no"
    assert verdict(how, status=200, failed=Failed("no", status=404), retry_on=OPT_IN_STATUSES).health == "failed"


def test_an_error_before_the_first_event_is_an_error_not_a_stream() -> None:
    """Nothing has gone to the client, so another server is asked."""
    found = verdict("error", message="m", status=200, failed=Failed("no"), reply=collected(BUSY), streamed=True)
    assert (found.kind, found.error) == ("error", "m")


def test_nothing_is_built_on_an_answer_with_an_error_beside_it() -> None:
    """The client gets it as it came, and the record says ok; but nobody keeps it or stays with who gave it."""
    reply = whole({"error": {"message": "half", "code": 500}, "choices": [{"message": {"content": "a"}}]})
    found = verdict(status=200, reply=reply)
    assert follows(found) == ("beside", "ok", "ok", "failure", "failure", False)


ASKED = {"model": "m", "stream_options": {"include_usage": True}}
# Of OpenAI, vLLM (FastAPI), Django, Zod, plain text.
NAMES_IT = [
    b'{"error":{"message":"Unrecognized request argument supplied: stream_options"}}',
    b'{"error":{"message":"Unknown parameter","param":"stream_options.include_usage"}}',
    json.dumps({"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs", "input": ASKED}]}).encode(),
    b'{"message":{"stream_options":["Unknown field."]}}',
    b'{"error":"Unrecognized key(s) in object: \'stream_options\'"}',
    b'{"errors":[{"field":"stream_options"}]}',
    b"unknown field include_usage",
]
OTHERS = [
    b"",
    b"Bad Request",
    b'{"error":{"message":"max_tokens is too large"}}',
    json.dumps({"detail": [{"loc": ["body", "messages"], "msg": "Field required", "input": ASKED}]}).encode(),
    json.dumps({"error": {"message": f"bad request: {json.dumps(ASKED)}"}}).encode(),
    json.dumps({"error": {"message": f"bad request: {ASKED}"}}).encode(),
    json.dumps({"error": {"message": f"bad request: {json.dumps(json.dumps(ASKED))}"}}).encode(),
]
LACKS: list[tuple[str, int, Any, Any, bytes, Kind]] = [
    *(("usage", status, "chat", {"injected": True}, body, "lacks") for status in (400, 422) for body in NAMES_IT),
    *(("usage", status, "chat", {"injected": True}, body, "refused") for status in (400, 422) for body in OTHERS),
    ("usage", 404, "chat", {"injected": True}, NAMES_IT[0], "refused"),
    ("usage", 400, "chat", {}, NAMES_IT[0], "refused"),
    ("reasoning", 400, "chat", {"reasons": True}, b'{"error":"\\"m\\" does not support thinking"}', "lacks"),
    ("reasoning", 400, "chat", {"reasons": True}, b'{"error":"bad"}', "refused"),
    ("thoughts", 400, "chat", {"has_thoughts": True}, b'{"error":"Invalid `signature` in `thinking` block"}', "lacks"),
    ("thoughts", 422, "chat", {"has_thoughts": True}, b'{"error":"messages.1.reasoning: not permitted"}', "lacks"),
    ("thoughts", 400, "chat", {"has_thoughts": True}, b'{"error":"bad"}', "refused"),
    ("thoughts", 404, "responses", {"has_thoughts": True}, b'{"error":"Item with id \'rs_1\' not found."}', "lacks"),
    ("thoughts", 400, "chat", {}, b'{"error":"Invalid `signature` in `thinking` block"}', "refused"),
    ("responses", 404, "responses", {}, b'{"detail":"Not Found"}', "lacks"),
    ("responses", 501, "responses", {}, b"", "lacks"),
    ("responses", 404, "responses", {}, b'{"error":{"message":"no","code":"model_not_found"}}', "refused"),
    ("responses", 404, "responses", {"answer": object()}, b"", "refused"),
]


@pytest.mark.parametrize(("feature", "status", "operation", "sent", "body", "kind"), LACKS)
def test_a_server_says_by_its_status_what_it_lacks(
    feature: str, status: int, operation: Any, sent: Any, body: bytes, kind: Kind
) -> None:
    """It is then asked again without, and nobody is blamed; only what was held back can be asked again."""
    found = verdict("status", status=status, body=body, call=call(operation), rendered=rendered(**sent))
    assert (found.kind, found.feature) == (kind, feature if kind == "lacks" else None)
    assert found.breaker == ("release" if kind == "lacks" else "success")
    passed_on = verdict("complete", status=status, call=call(operation), rendered=rendered(**sent))
    assert passed_on.kind == "refused"


def test_what_may_tell_of_a_lack_is_held_back() -> None:
    """Nothing else is: an error for the client reaches it at once."""
    assert telling_statuses(None, None) == telling_statuses(call(), rendered()) == frozenset()
    assert telling_statuses(call(), rendered(injected=True)) == {400, 422}
    assert telling_statuses(call(), rendered(reasons=True)) == {400, 422}
    assert telling_statuses(call(), rendered(has_thoughts=True)) == {400, 422}
    assert telling_statuses(call("responses"), rendered()) == {404, 405, 501}
    assert telling_statuses(call("responses"), rendered(answer=json)) == frozenset()


VERDICTS: list[tuple[Verdict, str]] = [
    (Verdict("ok", "answered"), "ok"),
    (Verdict("beside", "failed"), "ok"),
    (Verdict("stream", "failed", "it broke"), "stream_error"),
    (Verdict("stopped", None, "stopped"), "stream_error"),
    (Verdict("refused", "answered", "no"), "upstream_error"),
    (Verdict("timeout", "failed", "silence"), "upstream_error"),
]


@pytest.mark.parametrize(("last", "outcome"), VERDICTS)
@pytest.mark.parametrize("left", [False, True])
def test_a_request_comes_to_what_its_last_attempt_did(last: Verdict, outcome: str, left: bool) -> None:
    """Whoever left after that, and whatever the status was."""
    for status in (200, 404, None):
        assert outcome_of(last, status=status, left=left, message="gone") == (outcome, last.error)


@pytest.mark.parametrize("left", [False, True])
def test_an_error_that_was_held_back_is_not_the_last_attempts(left: bool) -> None:
    """Unless it was refused: then the client's own fault is all that there is to say."""
    said = "status 503 from the last server that answered"
    for last in (None, Verdict("timeout", "failed", "silence"), Verdict("ok", "answered"), Verdict("left", None)):
        assert outcome_of(last, status=503, is_kept=True, left=left, message="gone") == ("upstream_error", said)
    refused = Verdict("refused", "answered", "no")
    assert outcome_of(refused, status=400, is_kept=True, left=left, message="gone") == ("upstream_error", None)


@pytest.mark.parametrize("last", [None, Verdict("left", None, "m"), Verdict("left", "answered", "m")])
def test_a_request_whose_client_left_was_cancelled(last: Verdict | None) -> None:
    """Before any attempt, or within one; the reason is what the hook told."""
    for status in (200, None):
        assert outcome_of(last, status=status, left=True, message="gone") == ("cancelled", "gone")
    assert outcome_of(last, status=None, left=True) == ("cancelled", None)


@pytest.mark.parametrize(
    ("status", "outcome"), [(200, "ok"), (304, "ok"), (399, "ok"), (400, "upstream_error"), (None, "upstream_error")]
)
def test_an_answer_of_another_addon_is_told_by_its_status(status: int | None, outcome: str) -> None:
    """Nobody was asked for it."""
    assert outcome_of(None, status=status) == (outcome, None)


@pytest.mark.parametrize(
    ("credential", "status", "blames"),
    [
        ("of-a-caller", 401, "key"), ("of-a-caller", 403, "key"), ("of-a-caller", 429, "key"),
        ("of-a-caller", 503, "server"), ("of-a-caller", 404, "server"),
        ("", 401, "key"), ("", 403, "key"), ("", 429, "server"), ("", 500, "server"),
        (None, 401, "server"), (None, 403, "server"), (None, 429, "server"),
    ],
)  # fmt: skip
def test_a_callers_own_key_is_no_failure_of_the_server(credential: str | None, status: int, blames: str) -> None:
    """Whichever way the error is told; with our own key it is the server's, and 429 without any key, too."""
    told = {"error": {"message": "no", "code": status}}
    event = b"data: " + json.dumps(told).encode() + b"\n\n"
    for how, more in [
        ("complete", {"status": status}), ("status", {"status": status, "body": b"{}"}),
        ("error", {"status": 200, "failed": Failed("no", status=status)}),
        ("complete", {"status": 200, "failed": Failed("no", status=status)}),
        ("left", {"status": 200, "reply": collected(TEXT, event), "streamed": True}),
        ("complete", {"status": 200, "reply": whole({**told, "choices": [{"message": {"content": "a"}}]})}),
    ]:  # fmt: skip
        found = verdict(how, retry_on=OPT_IN_STATUSES, credential=credential, **more)
        if blames == "key":
            assert (found.key, found.breaker) == (status, "release"), how
            assert found.counts == ("answer" if found.kind == "beside" else None), how  # never a failure
        else:
            assert (found.key, found.breaker, found.counts) == (None, "failure", "failure"), how
        assert not found.is_answer
    # What nobody else is asked for is passed on, and says nothing of the server.
    if status in OPT_IN_STATUSES:
        found = verdict(status=status, body=b"{}", credential=credential)
        assert found.kind == "refused" and found.breaker == "success"


@pytest.mark.parametrize(("status", "rests"), [(401, True), (402, True), (403, False), (404, False), (400, False)])
def test_a_callers_refused_key_rests_though_nobody_else_is_asked(status: int, rests: bool) -> None:
    """401 and 402, without `retry_on`, in whatever way they are told; 403 may be about what was asked."""
    told = {"error": {"message": "no", "code": status}}
    event = b"data: " + json.dumps(told).encode() + b"\n\n"
    for how, more in [
        ("complete", {"status": status}), ("status", {"status": status, "body": b"{}"}),
        ("complete", {"status": 200, "failed": Failed("no", status=status)}),
        ("left", {"status": 200, "reply": collected(TEXT, event), "streamed": True}),
        ("complete", {"status": 200, "reply": whole({**told, "choices": [{"message": {"content": "a"}}]})}),
    ]:  # fmt: skip
        found = verdict(how, credential="of-a-caller", **more)
        assert (found.key, found.breaker) == (status if rests else None, "success"), how
        for credential in ("", None):  # nobody's, and ours
            assert verdict(how, credential=credential, **more).key is None


def pooled(how: How = "status", **more: Any) -> Verdict:
    return judge(Ending(server=server(), how=how, shares_keys=True, **more))


@pytest.mark.parametrize("status", [401, 402, 429])
def test_one_of_several_keys_of_ours_is_refused(status: int) -> None:
    """That says nothing of the server, whether the answer was held back or went to the client, or came in a stream."""
    for how in ("status", "complete"):
        said = pooled(how, status=status, body=b"{}")
        assert (said.kind, said.health, said.own_key, said.breaker) == ("status", None, status, "release")
    assert verdict("status", status=429, body=b"{}").health == "failed"
    assert verdict("status", status=401, body=b"{}").own_key is None
    error = Failed(status=status, message="used up")
    assert pooled("error", status=200, failed=error).own_key == status


@pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
def test_other_errors_are_as_with_one_key(status: int) -> None:
    """They are not about a key, or about more than that."""
    assert pooled(status=status, body=b"{}") == verdict("status", status=status, body=b"{}")


def test_what_the_caller_adds_to_one_of_our_keys() -> None:
    """An organization that our key does not have is the caller's fault: no key of ours rests for it."""
    said = pooled(status=401, body=b"{}", credential="a digest")
    assert said.own_key is None and said.key == 401


TOO_LONG = json.dumps({"error": {"message": "prompt is too long: 9 tokens > 8 maximum"}}).encode()


@pytest.mark.parametrize("status", [400, 413, 500])
@pytest.mark.parametrize("how", ["status", "complete"])
def test_that_a_prompt_is_too_long_counts_against_nobody(how: How, status: int) -> None:
    """Whatever status says it, and whether another server could be asked; so does a stream's error."""
    found = verdict(how, status=status, body=TOO_LONG, message=f"status {status}")
    assert (found.kind, found.health, found.breaker, found.recorded) == ("refused", "answered", "success", "status")
    assert found.cause is not None and found.cause.overflow is not None and found.cause.overflow.window == 8
    assert found.counts is None and not found.is_answer
    streamed = verdict(status=200, streamed=True, reply=collected(b"data: " + TOO_LONG + b"\n\n"))
    assert (streamed.kind, streamed.health) == ("stream", "answered") and streamed.cause == found.cause
    behind = verdict("error", status=200, failed=Failed("prompt is too long: 9 tokens > 8 maximum"))
    assert (behind.kind, behind.health) == ("error", "answered") and behind.cause == found.cause


def test_a_filter_in_place_of_a_stream_is_no_answer() -> None:
    """Although the stream has said its last word; one that was passed on is one."""
    end = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"content_filter"}]}\n\n'
    failed = Failed("filtered", "content_filter", "content_filter", 400)
    found = verdict("error", status=200, streamed=True, reply=collected(end, DONE), failed=failed)
    assert (found.kind, found.health, found.cause and found.cause.on) == ("error", "answered", "content_filter")
    assert verdict(status=200, streamed=True, reply=collected(end, DONE)).kind == "ok"
