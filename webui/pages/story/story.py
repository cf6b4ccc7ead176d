"""What was asked and what was answered, read out of stored bodies for the request page.

Pure, and never raises: a body is whatever a client or a server sent. What it cannot read it leaves out; the
raw bytes are one tab away. Shapes: OpenAI chat, completions, responses and embeddings; Ollama chat and generate;
Anthropic messages; each answered whole, as server-sent events or as NDJSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from switchman.addons.core.streams.calls import CallPiece, Calls, read_piece
from switchman.addons.core.texts.masking import mask_text
from switchman.addons.core.texts.unicode import dumps, read_json
from switchman.webui.looks.masked import masked_value

LONGEST_TEXT = 20_000  # characters of one message that are shown

PROMPT_FIELDS = ("instructions", "system", "prompt", "input")
# Shown elsewhere on the page, or long.
NOT_PARAMETERS = {"model", "messages", "stream", "tools", "functions", "images", *PROMPT_FIELDS}


class Message(NamedTuple):
    """One message; `cut` characters of it were left out."""

    role: str
    text: str
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Prompt:
    """`messages` in their order, `tools` by name, `parameters` as name and JSON."""

    messages: tuple[Message, ...]
    tools: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """The first choice's text; `choices` counts all of them. `error` is the server's own message."""

    text: Message | None
    reasoning: Message | None
    tool_calls: tuple[str, ...]
    error: str | None
    choices: int


PieceKind = Literal["text", "reasoning", "tool", "arguments", "error"]


class Piece(NamedTuple):
    kind: PieceKind
    text: str


def read_prompt(body: bytes | None) -> Prompt | None:
    """What a request body asks for; None when it is not a JSON object."""
    request = json_object(body)
    if request is None:
        return None
    return Prompt(
        messages=tuple(request_messages(request)),
        tools=tuple(tool_names(request)),
        parameters=tuple(
            (name, dumps(masked_value(name, value), spaced=True)[:200])
            for name, value in request.items()
            if name not in NOT_PARAMETERS
        ),
    )


def answered(body: bytes | None) -> Answered | None:
    """What a reply says, streamed or whole; None when nothing in it can be read."""
    if body is None:
        return None
    replies = list(json_events(body))
    if not replies:
        return None
    joined: dict[PieceKind, str] = {}
    calls: list[str] = []
    streamed = Calls()
    told: dict[int, str] = {}  # calls in pieces
    for reply in replies:
        for piece in (*call_pieces(reply, streamed), *(streamed.settle() if reply is replies[-1] else ())):
            told[piece.number] = told.get(piece.number, f"{piece.name} ") + piece.arguments
        for kind, text in pieces(reply):
            if kind == "tool":
                calls.append(text + " ")
            elif kind == "arguments":
                if calls:
                    calls[-1] += text
            else:
                joined[kind] = joined.get(kind, "") + text
    return Answered(
        text=clipped("assistant", joined["text"]) if joined.get("text") else None,
        reasoning=clipped("reasoning", joined["reasoning"]) if joined.get("reasoning") else None,
        tool_calls=tuple(call.strip()[:LONGEST_TEXT] for call in (*calls, *told.values())),
        error=joined.get("error"),
        choices=choices(replies),
    )


def clipped(role: str, text: str) -> Message:
    return Message(role, text[:LONGEST_TEXT], max(0, len(text) - LONGEST_TEXT))


def json_object(body: bytes | None) -> dict[str, Any] | None:
    """The JSON object a body is, or None."""
    if body is None:
        return None
    try:
        value = read_json(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def json_events(body: bytes) -> Iterator[dict[str, Any]]:
    """The reply's JSON objects: one when it is whole, else one for each SSE `data:` line or NDJSON line."""
    whole = json_object(body)
    if whole is not None:
        yield whole
        return
    for line in body.splitlines():
        line = line.strip()
        if line.startswith(b"data:"):
            line = line[5:].strip()
        if line.startswith(b"{"):
            event = json_object(line)
            if event is not None:
                yield event


def items(value: Any) -> list[dict[str, Any]]:
    """The objects in a JSON array; nothing for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def content_text(content: Any) -> str:
    """A message's content as text: a string, or parts, of which those that are no text are named in brackets."""
    if isinstance(content, str):
        return content
    texts = []
    for part in content if isinstance(content, list) else []:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            texts.append(part_text(part))
    return "\n".join(text for text in texts if text)


def part_text(part: dict[str, Any]) -> str:
    if isinstance(part.get("text"), str):
        return str(part["text"])
    kind = part.get("type")
    if kind == "tool_use":
        return f"[tool_use {part.get('name', '')}]"
    if kind == "tool_result":
        return f"[tool_result] {content_text(part.get('content'))}"
    return f"[{kind}]" if isinstance(kind, str) else ""


def request_messages(request: dict[str, Any]) -> Iterator[Message]:
    for name in PROMPT_FIELDS:
        role = "system" if name in ("instructions", "system") else "user"
        value = request.get(name)
        if name == "input" and any("role" in item for item in items(value)):
            yield from chat_messages(items(value))
        elif text := content_text(value):
            yield clipped(role, text)
    yield from chat_messages(items(request.get("messages")))


def chat_messages(messages: Iterable[dict[str, Any]]) -> Iterator[Message]:
    for message in messages:
        text = content_text(message.get("content"))
        called = [str(mapping(call.get("function")).get("name", "")) for call in items(message.get("tool_calls"))]
        if called:
            text = "\n".join(filter(None, [text, "[calls " + ", ".join(called) + "]"]))
        if images := message.get("images"):
            text += f"\n[{len(images)} image]" if isinstance(images, list) else ""
        yield clipped(str(message.get("role", "?")), text)


def tool_names(request: dict[str, Any]) -> Iterator[str]:
    for tool in items(request.get("tools")) + items(request.get("functions")):
        yield str(mapping(tool.get("function")).get("name") or tool.get("name") or tool.get("type") or "?")


def pieces(reply: dict[str, Any]) -> Iterator[Piece]:
    """What one reply object, or one event of a stream, adds to the answer."""
    error = reply.get("error")
    if error:
        yield Piece("error", mask_text(str(mapping(error).get("message") or error)))
    for choice in items(reply.get("choices")):
        if choice.get("index", 0) == 0:
            delta = {name: value for name, value in mapping(choice.get("delta")).items() if name != "tool_calls"}
            yield from message_pieces(delta or mapping(choice.get("message")))
            yield from text_pieces(choice, "text", "text")
    yield from message_pieces(mapping(reply.get("message")))  # Ollama chat; Anthropic's message_start
    yield from text_pieces(reply, "response", "text")
    yield from text_pieces(reply, "thinking", "reasoning")
    for block in items(reply.get("content")):
        yield from block_pieces(block)
    yield from anthropic_event_pieces(reply)
    yield from responses_pieces(reply)


def call_pieces(reply: dict[str, Any], calls: Calls) -> Iterator[CallPiece]:
    """What an OpenAI chunk adds to the first choice's calls, which servers send in many ways."""
    for choice in items(reply.get("choices")):
        if choice.get("index", 0) == 0:
            for piece in items(mapping(choice.get("delta")).get("tool_calls")):
                yield from calls.feed(*read_piece(piece))


def text_pieces(holder: dict[str, Any], name: str, kind: PieceKind) -> Iterator[Piece]:
    if isinstance(holder.get(name), str) and holder[name]:
        yield Piece(kind, holder[name])


def message_pieces(message: dict[str, Any]) -> Iterator[Piece]:
    yield from text_pieces(message, "reasoning_content", "reasoning")
    yield from text_pieces(message, "reasoning", "reasoning")
    yield from text_pieces(message, "thinking", "reasoning")
    if text := content_text(message.get("content")):
        yield Piece("text", text)
    for call in items(message.get("tool_calls")):
        function = mapping(call.get("function"))
        yield from text_pieces(function, "name", "tool")
        arguments = function.get("arguments")
        if arguments:
            yield Piece("arguments", arguments if isinstance(arguments, str) else dumps(arguments, spaced=True))


def block_pieces(block: dict[str, Any]) -> Iterator[Piece]:
    yield from text_pieces(block, "text", "text")
    yield from text_pieces(block, "thinking", "reasoning")
    if block.get("type") == "tool_use":
        yield from text_pieces(block, "name", "tool")
        if block.get("input"):
            yield Piece("arguments", dumps(block["input"], spaced=True))


def anthropic_event_pieces(event: dict[str, Any]) -> Iterator[Piece]:
    if event.get("type") == "content_block_start":
        yield from block_pieces(mapping(event.get("content_block")))
    elif event.get("type") == "content_block_delta":
        delta = mapping(event.get("delta"))
        yield from text_pieces(delta, "text", "text")
        yield from text_pieces(delta, "thinking", "reasoning")
        yield from text_pieces(delta, "partial_json", "arguments")


def responses_pieces(event: dict[str, Any]) -> Iterator[Piece]:
    """OpenAI's /v1/responses: whole (`output`), or the deltas of its stream, whose last event repeats everything."""
    if event.get("type") == "response.output_text.delta":
        yield from text_pieces(event, "delta", "text")
    for output in items(event.get("output")):
        for part in items(output.get("content")):
            yield from text_pieces(part, "text", "text")
        if output.get("type") == "function_call":
            yield from text_pieces(output, "name", "tool")
            yield from text_pieces(output, "arguments", "arguments")


def choices(replies: Iterable[dict[str, Any]]) -> int:
    """How many choices a stream carries, by the highest index in it."""
    indices = [choice.get("index", 0) for reply in replies for choice in items(reply.get("choices"))]
    return max((index + 1 for index in indices if isinstance(index, int)), default=0)
