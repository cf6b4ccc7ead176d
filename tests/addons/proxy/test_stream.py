"""The stream of one request, event by event: its states, and what leads from one to the next."""

from __future__ import annotations

from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.proxy import commands

from switchman.addons.core.servers.servers import Timeouts
from switchman.addons.memory.budget import Hold
from switchman.addons.memory.taps import Tap
from switchman.addons.proxy import held_answer

SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
FIRST = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def whole(body: bytes) -> bytes:
    return JSON % (len(body), body)


def asked(play: Any, names: tuple[str, ...] = ("one",), **more: Any) -> Any:
    """A request is on its way to the first of these servers."""
    play.addons.servers = [play.addons.server(name, **more) for name in names]
    play.asks()
    play.connects()
    return play


def state(play: Any) -> str:
    """Of the answer's side, of the one stream that there is; "" where there is none."""
    return next((stream.server_state.__name__.removeprefix("state_") for stream in play.layer.streams.values()), "")


def failures(play: Any) -> list[tuple[str, str]]:
    return [(failure.kind, failure.message) for failure in play.addons.failures]


# --- the way of an answer


def test_a_stream_goes_through_its_states(play: Any) -> None:
    """Its head waits for the first event; each event goes out as it comes."""
    asked(play)
    assert state(play) == "wait_for_response_headers"
    play.answers(SSE)
    assert (state(play), play.to_client) == ("hold_answer", b"")
    play.answers(chunk(FIRST))
    assert state(play) == "stream_response_body"
    assert play.to_client.startswith(b"HTTP/1.1 200 OK\r\n") and play.to_client.endswith(chunk(FIRST))
    play.answers(chunk(DONE) + END)
    assert (state(play), play.to_client.endswith(chunk(DONE) + END)) == ("", True)
    assert play.addons.seen == ["requestheaders", "request", "responseheaders", "response"]


def test_a_whole_answer_goes_through_its_states(play: Any) -> None:
    """It is held back until all of it is here."""
    asked(play)
    play.answers(whole(b'{"done": true }')[:-3])
    assert (state(play), play.to_client) == ("consume_response_body", b"")
    play.answers(b"e }")
    assert (state(play), play.to_client[-15:]) == ("", b'{"done": true }')
    assert play.addons.seen[-2:] == ["responseheaders", "response"]


def test_a_retriable_status_is_held_and_another_server_is_asked(play: Any) -> None:
    """The client sees only the second answer."""
    asked(play, ("one", "two"))
    play.answers(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbu")
    assert state(play) == "hold_answer"
    play.answers(b"sy")
    (failure,) = play.addons.failures
    assert (failure.kind, failure.response.content, failure.reused) == ("status", b"busy", False)
    play.connects()
    assert b"POST" in play.to_server and state(play) == "wait_for_response_headers"
    play.answers(whole(b'{"done":true}'))
    assert play.to_client.endswith(b'{"done":true}') and b"busy" not in play.to_client


def test_the_last_servers_error_goes_to_the_client(play: Any) -> None:
    """There is nobody else to ask."""
    asked(play)
    play.answers(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy")
    assert play.to_client.startswith(b"HTTP/1.1 503") and play.to_client.endswith(b"busy")
    assert failures(play) == []


def test_an_endless_error_is_given_up(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept up to a limit, and its connection closed."""
    monkeypatch.setattr(held_answer, "MAX_HELD", 10)
    asked(play, ("one", "two"))
    first = play.server
    play.answers(b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"x" * 11))
    assert failures(play) == [("status", "status 503 with an endless body")]
    assert not first.connected


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (chunk(b'data: {"error":{"message":"busy","code":503}}\n\n'), "error"),
        (END, "reset"),
    ],
)
def test_a_stream_that_is_no_answer_lets_another_server_be_asked(play: Any, body: bytes, kind: str) -> None:
    """An error in the place of its first event, and an end."""
    asked(play, ("one", "two"))
    play.answers(SSE + body)
    assert [k for k, _ in failures(play)] == [kind]
    assert b"200 OK" not in play.to_client
    play.connects()
    play.answers(SSE + chunk(FIRST))
    assert play.to_client.endswith(chunk(FIRST))


def test_comments_before_the_first_event_are_no_answer(play: Any) -> None:
    """They go out under the head, and another server's answer may follow within it."""
    asked(play, ("one", "two"))
    play.answers(SSE + chunk(b": hello\n\n"))
    assert state(play) == "hold_answer" and play.to_client.endswith(chunk(b": hello\n\n"))
    play.answers(END)
    assert failures(play) == [("reset", "the server's stream ended before its first event")]
    play.connects()
    play.answers(SSE + chunk(FIRST))
    assert play.to_client.count(b"HTTP/1.1 200") == 1 and play.to_client.endswith(chunk(FIRST))


@pytest.mark.parametrize("body", [b'{"error":{"message":"busy","code":503}}', b""])
def test_a_whole_answer_that_is_none_lets_another_server_be_asked(play: Any, body: bytes) -> None:
    """An error with a good status, and nothing at all."""
    asked(play, ("one", "two"))
    play.answers(whole(body))
    assert len(play.addons.failures) == 1 and play.to_client == b""


def test_an_invalid_head_lets_another_server_be_asked(play: Any) -> None:
    """What cannot be relayed is no answer; its connection is closed."""
    asked(play, ("one", "two"))
    first = play.server
    play.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
    assert [kind for kind, _ in failures(play)] == ["reset"]
    assert not first.connected


def test_late_events_of_an_attempt_that_was_given_up_are_dropped(play: Any) -> None:
    """They come while an addon thinks, and the attempt ends before it is done."""
    asked(play, ("one", "two"))
    play.paused = lambda hook: hook == "responseheaders"
    play.answers(SSE + chunk(FIRST) + END)
    stream = next(iter(play.layer.streams.values()))
    stream.attempt.end()
    play.resume()
    assert (play.to_client, failures(play)) == (b"", [])


# --- replies that are too large to be held back


@pytest.fixture
def small_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_answer, "MAX_WHOLE_REPLY", 100)


@pytest.mark.usefixtures("small_replies")
def test_an_oversized_whole_reply_is_streamed_on_as_it_is(play: Any) -> None:
    """Nobody may keep it, and nobody has to."""
    asked(play)
    body = b'{"choices":"' + b"x" * 200 + b'"}'
    play.answers(whole(body)[:-10])
    assert state(play) == "stream_response_body"
    play.answers(body[-10:])
    assert play.to_client.endswith(body) and failures(play) == []


@pytest.mark.usefixtures("small_replies")
def test_an_oversized_whole_reply_after_a_ping_fails(play: Any) -> None:
    """The client has the head of a stream, in which a whole reply cannot follow as it comes."""
    asked(play, ping_after=5.0, early=True)
    play.passes(6.0)
    assert play.to_client.endswith(chunk(b": ping\n\n"))
    first = play.server
    play.answers(whole(b"{" + b"x" * 199)[:-10])
    assert [kind for kind, _ in failures(play)] == ["reset"]
    assert "bytes that is no stream" in failures(play)[0][1]
    assert b"x" * 50 not in play.to_client and not first.connected


@pytest.mark.usefixtures("small_replies")
def test_an_oversized_whole_reply_of_another_dialect_fails(play: Any) -> None:
    """The client could not read it."""
    play.addons.translate("anthropic")
    asked(play)
    play.answers(whole(b"{" + b"x" * 199)[:-10])
    assert [kind for kind, _ in failures(play)] == ["reset"]
    assert b"x" * 50 not in play.to_client


@pytest.fixture
def crowded(play: Any) -> Any:
    """Another request holds all the room that there is for answers."""
    play.layer.budget.limit = 1_000_000
    other = Hold(play.layer.budget, Tap())
    other.answer_arrives(900_000)
    return other


def test_an_answer_without_room_is_streamed_on_as_it_is(play: Any, crowded: Hold) -> None:
    """From the size on from which there is none; what it held counts no longer."""
    asked(play)
    body = b'{"choices":"' + b"x" * 100_000 + b'"}'
    play.answers(whole(body)[:-10])
    assert state(play) == "stream_response_body" and play.layer.budget.answers == crowded.size == 1_800_000
    play.answers(body[-10:])
    assert play.to_client.endswith(body) and failures(play) == []


@pytest.mark.parametrize("size", [30_000, 100_000])
def test_an_answer_of_another_dialect_without_room_fails(play: Any, crowded: Hold, size: int) -> None:
    """It is no server's fault, and says the setting's name; a small one passes."""
    play.addons.translate("anthropic")
    asked(play)
    play.answers(whole(b"{" + b"x" * size)[:-10])
    wanted = [("local", held_answer.NO_ROOM)] if size > 65_536 else []
    assert failures(play) == wanted and b"x" * 50 not in play.to_client
    crowded.release()
    assert play.layer.budget.answers == (0 if wanted else 2 * (size - 9))


# --- deadlines


def test_the_requests_deadline_bounds_connecting(play: Any) -> None:
    """Although the server's own connect deadline is later."""
    play.addons.deadline = 2.0
    play.asks()
    play.passes(1.9)
    assert failures(play) == []
    play.passes(0.1)
    assert failures(play) == [("timeout", "timed out: no connection within the connect deadline of 2 s")]
    assert play.to_client.startswith(b"HTTP/1.1 502")


def test_silence_before_the_head_ends_with_the_first_byte_deadline(play: Any) -> None:
    """Another server may be asked; the connection of the first is closed."""
    asked(play, ("one", "two"))
    first = play.server
    play.passes(59.9)
    assert failures(play) == []
    play.passes(0.2)
    assert failures(play) == [("timeout", "no answer within the first-byte deadline of 60 s")]
    assert not first.connected


def test_comments_do_not_put_the_first_byte_deadline_off(play: Any) -> None:
    """A held stream that only breathes is as silent as one that does not."""
    asked(play, ("one", "two"))
    play.answers(SSE)
    for _ in range(5):
        play.passes(11.0)
        play.answers(chunk(b": wait\n\n"))
    play.passes(5.1)
    assert failures(play) == [("timeout", "no answer within the first-byte deadline of 60 s")]


def test_a_held_stream_that_begins_is_past_the_first_byte_deadline(play: Any) -> None:
    """It may then go on for as long as it says something."""
    asked(play)
    play.answers(SSE)
    for _ in range(10):
        play.passes(20.0)
        play.answers(chunk(FIRST))
    assert failures(play) == [] and play.to_client.count(FIRST) == 10
    play.passes(29.9)
    assert failures(play) == []
    play.passes(0.2)
    assert failures(play) == [("stream", "nothing came for 30 s, the idle deadline")]


@pytest.mark.parametrize("by", ["attempt", "request"])
def test_a_held_stream_that_begins_still_ends_with_its_attempt_and_request(play: Any, by: str) -> None:
    """However much it says."""
    total = 100.0 if by == "attempt" else 1000.0
    play.addons.deadline = 100.0 if by == "request" else 1000.0
    asked(play, limits=Timeouts(5.0, 60.0, 30.0, total))
    play.answers(SSE)
    for _ in range(9):
        play.passes(11.0)
        play.answers(chunk(FIRST))
    assert failures(play) == []
    play.passes(1.1)
    assert failures(play) == [("stream", "no complete answer within the total deadline of 100 s")]


@pytest.mark.parametrize("pieces", [[FIRST, DONE], [FIRST + DONE]], ids=["its-own-piece", "with-the-first-event"])
def test_a_stream_ends_soon_after_its_last_word(play: Any, pieces: list[bytes]) -> None:
    """Also if the server does not end the body: a success, and its connection is given up."""
    asked(play)
    play.answers(SSE)
    for piece in pieces:
        play.answers(chunk(piece))
    assert not play.to_client.endswith(END) and play.server.connected
    play.passes(0.3)
    assert play.to_client.endswith(END) and not play.server.connected
    assert (state(play), failures(play)) == ("", [])
    assert play.addons.seen[-1] == "response"


def test_a_body_that_ends_with_its_last_word_leaves_its_connection_open(play: Any) -> None:
    """The next request can use it."""
    asked(play)
    play.answers(SSE + chunk(FIRST) + chunk(DONE) + END)
    play.passes(1.0)
    assert play.server.connected and play.to_client.endswith(END)


# --- pings


def test_early_pings_have_a_head_of_their_own_and_the_answer_follows_within_it(play: Any) -> None:
    """One head, whatever comes."""
    asked(play, ping_after=5.0, early=True)
    play.passes(11.0)
    assert play.to_client.count(b": ping\n\n") == 2
    play.answers(SSE + chunk(FIRST))
    assert play.to_client.count(b"HTTP/1.1 200") == 1 and play.to_client.endswith(chunk(FIRST))


def test_an_error_after_early_pings_is_told_within_the_stream(play: Any) -> None:
    """Its status can no longer be said."""
    asked(play, ping_after=5.0, early=True)
    play.passes(6.0)
    play.answers(b'HTTP/1.1 404 No\r\nContent-Length: 29\r\n\r\n{"error":{"message":"no one"}}'[:-1])
    assert b"HTTP/1.1 404" not in play.to_client
    assert b"data: " in play.to_client and play.to_client.endswith(END)


# --- the client


def test_a_body_over_the_limit_is_told_so_when_it_has_come(playbook: Any) -> None:
    """A client writes before it reads. One that never ends is not listened to."""
    play = playbook(body=10)
    play.asks(b"x" * 11)
    assert play.to_client.startswith(b"HTTP/1.1 413 ") and "request" not in play.addons.seen
    play = playbook(body=10)
    play.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n\r\n" + b"x" * 81)
    assert play.to_client.startswith(b"HTTP/1.1 413 ") and play.addons.seen[-1] == "error"


def test_a_request_that_no_addon_made_an_attempt_of_is_answered(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The addon crashed; the client must not be left waiting."""
    monkeypatch.setattr(play.addons, "request", lambda flow: None)
    play.asks()
    assert play.to_client.startswith(b"HTTP/1.1 500 ")


def test_a_failure_that_no_addon_answers_is_a_502(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same."""
    monkeypatch.setattr(play.addons, "upstream_failed", lambda failure: None)
    play.asks()
    play.connects("Connection refused")
    assert play.to_client.startswith(b"HTTP/1.1 502 ")


def test_an_answer_of_the_addons_own_needs_no_server(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is connected."""

    def answer(flow: http.HTTPFlow) -> None:
        flow.response = http.Response.make(200, b"kept")

    monkeypatch.setattr(play.addons, "request", answer)
    play.asks()
    assert play.to_client.endswith(b"kept") and play.opened == []


# --- no delay


def test_the_client_is_the_first_to_hear_of_a_stream(play: Any) -> None:
    """No timer, no hook and no other command stands between an event that came and the one that goes out."""
    asked(play)
    play.answers(SSE + chunk(FIRST))
    (sent,) = play.answers(chunk(FIRST))
    assert isinstance(sent, commands.SendData) and sent.connection is play.client
