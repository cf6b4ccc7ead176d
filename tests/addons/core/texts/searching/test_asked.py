"""The text of requests and their kinds of content, in all dialects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from switchman.addons.core.texts.searching.asked import MOST, MOST_PARTS, asked, kinds_in

PICTURE = {"type": "image_url", "image_url": {"url": "data:,x"}}


@pytest.mark.parametrize(
    ("body", "words", "kinds"),
    [
        ({"messages": [{"role": "user", "content": "hello"}]}, "hello", {"text"}),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "see"}, PICTURE]}]}, "see",
         {"text", "image"}),
        ({"messages": [{"role": "user", "content": "see", "images": ["x"]}]}, "see", {"text", "image"}),
        ({"prompt": "complete", "images": []}, "complete", {"text"}),
        ({"input": "embed", "model": "m"}, "embed", {"text"}),
        ({"input": ["one", "two"]}, "two\none", {"text"}),
        ({"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"},
                                                                     {"type": "input_audio"}]}]},
         "hi", {"text", "audio"}),
        ({"input": [{"type": "function_call_output", "call_id": "1", "output": "sunny"}]}, "sunny", {"text", "tools"}),
        ({"system": "be brief", "messages": [
            {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": "42"}]}]}]},
         "42\nbe brief", {"text", "tools"}),
        ({"messages": [{"role": "user", "content": [
            {"type": "document", "source": {"type": "text", "data": "paper"}}]}]}, "paper", {"text", "document"}),
        ({"messages": [{"role": "assistant", "content": None, "tool_calls": [
            {"function": {"name": "f", "arguments": '{"city": "Oslo"}'}}]}]}, '{"city": "Oslo"}', {"text", "tools"}),
        ({"messages": [{"role": "user", "content": "x"}], "tools": [{"description": "secret"}]}, "x",
         {"text", "tools"}),
        ({"messages": "nonsense", "input": {"a": 1}, "prompt": 5, "system": [None, 3], "tools": "x"}, "nonsense",
         {"text"}),
        ({}, "", set()),
    ],
)  # fmt: skip
def test_what_was_asked(body: dict[str, Any], words: str, kinds: set[str]) -> None:
    """What people and tools said, the newest first; what is no text is a kind; nonsense is left out."""
    found = asked(body)
    assert (found.text, set(kinds_in(found.kinds))) == (words, kinds)


def test_a_long_conversation_costs_no_more_than_its_end() -> None:
    """The newest message is there, and the rest as far as there is room."""
    messages = [{"role": "user", "content": f"message {n} " + "x" * 1000} for n in range(5_000)]
    found = asked({"messages": messages})
    assert found.text.startswith("message 4999 ") and len(found.text) <= MOST + 100


def test_kinds_that_are_not_known_are_none() -> None:
    """A row of before has no bits."""
    assert kinds_in(None) == ()


class Counted(list[Any]):
    """A list that knows how many of its items were taken."""

    taken = 0

    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():
            self.taken += 1
            yield item


@pytest.mark.parametrize("message", [
    lambda parts: {"role": "user", "content": parts},
    lambda parts: {"role": "user", "content": [{"type": "tool_result", "content": parts}]},
    lambda parts: {"type": "function_call_output", "output": parts},
    lambda parts: {"role": "assistant", "tool_calls": parts},
])  # fmt: skip
def test_a_message_of_very_many_parts_is_not_looked_at_whole(message: Callable[[list[Any]], dict[str, Any]]) -> None:
    """All of it runs on the event loop."""
    parts = Counted([{"type": "text", "text": "a"}] * 10 * MOST_PARTS)
    asked({"messages": [message(parts)]})
    assert 0 < parts.taken <= MOST_PARTS + 1
