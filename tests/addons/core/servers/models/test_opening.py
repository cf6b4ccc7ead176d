"""Whether a reply begins inside a thinking block, and what a reply teaches."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.servers.models.opening import Opening, in_words, lesson, opening

PLAIN: dict[str, Any] = {"templated": True, "silenced": False}


@pytest.mark.parametrize(
    ("said", "learned", "model", "more", "opens"),
    [
        (None, None, "llama3", {}, False),
        (None, None, "deepseek-r1:8b", {}, True),
        # the rules first, whatever else is known
        (True, False, "llama3", {"silenced": True, "templated": False}, True),
        (False, True, "qwq", {}, False),
        # then what the model was told, unless it always thinks
        (None, True, "llama3", {"silenced": True}, False),
        (None, None, "Qwen/Qwen3.5-27B", {"silenced": True}, False),
        (None, None, "Qwen/Qwen3.5-27B", {}, True),
        (None, None, "deepseek-r1", {"silenced": True}, True),
        (None, False, "deepseek-r1", {"silenced": True}, False),
        # then what replies have shown
        (None, True, "llama3", {"templated": False}, True),
        (None, False, "qwq", {}, False),
        # then the family, where there is a template
        (None, None, "qwq", {"templated": False}, False),
    ],
)
def test_the_first_that_says_something_counts(
    said: bool | None, learned: bool | None, model: str, more: dict[str, Any], opens: bool
) -> None:
    """The key, the request, earlier replies, the name."""
    found = opening(said, learned, model, **{**PLAIN, **more})
    assert (found.opens, found.settled) == (opens, said is not None)
    assert bool(found.why) is opens


def test_it_says_why() -> None:
    """For the trace: the model's name without its server, and what was known."""
    found = opening(None, None, "deepseek-r1", **PLAIN)
    assert in_words(found, "box/deepseek-r1", moved=False) == (
        "deepseek-r1's template opens its thinking (as its family's do): "
        "the text before a closing tag is held, as a thought."
    )
    told = in_words(Opening(True, True, "`thinking_opens: true` says so"), "box", moved=True)
    assert told.startswith("box's template opens its thinking (`thinking_opens: true` says so): ")
    assert told.endswith(" is given as a thought at once.")


@pytest.mark.parametrize(
    ("more", "taught"),
    [
        ({"orphan": True}, True),
        ({"orphan": True, "expected": False, "whole": False, "finish": None}, True),
        ({}, False),
        ({"finish": "end_turn"}, False),
        ({"finish": "length"}, None),
        ({"finish": "tool_calls"}, None),
        ({"finish": None}, None),
        ({"whole": False}, None),
        ({"expected": False}, None),
    ],
)
def test_a_whole_reply_without_a_closer_unteaches(more: dict[str, Any], taught: bool | None) -> None:
    """One that was cut off, or calls a tool, says nothing; an orphan does, wherever it was seen."""
    plain: dict[str, Any] = {"orphan": False, "expected": True, "finish": "stop", "whole": True}
    assert lesson(**{**plain, **more}) is taught
