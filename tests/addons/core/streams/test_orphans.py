"""A closing tag that nothing opened, in a stream that passes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from switchman.addons.core.streams.orphans import OrphanWatch
from switchman.addons.core.streams.slots import Slot

TAG = re.compile(r"</?(?:think|reasoning)>", re.IGNORECASE)


def slots(obj: dict[str, Any]) -> Iterator[Slot]:
    for choice in obj.get("choices") or ():
        yield Slot(choice["index"], choice["delta"], "content", begins=choice["index"] < 9)


def payload(text: str | None, index: int = 0) -> bytes:
    return json.dumps({"choices": [{"index": index, "delta": {"content": text}}]}).encode()


def found(*payloads: bytes) -> bool:
    watch = OrphanWatch(slots, TAG)
    for one in payloads:
        watch.feed(one)
    return watch.found


CASES = [
    ("thoughts</think>answer", True),
    ("thoughts</REASONING>\n\nanswer <think>", True),
    ("a -> b => c </thin> </think>x", True),
    ("</think>", True),
    ("<think>thoughts</think>answer", False),
    ("say <think>so</think> and </think>", False),
    ("the tag `</think>` ends it, and '</think>' too", False),
    ("in `<think>` and </think>", True),
    ("if a > b: return </thin", False),
    ("plain", False),
]


@pytest.mark.parametrize(("text", "orphan"), CASES)
def test_the_first_tag_decides_however_the_text_is_cut(text: str, orphan: bool) -> None:
    """In one event, in two, and one character to an event."""
    splits = [[text], list(text), *([text[:at], text[at:]] for at in range(1, len(text)))]
    for parts in splits:
        assert found(*(payload(part) for part in parts)) is orphan, parts
        # as Go writes it, and as those do who escape the slash
        assert found(*(payload(part).replace(b">", b"\\u003e").replace(b"<", b"\\u003c") for part in parts)) is orphan
        assert found(*(payload(part).replace(b"/", b"\\/") for part in parts)) is orphan


def test_choices_do_not_mix() -> None:
    """Each has its own first tag; a tag in pieces is put together from its own choice."""
    parts = [
        payload(text, index) for pair in (("<", "</"), ("think", "x"), (">", ">")) for index, text in enumerate(pair)
    ]
    assert not found(*parts)
    assert found(*parts, payload("a</think>", 1))
    assert not found(*parts, payload("a</think>", 0))


def test_what_is_no_text_is_passed_over() -> None:
    """Broken JSON, other events, null, and text that cannot begin with a thought."""
    for one in (b"{>", b'[">"]', b'{"type":"x>"}', payload(None), payload("a</think>", 9), b'{"choices":null,"a":">"}'):
        assert not found(one, one)
        assert found(one, payload("a</think>"))
