"""Ollama's wire format as its server speaks it (github.com/ollama/ollama, docs/api.md).

Streams are NDJSON, and the default.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from switchman.addons.testing.behaviour import (
    Answer,
    Behaviour,
    Identity,
    ParsedRequest,
    Rejected,
    cut_words,
    json_bytes,
    ndjson,
)
from switchman.addons.testing.openai_side import vector

TIME = "2023-11-14T22:13:20.000000Z"
VERSION = "0.12.6"
GET_PATHS = {"/", "/api/tags", "/api/version", "/api/ps"}
POST_PATHS = {"/api/chat", "/api/generate", "/api/show", "/api/embed", "/api/embeddings"}
ROLES = {"system", "user", "assistant", "tool"}
DETAILS = {"parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"],
           "parameter_size": "8.0B", "quantization_level": "Q4_K_M"}  # fmt: skip
TEXT = "text/plain; charset=utf-8"


def error_body(status: int, message: str, **_: Any) -> bytes:
    """{"error": "..."}"""
    return json_bytes({"error": message})


def stream_error(message: str, ending: str) -> bytes:
    return ndjson({"error": message}, ending)


def speak(request: ParsedRequest, how: Behaviour, who: Identity) -> Answer:
    """The reply to one request; raises Rejected for what the real server rejects."""
    if who.api_key is not None and request.headers.get("authorization") != f"Bearer {who.api_key}":
        raise Rejected(401, "unauthorized")
    if request.path not in GET_PATHS | POST_PATHS:
        return Answer(404, TEXT, b"404 page not found")
    if request.method not in (("GET", "HEAD") if request.path in GET_PATHS else ("POST",)):
        return Answer(405, TEXT, b"405 method not allowed")
    if request.path in GET_PATHS:
        return _facts(request, who)
    body = _parsed(request, who)
    if request.path == "/api/show":
        facts = {"license": "", "modelfile": "", "parameters": "", "template": "{{ .Prompt }}", "details": DETAILS}
        more = {"model_info": {"general.architecture": "llama", "llama.context_length": 8192}}
        return Answer(body=json_bytes({**facts, **more, "capabilities": ["completion", "tools"], "modified_at": TIME}))
    if request.path in ("/api/embed", "/api/embeddings"):
        return _embed(request, body)
    chat = request.path == "/api/chat"
    if chat:
        _check_messages(body)
    if body.get("stream") is not None and not isinstance(body["stream"], bool):
        raise Rejected(400, "json: cannot unmarshal into Go struct field .stream of type bool")
    if body.get("stream") is None or body["stream"]:
        return Answer(content_type="application/x-ndjson", events=_stream(body, how, who, chat))
    return Answer(content_type="application/json; charset=utf-8", body=json_bytes(_whole(body, how, who, chat)))


def tag(model: str) -> dict[str, Any]:
    """One entry of /api/tags."""
    digest = sha256(model.encode()).hexdigest()
    return {"name": model, "model": model, "modified_at": TIME, "size": 4_920_753_328, "digest": digest,
            "details": DETAILS}  # fmt: skip


def _facts(request: ParsedRequest, who: Identity) -> Answer:
    if request.path == "/":
        return Answer(200, TEXT, b"Ollama is running")
    if request.path == "/api/version":
        return Answer(body=json_bytes({"version": VERSION}))
    entries = [tag(model) for model in who.models]
    if request.path == "/api/ps":
        entries = [{**e, "expires_at": TIME, "size_vram": e["size"], "context_length": 8192} for e in entries[:1]]
    return Answer(body=json_bytes({"models": entries}))


def _parsed(request: ParsedRequest, who: Identity) -> dict[str, Any]:
    if not request.raw:
        raise Rejected(400, "missing request body")
    try:
        body = json.loads(request.raw)  # Ollama does not look at the content type
    except ValueError as error:
        raise Rejected(400, f"invalid character in JSON: {error}") from None
    if not isinstance(body, dict):
        raise Rejected(400, "json: cannot unmarshal into Go value of a request")
    model = body.get("model") or (body.get("name") if request.path == "/api/show" else None)
    if model is not None and not isinstance(model, str):
        raise Rejected(400, "json: cannot unmarshal into Go struct field .model of type string")
    if not model:
        raise Rejected(400, "model is required")
    if not who.has(model) and not who.has(model.removesuffix(":latest")):
        raise Rejected(404, f"model '{model}' not found")
    return {**body, "model": model}


def _check_messages(body: Mapping[str, Any]) -> None:
    messages = body.get("messages") or []
    if not isinstance(messages, list):
        raise Rejected(400, "json: cannot unmarshal into Go struct field ChatRequest.messages of type []api.Message")
    for message in messages:
        if not isinstance(message, dict):
            raise Rejected(400, "json: cannot unmarshal into Go struct field ChatRequest.messages of type api.Message")
        if message.get("role") not in ROLES:
            raise Rejected(400, f"invalid role: {message.get('role')}")
        if not isinstance(message.get("content", ""), str | None):  # OpenAI's lists of parts are an error here
            raise Rejected(400, "json: cannot unmarshal array into Go struct field Message.content of type string")
        for call in message.get("tool_calls") or ():
            if not isinstance(call.get("function", {}).get("arguments", {}), dict):
                raise Rejected(400, "json: cannot unmarshal string into Go struct field .arguments of type map")


def _part(chat: bool, text: str, thinking: str = "", calls: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    if not chat:
        return {"response": text, **({"thinking": thinking} if thinking else {})}
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if thinking:
        message["thinking"] = thinking
    if calls:
        message["tool_calls"] = calls
    return {"message": message}


def _calls(how: Behaviour) -> list[dict[str, Any]]:
    return [{"function": {"name": c.name, "arguments": dict(c.arguments)}} for c in how.tool_calls]


def _ending(how: Behaviour) -> dict[str, Any]:
    """The last line's facts; durations are nanoseconds."""
    facts: dict[str, Any] = {"done": True, "done_reason": how.finish or "stop"}
    if how.usage is None:
        return facts
    return {
        **facts, "total_duration": 900_000_000, "load_duration": 100_000_000, "prompt_eval_count": how.usage.input,
        "prompt_eval_duration": 200_000_000, "eval_count": how.usage.output, "eval_duration": 500_000_000,
    }  # fmt: skip


def _whole(body: Mapping[str, Any], how: Behaviour, who: Identity, chat: bool) -> dict[str, Any]:
    text = how.content(who.name) if not how.tool_calls or how.text or how.pieces else ""
    part = _part(chat, text, how.reasoning or "", _calls(how))
    return {"model": body["model"], "created_at": TIME, **part, **_ending(how)}


def _stream(body: Mapping[str, Any], how: Behaviour, who: Identity, chat: bool) -> Iterator[bytes]:
    head, end = {"model": body["model"], "created_at": TIME}, how.line_ending
    for piece in cut_words(how.reasoning or ""):
        yield ndjson({**head, **_part(chat, "", piece), "done": False}, end)
    if not how.tool_calls or how.text or how.pieces:
        for piece in how.content_pieces(who.name):
            yield ndjson({**head, **_part(chat, piece), "done": False}, end)
    for call in _calls(how):
        yield ndjson({**head, **_part(chat, "", "", [call]), "done": False}, end)
    yield ndjson({**head, **_part(chat, ""), **_ending(how)}, end)


def _embed(request: ParsedRequest, body: Mapping[str, Any]) -> Answer:
    if request.path == "/api/embeddings":
        return Answer(body=json_bytes({"embedding": vector(str(body.get("prompt", "")))}))
    given = body.get("input", "")
    texts = given if isinstance(given, list) else [given]
    vectors = [vector(str(text)) for text in texts]
    used = sum(len(str(text).split()) for text in texts)
    facts = {"total_duration": 14_000_000, "load_duration": 1_000_000, "prompt_eval_count": used}
    return Answer(body=json_bytes({"model": body["model"], "embeddings": vectors, **facts}))
