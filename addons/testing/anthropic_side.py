"""Anthropic's Messages API as its server speaks it (platform.claude.com/docs/en/api), errors included.

Both API versions: 2023-06-01, and 2026-10-21, which took away the sampling parameters, documents in assistant messages
and citations in user messages. SDKs of the newer version send the key as `Authorization: Bearer`; where a request has
both headers, x-api-key counts.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

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

CREATED = "2023-11-14T22:13:20Z"
POST_PATHS = {"/v1/messages", "/v1/messages/count_tokens"}
TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
         405: "invalid_request_error", 413: "request_too_large", 422: "invalid_request_error", 429: "rate_limit_error",
         500: "api_error", 529: "overloaded_error"}  # fmt: skip
BLOCKS = {"text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking", "search_result"}
FIELDS = frozenset({
    "model", "messages", "max_tokens", "system", "metadata", "stop_sequences", "stream", "temperature", "top_k",
    "top_p", "tools", "tool_choice", "thinking", "service_tier", "container", "context_management",
    "mcp_servers", "output_config", "cache_control", "diagnostics", "inference_geo", "speed",
})  # fmt: skip
SAMPLING = ("temperature", "top_p", "top_k")  # removed by API version 2026-10-21, even at their default values
ID = re.compile(r"^[a-zA-Z0-9_-]+$")
FIRST_WITHOUT_SAMPLING = "2026-10-21"


def error_body(status: int, message: str, *, type: str = "", **_: Any) -> bytes:
    """{"type": "error", "error": {"type", "message"}}"""
    kind = type or TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return json_bytes({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_fake"})


def stream_error(message: str, ending: str) -> bytes:
    return sse({"type": "error", "error": {"type": "overloaded_error", "message": message}}, "error", ending)


def speak(request: ParsedRequest, how: Behaviour, who: Identity) -> Answer:
    """The reply to one request; raises Rejected for what the real server rejects."""
    key = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
    if who.api_key is not None and key != who.api_key:
        raise Rejected(401, "invalid x-api-key" if key else "x-api-key header is required")
    listing = request.path == "/v1/models" or request.path.startswith("/v1/models/")
    if not listing and request.path not in POST_PATHS:
        raise Rejected(404, "Not Found")
    if request.method not in (("GET", "HEAD") if listing else ("POST",)):
        raise Rejected(405, "Method Not Allowed")
    if "anthropic-version" not in request.headers:
        raise Rejected(400, "anthropic-version: header is required")
    if listing:
        return _models(request, who)
    counting = request.path == "/v1/messages/count_tokens"
    body = _parsed(request, who, counting)
    if counting:
        return Answer(body=json_bytes({"input_tokens": how.usage.input if how.usage else 1}))
    return _message(request, body, how, who)


def _models(request: ParsedRequest, who: Identity) -> Answer:
    entries = [{"type": "model", "id": m, "display_name": m, "created_at": CREATED} for m in who.models]
    if request.path != "/v1/models":
        wanted = unquote(request.path.removeprefix("/v1/models/"))
        for entry in entries:
            if entry["id"] == wanted:
                return Answer(body=json_bytes(entry))
        raise Rejected(404, f"model: {wanted}")
    ends = {"first_id": who.models[0], "last_id": who.models[-1]} if who.models else {"first_id": None, "last_id": None}
    return Answer(body=json_bytes({"data": entries, "has_more": False, **ends}))


def _parsed(request: ParsedRequest, who: Identity, counting: bool) -> dict[str, Any]:
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Rejected(400, "content-type: the request body must be application/json")
    try:
        body = json.loads(request.raw)
    except ValueError as error:
        raise Rejected(400, f"The request body is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise Rejected(400, "The request body must be a JSON object")
    needed = ("model", "messages") if counting else ("model", "max_tokens", "messages")
    for name in needed:
        if body.get(name) is None:
            raise Rejected(400, f"{name}: Field required")
    if not isinstance(body["model"], str):
        raise Rejected(400, "model: Input should be a valid string")
    unknown = sorted(set(body) - FIELDS)
    if who.reject_unknown and unknown:
        raise Rejected(400, f"{unknown[0]}: Extra inputs are not permitted")
    modern = request.headers["anthropic-version"] >= FIRST_WITHOUT_SAMPLING
    for name in SAMPLING:
        if modern and name in body:
            raise Rejected(400, f"{name}: Extra inputs are not permitted")
    _check(body, modern)
    if not who.has(body["model"]):
        raise Rejected(404, f"model: {body['model']}")
    return body


def _check(body: Mapping[str, Any], modern: bool) -> None:
    limit = body.get("max_tokens", 1)
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:  # 0 only fills the prompt cache
        raise Rejected(400, "max_tokens: Input should be an integer greater than or equal to 0")
    if not isinstance(body.get("temperature") or 0, int | float) or not 0 <= (body.get("temperature") or 0) <= 1:
        raise Rejected(400, "temperature: range: 0..1")
    if not all(stop.strip() for stop in body.get("stop_sequences") or ()):
        raise Rejected(400, "stop_sequences: each stop sequence must contain non-whitespace")
    thinking = body.get("thinking") or {}
    if thinking.get("type") == "enabled":
        budget = thinking.get("budget_tokens")
        if not isinstance(budget, int) or budget < 1024:
            raise Rejected(400, "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if "max_tokens" in body and budget >= limit:
            raise Rejected(400, "`max_tokens` must be greater than `thinking.budget_tokens`")
        _check_last_turn(body["messages"])
    for i, tool in enumerate(body.get("tools") or ()):
        if not tool.get("name") or ("input_schema" not in tool and "type" not in tool):
            raise Rejected(400, f"tools.{i}.custom.input_schema: Field required")
    messages = body["messages"]
    if not isinstance(messages, list) or not messages:
        raise Rejected(400, "messages: at least one message is required")
    called: set[str] = set()
    for i, message in enumerate(messages):
        called = _check_message(i, message, called, modern)


def _check_last_turn(messages: Any) -> None:
    """Beside thinking, the assistant's last message has to begin with a thought if it calls tools."""
    turns = [message for message in messages if isinstance(message, dict)] if isinstance(messages, list) else []
    replies = [message.get("content") for message in turns if message.get("role") == "assistant"]
    kinds = [block.get("type") for block in replies[-1]] if replies and isinstance(replies[-1], list) else []
    if "tool_use" in kinds and kinds[0] not in ("thinking", "redacted_thinking"):
        raise Rejected(400, f"messages: Expected `thinking` or `redacted_thinking`, but found `{kinds[0]}`.")


def _check_message(i: int, message: Any, called: set[str], modern: bool) -> set[str]:
    """Checks one message; `called` and the result are the tool_use ids that the next message must answer."""
    role = message.get("role") if isinstance(message, dict) else None
    # The SDK's types allow a system message further down; a conversation cannot begin with one.
    if role not in ("user", "assistant") and not (role == "system" and i > 0):
        raise Rejected(400, f'messages: Unexpected role "{role}". Use the top-level `system` parameter instead.')
    content = message.get("content")
    if not isinstance(content, str | list):
        raise Rejected(400, f"messages.{i}.content: Input should be a valid string or list")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for j, block in enumerate(blocks):
        _check_block(f"messages.{i}.content.{j}", block, role, called, modern)
    missing = called - {b.get("tool_use_id") for b in blocks if b.get("type") == "tool_result"}
    if missing:
        raise Rejected(400, f"messages.{i}: `tool_use` ids without `tool_result` blocks: {sorted(missing)[0]}")
    return {b["id"] for b in blocks if b.get("type") == "tool_use"}


def _check_block(where: str, block: Any, role: str, called: set[str], modern: bool) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind not in BLOCKS:
        raise Rejected(400, f"{where}: Input tag '{kind}' does not match any of the expected tags")
    if kind == "text" and not str(block.get("text") or "").strip():
        raise Rejected(400, "messages: text content blocks must contain non-whitespace text")
    if kind == "tool_use" and not ID.fullmatch(block.get("id", "")):
        raise Rejected(400, f"{where}.tool_use.id: String should match pattern '{ID.pattern}'")
    if kind == "thinking" and not _is_signature(block.get("signature")):
        raise Rejected(400, f"{where}: Invalid `signature` in `thinking` block")
    if kind == "tool_result" and block.get("tool_use_id") not in called:
        name = block.get("tool_use_id")
        raise Rejected(400, f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {name}")
    if modern and kind == "document" and role == "assistant":
        raise Rejected(400, f"{where}: document blocks are not allowed in assistant messages")
    if modern and kind == "text" and block.get("citations") and role == "user":
        raise Rejected(400, f"{where}.citations: Extra inputs are not permitted")


def _is_signature(value: Any) -> bool:
    """Base64, as all signatures are; what they sign is not looked at."""
    try:
        return bool(base64.b64decode(value, validate=True))
    except (TypeError, ValueError):
        return False


def _usage(how: Behaviour) -> dict[str, Any]:
    if how.usage is None:
        return {}
    cached = how.usage.cached or 0
    # Anthropic's input_tokens do not contain the cached ones, unlike OpenAI's prompt_tokens.
    out: dict[str, Any] = {"input_tokens": how.usage.input - cached, "cache_creation_input_tokens": 0,
                           "cache_read_input_tokens": cached, "output_tokens": how.usage.output}  # fmt: skip
    if how.usage.reasoning is not None:
        out["output_tokens_details"] = {"thinking_tokens": how.usage.reasoning}
    return out


def _stop_reason(how: Behaviour) -> str:
    return how.finish or ("tool_use" if how.tool_calls else "end_turn")


def _blocks(how: Behaviour, who: Identity) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if how.reasoning is not None:
        blocks.append({"type": "thinking", "thinking": how.reasoning, "signature": "c2lnbmF0dXJl"})
    if not how.tool_calls or how.text or how.pieces:
        blocks.append({"type": "text", "text": how.content(who.name)})
    blocks += [{"type": "tool_use", "id": c.id, "name": c.name, "input": dict(c.arguments)} for c in how.calls()]
    return blocks


def _message(request: ParsedRequest, body: Mapping[str, Any], how: Behaviour, who: Identity) -> Answer:
    head = {"id": f"msg_{request.number}", "type": "message", "role": "assistant", "model": body["model"]}
    if body.get("stream"):
        return Answer(content_type="text/event-stream; charset=utf-8", events=_stream(head, how, who))
    rest = {"stop_reason": _stop_reason(how), "stop_sequence": None, **({"usage": _usage(how)} if how.usage else {})}
    return Answer(body=json_bytes({**head, "content": _blocks(how, who), **rest}))


def _deltas(block: Mapping[str, Any], how: Behaviour, who: Identity) -> Iterator[dict[str, Any]]:
    if block["type"] == "text":
        for piece in how.content_pieces(who.name):
            yield {"type": "text_delta", "text": piece}
    elif block["type"] == "thinking":
        for piece in cut_words(block["thinking"]):
            yield {"type": "thinking_delta", "thinking": piece}
        yield {"type": "signature_delta", "signature": block["signature"]}
    else:
        arguments = json.dumps(block["input"])
        for at in range(0, len(arguments), 5):
            yield {"type": "input_json_delta", "partial_json": arguments[at : at + 5]}


EMPTY: dict[str, dict[str, Any]] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}


def _stream(head: dict[str, Any], how: Behaviour, who: Identity) -> Iterator[bytes]:
    def event(kind: str, **data: Any) -> bytes:
        return sse({"type": kind, **data}, kind, how.line_ending)

    usage = _usage(how)
    started = {"usage": {**usage, "output_tokens": 1}} if usage else {}
    message = {**head, "content": [], "stop_reason": None, "stop_sequence": None, **started}
    yield event("message_start", message=message)
    for index, block in enumerate(_blocks(how, who)):
        yield event("content_block_start", index=index, content_block={**block, **EMPTY[block["type"]]})
        if index == 0:
            yield event("ping")
        for delta in _deltas(block, how, who):
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    ended = {"usage": {"output_tokens": usage["output_tokens"]}} if usage else {}
    yield event("message_delta", delta={"stop_reason": _stop_reason(how), "stop_sequence": None}, **ended)
    yield event("message_stop")
