"""Sentences that the rooms below say in English, to programs and pages alike, and that a page shows translated. Pure.

Those rooms know no pages, and rows keep what they said. So a page finds the sentence of their source that a text came
from, by what stands in it between its values, and says that one in its language. Values are read in the same way, as
many are sentences themselves: `For a/m: input.store was dropped for the ollama dialect: nothing is stored`.

The messages come from the source itself (languages/rooms.py), and are held complete by tests; a text that comes from
none of them, such as a server's own words, stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import chain
from typing import Final, NamedTuple

from switchman.webui.looks.marked import N_

ROOM: Final = "said by the router"  # the context of such messages in the catalogs
# Said by pydantic, or by our own models in its place, of what is typed into a form.
OTHERS: Final = (
    N_("expected one line, without control characters"),
    N_("%(text)s: behind the arrow stands the model that answers once it is used up"),
    N_("String should have at least 1 character"),
    N_("String should have at most %(most)s characters"),
    N_("Input should be greater than 0"),
    N_("Input should be less than or equal to %(most)s"),
)
FEW_LETTERS: Final = 8  # a message that begins and ends with a value says less in fewer, and would fit anything
ENDINGS: Final = " ,;"  # what begins with one of these follows something: ` (line 3)`
PREDICATES: Final = ("was ", "is ", "has ")  # likewise, of what is named before it
LIST: Final = ("first", "rest")  # the names of the two values of a list's message
_LONGEST: Final = 8_000  # characters of a text that is looked up
_START: Final = 3  # characters of a beginning by which patterns are looked up
_DEEPEST: Final = 5  # sentences within sentences
MOST_LOOKED_UP: Final = 400  # texts within one: who strings very many messages together gets them back as they are
_VALUE: Final = re.compile(r"%\((\w+)\)s")
# Marks between sentences and their parts, from the outside in, and those of Chinese, which take no blank behind them.
_WIDE: Final = {".": "。", ";": "；", ":": "："}


class _Found(NamedTuple):
    text: str
    letters: int  # of the text, that came from messages; 0: nothing is known of it


_Known = dict[tuple[str, int], _Found]  # of one text that is looked up: what is in it, by how deep it stands


class _Pattern(NamedTuple):
    literals: tuple[str, ...]  # one more than there are names
    names: tuple[str, ...]
    letters: int

    def values(self, text: str) -> dict[str, str] | None:
        """What stands for each name; the shortest that fits, from left to right, so that no text takes long."""
        first, *middle, last = self.literals  # there is a value: others are looked up whole
        at, end = len(first), len(text) - len(last)
        if at > end or not text.startswith(first) or not text.endswith(last):
            return None
        found = dict.fromkeys(self.names, "")
        taken = self.names[0]  # of values side by side the first has all: how it ends is found in it
        for name, literal in zip(self.names[1:], middle, strict=True):
            if literal:
                if (here := text.find(literal, at, end)) < 0:
                    return None
                found[taken], at, taken = text[at:here], here + len(literal), name
        found[taken] = text[at:end]
        return found


def letters_of(message: str) -> int:
    """How many letters a message says itself."""
    return sum(map(str.isalpha, _VALUE.sub("", message)))


def _pattern(message: str) -> _Pattern:
    literals = tuple(text.replace("%%", "%") for text in _VALUE.split(message)[::2])
    return _Pattern(literals, tuple(_VALUE.findall(message)), letters_of(message))


class Sentences:
    """What the rooms below say, in one other language. `messages`: each message with its translation."""

    def __init__(self, messages: Mapping[str, str]) -> None:
        whole = {text: words for text, words in messages.items() if not _VALUE.search(text)}
        self._whole = {text.replace("%%", "%"): words.replace("%%", "%") for text, words in whole.items()}
        patterns = [
            (_pattern(text.lstrip() if text[:3] == " %(" else text), words)
            for text, words in messages.items()
            if text not in whole
        ]
        for text, words in messages.items():
            if text[0] in ENDINGS and text[:3] != " %(":
                patterns.append((_pattern(f"%(head)s{text}"), f"%(head)s{words}"))
            elif text.startswith(PREDICATES):
                patterns.append((_pattern(f"%(head)s {text}"), f"%(head)s {words}"))
        self._anywhere: list[tuple[_Pattern, str]] = []
        self._by_start: dict[str, list[tuple[_Pattern, str]]] = {}
        for one in patterns:
            start = one[0].literals[0][:_START]
            if one[0].names != LIST:
                (self._by_start.setdefault(start, []) if len(start) == _START else self._anywhere).append(one)
        self._lists = [one for one in patterns if one[0].names == LIST]  # `a/m, then b/m`: within a sentence only
        self._cached = lru_cache(4096)(self._of_text)

    def told(self, text: str) -> str:
        """A text in this language, as far as it is known; the text itself where it is not."""
        return self._cached(text) if len(text) <= _LONGEST else text

    def _of_text(self, text: str) -> str:
        known: _Known = {}
        found = self._told(text, 0, known)
        return found.text if len(known) <= MOST_LOOKED_UP else text

    def _told(self, text: str, depth: int, known: _Known) -> _Found:
        if depth > _DEEPEST or " " not in text:
            return _Found(text, 0)
        if (words := self._whole.get(text)) is not None:
            return _Found(words, sum(map(str.isalpha, text)))
        if (there := known.get((text, depth))) is not None or len(known) > MOST_LOOKED_UP:
            return there or _Found(text, 0)
        known[text, depth] = _Found(text, 0)  # it counts from here on
        whole = self._by_pattern(text, depth, known)
        mark = next((mark for mark in _WIDE if f"{mark} " in text), None)
        parts = self._in_parts(text, mark, depth, known) if mark else whole
        found = known[text, depth] = parts if parts.letters >= whole.letters else whole
        return found

    def _by_pattern(self, text: str, depth: int, known: _Known) -> _Found:
        best, start = _Found(text, 0), 0
        starting = self._by_start.get(text[:_START], ())
        for pattern, words in chain(starting, self._anywhere, self._lists if depth else ()):
            if (values := pattern.values(text)) is not None:
                found = {name: self._told(value, depth + 1, known) for name, value in values.items()}
                letters = pattern.letters + sum(one.letters for one in found.values())
                # Of two that say as much, the one that says how the text begins: the other is in a value of it.
                if (letters, len(pattern.literals[0])) > (best.letters, start):
                    best = _Found(words % {name: one.text for name, one in found.items()}, letters)
                    start = len(pattern.literals[0])
        return best

    def _in_parts(self, text: str, mark: str, depth: int, known: _Known) -> _Found:
        """Several sentences, one after the other, each by itself; or what stands before a mark, and what behind it."""
        *parts, last = text.split(f"{mark} ", 1 if mark == ":" else -1)
        joined, letters = "", 0
        for part in (*(f"{part}{mark}" for part in parts), last):
            one = self._told(part, depth + 1, known)
            if not one.letters and part.endswith(mark) and (bare := self._told(part[:-1], depth + 1, known)).letters:
                one = bare._replace(text=bare.text + _WIDE[mark])
            joined += one.text if not joined or joined.endswith(tuple(_WIDE.values())) else f" {one.text}"
            letters += one.letters
        return _Found(joined, letters)
