"""Samples to test with: fixed ids and times, so that results can be compared to the byte."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from switchman.addons.core.record import AttemptRecord, Record
from switchman.addons.core.request.call import Call, Endpoint
from switchman.addons.core.request.jsonedit import parse

ID = "req-00000000000000000000000000000001"
STARTED_AT = 1_700_000_000.0  # 2023-11-14T22:13:20Z

CHAT = Endpoint("openai", "chat", "/v1/chat/completions")


def every_split(data: bytes) -> Iterator[list[bytes]]:
    """The data whole, in every two parts, and byte by byte: a reader of streams must give the same for all of them.

    Parts are never empty; data of n bytes gives n + 1 lists (1 for n < 2).
    """
    yield [data] if data else []
    for at in range(1, len(data)):
        yield [data[:at], data[at:]]
    if len(data) > 1:
        yield [data[i : i + 1] for i in range(len(data))]


def make_call(
    body: Mapping[str, Any] | str | None = None,
    *,
    endpoint: Endpoint = CHAT,
    query: str = "",
    **fields: Any,
) -> Call:
    """A Call as the Intake would make it: of `body` (an object, or JSON text), with `fields` added at its end.

    Without a body it asks `llama3` to say hello. ValueError if the text is not a JSON object.
    """
    if body is None:
        body = {"model": "llama3", "messages": [{"role": "user", "content": "Say hello."}]}
    text = body if isinstance(body, str) else json.dumps({**body, **fields}, ensure_ascii=False)
    parsed, spans = parse(text)
    model = parsed.get("model", "")
    streams = endpoint.dialect == "ollama" and endpoint.operation in ("chat", "completion")
    return Call(
        endpoint=endpoint,
        query=query,
        text=text,
        body=parsed,
        spans=spans,
        model=model if isinstance(model, str) else "",
        stream=bool(parsed.get("stream", streams)),
    )


def make_attempt(number: int = 1, **fields: Any) -> AttemptRecord:
    """A good attempt at `fast-box/llama3`; `fields` replace what it has."""
    known: dict[str, Any] = {
        "number": number,
        "server": "fast-box",
        "model": "llama3",
        "url": "http://192.168.1.100:8000/v1/chat/completions",
        "started_at": STARTED_AT + 0.002,
        "duration_ms": 820.0,
        "status": 200,
        "outcome": "ok",
        "first_byte_ms": 110.0,
    }
    return AttemptRecord(**{**known, **fields})


def make_record(id: str = ID, **fields: Any) -> Record:
    """The Record of a good chat request; `fields` replace what it has. Other ids are `make_id(n)`."""
    known: dict[str, Any] = {
        "started_at": STARTED_AT,
        "duration_ms": 824.5,
        "method": "POST",
        "path": "/v1/chat/completions",
        "client": "127.0.0.1",
        "dialect": "openai",
        "operation": "chat",
        "requested_model": "git-commit-model",
        "layer": "alias",
        "route": "git-commit-model",
        "server": "fast-box",
        "model": "llama3",
        "status": 200,
        "outcome": "ok",
        "streamed": False,
        "overhead_ms": 2.0,
        "ttft_ms": 112.0,
        "tokens_per_second": 9.8,
        "input_tokens": 11,
        "output_tokens": 7,
        "finish_reason": "stop",
        "request_headers": (("host", "127.0.0.1:1234"), ("content-type", "application/json")),
        "response_headers": (("content-type", "application/json"),),
        "request_body": b'{"model":"git-commit-model","messages":[{"role":"user","content":"Say hello."}]}',
        "response_body": b'{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello."}}]}',
        "attempts": (make_attempt(),),
        "trace": ({"layer": "alias", "outcome": "hit", "detail": "git-commit-model is an alias of 1 instance"},),
    }
    return Record(id=id, **{**known, **fields})


def make_id(number: int) -> str:
    """The id of the n-th sample request."""
    return f"req-{number:032x}"
