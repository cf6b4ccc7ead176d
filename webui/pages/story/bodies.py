"""A body's bytes as its tab shows them: text with credentials masked, or a dump of what is no text. Pure."""

from __future__ import annotations

from typing import NamedTuple

from switchman.addons.core.texts.unicode import decoded, dumps, read_json
from switchman.addons.store.reading.found import Content
from switchman.webui.looks.formats import visible
from switchman.webui.looks.masked import masked_text

MOST_SHOWN = 256_000  # bytes; all of them can be downloaded
MOST_DUMPED = 1_024  # bytes of what is no text
LOOKED_AT = 2_048  # bytes by which text is told from what is none
_WIDTH = 16  # bytes on a line of a dump


class Shown(NamedTuple):
    """`shown_bytes`: how many of the body's bytes `text` stands for, None for all."""

    text: str
    masked: bool
    binary: bool
    pretty: bool
    can_indent: bool
    shown_bytes: int | None


def show(data: bytes, indented: bool) -> Shown:
    """`indented` asks for JSON with indentation, where the body is JSON and not too long."""
    if is_binary(data):
        most = MOST_DUMPED if len(data) > MOST_DUMPED else None
        return Shown(dump(data[:MOST_DUMPED]), False, True, False, False, most)
    pretty = indent(data)
    plain = pretty if indented and pretty is not None else decoded(data[:MOST_SHOWN])
    text = masked_text(plain)
    return Shown(
        text=visible(text),
        masked=text != plain,
        binary=False,
        pretty=indented and pretty is not None,
        can_indent=pretty is not None,
        shown_bytes=MOST_SHOWN if len(data) > MOST_SHOWN else None,
    )


def readable(content: Content | None, most: int) -> bytes | None:
    """The body, unless it is longer than `most` bytes: too long to take apart while someone waits."""
    if content is None or content.data is None or len(content.data) > most:
        return None
    return content.data


def is_binary(data: bytes) -> bool:
    """Whether a body begins as text never does: a NUL, or a tenth of it neither UTF-8 nor printable."""
    head = data[:LOOKED_AT]
    text = decoded(head).rstrip("\ufffd")  # the last character may be cut
    odd = sum(character == "\ufffd" or (character < " " and character not in "\t\n\r\x1b") for character in text)
    return b"\0" in head or odd * 10 > len(text)


def dump(data: bytes) -> str:
    """Offset, hexadecimal and ASCII, sixteen bytes a line."""
    lines = []
    for at in range(0, len(data), _WIDTH):
        part = data[at : at + _WIDTH]
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{at:06x}  {part.hex(' '):<{_WIDTH * 3 - 1}}  {letters}")
    return "\n".join(lines)


def indent(data: bytes) -> str | None:
    """JSON with indentation, None for anything else and for what is too long to show whole."""
    if len(data) > MOST_SHOWN:
        return None
    try:
        return dumps(read_json(data), indent=2)
    except (ValueError, RecursionError):
        return None
