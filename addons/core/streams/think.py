"""Remove thinking blocks from model text, or move them to the dialect's own place for thoughts.

ThinkFilter is the state machine of one choice; ThinkStage applies it to the events of a stream, and to whole replies.
The rules:

- The tags are <think>, <thinking>, <thought> and <reasoning>, in any case, exactly so. A block ends at the
  first closing tag of its own name.
- Blocks count at the start of the reply only: after white space (which stays), several in a row. In the middle an
  answer may be about such tags; `anywhere` makes them count there too.
- The line breaks directly after the closing tag are removed with the block. No other character is changed.
- Unclosed at the end of the reply: "keep" gives the text back unchanged, tag included; "drop" removes it. To keep it, a
  stream that strips must hold the block until it is closed: up to `limit` characters; a longer block is given back, and
  the rest of the reply passes unchanged.
- Orphan closer (`...</think>answer`: the opening tag was in the prompt's template): all text before the closer is the
  thought. A stream must hold the reply's first `orphan` characters for that until a closer arrives, which delays models
  that do not think: so the default is 0, off. In a whole reply nothing waits, and it is on unless it is known that no
  closer can come. A reply with an opening tag before the closer is no orphan.
- `opens`: the model's template is known to open the block. Unless the reply opens one itself, its text begins inside,
  and ends at the first closing tag. What is held (or, with `reveal`, was given as a thought already) is given as text
  when the reply ends without a closer, or after `limit` characters: so a reply loses nothing where that was wrong.

All scans are linear: literal patterns only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Literal

from switchman.addons.core.streams.events import Event
from switchman.addons.core.streams.orphans import OrphanWatch
from switchman.addons.core.streams.reply import has_thought
from switchman.addons.core.streams.slots import Slot, SlotFinder
from switchman.addons.core.streams.slotstage import SlotStage, TextFilter

Mode = Literal["strip", "reasoning", "keep"]
Unclosed = Literal["keep", "drop"]

HOLD_LIMIT: Final = 4 * 1024 * 1024
"""Characters of one thinking block that a stripping stream holds at most; about a million tokens."""

NO_LIMIT: Final = 1 << 62

_NAMES: Final = ("think", "thinking", "thought", "reasoning")
_OPENERS: Final = tuple(f"<{name}>" for name in _NAMES)
_CLOSERS: Final = tuple(f"</{name}>" for name in _NAMES)
_TAGS: Final = _OPENERS + _CLOSERS
_LONGEST: Final = max(map(len, _TAGS))
_OPENER: Final = re.compile("|".join(_OPENERS), re.IGNORECASE | re.ASCII)
_TAG: Final = re.compile("|".join(_TAGS), re.IGNORECASE | re.ASCII)
_SPACE: Final = re.compile(r"\s*")
_LINE_BREAKS: Final = re.compile(r"[\r\n]*")
_ANY_CLOSER: Final = re.compile("|".join(_CLOSERS), re.IGNORECASE | re.ASCII)
_CLOSER: Final = {name: re.compile(f"</{name}>", re.IGNORECASE | re.ASCII) for name in _NAMES}

# The states of a filter.
_START: Final = "start"  # nothing but white space so far, or a block has just ended
_INSIDE: Final = "inside"  # in a block
_AFTER: Final = "after"  # a block has just ended: line breaks are dropped
_WAITING: Final = "waiting"  # no block at the start: an orphan closer may come
_OPENED: Final = "opened"  # in a block that the prompt's template has opened
_PAST: Final = "past"  # in the answer


class ThinkFilter:
    """Take text of one choice, return (visible text, thought). What may be part of a tag is held until that is clear.

    `reveal`: return thoughts as they arrive; else a block is returned whole when it is closed. The module's docstring
    explains the rest.
    """

    __slots__ = (
        "_anywhere",
        "_block",
        "_closer",
        "_eager",
        "_held",
        "_limit",
        "_name",
        "_opener",
        "_opens",
        "_orphan",
        "_reveal",
        "_size",
        "_state",
        "_unclosed",
        "found_orphan",
    )

    def __init__(
        self,
        *,
        reveal: bool = False,
        unclosed: Unclosed = "keep",
        orphan: int = 0,
        anywhere: bool = False,
        limit: int = HOLD_LIMIT,
        opens: bool = False,
    ) -> None:
        self._reveal = reveal or unclosed == "drop"
        # In a whole reply nobody waits for the thought: before its closer was seen, it may still be the answer.
        self._eager = self._reveal and limit < NO_LIMIT
        self._unclosed: Unclosed = unclosed
        self._orphan = orphan
        self._anywhere = anywhere
        self._limit = limit
        self._opens = opens
        self.found_orphan = False
        """Whether a closer came that nothing in the reply had opened."""
        self._state = _START
        self._held = ""  # what may be the beginning of a tag
        self._block: list[str] = []  # text of the block, or of what may turn out to be one
        self._size = 0  # characters in _block
        self._opener = ""
        self._name = ""
        self._closer = _CLOSER["think"]

    @property
    def idle(self) -> bool:
        """Whether all further text will pass unchanged."""
        return self._state is _PAST and not self._anywhere and not self._held

    def feed(self, text: str) -> tuple[str, str]:
        visible: list[str] = []
        thought: list[str] = []
        if self._held:
            text, self._held = self._held + text, ""
        at = 0
        while at < len(text):
            at = _STEPS[self._state](self, text, at, visible, thought)
        return "".join(visible), "".join(thought)

    def end(self) -> tuple[str, str]:
        """End the choice: return the text that is still held."""
        held = "".join(self._block) + self._held
        if self._state is _INSIDE:
            out = ("", held) if self._reveal else (self._opener + held, "")
        else:
            out = (held, "")
        self._clear()
        self._state = _PAST
        return out

    abort = end  # a reply that broke off ends the same way

    def expect_no_orphan(self) -> None:
        """No closer without an opener can come any more: the next feed() or end() gives what was held for one."""
        self._orphan, self._opens = 0, False
        if self._state in (_WAITING, _OPENED):
            held = "".join(self._block) + self._held
            self._clear()
            self._held = held
            self._state = _PAST

    def _clear(self) -> None:
        self._block.clear()
        self._held = ""
        self._size = 0

    def _give_up(self, rest: str, visible: list[str]) -> None:
        """Release the held text: it is no block."""
        visible += (*self._block, rest)
        self._clear()
        self._state = _PAST

    def _start(self, text: str, at: int, visible: list[str], thought: list[str]) -> int:
        begin = _end_of(_SPACE, text, at)
        visible.append(text[at:begin])
        if match := _OPENER.match(text, begin):
            self._enter(match)
            return match.end()
        if _is_beginning(text, begin, _OPENERS):
            self._held = text[begin:]
            return len(text)
        if begin < len(text):
            self._state = _OPENED if self._opens else _WAITING if self._orphan else _PAST
        return begin

    def _enter(self, match: re.Match[str]) -> None:
        self._opener = match.group()
        self._name = self._opener[1:-1].lower()
        self._closer = _CLOSER[self._name]
        self._orphan, self._opens = 0, False
        self._state = _INSIDE

    def _inside(self, text: str, at: int, visible: list[str], thought: list[str]) -> int:
        match = self._closer.search(text, at)
        cut = match.start() if match else _tag_at(text, at, (f"</{self._name}>",))
        if self._reveal:
            thought.append(text[at:cut])
        elif self._size + cut - at > self._limit:
            visible.append(self._opener)
            self._give_up(text[at:], visible)
            self._anywhere = False  # the rest of the reply passes unchanged, wherever the text was cut
            return len(text)
        else:
            self._block.append(text[at:cut])
            self._size += cut - at
        if match:
            return self._close(match, thought)
        self._held = text[cut:]
        return len(text)

    def _close(self, match: re.Match[str], thought: list[str]) -> int:
        thought += self._block
        self._clear()
        self._orphan, self._opens = 0, False
        self._state = _AFTER
        return match.end()

    def _after(self, text: str, at: int, visible: list[str], thought: list[str]) -> int:
        at = _end_of(_LINE_BREAKS, text, at)
        if at < len(text):
            self._state = _START
        return at

    def _waiting(self, text: str, at: int, visible: list[str], thought: list[str]) -> int:
        match = _TAG.search(text, at)
        cut = match.start() if match else _tag_at(text, at, _TAGS)
        if self._size + cut - at > self._orphan or (match and text[cut + 1] != "/"):
            self._orphan = 0
            self._give_up(text[at:] if not self._anywhere else text[at:cut], visible)
            return cut if self._anywhere else len(text)
        self._block.append(text[at:cut])
        self._size += cut - at
        if match:
            self.found_orphan = True
            return self._close(match, thought)
        self._held = text[cut:]
        return len(text)

    def _opened(self, text: str, at: int, visible: list[str], thought: list[str]) -> int:
        match = _ANY_CLOSER.search(text, at)
        cut = match.start() if match else _tag_at(text, at, _CLOSERS)
        room = self._limit - self._size
        if self._eager:
            thought.append(text[at : min(cut, at + room)])
        if cut - at > room:
            self._give_up(text[at:], visible)
            self._anywhere = False  # as for a longer block
            return len(text)
        self._block.append(text[at:cut])
        self._size += cut - at
        if match:
            self.found_orphan = True
            if self._eager:
                self._clear()  # it has been given
            return self._close(match, thought)
        self._held = text[cut:]
        return len(text)

    def _past(self, text: str, at: int, visible: list[str], thought: list[str]) -> int:
        if not self._anywhere:
            visible.append(text[at:])
            return len(text)
        match = _OPENER.search(text, at)
        cut = match.start() if match else _tag_at(text, at, _OPENERS)
        visible.append(text[at:cut])
        if match:
            self._enter(match)
            return match.end()
        self._held = text[cut:]
        return len(text)


_STEPS: Final = {
    _START: ThinkFilter._start,
    _INSIDE: ThinkFilter._inside,
    _AFTER: ThinkFilter._after,
    _WAITING: ThinkFilter._waiting,
    _OPENED: ThinkFilter._opened,
    _PAST: ThinkFilter._past,
}
"""Each step reads text from `at` on, and returns the position where the next one continues."""


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    assert match is not None  # these patterns match the empty string
    return match.end()


def _is_beginning(text: str, at: int, tags: tuple[str, ...]) -> bool:
    """Whether `text` from `at` on may be the beginning of one of `tags`."""
    if not text.startswith("<", at) or len(text) - at >= _LONGEST:
        return False
    lower = text[at:].lower()
    return any(tag.startswith(lower) for tag in tags)


def _tag_at(text: str, at: int, tags: tuple[str, ...]) -> int:
    """The position in `text`, from `at` on, where an incomplete tag begins; len(text) if there is none."""
    begin = text.rfind("<", max(at, len(text) - _LONGEST + 1))
    return begin if begin >= 0 and _is_beginning(text, begin, tags) else len(text)


class ThinkStage(SlotStage):
    """Stage that strips thoughts, or moves them to the slot's `reasoning_field` ("reasoning"; stripped where there
    is none).

    `opens`: the model's template is taken to open the block, so a stream's text is held (or revealed) as a thought from
    its beginning on. `settled`: that is certain; else a closer that nothing opened is looked for in what passes, too,
    so that `found_orphan` tells it. A reply that has thoughts in a place of their own has no orphan: nothing is held.
    """

    def __init__(
        self,
        slots: SlotFinder,
        mode: Mode = "strip",
        *,
        unclosed: Unclosed = "keep",
        orphan: int = 0,
        anywhere: bool = False,
        limit: int = HOLD_LIMIT,
        opens: bool = False,
        settled: bool = False,
    ) -> None:
        super().__init__(slots, keep_thoughts=mode == "reasoning")
        self.opens = opens
        self.settled = settled
        self._separate = False  # the server gives thoughts in a place of their own
        self._filters: list[ThinkFilter] = []
        self._watch = None if opens or settled or mode == "keep" else OrphanWatch(slots, _TAG)
        self._mode: Mode = mode
        self._unclosed: Unclosed = unclosed
        self._orphan = orphan
        self._anywhere = anywhere
        self._limit = limit

    def new_filter(self, slot: Slot, *, whole: bool) -> ThinkFilter | None:
        if self._mode == "keep":
            return None
        # One that is settled not to open has no orphans: its text is the same whole and streamed.
        orphan = NO_LIMIT if whole and not self.settled else self._orphan
        made = ThinkFilter(
            reveal=self._mode == "reasoning" and slot.reasoning_field is not None,
            unclosed=self._unclosed,
            orphan=orphan if slot.begins and not self._separate else 0,
            anywhere=self._anywhere,
            limit=NO_LIMIT if whole else self._limit,
            opens=self.opens and slot.begins and not self._separate,
        )
        self._filters.append(made)
        return made

    @property
    def found_orphan(self) -> bool:
        """Whether a closer came that nothing in the reply had opened."""
        watched = self._watch is not None and self._watch.found
        return watched or any(made.found_orphan for made in self._filters)

    def feed(self, event: Event) -> Sequence[Event]:
        if self._watch is not None and event.payload is not None and not self._separate:
            self._watch.feed(event.payload)
        return super().feed(event)

    def look(self, data: dict[str, Any]) -> None:
        if not self._separate and has_thought(data):
            self._separate = True
            for made in self._filters:
                made.expect_no_orphan()

    def last_words(self, slot: Slot, text_filter: TextFilter) -> tuple[str, str]:
        """Thinking is over when the model calls a tool: what was held for a closer goes before the call."""
        if not (slot.holder.get("tool_calls") or slot.holder.get("function_call")):
            return "", ""
        assert isinstance(text_filter, ThinkFilter)
        text_filter.expect_no_orphan()
        return text_filter.feed("")
