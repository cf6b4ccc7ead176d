"""Fingerprint: the identity of a request in the caches. Two requests share one only if the same answer serves both.

    key      the whole request                     -> the exact cache
    scope    all of it but the person's one ask    -> the semantic cache searches for neighbours within it

1. The request is decoded into the internal form first, so the same question has one key in every dialect, whatever the
   order of JSON members, blanks, or the way a text is written (a string, or one text part).
2. Every member counts, except those that cannot change the answer's words (NEUTRAL) and the way it is sent (stream or
   whole). A member that the internal form has no name for counts too, together with its format.
3. The caller (callers.py) and the policy (rules, targets, settings) are part of both.
4. Messages that are more than a role and text (tools, pictures, undefined members) count as they are written, in their
   own dialect only: a decoder may skip what it does not know, a key may not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from switchman.addons.core.dialects.codecs import CODECS, FORMATS
from switchman.addons.core.dialects.neutral.form import FormatName, Request, Text
from switchman.addons.core.dialects.neutral.limits import Malformed
from switchman.addons.core.request.call import Call

# Members that decide how an answer is sent, billed or filed, and do not change its content.
NEUTRAL: Final = frozenset(
    {"stream", "stream_options", "user", "metadata", "store", "service_tier", "prompt_cache_key",
     "prompt_cache_retention", "safety_identifier", "keep_alive"}
)  # fmt: skip

# With these members an answer depends on what a server has stored or finds elsewhere, or holds more than can be
# replayed in every form: it is never cached.
UNFIT: Final = frozenset(
    {"previous_response_id", "conversation", "background", "context", "container", "mcp_servers", "logprobs",
     "top_logprobs", "audio", "modalities", "web_search_options", "plugins"}
)  # fmt: skip

# Fields of the internal form that only record how something was written, or repeat what other fields say.
_FORM_ONLY: Final = frozenset({"shape", "place", "stop_plain", "origin", "model", "stream", "include_usage", "user"})

# Members of a body that hold what was said.
_TALK: Final = ("messages", "input", "prompt", "system", "instructions")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`key` and `scope` are SHA-256 in hex; `format` is the client's; `ask` is all text of the last message."""

    key: str
    scope: str
    format: FormatName
    ask: str


def fingerprint_of(call: Call, policy: str, caller: str) -> Fingerprint | None:
    """The fingerprint of a request; None for one that must not be cached, or cannot be read.

    `policy` identifies the rules and settings in force, and the model where the client named one. `caller` is a
    digest of callers.py.
    """
    format = FORMATS.get((call.dialect, call.endpoint.operation))
    if format is None or call.repeats or any(call.body.get(name) for name in UNFIT):
        return None
    if format == "openai.responses" and call.body.get("store") is not False:
        return None  # such an answer is also an object on the server, which later requests refer to
    try:
        request = CODECS[format].decode_request(call.body)
        around, asked = canonical(request, call.body), ""
        if _is_single(request):  # only a single ask has neighbours
            around, asked = canonical(_without_ask(request), call.body), _text_of(request.messages[-1])
    except (Malformed, RecursionError):
        return None
    scope = _digest(f"3\0{policy}\0{caller}\0{around}")  # 3: of this form of key
    ask = request.messages[-1].text() if request.messages else ""
    return Fingerprint(_digest(f"{scope}\0{asked}"), scope, format, ask)


def policy_digest(*parts: object) -> str:
    """A digest of everything that decides where a request goes and how its answer is processed."""
    return _digest("\0".join(str(part) for part in parts))


def canonical(request: Request, body: Mapping[str, Any]) -> str:
    """The request as text, the same for all equal requests. `body` is what it was decoded from."""
    value = _fields_of(request)
    if odd := {name: body[name] for name in _TALK if name in body and not _is_simple(body[name])}:
        value["as_written"] = [request.origin, odd]
    if extras := {name: _number(item) for name, item in request.extras.items() if name not in NEUTRAL}:
        # Such a member has a meaning in its own format only.
        value["extras"] = [request.origin, extras]
    return _text_of(value)


def _is_single(request: Request) -> bool:
    return sum(message.role not in ("system", "developer") for message in request.messages) == 1


def _without_ask(request: Request) -> Request:
    """The request without the texts of its last message: what must be equal around a similar ask."""
    if not request.messages:
        return request
    *before, last = request.messages
    kept = tuple(part for part in last.parts if not isinstance(part, Text))
    return replace(request, messages=(*before, replace(last, parts=kept)))


def _is_simple(said: Any) -> bool:
    """Whether a value is text, or messages and parts of nothing but text, which every decoder reads without loss."""
    if said is None or isinstance(said, str):
        return True
    if not isinstance(said, list):
        return False
    for item in said:
        if not isinstance(item, dict):
            return False
        if item.keys() == {"role", "content"}:
            if item["content"] is None or not _is_simple(item["content"]):
                return False
        elif item.keys() != {"type", "text"} or not isinstance(item["text"], str):
            return False
    return True


def _fields_of(value: Any) -> dict[str, Any]:
    """The fields of a dataclass that are set, with the class's name, as a list may hold several classes."""
    if isinstance(value, Mapping):
        return dict(value)
    found: dict[str, Any] = {"is": type(value).__name__}
    for field in fields(value):
        if field.name in _FORM_ONLY or field.name == "extras":
            continue
        item = getattr(value, field.name)
        if item is not None and item != () and item != {}:
            found[field.name] = _number(item)
    return found


def _number(value: Any) -> Any:
    """Write a whole float as an int: 1.0 and 1 are the same temperature."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Values other than dataclasses are written as they came: copying a tool's thousands of members would take longest.
_text_of: Final = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, separators=(",", ":"), check_circular=False, default=_fields_of
).encode


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
