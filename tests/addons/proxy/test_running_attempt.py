"""One request, sent several times: under which id, on which connection, and what is told of a failure."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.access.admission.handshake import Handshake
from switchman.addons.core.streams import events, pipe
from switchman.addons.memory.taps import tap_of
from switchman.addons.proxy import running_attempt

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


# --- what takes long is done beside the loop

SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
FIRST = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
LARGE = b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % (b"x" * 300)
DONE = b"data: [DONE]\n\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.fixture
def beside(play: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stream has begun; events of more than 200 bytes are large, and what is done with one waits for resume()."""
    monkeypatch.setattr(events, "LARGE", 200)
    monkeypatch.setattr(pipe, "LIGHT", 100)
    play.addons.servers = [play.addons.server("one"), play.addons.server("two")]
    play.asks()
    play.connects()
    play.answers(SSE + chunk(FIRST))
    play.paused = lambda hook: hook == "long_step"
    return play


def sent(play: Any) -> bytes:
    """The events that the client has, without the head and what frames them."""
    found = play.to_client.partition(b"\r\n\r\n")[2]
    return b"".join(found.split(b"\r\n")[1::2])


def test_what_comes_behind_a_large_event_waits_for_it(beside: Any) -> None:
    """Events, the end, and in their order; nothing more is read of the server meanwhile."""
    beside.answers(chunk(LARGE[:250]))
    assert beside.waiting == []  # nothing is complete yet
    beside.answers(chunk(LARGE[250:]))
    assert len(beside.waiting) == 1 and not tap_of(beside.server).is_open
    beside.answers(chunk(FIRST) + chunk(LARGE) + chunk(DONE) + b"0\r\n\r\n")
    assert sent(beside) == FIRST
    beside.resume()
    assert sent(beside) == FIRST + LARGE + FIRST + LARGE + DONE
    assert tap_of(beside.server).is_open and beside.addons.seen[-1] == "response"


def test_small_events_take_no_such_step(play: Any) -> None:
    """However many come: no hook, and no other thread."""
    play.asks()
    play.connects()
    play.answers(SSE + chunk(FIRST * 200))
    play.answers(chunk(FIRST) * 200 + chunk(DONE) + b"0\r\n\r\n")
    assert sent(play) == FIRST * 400 + DONE
    assert "long_step" not in play.addons.seen


@pytest.mark.parametrize("cut", range(1, len(LARGE) + len(FIRST), 7))
def test_the_bytes_are_the_same_wherever_a_large_event_is_cut(beside: Any, cut: int) -> None:
    """Between pieces, in the middle of its end, or together with the next one."""
    body = LARGE + FIRST + LARGE
    beside.answers(chunk(body[:cut]))
    beside.answers(chunk(body[cut:]))
    beside.answers(chunk(DONE) + b"0\r\n\r\n")
    beside.resume()
    assert sent(beside) == FIRST + body + DONE


def test_a_client_that_leaves_meanwhile_is_seen_afterwards(beside: Any) -> None:
    """The server is let go, and the request ends as one whose client left."""
    beside.answers(chunk(LARGE))
    beside.leaves()
    assert "error" not in beside.addons.seen
    beside.resume()
    assert beside.addons.seen[-1] == "error" and not beside.server.connected


def test_a_server_that_cuts_meanwhile_is_seen_afterwards(beside: Any) -> None:
    """The large event goes out, then the tail: nothing is lost, and nothing is asked twice."""
    beside.answers(chunk(LARGE))
    beside.hangs_up()
    assert beside.addons.failures == []
    beside.resume()
    assert [failure.begun for failure in beside.addons.failures] == [True]
    assert sent(beside) == FIRST + LARGE + b"data: {}\n\n"


def test_the_time_of_a_long_step_is_no_silence(beside: Any) -> None:
    """The server may have sent more, which nobody has read. Its time counts anew afterwards."""
    beside.answers(chunk(LARGE))
    beside.passes(40)  # `idle` is 30
    beside.resume()
    assert beside.addons.failures == [] and sent(beside) == FIRST + LARGE
    beside.passes(29)
    assert beside.addons.failures == []
    beside.passes(2)
    assert [failure.kind for failure in beside.addons.failures] == ["stream"]


def test_an_end_without_a_blank_line_is_beside_too(beside: Any) -> None:
    """The last event is large, and complete only by the end of the body."""
    beside.answers(chunk(LARGE[:-2]))
    beside.answers(b"0\r\n\r\n")
    assert len(beside.waiting) == 1 and sent(beside) == FIRST
    beside.resume()
    assert sent(beside) == FIRST + LARGE[:-2] and beside.addons.seen[-1] == "response"


@pytest.mark.parametrize("code", [503, 400])
def test_a_large_first_event_still_lets_another_server_be_asked(
    play: Any, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is judged once it has been read: an error in the place of an answer."""
    monkeypatch.setattr(events, "LARGE", 200)
    monkeypatch.setattr(pipe, "LIGHT", 100)
    play.addons.servers = [play.addons.server("one"), play.addons.server("two")]
    play.asks()
    play.connects()
    play.paused = lambda hook: hook == "long_step"
    play.answers(SSE + chunk(b'data: {"error":{"message":"%s","code":%d}}\n\n' % (b"x" * 300, code)))
    assert len(play.waiting) == 1 and play.addons.failures == [] and play.to_client == b""
    play.resume()
    assert [failure.kind for failure in play.addons.failures] == (["error"] if code == 503 else [])
    assert (b"200 OK" in play.to_client) == (code == 400)


def test_a_large_whole_answer_is_judged_beside(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small one is not."""
    monkeypatch.setattr(running_attempt, "LARGE", 200)
    for body, steps in ((b'{"done":true}', 0), (b'{"done":true,"x":"%s"}' % (b"x" * 300), 1)):
        play.addons.servers = [play.addons.server("one")]
        play.addons.seen.clear()
        play.asks()
        if not steps:
            play.connects()
        play.answers(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
        play.answers(body)
        assert play.addons.seen.count("long_step") == steps and play.to_client.endswith(body)


def test_a_step_that_the_addon_cannot_do_is_done_all_the_same(beside: Any) -> None:
    """It has crashed, or its threads are gone as the router ends."""
    beside.paused = lambda hook: False
    beside.addons.long_step = lambda step: None
    beside.answers(chunk(LARGE))
    assert sent(beside) == FIRST + LARGE


def test_a_large_event_that_waits_for_its_end_counts_in_the_budget(beside: Any) -> None:
    """Until its request is over."""
    stream = next(iter(beside.layer.streams.values()))
    budget, before = stream.hold._budget, stream.hold.size
    beside.answers(chunk(LARGE[:150]))
    assert stream.hold.size - before == len(FIRST) + 150  # what goes to the log, too
    beside.leaves()
    assert budget.held == 0


@pytest.mark.parametrize("rest", [b"x" * 200, None])
def test_a_large_first_event_counts_while_it_is_held_back(play: Any, rest: bytes | None) -> None:
    """Until it goes on, or its attempt has failed."""
    play.addons.servers = [play.addons.server("one"), play.addons.server("two")]
    play.asks()
    play.connects()
    stream = next(iter(play.layer.streams.values()))
    before = stream.hold.size
    play.answers(SSE + chunk(b'data: {"choices":[{"index":0,"delta":{"content":"' + b"x" * 4_000))
    assert stream.hold.size - before > 4_000
    if rest is None:
        play.hangs_up()
        assert [failure.kind for failure in play.addons.failures] == ["reset"]
    else:
        play.answers(chunk(rest + b'"}}]}\n\n'))
        assert sent(play).endswith(b"\n\n")
    assert stream.hold.size == before
