"""A WebSocket's opening handshake, on both sides of the router. RFC 6455 section 4.

1. What a client asks for is read once: a Handshake, or nothing that is one, or a fault that it is told.
2. What goes on to the server asks for that WebSocket and nothing else; no other upgrade goes on.
3. A server's 101 is held to it: its Accept is that of the key, its subprotocol one that was offered. No other 101 is an
   answer: behind it would be a tunnel of raw bytes, with the server's key already sent.

Extensions are not offered to servers, so none is agreed on. The one that there is, permessage-deflate, lets a message
of 400 kB become one of 400 MB at its receiver, past every limit on what passes here; to hold it to a limit, it would
have to be inflated on the event loop. What is lost is little: requests over HTTP go out uncompressed, too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from switchman.addons.core.request.hopbyhop import Fields, end_to_end

VERSION: Final = "13"
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES: Final = 16
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_PREFIX: Final = b"sec-websocket-"
_EXTENSIONS: Final = b"sec-websocket-extensions"
_SETTINGS: Final = b"http2-settings"  # of an upgrade to h2c, RFC 7540 section 3.2.1


@dataclass(frozen=True, slots=True)
class Handshake:
    """A valid one. `protocols`: the subprotocols that the client offers; a key may be among them."""

    key: str
    protocols: tuple[str, ...] = ()


class BadHandshake(ValueError):
    """A WebSocket is asked for in a way that is not valid. `status`: of the answer."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def read(method: str, version: str, fields: Fields) -> Handshake | None:
    """The WebSocket that a request asks for. Raises BadHandshake.

    None for a request that asks for none: its Upgrade is for a protocol that is not spoken here, or its method or
    version of HTTP have no upgrades, so it is answered as if the field were not there (RFC 9110 section 7.8).
    """
    upgrades = _listed(fields, b"upgrade")
    if "websocket" not in [one.lower() for one in upgrades] or method.upper() != "GET" or version != "HTTP/1.1":
        return None
    if len(upgrades) > 1:
        raise BadHandshake("The request asks for a WebSocket and for other protocols: Upgrade may name only websocket.")
    if "upgrade" not in [one.lower() for one in _listed(fields, b"connection")]:
        raise BadHandshake(
            "The request has `Upgrade: websocket` without `Connection: Upgrade`: a proxy before the router may have "
            "taken that out."
        )
    if _values(fields, b"sec-websocket-version") != [VERSION]:
        raise BadHandshake(f"Only WebSockets of version {VERSION} are known (Sec-WebSocket-Version).", 426)
    keys = _values(fields, b"sec-websocket-key")
    if len(keys) != 1 or not _is_key(keys[0]):
        raise BadHandshake("Sec-WebSocket-Key is not the base64 of 16 bytes.")
    if any(name.lower() == b"transfer-encoding" for name, _ in fields) or any(
        value != "0" for value in _values(fields, b"content-length")
    ):
        raise BadHandshake("A request for a WebSocket has no body.")
    protocols = _listed(fields, b"sec-websocket-protocol")
    if not all(_TOKEN.fullmatch(one) for one in protocols):
        raise BadHandshake("Sec-WebSocket-Protocol is not a list of names.")
    return Handshake(keys[0], tuple(protocols))


def passed_on(fields: Fields, handshake: Handshake | None) -> Fields:
    """The header fields of a client that go on to a server; `fields` itself, if all of them do."""
    kept = end_to_end(fields, handshake=handshake is not None)
    if handshake is not None:
        return tuple(field for field in kept if field[0].lower() != _EXTENSIONS)
    if not any(_is_of_upgrade(name) for name, _ in kept):
        return kept
    return tuple(field for field in kept if not _is_of_upgrade(field[0]))


def problem_of(handshake: Handshake | None, fields: Fields) -> str | None:
    """Why a server's 101 is no answer to what it was asked; None where it is one. `fields`: of its head."""
    if handshake is None:
        return "the server's answer has the status 101, for which nobody had asked"
    if [one.lower() for one in _listed(fields, b"upgrade")] != ["websocket"]:
        return "the server switched to another protocol than WebSocket"
    if "upgrade" not in [one.lower() for one in _listed(fields, b"connection")]:
        return "the server's handshake has no `Connection: Upgrade`"
    if _values(fields, b"sec-websocket-accept") != [accept_of(handshake.key)]:
        return "the server's Sec-WebSocket-Accept does not belong to the key that it was sent"
    if _values(fields, _EXTENSIONS):
        return "the server chose a WebSocket extension that it was not offered"
    protocols = _values(fields, b"sec-websocket-protocol")
    if len(protocols) > 1 or not set(protocols) <= set(handshake.protocols):
        return "the server chose a WebSocket subprotocol that it was not offered"
    return None


def answer(fields: Fields) -> Fields:
    """The header fields of a server's valid 101, as they go to the client."""
    return (*end_to_end(fields), (b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"))


def accept_of(key: str) -> str:
    """The Sec-WebSocket-Accept that belongs to a key."""
    return base64.b64encode(hashlib.sha1(key.encode("ascii") + _GUID, usedforsecurity=False).digest()).decode("ascii")


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        return False


def _is_of_upgrade(name: bytes) -> bool:
    name = name.lower()
    return name.startswith(_PREFIX) or name == _SETTINGS


def _values(fields: Fields, wanted: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for name, value in fields if name.lower() == wanted]


def _listed(fields: Fields, wanted: bytes) -> list[str]:
    """The elements of a list, over all fields of the name; a field that is empty is one element."""
    return [one.strip() for value in _values(fields, wanted) for one in value.split(",")]
