"""The header fields that are about one connection only: nobody passes them on (RFC 9110 section 7.6.1).

One rule for both directions: a client's do not go to the server, and a server's do not go to the client.
"""

from __future__ import annotations

from typing import Final

Fields = tuple[tuple[bytes, bytes], ...]

OF_ONE_CONNECTION: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"upgrade",
    }
)
# These stay, even where Connection names them. mitmproxy frames a message by its length and coding, on either side:
# without them the next reader would take a body for another message. No request goes without a host, and no body
# without what says how it is to be read.
FRAMING: Final = frozenset({b"content-encoding", b"content-length", b"content-type", b"host", b"transfer-encoding"})


def end_to_end(fields: Fields, *, handshake: bool = False) -> Fields:
    """The fields that go on; `fields` itself, if all of them do. Names are compared without regard to case.

    `handshake`: a request to switch to WebSocket may keep what asks for that, as it is meant for the server.
    """
    named = {
        option.strip().lower()
        for name, value in fields
        if name.lower() == b"connection"
        for option in value.split(b",")
    }
    drop = (OF_ONE_CONNECTION | named) - FRAMING
    if handshake and _asks_for_websocket(fields, named):
        drop -= {b"upgrade"}
        kept = [field for field in fields if field[0].lower() not in drop]
        return (*kept, (b"Connection", b"Upgrade"))
    if not any(name.lower() in drop for name, _ in fields):
        return fields
    return tuple(field for field in fields if field[0].lower() not in drop)


def _asks_for_websocket(fields: Fields, named: set[bytes]) -> bool:
    """RFC 6455 section 4.1."""
    return b"upgrade" in named and any(
        name.lower() == b"upgrade" and value.strip().lower() == b"websocket" for name, value in fields
    )
