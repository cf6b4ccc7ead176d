"""RestoreStage: the originals of a redacted request come back into its answer, event by event, in the server's dialect.

A text that comes in pieces (a channel: of a choice its text, its thoughts, each of its tools' arguments) has a Tail,
which holds only what may be the beginning of a placeholder. What one still holds when its channel ends goes into an
event of its own before the one that ends it. All other texts of an event are whole, and restored as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from switchman.addons.core.streams.events import Event
from switchman.addons.core.texts.redaction.restoring import TEXTS, Restorer, Tail

MOST_CHANNELS: Final = 4096  # of one answer: further ones are restored piece by piece


@dataclass(slots=True)
class Channel:
    """One text that goes on over events. `holder[field]`: its next piece. `group`: the choice or block that it is of.

    `make`: the data of an event with a further piece. `in_json`: the text is JSON. `ends`: nothing follows this piece.
    """

    key: Hashable
    group: Hashable
    holder: dict[str, Any]
    field: str
    make: Callable[[str], dict[str, Any]]
    in_json: bool = False
    ends: bool = False


type ChannelFinder = Callable[[dict[str, Any]], tuple[list[Channel], set[Hashable] | None]]
"""The channels of an event, and the groups that end with it; None: all that are open."""


class RestoreStage:
    """Of an answer whose request was redacted, before it is translated. One object serves one answer."""

    def __init__(self, restorer: Restorer, find: ChannelFinder) -> None:
        self._restorer, self._find = restorer, find
        self._open: dict[Hashable, tuple[Tail, Channel, Event]] = {}

    def feed(self, event: Event) -> Iterable[Event]:
        if event.payload is None:
            return (event,)
        data = event.data
        if not isinstance(data, dict):
            return (*self.end(), event) if event.is_done else (event,)
        channels, ended = self._find(data)
        out = self._flushed(channels, ended)
        texts: list[tuple[Channel, str]] = []
        changed = False
        for channel in channels:
            text = channel.holder[channel.field]
            settled = self._fed(channel, text, event)
            changed |= settled != text
            texts.append((channel, settled))
            channel.holder[channel.field] = ""  # so that it is not taken for a whole text
        before = self._restorer.restored
        self._restorer.value(data)
        for channel, settled in texts:
            channel.holder[channel.field] = settled
        if changed or self._restorer.restored != before:
            event.dirty = True
        return (*out, event)

    def end(self) -> list[Event]:
        """The stream is over, or broke off: events for what is still held."""
        out = [made for tail, channel, event in self._open.values() if (made := _made(tail, channel, event))]
        self._open.clear()
        return out

    abort = end

    def _fed(self, channel: Channel, text: str, event: Event) -> str:
        in_json = channel.in_json or (self._restorer.in_json and channel.field in TEXTS)
        known = self._open.get(channel.key)
        tail = known[0] if known else Tail(self._restorer, in_json=in_json)
        settled = tail.feed(text)
        if channel.ends or (known is None and len(self._open) >= MOST_CHANNELS):
            self._open.pop(channel.key, None)
            return settled + tail.end()
        self._open[channel.key] = (tail, channel, event)
        return settled

    def _flushed(self, channels: list[Channel], ended: set[Hashable] | None) -> Iterator[Event]:
        """Events for what is held in channels that this event ends, or that another one of their group follows."""
        if not self._open:
            return iter(())
        here = {channel.key for channel in channels}
        groups = {channel.group for channel in channels if channel.holder[channel.field]}
        out: list[Event] = []
        for key, (tail, channel, event) in list(self._open.items()):
            over = ended is None or channel.group in ended
            if key not in here and (over or channel.group in groups):
                if made := _made(tail, channel, event):
                    out.append(made)
                if over:
                    del self._open[key]
        return iter(out)


def _made(tail: Tail, channel: Channel, event: Event) -> Event | None:
    return event.like(channel.make(tail.end())) if tail.holds else None


# --- where the texts are, by dialect ----------------------------------------------------------------------------------


def channels_of(dialect: str, operation: str) -> ChannelFinder:
    """The finder for what a server of this dialect streams."""
    if dialect == "anthropic":
        return _anthropic
    if dialect == "ollama":
        return _ollama
    return {"responses": _responses, "completion": _completion}.get(operation, _chat)


def _chat(data: dict[str, Any]) -> tuple[list[Channel], set[Hashable] | None]:
    """OpenAI's chunks: `choices[].delta`."""
    found: list[Channel] = []
    ended: set[Hashable] = set()
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices:
        return found, None if "error" in data or isinstance(choices, list) else ended
    for place, choice in enumerate(choices):
        if not isinstance(choice, dict):
            continue
        index = choice.get("index", place)
        over = choice.get("finish_reason") is not None
        if over:
            ended.add(index)
        delta = choice.get("delta")
        if isinstance(delta, dict):
            found += _of_delta(data, index, delta, over)
    return found, ended


def _of_delta(data: dict[str, Any], index: Hashable, delta: dict[str, Any], over: bool) -> Iterator[Channel]:
    def made(delta: dict[str, Any]) -> dict[str, Any]:
        return _chunk(data, {"index": index, "delta": delta, "finish_reason": None})

    for name in ("reasoning_content", "reasoning", "content", "refusal"):
        if isinstance(delta.get(name), str):
            yield Channel((index, name), index, delta, name, lambda text, name=name: made({name: text}), ends=over)  # type: ignore[misc]
    if isinstance(parts := delta.get("content"), list):
        for part in parts:
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                yield Channel(
                    (index, "parts"), index, part, "text",
                    lambda text: made({"content": [{"type": "text", "text": text}]}), ends=over and part is parts[-1],
                )  # fmt: skip
    if isinstance(call := delta.get("function_call"), dict) and isinstance(call.get("arguments"), str):
        yield Channel(
            (index, "function_call"), index, call, "arguments",
            lambda text: made({"function_call": {"arguments": text}}), in_json=True, ends=over,
        )  # fmt: skip
    calls = delta.get("tool_calls")
    for place, call in enumerate(calls if isinstance(calls, list) else ()):
        for name, field in (("function", "arguments"), ("custom", "input")):
            if isinstance(call, dict) and isinstance(held := call.get(name), dict) and isinstance(held.get(field), str):
                number = call.get("index", place)
                yield Channel(
                    (index, "tool", number), index, held, field,
                    lambda text, n=number, name=name, field=field: made(  # type: ignore[misc]
                        {"tool_calls": [{"index": n, name: {field: text}}]}
                    ),
                    in_json=name == "function", ends=over,
                )  # fmt: skip


def _completion(data: dict[str, Any]) -> tuple[list[Channel], set[Hashable] | None]:
    """OpenAI's legacy completions: `choices[].text`."""
    found: list[Channel] = []
    ended: set[Hashable] = set()
    choices = data.get("choices")
    for place, choice in enumerate(choices if isinstance(choices, list) else ()):
        if not isinstance(choice, dict):
            continue
        index, over = choice.get("index", place), choice.get("finish_reason") is not None
        if over:
            ended.add(index)
        if isinstance(choice.get("text"), str):

            def make(text: str, index: Any = index) -> dict[str, Any]:
                return _chunk(data, {"index": index, "text": text, "finish_reason": None})

            found.append(Channel(index, index, choice, "text", make, ends=over))
    return found, ended if choices else None


def _chunk(data: dict[str, Any], choice: dict[str, Any]) -> dict[str, Any]:
    head: dict[str, Any] = {name: data[name] for name in ("id", "object", "created", "model") if name in data}
    return {**head, "choices": [choice]}


_IN_JSON: Final = frozenset({"response.function_call_arguments.delta", "response.mcp_call_arguments.delta"})


def _responses(data: dict[str, Any]) -> tuple[list[Channel], set[Hashable] | None]:
    """Events of the Responses API: those of a text are called `....delta`, and any other event ends it."""
    kind, group = data.get("type"), data.get("output_index", data.get("item_id"))
    if not isinstance(kind, str) or not kind.endswith(".delta") or not isinstance(data.get("delta"), str):
        ends_all = kind in _LAST or (kind is None and "error" in data)
        return [], None if ends_all else {group} if group is not None else set()
    key = (kind, group, data.get("content_index"), data.get("summary_index"))
    kept = {name: value for name, value in data.items() if name not in ("delta", "logprobs")}
    make = lambda text: {**kept, "delta": text}  # noqa: E731
    return [Channel(key, group, data, "delta", make, in_json=kind in _IN_JSON)], set()


_LAST: Final = frozenset(
    {"response.completed", "response.failed", "response.incomplete", "response.cancelled", "error"}
)
_ANTHROPIC: Final = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


def _anthropic(data: dict[str, Any]) -> tuple[list[Channel], set[Hashable] | None]:
    """Anthropic's events: `content_block_delta`; any other event of a block, or of the message, ends it."""
    kind = data.get("type")
    if kind == "ping":
        return [], set()
    delta = data.get("delta")
    index = data.get("index")
    if kind != "content_block_delta" or not isinstance(delta, dict):
        return [], {index} if kind in ("content_block_start", "content_block_stop") else None
    name = delta.get("type")
    field = _ANTHROPIC.get(name) if isinstance(name, str) else None
    if field is None or not isinstance(delta.get(field), str):
        return [], set()

    def make(text: str) -> dict[str, Any]:
        return {"type": kind, "index": index, "delta": {"type": name, field: text}}

    return [Channel((index, field), index, delta, field, make, in_json=field == "partial_json")], set()


def _ollama(data: dict[str, Any]) -> tuple[list[Channel], set[Hashable] | None]:
    """Ollama's lines: `message` of a chat, `response` of a completion."""
    over = data.get("done") is True
    head: dict[str, Any] = {name: data[name] for name in ("model", "created_at") if name in data}
    found: list[Channel] = []
    if isinstance(message := data.get("message"), dict):
        for name in ("thinking", "content"):
            if isinstance(message.get(name), str):

                def make(text: str, name: str = name) -> dict[str, Any]:
                    return {**head, "message": {"role": "assistant", "content": "", name: text}, "done": False}

                found.append(Channel(name, 0, message, name, make, ends=over))
    for name in ("thinking", "response"):
        if isinstance(data.get(name), str):

            def line(text: str, name: str = name) -> dict[str, Any]:
                return {**head, "response": "", name: text, "done": False}

            found.append(Channel(("line", name), 0, data, name, line, ends=over))
    return found, None if over or "error" in data else set()
