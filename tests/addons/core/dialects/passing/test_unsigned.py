"""Thoughts that a translated answer told are taken out again where the next request passes through."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.dialects import endpoint_of
from switchman.addons.core.dialects.passing.thoughts import Origin, portable
from switchman.addons.core.dialects.passing.unsigned import ITEM, SIGNATURE
from switchman.addons.core.request.call import Call
from switchman.addons.core.request.jsonedit import edit, parse

OURS = {"type": "thinking", "thinking": "hm", "signature": SIGNATURE}
SIGNED = {"type": "thinking", "thinking": "so", "signature": "c2ln"}
UNSIGNED = {"type": "thinking", "thinking": "so", "signature": ""}
TEXT = {"type": "text", "text": "Yes."}


def passed(path: str, body: dict[str, Any]) -> Any:
    endpoint = endpoint_of("POST", path)
    assert endpoint is not None
    text = json.dumps(body)
    parsed, spans = parse(text)
    call = Call(endpoint=endpoint, body=parsed, text=text, spans=spans, query="", model="", stream=False)
    return json.loads(edit(text, portable(call, Origin()).edits, spans))


@pytest.mark.parametrize(
    ("content", "left"),
    [
        ([OURS, TEXT], [TEXT]),
        ([SIGNED, OURS, TEXT, OURS], [SIGNED, TEXT]),
        ([UNSIGNED, TEXT], [UNSIGNED, TEXT]),
        ([OURS], [{"type": "text", "text": "(no content)"}]),
        ("Yes.", "Yes."),
    ],
)
def test_blocks_with_our_mark_go(content: Any, left: Any) -> None:
    """Those of a server stay, signed or not; a message never ends up empty."""
    body = {"messages": [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": content}]}
    expected = {"messages": [body["messages"][0], {"role": "assistant", "content": left}]}
    assert passed("/v1/messages", body) == expected


def test_reasoning_items_with_our_mark_go() -> None:
    """In Responses they are items of their own."""
    items = [
        {"role": "user", "content": "Hi."},
        {"type": "reasoning", "id": "rs_1"},
        {"type": "reasoning", "id": f"{ITEM}x"},
    ]
    assert passed("/v1/responses", {"input": items}) == {"input": items[:2]}
