"""Linking: find the tool call that each result answers.

OpenAI and Anthropic tie results to calls by id, Ollama by the tool's name. A conversation that goes from one to the
other gets the missing ids and names, the same for the same conversation, so that a provider's prompt cache still fits.
"""

from __future__ import annotations

from dataclasses import replace

from switchman.addons.core.dialects.neutral.form import Message, Part, Request, Text, ToolCall, ToolResult
from switchman.addons.core.dialects.neutral.limits import Notes


def link(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages, with an id of its own for each call, and both id and name for each result.

    A result without an id answers the oldest open call of its name, or just the oldest open call. Some servers give
    their calls the same ids in every answer, which others refuse: all but the first get another one.
    """
    linker = _Linker(messages)
    return tuple(message.with_parts(linker.parts(message)) for message in messages)


def without_orphans(request: Request, notes: Notes) -> Request:
    """Turn each result without its call into a user's text, where servers refuse such results.

    Some clients cut their history short, and lose the calls.
    """
    if notes.target == "ollama":
        return request
    ids: set[str] = set()
    open_calls: list[str] = []  # the ids of calls that have no result yet, "" where they have none
    messages: list[Message] = []
    for message in request.messages:
        parts: list[Part] = []
        for part in message.parts:
            if isinstance(part, ToolCall):
                ids.add(part.id)
                open_calls.append(part.id)
            elif isinstance(part, ToolResult):
                if not (part.id in ids if part.id else open_calls):
                    notes.lose("messages.tool_result")
                    parts += [Text(f"Result of {part.name or 'a tool'}:"), *part.content]
                    continue
                if not part.id or part.id in open_calls:
                    open_calls.remove(part.id or open_calls[0])
            parts.append(part)
        changed = message.with_parts(tuple(parts))
        if message.role == "tool" and not any(isinstance(part, ToolResult) for part in parts):
            changed = replace(changed, role="user", shape="parts")
        messages.append(changed)
    return replace(request, messages=tuple(messages))


class _Linker:
    def __init__(self, messages: tuple[Message, ...]) -> None:
        self.count = 0
        self.taken = {
            part.id for message in messages for part in message.parts if isinstance(part, ToolCall | ToolResult)
        }
        self.names: dict[str, str] = {}  # call id -> tool name
        self.given: dict[str, str] = {}  # the client's id of a call -> the id of the last one that it named
        self.here: set[str] = set()  # the client's ids of this message's calls
        self.open: list[tuple[str, ToolCall]] = []  # with the client's ids

    def parts(self, message: Message) -> tuple[Part, ...]:
        self.here.clear()
        return tuple(self.part(part) for part in message.parts)

    def part(self, part: Part) -> Part:
        if isinstance(part, ToolCall):
            return self.call(part)
        if isinstance(part, ToolResult):
            return self.result(part)
        return part

    def call(self, call: ToolCall) -> ToolCall:
        self.count += 1
        own = call.id
        if not own:
            call = replace(call, id=self._new_id())
        elif own in self.given:
            if own not in self.here:  # a result is one of the last message's call
                self.open = [one for one in self.open if one[0] != own]
            call = replace(call, id=self._other_id(own))
        self.here.add(own)
        self.given[own or call.id] = call.id
        self.names[call.id] = call.name
        self.open.append((own or call.id, call))
        return call

    def result(self, result: ToolResult) -> ToolResult:
        found = self._answered(result)
        if found is not None:
            self.open.remove(found)
        call_id = found[1].id if found else self.given.get(result.id, result.id) or _made_id(self.count)
        name = result.name or self.names.get(call_id, "")
        return result if (call_id, name) == (result.id, result.name) else replace(result, id=call_id, name=name)

    def _new_id(self) -> str:
        """An id that the conversation has nowhere else: a client may have been given such ones by another router."""
        while _made_id(self.count) in self.taken:
            self.count += 1
        return _made_id(self.count)

    def _other_id(self, id: str) -> str:
        """An id for another call of the same one, as short as OpenAI wants it."""
        number = 2
        while (other := f"{id[:30]}_{number}") in self.taken:
            number += 1
        self.taken.add(other)
        return other

    def _answered(self, result: ToolResult) -> tuple[str, ToolCall] | None:
        if result.id:
            return next((one for one in self.open if one[0] == result.id), None)
        named = (one for one in self.open if one[1].name == result.name)
        return next(named, self.open[0] if self.open else None)


def _made_id(number: int) -> str:
    """Nine letters and digits, as Mistral wants them: it refuses any other id."""
    return f"call{number:05}"


def with_places(request: Request) -> Request:
    """The request with the place of each message written down, before the order of messages changes."""
    placed = (
        message if message.place else replace(message, place=place(request, index))
        for index, message in enumerate(request.messages)
    )
    return replace(request, messages=tuple(placed))


def place(request: Request, index: int) -> str:
    """The name of message number `index` of the internal form, as the client knows it."""
    if request.messages[index].place:
        return request.messages[index].place
    if request.origin == "anthropic.messages" and request.messages[0].role == "system":
        return "system" if index == 0 else f"messages[{index - 1}]"
    if request.origin in ("ollama.generate", "openai.completion"):
        return "system" if request.messages[index].role == "system" else "prompt"
    return f"input[{index}]" if request.origin == "openai.responses" else f"messages[{index}]"
