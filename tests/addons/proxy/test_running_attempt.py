"""One request, sent several times: under which id, on which connection, and what is told of a failure."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.admission.handshake import Handshake

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
OK = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"done":true}'


@pytest.fixture
def kept(play: Any) -> Any:
    """A request goes out on a connection that has served one before; there is a second server."""
    play.asks()
    play.connects()
    play.answers(OK)
    play.to_client = b""
    play.addons.servers = [play.addons.server("one"), play.addons.server("two")]
    play.asks()
    assert len(play.opened) == 1
    return play


def test_a_kept_connection_that_closes_before_any_byte_had_been_closed_by_its_server(kept: Any) -> None:
    """That is no failure of the server: `reused` says so."""
    kept.hangs_up()
    (failure,) = kept.addons.failures
    assert (failure.kind, failure.reused) == ("reset", True)


@pytest.mark.parametrize("first", [b"H", b"HTTP/1.1 200 OK\r\nContent-", OK[:-1]])
def test_a_kept_connection_that_breaks_after_its_first_bytes_is_a_failure(kept: Any, first: bytes) -> None:
    """The server had begun to answer this very request."""
    kept.answers(first)
    kept.hangs_up()
    (failure,) = kept.addons.failures
    assert (failure.kind, failure.reused) == ("reset", False)


def test_a_new_connection_that_closes_is_a_failure(play: Any) -> None:
    """The server took it, and did not answer."""
    play.asks()
    play.connects()
    play.hangs_up()
    (failure,) = play.addons.failures
    assert (failure.kind, failure.reused) == ("reset", False)


def test_each_attempt_has_an_even_id_of_its_own(play: Any) -> None:
    """Clients' ids are odd, so none is mistaken for another."""
    play.addons.servers = [play.addons.server("one"), play.addons.server("two")]
    play.asks()
    play.connects()
    first = sorted(play.layer.streams)
    play.hangs_up()
    play.connects()
    second = sorted(play.layer.streams)
    assert (first, second) == ([1, 2], [1, 4])
    play.answers(OK)
    assert play.layer.streams == {}


def test_an_attempt_that_is_given_up_closes_its_connection_and_no_other(play: Any) -> None:
    """What came whole is kept, for the next request."""
    play.addons.servers = [play.addons.server("one"), play.addons.server("two")]
    play.asks()
    play.connects()
    whole = play.server
    play.answers(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
    assert whole.connected
    play.connects()
    play.passes(61.0)
    assert whole.connected and not play.server.connected


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("Connection refused", "connect"),
        ("Name or service not known", "dns"),
        ("TLS handshake failed", "tls"),
    ],
)
def test_a_connection_that_cannot_be_had_is_a_failure_of_its_kind(play: Any, error: str, kind: str) -> None:
    """Another server is asked."""
    play.addons.servers = [play.addons.server("one"), play.addons.server("two")]
    play.asks()
    play.connects(error)
    assert [(f.kind, f.message) for f in play.addons.failures] == [(kind, error)]
    play.connects()
    assert b"POST" in play.to_server


def test_every_attempt_is_sent_whole(play: Any) -> None:
    """Head, body, end."""
    play.addons.servers = [play.addons.server("one"), play.addons.server("two")]
    play.asks(b'{"a": 1}')
    play.connects()
    first = play.to_server
    play.hangs_up()
    play.connects()
    assert first.endswith(b'\r\n\r\n{"a": 1}') and play.to_server == first.replace(b"Host: one", b"Host: two")


def test_a_request_of_an_upgrade_keeps_its_own_id(play: Any) -> None:
    """Its connection speaks to the stream by it, once it is no HTTP any more."""
    play.addons.after = lambda request: setattr(play.addons.x, "handshake", Handshake(KEY))
    play.says(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
    play.connects()
    assert list(play.layer.streams) == [1]


@pytest.mark.parametrize("asked", [None, Handshake(KEY)])
def test_a_101_that_is_no_answer_is_a_failed_attempt(play: Any, asked: Handshake | None) -> None:
    """Its connection is closed, and what comes behind it is dropped: there is no tunnel."""
    play.addons.after = lambda request: setattr(play.addons.x, "handshake", asked)
    play.says(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
    play.connects()
    play.answers(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: Upgrade\r\n\r\nraw bytes")
    assert [failure.kind for failure in play.addons.failures] == ["reset"]
    assert play.to_client.startswith(b"HTTP/1.1 502 ") and b"raw" not in play.to_client
    assert not play.server.connected
    play.to_server = b""
    play.says(b"more raw bytes\r\n\r\n")
    assert play.to_server == b""
