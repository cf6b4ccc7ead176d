"""Redact the body of a request: every text in it that is not known to be something else.

What is not known is redacted, as nothing private may leave. What stays as it is, in all dialects:

1. keys of objects, but those of a tool's arguments and of `metadata`;
2. names of models and tools, types, roles, ids, signatures, what is encrypted: KEPT, and `name` but a participant's;
3. of a schema all but what it says in words, and the values it lists;
4. images in base64.
What may hold text that cannot be read here is refused: documents and sound in base64, tokens in place of a prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from switchman.addons.core.texts.redaction.redactor import Redactor

type Edits = dict[tuple[str | int, ...], Any]

KEPT: Final = frozenset(
    """model type role id object status tool_call_id tool_use_id call_id item_id previous_response_id file_id container
    container_id vector_store_ids signature encrypted_content thought_signature cache_control service_tier truncation
    include reasoning_effort modalities voice media_type mime_type mimeType encoding_format tool_name stop_reason
    finish_reason b64_json response_id batch_id anthropic_version anthropic_beta betas keep_alive phase effort
    server_label connector_id allowed_tools images prompt_cache_retention""".split()  # noqa: SIM905 - words, and many
)
SCHEMAS: Final = frozenset(
    {
        "parameters",
        "input_schema",
        "schema",
        "json_schema",
        "output_schema",
        "response_schema",
        "format",
        "response_format",
    }
)
FREE: Final = frozenset({"arguments", "input", "args", "response"})  # what is in these may have any keys
SAID: Final = frozenset({"description", "title", "default", "const", "enum", "examples", "$comment", "instructions"})
TOKENS: Final = frozenset({"prompt", "input", "tokens"})
MOST_DEPTH: Final = 100
LONG_DATA: Final = 64  # characters from which on what has no spaces may be base64


class Unreadable(ValueError):
    """Something in the request cannot be looked into; the message names its key."""


def redact_body(body: Mapping[str, Any], redactor: Redactor) -> Edits:
    """What changes in `body`, by path. Raises Unreadable and RecursionError."""
    edits: Edits = {}
    walk = _Walk(redactor, edits)
    for key, value in body.items():
        walk.member(body, key, value, (key,))
    return edits


class _Walk:
    def __init__(self, redactor: Redactor, edits: Edits) -> None:
        self._redactor, self._edits = redactor, edits

    def member(self, holder: Mapping[str, Any], key: str, value: Any, path: tuple[str | int, ...]) -> None:
        """One member of an object that an API names."""
        if len(path) > MOST_DEPTH:
            raise RecursionError
        if isinstance(value, str):
            if not self._stays(holder, key):
                self._text(holder, key, value, path)
        elif key in TOKENS and _is_tokens(value):
            raise Unreadable(f"`{key}` is given as tokens, which cannot be searched")
        elif key in KEPT and isinstance(value, list):
            return
        elif key in SCHEMAS:
            self._schema(value, path)
        elif (key in FREE and len(path) > 1 and isinstance(value, dict)) or key == "metadata":
            self._free(value, path)
        else:
            self._any(holder, key, value, path)

    def _any(self, holder: Mapping[str, Any], key: str, value: Any, path: tuple[str | int, ...]) -> None:
        if isinstance(value, dict):
            for name, member in value.items():
                self.member(value, name, member, (*path, name))
        elif isinstance(value, list):
            for place, member in enumerate(value):
                if isinstance(member, str):
                    self._text(holder, key, member, (*path, place))
                elif isinstance(member, dict | list):
                    self._any(holder, key, member, (*path, place))

    def _stays(self, holder: Mapping[str, Any], key: str) -> bool:
        if key == "name":  # of a participant it is text; of tools, and of what else has one, it refers to something
            return "role" not in holder or holder["role"] in ("tool", "function")
        if key in ("data", "result"):
            return holder.get("type") in ("redacted_thinking", "image_generation_call")
        return key in KEPT

    def _text(self, holder: Mapping[str, Any], key: str, text: str, path: tuple[str | int, ...]) -> None:
        if key in ("arguments", "partial_json"):
            redacted = self._redactor.json_text(text)
        elif text[:5].lower() == "data:" and key in ("url", "image_url", "file_data", "file_url", "data"):
            if text[:11].lower() != "data:image/":
                raise Unreadable(f"`{key}` holds a file in base64, which cannot be searched")
            return
        elif key in ("data", "file_data", "bytes") and _is_encoded(holder, text):
            kind = str(holder.get("media_type") or holder.get("mime_type") or holder.get("mimeType") or "")
            if not kind.lower().startswith("image/"):
                raise Unreadable(f"`{key}` holds a file in base64, which cannot be searched")
            return
        else:
            redacted = self._redactor.text(text)
        if redacted is not text and redacted != text:
            self._edits[path] = redacted

    def _free(self, value: Any, path: tuple[str | int, ...]) -> None:
        """What has any keys, as a tool's arguments: put anew as a whole where anything in it is private."""
        if (redacted := self._redacted(value, 0)) != value:
            self._edits[path] = redacted

    def _redacted(self, value: Any, depth: int) -> Any:
        if depth > MOST_DEPTH:
            raise RecursionError
        if isinstance(value, str):
            return self._redactor.text(value)
        if isinstance(value, dict):
            return {self._redactor.text(key): self._redacted(member, depth + 1) for key, member in value.items()}
        if isinstance(value, list):
            return [self._redacted(member, depth + 1) for member in value]
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 9_999_999:
            written = str(value) if abs(value) < 10**40 else ""
            redacted = self._redactor.text(written)
            return value if redacted == written else redacted
        return value

    def _schema(self, value: Any, path: tuple[str | int, ...], *, named: bool = False) -> None:
        """`named`: the keys of `value` are names of properties."""
        if len(path) > MOST_DEPTH:
            raise RecursionError
        if isinstance(value, dict):
            for key, member in value.items():
                if key in SAID and not named:
                    self._free(member, (*path, key))
                elif isinstance(member, dict | list):
                    names = not named and key in ("properties", "$defs", "definitions", "patternProperties")
                    self._schema(member, (*path, key), named=names)
        elif isinstance(value, list):
            for place, member in enumerate(value):
                self._schema(member, (*path, place))


def _is_tokens(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    first = value[0][0] if value and isinstance(value[0], list) and value[0] else value[0] if value else None
    return isinstance(first, int) and not isinstance(first, bool)


def _is_encoded(holder: Mapping[str, Any], text: str) -> bool:
    if holder.get("type") == "text":  # a document of Anthropic's, in plain text
        return False
    return holder.get("type") == "base64" or "format" in holder or (len(text) >= LONG_DATA and " " not in text[:1024])
