"""Legacy completions <-> the internal form: one prompt, continued. Shapes: openai-python types/completion*.py."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from switchman.addons.core.dialects.errors import decode_failure
from switchman.addons.core.dialects.framing import sse
from switchman.addons.core.dialects.neutral.fields import (
    count_of,
    epoch_of,
    is_text_list,
    object_of,
    objects_of,
    present,
    text_of,
)
from switchman.addons.core.dialects.neutral.form import (
    Choice,
    Failed,
    Finish,
    Image,
    Message,
    Reply,
    Request,
    Stamp,
    Start,
    StreamEvent,
    Text,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    UsageSeen,
)
from switchman.addons.core.dialects.neutral.limits import Notes
from switchman.addons.core.dialects.neutral.sampling import STANDARD, Quirks, take
from switchman.addons.core.dialects.neutral.streams import StreamDecoder, StreamEncoder, finish_reason
from switchman.addons.core.dialects.openai.chat_body import SILENT, encode_sampling
from switchman.addons.core.dialects.openai.chat_reply import FINISH, FINISH_WORDS, encode_usage, usage_of
from switchman.addons.core.dialects.openai.chat_request import take_options
from switchman.addons.core.dialects.openai.chat_stream import last_events
from switchman.addons.core.dialects.openai.wire import error_event
from switchman.addons.core.dialects.wire import ErrorInfo


def decode_request(body: Mapping[str, Any]) -> Request:
    """A completions body. Several prompts, and token numbers, stay in `extras`: only OpenAI takes them."""
    rest = dict(body)
    prompt = take(rest, "prompt", _is_one_text)
    return Request(
        origin="openai.completion",
        model=take(rest, "model", lambda value: isinstance(value, str)) or "",
        messages=() if prompt is None else (_message(prompt),),
        sampling=take_options(rest),
        stream=take(rest, "stream", lambda value: isinstance(value, bool)),
        include_usage=object_of(rest, "stream_options").get("include_usage") is True,
        user=take(rest, "user", lambda value: isinstance(value, str)),
        raw=True,
        suffix=take(rest, "suffix", lambda value: isinstance(value, str) and value != ""),
        extras=rest,
    )


def _is_one_text(prompt: Any) -> bool:
    return isinstance(prompt, str) or (is_text_list(prompt) and len(prompt) == 1)


def _message(prompt: str | list[str]) -> Message:
    """A prompt as the user's message. Clients often send one text as a list of one."""
    if isinstance(prompt, str):
        return Message("user", (Text(prompt),))
    return Message("user", (Text(prompt[0]),), "parts")


def encode_request(request: Request, notes: Notes, quirks: Quirks = STANDARD) -> dict[str, Any]:
    """A completions body, for a completions client or for Ollama's generate with `raw` or `suffix`."""
    native = request.origin == "openai.completion"
    body: dict[str, Any] = {"model": request.model}
    if request.messages or not native:
        prompt = "\n\n".join(message.text() for message in request.messages)
        body["prompt"] = [prompt] if native and request.messages[0].shape == "parts" else prompt
    body |= encode_sampling(request, notes, quirks)
    body |= present(suffix=request.suffix, stream=request.stream, user=request.user)
    if native:
        return {**body, **request.extras}
    notes.lose("suffix" if request.suffix is not None else "raw")
    if any(isinstance(part, Image) for message in request.messages for part in message.parts):
        notes.lose("images")
    if request.stream and quirks.usage_in_stream:
        body["stream_options"] = {"include_usage": True}
    for name, value in (("format", request.format), ("think", request.reasoning)):
        if value is not None:
            notes.lose(name)
    notes.lose_all({key: value for key, value in request.extras.items() if key not in SILENT})
    return body


def decode_reply(obj: Mapping[str, Any]) -> Reply:
    choices = tuple(
        Choice(
            count_of(choice, "index") or 0,
            (Text(text_of(choice, "text")),),
            FINISH.get(text_of(choice, "finish_reason"), "stop"),
        )
        for choice in objects_of(obj, "choices")
    )
    return Reply(text_of(obj, "id"), text_of(obj, "model"), choices, usage_of(obj), epoch_of(obj, "created"))


def encode_reply(reply: Reply, stamp: Stamp) -> dict[str, Any]:
    """A text_completion object. Thoughts and tool calls have no place in it."""
    return {
        "id": reply.id or f"cmpl-{stamp.id}",
        "object": "text_completion",
        "created": int(reply.created if reply.created is not None else stamp.created),
        "model": reply.model or stamp.model,
        "choices": [_encode_choice(choice) for choice in reply.choices],
        **present(usage=encode_usage(reply.usage)),
    }


def _encode_choice(choice: Choice) -> dict[str, Any]:
    text = choice.text()
    finish = FINISH_WORDS[finish_reason(choice.finish, called=False)]
    return {"index": choice.index, "text": text, "logprobs": None, "finish_reason": finish}


class CompletionDecoder(StreamDecoder):
    def __init__(self, offered: Collection[str] = ()) -> None:
        super().__init__(offered)
        self.started = False

    def feed(self, data: dict[str, Any]) -> list[StreamEvent]:
        if data.get("error"):
            return [decode_failure(data)]
        events: list[StreamEvent] = []
        for choice in objects_of(data, "choices"):
            index = count_of(choice, "index") or 0
            events.append(TextDelta(index, text_of(choice, "text")))
            if reason := text_of(choice, "finish_reason"):
                events.append(Finish(index, FINISH.get(reason, "stop")))
        if events and not self.started:
            self.started = True
            events.insert(0, Start(text_of(data, "id"), text_of(data, "model"), epoch_of(data, "created")))
        if usage := usage_of(data):
            events.append(UsageSeen(usage))
        return events


class CompletionEncoder(StreamEncoder):
    """Chunks of text, one with the finish reason, usage if asked for, and [DONE]."""

    def __init__(self, stamp: Stamp) -> None:
        super().__init__(stamp)
        self.head: dict[str, Any] = {}

    def on_start(self, start: Start) -> bytes:
        self.head = {
            "id": start.id or f"cmpl-{self.stamp.id}",
            "object": "text_completion",
            "created": int(start.created if start.created is not None else self.stamp.created),
            "model": start.model or self.stamp.model,
        }
        return b""

    def on_text(self, event: TextDelta) -> bytes:
        return self._chunk(event.choice, event.text, None)

    def on_thinking(self, event: ThinkingDelta) -> bytes:
        return b""

    def on_tool(self, event: ToolDelta) -> bytes:
        return b""

    def on_finish(self, event: Finish) -> bytes:
        return self._chunk(event.choice, "", FINISH_WORDS[finish_reason(event.reason, called=False)])

    def on_end(self) -> bytes:
        return last_events(self.head, self.tally.usage, self.stamp)

    def on_failed(self, event: Failed) -> bytes:
        return error_event("completion", ErrorInfo(event.message, event.type or "server_error", None, event.code))

    def _chunk(self, choice: int, text: str, finish: str | None) -> bytes:
        choices = [{"index": choice, "text": text, "logprobs": None, "finish_reason": finish}]
        return sse({**self.head, "choices": choices})
