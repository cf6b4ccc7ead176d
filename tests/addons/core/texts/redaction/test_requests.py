"""Every text of a request is redacted, and what is none stays."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.texts.redaction.finding import KINDS
from switchman.addons.core.texts.redaction.redactor import Redact, Redactor
from switchman.addons.core.texts.redaction.requests import Unreadable, redact_body

MAIL = "jane@example.org"
IMAGE = "aGVsbG8gd29ybGQgaGVsbG8gd29ybGQgaGVsbG8gd29ybGQgaGVsbG8gd29ybGQgaGVsbG8="


def edited(body: dict[str, Any]) -> set[tuple[str | int, ...]]:
    return set(redact_body(body, Redactor(Redact(KINDS), b"k")))


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"messages": [{"role": "user", "content": MAIL}]}, ("messages", 0, "content")),
        ({"messages": [{"role": "user", "name": MAIL, "content": ""}]}, ("messages", 0, "name")),
        ({"messages": [{"content": [{"type": "text", "text": MAIL}]}]}, ("messages", 0, "content", 0, "text")),
        (
            {"messages": [{"content": [{"type": "thinking", "thinking": MAIL, "signature": "s"}]}]},
            ("messages", 0, "content", 0, "thinking"),
        ),
        (
            {"messages": [{"tool_calls": [{"function": {"name": "f", "arguments": f'{{"a":"{MAIL}"}}'}}]}]},
            ("messages", 0, "tool_calls", 0, "function", "arguments"),
        ),
        (
            {"messages": [{"tool_calls": [{"function": {"arguments": {MAIL: 1}}}]}]},
            ("messages", 0, "tool_calls", 0, "function", "arguments"),
        ),
        (
            {"messages": [{"content": [{"type": "tool_use", "id": "x", "input": {"id": MAIL}}]}]},
            ("messages", 0, "content", 0, "input"),
        ),
        (
            {"messages": [{"content": [{"type": "tool_result", "content": [{"type": "text", "text": MAIL}]}]}]},
            ("messages", 0, "content", 0, "content", 0, "text"),
        ),
        ({"system": [{"type": "text", "text": MAIL}]}, ("system", 0, "text")),
        ({"input": [MAIL]}, ("input", 0)),
        ({"input": [{"type": "function_call_output", "output": MAIL}]}, ("input", 0, "output")),
        ({"instructions": MAIL}, ("instructions",)),
        ({"prompt": MAIL, "suffix": ""}, ("prompt",)),
        ({"user": MAIL}, ("user",)),
        ({"metadata": {"user_id": MAIL}}, ("metadata",)),
        ({"nobody_knows_this": {"deep": [[MAIL]]}}, ("nobody_knows_this", "deep", 0, 0)),
        ({"tools": [{"function": {"name": "f", "description": MAIL}}]}, ("tools", 0, "function", "description")),
        (
            {"tools": [{"input_schema": {"properties": {"title": {"enum": [MAIL]}}}}]},
            ("tools", 0, "input_schema", "properties", "title", "enum"),
        ),
        (
            {"messages": [{"content": [{"source": {"type": "text", "data": MAIL}}]}]},
            ("messages", 0, "content", 0, "source", "data"),
        ),
    ],
)
def test_what_is_redacted(body: dict[str, Any], path: tuple[str | int, ...]) -> None:
    """In all dialects, and where nobody knows what a member is."""
    assert edited(body) == {path}


@pytest.mark.parametrize(
    "body",
    [
        {"model": MAIL, "messages": [{"role": "tool", "tool_call_id": MAIL, "name": MAIL, "content": ""}]},
        {"tools": [{"type": "function", "function": {"name": MAIL, "parameters": {"properties": {MAIL: {}}}}}]},
        {"messages": [{"content": [{"type": "redacted_thinking", "data": f"{MAIL} x"}]}]},
        {"messages": [{"images": [IMAGE]}]},
        {"messages": [{"content": [{"image_url": {"url": f"data:image/png;base64,{IMAGE}"}}]}]},
        {"messages": [{"content": [{"source": {"type": "base64", "media_type": "image/png", "data": IMAGE}}]}]},
    ],
)
def test_what_stays(body: dict[str, Any]) -> None:
    """Names, ids, signatures, keys of schemas, and images."""
    assert edited(body) == set()


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": [1, 2]},
        {"input": [[1, 2]]},
        {"messages": [{"content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]}]},
        {"messages": [{"content": [{"source": {"type": "base64", "media_type": "application/pdf", "data": "AA"}}]}]},
        {"input": [{"content": [{"type": "input_file", "file_data": "data:application/pdf;base64,AAAA"}]}]},
    ],
)
def test_what_cannot_be_searched(body: dict[str, Any]) -> None:
    """Tokens, sound and documents may hold anything."""
    with pytest.raises(Unreadable):
        edited(body)
