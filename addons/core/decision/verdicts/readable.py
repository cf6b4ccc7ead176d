"""Readable: is the body of a good status the answer that was asked for, as far as its shape tells?

Servers, and the gateways before them, send a status of 200 with what is none: the page of a login, JSON that is cut
short, a line of text, an answer without text, call or finish reason. `why_unreadable` says what is wrong with it, and
quotes its beginning. An operation whose answer has no known shape (speech, transcriptions, whatever is routed by its
model alone) is not looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from switchman.addons.core.request.call import GENERATING, Call, Operation
from switchman.addons.core.streams.events import BOM
from switchman.addons.core.streams.reply import filled, has_output
from switchman.addons.core.texts.masking import MASK, mask_text

# Those whose whole answer is one JSON object.
OBJECTS: Final[tuple[Operation, ...]] = (
    *GENERATING, "embedding", "embedding_legacy", "count_tokens", "show", "image", "moderation",
)  # fmt: skip
LARGEST_READ: Final = 1024 * 1024  # bytes; of a larger answer only the two ends are looked at: reading it takes long
QUOTED: Final = 200  # characters
_EXAMINED: Final = 4 * QUOTED  # bytes that are masked before they are cut, so that no half of a secret is quoted
_UNPRINTABLE: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffd]+")
_EMBEDDINGS: Final = ("data", "embeddings", "embedding")


def is_object(call: Call | None) -> bool:
    """Whether the whole answer to this request is one JSON object."""
    return call is not None and call.endpoint.operation in OBJECTS


def why_unreadable(call: Call, body: bytes, secrets: Sequence[str] = ()) -> str | None:
    """What is wrong with a whole answer, for a person; None for one that can be read. `body` is not empty.

    `secrets`: texts that must not be quoted.
    """
    text = body.removeprefix(BOM).strip(b" \t\r\n")
    what: str | None
    if not text.startswith(b"{"):
        what = "no JSON object" if text.startswith(b"[") else "no JSON"
    elif len(text) > LARGEST_READ:
        what = None if text.endswith(b"}") else "JSON that is cut short"
    elif (obj := read_object(text)) is None:
        what = "JSON that is cut short, or broken"
    else:
        what = _what_lacks(call, obj)
    return f"its answer is {what}: {quote(body, secrets)}" if what else None


def read_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object that the body is; None if it is none. Bytes that are no UTF-8 do not make it unreadable."""
    try:
        obj = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return obj if isinstance(obj, dict) else None


def quote(body: bytes, secrets: Sequence[str] = ()) -> str:
    """The beginning of a body in quotation marks, on one line, without secrets."""
    text = body[:_EXAMINED].decode("utf-8", "replace")
    for secret in secrets:
        text = text.replace(secret, MASK) if secret else text
    text = mask_text(_UNPRINTABLE.sub(" ", text)).strip()
    more = len(text) > QUOTED or len(body) > _EXAMINED
    return f'"{text[:QUOTED]}{"..." if more else ""}"'


def _what_lacks(call: Call, obj: dict[str, Any]) -> str | None:
    operation = call.endpoint.operation
    if obj.get("error"):
        return None  # the caller knows what an error with a good status means
    if operation in GENERATING:
        says = _says_something(obj) or (operation == "responses" and _is_response(obj))
        return None if says else "JSON without text, call or finish reason"
    if operation in ("embedding", "embedding_legacy"):
        found = [obj[name] for name in _EMBEDDINGS if isinstance(obj.get(name), list)]
        return None if any(found) or (found and _asks_nothing(call)) else "JSON without an embedding"
    if operation == "count_tokens":
        return None if isinstance(obj.get("input_tokens"), int) else "JSON without input_tokens"
    return None if obj else "JSON without a member"


def _says_something(obj: dict[str, Any]) -> bool:
    """Whether a whole reply holds output of the model, or says why it ended: an empty one may be meant."""
    choices = obj.get("choices")
    if isinstance(choices, list) and any(isinstance(one, dict) and one.get("finish_reason") for one in choices):
        return True
    if has_output(obj) or obj.get("done") is True or obj.get("stop_reason"):  # the last two: Ollama, Anthropic
        return True
    return filled(obj.get("content")) or filled(obj.get("output"))  # Anthropic, Responses


def _is_response(obj: dict[str, Any]) -> bool:
    """Whether it says how a response stands: one in the background has no output. Some servers give its text only."""
    return isinstance(obj.get("status"), str) or filled(obj.get("output_text"))


def _asks_nothing(call: Call) -> bool:
    """Whether there was no text to embed: Ollama then loads the model."""
    given = call.body.get("input", call.body.get("prompt"))
    return given in (None, "", []) or (isinstance(given, list) and not any(given))
