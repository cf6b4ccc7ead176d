"""JSON fences: turn a reply that is one fenced JSON block into the JSON.

The whole reply must be: white space, a line of three or more backticks with `json`, `jsonc`, `json5` or nothing behind
them, the content, a line of at least as many backticks, white space. Without a word behind the opening backticks the
content must begin with `{` or `[`. The content is returned verbatim, without the line break before the closing line.
Any other reply stays unchanged to the byte: one with text before or after the block, a second block, an unclosed or
empty one, or another language.

In a stream it is not known that the reply is one fence before it has ended. So text is held while it may still be one,
and

- given back unchanged as soon as it cannot be one: a first word that is no fence, another language, text after
  the closing line, or more than HOLD_LIMIT characters;
- released as the bare content when the choice ends. A stream that breaks off gives back the held text unchanged.
"""

from __future__ import annotations

from typing import Final

from switchman.addons.core.streams.slots import Slot
from switchman.addons.core.streams.slotstage import SlotStage

HOLD_LIMIT: Final = 4 * 1024 * 1024
"""The most characters of a reply that are held while it may be one fence."""

_LANGUAGES: Final = ("json", "jsonc", "json5")
_OPENING_LIMIT: Final = 64  # characters of the opening line, with trailing blanks

_BEFORE: Final = "before"  # in the white space before the fence, or in its opening line
_CONTENT: Final = "content"
_AFTER: Final = "after"  # behind the closing line
_PAST: Final = "past"  # not one fence: text passes


class FenceFilter:
    """Take text of one choice, return (text, ""); the second part is for thoughts, which this filter never finds."""

    __slots__ = ("_begin", "_blank", "_end", "_held", "_limit", "_line", "_line_at", "_size", "_state", "_ticks")

    def __init__(self, limit: int = HOLD_LIMIT) -> None:
        self._limit = limit
        self._state = _BEFORE
        self._held: list[str] = []
        self._size = 0  # characters read so far
        self._line: list[str] = []  # the line that is being read; white space before the fence is left out
        self._line_at = 0  # where that line began
        self._ticks = 0  # backticks of the opening line
        self._begin = 0  # where the content begins
        self._end = 0  # where it ends, once the closing line was read
        self._blank = False  # no language named: the content must look like JSON

    @property
    def idle(self) -> bool:
        """Whether all further text will pass unchanged."""
        return self._state is _PAST

    def feed(self, text: str) -> tuple[str, str]:
        if self._state is _PAST:
            return text, ""
        self._held.append(text)
        start = 0
        while (found := text.find("\n", start)) >= 0 and self._state is not _PAST:
            self._line.append(text[start:found])
            self._size += found + 1 - start
            self._line_ends()
            self._line.clear()
            self._line_at = self._size
            start = found + 1
        if start < len(text):
            self._line.append(text[start:])
            self._size += len(text) - start
        self._look_at_beginning()
        return (self._give_back(), "") if self._state is _PAST or self._size > self._limit else ("", "")

    def end(self) -> tuple[str, str]:
        """End the choice: return the content if it was one fence, else the held text unchanged."""
        if self._state is _CONTENT:
            self._line_ends()
        if self._state is not _AFTER or self._end <= self._begin:
            return self._give_back(), ""
        content = "".join(self._held)[self._begin : self._end]
        self._give_back()
        return content, ""

    def abort(self) -> tuple[str, str]:
        """The reply broke off: return the held text unchanged."""
        return self._give_back(), ""

    def _give_back(self) -> str:
        held = "".join(self._held)
        self._held.clear()
        self._line.clear()
        self._state = _PAST
        return held

    def _look_at_beginning(self) -> None:
        """Detect early, in the middle of a line, that this is not one fence."""
        if self._state is _CONTENT and not self._blank:
            return
        line = "".join(self._line).lstrip()
        # White space before a line's text never counts; leaving it out makes a flood of blanks cost no repeated scans.
        self._line[:] = [line] if line else []
        if self._state is _BEFORE:
            if not _may_open(line):
                self._state = _PAST
        elif line:
            self._state = _CONTENT if self._state is _CONTENT and line[0] in "{[" else _PAST
            self._blank = False

    def _line_ends(self) -> None:
        line = "".join(self._line).lstrip()
        if self._state is _BEFORE:
            if line:
                self._opening(line)
        elif self._state is _CONTENT:
            self._content_line(line.rstrip())
        elif line:
            self._state = _PAST

    def _opening(self, line: str) -> None:
        language = line.lstrip("`").strip().lower()
        self._ticks = len(line) - len(line.lstrip("`"))
        if self._ticks < 3 or (language and language not in _LANGUAGES) or len(line) > _OPENING_LIMIT:
            self._state = _PAST
            return
        self._blank = not language
        self._begin = self._size
        self._state = _CONTENT

    def _content_line(self, line: str) -> None:
        if self._blank and line:
            self._blank = False
            if line[0] not in "{[":
                self._state = _PAST
                return
        rest = line.lstrip("`")
        ticks = len(line) - len(rest)
        if ticks < max(3, self._ticks):
            return  # fewer backticks than the opening line's are content
        if rest:
            self._state = _PAST  # a second opening line
            return
        self._end = self._line_at - 1  # without the line break
        if self._ends_with_return():
            self._end -= 1
        self._state = _AFTER

    def _ends_with_return(self) -> bool:
        """Whether the character before the closing line's line break is a carriage return."""
        at = self._end - 1
        return at >= self._begin and "".join(self._held)[at] == "\r"


def _may_open(line: str) -> bool:
    """Whether `line`, without white space before it, may become the opening line of a JSON fence."""
    rest = line.lstrip("`")
    if not rest:
        return len(line) <= _OPENING_LIMIT
    if len(line) - len(rest) < 3 or len(line) > _OPENING_LIMIT:
        return False
    word = rest.strip().lower()
    return any(language.startswith(word) for language in _LANGUAGES)


class FenceStage(SlotStage):
    """A stage that turns a reply which is one JSON fence into the JSON."""

    def new_filter(self, slot: Slot, *, whole: bool) -> FenceFilter:
        return FenceFilter(1 << 62 if whole else HOLD_LIMIT)
