"""The client's connection, from bytes to bytes: what is refused, with which words, and what follows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import events

from switchman.addons.memory.taps import tap_of
from switchman.addons.proxy.client_connection import AHEAD, refuse_ambiguous

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\n"


def refused(play: Any) -> tuple[int, str]:
    """The status and the message of the refusal that the client got, in OpenAI's form."""
    head, _, body = play.to_client.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    return int(head.split(b" ")[1]), json.loads(body)["error"]["message"]


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (HEAD + b"Host: a\r\nhost: b\r\n", "more than one Host header"),
        (HEAD + b"Host: a\r\nHost: a\r\n", "more than one Host header"),
        (b"POST /v1/\0x HTTP/1.1\r\nHost: a\r\n", "a NUL in the path"),
        (HEAD + b"Host: a\r\nX-A: b\0c\r\n", "a line break or NUL in the value of the header 'X-A'"),
        (HEAD + b"Host: a\r\nX-A: b\r\n c\r\n", "a line break or NUL in the value of the header 'X-A'"),
        (HEAD + b"Host: a\r\nContent-Length: x\r\n", "cannot be read"),
        (HEAD + b"Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", "cannot be read"),
        (b"nonsense\r\n", "cannot be read"),
    ],
)
def test_a_head_that_servers_read_differently_is_refused(play: Any, head: bytes, words: str) -> None:
    """With the error object of the client's own SDK; the request leaves a record, and no server hears of it."""
    play.says(head + b"\r\n")
    status, message = refused(play)
    assert status == 400 and words in message
    assert play.addons.seen == ["requestheaders", "error"] and play.opened == []
    x = play.addons.x
    assert (x.outcome, x.status, x.error) == ("refused", 400, message)


@pytest.mark.parametrize(
    ("path", "fields", "words"),
    [
        (b"/a\0b", [], "a NUL in the path"),
        (b"/", [(b"a", b"\0")], "a line break or NUL"),
        (b"/", [(b"a", b"b\nc")], "a line break or NUL"),
        (b"/", [(b"a", b"b\rc")], "a line break or NUL"),
        (b"/", [(b"HOST", b"a")], "more than one Host"),
        (b"/", [(b"a", b"b"), (b"a", b"b")], None),
    ],
)
def test_each_ambiguity_is_one_for_itself(path: bytes, fields: list[tuple[bytes, bytes]], words: str | None) -> None:
    """A field that comes twice is none, but for Host."""
    request = http.Request.make("GET", "http://a/")
    request.data.path = path
    request.data.headers = http.Headers([(b"host", b"a"), *fields])
    if words is None:
        refuse_ambiguous(request)
        return
    with pytest.raises(ValueError, match=words):
        refuse_ambiguous(request)


def test_a_refusal_is_followed_by_deaf_listening(play: Any) -> None:
    """What still comes is thrown away until the client closes, or for five seconds: no reset wipes the answer out."""
    play.says(HEAD + b"Host: a\r\nHost: b\r\n\r\n" + b"x" * 100)
    play.says(b"x" * 100_000)
    assert play.to_client.count(b"HTTP/1.1") == 1 and play.client.connected is False
    closed = play.passes(5.1)
    assert [type(command).__name__ for command in closed] == ["CloseConnection"]


def test_a_head_may_be_so_large_and_no_larger(playbook: Any) -> None:
    """Whether its end has come or not."""
    play = playbook(head=200)
    play.says(HEAD + b"Host: a\r\nX: " + b"x" * 300)
    assert refused(play)[0] == 431
    play = playbook(head=200)
    play.says(HEAD + b"Host: a\r\nContent-Length: 2\r\nX: " + b"x" * 80 + b"\r\n\r\n{}")
    assert "request" in play.addons.seen and play.to_client == b""


def test_a_page_may_read_that_its_head_is_too_large(playbook: Any) -> None:
    """Its origin is read from the part that came; another page's, or a second one, counts for nothing."""
    for lines, allowed in [
        (b"Origin: http://localhost:3000\r\n", True),
        (b"Origin: https://evil.example\r\n", False),
        (b"Origin: http://localhost:3000\r\nOrigin: http://localhost:1\r\n", False),
        (b"", False),
    ]:
        play = playbook(head=200)
        play.says(HEAD + b"Host: a\r\n" + lines + b"X: " + b"x" * 300)
        assert refused(play)[0] == 431
        assert (b"access-control-allow-origin: http://localhost:3000" in play.to_client.lower()) is allowed


def test_half_a_head_of_a_client_that_leaves_is_forgotten(play: Any) -> None:
    """There may be keys in it, which belong into no log."""
    play.says(HEAD + b"Authorization: Bearer secret\r\n")
    assert "secret" not in repr(play.leaves()) and play.addons.seen == []


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(playbook: Any) -> None:
    """Where the client asks (RFC 9110 section 10.1.1); else it is told to go on."""
    play = playbook(body=10)
    play.says(HEAD + b"Host: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n")
    assert refused(play)[0] == 413
    play = playbook(body=10)
    play.says(HEAD + b"Host: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
    assert play.to_client == b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize("chunks", [b"zz\r\n", b"-1\r\n", b"5\r\nabcdefgh\r\n"])
def test_a_body_that_is_not_well_framed_is_refused(play: Any, chunks: bytes) -> None:
    """The record says so, and does not say that the client left."""
    play.says(HEAD + b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    assert refused(play) == (400, "The request's body is not well framed.")
    assert (play.addons.x.outcome, play.addons.x.status) == ("refused", 400)


def test_a_chunks_line_has_an_end(playbook: Any) -> None:
    """Nobody counts what is no data."""
    play = playbook(head=100)
    play.says(HEAD + b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"x" * 200)
    assert refused(play)[0] == 400


def test_a_body_that_ends_early_is_told_to_who_may_still_read(play: Any) -> None:
    """A client that half-closed."""
    play.says(HEAD + b"Host: a\r\nContent-Length: 9\r\n\r\n123")
    play.client.state = ConnectionState.CAN_WRITE
    play.do(events.ConnectionClosed(play.client))
    assert refused(play)[0] == 400 and play.addons.seen[-1] == "error"


def test_trailers_of_a_request_are_dropped(play: Any) -> None:
    """A recipient may (RFC 9110 section 6.5.1); stock raises."""
    play.says(HEAD + b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Sum: 1\r\n\r\n")
    play.connects()
    assert b"X-Sum" not in play.to_server and play.to_server.endswith(b"2\r\n{}\r\n0\r\n\r\n")


def test_a_client_of_http_1_0_gets_no_chunks(play: Any) -> None:
    """Its answer ends with the connection."""
    play.says(b"POST /v1/chat/completions HTTP/1.0\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
    play.connects()
    play.answers(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'24\r\ndata: {"choices":[]}\n\ndata: [DONE]\n\n\r\n0\r\n\r\n'
    )
    assert b"chunked" not in play.to_client and play.to_client.endswith(b"]}\n\ndata: [DONE]\n\n")
    assert not play.client.connected


def test_requests_that_are_sent_ahead_are_read_on_when_the_answer_is_over(play: Any) -> None:
    """A few kilobytes are read at once; more stays where it is for as long as the answer is awaited."""
    tap, follows = (
        tap_of(play.client),
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n",
    )
    play.asks()
    play.says(follows)
    assert tap.is_open
    play.says(b" " * AHEAD)
    assert not tap.is_open and play.client.connected
    play.connects()
    play.answers(b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"done":true}')
    assert tap.is_open and len(play.addons.flows) == 2


def test_connect_is_refused_with_a_hint(play: Any) -> None:
    """This port is no forward proxy."""
    play.says(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")
    assert play.to_client.startswith(b"HTTP/1.1 400 ") and b"no forward proxy" in play.to_client


def test_a_second_request_follows_on_the_same_connection(play: Any) -> None:
    """And goes out on the same connection to its server."""
    for number in (1, 2):
        play.asks()
        if number == 1:
            play.connects()
        play.answers(b'HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{"done":true,"n":%d}' % number)
    assert play.to_client.endswith(b'"n":2}') and len(play.opened) == 1


def test_a_head_has_its_time(playbook: Any) -> None:
    """From its first byte on, blank lines included; one that comes in time is served, and the timer rings in vain."""
    play = playbook(head_timeout=30.0)
    play.says(b"\r\n")
    play.passes(29.0)
    assert play.to_client == b""
    play.says(HEAD)
    play.passes(1.1)
    assert refused(play) == (408, "The request's headers were not complete after 30 s (HEAD_TIMEOUT).")
    assert play.addons.x.outcome == "refused"
    play = playbook(head_timeout=30.0)
    play.says(HEAD)
    play.passes(20.0)
    play.says(b"Host: a\r\nContent-Length: 2\r\n\r\n{}")
    play.connects()
    play.passes(20.0)
    assert play.to_client == b"" and "request" in play.addons.seen


def test_the_next_head_has_a_time_of_its_own(playbook: Any) -> None:
    """Although the timer of the one before rings within it."""
    play = playbook(head_timeout=30.0)
    play.says(HEAD)
    play.passes(10.0)
    play.says(b"Host: a\r\nContent-Length: 2\r\n\r\n{}")
    play.connects()
    play.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + b'{"done":true}')
    play.passes(10.0)
    play.to_client = b""
    play.says(HEAD)
    play.passes(29.0)
    assert play.to_client == b""
    play.passes(1.1)
    assert refused(play)[0] == 408


def test_what_frames_a_body_is_bounded(playbook: Any) -> None:
    """Chunks of one byte pass; their extensions, and what is in them, are not ten times the body and more."""
    play = playbook(head=1000)
    play.says(HEAD + b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(1000):
        play.says(b"1\r\nx\r\n")
    assert play.to_client == b""
    for _ in range(1000):
        if play.to_client:
            break
        play.says(b"1;" + b"e" * 500 + b"\r\nx\r\n")
    assert refused(play)[0] == 400 and "MAX_HEADER_BYTES" in refused(play)[1]


def test_what_is_thrown_away_has_an_end(playbook: Any) -> None:
    """After a refusal no more is read than a request may have."""
    play = playbook(head=1000, body=5000)
    play.says(HEAD + b"Host: a\r\nHost: b\r\n\r\n")
    closed = [type(command).__name__ for _ in range(20) for command in play.says(b"x" * 1000)]
    assert closed == ["CloseConnection"]
