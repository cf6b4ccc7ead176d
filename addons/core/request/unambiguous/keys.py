"""The keys of a JSON body that decide: each may stand there once, and written in one way.

Parsers differ in which of two equal keys counts (the last for Python and Go, the first for others), and in whether
`Model` is `model`. A body that another server could read with another model, conversation, tool or stream than we do
would pass the rules by what they do not see.

    DECISIVE                          keys at the top of a body, in all dialects: each has keys of its own
    check_keys(body, decisive)        raises Ambiguous for keys that are written otherwise
    repeated(key, within)             the Ambiguous of a key that occurs twice

Keys that occur twice are noticed while the text is parsed (jsonedit.parse): afterwards one of them is gone. What is
free (a tool's arguments, a schema) may have any keys, but none of them twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from switchman.addons.core.request.unambiguous.names import Ambiguous, meant_by

MODEL: Final = frozenset({"model"})  # what decides where the operation is not known
SHOWN: Final = frozenset({"model", "name"})  # of Ollama's show, which called the model `name` before 2024
DECISIVE: Final = frozenset(
    {"model", "stream", "messages", "input", "prompt", "suffix", "contents", "system", "instructions", "template",
     "images", "tools", "functions", "tool_choice", "function_call", "max_tokens", "max_completion_tokens",
     "max_output_tokens", "options", "previous_response_id", "conversation",
     # What a budget reserves depends on these (core/access/limits/bounds.py).
     "n", "best_of", "n_predict", "service_tier", "speed", "container", "mcp_servers", "web_search_options"}
)  # fmt: skip

_PLAIN: Final = frozenset({"role", "content"})  # the keys of nearly all messages
_TALKS: Final = ("messages", "input", "contents")
_MESSAGE: Final = frozenset(
    {"role", "content", "parts", "type", "text", "name", "images", "thinking", "tool_calls", "tool_call_id",
     "tool_name", "function_call", "call_id", "arguments", "input", "output"}
)  # fmt: skip
_PART: Final = frozenset(
    {"type", "text", "content", "source", "image_url", "input_audio", "file", "input", "id", "name", "tool_use_id"}
)
_TOOL: Final = frozenset({"type", "function", "name", "description", "parameters", "input_schema"})
_FUNCTION: Final = frozenset({"name", "description", "parameters", "arguments"})
_CALL: Final = frozenset({"id", "type", "function"})


def repeated(key: str, within: str = "") -> Ambiguous:
    """`within`: the key at the top of the body in whose value it occurs twice."""
    where = f"in an object of `{within}`" if within else "in the body"
    message = f"The key `{_shown(key)}` occurs twice {where}, and servers differ in which one counts: leave one out."
    return Ambiguous(message, within or key)


def check_keys(body: Mapping[str, Any], decisive: frozenset[str]) -> None:
    """Raises Ambiguous for a key that a reader without regard to case takes for a decisive one, or for one of those in
    messages, their parts, calls and tools.
    """
    _check(body, decisive, "")
    if decisive is not DECISIVE:
        return
    for talk in _TALKS:
        if isinstance(said := body.get(talk), list):
            _check_messages(said, talk)
    _check_parts(body.get("system"), "system")
    for tools in ("tools", "functions"):
        _check_functions(body.get(tools), _TOOL, tools)


def _check_messages(said: list[Any], talk: str) -> None:
    for message in said:
        if not isinstance(message, dict):
            continue
        if not _PLAIN.issuperset(message):
            _check(message, _MESSAGE, talk)
            _check_parts(message.get("parts"), talk)
            _check_parts(message.get("output"), talk)
            _check_functions(message.get("tool_calls"), _CALL, talk)
        if not isinstance(content := message.get("content"), str):
            _check_parts(content, talk)


def _check_functions(listed: Any, known: frozenset[str], within: str) -> None:
    """Tools, or calls of them: most have what concerns them in an object `function`."""
    if isinstance(listed, list):
        for item in listed:
            if isinstance(item, dict):
                _check(item, known, within)
                if isinstance(function := item.get("function"), dict):
                    _check(function, _FUNCTION, within)


def _check_parts(listed: Any, within: str, *, nested: bool = False) -> None:
    """Parts of a content; a tool's result has parts of its own, and those have none."""
    if isinstance(listed, list):
        for part in listed:
            if isinstance(part, dict):
                _check(part, _PART, within)
                if not nested and "content" in part:
                    _check_parts(part["content"], within, nested=True)


def _check(found: Mapping[str, Any], known: frozenset[str], within: str) -> None:
    if known.issuperset(found):
        return
    for key in found:
        if key not in known and (meant := meant_by(key, known)):
            where = f" in `{within}`" if within else ""
            raise Ambiguous(f"Some servers read the key `{_shown(key)}`{where} as `{meant}`: write `{meant}`.", meant)


def _shown(key: str) -> str:
    return key[:100].encode("ascii", "backslashreplace").decode() if not key.isprintable() else key[:100]
