"""Where model text sits in an event or in a whole reply: what the text stages read and write."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Slot:
    """One place for text. `holder[field]` is the text; the field may be absent (nothing was said in this event).

    `key` tells apart what must not be mixed: one choice, or one content block, each with a text machine of its own.
    `reasoning_field` is the member of `holder` where the dialect puts reasoning, None where it has no such place.
    `finished` is true for the last text of this key: what a stage still holds has to come out here.
    """

    key: Hashable
    holder: dict[str, Any]
    field: str
    reasoning_field: str | None
    finished: bool
