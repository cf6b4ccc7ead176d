"""The protocol between the proxy and the semantic process: frames of JSON on a Unix socket.

A frame is four bytes of length (big endian) and that many bytes of a JSON object. A request has an `id`, chosen by
the client, an `op`, and what that needs; its answer has the same `id`. Answers may come in any order.

    hello                                        -> model, dimensions, languages
    categories  digest, categories {name: [..]}  -> known: whether their vectors are ready yet
    ask         text, until, categories, scope   -> key, routes, neighbours, ms
    remember    key, scope, entry                -> kept
    forget      entries                          -> forgotten

`until` is the system's monotonic clock in seconds, which all processes of a machine share. `error` in an answer says
why there is nothing else in it.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from switchman.addons.core.unicode import shown

HEADER: Final = 4
MAX_FRAME: Final = 4 * 1024 * 1024  # bytes; a thousand utterances are far below it
# Characters of a text that are sent: more than 128 tokens' worth of head and of tail.
KEPT_CHARACTERS: Final = 1_500


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
        message = json.loads(await reader.readexactly(length))
    except asyncio.IncompleteReadError:
        return None
    except (ValueError, RecursionError) as error:
        raise FrameError("no JSON in a frame") from error
    if not isinstance(message, dict):
        raise FrameError("a frame without an object")
    return message


def shorten(text: str) -> str:
    """The head and the tail of a long text, which is what the embedder looks at."""
    if len(text) <= 2 * KEPT_CHARACTERS:
        return shown(text)  # no tokenizer takes half a surrogate pair
    return shown(text[:KEPT_CHARACTERS] + " " + text[-KEPT_CHARACTERS:])
