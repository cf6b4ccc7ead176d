"""Responses stream events <-> internal stream events. Shapes: openai-python types/responses/response_*_event.py."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from switchman.addons.core.dialects.errors import decode_failure
from switchman.addons.core.dialects.framing import sse
from switchman.addons.core.dialects.neutral.fields import count_of, epoch_of, object_of, text_of
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
    ToolName,
    UsageSeen,
)
from switchman.addons.core.dialects.neutral.streams import StreamDecoder, StreamEncoder, call_id, told
from switchman.addons.core.dialects.openai.as_functions import as_arguments, as_input
from switchman.addons.core.dialects.openai.responses_reply import (
    call_item,
    encode_usage,
    ending,
    finish_of,
    message_item,
    reasoning_item,
    refusal_part,
    response_head,
    response_id,
    text_part,
    tool_name,
    usage_of,
)
from switchman.addons.core.dialects.passing.unsigned import ITEM as UNSIGNED
from switchman.addons.core.streams.calls import CallPiece, Calls

THINKING = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")
ENDS = ("response.completed", "response.incomplete")
CALLS = (
    "response.output_item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.custom_tool_call_input.delta",
    "response.custom_tool_call_input.done",
    "response.output_item.done",
)


# What a custom tool's text becomes: the arguments of a function (as_functions.py), in pieces.
OPENING, CLOSING = as_arguments("\0").split(json.dumps("\0")[1:-1])


class ResponsesDecoder(StreamDecoder):
    """Tells items apart by their output index; where there is none, by their order."""

    says_its_end = True  # response.completed

    def __init__(self, offered: Collection[str] = ()) -> None:
        super().__init__(offered)
        self.calls = Calls(offered)
        self.last = 0  # output index of the item that began last
        self.customs: set[int] = set()  # output indices of custom calls whose text has begun

    def feed(self, data: dict[str, Any]) -> list[StreamEvent]:
        kind, response = text_of(data, "type"), object_of(data, "response")
        if kind == "response.created":
            return [Start(text_of(response, "id"), text_of(response, "model"), epoch_of(response, "created_at"))]
        if kind == "response.output_text.delta":
            return [TextDelta(0, text_of(data, "delta"))]
        if kind == "response.refusal.delta":
            return [TextDelta(0, text_of(data, "delta"), refusal=True)]
        if kind in THINKING:
            return [ThinkingDelta(0, text_of(data, "delta"))]
        if kind in CALLS:
            return told(0, self._call(kind, data))
        if kind in ENDS:
            usage = usage_of(object_of(response, "usage"))
            last = told(0, self.calls.settle())
            return [*last, *([UsageSeen(usage)] if usage else []), Finish(0, finish_of(response)), End()]
        if kind in ("error", "response.failed") or (not kind and data.get("error")):
            return [decode_failure(response if kind == "response.failed" else data)]
        return []

    def _call(self, kind: str, data: dict[str, Any]) -> list[CallPiece]:
        index, item = count_of(data, "output_index"), object_of(data, "item")
        if kind == "response.output_item.added":
            place = self.last = self.last + 1 if index is None else index
            if not item or item.get("type") in ("message", "reasoning"):
                self.calls.drop(place)
                return []
            return self.calls.begin(place, text_of(item, "call_id"), _name_in(item), text_of(item, "arguments"))
        place = self.last if index is None else index
        if not self.calls.has(place):
            return []
        text = text_of(data, "delta")
        match kind.removeprefix("response."):
            case "function_call_arguments.delta":
                return self.calls.feed(place, "", "", text)
            case "custom_tool_call_input.delta":
                opening = "" if place in self.customs else OPENING
                self.customs.add(place)
                return self.calls.feed(place, "", "", opening + json.dumps(text, ensure_ascii=False)[1:-1])
            case "function_call_arguments.done":
                return self.calls.complete(place, "", text_of(data, "name"), text_of(data, "arguments"))
            case "output_item.done":
                said = as_arguments(text_of(item, "input")) if "input" in item else text_of(item, "arguments")
                out = self._close_custom(place)
                return out + self.calls.complete(place, text_of(item, "call_id"), _name_in(item), said)
            case _:
                return self._close_custom(place)

    def _close_custom(self, place: int) -> list[CallPiece]:
        if place not in self.customs:
            return []
        self.customs.discard(place)
        return self.calls.feed(place, "", "", CLOSING)


def _name_in(item: dict[str, Any]) -> str:
    """The name of the function or custom tool; of a call that the server runs itself, its kind."""
    kind = text_of(item, "type")
    return text_of(item, "name") or ("" if kind in ("function_call", "custom_tool_call") else kind)


class _Item:
    """One output item in progress: its kind, its pieces so far, and its place."""

    def __init__(self, kind: str, id: str, place: int) -> None:
        self.kind = kind  # "text", "refusal", "thinking", "call" or "custom"
        self.id = id
        self.place = place
        self.pieces: list[str] = []  # of the text, or of the arguments
        self.call = ("", ToolName(""))  # call id and name

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def is_call(self) -> bool:
        return self.kind in ("call", "custom")

    def encoded(self, status: str = "completed") -> dict[str, Any]:
        if self.kind == "thinking":
            return reasoning_item(self.id, self.text)
        if self.is_call:
            return call_item(self.id, *self.call, self.text, status)
        return message_item(self.id, [self.part()] if status == "completed" else [], status)

    def part(self, empty: bool = False) -> dict[str, Any]:
        text = "" if empty else self.text
        if self.kind == "thinking":
            return {"type": "reasoning_text", "text": text}
        return refusal_part(text) if self.kind == "refusal" else text_part(text)


# kind of item -> (event of a piece, event of the whole, member of the whole)
PIECES = {
    "text": ("response.output_text.delta", "response.output_text.done", "text"),
    "refusal": ("response.refusal.delta", "response.refusal.done", "refusal"),
    "thinking": ("response.reasoning_text.delta", "response.reasoning_text.done", "text"),
    "call": ("response.function_call_arguments.delta", "response.function_call_arguments.done", "arguments"),
    "custom": ("response.custom_tool_call_input.delta", "response.custom_tool_call_input.done", "input"),
}


class ResponsesEncoder(StreamEncoder):
    """Writes response.created, the items with their parts and pieces, and response.completed with the whole reply.

    Closes a message or a thought when something else begins. Calls stay open till the end, as their pieces may come
    mixed.
    """

    def __init__(self, stamp: Stamp) -> None:
        super().__init__(stamp)
        self.head: dict[str, Any] = {}
        self.number = -1
        self.items: list[_Item] = []
        self.open: _Item | None = None  # the message or thought that is being written
        self.calls: dict[int, _Item] = {}

    def on_start(self, start: Start) -> bytes:
        created = int(start.created if start.created is not None else self.stamp.created)
        self.head = response_head(
            response_id(start.id, self.stamp), start.model or self.stamp.model, created, self.stamp.settings
        )
        return self._event("response.created", response=self.head) + self._event(
            "response.in_progress", response=self.head
        )

    def on_text(self, event: TextDelta) -> bytes:
        return self._write("refusal" if event.refusal else "text", event.text)

    def on_thinking(self, event: ThinkingDelta) -> bytes:
        return self._write("thinking", event.text) if event.text else b""

    def on_tool(self, event: ToolDelta) -> bytes:
        out = b""
        item = self.calls.get(event.index)
        if item is None:
            out = self._close()
            name = tool_name(event.name, self.stamp)
            kind = "custom" if name.custom else "call"
            item = self.calls[event.index] = self._new(kind, f"fc_{self.stamp.id}_{event.index}")
            item.call = (call_id(event.id, self.stamp, 0, event.index), name)
            out += self._event("response.output_item.added", output_index=item.place, item=item.encoded("in_progress"))
        return out + (self._piece(item, event.arguments) if event.arguments else b"")

    def on_finish(self, event: Finish) -> bytes:
        out = self._close()
        for index in sorted(self.calls):
            out += self._finish_item(self.calls[index])
        return out

    def on_end(self) -> bytes:
        finish = self.finishes[min(self.finishes)]
        state = ending(finish.reason)
        output = [item.encoded() for item in self.items]
        whole = {**self.head, **state, "output": output, "usage": encode_usage(self.tally.usage)}
        return self._event(f"response.{state['status']}", response=whole)

    def on_failed(self, event: Failed) -> bytes:
        error = {"code": event.code or event.type or "server_error", "message": event.message}
        if not self.head:
            self.head = response_head(
                response_id("", self.stamp), self.stamp.model, int(self.stamp.created), self.stamp.settings
            )
        out = self._event("error", **error, param=None, error={**error, "type": event.type or "server_error"})
        return out + self._event("response.failed", response={**self.head, "status": "failed", "error": error})

    # ---- items

    def _write(self, kind: str, text: str) -> bytes:
        out = b""
        if self.open is None or self.open.kind != kind:
            out = self._close()
            prefix = UNSIGNED if kind == "thinking" else "msg_"
            self.open = self._new(kind, f"{prefix}{self.stamp.id}_{len(self.items)}")
            item = self.open.encoded("in_progress")
            out += self._event("response.output_item.added", output_index=self.open.place, item=item)
            out += self._event("response.content_part.added", **self._where(self.open), part=self.open.part(empty=True))
        return out + self._piece(self.open, text)

    def _new(self, kind: str, id: str) -> _Item:
        item = _Item(kind, id, len(self.items))
        self.items.append(item)
        return item

    def _piece(self, item: _Item, text: str) -> bytes:
        item.pieces.append(text)
        if item.kind == "custom":
            return b""  # its text is within JSON, which has to be whole first
        logprobs: dict[str, Any] = {"logprobs": []} if item.kind == "text" else {}
        return self._event(PIECES[item.kind][0], **self._where(item), delta=text, **logprobs)

    def _close(self) -> bytes:
        item, self.open = self.open, None
        return self._finish_item(item) if item else b""

    def _finish_item(self, item: _Item) -> bytes:
        delta, done, member = PIECES[item.kind]
        out, text = b"", item.text
        if item.kind == "custom":
            text = as_input(text)
            out = self._event(delta, **self._where(item), delta=text) if text else b""
        elif item.kind == "call":
            text = text or "{}"
        logprobs: dict[str, Any] = {"logprobs": []} if item.kind == "text" else {}
        names = {"name": item.call[1].name} if item.kind == "call" else {}
        out += self._event(done, **self._where(item), **{member: text}, **names, **logprobs)
        if not item.is_call:
            out += self._event("response.content_part.done", **self._where(item), part=item.part())
        return out + self._event("response.output_item.done", output_index=item.place, item=item.encoded())

    def _where(self, item: _Item) -> dict[str, Any]:
        content = {} if item.is_call else {"content_index": 0}
        return {"item_id": item.id, "output_index": item.place, **content}

    def _event(self, kind: str, /, **members: Any) -> bytes:
        self.number += 1
        return sse({"type": kind, "sequence_number": self.number, **members}, kind)
