"""Endings: what the end of an answer must not say, where client and server speak one dialect.

1. A reason that says tool use, with no call in the reply: clients then wait for a result that they owe nobody, and stop
   without a word. The reason becomes the one of a reply that is complete; no other byte changes.
2. Nothing at all, where a stream of text is over before its reply: clients take what came for all of it. An error event
   in the dialect follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from switchman.addons.core.dialects import WIRES
from switchman.addons.core.dialects.neutral.fields import object_of, objects_of, text_of
from switchman.addons.core.request.call import GENERATING, Endpoint
from switchman.addons.core.streams.events import Event
from switchman.addons.core.streams.framing.ndjson import NDJSONSplitter
from switchman.addons.core.streams.framing.sse import SSESplitter
from switchman.addons.core.streams.reply import ReplyCollector

# A reason that says tool use -> that of a complete reply, by its member. Legacy completions know no tools at all.
OPENAI: Final = {"tool_calls": "stop", "function_call": "stop"}
ANTHROPIC: Final = {"tool_use": "end_turn"}

_KEY: Final = b'_reason"'  # of finish_reason and stop_reason; the first bytes differ in all events
_REASON: Final = re.compile(rb'_reason"\s*:\s*"(tool_calls|function_call|tool_use)"')
_WORDS: Final = {word.encode(): end.encode() for word, end in {**OPENAI, **ANTHROPIC}.items()}


def reasons_without_calls(obj: Mapping[str, Any]) -> dict[tuple[str | int, ...], str]:
    """The edits (jsonedit.edit) of a whole reply: each reason that says tool use, where no call is."""
    edits: dict[tuple[str | int, ...], str] = {}
    choices = obj.get("choices")
    for place, choice in enumerate(choices if isinstance(choices, list) else ()):
        if not isinstance(choice, dict) or (word := text_of(choice, "finish_reason")) not in OPENAI:
            continue
        message = object_of(choice, "message")
        if not (message.get("tool_calls") or message.get("function_call")):
            edits["choices", place, "finish_reason"] = OPENAI[word]
    # Tools that the server ran itself count: it knows best what it waits for.
    called = any(text_of(block, "type").endswith("tool_use") for block in objects_of(obj, "content"))
    if obj.get("type") == "message" and (word := text_of(obj, "stop_reason")) in ANTHROPIC and not called:
        edits["stop_reason",] = ANTHROPIC[word]
    return edits


class EndStage:
    """A Stage for a stream that is not translated; it comes last. `error`: the event for a stream that was cut.

    `reply` has read all events up to the one that is fed.
    """

    def __init__(self, reply: ReplyCollector, error: bytes) -> None:
        self._reply = reply
        self._error = error

    def feed(self, event: Event) -> Iterable[Event]:
        payload = event.payload
        if self._reply.concluded and payload is not None and event.at >= 0 and (at := payload.find(_KEY)) >= 0:
            self._settle_reason(event, payload, at)
        return (event,)

    def end(self) -> Iterable[Event]:
        if not self._reply.was_cut or self._reply.error is not None:
            return ()
        # Read as events, for a stage behind this one that tells them in another framing.
        splitter = NDJSONSplitter() if self._error.startswith(b"{") else SSESplitter()
        return [*splitter.feed(self._error), *splitter.end()]

    def abort(self) -> Iterable[Event]:
        """It broke off: the caller writes the error."""
        return ()

    def _settle_reason(self, event: Event, payload: bytes, at: int) -> None:
        edited = payload
        while at >= 0:
            match = _REASON.match(edited, at)
            if match is not None and edited.endswith((b'"finish', b'"stop'), 0, at):
                if self._reply.tool_calls or self._reply.missed:
                    return
                edited = edited[: match.start(1)] + _WORDS[match[1]] + edited[match.end(1) :]
            at = edited.find(_KEY, at + 1)
        if edited is not payload:
            event.set_payload(edited)


def end_stage(endpoint: Endpoint, framing: str, reply: ReplyCollector, error: bytes) -> list[EndStage]:
    """The stage of a stream of text; none for other operations, which have ends of their own."""
    if endpoint.operation not in GENERATING or WIRES[endpoint.dialect].framing != framing:
        return []
    return [EndStage(reply, error)]
