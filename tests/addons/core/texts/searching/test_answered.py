"""The text of answers' bodies, whole and streamed, in all dialects."""

from __future__ import annotations

import json

import pytest

from switchman.addons.core.texts.searching.answered import MOST, answered
from switchman.addons.core.texts.searching.words import words_of


def sse(*events: object) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def chunk(**delta: str) -> dict[str, object]:
    return {"id": "c", "choices": [{"index": 0, "delta": delta}]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"choices":[{"message":{"role":"assistant","content":"Say \\"hi\\" \\u5929\\u6c14"}}]}', "say hi 天气 气"),
        (sse(chunk(content="wea"), chunk(content="ther"), chunk(content="")), "weather"),
        (sse(chunk(reasoning_content="think"), chunk(content="wea"), chunk(content="ther")), "think weather"),
        (sse({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hel"}},
             {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "lo"}}), "hello"),
        (b'{"message":{"role":"assistant","content":"one "},"done":false}\n{"message":{"content":"two"}}\n', "one two"),
        (b'{"response":"plain","done":true}', "plain"),
        (sse({"type": "response.output_text.delta", "delta": "par"}, {"type": "x", "delta": "ts"},
             {"type": "response.output_text.done", "text": "parts"}), "parts"),
        (b'{"content":[{"type":"text","text":"Hello"}]}', "hello"),
        (b'{"error":{"message":"no such model"}}', "no such model"),
        (b'{"embedding":[1,2]}', ""),
        (b"\x1f\x8b\x08 gzip", ""),
        (b'{"content":"\xff broken"}', "broken"),
        (b'{"content":"cut in the mid', ""),
    ],
)  # fmt: skip
def test_what_was_answered(body: bytes, words: str) -> None:
    """Words are whole that came in pieces, and names of members are none of them."""
    assert " ".join(words_of(answered(body))) == words


def test_a_long_answer_is_bounded() -> None:
    """Its beginning is read."""
    assert len(answered(sse(*(chunk(content="word " * 50) for _ in range(2_000))))) <= MOST
