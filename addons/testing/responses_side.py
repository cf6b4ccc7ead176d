"""/v1/responses as OpenAI's server speaks it: items in, items out (platform.openai.com/docs/api-reference/responses).

A tool call is told as the request declared the tool: a function, a custom tool (free text), one within a namespace.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from switchman.addons.testing.behaviour import (
    Answer,
    Behaviour,
    Identity,
    ParsedRequest,
    Rejected,
    ToolCall,
    cut_words,
    json_bytes,
    sse,
)

ROLES = {"system", "developer", "user", "assistant"}
# The documented fields, and those that Codex CLI 0.169 sends.
FIELDS = frozenset({
    "model", "input", "background", "context_management", "conversation", "include", "instructions",
    "max_output_tokens", "max_tool_calls", "metadata", "moderation", "parallel_tool_calls", "previous_response_id",
    "prompt", "prompt_cache_key", "prompt_cache_retention", "reasoning", "safety_identifier", "service_tier", "store",
    "stream", "stream_options", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation",
    "user", "client_metadata", "thread_id", "turn_id", "root_turn_id", "session_id",
})  # fmt: skip
# Result of a call -> the call it answers.
RESULTS = {"function_call_output": "function_call", "custom_tool_call_output": "custom_tool_call"}
STORED = re.compile(r"rs_\d+")  # ids of the thoughts this server tells
# What an item has before its pieces come.
EMPTY: dict[str, dict[str, Any]] = {
    "message": {"content": []},
    "reasoning": {"summary": []},
    "function_call": {"arguments": ""},
    "custom_tool_call": {"input": ""},
}
PIECE = 5  # characters of arguments in one event


def speak(request: ParsedRequest, body: Mapping[str, Any], how: Behaviour, who: Identity, created: int) -> Answer:
    """The reply to one request, whole or streamed; raises Rejected for what the real server rejects."""
    unknown = sorted(set(body) - FIELDS)
    if who.reject_unknown and unknown:
        raise Rejected(400, f"Unknown parameter: '{unknown[0]}'.", param=unknown[0], code="unknown_parameter")
    _check_tools(body.get("tools") or (), "tools")
    if body.get("tool_choice") not in (None, "auto", "none") and not body.get("tools"):
        raise Rejected(400, "Tool choices other than 'auto' and 'none' need 'tools'.", param="tool_choice")
    if isinstance(body["input"], list):
        _check_items(body["input"])
    whole = _response(request, body, how, who, created)
    if body.get("stream"):
        return Answer(content_type="text/event-stream; charset=utf-8", events=_stream(whole, how, who))
    return Answer(body=json_bytes(whole))


def _check_tools(tools: Any, where: str) -> None:
    for i, tool in enumerate(tools):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind is None:
            raise Rejected(400, f"Missing required parameter: '{where}[{i}].type'.", param=f"{where}[{i}].type")
        if kind in ("function", "custom", "namespace") and not tool.get("name"):
            raise Rejected(400, f"Missing required parameter: '{where}[{i}].name'.", param=f"{where}[{i}].name")
        if kind == "namespace":
            _check_tools(tool.get("tools") or (), f"{where}[{i}].tools")


def _check_items(items: list[Any]) -> None:
    """Each item by its type; a result has to answer a call that is there, and a call has to be answered."""
    open_calls: dict[str, str] = {}
    for i, item in enumerate(items):
        if not isinstance(item, dict):
            raise Rejected(400, f"Invalid type for 'input[{i}]': expected an object.", param=f"input[{i}]")
        kind = item.get("type", "message")
        if kind == "message":
            _check_message(f"input[{i}]", item)
        elif kind == "reasoning" and not (item.get("encrypted_content") or STORED.fullmatch(str(item.get("id")))):
            raise Rejected(404, f"Item with id '{item.get('id')}' not found.", param="input")
        elif kind in RESULTS.values():
            member = "arguments" if kind == "function_call" else "input"
            for name in ("call_id", "name", member):
                if not isinstance(item.get(name), str):
                    raise Rejected(400, f"Missing required parameter: 'input[{i}].{name}'.", param=f"input[{i}].{name}")
            open_calls[item["call_id"]] = kind
        elif kind in RESULTS and open_calls.pop(item.get("call_id", ""), None) != RESULTS[kind]:
            message = f"No tool call found for {kind.replace('_', ' ')} with call_id {item.get('call_id')}."
            raise Rejected(400, message, param="input")
    for call_id, kind in open_calls.items():
        raise Rejected(400, f"No tool output found for {kind.replace('_', ' ')} {call_id}.", param="input")


def _check_message(where: str, item: Mapping[str, Any]) -> None:
    role, content = item.get("role"), item.get("content")
    if role not in ROLES:
        raise Rejected(400, f"Invalid value: '{role}'.", param=f"{where}.role", code="invalid_value")
    if not isinstance(content, str | list):
        raise Rejected(400, f"Invalid type for '{where}.content'.", param=f"{where}.content", code="invalid_type")
    kinds = {"output_text", "refusal"} if role == "assistant" else {"input_text", "input_image", "input_file"}
    for j, part in enumerate(content if isinstance(content, list) else ()):
        if not isinstance(part, dict) or part.get("type") not in kinds:
            message = f"Invalid value: '{part.get('type') if isinstance(part, dict) else part}'."
            raise Rejected(400, message, param=f"{where}.content[{j}]", code="invalid_value")


# ---- the answer --------------------------------------------------------------------------------------------------


def _response(
    request: ParsedRequest, body: Mapping[str, Any], how: Behaviour, who: Identity, created: int
) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "id": f"resp_{request.number}", "object": "response", "created_at": created, "status": "completed",
        "model": body["model"], "output": _items(request, body, how, who), "error": None, "incomplete_details": None,
        "instructions": None, "metadata": {}, "parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "auto",
        "tools": [], "top_p": 1.0,
    }  # fmt: skip
    if how.usage:
        whole["usage"] = {
            "input_tokens": how.usage.input, "input_tokens_details": {"cached_tokens": how.usage.cached or 0},
            "output_tokens": how.usage.output, "output_tokens_details": {"reasoning_tokens": how.usage.reasoning or 0},
            "total_tokens": how.usage.input + how.usage.output,
        }  # fmt: skip
    return whole


def _items(request: ParsedRequest, body: Mapping[str, Any], how: Behaviour, who: Identity) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if how.reasoning is not None:
        summary = [{"type": "summary_text", "text": how.reasoning}]
        items.append({"id": f"rs_{request.number}", "type": "reasoning", "summary": summary})
    if not how.tool_calls or how.text or how.pieces:
        part = {"type": "output_text", "text": how.content(who.name), "annotations": []}
        items.append({"id": f"msg_{request.number}", "type": "message", "role": "assistant", "status": "completed",
                      "content": [part]})  # fmt: skip
    declared = dict(_declared(body.get("tools") or ()))
    return items + [_call(call, declared, f"{request.number}_{i}") for i, call in enumerate(how.calls())]


def _declared(tools: Any, namespace: str = "") -> Iterator[tuple[str, tuple[str, str]]]:
    """Name of a tool -> its type, and the namespace it is in."""
    for tool in tools:
        if tool["type"] == "namespace":
            yield from _declared(tool.get("tools") or (), tool["name"])
        else:
            yield tool.get("name", tool["type"]), (tool["type"], namespace)


def _call(call: ToolCall, declared: Mapping[str, tuple[str, str]], number: str) -> dict[str, Any]:
    """A call of a custom tool has the text that its arguments hold under `input`."""
    kind, namespace = declared.get(call.name, ("function", ""))
    head = {
        "status": "completed",
        "call_id": call.id,
        "name": call.name,
        **({"namespace": namespace} if namespace else {}),
    }
    if kind == "custom":
        return {
            "id": f"ctc_{number}",
            "type": "custom_tool_call",
            **head,
            "input": str(call.arguments.get("input", "")),
        }
    return {"id": f"fc_{number}", "type": "function_call", **head, "arguments": json.dumps(call.arguments)}


# ---- the stream --------------------------------------------------------------------------------------------------


def _stream(whole: dict[str, Any], how: Behaviour, who: Identity) -> Iterator[bytes]:
    started = {**whole, "status": "in_progress", "output": [], "usage": None}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": started},
        {"type": "response.in_progress", "response": started},
    ]
    for place, item in enumerate(whole["output"]):
        events += _item_events(item, place, how, who)
    events.append({"type": "response.completed", "response": whole})
    for number, event in enumerate(events):
        yield sse({**event, "sequence_number": number}, event["type"], ending=how.line_ending)


def _item_events(item: dict[str, Any], place: int, how: Behaviour, who: Identity) -> Iterator[dict[str, Any]]:
    """One output item in events."""
    empty: dict[str, Any] = EMPTY[item["type"]]
    status = {"status": "in_progress"} if "status" in item else {}
    yield {"type": "response.output_item.added", "output_index": place, "item": {**item, **status, **empty}}
    where = {"item_id": item["id"], "output_index": place}
    if item["type"] == "message":
        yield from _part(where | {"content_index": 0}, item["content"][0], how.content_pieces(who.name))
    elif item["type"] == "reasoning":
        yield from _summary(where | {"summary_index": 0}, item["summary"][0])
    else:
        member = "arguments" if item["type"] == "function_call" else "input"
        kind = "function_call_arguments" if member == "arguments" else "custom_tool_call_input"
        text = item[member]
        for at in range(0, len(text), PIECE):
            yield {"type": f"response.{kind}.delta", **where, "delta": text[at : at + PIECE]}
        yield {"type": f"response.{kind}.done", **where, member: text}
    yield {"type": "response.output_item.done", "output_index": place, "item": item}


def _part(where: dict[str, Any], part: dict[str, Any], pieces: list[str]) -> Iterator[dict[str, Any]]:
    yield {"type": "response.content_part.added", **where, "part": {**part, "text": ""}}
    for piece in pieces:
        yield {"type": "response.output_text.delta", **where, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **where, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **where, "part": part}


def _summary(where: dict[str, Any], part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "response.reasoning_summary_part.added", **where, "part": {**part, "text": ""}}
    for piece in cut_words(part["text"]):
        yield {"type": "response.reasoning_summary_text.delta", **where, "delta": piece}
    yield {"type": "response.reasoning_summary_text.done", **where, "text": part["text"]}
    yield {"type": "response.reasoning_summary_part.done", **where, "part": part}
