"""What interrupts a stream: its timer, a client that leaves, a router that stops, a server that breaks off."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.proxy.failover_layer import Stopping

SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
FIRST = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def asked(play: Any, **more: Any) -> Any:
    """A request is on its way to the one server."""
    play.addons.servers = [play.addons.server("one", **more)]
    play.asks()
    play.connects()
    return play


def failures(play: Any) -> list[tuple[str, str]]:
    return [(failure.kind, failure.message) for failure in play.addons.failures]


@pytest.mark.parametrize("body", [b"", b"x"], ids=["a body that stops", "a silent server"])
def test_the_timer_of_a_request_that_is_not_ours_does_not_ring_for_ever(body: bytes, play: Any) -> None:
    """Its body had a deadline before anybody could know whose it is; mitmproxy has none."""
    play.addons.ours = False
    play.says(b"POST / HTTP/1.1\r\nHost: router\r\nContent-Length: 1\r\n\r\n" + body)
    play.passes(100.0)
    assert play.client.connected and not play.timers


def test_the_timer_of_an_answer_that_is_over_does_not_ring_for_ever(play: Any) -> None:
    """A request may be killed while something is waited for."""
    asked(play)
    play.addons.flows[-1].kill()
    play.layer.streams[1].server_state = play.layer.streams[1].state_done
    play.passes(100.0)
    assert not play.timers


def test_a_silent_stream_ends_with_the_tail_that_the_addons_give(play: Any) -> None:
    """Then the framing ends well, and the server is let go."""
    asked(play)
    play.answers(SSE + chunk(FIRST))
    play.passes(31.0)
    assert play.to_client.endswith(chunk(FIRST) + chunk(b"data: {}\n\n") + END)
    assert not play.server.connected and play.addons.seen[-2:] == ["upstream_failed", "response"]


def test_a_stream_that_breaks_off_without_a_tail_breaks_the_clients_connection(play: Any) -> None:
    """Bytes of no known form cannot say that they are not all."""
    play.addons.tail = None
    asked(play)
    play.answers(SSE + chunk(FIRST))
    play.hangs_up()
    assert play.to_client.endswith(chunk(FIRST))
    assert not play.client.connected and play.addons.seen[-1] == "error"


def test_a_deadline_that_expired_while_an_addon_thought_counts_afterwards(play: Any) -> None:
    """And one that has moved meanwhile is watched again."""
    asked(play)
    play.paused = lambda hook: hook == "responseheaders"
    play.answers(SSE)
    play.passes(70.0)
    play.resume()
    play.answers(chunk(FIRST))
    play.passes(31.0)
    assert len(play.addons.failures) == 1


def test_pings_go_between_the_events_of_a_silent_stream(play: Any) -> None:
    """An event that is half here has not gone out; a ping goes before it."""
    asked(play, ping_after=5.0)
    play.answers(SSE + chunk(FIRST))
    play.passes(5.0)
    assert play.to_client.endswith(chunk(FIRST) + chunk(b": ping\n\n"))
    play.answers(chunk(FIRST[:10]))
    play.passes(7.0)
    play.answers(chunk(FIRST[10:]))
    assert play.to_client.endswith(2 * chunk(b": ping\n\n") + chunk(FIRST))
    play.passes(4.9)  # counted from what was sent last
    assert play.to_client.endswith(chunk(FIRST))
    play.passes(0.2)
    assert play.to_client.endswith(chunk(FIRST) + chunk(b": ping\n\n"))


@pytest.mark.parametrize(
    ("events", "complete"),
    [([FIRST, DONE], True), ([FIRST], False), ([FIRST, DONE[:-3]], False)],
)
def test_a_client_that_leaves_has_all_or_not(play: Any, events: list[bytes], complete: bool) -> None:
    """With the last word of the server it is answered, before it is not. Either way the server is let go."""
    asked(play)
    play.answers(SSE + b"".join(chunk(event) for event in events))
    play.leaves()
    assert play.addons.seen[-1] == ("response" if complete else "error")
    assert (play.addons.flows[-1].error is None) == complete
    assert not play.server.connected and play.layer.streams == {}


def test_a_client_that_leaves_while_a_connection_is_opened_is_noticed(play: Any) -> None:
    """The connection is of no use to anybody else."""
    play.asks()
    play.leaves()
    play.connects()
    assert play.addons.seen[-1] == "error" and play.to_server == b""


def test_a_body_that_stops_is_refused(play: Any) -> None:
    """30 s of silence are the limit here; each piece begins them anew."""
    play.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
    play.passes(29.0)
    play.says(b"1")
    play.passes(29.0)
    assert play.to_client == b""
    play.passes(1.1)
    assert play.to_client.startswith(b"HTTP/1.1 408 ") and b"nothing came for 30 s" in play.to_client
    assert play.addons.seen == ["requestheaders", "error"] and play.addons.x.status == 408


@pytest.mark.parametrize("answered", [b"", SSE, JSON % (2, b"x")])
def test_a_stop_before_the_answer_is_told_the_addons(play: Any, answered: bytes) -> None:
    """In every state in which the client has nothing."""
    asked(play)
    play.answers(answered)
    play.do(Stopping())
    assert failures(play) == [("cancelled", "The router was stopped before the answer was complete.")]
    assert play.to_client.startswith(b"HTTP/1.1 502 ") and not play.opened[0].connection.connected


def test_a_stop_within_an_answer_or_a_request_ends_it_with_words(playbook: Any) -> None:
    """A tail for the one, a 503 for the other."""
    play = asked(playbook())
    play.answers(SSE + chunk(FIRST))
    play.do(Stopping())
    assert play.to_client.endswith(chunk(b"data: {}\n\n") + END) and failures(play)[0][0] == "cancelled"
    play = playbook()
    play.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
    play.do(Stopping())
    assert play.to_client.startswith(b"HTTP/1.1 503 ")
