"""A server's connection, from its bytes to the client's."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from switchman.addons.proxy.upstream_connection import JOINED, SINGLY

DONE = b'{"done":true}'  # a whole answer
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def asked(play: Any) -> Any:
    """A request is on its way."""
    play.asks()
    play.connects()
    return play


def head_of(play: Any) -> list[bytes]:
    """The lines of the head that the client got, in small letters."""
    return play.to_client.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")[1:]


def names(play: Any) -> list[bytes]:
    return [line.partition(b":")[0] for line in head_of(play)]


def test_what_is_of_one_connection_only_is_not_passed_on(asked: Any) -> None:
    """RFC 9110 section 7.6.1, with all that Connection names, in any case and with any blanks."""
    asked.answers(
        OK + b"Connection: X-Hop ,keep-alive, x-other\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n"
        b"X-Hop: 1\r\nX-Other: 2\r\nX-Kept: 3\r\nContent-Length: 13\r\n\r\n" + DONE
    )
    assert asked.to_client.endswith(DONE)
    assert names(asked) == [b"x-kept", b"content-length"]


@pytest.mark.parametrize("field", [b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive", b"Connection: close"])
def test_each_such_field_is_dropped_where_connection_names_others(asked: Any, field: bytes) -> None:
    """Also where it stands for itself."""
    asked.answers(OK + field + b"\r\nConnection: x\r\nContent-Length: 13\r\n\r\n" + DONE)
    assert names(asked) == [b"content-length"]


def test_a_head_that_says_nothing_of_its_connection_goes_on_as_it_is(asked: Any) -> None:
    """Also a field that comes twice, in its order."""
    asked.answers(OK + b"X-Twice: a\r\nX-A: b\r\nX-Twice: c\r\nContent-Length: 13\r\n\r\n" + DONE)
    assert head_of(asked) == [b"x-twice: a", b"x-a: b", b"x-twice: c", b"content-length: 13"]


def test_a_body_that_ends_with_its_connection_is_chunked_for_the_client(asked: Any) -> None:
    """Whose own connection goes on."""
    asked.answers(b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {}\n\n")
    asked.hangs_up()
    assert b"transfer-encoding: chunked" in head_of(asked) and asked.to_client.startswith(b"HTTP/1.1")
    assert asked.to_client.endswith(b"0\r\n\r\n") and asked.client.connected


@pytest.mark.parametrize("cut", range(1, 40, 7))
def test_interim_answers_are_not_the_answer(asked: Any, cut: int) -> None:
    """However they are cut."""
    data = b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\n" + OK + b"Content-Length: 13\r\n\r\n" + DONE
    asked.answers(data[:cut])
    asked.answers(data[cut:])
    assert asked.to_client.startswith(OK) and asked.to_client.endswith(DONE) and b"Early" not in asked.to_client


def test_trailers_of_an_answer_are_dropped(asked: Any) -> None:
    """A recipient may (RFC 9110 section 6.5.1); stock raises."""
    asked.answers(OK + b"Transfer-Encoding: chunked\r\n\r\nd\r\n" + DONE + b"\r\n0\r\nX-Sum: 1\r\n\r\n")
    assert asked.to_client.endswith(b"d\r\n" + DONE + b"\r\n0\r\n\r\n") or asked.to_client.endswith(DONE)
    assert b"X-Sum" not in asked.to_client and asked.layer.streams == {}


def test_a_coding_that_nobody_asked_for_is_undone(play: Any) -> None:
    """The head then says nothing of it."""
    play.says(b"POST /v1/x HTTP/1.1\r\nHost: a\r\nAccept-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}")
    play.connects()
    body = gzip.compress(b'{"choices":[]}')
    play.answers(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert b'{"choices":[]}' in play.to_client and b"content-encoding" not in names(play)


def test_a_coding_that_cannot_be_undone_is_a_broken_answer(play: Any) -> None:
    """Another server may be asked."""
    play.says(b"POST /v1/x HTTP/1.1\r\nHost: a\r\nAccept-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}")
    play.connects()
    play.answers(OK + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n" + b"x" * 9)
    assert [failure.kind for failure in play.addons.failures] == ["reset"]


def test_a_coding_that_the_client_asked_for_stays(asked: Any) -> None:
    """It is none of our business."""
    body = gzip.compress(b"{}")
    asked.answers(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert asked.to_client.endswith(body)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (OK + b"X: " + b"x" * 1024 * 1024, "the head of the answer is larger"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5;" + b"x" * 1024 * 1024, "a chunk's line or trailers"),
    ],
)
def test_what_has_no_end_is_given_up(asked: Any, data: bytes, words: str) -> None:
    """A head, and the line of a chunk."""
    asked.answers(data + b"x" * 100)
    (failure,) = asked.addons.failures
    assert failure.kind == "reset" and words in failure.message
    assert not asked.server.connected


def test_a_servers_head_has_its_time(playbook: Any) -> None:
    """From its own first byte on: interim answers before it do not count, nor how long it was waited for."""
    play = playbook(head_timeout=10.0)
    play.asks()
    play.connects()
    play.answers(b"HTTP/1.1 103 Early\r\n")
    play.passes(8.0)
    play.answers(b"\r\n")
    play.passes(8.0)
    play.answers(OK)
    play.passes(9.0)
    assert play.addons.failures == []
    play.passes(1.1)
    (failure,) = play.addons.failures
    assert (failure.kind, failure.message) == ("reset", "the head of the answer took more than 10 s (HEAD_TIMEOUT)")


@pytest.mark.parametrize(
    "endless", [b"\r\n", b"\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 E\r\nA: b\r\n\r\n\r\n"]
)
def test_what_comes_before_a_head_counts(asked: Any, endless: bytes) -> None:
    """As much as the head itself, however it is cut."""
    piece = endless * 1000
    for _ in range(2_000_000 // len(piece)):
        asked.answers(piece[:-1])
        asked.answers(piece[-1:])
        if asked.addons.failures:
            break
    (failure,) = asked.addons.failures
    assert failure.message == "the head of the answer is larger than 1048576 bytes"


def test_tiny_chunks_of_one_read_go_on_together(asked: Any) -> None:
    """Behind the first few kilobytes, which go on as they came; the bytes are the same, in their order."""
    events = [b'data: {"n":%d}\n\n' % n for n in range(2_000)]
    sizes = []
    first = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    asked.answers(first)
    asked.to_client = b""
    asked.answers(b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in events) + b"0\r\n\r\n")
    rest, body = asked.to_client.partition(b"\r\n\r\n")[2], b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        sizes.append(int(size, 16))
        body, rest = body + rest[: sizes[-1]], rest[sizes[-1] + 2 :]
    assert body == b"".join(events)
    alone = next(n for n in range(len(events)) if sum(sizes[:n]) + sizes[n] > SINGLY)
    assert sizes[:alone] == [len(one) for one in events[:alone]]
    assert len(sizes) - alone <= len(body) / JOINED + 2
