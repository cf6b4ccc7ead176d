"""A WebSocket's handshake: what is one, what goes on, and which 101 answers it."""

from __future__ import annotations

import pytest

from switchman.addons.core.access.admission.handshake import (
    BadHandshake,
    Handshake,
    accept_of,
    answer,
    passed_on,
    problem_of,
    read,
)
from switchman.addons.core.request.hopbyhop import Fields

# RFC 6455 section 1.3
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
ASKS: dict[str, str] = {
    "Host": "x", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}  # fmt: skip
ANSWERS: dict[str, str] = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": ACCEPT}


def fields(base: dict[str, str], more: tuple[tuple[str, str], ...] = (), **changed: str | None) -> Fields:
    given = base | {name.replace("_", "-"): value for name, value in changed.items()}
    found = [(name.encode(), value.encode()) for name, value in given.items() if value is not None]
    return (*found, *((name.encode(), value.encode()) for name, value in more))


def asks(*more: tuple[str, str], **changed: str | None) -> Fields:
    return fields(ASKS, more, **changed)


def test_the_example_of_the_standard() -> None:
    """Section 1.3 has the key and what belongs to it."""
    assert accept_of(KEY) == ACCEPT


@pytest.mark.parametrize(
    ("given", "protocols"),
    [
        (asks(), ()),
        (asks(Upgrade="WebSocket", Connection="keep-alive, UPGRADE"), ()),
        (asks(("connection", "keep-alive")), ()),
        (asks(Sec_WebSocket_Protocol="realtime, insecure-key.sk-1"), ("realtime", "insecure-key.sk-1")),
        (asks(("sec-websocket-protocol", "a"), ("sec-websocket-protocol", "b")), ("a", "b")),
        (asks(Content_Length="0", Sec_WebSocket_Extensions="permessage-deflate"), ()),
    ],
)  # fmt: skip
def test_a_valid_one_is_read(given: Fields, protocols: tuple[str, ...]) -> None:
    """In any case, with what else is in Connection."""
    assert read("GET", "HTTP/1.1", given) == Handshake(KEY, protocols)


@pytest.mark.parametrize(
    ("method", "version", "given"),
    [
        ("GET", "HTTP/1.1", fields({"Host": "x"})),
        ("GET", "HTTP/1.1", asks(Upgrade="h2c", HTTP2_Settings="AAMAAABk", Connection="Upgrade, HTTP2-Settings")),
        ("GET", "HTTP/1.1", asks(Upgrade="foo")),
        ("GET", "HTTP/1.1", asks(Upgrade="TLS/1.0, HTTP/1.1")),
        ("GET", "HTTP/1.1", asks(Upgrade="websocket2")),
        ("GET", "HTTP/1.1", asks(Upgrade="")),
        ("POST", "HTTP/1.1", asks()),
        ("HEAD", "HTTP/1.1", asks()),
        ("GET", "HTTP/1.0", asks()),
        ("GET", "HTTP/2.0", asks()),
    ],
)
def test_what_asks_for_no_websocket_is_none(method: str, version: str, given: Fields) -> None:
    """Nor does a method, or a version of HTTP, that has none."""
    assert read(method, version, given) is None


@pytest.mark.parametrize(
    ("given", "words", "status"),
    [
        (asks(Upgrade="websocket, h2c"), "may name only websocket", 400),
        (asks(("Upgrade", "foo")), "may name only websocket", 400),
        (asks(("upgrade", "websocket")), "may name only websocket", 400),
        (asks(Connection=None), "without `Connection: Upgrade`", 400),
        (asks(Connection="keep-alive"), "without `Connection: Upgrade`", 400),
        (asks(Sec_WebSocket_Version="8"), "version 13", 426),
        (asks(Sec_WebSocket_Version=None), "version 13", 426),
        (asks(("Sec-WebSocket-Version", "13")), "version 13", 426),
        (asks(Sec_WebSocket_Key=None), "base64 of 16 bytes", 400),
        (asks(("Sec-WebSocket-Key", KEY)), "base64 of 16 bytes", 400),
        (asks(Sec_WebSocket_Key="c2hvcnQ="), "base64 of 16 bytes", 400),
        (asks(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ"), "base64 of 16 bytes", 400),
        (asks(Sec_WebSocket_Key="\u00e9" * 24), "base64 of 16 bytes", 400),
        (asks(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ== x"), "base64 of 16 bytes", 400),
        (asks(Sec_WebSocket_Protocol="a b"), "is not a list of names", 400),
        (asks(Sec_WebSocket_Protocol="a,,b"), "is not a list of names", 400),
        (asks(Content_Length="5"), "has no body", 400),
        (asks(Transfer_Encoding="chunked"), "has no body", 400),
    ],
)
def test_one_that_is_not_valid_is_told_why(given: Fields, words: str, status: int) -> None:
    """It was meant for one: dropped in silence, nobody would find out."""
    with pytest.raises(BadHandshake, match=words) as told:
        read("GET", "HTTP/1.1", given)
    assert told.value.status == status


def test_a_valid_one_goes_on_without_extensions() -> None:
    """And without what else is of the client's connection."""
    given = asks(Connection="keep-alive, Upgrade", Keep_Alive="5", Sec_WebSocket_Extensions="permessage-deflate")
    kept = dict(passed_on(given, Handshake(KEY)))
    assert kept == dict(asks())


@pytest.mark.parametrize("upgrade", ["websocket", "h2c", "foo", "TLS/1.0"])
def test_of_another_upgrade_nothing_goes_on(upgrade: str) -> None:
    """Whether or not Connection names its fields."""
    given = asks(("X-Kept", "1"), Upgrade=upgrade, HTTP2_Settings="AAMAAABk", Connection=None)
    assert passed_on(given, None) == ((b"Host", b"x"), (b"X-Kept", b"1"))


def test_fields_without_an_upgrade_are_not_copied() -> None:
    """Nearly all requests have none."""
    given = fields({"Host": "x", "Accept": "*/*"})
    assert passed_on(given, None) is given


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, None),
        ({"Upgrade": "WebSocket", "Connection": "upgrade"}, None),
        ({"Sec_WebSocket_Protocol": "realtime"}, None),
        ({"Upgrade": "foo"}, "another protocol"),
        ({"Upgrade": None}, "another protocol"),
        ({"Upgrade": "websocket, foo"}, "another protocol"),
        ({"Connection": None}, "no `Connection: Upgrade`"),
        ({"Connection": "close"}, "no `Connection: Upgrade`"),
        ({"Sec_WebSocket_Accept": None}, "does not belong to the key"),
        ({"Sec_WebSocket_Accept": "x" + ACCEPT[1:]}, "does not belong to the key"),
        ({"Sec_WebSocket_Protocol": "other"}, "subprotocol that it was not offered"),
        ({"Sec_WebSocket_Protocol": ""}, "subprotocol that it was not offered"),
        ({"Sec_WebSocket_Protocol": "realtime, beta"}, "subprotocol that it was not offered"),
        ({"Sec_WebSocket_Extensions": "permessage-deflate"}, "extension that it was not offered"),
    ],
)
def test_a_101_is_held_to_what_was_asked(changed: dict[str, str | None], words: str | None) -> None:
    """Behind any other there would be a tunnel."""
    problem = problem_of(Handshake(KEY, ("realtime", "beta")), fields(ANSWERS, **changed))
    assert problem is None if words is None else words in (problem or "")


def test_a_101_that_nobody_asked_for_is_no_answer() -> None:
    """Even where it is a valid one."""
    assert "for which nobody had asked" in (problem_of(None, fields(ANSWERS)) or "")


def test_two_subprotocols_are_none() -> None:
    """A client would take one of them, and nobody knows which."""
    twice = fields(ANSWERS, (("Sec-WebSocket-Protocol", "a"), ("Sec-WebSocket-Protocol", "b")))
    assert problem_of(Handshake(KEY, ("a", "b")), twice) is not None


def test_the_client_gets_the_servers_101() -> None:
    """With what is of the server's connection replaced by our own."""
    given = fields(ANSWERS, (("Keep-Alive", "5"), ("X-Kept", "1")), Connection="upgrade, keep-alive")
    assert sorted(answer(given)) == sorted(fields(ANSWERS, (("X-Kept", "1"),)))
