"""OpenAI's wire format as its server speaks it, errors included (platform.openai.com/docs/api-reference)."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, unquote

from switchman.addons.testing import responses_side
from switchman.addons.testing.behaviour import (
    Answer,
    Behaviour,
    Identity,
    ParsedRequest,
    Rejected,
    cut_words,
    json_bytes,
    sse,
)

CREATED = 1_700_000_000
ROLES = {"system", "developer", "user", "assistant", "tool", "function"}
POST_PATHS = {"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"}
TYPES = {400: "invalid_request_error", 401: "invalid_request_error", 404: "invalid_request_error",
         422: "invalid_request_error", 429: "requests"}  # fmt: skip
CHAT_FIELDS = frozenset({
    "model", "messages", "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs",
    "max_completion_tokens", "max_tokens", "metadata", "modalities", "n", "parallel_tool_calls", "prediction",
    "presence_penalty", "prompt_cache_key", "reasoning_effort", "response_format", "safety_identifier", "seed",
    "service_tier", "stop", "store", "stream", "stream_options", "temperature", "tool_choice", "tools",
    "top_logprobs", "top_p", "user", "verbosity", "web_search_options",
})  # fmt: skip


def error_body(
    status: int, message: str, *, type: str = "", param: str | None = None, code: str | None = None
) -> bytes:
    """{"error": {"message", "type", "param", "code"}}"""
    kind = type or TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return json_bytes({"error": {"message": message, "type": kind, "param": param, "code": code}})


def stream_error(message: str, ending: str) -> bytes:
    return sse({"error": {"message": message, "type": "server_error", "param": None, "code": None}}, ending=ending)


def vector(text: str, size: int = 8) -> list[float]:
    """A made-up embedding: the same text has the same one, in every dialect."""
    return [round((zlib.crc32(f"{i}:{text}".encode()) % 2001 - 1000) / 1000, 3) for i in range(size)]


def speak(request: ParsedRequest, how: Behaviour, who: Identity) -> Answer:
    """The reply to one request; raises Rejected for what the real server rejects."""
    if request.path.startswith("/openai/deployments/"):
        request = _from_azure(request, who)
    if who.api_key is not None and request.headers.get("authorization") != f"Bearer {who.api_key}":
        raise Rejected(401, "Incorrect API key provided.", code="invalid_api_key")
    if request.path == "/v1/models" or request.path.startswith("/v1/models/"):
        return _models(request, who)
    if request.path not in POST_PATHS:
        raise Rejected(404, f"Invalid URL ({request.method} {request.path})")
    if request.method != "POST":
        raise Rejected(405, f"Not allowed to {request.method} on {request.path}.", code="method_not_supported")
    body = _parsed(request, who)
    if request.path == "/v1/chat/completions":
        _check_chat(body, who)
        return _chat(request, body, how, who)
    if request.path == "/v1/completions":
        _require(body, "prompt")
        _check_stream(body)
        return _completion(request, body, how, who)
    _require(body, "input")
    return (
        _embeddings(body)
        if request.path == "/v1/embeddings"
        else responses_side.speak(request, body, how, who, CREATED)
    )


def _from_azure(request: ParsedRequest, who: Identity) -> ParsedRequest:
    """A request in Azure's form as OpenAI's own: the path names the model, and the key has a header of its own.

    https://learn.microsoft.com/azure/ai-services/openai/reference
    """
    name, _, rest = request.path.removeprefix("/openai/deployments/").partition("/")
    if who.api_key is not None and request.headers.get("api-key") != who.api_key:
        raise Rejected(401, "Access denied due to invalid subscription key or wrong API endpoint.", code="401")
    if "api-version" not in parse_qs(request.query):
        raise Rejected(404, "Resource not found", code="404")
    try:
        body = {**json.loads(request.raw), "model": unquote(name)}
    except (ValueError, TypeError):
        raise Rejected(400, "We could not parse the JSON body of your request.") from None
    headers = {**request.headers, "authorization": f"Bearer {who.api_key}"}
    return replace(request, path=f"/v1/{rest}", headers=headers, raw=json_bytes(body))


def _models(request: ParsedRequest, who: Identity) -> Answer:
    if request.method not in ("GET", "HEAD"):
        raise Rejected(405, f"Not allowed to {request.method} on {request.path}.", code="method_not_supported")
    entries = [{"id": m, "object": "model", "created": CREATED, "owned_by": who.name} for m in who.models]
    if request.path == "/v1/models":
        return Answer(body=json_bytes({"object": "list", "data": entries}))
    wanted = unquote(request.path.removeprefix("/v1/models/"))
    for entry in entries:
        if entry["id"] == wanted:
            return Answer(body=json_bytes(entry))
    raise _no_model(wanted)


def _no_model(model: str) -> Rejected:
    return Rejected(404, f"The model `{model}` does not exist or you do not have access to it.", code="model_not_found")


def _parsed(request: ParsedRequest, who: Identity) -> dict[str, Any]:
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Rejected(400, "Unsupported content type: the request body must be application/json.")
    try:
        body = json.loads(request.raw)
    except ValueError:
        raise Rejected(400, "We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise Rejected(400, "The JSON body of your request must be an object.")
    model = body.get("model")
    if model is None:
        raise Rejected(400, "you must provide a model parameter")
    if not isinstance(model, str):
        raise Rejected(400, "Invalid type for 'model': expected a string.", param="model", code="invalid_type")
    if not who.has(model):
        raise _no_model(model)
    return body


def _require(body: Mapping[str, Any], name: str) -> None:
    if body.get(name) is None:
        raise Rejected(400, f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")


def _check_stream(body: Mapping[str, Any]) -> None:
    if not isinstance(body.get("stream", False), bool | None):
        raise Rejected(400, "Invalid type for 'stream': expected a boolean.", param="stream", code="invalid_type")
    if body.get("stream_options") is not None and not body.get("stream"):
        raise Rejected(
            400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )


def _check_chat(body: Mapping[str, Any], who: Identity) -> None:
    _require(body, "messages")
    _check_stream(body)
    unknown = sorted(set(body) - CHAT_FIELDS)
    if who.reject_unknown and unknown:
        raise Rejected(400, f"Unrecognized request argument supplied: {unknown[0]}")
    messages = body["messages"]
    if not isinstance(messages, list) or not messages:
        raise Rejected(400, "Invalid 'messages': expected a non-empty array.", param="messages", code="invalid_type")
    for i, message in enumerate(messages):
        _check_message(f"messages[{i}]", message)
    if body.get("tools") == []:
        raise Rejected(400, "Invalid 'tools': empty array.", param="tools", code="empty_array")
    for i, tool in enumerate(body.get("tools") or ()):
        if not isinstance(tool, dict) or "type" not in tool:
            raise Rejected(400, f"Missing required parameter: 'tools[{i}].type'.", param=f"tools[{i}].type")
        if tool["type"] == "function" and not (tool.get("function") or {}).get("name"):
            raise Rejected(400, f"Missing required parameter: 'tools[{i}].function'.", param=f"tools[{i}].function")
    if body.get("tool_choice") is not None and not body.get("tools"):
        raise Rejected(400, "Invalid value for 'tool_choice': 'tool_choice' needs 'tools'.")


def _check_message(where: str, message: Any) -> None:
    if not isinstance(message, dict) or "role" not in message:
        raise Rejected(400, f"Missing required parameter: '{where}.role'.", param=f"{where}.role")
    role, content = message["role"], message.get("content")
    if role not in ROLES:
        raise Rejected(400, f"Invalid value: '{role}'.", param=f"{where}.role", code="invalid_value")
    if content is None and not (role == "assistant" and (message.get("tool_calls") or message.get("function_call"))):
        raise Rejected(400, f"Invalid value for '{where}.content': it is null.", param=f"{where}.content")
    if content is not None and not isinstance(content, str | list):
        raise Rejected(400, f"Invalid type for '{where}.content'.", param=f"{where}.content", code="invalid_type")
    if role == "tool" and not message.get("tool_call_id"):
        raise Rejected(400, f"Missing required parameter: '{where}.tool_call_id'.", param=f"{where}.tool_call_id")


def _usage(how: Behaviour) -> dict[str, Any] | None:
    if how.usage is None:
        return None
    used = how.usage
    out: dict[str, Any] = {
        "prompt_tokens": used.input,
        "completion_tokens": used.output,
        "total_tokens": used.input + used.output,
    }
    if used.cached is not None:
        out["prompt_tokens_details"] = {"cached_tokens": used.cached}
    if used.reasoning is not None:
        out["completion_tokens_details"] = {"reasoning_tokens": used.reasoning}
    return out


def _choices(body: Mapping[str, Any]) -> range:
    n = body.get("n")
    return range(n if isinstance(n, int) and n > 0 else 1)


def _finish(how: Behaviour) -> str:
    return how.finish or ("tool_calls" if how.tool_calls else "stop")


def _wire_calls(how: Behaviour) -> list[dict[str, Any]]:
    return [
        {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": json.dumps(c.arguments)}}
        for c in how.calls()
    ]


def _chat(request: ParsedRequest, body: Mapping[str, Any], how: Behaviour, who: Identity) -> Answer:
    head = {"id": f"chatcmpl-{request.number}", "created": CREATED, "model": body["model"]}
    if body.get("stream"):
        chunks = _chat_stream({**head, "object": "chat.completion.chunk"}, body, how, who)
        return Answer(content_type="text/event-stream; charset=utf-8", events=chunks)
    message: dict[str, Any] = {"role": "assistant", "content": how.content(who.name), "refusal": None}
    if how.reasoning is not None:
        message["reasoning_content"] = how.reasoning
    if how.tool_calls:
        message["tool_calls"] = _wire_calls(how)
        message["content"] = how.content(who.name) if how.text or how.pieces else None
    choices = [
        {"index": i, "message": message, "logprobs": None, "finish_reason": _finish(how)} for i in _choices(body)
    ]
    whole: dict[str, Any] = {**head, "object": "chat.completion", "choices": choices}
    if how.usage is not None:
        whole["usage"] = _usage(how)
    return Answer(body=json_bytes(whole))


def _deltas(how: Behaviour, who: Identity) -> Iterator[dict[str, Any]]:
    """The deltas of one choice, without the first (role) and the last (finish_reason)."""
    for piece in cut_words(how.reasoning or ""):
        yield {"reasoning_content": piece}
    if not how.tool_calls or how.text or how.pieces:
        for piece in how.content_pieces(who.name):
            yield {"content": piece}
    for i, call in enumerate(_wire_calls(how)):
        arguments = call["function"]["arguments"]
        yield {"tool_calls": [{"index": i, **call, "function": {"name": call["function"]["name"], "arguments": ""}}]}
        for at in range(0, len(arguments), 5):
            yield {"tool_calls": [{"index": i, "function": {"arguments": arguments[at : at + 5]}}]}


def _chat_stream(head: dict[str, Any], body: Mapping[str, Any], how: Behaviour, who: Identity) -> Iterator[bytes]:
    end, usage = how.line_ending, _usage(how)
    asked_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    extra: dict[str, Any] = {"usage": None} if asked_usage and how.usage_in == "last" else {}
    if how.usage_in == "every":
        extra = {"usage": usage}

    def chunk(index: int, delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return sse({**head, "choices": [choice], **extra, **more}, ending=end)

    indices = _choices(body)
    for index in indices:
        yield chunk(index, {"role": "assistant", "content": "" if not how.tool_calls else None, "refusal": None})
    for delta in _deltas(how, who):
        for index in indices:  # choices are interleaved, as vLLM and OpenAI send them
            yield chunk(index, delta)
    for index in indices:
        more = {"x_groq": {"usage": usage}} if how.usage_in == "x_groq" and usage and index == indices[-1] else {}
        yield chunk(index, {}, _finish(how), **more)
    if asked_usage and usage and how.usage_in == "last":
        yield sse({**head, "choices": [], "usage": usage}, ending=end)
    yield sse("[DONE]", ending=end)


def _completion(request: ParsedRequest, body: Mapping[str, Any], how: Behaviour, who: Identity) -> Answer:
    head = {"id": f"cmpl-{request.number}", "object": "text_completion", "created": CREATED, "model": body["model"]}
    finish = how.finish or "stop"

    def choice(index: int, text: str, done: str | None) -> dict[str, Any]:
        return {"index": index, "text": text, "logprobs": None, "finish_reason": done}

    if body.get("stream"):
        return Answer(content_type="text/event-stream; charset=utf-8", events=_completion_stream(head, body, how, who))
    choices = [choice(i, how.content(who.name), finish) for i in _choices(body)]
    return Answer(body=json_bytes({**head, "choices": choices, **({"usage": _usage(how)} if how.usage else {})}))


def _completion_stream(head: dict[str, Any], body: Mapping[str, Any], how: Behaviour, who: Identity) -> Iterator[bytes]:
    indices, end = _choices(body), how.line_ending

    def chunk(index: int, text: str, finish: str | None) -> bytes:
        one = {"index": index, "text": text, "logprobs": None, "finish_reason": finish}
        return sse({**head, "choices": [one]}, ending=end)

    for piece in how.content_pieces(who.name):
        for index in indices:
            yield chunk(index, piece, None)
    for index in indices:
        yield chunk(index, "", how.finish or "stop")
    if (body.get("stream_options") or {}).get("include_usage") and how.usage:
        yield sse({**head, "choices": [], "usage": _usage(how)}, ending=end)
    yield sse("[DONE]", ending=end)


def _embeddings(body: Mapping[str, Any]) -> Answer:
    given = body["input"]
    texts = given if isinstance(given, list) and not all(isinstance(t, int) for t in given) else [given]
    size = body.get("dimensions") or 8
    vectors: list[Any] = [vector(str(text), size) for text in texts]
    if body.get("encoding_format") == "base64":
        vectors = [base64.b64encode(struct.pack(f"<{len(v)}f", *v)).decode() for v in vectors]
    data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
    used = sum(len(str(text).split()) for text in texts)
    usage = {"prompt_tokens": used, "total_tokens": used}
    return Answer(body=json_bytes({"object": "list", "data": data, "model": body["model"], "usage": usage}))
