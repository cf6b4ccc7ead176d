"""The layer: which server connections there are, and one timer for all who wait."""

from __future__ import annotations

from typing import Any

import pytest
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http._events import ErrorCode, RequestProtocolError

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"done":true}'


def served(play: Any) -> Any:
    """A first request has been answered, on a connection that is kept."""
    play.asks()
    play.connects()
    play.answers(OK)
    play.to_client = b""
    return play


def test_a_kept_connection_is_used_again(play: Any) -> None:
    """Nothing is opened for the second request."""
    served(play).asks()
    play.answers(OK)
    assert len(play.opened) == 1 and play.to_client.endswith(b'{"done":true}')


def test_a_connection_that_closed_while_it_was_idle_is_forgotten(play: Any) -> None:
    """The next request has a new one; what stock knows of the old one is no answer."""
    served(play)
    dead = play.server
    play.hangs_up()
    assert dead not in play.layer.connections and dead not in play.layer.used
    play.asks()
    assert len(play.opened) == 2
    play.connects()
    play.answers(OK)
    assert play.to_client.endswith(b'{"done":true}')


def test_a_connection_that_failed_is_forgotten(play: Any) -> None:
    """Its error is not the answer to the next request, as it is in stock."""
    play.asks()
    play.opened[-1].connection.error = "Connection refused"
    play.connects("Connection refused")
    assert play.to_client.startswith(b"HTTP/1.1 502 ") and len(play.layer.connections) == 1
    play.to_client = b""
    play.asks()
    assert len(play.opened) == 2
    play.connects()
    play.answers(OK)
    assert play.to_client.startswith(b"HTTP/1.1 200 ")


def test_events_of_a_forgotten_connection_are_dropped(play: Any) -> None:
    """Whatever they are."""
    served(play)
    dead = play.server
    play.hangs_up()
    assert play.do(events.DataReceived(dead, b"x")) == []
    assert play.do(events.ConnectionClosed(dead)) == []


def test_a_connection_that_is_not_there_in_time_is_given_up(play: Any) -> None:
    """And closed, if it opens after all."""
    play.asks()
    late = play.opened[-1]
    play.passes(5.1)
    (failure,) = play.addons.failures
    assert (failure.kind, failure.message) == (
        "timeout",
        "timed out: no connection within the connect deadline of 5 s",
    )
    late.connection.state = ConnectionState.OPEN
    (closed,) = play.do(events.OpenConnectionCompleted(late, None))
    assert isinstance(closed, commands.CloseConnection) and closed.connection is late.connection
    assert not play.layer.opening and play.layer.streams == {}


def test_one_timer_waits_for_all_deadlines(play: Any) -> None:
    """A later deadline has no timer of its own, and a thousand requests on one connection leave none behind."""
    served(play)
    for _ in range(20):
        play.asks()
        play.answers(OK)
    assert len(play.timers) == len(play.layer.watches) <= 3


def test_a_timer_without_anybody_who_waits_does_nothing(play: Any) -> None:
    """And sets no other."""
    served(play)
    assert play.passes(1000.0) == [] and play.timers == []


def test_a_request_is_busy_until_it_is_answered(play: Any) -> None:
    """Whoever stops the router asks."""
    assert not play.layer.is_busy
    play.asks()
    assert play.layer.is_busy
    play.connects()
    play.answers(OK)
    assert not play.layer.is_busy


@pytest.mark.parametrize("servers", [1, 2])
def test_a_fresh_connection_is_a_new_one(play: Any, servers: int) -> None:
    """Where an addon asks for it; else a kept one is taken."""
    served(play)
    play.addons.servers = [play.addons.server("one")] * servers
    play.addons.fresh = True
    play.asks()
    play.hangs_up()
    assert len(play.opened) == servers


def test_who_has_sent_all_of_its_request_is_busy(play: Any) -> None:
    """Also while a hook holds the request up; before that its body is awaited, and its connection may be wanted."""
    assert play.layer.standing.kind == "idle"
    play.paused = lambda hook: hook == "requestheaders"
    play.says(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234")
    assert play.layer.standing.kind == "body"
    play.says(b"56789")
    assert play.layer.standing.kind == "busy"


def test_a_client_that_leaves_a_stream_that_is_over_hurts_nobody(play: Any) -> None:
    """Its flow is let go by then."""
    play.asks()
    (stream,) = play.layer.streams.values()
    stream.__dict__.pop("flow")
    assert list(stream.handle_protocol_error(RequestProtocolError(1, "left", ErrorCode.CLIENT_DISCONNECTED))) == []
