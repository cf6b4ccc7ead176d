"""ReplyCollector: read the figures for the record from a reply's events, as the upstream sent them.

It knows the replies of OpenAI (chat completions, legacy completions, responses), Ollama (chat, generate) and
Anthropic (messages), streamed and whole, by their shape. A figure that is missing stays None: nothing is estimated.
Until the first token every event is parsed; from then on only those that may hold a new figure, found by a search for
quoted member names: inside a JSON string the quotes would be escaped.

Sources: the API references of the three; `x_groq.usage` is Groq's, `choices[].usage` Moonshot's. What a usage object
says is read in core/access/prices/wire.py.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from switchman.addons.core.access.prices.price import Usage
from switchman.addons.core.access.prices.wire import count, details, usage_of, use_of
from switchman.addons.core.streams.calls import Calls, read_piece
from switchman.addons.core.streams.events import Event
from switchman.addons.core.texts.longtext import word

# Members that make an event worth parsing, unless their value is null or false (as in every chunk of some servers).
_FIGURE_MEMBERS: Final = (
    b'"usage"',
    b'"finish_reason"',
    b'"tool_calls"',
    b'"function_call"',
    b'"done"',  # Ollama's last line
    b'"stop_reason"',
    b'"message_stop"',
    b'tool_use"',  # a block's type; "server_tool_use", too
    b'"response.',  # a Responses event other than text: completed, failed, ...
    b'"custom_tool_call"',
    b'"error"',
)
_DULL_VALUES: Final = (b":null", b":false", b": null", b": false")
_DULL_RESPONSES: Final = (b"output_text.delta", b"reasoning_summary_text.delta", b"function_call_arguments.delta")

# Places of the model's output in a delta or message.
_OUTPUT: Final = (
    "content", "reasoning_content", "reasoning", "thinking", "tool_calls", "function_call", "refusal", "audio",
    "images",
)  # fmt: skip
_REASONING: Final = ("reasoning_content", "reasoning", "thinking")

# The last events of streams that are no text's.
_PICTURES: Final = ("image_generation.completed", "image_edit.completed")
_ENDS: Final = (*_PICTURES, "transcript.text.done", "speech.audio.done")
_RESPONSES_TOOLS: Final = ("function_call", "custom_tool_call")
_MAX_TOOLS: Final = 4096  # tool calls, and choices, told apart in one reply: bounds memory


class ReplyCollector:
    """Call feed() with every event of a stream before any stage, or feed_whole() with a whole reply; then read the
    attributes.

    `model`, `finish_reason`: the upstream's own values (`stop_reason`, `done_reason` and Responses' status count too);
    `response_id`: of a reply of Responses.
    `error`: the text of an error inside the reply; `failure`: the object that holds it. `begun`: an event of a stream
    has arrived that is an object, and neither an error nor a ping; `garbled`: what came in the place of the first one
    was no JSON object. `finished`: the reply is complete. `ended`: so is its stream, whose last event has been read.
    `concluded`: it has said that it is over, by a reason or by its dialect's last word, `[DONE]` aside. `missed`: not
    all was read, so what was not found may be there all the same.
    `first_token_at`, `last_event_at`: clock times, of streams.
    """

    def __init__(self) -> None:
        self.model: str | None = None
        self.finish_reason: str | None = None
        self.response_id: str | None = None
        self.finished = self.ended = self.missed = False
        self.error: str | None = None
        self.failure: dict[str, Any] | None = None
        self.begun = self.concluded = False
        self.garbled: bytes | None = None
        self.first_token_at: float | None = None
        self.last_event_at: float | None = None
        # Of the payloads of a stream: how many, their bytes together, and those of the shortest.
        self.payloads, self.size, self.least = 0, 0, sys.maxsize
        self._usage: dict[str, Any] = {}
        self._read_usage_as: Usage | None = None
        self._uses: dict[str, str] = {}  # of the provider's own tools, by the id of the call
        self._images = 0  # pictures in the reply
        self._whole = False
        self._tools: set[Any] = set()
        self._calls: dict[str, Calls] = {}  # of each choice whose calls come in pieces
        self._open: set[str] = set()  # choices that have begun
        self._closed: set[str] = set()  # choices that have finished
        self._hidden_reasoning = False  # the first token was no thought: thoughts, if any, were not sent

    # --- what was found ---

    @property
    def usage(self) -> Usage | None:
        """What the reply took, in parts that add up; None where it does not say. Until the end it is the least."""
        if self._read_usage_as is None and (self._usage or self._images):
            tools = Counter(self._uses.values()).items() if self._uses else ()
            images = Usage(images=self._images) if self._images else None
            self._read_usage_as = usage_of(self._usage, tools, self._images) or images
        found = self._read_usage_as
        return found if found is None or self.finished or self._whole or found.partial else replace(found, partial=True)

    @property
    def input_tokens(self) -> int | None:
        """Tokens of the prompt, cached ones included (Anthropic counts those apart; here they are added)."""
        said = count(self._usage, "prompt_tokens", "input_tokens", "prompt_eval_count")
        return self.usage.input_tokens if said is not None and self.usage is not None else None

    @property
    def output_tokens(self) -> int | None:
        """Tokens that the model generated, thoughts included, also where the server counts these apart."""
        said = count(self._usage, "completion_tokens", "output_tokens", "eval_count")
        return self.usage.output_tokens if said is not None and self.usage is not None else None

    @property
    def cached_tokens(self) -> int | None:
        """Tokens of the prompt that the provider had in its cache."""
        inner = details(self._usage, "prompt_tokens_details", "input_tokens_details")
        names = ("cached_tokens", "cache_read_input_tokens", "prompt_cache_hit_tokens")
        said = count(inner, "cached_tokens") is not None or count(self._usage, *names) is not None
        return self.usage.cached_tokens if said and self.usage is not None else None

    @property
    def reasoning_tokens(self) -> int | None:
        """Tokens of thought, as far as the provider counts them."""
        if self.usage is not None and self.usage.reasoning:
            return self.usage.reasoning
        return count(details(self._usage, "completion_tokens_details", "output_tokens_details"), "reasoning_tokens")

    @property
    def tool_calls(self) -> int:
        """How many tools the model called."""
        return len(self._tools) + sum(map(len, self._calls.values()))

    @property
    def was_cut(self) -> bool:
        """Whether a stream that is over now ended before its reply did."""
        return not (self.finished or self.missed)

    @property
    def tokens_per_second(self) -> float | None:
        """Speed of generation: as Ollama measured it; else tokens after the first one, from the first token to the
        last event.

        Thoughts that were not sent came before the first token that was, so they do not count. None where that is not
        known.
        """
        duration = self._usage.get("eval_duration")  # nanoseconds
        output = self.output_tokens
        if output is None:
            return None
        if isinstance(duration, int | float) and duration > 0:
            return output / (duration / 1e9)
        if self.first_token_at is None or self.last_event_at is None:
            return None
        if self._hidden_reasoning:
            output -= self.reasoning_tokens or 0
        elapsed = self.last_event_at - self.first_token_at
        return (output - 1) / elapsed if output > 1 and elapsed > 0 else None

    # --- reading ---

    def feed(self, event: Event, now: float) -> None:
        """The next event of a stream; `now` is the clock's time in seconds."""
        payload = event.payload
        if payload is None:
            self.missed |= event.beyond != ""
            return
        self.payloads, self.size = self.payloads + 1, self.size + len(payload)
        self.least = min(self.least, len(payload))
        if payload.startswith(b"[DONE]"):
            self.finished = self.ended = True
            return
        if event.name == "message_stop":
            self.finished = self.ended = True
        if self.first_token_at is not None and not _may_hold_figures(payload):
            self.last_event_at = now
            return
        data = event.data
        if isinstance(data, dict):
            self.last_event_at = now
            self._read(data)
            if self.first_token_at is None and has_output(data):
                self.first_token_at = now
                self._hidden_reasoning = not has_thought(data)
        if not self.begun and isinstance(data, dict):
            self.begun = self.error is None and data.get("type") != "ping"
        elif not self.begun and self.garbled is None and payload.strip():
            self.garbled = payload

    @property
    def is_void(self) -> bool:
        """Whether a stream has brought neither output, nor a word for its end, nor an error."""
        return self.first_token_at is None and not self.concluded and self.error is None

    @property
    def refused(self) -> bool:
        """Whether the reply so far is nothing but an error."""
        return self.error is not None and not self.begun

    def feed_whole(self, obj: dict[str, Any]) -> None:
        """A whole reply."""
        self._read(obj)
        self._images = sum("b64_json" in item or "url" in item for item in _dicts(obj.get("data")))
        if "embeddings" in obj:  # Ollama's, which has no `done`
            self._read_usage({"prompt_eval_count": obj.get("prompt_eval_count")})
        self._whole = True

    def _read(self, data: dict[str, Any]) -> None:
        inner = data
        for name in ("message", "response"):  # Anthropic's message_start; most events of Responses
            if isinstance(data.get(name), dict) and "choices" not in data:
                inner = data[name]
        for source in (data, inner):
            if isinstance(model := source.get("model"), str) and model:
                self.model = model
            self._read_usage(source.get("usage"))
            if isinstance(tier := source.get("service_tier"), str):
                self._read_usage({"service_tier": tier})
        self._read_usage(details(data, "x_groq").get("usage"))
        self._read_choices(data)
        self._read_ollama(data)
        self._read_anthropic(data)
        self._read_responses(data, inner)
        self._read_error(data, inner)
        if (kind := data.get("type")) in _ENDS:
            self._whole = True  # its usage is all there is
            self._images += kind in _PICTURES

    def _read_usage(self, usage: Any) -> None:
        # Later figures replace earlier ones: they are running totals, wherever there are several.
        if isinstance(usage, dict):
            self._usage.update((name, value) for name, value in usage.items() if value is not None)
            self._read_usage_as = None

    def _read_choices(self, data: dict[str, Any]) -> None:
        for position, choice in enumerate(_dicts(data.get("choices"))):
            index = choice.get("index", position)
            if len(self._open) < _MAX_TOOLS:
                self._open.add(word(index))
            if isinstance(reason := choice.get("finish_reason"), str) and reason:
                # Of several choices the first one's reason stands for all.
                if self.finish_reason is None or index == 0:
                    self.finish_reason = reason
                self._closed.add(word(index))
                self.finished = self._open <= self._closed
                self.concluded = True
            self._read_usage(choice.get("usage"))
            if isinstance(body := choice.get("message"), dict):
                for place in range(len(list(_dicts(body.get("tool_calls"))))):
                    self._add_tool(word(index), str(place))
            elif isinstance(body := choice.get("delta"), dict):
                for piece in _dicts(body.get("tool_calls")):
                    if self.tool_calls < _MAX_TOOLS:
                        self._calls.setdefault(word(index), Calls()).feed(*read_piece(piece))
            if isinstance(body, dict) and isinstance(body.get("function_call"), dict):
                self._add_tool(word(index), "function_call")

    def _add_tool(self, *key: str) -> None:
        if len(self._tools) < _MAX_TOOLS:
            self._tools.add(key)

    def _read_ollama(self, data: dict[str, Any]) -> None:
        message = data.get("message")
        if isinstance(message, dict) and "choices" not in data and data.get("type") is None:
            # Ollama sends calls whole, each line with those it completes.
            for call in _dicts(message.get("tool_calls")):
                self._add_tool(str(len(self._tools)), word(call.get("id")))
        if data.get("done") is not True:
            return
        self.finished = self.ended = self.concluded = True
        if isinstance(reason := data.get("done_reason"), str):
            self.finish_reason = reason
        self._read_usage({name: data.get(name) for name in ("prompt_eval_count", "eval_count", "eval_duration")})

    def _read_anthropic(self, data: dict[str, Any]) -> None:
        kind = data.get("type")
        if kind == "message_delta" and isinstance(delta := data.get("delta"), dict):
            self._stopped(delta.get("stop_reason"))
        elif kind == "message_stop":
            self.finished = self.ended = True
        elif kind == "message":
            self._stopped(data.get("stop_reason"))
            self.finished = True
            for index, block in enumerate(_dicts(data.get("content"))):
                self._read_items([block])
                if block.get("type") == "tool_use":
                    self._add_tool(str(index))
        elif kind == "content_block_start" and isinstance(started := data.get("content_block"), dict):
            self._read_items([started])
            if started.get("type") == "tool_use":
                self._add_tool(str(len(self._tools)))  # each begins one, whatever its index

    def _stopped(self, reason: Any) -> None:
        if isinstance(reason, str):
            self.finish_reason = reason
            self.concluded = True

    def _read_responses(self, data: dict[str, Any], response: dict[str, Any]) -> None:
        item = data.get("item")
        if data.get("type") == "response.output_item.done" and isinstance(item, dict):
            self._read_items([item])
        if response.get("object") != "response":
            return
        self.response_id = word(response.get("id")) or None
        self._read_items(_dicts(response.get("output")))
        status, why = response.get("status"), response.get("incomplete_details")
        if status in ("completed", "incomplete", "failed", "cancelled"):
            self.finished = self.ended = self.concluded = True
            reason = why.get("reason") if isinstance(why, dict) else None
            self.finish_reason = reason if isinstance(reason, str) else status

    def _read_items(self, items: Iterable[dict[str, Any]]) -> None:
        for item in items:
            if item.get("type") in _RESPONSES_TOOLS:
                self._add_tool(word(item.get("call_id") or item.get("id")))
            elif (use := use_of(item)) is not None and len(self._uses) < _MAX_TOOLS:
                self._uses[word(item.get("id"))] = use
                self._read_usage_as = None

    def _read_error(self, data: dict[str, Any], inner: dict[str, Any]) -> None:
        error = data.get("error") or inner.get("error")
        if not error and data.get("type") == "error":
            error = data.get("message")  # Responses' own event
        if isinstance(error, dict):
            error = error.get("message") or error.get("code") or error.get("type") or "error"
        if isinstance(error, str) and error:
            self.error = error
            self.failure = data if data.get("error") else inner


def _may_hold_figures(payload: bytes) -> bool:
    """Whether this event may hold anything but more text."""
    for name in _FIGURE_MEMBERS:
        at = payload.find(name)
        if at < 0:
            continue
        after = at + len(name)
        dull = _DULL_RESPONSES if name == b'"response.' else _DULL_VALUES
        if not payload.startswith(dull, after) or payload.find(name, after) >= 0:
            return True
    return False


def has_output(data: dict[str, Any]) -> bool:
    """Whether this event of a stream carries output of the model."""
    return any(filled(body.get(name)) for body in _bodies(data) for name in _OUTPUT) or _other_output(data)


def has_thought(data: dict[str, Any]) -> bool:
    """Whether a reply, or an event of one, has thoughts in a place of their own."""
    kind = word(data.get("type"))
    if "reasoning" in kind or kind.startswith("response."):
        return "reasoning" in kind
    return any(filled(body.get(name)) or _thinks(body.get("content")) for body in _bodies(data) for name in _REASONING)


def _thinks(content: Any) -> bool:
    """Mistral sends thoughts as parts of the content."""
    return any(part.get("type") == "thinking" for part in _dicts(content))


def _bodies(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects that hold output: deltas and messages, and the top of the formats that are flat."""
    for choice in _dicts(data.get("choices")):
        for name in ("delta", "message"):
            if isinstance(body := choice.get(name), dict):
                yield body
        yield {"content": choice.get("text")}
    if data.get("type") == "content_block_delta" and isinstance(delta := data.get("delta"), dict):
        yield {"content": delta.get("text") or delta.get("partial_json"), "thinking": delta.get("thinking")}
    if "choices" not in data and data.get("type") is None:  # Ollama
        if isinstance(message := data.get("message"), dict):
            yield message
        yield {"content": data.get("response"), "thinking": data.get("thinking")}


def _other_output(data: dict[str, Any]) -> bool:
    kind = word(data.get("type"))
    if kind == "content_block_start" and isinstance(block := data.get("content_block"), dict):
        return block.get("type") not in ("text", "thinking", "redacted_thinking") or bool(block.get("text"))
    if kind == "response.output_item.added" and isinstance(item := data.get("item"), dict):
        return item.get("type") in _RESPONSES_TOOLS
    return kind.startswith("response.") and kind.endswith(".delta") and bool(data.get("delta"))


def filled(value: Any) -> bool:
    """Whether the value holds text, a call, or a part that is not empty."""
    if isinstance(value, list):
        return any(not isinstance(part, dict) or part.get("type") != "text" or part.get("text") for part in value)
    return isinstance(value, str | dict) and bool(value)


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())
