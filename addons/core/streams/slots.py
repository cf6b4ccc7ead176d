"""Slot: where one event, or one whole reply, keeps the text of one choice.

The dialects know where text lives (`text_slots`); the stages of this package only read and write it there. So a stage
takes a function `slots: Callable[[dict], Iterable[Slot]]` and knows no wire format.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Slot:
    """The place of one choice's text: `holder[field]`, a string; absent or None counts as no text.

    `key` tells choices (or content blocks) of one reply apart, the same in every event. `field` is "" where this
    event can carry no text of that choice, and only says that it ends (Anthropic's content_block_stop).
    `reasoning_field` is the name beside `field`, in the same holder, that takes thoughts (`reasoning_content`,
    `thinking`); None if the format has none. `finished`: this event ends the choice, so what a filter holds back must
    be released with it.
    """

    key: Hashable
    holder: dict[str, Any]
    field: str
    reasoning_field: str | None = None
    finished: bool = False


type SlotFinder = Callable[[dict[str, Any]], Iterable[Slot]]
