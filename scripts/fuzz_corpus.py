"""The corpus of scripts/fuzz: good requests and answers of every dialect, and recordings where there are some.

What is mutated in them: fuzz_cases.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

Dialect = Literal["openai", "ollama", "anthropic"]
Operation = Literal["chat", "completion", "responses", "embedding", "transcription"]
Recordings = dict[tuple[Dialect, Operation, bool], list[list[bytes]]]  # (server, operation, streamed) -> answers

PATHS: Final[dict[tuple[Dialect, Operation], str]] = {
    ("openai", "chat"): "/v1/chat/completions",
    ("openai", "completion"): "/v1/completions",
    ("openai", "responses"): "/v1/responses",
    ("openai", "embedding"): "/v1/embeddings",
    ("openai", "transcription"): "/v1/audio/transcriptions",
    ("ollama", "chat"): "/api/chat",
    ("ollama", "completion"): "/api/generate",
    ("ollama", "embedding"): "/api/embed",
    ("anthropic", "chat"): "/v1/messages",
}
_TOOL: Final = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_PNG: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg=="


def requests_of(dialect: Dialect, operation: Operation) -> list[dict[str, Any]]:
    """Good bodies, without a model."""
    if operation == "embedding":
        said: list[dict[str, Any]] = [{"input": "hi"}, {"input": ["a", "b"]}]
        return [*said, {"input": [[1, 2], [3]], "encoding_format": "base64"}] if dialect == "openai" else said
    if operation == "completion":
        return [
            {"prompt": "Once"},
            {"prompt": "Once", "stream": True, "suffix": "end"},
            {"prompt": "x", "stream": False},
        ]
    if operation == "transcription":  # sent as a form
        spoken = {"file": "RIFF\r\n--x", "timestamp_granularities[]": "word", "prompt": "x"}
        return [spoken, {**spoken, "stream": "true"}, {**spoken, "language": "de", "response_format": "json"}]
    if operation == "responses":
        function = {"type": "function", "name": "f", "parameters": _TOOL}
        call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
        output = {"type": "function_call_output", "call_id": "c", "output": "r"}
        asked = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
        return [{"input": "hi", "store": False}, {"input": [asked, call, output], "tools": [function], "stream": True}]
    schema = {"name": "f", "description": "d", "parameters": _TOOL}
    tools = (
        [{"type": "function", "function": schema}] if dialect != "anthropic" else [{"name": "f", "input_schema": _TOOL}]
    )
    base: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 50}
    long = {**base, "messages": _TURNS[dialect], "tools": tools, "temperature": 0.5}
    return [base, {**base, "stream": True}, long, {**long, "stream": True}, {**base, "stream": False}]


# A conversation with an image, a tool's call and its result.
_TURNS: Final[dict[Dialect, list[dict[str, Any]]]] = {
    "openai": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "see"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_PNG}"}},
            ],
        },
        {
            "role": "assistant",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"city": "x"}'}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "sunny"},
    ],
    "ollama": [
        {"role": "user", "content": "see", "images": [_PNG]},
        {
            "role": "assistant",
            "content": "",
            "thinking": "hm",
            "tool_calls": [{"function": {"name": "f", "arguments": {"city": "x"}}}],
        },
        {"role": "tool", "tool_name": "f", "content": "sunny"},
    ],
    "anthropic": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "see"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": _PNG}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "tool_use", "id": "c", "name": "f", "input": {"city": "x"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "sunny"}]},
    ],
}


def answers_of(server: Dialect, operation: Operation, stream: bool) -> list[list[bytes]]:
    """Good answers, in pieces: events, or one whole body."""
    if operation == "embedding":
        pieces = _embedding(server)
    elif operation == "transcription":
        pieces = _transcription(stream)
    elif server == "ollama":
        pieces = _of_ollama(operation, stream)
    elif server == "anthropic":
        pieces = _of_anthropic(stream)
    elif operation == "responses":
        pieces = _responses(stream)
    elif operation == "completion":
        pieces = _completion(stream)
    else:
        pieces = _chat(stream)
    return [pieces]


_USAGE: Final = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def _whole(value: dict[str, Any]) -> list[bytes]:
    return [json.dumps(value).encode()]


def _chunks(deltas: Iterable[dict[str, Any]]) -> list[bytes]:
    """The stream of OpenAI's chat: events without names, and the word that ends it."""
    made = [
        {"id": "x", "object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0, **d}]} for d in deltas
    ]
    return [b"data: " + json.dumps(one).encode() + b"\n\n" for one in made] + [b"data: [DONE]\n\n"]


def _named_events(events: Iterable[dict[str, Any]]) -> list[bytes]:
    """A stream in which each event is named as its type is."""
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


def _embedding(server: Dialect) -> list[bytes]:
    vectors = {"data": [{"index": 0, "embedding": [0.1, 0.2]}], "usage": _USAGE, "model": "m", "object": "list"}
    return _whole(vectors if server == "openai" else {"embeddings": [[0.1, 0.2]], "model": "m"})


def _transcription(stream: bool) -> list[bytes]:
    told = [{"type": "transcript.text.delta", "delta": "hi"}, {"type": "transcript.text.done", "text": "hi"}]
    return [b"data: %b\n\n" % json.dumps(e).encode() for e in told] if stream else _whole({"text": "hi"})


def _of_ollama(operation: Operation, stream: bool) -> list[bytes]:
    end = {"done": True, "done_reason": "stop", "eval_count": 2, "prompt_eval_count": 3}
    lines: list[dict[str, Any]]
    if operation == "completion":
        lines = [{"model": "m", "response": "Hi", "done": False}, {"model": "m", "response": "", **end}]
    else:
        call = {"function": {"name": "f", "arguments": {"city": "x"}}}
        words: list[dict[str, Any]] = [
            {"content": "He"},
            {"content": "llo", "thinking": "hm"},
            {"content": "", "tool_calls": [call]},
        ]
        lines = [{"model": "m", "message": {"role": "assistant", **w}, "done": False} for w in words]
        lines.append({"model": "m", "message": {"role": "assistant", "content": ""}, **end})
    return [json.dumps(line).encode() + b"\n" for line in lines] if stream else _whole({**lines[0], **end})


def _of_anthropic(stream: bool) -> list[bytes]:
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    whole: dict[str, Any] = {
        "id": "x",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "Hello"}, call],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": call},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'}},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]
    return _named_events(events) if stream else _whole(whole)


def _responses(stream: bool) -> list[bytes]:
    item = {
        "type": "message",
        "id": "i",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
    }
    whole: dict[str, Any] = {
        "id": "r",
        "object": "response",
        "status": "completed",
        "model": "m",
        "output": [item],
        "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
    }
    text = {"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        {**text, "delta": "Hello"},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    return _named_events(events) if stream else _whole(whole)


def _completion(stream: bool) -> list[bytes]:
    if stream:
        return _chunks([{"text": "Hi"}, {"text": "", "finish_reason": "stop"}])
    choice = {"index": 0, "text": "Hi", "finish_reason": "stop"}
    return _whole({"id": "x", "object": "text_completion", "choices": [choice], "usage": _USAGE})


def _chat(stream: bool) -> list[bytes]:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"city": "x"}'}}
    message = {"role": "assistant", "content": "<think>a</think>Hello", "tool_calls": [call]}
    whole = {
        "id": "x",
        "object": "chat.completion",
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": _USAGE,
    }
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": "<think>a"},
        {"content": "</think>Hel"},
        {"reasoning_content": "b"},
        {"tool_calls": [{"index": 0, **call}]},
    ]
    last = {"delta": {}, "finish_reason": "tool_calls"}
    return _chunks([*({"delta": d, "finish_reason": None} for d in deltas), last]) if stream else _whole(whole)


def recorded(folder: Path | None) -> Recordings:
    """Recorded answers, of a folder as RECORDED_STREAMS names one: a stream's events one JSON to a line."""
    found: Recordings = {}
    kinds: dict[str, tuple[Dialect, Operation]] = {
        "openai": ("openai", "chat"),
        "anthropic": ("anthropic", "chat"),
        "responses": ("openai", "responses"),
    }
    for name, (server, operation) in kinds.items() if folder else ():
        for path in sorted((folder / name).iterdir()) if folder else ():
            stream = path.name.endswith(".chunks.txt")
            lines = path.read_bytes().splitlines() if stream else [path.read_bytes()]
            pieces = [b"data: %b\n\n" % line for line in lines if line] if stream else lines
            if sum(map(len, pieces)) < 60_000:
                found.setdefault((server, operation, stream), []).append(pieces)
    return found
