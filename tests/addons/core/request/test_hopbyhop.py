"""Which header fields end at this hop, and which go on."""

from __future__ import annotations

import pytest

from switchman.addons.core.request.hopbyhop import OF_ONE_CONNECTION, Fields, end_to_end

KEPT: Fields = ((b"Host", b"h"), (b"X-Odd", b"1"), (b"content-type", b"a/b"), (b"x-odd", b"2"))
HANDSHAKE: Fields = ((b"Upgrade", b"websocket"), (b"Sec-WebSocket-Key", b"k"))


def test_what_is_meant_for_the_server_is_the_same_tuple() -> None:
    """Where nothing has to go nothing is made anew: order, case and duplicates are the client's."""
    assert end_to_end(KEPT) is KEPT


@pytest.mark.parametrize("case", [bytes.lower, bytes.upper, bytes.title])
@pytest.mark.parametrize("name", sorted(OF_ONE_CONNECTION))
def test_a_field_of_one_connection_goes_no_further(name: bytes, case: object) -> None:
    """Each of RFC 9110 section 7.6.1, in any case."""
    spelt = case(name)  # type: ignore[operator]
    assert end_to_end((*KEPT, (spelt, b"x"), *KEPT)) == KEPT * 2


def test_the_list_is_that_of_the_standard() -> None:
    """RFC 9110 sections 7.6.1, 11.7 and 10.1.4; what frames a message is not in it, as mitmproxy frames by it."""
    assert {
        b"connection", b"keep-alive", b"te", b"trailer", b"upgrade", b"proxy-connection", b"proxy-authorization",
        b"proxy-authenticate",
    } == OF_ONE_CONNECTION  # fmt: skip


@pytest.mark.parametrize(
    "given",
    [
        ((b"Connection", b"close, X-Secret"),),
        ((b"connection", b"x-SECRET"),),
        ((b"Connection", b"close"), (b"CONNECTION", b"keep-alive ,\tx-secret")),
        ((b"Connection", b",, x-secret ,"),),
    ],
)
def test_what_connection_names_goes_no_further(given: Fields) -> None:
    """In any case, before or after it, of several options, and of several Connection fields."""
    secret = (b"X-Secret", b"s")
    assert end_to_end((secret, *KEPT, *given, secret)) == KEPT


@pytest.mark.parametrize("name", [b"Content-Length", b"Transfer-Encoding", b"Host"])
def test_what_frames_a_message_stays_whatever_connection_names(name: bytes) -> None:
    """Else a body would be read as the next message: a way to smuggle one in."""
    assert end_to_end(((b"Connection", name), (name, b"7"))) == ((name, b"7"),)


@pytest.mark.parametrize("connection", [b"Upgrade", b"keep-alive, upgrade"])
def test_a_websocket_handshake_passes(connection: bytes) -> None:
    """What asks for it goes on, and nothing else of the client's connection."""
    given = (*HANDSHAKE, (b"Connection", connection), (b"Keep-Alive", b"timeout=5"))
    assert end_to_end(given, handshake=True) == (*HANDSHAKE, (b"Connection", b"Upgrade"))


@pytest.mark.parametrize(
    ("fields", "handshake"),
    [
        ((*HANDSHAKE, (b"Connection", b"Upgrade")), False),
        ((*HANDSHAKE, (b"Connection", b"close")), True),
        (((b"Upgrade", b"h2c"), HANDSHAKE[1], (b"Connection", b"Upgrade")), True),
    ],
    ids=["where none is expected", "Connection does not name it", "another protocol"],
)
def test_nothing_else_is_upgraded(fields: Fields, handshake: bool) -> None:
    """An upgrade that is no WebSocket's is between client and router."""
    assert end_to_end(fields, handshake=handshake) == (HANDSHAKE[1],)
