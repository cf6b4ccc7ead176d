"""Names: tools' names and calls' ids as the target takes them, and the client's own names again in the answer.

OpenAI: names `^[a-zA-Z0-9_-]{1,64}$`, ids of at most 40 characters ("string too long. Expected a string with maximum
length 40"). Anthropic: names `^[a-zA-Z0-9_-]{1,128}$`, of which Bedrock takes 64; ids `^[a-zA-Z0-9_-]+$`, of which
Bedrock takes 64. Gemini wants a letter or `_` first. Ollama refuses none.
MCP servers have dots and slashes in the names of their tools, and other routers' ids are long.

A name or id that does not fit is replaced by one made of it and a checksum of it: the same for the same name, in every
request, so that a server's prompt cache still fits; and another one for each name.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from switchman.addons.core.dialects.neutral.form import (
    Choice,
    Message,
    Part,
    Reply,
    Request,
    StreamEvent,
    ToolCall,
    ToolDelta,
    ToolResult,
)
from switchman.addons.core.dialects.neutral.limits import Notes
from switchman.addons.core.request.call import DialectName

LONGEST_NAME: Final = 64
LONGEST_ID: Final[Mapping[DialectName, int]] = {"openai": 40, "anthropic": 64}
ODD_SIGNS: Final = re.compile(r"[^a-zA-Z0-9_-]")
LETTER_FIRST: Final = re.compile(r"[a-zA-Z_]")


def fitting_name(name: str, letter_first: bool = False) -> str:
    """The name as servers take it: itself where it fits."""
    fitted = _fitted(name, LONGEST_NAME, odd=False)
    return fitted if not letter_first or LETTER_FIRST.match(fitted) else _with_sum(f"_{fitted}", name, LONGEST_NAME)


def fitting_id(id: str, target: DialectName) -> str:
    """The call's id as servers of this dialect take it: itself where it fits."""
    return _fitted(id, LONGEST_ID[target], odd=target == "openai") if target in LONGEST_ID else id


def _fitted(text: str, longest: int, odd: bool) -> str:
    plain = text if odd else ODD_SIGNS.sub("_", text)
    return text if plain == text and len(text) <= longest else _with_sum(plain, text, longest)


def _with_sum(plain: str, text: str, longest: int) -> str:
    return f"{plain[: longest - 9]}_{zlib.crc32(text.encode('utf-8', 'surrogatepass')):08x}"


def with_fitting_names(request: Request, notes: Notes, letter_first: bool = False) -> tuple[Request, dict[str, str]]:
    """The request with names and ids that fit its target, and name that is sent -> the client's, where they differ."""
    if notes.target == "ollama":
        return request, {}
    fitter = _Fitter(notes, letter_first)
    tools = request.tools
    if tools is not None:
        tools = tuple(tool if tool.opaque else replace(tool, name=fitter.name(tool.name, "tools")) for tool in tools)
    choice = request.tool_choice
    if choice is not None and choice.name:
        choice = replace(choice, name=fitter.name(choice.name, "tool_choice"))
    messages = tuple(fitter.message(message) for message in request.messages)
    return replace(request, tools=tools, tool_choice=choice, messages=messages), fitter.names


class _Fitter:
    def __init__(self, notes: Notes, letter_first: bool) -> None:
        self.notes = notes
        self.letter_first = letter_first
        self.names: dict[str, str] = {}  # as sent -> as the client has it

    def name(self, name: str, where: str) -> str:
        fitted = fitting_name(name, self.letter_first) if name else name
        if fitted != name:
            self.notes.lose("tools.name", f"{where} ({name[: LONGEST_NAME + 1]})")
            self.names[fitted] = name
        return fitted

    def message(self, message: Message) -> Message:
        if not any(isinstance(part, ToolCall | ToolResult) for part in message.parts):
            return message
        return message.with_parts(tuple(self.part(part, message.place) for part in message.parts))

    def part(self, part: Part, place: str) -> Part:
        if not isinstance(part, ToolCall | ToolResult):
            return part
        id, name = fitting_id(part.id, self.notes.target), self.name(part.name, place)
        return part if (id, name) == (part.id, part.name) else replace(part, id=id, name=name)


@dataclass(frozen=True, slots=True)
class ClientNames:
    """The client's names of tools, put back into what the server answers. `names`: as sent -> as the client has it."""

    names: Mapping[str, str]

    def reply(self, reply: Reply) -> Reply:
        if not self.names:
            return reply
        return replace(reply, choices=tuple(self._choice(choice) for choice in reply.choices))

    def events(self, events: Iterable[StreamEvent]) -> Iterator[StreamEvent]:
        """A call's name comes whole, in its first event."""
        return (self._event(event) for event in events)

    def _choice(self, choice: Choice) -> Choice:
        parts = (replace(p, name=self._own(p.name)) if isinstance(p, ToolCall) else p for p in choice.parts)
        return replace(choice, parts=tuple(parts))

    def _event(self, event: StreamEvent) -> StreamEvent:
        if isinstance(event, ToolDelta) and event.name in self.names:
            return replace(event, name=self._own(event.name))
        return event

    def _own(self, name: str) -> str:
        return self.names.get(name, name)


NO_NAMES: Final = ClientNames({})
