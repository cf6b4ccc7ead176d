"""From a text to the signals that speak for one kind of task: names that the rules give weights to.

    Cues.of(data).signals(text) -> set of names

1. The ask is cut into zones. What a person wants is said at the start or at the end; the middle of a long text is
   material (an article, a table). Words of the middle count as material only.
2. English and other spaced languages go by whole words and phrases of up to four words, Chinese by runs of up to
   six characters. Both name the same groups, so what is known of a group in one language serves the other.
3. Names: `g:GROUP` in the instruction, `m:GROUP` in the material, `g2:GROUP` for several of a group, `w:WORD`,
   `b:TWO WORDS`, `o:WORD` and `p:TWO WORDS` where the instruction opens, `z:` and `q:` the same for Chinese,
   `s:SHAPE` for what the text looks like.

No regular expression here has nested or adjacent repetition over the same characters: all scans are linear, and at
most HEAD + TAIL characters are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

HEAD: Final = 1400
TAIL: Final = 600

_OPENING_WORDS: Final = 45
_CLOSING_WORDS: Final = 22
_OPENING_HAN: Final = 44
_CLOSING_HAN: Final = 24
_PHRASE: Final = 4  # words
_RUN: Final = 6  # characters

_WORD: Final = re.compile(r"[a-zA-Z\u00c0-\u024f]+(?:['’][a-zA-Z]+)?[+#]{0,2}|\d+(?:[.,:]\d+)*|[^\s\w]")
_HAN: Final = re.compile(r"[\u3400-\u9fff]")
_FENCE: Final = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_IDENTIFIER: Final = re.compile(
    r"[a-z]\w*_[a-z]\w*|\b[a-z]+[A-Z]\w+|\w\(\)|\w\.\w+\(|\b\w+\[\w+\]|</?[a-z]+>|=>|==|!=|::|&&|//"
)
_CODE_LINE: Final = re.compile(
    r"(?m)^[ \t]*(?:def \w|class \w+[:({]|import \w|from \w+ import|#include|public |private |function \w|const \w"
    r"|let \w+ =|var \w|return\b|SELECT |INSERT |UPDATE |CREATE TABLE|<\?php|<html|<div|\$ \w|>>> |for ?\(|if ?\("
    r"|while ?\(|\}|@\w+$)"
)
_FORMULA: Final = re.compile(
    r"\d ?[-+*/x×÷^=] ?\d|\b[a-z] ?[=<>] ?-?\d|\d[a-z]\b ?[-+=]|[a-z]\^"
    r"|\\(?:frac|sqrt|int|sum|log|sin|cos|le|ge|times|cdot)"
    r"|[√∫∑π≤≥∞°²³]|\bf\([a-z]\)|\d ?%|\$\d|\$[^$\n]{1,60}\$"
)
_CHOICE: Final = re.compile(r"(?m)^\s*\(?[A-Da-d][).:：、．]")
_BULLET: Final = re.compile(r"(?m)^\s*(?:[-*•]|\d{1,2}[.)、])\s")
_QUOTED: Final = re.compile('["“「『‘][^"”」』’\n]{2,}["”」』’]')


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_POLITE: Final = _words(
    "please kindly hi hello hey can could would will you u i i'd like want need to me help ok okay so just pls plz "
    "now , ! : . ; - ai for us let's and assistant dear a an the some"
)
_POLITE_HAN: Final = (
    "请问",
    "请你",
    "请您",
    "麻烦你",
    "麻烦",
    "请",
    "帮我",
    "帮忙",
    "你能",
    "能不能",
    "能否",
    "可以",
    "你好",
    "我想",
    "我需要",
    "给我",
    "您好",
)
_NUMBER_WORDS: Final = _words(
    "two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred thousand half twice "
    "dozen third quarter"
)


@dataclass(frozen=True, slots=True)
class Cues:
    """Phrases to groups: `words` by the phrase, `runs` by the run of characters, `starts` of both for speed."""

    words: Mapping[str, tuple[str, ...]]
    word_starts: frozenset[str]
    runs: Mapping[str, tuple[str, ...]]
    run_starts: frozenset[str]

    @classmethod
    def of(cls, groups: Mapping[str, Mapping[str, Iterable[str]]]) -> Cues:
        """From {group: {"en": [phrases], "zh": [runs]}}. ValueError for what can never match."""
        words: dict[str, list[str]] = {}
        runs: dict[str, list[str]] = {}
        for group, by_language in groups.items():
            for language, phrases in by_language.items():
                for phrase in phrases:
                    if language == "zh":
                        if not 0 < len(phrase) <= _RUN:
                            raise ValueError(f"{group}: {phrase!r} is not 1 to {_RUN} characters")
                        runs.setdefault(phrase.lower(), []).append(group)
                    else:
                        split = split_words(phrase.lower())
                        if not 0 < len(split) <= _PHRASE:
                            raise ValueError(f"{group}: {phrase!r} is not 1 to {_PHRASE} words")
                        words.setdefault(" ".join(split), []).append(group)
        return cls(
            words={phrase: tuple(found) for phrase, found in words.items()},
            word_starts=frozenset(phrase.split(" ", 1)[0] for phrase in words),
            runs={run: tuple(found) for run, found in runs.items()},
            run_starts=frozenset(run[0] for run in runs),
        )

    def signals(self, text: str) -> set[str]:
        """The names that hold for this text; bounded by HEAD + TAIL characters of it."""
        long = len(text) > HEAD + TAIL
        if long:
            text = text[:HEAD] + "\n" + text[-TAIL:]
        found = _shape(text, long)
        prose = _FENCE.sub(" ", text) if "```" in text else text
        lower = prose.lower().replace("’", "'")
        words = split_words(lower)
        opening, material, closing = _zones(words, _OPENING_WORDS, _CLOSING_WORDS)
        self._spaced(found, opening, closing, material)
        if not text.isascii():
            han = _han_pieces(lower)
            if han:
                self._han(found, han)
        return found

    def _spaced(self, found: set[str], opening: list[str], closing: list[str], material: list[str]) -> None:
        groups: dict[str, set[str]] = {}
        for zone in (opening, closing):
            self._phrases(zone, groups)
            found.update("w:" + word for word in zone)
            found.update(f"b:{first} {second}" for first, second in pairwise(zone))
        for group, phrases in groups.items():
            found.add("g:" + group)
            if len(phrases) > 1:
                found.add("g2:" + group)
        beside: dict[str, set[str]] = {}
        self._phrases(material, beside)
        found.update("m:" + group for group in beside)
        start = 0
        while start < len(opening) - 1 and start < 8 and opening[start] in _POLITE:
            start += 1
        if opening:
            found.add("o:" + opening[start])
            for group in self.words.get(opening[start], ()):
                found.add("og:" + group)
            if start + 1 < len(opening):
                found.add(f"p:{opening[start]} {opening[start + 1]}")
            found.add("f:" + opening[0])

    def _phrases(self, words: list[str], groups: dict[str, set[str]]) -> None:
        for index, word in enumerate(words):
            if word not in self.word_starts:
                continue
            phrase = word
            for more in range(_PHRASE):
                if more:
                    if index + more >= len(words):
                        break
                    phrase = f"{phrase} {words[index + more]}"
                for group in self.words.get(phrase, ()):
                    groups.setdefault(group, set()).add(phrase)

    def _han(self, found: set[str], text: str) -> None:
        opening, material, closing = _zones(text, _OPENING_HAN, _CLOSING_HAN)
        groups: dict[str, set[str]] = {}
        for zone in (opening, closing):
            self._runs(zone, groups)
            found.update("z:" + zone[index : index + 2] for index in range(len(zone) - 1))
        for group, runs in groups.items():
            found.add("g2:" + group if "g:" + group in found or len(runs) > 1 else "g:" + group)
            found.add("g:" + group)
        beside: dict[str, set[str]] = {}
        self._runs(material, beside)
        found.update("m:" + group for group in beside)
        polite = True
        while polite:
            polite = False
            for words in _POLITE_HAN:
                if opening.startswith(words) and len(opening) > len(words):
                    opening, polite = opening[len(words) :], True
        found.update(
            {"q:" + opening[:1], "q:" + opening[:2], "y:" + opening[-2:] if not closing else "y:" + closing[-2:]}
        )
        for length in range(1, 5):
            found.update("og:" + group for group in self.runs.get(opening[:length], ()))

    def _runs(self, text: str, groups: dict[str, set[str]]) -> None:
        for index, character in enumerate(text):
            if character in self.run_starts:
                for length in range(1, _RUN + 1):
                    run = text[index : index + length]
                    for group in self.runs.get(run, ()):
                        groups.setdefault(group, set()).add(run)


def split_words(lower: str) -> list[str]:
    """Words, numbers and marks of a lower-case text, in order."""
    return _WORD.findall(lower)


def _zones[T: (str, list[str])](whole: T, opening: int, closing: int) -> tuple[T, T, T]:
    """Instruction at the start, material, instruction at the end; a short text is all instruction."""
    if len(whole) <= opening + closing:
        return whole, whole[:0], whole[:0]
    return whole[:opening], whole[opening:-closing], whole[-closing:]


def _han_pieces(lower: str) -> str:
    """The text if a good part of it is Chinese characters, else "": a quoted word does not make an ask Chinese."""
    count = len(_HAN.findall(lower))
    return lower if count * 3 >= len(lower) * 0.25 or count >= 12 else ""


def _shape(text: str, long: bool) -> set[str]:
    """What the text looks like, whatever it says."""
    found: set[str] = set()
    size = len(text)
    han = 0 if text.isascii() else len(_HAN.findall(text))
    words = text.count(" ") + 1 + han * 0.6
    for limit in (3, 6, 10, 16, 28, 60, 120):
        if words <= limit:
            found.add(f"s:size{limit}")
            break
    else:
        found.add("s:long" if not long else "s:huge")
    stripped = text.rstrip(" \n\t\"')）”")
    if stripped.endswith(("?", "？")):
        found.add("s:asks")
    elif "?" in text or "？" in text:
        found.add("s:asks-inside")
    if han:
        found.add("s:han" if han * 3 > size * 0.3 else "s:some-han")
        if sum(text.count(mark) for mark in "，。、") == 0 and han < 12:
            found.add("s:han-short")
    if "```" in text:
        found.add("s:fence")
    if _CODE_LINE.search(text):
        found.add("s:code-line")
    for name, pattern, several in (
        ("identifier", _IDENTIFIER, 3),
        ("formula", _FORMULA, 3),
        ("choice", _CHOICE, 3),
        ("bullet", _BULLET, 3),
        ("quoted", _QUOTED, 2),
    ):
        count = len(pattern.findall(text))
        if count:
            found.add(f"s:{name}")
        if count >= several:
            found.add(f"s:{name}s")
    _numbers(found, text)
    _layout(found, text, words)
    return found


def _numbers(found: set[str], text: str) -> None:
    count = len(re.findall(r"\d+", text))
    spelt = sum(word in _NUMBER_WORDS for word in text.lower().split()[:150])
    found.add(f"s:numbers{min(count, 3) if count < 6 else 6}")
    if spelt:
        found.add("s:spelt" if spelt == 1 else "s:spelt2")
    if "=" in text:
        found.add("s:equals")
    letters = len(re.findall(r"[a-zA-Z]", text))
    if count and letters < 12 and not found & {"s:han"}:
        found.add("s:bare-numbers")


def _layout(found: set[str], text: str, words: float) -> None:
    lines = text.count("\n")
    if lines:
        found.add("s:lines" if lines < 6 else "s:many-lines")
        first, _, rest = text.strip().partition("\n")
        if len(rest) > 3 * len(first) and len(rest) > 80:
            found.add("s:instruction-first")
    head, colon, rest = text.replace("：", ":").partition(":")
    if colon and len(rest) > 60 and len(rest) > 2 * len(head):
        found.add("s:colon-then-material")
    elif colon and rest.strip():
        found.add("s:colon")
    if text[:1].islower():
        found.add("s:lower-start")
    if words > 4 and text.rstrip()[-1:] in ".。":
        found.add("s:full-stop")
    if "!" in text or "！" in text:
        found.add("s:exclaims")
