"""answered(): the text of an answer's body, whole or streamed, of any dialect, without reading it as JSON.

The members that hold text are looked for by name, and their pieces joined: in a stream a word may be in two events. It
runs in the log's writer for each request, beside a busy event loop, so it is bounded, and takes no event apart.

Sources: the API references of OpenAI (`content`, `text`, `delta`, `arguments`, `refusal`, `reasoning_content`),
Anthropic (`text`, `thinking`, `partial_json`) and Ollama (`content`, `response`, `thinking`).
"""

from __future__ import annotations

import json
import re
from typing import Final

from switchman.addons.core.texts.unicode import decoded

MOST: Final = 16_000  # characters of text
MOST_READ: Final = 262_144  # bytes of a body; an event of a stream is some twenty times as long as its text

_TEXTS: Final = re.compile(
    rb'"(content|text|delta|response|thinking|reasoning|reasoning_content|refusal|arguments|partial_json|transcript'
    rb'|message)"\s{0,4}:\s{0,4}"([^"\\]*(?:\\.[^"\\]*)*)"',
    re.DOTALL,
)


def answered(body: bytes) -> str:
    """The text, at most MOST characters of it; "" where there is none, or the body is compressed."""
    pieces: list[bytes] = []
    length, last = 0, b""
    for match in _TEXTS.finditer(body, 0, MOST_READ):
        name, text = match.groups()
        if not text:
            continue
        if name != last and pieces:
            pieces.append(b"\\n")  # another member is another text
        pieces.append(text)
        last, length = name, length + len(text)
        if length >= 4 * MOST:
            break
    return _unescaped(b"".join(pieces))[:MOST]


def _unescaped(text: bytes) -> str:
    if b"\\" not in text:
        return decoded(text)
    try:
        return str(json.loads(b'"%b"' % text.decode("utf-8", "replace").encode(), strict=False))
    except ValueError:
        return decoded(text)
