"""Find the signals in a text that indicate a type of task: names to which the rules give weights.

    Cues.of(data).signals(text) -> set of names

1. The ask is cut into zones. A person's wish stands at the start or at the end; the middle of a long text is material
   (an article, a table), and its words count as material only.
2. English and other spaced languages are matched by whole words and phrases of up to four words, Chinese by runs of up
   to six characters. Both name the same groups, so the weight of a group serves all languages.
3. Names: `g:GROUP` in the instruction, `m:GROUP` in the material, `g2:GROUP` for several of a group, `w:WORD`,
   `b:TWO WORDS`; where the instruction opens `o:WORD`, `p:TWO WORDS` and `og:GROUP` behind courtesies, `f:WORD` for
   the very first word; for Chinese `z:` two characters, `q:` the opening's first one or two, `y:` the last two;
   `s:SHAPE` for the form of the text.

No regular expression here has nested or adjacent repetition over the same characters: all scans are linear, and at
most HEAD + TAIL characters are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from switchman.addons.core.request.traditional import simplified

HEAD: Final = 900
TAIL: Final = 450

_OPENING_WORDS: Final = 45
_CLOSING_WORDS: Final = 22
_OPENING_HAN: Final = 44
_CLOSING_HAN: Final = 24
_SHAPED: Final = 500  # characters, from the start and half as many from the end, whose shape is looked at
_MATERIAL_WORDS: Final = 110
_MATERIAL_HAN: Final = 160
_PHRASE: Final = 4  # words
_RUN: Final = 6  # characters

_WORD: Final = re.compile(
    r"[a-zA-Z\u00c0-\u024f]+(?:['’][a-zA-Z]+)?[+#]{0,2}|\d+(?:[.,:]\d+)*|[^\s\w\u3000-\u303f\uff00-\uff65“”‘’…—·]"
)
_DIGITS: Final = re.compile(r"\d+")
_LETTER: Final = re.compile(r"[a-zA-Z]")
_HAN: Final = re.compile(r"[\u3400-\u9fff]")
_FENCE: Final = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_IDENTIFIER: Final = re.compile(
    r"[a-z]_[a-z]|[a-z][A-Z][a-z]|\w\(\)|\.[a-z]\w{0,30}\(|\w\[\w{1,12}\]|</?[a-z]{1,12}>|=>|==|!=|::|&&|//"
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
_CHOICE: Final = re.compile(r"(?m)^[ \t]*\(?[A-Da-d][).:：、．]")
_BULLET: Final = re.compile(r"(?m)^[ \t]*(?:[-*•]|\d{1,2}[.)、])\s")
_QUOTED: Final = re.compile('["“「『‘][^"“”「」『』‘’\n]{2,200}["”」』’]')

_INLINE: Final = re.compile(r"`[^`\n]{1,80}`")
_SHAPES: Final = (  # name, pattern, and how many are several
    ("identifier", _IDENTIFIER, 3),
    ("formula", _FORMULA, 3),
    ("choice", _CHOICE, 3),
    ("bullet", _BULLET, 3),
    ("quoted", _QUOTED, 2),
    ("inline", _INLINE, 2),
)
_SIZES: Final = (3, 6, 10, 16, 28, 60, 120)  # words


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
    """Phrases to groups: `words` by the phrase, `runs` by the run of characters.

    For speed: `word_reach` has the number of words of the longest phrase that a word begins, `run_lengths` the lengths
    of the runs that two characters begin.
    """

    words: Mapping[str, tuple[str, ...]]
    word_reach: Mapping[str, int]
    runs: Mapping[str, tuple[str, ...]]
    run_lengths: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, groups: Mapping[str, Mapping[str, Iterable[str]]]) -> Cues:
        """Compile {group: {"en": [phrases], "zh": [runs]}}. ValueError for a phrase that can never match."""
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
            word_reach=_reach(words),
            runs={run: tuple(found) for run, found in runs.items()},
            run_lengths=_lengths(runs),
        )

    def signals(self, text: str) -> set[str]:
        """The names that hold for this text; bounded by HEAD + TAIL characters of it."""
        head, tail = HEAD, TAIL
        if not text.isascii() and len(_HAN.findall(text[:200])) > 60:
            head, tail = HEAD // 2, TAIL // 2  # a Chinese character holds as much as two or three letters
        long = len(text) > head + tail
        if long:
            text = text[:head] + "\n" + text[-tail:]
        found = _shape(text, long)
        prose = _FENCE.sub(" ", text) if "```" in text else text
        lower = prose.lower().replace("’", "'")
        words = split_words(lower)
        opening, material, closing = _zones(words, _OPENING_WORDS, _CLOSING_WORDS)
        self._spaced(found, opening, closing, material)
        if not text.isascii():
            han = simplified(_han_pieces(lower))
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
        self._phrases(material[:_MATERIAL_WORDS], beside)
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
        reach, known = self.word_reach, self.words
        for index, word in enumerate(words):
            if (longest := reach.get(word)) is None:
                continue
            for length in range(1, min(longest, len(words) - index) + 1):
                phrase = word if length == 1 else " ".join(words[index : index + length])
                for group in known.get(phrase, ()):
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
        self._runs(material[:_MATERIAL_HAN], beside)
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
        known, lengths = self.runs, self.run_lengths
        for index in range(len(text)):
            for group in known.get(text[index], ()):
                groups.setdefault(group, set()).add(text[index])
            for length in lengths.get(text[index : index + 2], ()):
                run = text[index : index + length]
                for group in known.get(run, ()):
                    groups.setdefault(group, set()).add(run)


def _reach(phrases: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for phrase in phrases:
        split = phrase.split(" ")
        found[split[0]] = max(found.get(split[0], 0), len(split))
    return found


def _lengths(runs: Iterable[str]) -> dict[str, tuple[int, ...]]:
    found: dict[str, set[int]] = {}
    for run in runs:
        if len(run) > 1:
            found.setdefault(run[:2], set()).add(len(run))
    return {start: tuple(sorted(lengths)) for start, lengths in found.items()}


def split_words(lower: str) -> list[str]:
    """Words, numbers and marks of a lower-case text, in order."""
    return _WORD.findall(lower)


def _zones[T: (str, list[str])](whole: T, opening: int, closing: int) -> tuple[T, T, T]:
    """Cut into instruction at the start, material, instruction at the end; a short text is all instruction."""
    if len(whole) <= opening + closing:
        return whole, whole[:0], whole[:0]
    return whole[:opening], whole[opening:-closing], whole[-closing:]


def _han_pieces(lower: str) -> str:
    """The text if enough of it is Chinese characters, else "": a quoted word does not make an ask Chinese."""
    count = len(_HAN.findall(lower))
    return lower if count * 3 >= len(lower) * 0.25 or count >= 12 else ""


def _shape(text: str, long: bool) -> set[str]:
    """Signals of the text's form, independent of its words."""
    found: set[str] = set()
    sample = text if len(text) <= _SHAPED * 3 // 2 else text[:_SHAPED] + "\n" + text[-_SHAPED // 2 :]
    han = 0 if text.isascii() else len(_HAN.findall(text))
    words = text.count(" ") + 1 + han * 0.6
    size = next((limit for limit in _SIZES if words <= limit), 0)
    found.add(f"s:size{size}" if size else "s:huge" if long else "s:long")
    if han:
        found.add("s:han" if han * 3 > len(text) * 0.3 else "s:some-han")
        if han < 12 and not any(mark in text for mark in "，。、"):
            found.add("s:han-short")
    if "```" in text:
        found.add("s:fence")
    if _CODE_LINE.search(sample):
        found.add("s:code-line")
    for name, pattern, several in _SHAPES:
        count = len(pattern.findall(sample))
        if count:
            found.add(f"s:{name}")
        if count >= several:
            found.add(f"s:{name}s")
    _numbers(found, sample)
    _layout(found, text, words)
    return found


def _numbers(found: set[str], text: str) -> None:
    count = len(_DIGITS.findall(text))
    spelt = sum(word in _NUMBER_WORDS for word in text.lower().split()[:150])
    found.add(f"s:numbers{min(count, 3) if count < 6 else 6}")
    if spelt:
        found.add("s:spelt" if spelt == 1 else "s:spelt2")
    if "=" in text:
        found.add("s:equals")
    if count and len(_LETTER.findall(text[:80])) < 12 and not found & {"s:han"}:
        found.add("s:bare-numbers")


def _layout(found: set[str], text: str, words: float) -> None:
    stripped = text.rstrip(" \n\t\"')）”")
    if stripped.endswith(("?", "？")):
        found.add("s:asks")
    elif "?" in text or "？" in text:
        found.add("s:asks-inside")
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
