"""Words: a list of words and phrases, found in a text in linear time, however long the list is.

    # customers, one to a line
    ACME Corp
    Projekt Falke

Case does not count, and any white space stands for any other. A word is found where it stands whole; one with
characters of scripts that put no space between words (Chinese, Japanese, Thai) anywhere. Lines that begin with `#` are
comments.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

MOST_WORDS: Final = 32  # of one phrase
MOST_LENGTH: Final = 256  # characters of a line

_WORD: Final = re.compile(r"\w+")
_NEXT: Final = re.compile(r"(\W{1,8})(\w+)")
_SPACE: Final = re.compile(r"\s+")
# Thai, Lao, Myanmar, Khmer; CJK and kana. Hangul is written with spaces, but its particles are not set apart.
_UNSPACED: Final = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
# Of latin-1: what is no part of a word becomes a space, and letters are made small.
_SMALL: Final = bytes(
    code if c == "_" else ord(c.lower()) if c.isalnum() and c.lower() < "\u0100" else 0x20
    for code, c in ((code, chr(code)) for code in range(256))
)
_END: Final = ""  # the key in a node of what ends here


class Words:
    """The words of a list. `faults`: (line from 1, what is wrong with it). `digest`: of the lines."""

    def __init__(self, lines: Iterable[str]) -> None:
        lines = list(lines)
        self.digest = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).digest()
        self._first: dict[str, dict[Any, Any]] = {}
        self._unspaced: dict[str, set[str]] = {}
        self.faults: list[tuple[int, str]] = []
        self.count = 0
        for number, line in enumerate(lines, 1):
            if (phrase := line.strip().removeprefix("\ufeff")) and not phrase.startswith("#"):
                self._add(number, phrase)
        self._ascii = {first.encode() for first in self._first if first.isascii()}
        self._others = len(self._ascii) < len(self._first)
        self._lengths = {
            first: sorted({len(w) for w in words}, reverse=True) for first, words in self._unspaced.items()
        }
        starts = {variant for first in self._unspaced for variant in (first, first.upper()) if len(variant) == 1}
        self._starts = re.compile("[" + "".join(map(re.escape, sorted(starts))) + "]") if starts else None

    def _add(self, number: int, phrase: str) -> None:
        words = _WORD.findall(phrase)
        if not words:
            self.faults.append((number, "has no letter and no digit"))
        elif len(words) > MOST_WORDS or len(phrase) > MOST_LENGTH:
            self.faults.append((number, f"is longer than {MOST_WORDS} words or {MOST_LENGTH} characters"))
        elif _UNSPACED.search(phrase):
            lowered = phrase.lower()
            self._unspaced.setdefault(lowered[0], set()).add(lowered)
            self.count += 1
        else:
            first = _WORD.search(phrase)
            assert first is not None
            node, at = self._first.setdefault(first[0].lower(), {}), first.end()
            while match := _NEXT.match(phrase, at):
                node, at = node.setdefault(_step(match), {}), match.end()
            node[_END] = True
            self.count += 1

    def find(self, text: str, data: bytes) -> Iterator[tuple[int, int]]:
        """The places of all words, the longest where several begin; those that overlap, too.

        `data`: the text in latin-1, with anything in the place of what that has not.
        """
        if self._first:
            small = data.translate(_SMALL)
            if (self._others and not text.isascii()) or not self._ascii.isdisjoint(small.split()):
                yield from self._spaced(text)
        if self._starts is not None:
            yield from self._anywhere(text, self._starts)

    def _spaced(self, text: str) -> Iterator[tuple[int, int]]:
        for match in _WORD.finditer(text):
            node = self._first.get(match[0].lower())
            if node is None:
                continue
            at, end = match.end(), match.end() if _END in node else 0
            while (following := _NEXT.match(text, at)) and (node := node.get(_step(following))) is not None:
                at = following.end()
                end = at if _END in node else end
            if end:
                yield match.start(), end

    def _anywhere(self, text: str, starts: re.Pattern[str]) -> Iterator[tuple[int, int]]:
        for match in starts.finditer(text):
            at, first = match.start(), match[0].lower()
            for length in self._lengths.get(first, ()):
                if text[at : at + length].lower() in self._unspaced[first]:
                    yield at, at + length
                    break


class Several(Words):
    """The words of several lists."""

    def __init__(self, lists: Iterable[Words]) -> None:
        super().__init__(())
        self._lists = tuple(lists)

    def find(self, text: str, data: bytes) -> Iterator[tuple[int, int]]:
        for words in self._lists:
            yield from words.find(text, data)


def _step(match: re.Match[str]) -> tuple[str, str]:
    return _SPACE.sub(" ", match[1]), match[2].lower()
