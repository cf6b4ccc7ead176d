"""Chat completion chunks <-> internal stream events. Shapes: openai-python types/chat/chat_completion_chunk.py."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from switchman.addons.core.dialects.errors import decode_failure
from switchman.addons.core.dialects.framing import sse
from switchman.addons.core.dialects.neutral.fields import (
    count_of,
    epoch_of,
    object_of,
    objects_of,
    text_of,
)
from switchman.addons.core.dialects.neutral.form import (
    Failed,
    Finish,
    Stamp,
    Start,
    StreamEvent,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolDelta,
    Usage,
    UsageSeen,
)
from switchman.addons.core.dialects.neutral.streams import StreamDecoder, StreamEncoder, call_id, told
from switchman.addons.core.dialects.openai.chat_reply import (
    FINISH,
    FINISH_WORDS,
    encode_call,
    encode_usage,
    said,
    usage_of,
)
from switchman.addons.core.dialects.openai.old_calls import as_old, old_finish
from switchman.addons.core.dialects.openai.wire import error_event
from switchman.addons.core.dialects.wire import ErrorInfo
from switchman.addons.core.streams.calls import CallPiece, Calls, read_piece

DONE = b"data: [DONE]\n\n"


class ChatDecoder(StreamDecoder):
    """Reads what real servers send: chunks without id or index, usage anywhere, calls that share an index."""

    def __init__(self, offered: Collection[str] = ()) -> None:
        super().__init__(offered)
        self.started = False
        self.calls: dict[int, Calls] = {}  # by choice

    def feed(self, data: dict[str, Any]) -> list[StreamEvent]:
        if data.get("error"):
            return [decode_failure(data)]
        events: list[StreamEvent] = []
        for position, choice in enumerate(objects_of(data, "choices")):
            index = count_of(choice, "index")
            events += self._choice(choice, position if index is None else index)
        if events and not self.started:
            self.started = True
            events.insert(0, Start(text_of(data, "id"), text_of(data, "model"), epoch_of(data, "created")))
        if usage := usage_of(data):
            events.append(UsageSeen(usage))
        return events

    def _choice(self, choice: dict[str, Any], index: int) -> list[StreamEvent]:
        delta = object_of(choice, "delta")
        events: list[StreamEvent] = []
        for part in said(delta):
            if isinstance(part, Thinking):
                events.append(ThinkingDelta(index, part.text))
            elif isinstance(part, Text):
                events.append(TextDelta(index, part.text, part.refusal))
        reason = text_of(choice, "finish_reason")
        events += told(index, self._pieces(index, delta, is_last=bool(reason)))
        if not events and not self.started and delta:
            events.append(TextDelta(index, ""))  # the chunk that only names the role: the reply begins
        if reason:
            events.append(Finish(index, FINISH.get(reason, "stop")))
        return events

    def _pieces(self, choice: int, delta: dict[str, Any], is_last: bool) -> list[CallPiece]:
        """What this delta says of calls; the older `function_call` is one without an id."""
        calls = self.calls.get(choice)
        given = list(objects_of(delta, "tool_calls"))
        if not given and (old := object_of(delta, "function_call")):
            given = [{"index": 0, "function": old}]
        if calls is None:
            if not given:
                return []
            calls = self.calls[choice] = Calls(self.offered)
        out: list[CallPiece] = []
        for piece in given:
            out += calls.feed(*read_piece(piece))
        return out + (calls.settle() if is_last else [])

    def done(self) -> list[StreamEvent]:
        return [item for index, calls in self.calls.items() for item in told(index, calls.settle())] + super().done()


def last_events(head: Mapping[str, Any], usage: Usage | None, stamp: Stamp) -> bytes:
    """The usage, if the client wants it, in a chunk without choices; and [DONE]."""
    counted = encode_usage(usage) if stamp.include_usage else None
    return (sse({**head, "choices": [], "usage": counted}) if counted else b"") + DONE


class ChatEncoder(StreamEncoder):
    """A chunk with the role first, then deltas, a chunk with the finish reason, usage if asked for, and [DONE]."""

    def __init__(self, stamp: Stamp) -> None:
        super().__init__(stamp)
        self.head: dict[str, Any] = {}
        self.roles: set[int] = set()
        self.begun: set[tuple[int, int]] = set()
        self.argued: set[tuple[int, int]] = set()  # calls that have got arguments
        self.customs: dict[tuple[int, int], list[ToolDelta]] = {}  # held till the end: their text is within JSON

    def on_start(self, start: Start) -> bytes:
        self.head = {
            "id": start.id or f"chatcmpl-{self.stamp.id}",
            "object": "chat.completion.chunk",
            "created": int(start.created if start.created is not None else self.stamp.created),
            "model": start.model or self.stamp.model,
        }
        return self._role(0)

    def on_text(self, event: TextDelta) -> bytes:
        return self._delta(event.choice, {"refusal" if event.refusal else "content": event.text})

    def on_thinking(self, event: ThinkingDelta) -> bytes:
        return self._delta(event.choice, {"reasoning_content": event.text}) if event.text else b""

    def on_tool(self, event: ToolDelta) -> bytes:
        piece: dict[str, Any] = {"index": event.index}
        key = (event.choice, event.index)
        if key in self.customs or event.name in self.stamp.tools:
            self.customs.setdefault(key, []).append(event)
            return b""
        if event.arguments:
            self.argued.add(key)
        if key not in self.begun:
            self.begun.add(key)
            piece |= {"id": call_id(event.id, self.stamp, *key), "type": "function"}
            piece["function"] = {"name": event.name, "arguments": event.arguments}
        else:
            piece["function"] = {"arguments": event.arguments}
        return self._delta(event.choice, {"tool_calls": [piece]})

    def on_finish(self, event: Finish) -> bytes:
        """A call without arguments is given an empty object, as clients parse what they got."""
        bare = sorted(key for key in self.begun - self.argued if key[0] == event.choice)
        empty = [{"index": index, "function": {"arguments": "{}"}} for _, index in bare]
        empty += [self._custom(*item) for item in sorted(self.customs.items()) if item[0][0] == event.choice]
        out = self._delta(event.choice, {"tool_calls": empty}) if empty else b""
        return out + self._delta(event.choice, {}, FINISH_WORDS[event.reason])

    def _custom(self, key: tuple[int, int], pieces: list[ToolDelta]) -> dict[str, Any]:
        call = encode_call(pieces[0].name, "".join(piece.arguments for piece in pieces), self.stamp)
        return {"index": key[1], "id": call_id(pieces[0].id, self.stamp, *key), **call}

    def on_end(self) -> bytes:
        return last_events(self.head, self.tally.usage, self.stamp)

    def on_failed(self, event: Failed) -> bytes:
        return error_event("chat", ErrorInfo(event.message, event.type or "server_error", None, event.code))

    def _role(self, choice: int) -> bytes:
        if choice in self.roles:
            return b""
        self.roles.add(choice)
        return self._chunk(choice, {"role": "assistant", "content": ""}, None)

    def _delta(self, choice: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
        return self._role(choice) + self._chunk(choice, delta, finish)

    def _chunk(self, choice: int, delta: dict[str, Any], finish: str | None) -> bytes:
        if self.stamp.old_calls:
            delta, finish = as_old(delta), old_finish(finish)
        choices = [{"index": choice, "delta": delta, "logprobs": None, "finish_reason": finish}]
        return sse({**self.head, "choices": choices})
