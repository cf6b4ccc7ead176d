"""Read a request body in one walk: the person's last ask, the system text, the sizes, the modalities.

    body_facts(body) -> BodyFacts        of a request in any of the three dialects; never raises on valid JSON

Each shape has keys of its own, so one walk serves all: `messages` (OpenAI, Anthropic, Ollama: strings, parts, blocks,
`images`), `prompt` (completions, Ollama's generate), `input` (responses: a string or items) and `system` or
`instructions`. A value of an unexpected type is skipped: the upstream will report it.

The ask is the last message of role user that has a person's words in it. Tool results, documents and pictures are not
words, and what harnesses put around them is removed (boilerplate.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from switchman.addons.core.request.boilerplate import has_own_words, own_words
from switchman.addons.core.request.tokens import PER_IMAGE, PER_MESSAGE, estimated_total
from switchman.addons.core.texts.largejson import encoded

Modality = Literal["text", "vision", "audio"]

# Characters. Of a longer ask only the head and the tail are read: the middle would cost time and add nothing.
LONGEST: Final = 65_536

_SYSTEM_ROLES: Final = frozenset({"system", "developer"})
_IMAGE_PARTS: Final = frozenset({"image", "image_url", "input_image"})
_AUDIO_PARTS: Final = frozenset({"audio", "input_audio", "audio_url"})
_CALLS: Final = ("function_call", "custom_tool_call")
_RESULTS: Final = ("function_call_output", "custom_tool_call_output")
_SIZES: Final = ("max_completion_tokens", "max_tokens", "max_output_tokens")


@dataclass(frozen=True, slots=True)
class BodyFacts:
    """`turns`: messages that have a person's words. `depth`: messages, system texts not counted. `tokens`: an estimate.

    `truncated`: `ask` is the head and the tail of a longer one. `single_turn`: the only message is a person's.
    """

    ask: str
    system: str
    turns: int
    depth: int
    tokens: int
    single_turn: bool
    truncated: bool
    modalities: frozenset[Modality]
    tools: bool
    tool_turn: bool  # the conversation ends with a tool's result: it is in the middle of a tool loop
    max_tokens: int | None


@dataclass(slots=True)
class _Seen:
    latest: list[str] = field(default_factory=list)  # texts of the person's last message
    system: list[str] = field(default_factory=list)
    turns: int = 0
    depth: int = 0
    counted: list[str] = field(default_factory=list)  # all that is read as text
    tokens: int = 0  # of the rest
    tool_last: bool = False
    modalities: set[Modality] = field(default_factory=set)


@dataclass(slots=True)
class _Content:
    texts: list[str] = field(default_factory=list)  # of the message's own author
    counted: list[str] = field(default_factory=list)  # these, and what else is read as text
    tokens: int = 0  # of the rest
    tool_result: bool = False
    modalities: set[Modality] = field(default_factory=set)


def body_facts(body: Mapping[str, Any]) -> BodyFacts:
    """The facts of a parsed body. Long texts are sampled; pictures and sound are not decoded."""
    seen = _Seen()
    for key in ("system", "instructions"):
        _system(seen, body.get(key))
    for message in _messages(body):
        _message(seen, message)
    tools = [tool for key in ("tools", "functions") if isinstance(tool := body.get(key), list) and tool]
    for listed in tools:
        seen.counted.append(_as_json(listed))
    ask, truncated = _ask(seen.latest)
    if ask or not seen.modalities:
        seen.modalities.add("text")
    return BodyFacts(
        ask=ask,
        system="\n".join(seen.system),
        turns=seen.turns,
        depth=seen.depth,
        tokens=seen.tokens + estimated_total(seen.counted),
        single_turn=seen.turns == 1 and seen.depth == 1,
        truncated=truncated,
        modalities=frozenset(seen.modalities),
        tools=bool(tools),
        tool_turn=seen.tool_last,
        max_tokens=_max_tokens(body),
    )


def _messages(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key in ("messages", "input"):
        listed = body.get(key)
        if isinstance(listed, str):
            yield {"role": "user", "content": listed}
        elif isinstance(listed, list):
            for item in listed:
                if isinstance(item, dict):
                    yield item
                elif isinstance(item, str):
                    yield {"role": "user", "content": item}
    prompt = body.get("prompt")
    if isinstance(prompt, list):
        prompt = "\n".join(part for part in prompt if isinstance(part, str))
    if isinstance(prompt, str) and prompt:
        yield {"role": "user", "content": prompt, "images": body.get("images")}


def _message(seen: _Seen, message: Mapping[str, Any]) -> None:
    role = message.get("role")
    if isinstance(role, str) and role in _SYSTEM_ROLES:
        _system(seen, message.get("content"))
        return
    seen.depth += 1
    seen.tokens += PER_MESSAGE
    seen.tool_last = role in ("tool", "function")
    if len(message) == 2 and isinstance(content := message.get("content"), str):
        texts = [content]  # most messages are nothing but a role and a text, and there may be thousands
        seen.counted.append(content)
    else:
        texts = _rich(seen, message)
    # The message is a person's if any words are left once the harness's are removed.
    if role == "user" and any(has_own_words(_head_and_tail(text)) for text in texts):
        seen.turns += 1
        seen.tool_last = False
        seen.latest = texts


def _rich(seen: _Seen, message: Mapping[str, Any]) -> list[str]:
    """Read a message that has parts, or more than its content; return the author's own texts."""
    found = _content(message.get("content"))
    _beside_content(found, message)
    seen.tokens += found.tokens
    seen.counted += found.counted
    seen.modalities |= found.modalities
    seen.tool_last = seen.tool_last or found.tool_result
    return found.texts


def _beside_content(found: _Content, message: Mapping[str, Any]) -> None:
    if isinstance(images := message.get("images"), list) and images:
        found.modalities.add("vision")
        found.tokens += PER_IMAGE * len(images)
    if isinstance(calls := message.get("tool_calls"), list) and calls:
        found.counted.append(_as_json(calls))
    kind = message.get("type")
    if kind in _CALLS:
        found.counted.append(_as_json(message.get("arguments") or message.get("input")))
    elif kind in _RESULTS:
        found.tool_result = True
        _walk(found, message.get("output"), own=False)


def _ask(texts: list[str]) -> tuple[str, bool]:
    """The person's words in these texts, and whether one of them was cut."""
    shorter = [_head_and_tail(text) for text in texts]
    cut = any(one is not text for one, text in zip(shorter, texts, strict=True))
    return "\n".join(words for one in shorter if (words := own_words(one))), cut


def _system(seen: _Seen, content: Any) -> None:
    found = _content(content)
    if found.texts:
        seen.system.append("\n".join(found.texts))
        seen.tokens += found.tokens + PER_MESSAGE
        seen.counted += found.counted


def _content(content: Any) -> _Content:
    if isinstance(content, str):
        return _Content([content], [content])
    found = _Content()
    _walk(found, content, own=True)
    return found


def _walk(found: _Content, content: Any, own: bool, depth: int = 0) -> None:
    """Add the texts of `content`, and the sizes of all of it. `own`: the message's author wrote them."""
    if isinstance(content, str):
        if own:
            found.texts.append(content)
        found.counted.append(content)
        return
    parts: Iterable[Any] = content if isinstance(content, list) else [content]
    for part in parts:
        if isinstance(part, str):
            _walk(found, part, own, depth)
        elif isinstance(part, Mapping):
            _part(found, part, own, depth)


def _part(found: _Content, part: Mapping[str, Any], own: bool, depth: int) -> None:
    given = part.get("type", "text")
    kind = given if isinstance(given, str) else ""
    text = part.get("text")
    if isinstance(text, str) and kind in ("text", "input_text", "output_text"):
        _walk(found, text, own, depth)
    elif kind == "tool_result":
        found.tool_result = True
        if depth < 4:
            _walk(found, part.get("content"), False, depth + 1)
    elif kind in _IMAGE_PARTS:
        found.modalities.add("vision")
        found.tokens += PER_IMAGE
    elif kind in _AUDIO_PARTS:
        found.modalities.add("audio")
    elif kind == "tool_use":
        found.counted.append(_as_json(part.get("input")))
    elif kind == "document":
        source = part.get("source")
        data = source.get("data") if isinstance(source, Mapping) and source.get("type") == "text" else None
        found.counted += [data] if isinstance(data, str) else []


_encode: Final = json.JSONEncoder(ensure_ascii=False).encode


def _as_json(value: Any) -> str:
    """The JSON text that a template would make of it; "" for what is nested too deeply to write."""
    try:
        return encoded(value, _encode, ", ")
    except (ValueError, TypeError, RecursionError):
        return ""


def _head_and_tail(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST // 2] + "\n" + text[-(LONGEST // 2) :]


def _max_tokens(body: Mapping[str, Any]) -> int | None:
    options = body.get("options")
    sizes = [body.get(key) for key in _SIZES]
    if isinstance(options, Mapping):
        sizes.append(options.get("num_predict"))
    for size in sizes:
        if isinstance(size, int) and not isinstance(size, bool) and size > 0:
            return size
    return None
