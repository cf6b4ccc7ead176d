"""Messages stream events <-> internal stream events. Shapes: anthropic-python types/raw_*_event.py."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final, Literal

from switchman.addons.core.dialects.anthropic.reply import FINISH, FINISH_WORDS, counted, encode_usage, usage_of
from switchman.addons.core.dialects.anthropic.wire import ERROR_TYPES, error_event
from switchman.addons.core.dialects.errors import decode_failure
from switchman.addons.core.dialects.framing import sse
from switchman.addons.core.dialects.neutral.fields import arguments_text, count_of, object_of, text_of
from switchman.addons.core.dialects.neutral.form import (
    End,
    Failed,
    Finish,
    Stamp,
    Start,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    UsageSeen,
)
from switchman.addons.core.dialects.neutral.streams import StreamDecoder, StreamEncoder, call_id, told
from switchman.addons.core.dialects.passing.unsigned import SIGNATURE as UNSIGNED
from switchman.addons.core.dialects.wire import ErrorInfo
from switchman.addons.core.streams.calls import Calls, ObjectScan


class MessageDecoder(StreamDecoder):
    """Tells blocks apart by index, else by their order. Skips those of tools that Anthropic ran itself."""

    says_its_end = True  # message_stop

    def __init__(self, offered: Collection[str] = ()) -> None:
        super().__init__(offered)
        self.calls = Calls(offered)
        self.last = 0  # index of the block that began last
        self.readers: dict[str, Callable[[dict[str, Any]], list[StreamEvent]]] = {
            "message_start": self._start,
            "content_block_start": self._block_start,
            "content_block_delta": self._block_delta,
            "message_delta": self._message_delta,
            "content_block_stop": lambda data: told(0, self.calls.settle(self._place(data))),
            "message_stop": lambda data: [*told(0, self.calls.settle()), End()],
            "error": lambda data: [decode_failure(data)],
        }

    def feed(self, data: dict[str, Any]) -> list[StreamEvent]:
        reader = self.readers.get(text_of(data, "type"))
        return reader(data) if reader else []

    def _start(self, data: dict[str, Any]) -> list[StreamEvent]:
        message = object_of(data, "message")
        usage = usage_of(object_of(message, "usage"))
        return [Start(text_of(message, "id"), text_of(message, "model"), None, usage)]

    def _place(self, data: dict[str, Any]) -> int:
        index = count_of(data, "index")
        return self.last if index is None else index

    def _block_start(self, data: dict[str, Any]) -> list[StreamEvent]:
        index = count_of(data, "index")
        place = self.last = self.last + 1 if index is None else index
        block = object_of(data, "content_block")
        kind = block.get("type")
        if kind == "tool_use":
            arguments = arguments_text(block["input"]) if block.get("input") else ""
            return told(0, self.calls.begin(place, text_of(block, "id"), text_of(block, "name"), arguments))
        self.calls.drop(place)
        if kind == "redacted_thinking":
            return [ThinkingDelta(0, "", redacted=text_of(block, "data"))]
        if kind == "thinking" and block.get("thinking"):
            return [ThinkingDelta(0, text_of(block, "thinking"))]
        return [TextDelta(0, text_of(block, "text"))] if kind == "text" and block.get("text") else []

    def _block_delta(self, data: dict[str, Any]) -> list[StreamEvent]:
        delta = object_of(data, "delta")
        kind = delta.get("type")
        if kind == "text_delta":
            return [TextDelta(0, text_of(delta, "text"))]
        if kind == "thinking_delta":
            return [ThinkingDelta(0, text_of(delta, "thinking"))]
        if kind == "signature_delta":
            return [ThinkingDelta(0, "", signature=text_of(delta, "signature"))]
        if kind == "input_json_delta" and self.calls.has(place := self._place(data)):
            return told(0, self.calls.feed(place, "", "", text_of(delta, "partial_json")))
        return []

    def _message_delta(self, data: dict[str, Any]) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        if usage := usage_of(object_of(data, "usage")):
            events.append(UsageSeen(usage))
        delta = object_of(data, "delta")
        if reason := text_of(delta, "stop_reason"):
            events += told(0, self.calls.settle())
            events.append(Finish(0, FINISH.get(reason, "stop"), text_of(delta, "stop_sequence") or None))
        return events


Kind = Literal["text", "thinking", "redacted", "tool"]
BlockKey = tuple[Kind, int]  # the call's number; 0 for the other kinds

ERROR_STATUSES: Final = frozenset(ERROR_TYPES.values()) | {"invalid_request_error", "api_error"}


class MessageEncoder(StreamEncoder):
    """Writes message_start, one block after the other, message_delta with stop reason and usage, and message_stop.

    Only one block is open at a time. OpenAI servers may mix the pieces of parallel calls: the encoder holds a piece of
    another call until the open call's arguments are whole.
    """

    def __init__(self, stamp: Stamp) -> None:
        super().__init__(stamp)
        self.open: BlockKey | None = None
        self.index = -1
        self.signed = False  # the open block has its signature
        self.arguments = ObjectScan()  # of the open call
        self.held: dict[BlockKey, list[TextDelta | ThinkingDelta | ToolDelta]] = {}
        self.said: list[str] = []  # text, thoughts and arguments, to be counted if the server does not
        self.whole: set[BlockKey] = set()  # calls whose block is over; only empty pieces can still come

    def on_start(self, start: Start) -> bytes:
        message: dict[str, Any] = {
            "id": start.id or f"msg_{self.stamp.id}",
            "type": "message",
            "role": "assistant",
            "model": start.model or self.stamp.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": encode_usage(self.tally.usage),
        }
        return _event({"type": "message_start", "message": message})

    def on_text(self, event: TextDelta) -> bytes:
        return self._place(event)

    def on_thinking(self, event: ThinkingDelta) -> bytes:
        return self._place(event) if event.text or event.signature or event.redacted is not None else b""

    def on_tool(self, event: ToolDelta) -> bytes:
        return b"" if _key(event) in self.whole else self._place(event)

    def on_finish(self, event: Finish) -> bytes:
        return b""  # stop reason and usage go out together, at the end

    def on_end(self) -> bytes:
        finish = self.finishes[min(self.finishes)]
        delta = {"stop_reason": FINISH_WORDS[finish.reason], "stop_sequence": finish.stop_sequence}
        rest = self._release(everything=True) + self._close()
        usage = encode_usage(counted(self.tally.usage, self.stamp, self.said))
        end = {"type": "message_delta", "delta": delta, "usage": usage}
        return rest + _event(end) + _event({"type": "message_stop"})

    def on_failed(self, event: Failed) -> bytes:
        kind = event.type if event.type in ERROR_STATUSES else ERROR_TYPES.get(event.status, "api_error")
        return error_event("chat", ErrorInfo(event.message, kind or "api_error"))

    # ---- blocks

    def _place(self, event: TextDelta | ThinkingDelta | ToolDelta) -> bytes:
        if event.choice != 0:
            return b""  # there is one message, so only the first choice has a place
        key = _key(event)
        if not self.held and self._may_write(key):
            return self._write(event)
        self.held.setdefault(key, []).append(event)
        return self._release()

    def _may_write(self, key: BlockKey) -> bool:
        """Another block may begin once the open call's arguments are whole; other blocks end at any point."""
        if self.open is None or self.open == key or self.open[0] != "tool":
            return True
        return self.arguments.whole

    def _release(self, everything: bool = False) -> bytes:
        """Writes what was held, first what belongs to the open block; `everything` at the end of the reply."""
        out = []
        while self.held:
            key = self.open if self.open in self.held else next(iter(self.held))
            if key != self.open and not everything and not self._may_write(key):
                break
            out += [self._write(event) for event in self.held.pop(key)]
        return b"".join(out)

    def _write(self, event: TextDelta | ThinkingDelta | ToolDelta) -> bytes:
        out = b"" if _key(event) == self.open else self._close() + self._open(event)
        self.said.append(event.arguments if isinstance(event, ToolDelta) else event.text)
        if isinstance(event, TextDelta):
            return out + self._delta({"type": "text_delta", "text": event.text})
        if isinstance(event, ToolDelta):
            self.arguments.feed(event.arguments)
            return out + self._delta({"type": "input_json_delta", "partial_json": event.arguments})
        if event.redacted is not None:
            return out + self._close()  # it is whole at once
        if event.text:
            out += self._delta({"type": "thinking_delta", "thinking": event.text})
        if event.signature:
            self.signed = True
            out += self._delta({"type": "signature_delta", "signature": event.signature})
            out += self._close()  # a signature ends its block: thoughts that follow are another one
        return out

    def _open(self, event: TextDelta | ThinkingDelta | ToolDelta) -> bytes:
        self.open = _key(event)
        self.index += 1
        self.arguments = ObjectScan()
        return _event({"type": "content_block_start", "index": self.index, "content_block": self._block(event)})

    def _block(self, event: TextDelta | ThinkingDelta | ToolDelta) -> dict[str, Any]:
        if isinstance(event, TextDelta):
            return {"type": "text", "text": ""}
        if isinstance(event, ToolDelta):
            id = call_id(event.id, self.stamp, 0, event.index)
            return {"type": "tool_use", "id": id, "name": event.name, "input": {}}
        if event.redacted is not None:
            return {"type": "redacted_thinking", "data": event.redacted}
        return {"type": "thinking", "thinking": "", "signature": ""}

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _event({"type": "content_block_delta", "index": self.index, "delta": delta})

    def _close(self) -> bytes:
        if self.open is None:
            return b""
        out = b""
        if self.open[0] == "tool":
            self.whole.add(self.open)
        elif self.open[0] == "thinking" and not self.signed:
            out = self._delta({"type": "signature_delta", "signature": UNSIGNED})
        self.open, self.signed = None, False
        return out + _event({"type": "content_block_stop", "index": self.index})


def _key(event: TextDelta | ThinkingDelta | ToolDelta) -> BlockKey:
    if isinstance(event, ToolDelta):
        return ("tool", event.index)
    if isinstance(event, TextDelta):
        return ("text", 0)
    return ("thinking", 0) if event.redacted is None else ("redacted", 0)


def _event(data: dict[str, Any]) -> bytes:
    return sse(data, data["type"])
