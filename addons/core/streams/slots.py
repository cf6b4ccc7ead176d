"""Slot: the place of one choice's text in an event, or in a whole reply.

The dialects find these places (`text_slots`); the stages of this package read and write the text there. So a stage
takes a function `slots: Callable[[dict], Iterable[Slot]]` and knows no wire format.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Slot:
    """The place of one choice's text: `holder[field]`, a string; absent or None counts as no text.

    `key` identifies a choice (or content block) in all events of a reply. `field` is "" where the event cannot carry
    text of that choice and only ends it (Anthropic's content_block_stop). `reasoning_field` is the member of the same
    holder for thoughts (`reasoning_content`, `thinking`); None if the format has none. `finished`: this event ends the
    choice, so a filter must release with it what it holds. `begins`: the choice is the first of its answer, where a
    block may be that the prompt has opened; Anthropic's later content blocks are not.
    """

    key: Hashable
    holder: dict[str, Any]
    field: str
    reasoning_field: str | None = None
    finished: bool = False
    begins: bool = True


type SlotFinder = Callable[[dict[str, Any]], Iterable[Slot]]
