"""A request's body as the items of its prompt, in the order in which providers build the prefix that they cache.

    read_prompt(body) -> Prompt     of a request in any dialect; ValueError for what is no JSON object in UTF-8

Tools come first, then what decides how they and the answer are written, then the system prompt, then the messages, as
Anthropic has it (https://platform.claude.com/docs/en/build-with-claude/prompt-caching: "tools, system, then messages";
a change of tool_choice or of thinking keeps tools and system, and breaks the messages). OpenAI caches the beginning of
messages, tools and the schema of the answer (https://platform.openai.com/docs/guides/prompt-caching); it is served by
the same order. A system message at the beginning of `messages` or `input` counts as the system prompt.

What else is in a body (temperature, stream, metadata, cache keys) is no part of a prompt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from switchman.addons.core.request.jsonedit import Member, members_of, parse
from switchman.addons.core.texts.longtext import decode_utf8

Part = Literal["tools", "settings", "system", "messages"]

_TOOLS: Final = ("tools", "functions")
_SYSTEM: Final = ("system", "instructions")
_MESSAGES: Final = ("messages", "input", "prompt")
# Before the system prompt: OpenAI's schemas. Before the messages: what Anthropic keeps tools and system prompt for.
_SCHEMAS: Final = ("response_format", "text")
_ANTHROPIC_SETTINGS: Final = ("tool_choice", "thinking")
_SYSTEM_ROLES: Final = frozenset({"system", "developer"})


@dataclass(frozen=True, slots=True)
class Item:
    """A tool, a setting, a piece of the system prompt or a message. `place`: its path in the body; `start` and `end`:
    its characters in the text. `title`: a tool's name, a message's role.
    """

    part: Part
    place: tuple[str | int, ...]
    title: str
    start: int
    end: int
    value: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prompt:
    """`items` in their order in the prefix. `marked`: whether it has marks for the cache (Anthropic's cache_control).
    `elsewhere`: it goes on from an answer that the provider keeps (previous_response_id), so it is not all here.
    """

    text: str = field(repr=False)
    items: tuple[Item, ...] = field(repr=False)
    model: str = ""
    marked: bool = False
    elsewhere: bool = False

    @property
    def messages(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.part == "messages")


def read_prompt(body: bytes) -> Prompt:
    """Raises ValueError: no UTF-8, or no JSON object."""
    text = decode_utf8(body)
    value, spans = parse(text)
    marked = '"cache_control"' in text
    found: list[Item] = []
    for key in _TOOLS:
        found += _listed(text, spans.get(key), key, "tools")
    settings = [*_SCHEMAS, *(_ANTHROPIC_SETTINGS if _is_anthropic(value, marked) else ())]
    schemas = [item for key in _SCHEMAS for item in _single(text, value, spans.get(key), key)]
    messages = [item for key in _MESSAGES for item in _listed(text, spans.get(key), key, "messages")]
    opening = _opening(messages)
    found += schemas
    for key in _SYSTEM:
        found += _listed(text, spans.get(key), key, "system")
    found += (Item("system", one.place, one.title, one.start, one.end, one.value) for one in messages[:opening])
    for key in settings[len(_SCHEMAS) :]:
        found += _single(text, value, spans.get(key), key)
    found += messages[opening:]
    model = value.get("model")
    return Prompt(
        text, tuple(found), model if isinstance(model, str) else "", marked, bool(value.get("previous_response_id"))
    )


def _is_anthropic(value: dict[str, Any], marked: bool) -> bool:
    """Its Messages API: the system prompt stands beside the messages, or there are marks for the cache."""
    return "messages" in value and (marked or "system" in value or "thinking" in value)


def _opening(messages: list[Item]) -> int:
    """How many messages at the beginning are the system prompt."""
    count = 0
    while count < len(messages) and messages[count].title in _SYSTEM_ROLES:
        count += 1
    return count


def _single(text: str, value: dict[str, Any], span: tuple[int, int] | None, key: str) -> Iterator[Item]:
    if span is None or (key == "text" and not isinstance(value["text"], dict)):
        return
    content = value[key].get("format") if key == "text" else value[key]
    if content is not None:
        yield Item("settings", (key,), key, *span, content)


def _listed(text: str, span: tuple[int, int] | None, key: str, part: Part) -> Iterator[Item]:
    """The members of a list, or what stands in its place: a string is one text."""
    if span is None:
        return
    if text[span[0]] != "[":
        member = Member(key, span[0], span[0], span[1], _of(text, span))
        if member.content is not None:
            yield Item(part, (key,), "user" if part == "messages" else key, *span, member.content)
        return
    for member in members_of(text, span[0])[0]:
        yield Item(part, (key, member.key), _title(member.content, part), member.start, member.end, member.content)


def _of(text: str, span: tuple[int, int]) -> Any:
    held = "[" + text[span[0] : span[1]] + "]"
    return members_of(held, 0)[0][0].content


def _title(value: Any, part: Part) -> str:
    if isinstance(value, str):
        return "user" if part == "messages" else "text"
    if not isinstance(value, dict):
        return ""
    inner = value.get("function")
    names = (value.get("name"), inner.get("name") if isinstance(inner, dict) else None, value.get("type"))
    told = (value.get("role"), value.get("type")) if part == "messages" else names
    return next((one for one in told if isinstance(one, str) and one), "")
