"""OrphanWatch: find out, in a stream whose text passes unheld, whether a thought ended that nothing had opened.

Most events are not parsed: each tag ends with ">", and few events have one. Where one has, the events before it are
looked at as far as the tag may reach back.

1. The first tag of a choice decides: a closer that no opening tag came before is an orphan.
2. A tag directly behind a quote or a backtick is one that the answer is about.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Hashable
from typing import Final

from switchman.addons.core.streams.slots import SlotFinder

_LONGEST: Final = len("</reasoning>")
_EVENTS: Final = 32
"""Events that are kept for a tag in pieces: one for each character, with a few choices beside each other."""

_QUOTES: Final = tuple("`'\"")
_END_OF_TAG: Final = re.compile(r"[</]*[a-z]*>", re.IGNORECASE | re.ASCII)


class OrphanWatch:
    """Call feed() with the payload of each event; then read `found`. `tag` matches all opening and closing tags."""

    __slots__ = ("_decided", "_last", "_slots", "_tag", "found")

    def __init__(self, slots: SlotFinder, tag: re.Pattern[str]) -> None:
        self._slots = slots
        self._tag = tag
        self._last: deque[bytes] = deque(maxlen=_EVENTS)
        self._decided: set[Hashable] = set()
        self.found = False

    def feed(self, payload: bytes) -> None:
        if self.found:
            return
        if payload.find(b">") >= 0 or (payload.find(b"\\") >= 0 and payload.find(b"\\u003") >= 0):  # as Go writes it
            for key, text in self._texts(payload).items():
                if ">" in text and key not in self._decided:
                    self._decide(key, self._before(key) if _END_OF_TAG.match(text) else "", text)
        self._last.append(payload)

    def _decide(self, key: Hashable, before: str, text: str) -> None:
        """Look at the tags that end in `text`; those within `before` have been seen."""
        begin = len(before)
        text = before + text
        for match in self._tag.finditer(text):
            if match.end() > begin and not text.startswith(_QUOTES, max(0, match.start() - 1)):
                self._decided.add(key)
                self.found = match.group().startswith("</")
                return

    def _before(self, key: Hashable) -> str:
        """The end of a choice's text so far, as long as a tag and the character before it, or longer."""
        text = ""
        for payload in reversed(self._last):
            if len(text) > _LONGEST:
                break
            text = self._texts(payload).get(key, "") + text
        return text

    def _texts(self, payload: bytes) -> dict[Hashable, str]:
        """The text of each choice that may begin with a thought."""
        try:
            data = json.loads(payload)
        except (ValueError, RecursionError):
            return {}
        found: dict[Hashable, str] = {}
        for slot in self._slots(data) if isinstance(data, dict) else ():
            text = slot.holder.get(slot.field) if slot.field and slot.begins else None
            if isinstance(text, str):
                found[slot.key] = found.get(slot.key, "") + text
        return found
