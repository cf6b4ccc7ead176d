"""asked(): the text of a request by which it is found later, and the kinds of content that it has.

    asked(body) -> Asked        of a request in any of the three dialects; never raises on JSON

Each shape has keys of its own, so one walk serves all, as in core/request/bodyfacts.py. It begins with the newest
message and takes MOST characters: what is older was the newest of an earlier request, and is found by that one. So a
long conversation costs the event loop, on which this runs, no more than a short one. Kinds are those of the newest
MOST_MESSAGES and MOST_PARTS, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

MOST: Final = 16_000  # characters of text
MOST_MESSAGES: Final = 200  # that are looked at
MOST_PARTS: Final = 2_000  # of all of them, likewise: one message may have as many as a body of 10 MB has room for
DEEPEST: Final = 4  # of content in a tool's result

# The kinds of content, a bit for each: a column of the log, so that none may ever mean something else.
KINDS: Final = ("text", "image", "audio", "document", "tools", "video")
TEXT, IMAGE, AUDIO, DOCUMENT, TOOLS, VIDEO = (1 << place for place in range(len(KINDS)))

_PARTS: Final[Mapping[str, int]] = {
    "image": IMAGE, "image_url": IMAGE, "input_image": IMAGE,
    "audio": AUDIO, "input_audio": AUDIO, "audio_url": AUDIO,
    "document": DOCUMENT, "file": DOCUMENT, "input_file": DOCUMENT,
    "video": VIDEO, "video_url": VIDEO, "input_video": VIDEO,
    "tool_use": TOOLS, "tool_result": TOOLS, "server_tool_use": TOOLS,
    "function_call": TOOLS, "function_call_output": TOOLS, "custom_tool_call": TOOLS, "custom_tool_call_output": TOOLS,
}  # fmt: skip
# Of requests whose kind is that of their operation (core/request/call.py).
OF_OPERATIONS: Final[Mapping[str, int]] = {
    "image": IMAGE, "speech": AUDIO, "transcription": AUDIO, "video": VIDEO,
}  # fmt: skip


class Asked(NamedTuple):
    """`text`: at most MOST characters, the newest message first. `kinds`: the bits of KINDS that occur."""

    text: str
    kinds: int


def kinds_in(bits: int | None) -> tuple[str, ...]:
    """`("text", "image")`; none of them where nothing is known."""
    return tuple(name for place, name in enumerate(KINDS) if (bits or 0) >> place & 1)


@dataclass(slots=True)
class _Found:
    texts: list[str] = field(default_factory=list)
    room: int = MOST
    parts: int = MOST_PARTS
    kinds: int = 0

    def some(self, parts: list[Any]) -> Iterator[Any]:
        """The first of these, as many as may still be looked at."""
        for part in parts:
            if self.parts <= 0:
                return
            self.parts -= 1
            yield part

    def add(self, text: str) -> None:
        if not text:
            return
        self.kinds |= TEXT
        if self.room > 0:
            self.texts.append(text[: self.room])
            self.room -= len(text)


def asked(body: Mapping[str, Any]) -> Asked:
    """What was asked. Tools that are only offered count as a kind; their descriptions are no text of the prompt."""
    found = _Found()
    for looked_at, message in enumerate(_newest_first(body)):
        if looked_at >= MOST_MESSAGES:
            break
        _message(found, message)
    for key in ("instructions", "system"):
        _content(found, body.get(key))
    if any(isinstance(tools := body.get(key), list) and tools for key in ("tools", "functions")):
        found.kinds |= TOOLS
    return Asked("\n".join(found.texts), found.kinds)


def _newest_first(body: Mapping[str, Any]) -> Iterator[Any]:
    prompt = body.get("prompt")
    if isinstance(prompt, str | list):
        yield {"content": prompt, "images": body.get("images")}
    for key in ("input", "messages", "query"):
        listed = body.get(key)
        if isinstance(listed, str):
            yield {"content": listed}
        elif isinstance(listed, list):
            yield from reversed(listed)


def _message(found: _Found, message: Any) -> None:
    if isinstance(message, str):
        found.add(message)
        return
    if not isinstance(message, dict):
        return
    if len(message) == 2 and isinstance(content := message.get("content"), str) and "role" in message:
        found.add(content)  # most messages are nothing but a role and a text
        return
    if (kind := message.get("type")) is not None:  # an item of Responses
        _part(found, message, kind, 0)
    _content(found, message.get("content"))
    if message.get("images"):
        found.kinds |= IMAGE
    if message.get("tool_calls") or message.get("role") in ("tool", "function"):
        found.kinds |= TOOLS
    for call in found.some(calls) if isinstance(calls := message.get("tool_calls"), list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and isinstance(arguments := function.get("arguments"), str):
            found.add(arguments)


def _content(found: _Found, content: Any, depth: int = 0) -> None:
    if isinstance(content, str):
        found.add(content)
    elif isinstance(content, list):
        for part in found.some(content):
            if isinstance(part, str):
                found.add(part)
            elif isinstance(part, dict):
                _part(found, part, part.get("type"), depth)


def _part(found: _Found, part: Mapping[str, Any], kind: Any, depth: int) -> None:
    if isinstance(kind, str):
        found.kinds |= _PARTS.get(kind, 0)
    for key in ("text", "arguments", "output"):
        if isinstance(text := part.get(key), str):
            found.add(text)
    if kind == "tool_result" and depth < DEEPEST:
        _content(found, part.get("content"), depth + 1)
    elif kind in ("function_call_output", "custom_tool_call_output") and depth < DEEPEST:
        _content(found, part["output"] if isinstance(part.get("output"), list) else None, depth + 1)
    elif kind == "document" and isinstance(source := part.get("source"), dict) and source.get("type") == "text":
        _content(found, source.get("data"), depth)
