"""The protocol between the proxy and the semantic process: frames of JSON on a Unix socket.

A frame is four bytes of length (big endian) and that many bytes of a JSON object. A request has an `id`, chosen by
the client, an `op`, and what that needs; its answer has the same `id`. Answers may come in any order.

    hello                                        -> model, dimensions, languages
    categories  digest, categories {name: [..]}  -> known: whether their vectors are ready yet
    ask         text, until, categories, scope   -> key, routes, neighbours, ms
    remember    key, scope, entry                -> kept
    forget      entries                          -> forgotten

Both ends look at who is on the other one, and at the folder of the socket. `until` is the system's monotonic clock in
seconds, which all processes of a machine share. `error` in an answer says why there is nothing else in it.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import struct
from pathlib import Path
from typing import Any, Final, TypeGuard

from switchman.addons.core.texts.unicode import shown

HEADER: Final = 4
MAX_FRAME: Final = 4 * 1024 * 1024  # bytes; a thousand utterances are far below it
# Characters of a text that are sent: more than 128 tokens' worth of head and of tail.
KEPT_CHARACTERS: Final = 1_500


ROOT: Final = 0
_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid: ucred in unix(7)


class FrameError(Exception):
    """The bytes are not a frame of this protocol."""


def encode(message: dict[str, Any]) -> bytes:
    """One frame. Raises FrameError if it is too long."""
    body = json.dumps(message, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    if len(body) > MAX_FRAME:
        raise FrameError(f"{len(body)} bytes are more than a frame may have")
    return len(body).to_bytes(HEADER, "big") + body


async def read(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message, None at the end. Raises FrameError for anything that is not a frame."""
    try:
        length = int.from_bytes(await reader.readexactly(HEADER), "big")
        if length > MAX_FRAME:
            raise FrameError(f"a frame of {length} bytes")
        message = json.loads(await reader.readexactly(length), parse_constant=_no_number)
    except asyncio.IncompleteReadError:
        return None
    except (ValueError, RecursionError) as error:
        raise FrameError("no JSON in a frame") from error
    if not isinstance(message, dict):
        raise FrameError("a frame without an object")
    return message


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")  # NaN and Infinity are no JSON either


def is_number(value: Any, least: float, most: float) -> TypeGuard[int | float]:
    """Whether it is one in this range, both ends included. JSON's 1e400 is infinite, and so is in none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def peer_is_ours(transport: asyncio.WriteTransport | asyncio.StreamWriter) -> bool:
    """Whether the other end of a Unix socket runs as this user, or as root; True where the system does not tell."""
    connection, option = transport.get_extra_info("socket"), getattr(socket, "SO_PEERCRED", None)
    if connection is None or option is None:
        return True
    _, user, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))
    return user in (ROOT, os.geteuid())


def check_private(folder: Path) -> None:
    """Raises PermissionError where others than this user can put a socket into the folder, or reach one in it."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise PermissionError(f"{folder} must be a folder, and no link to one")
    if found.st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to another user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(f"{folder} can be used by others: it must have the mode 0700")


def shorten(text: str) -> str:
    """The head and the tail of a long text, which is what the embedder looks at."""
    if len(text) <= 2 * KEPT_CHARACTERS:
        return shown(text)  # no tokenizer takes half a surrogate pair
    return shown(text[:KEPT_CHARACTERS] + " " + text[-KEPT_CHARACTERS:])
