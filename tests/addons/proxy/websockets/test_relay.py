"""A WebSocket that is relayed: bytes in, bytes out; how it ends, and who is told what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mitmproxy.proxy import commands
from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode

from switchman.addons.core.access.admission.handshake import Handshake
from switchman.addons.proxy.failover_layer import Stopping
from switchman.addons.proxy.websockets.relay import LINGER

# RFC 6455 section 1.3
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade, keep-alive\r\nKeep-Alive: 5\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
HELLO = b"\x81\x05hello"


class Peer:
    """wsproto's frames of one end: to be sent by it, or read from what it gets."""

    def __init__(self, client: bool) -> None:
        self.sends = FrameProtocol(client, [])
        self.client = client

    def text(self, payload: str) -> bytes:
        return bytes(self.sends.send_data(payload))

    def close(self, code: int, reason: str = "") -> bytes:
        return bytes(self.sends.close(code, reason))

    def reads(self, data: bytes) -> list[tuple[Opcode, Any]]:
        reader = FrameProtocol(self.client, [])
        reader.receive_bytes(data)
        return [(frame.opcode, frame.payload) for frame in reader.received_frames()]


CLIENT, SERVER = Peer(True), Peer(False)


@pytest.fixture
def open_(play: Any) -> Any:
    """A WebSocket that is open; what went to either side before is forgotten."""
    play.addons.call = None
    play.addons.after = lambda request: setattr(play.addons.x, "handshake", Handshake(KEY))
    play.says(
        b"GET /v1/realtime HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n"
    )
    play.connects()
    play.answers(SWITCHED)
    assert play.to_client.startswith(b"HTTP/1.1 101 ")
    play.to_client = play.to_server = b""
    return play


def closes(commands_: list[commands.Command], play: Any) -> list[str]:
    names = {id(play.client): "client", id(play.server): "server"}
    return [names[id(c.connection)] for c in commands_ if isinstance(c, commands.CloseConnection)]


def ended(play: Any) -> tuple[str, int | None, str | None]:
    ending = play.addons.x.ending
    return ending.by, ending.code, ending.error


def test_the_servers_101_goes_on_without_what_is_of_its_connection(play: Any) -> None:
    """With what asks for the switch on the client's own."""
    play.addons.call = None
    play.addons.after = lambda request: setattr(play.addons.x, "handshake", Handshake(KEY))
    play.says(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n")
    play.connects()
    play.answers(SWITCHED + HELLO)
    head, _, rest = play.to_client.partition(b"\r\n\r\n")
    assert b"keep-alive" not in head.lower() and b"Connection: Upgrade" in head and b"Upgrade: websocket" in head
    assert rest == HELLO  # what came in one piece with the head


def test_bytes_go_on_as_they_come(open_: Any) -> None:
    """In both directions, also of half a frame; nothing is kept."""
    sent = CLIENT.text("hello")
    open_.says(sent[:8])
    assert open_.to_server == sent[:8]
    open_.says(sent[8:])
    open_.answers(HELLO[:4])
    assert (open_.to_server, open_.to_client) == (sent, HELLO[:4])
    assert open_.addons.flows[-1].websocket.messages == []


def test_a_close_goes_round_untouched_and_ends_both_connections(open_: Any) -> None:
    """The server's answer goes back first."""
    goodbye, answer = CLIENT.close(4000, "enough"), SERVER.close(4000)
    assert closes(open_.says(goodbye), open_) == []
    assert closes(open_.answers(answer), open_) == ["client", "server"]
    assert (open_.to_server, open_.to_client) == (goodbye, answer)
    assert ended(open_) == ("client", 4000, None)
    assert open_.addons.seen[-1] == "websocket_end"
    data = open_.addons.flows[-1].websocket
    assert (data.close_code, data.close_reason, data.closed_by_client) == (4000, "enough", True)
    told, reason = open_.addons.x.trace[-2:]
    assert "1 message" not in told.detail and "with 4000. It" in told.detail
    assert (reason.layer, reason.detail) == ("websocket_reason", "The client's reason: enough")


def test_a_server_may_close_its_connection_before_the_client_has_answered(open_: Any) -> None:
    """The client has the server's closing frame, and time to say so."""
    open_.answers(SERVER.close(1011, "full"))
    assert closes(open_.hangs_up(), open_) == ["server"]
    assert closes(open_.says(CLIENT.close(1011)), open_) == ["client"]
    assert open_.to_client == SERVER.close(1011, "full")
    assert ended(open_) == ("server", 1011, "The server closed the WebSocket with 1011: full.")


def test_it_does_not_wait_for_ever_for_that(open_: Any) -> None:
    """A client that does not answer is let go."""
    open_.answers(SERVER.close(1000))
    open_.hangs_up()
    assert "client" in closes(open_.passes(LINGER), open_)
    assert ended(open_) == ("server", 1000, None)


@pytest.mark.parametrize("who", ["client", "server"])
def test_a_connection_that_breaks_ends_the_other_one(who: str, open_: Any) -> None:
    """Without a closing frame, as without the router; the record says who it was."""
    done = open_.leaves() if who == "client" else open_.hangs_up()
    assert ("server" if who == "client" else "client") in closes(done, open_)
    assert (open_.to_client, open_.to_server) == (b"", b"")
    assert ended(open_) == (who, None, f"The {who} broke the WebSocket's connection off, without a closing frame.")


LARGE: dict[str, Callable[[Any], Any]] = {
    "client": lambda play: play.says(CLIENT.text("x" * 1001)),
    "server": lambda play: play.answers(SERVER.text("x" * 1001)),
}


@pytest.mark.parametrize("who", LARGE)
def test_a_message_that_is_too_large_ends_it_on_both_sides(who: str, open_: Any) -> None:
    """Nothing of it goes on; both are told why, and by which setting; whoever answers is let go."""
    assert closes(LARGE[who](open_), open_) == []
    for peer, got in ((SERVER, open_.to_server), (CLIENT, open_.to_client)):
        ((opcode, (code, reason)),) = peer.reads(got)
        assert (opcode, code) == (Opcode.CLOSE, CloseReason.MESSAGE_TOO_BIG)
        assert reason == "A message is larger than 1000 bytes (MAX_WEBSOCKET_MESSAGE)."
    open_.says(CLIENT.close(1009))
    assert closes(open_.answers(SERVER.close(1009)), open_) == ["client", "server"]
    by, code, error = ended(open_)
    assert (by, code) == ("router", 1009) and f"for what the {who} sent" in str(error)


def test_a_fault_in_the_protocol_ends_it_too(open_: Any) -> None:
    """A compressed frame: no extension was agreed on. Nobody answers, and after a while both are let go."""
    open_.answers(b"\xc1\x05hello")
    assert [one for one, _ in CLIENT.reads(open_.to_client)] == [Opcode.CLOSE]
    assert sorted(closes(open_.passes(LINGER), open_)) == ["client", "server"]
    assert ended(open_)[:2] == ("router", CloseReason.PROTOCOL_ERROR)


def test_a_closing_frame_cuts_no_frame_in_two(open_: Any) -> None:
    """The rest of one that is under way to the client goes on first, and nothing after it."""
    open_.answers(HELLO[:4])
    open_.says(CLIENT.text("x" * 1001))
    assert open_.to_client == HELLO[:4]
    open_.answers(HELLO[4:] + HELLO)
    assert open_.to_client.startswith(HELLO)
    ((opcode, (code, _)),) = CLIENT.reads(open_.to_client.removeprefix(HELLO))
    assert (opcode, code) == (Opcode.CLOSE, 1009)


def test_what_pours_on_is_thrown_away(open_: Any) -> None:
    """Until its sender has read why."""
    open_.says(CLIENT.text("x" * 1001))
    before = open_.to_server
    for _ in range(50):
        open_.says(CLIENT.text("y" * 900))
    assert open_.to_server == before


def test_when_the_router_stops_both_are_told(open_: Any) -> None:
    """1001: going away."""
    open_.do(Stopping())
    for peer, got in ((SERVER, open_.to_server), (CLIENT, open_.to_client)):
        ((opcode, (code, _)),) = peer.reads(got)
        assert (opcode, code) == (Opcode.CLOSE, CloseReason.GOING_AWAY)
    open_.says(CLIENT.close(1001))
    open_.answers(SERVER.close(1001))
    assert ended(open_)[:2] == ("router", 1001)
    assert open_.addons.x.ending.outcome == "stream_error"


def test_silence_of_both_ends_it(open_: Any) -> None:
    """A ping of either side is life. Both are told; that it was silent is nobody's fault."""
    for speaks, frame in ((open_.says, CLIENT.sends.ping(b"")), (open_.answers, SERVER.sends.ping(b""))):
        open_.passes(599)
        speaks(bytes(frame))
    open_.to_client = open_.to_server = b""
    assert closes(open_.passes(599), open_) == [] and open_.to_client == b""
    assert closes(open_.passes(1), open_) == []
    for peer, got in ((SERVER, open_.to_server), (CLIENT, open_.to_client)):
        ((opcode, (code, reason)),) = peer.reads(got)
        assert (opcode, code, reason) == (Opcode.CLOSE, 1001, "Nothing came for 600 s (WEBSOCKET_IDLE_TIMEOUT).")
    assert sorted(closes(open_.passes(LINGER), open_)) == ["client", "server"]
    assert ended(open_) == ("router", 1001, None) and open_.addons.x.ending.outcome == "ok"


def test_the_timer_of_silence_does_not_cut_a_closing_handshake_short(open_: Any) -> None:
    """One that rings meanwhile is none that was set for it."""
    open_.passes(599)
    open_.says(CLIENT.text("x" * 1001))
    assert closes(open_.passes(2), open_) == []
    assert sorted(closes(open_.passes(LINGER), open_)) == ["client", "server"]
