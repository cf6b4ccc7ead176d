"""Reduce Chinese text to what the guards compare, sentence by sentence.

    chinese(text) -> text

Courtesies and small words without a meaning of their own are removed, synonymous questions are unified, numerals
become numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from switchman.addons.core.cache import guardwords_zh as words

HAN: Final = "\u3400-\u9fff"
STOPS: Final = frozenset(".,;:!?…。，、；：！？~")
_NUMERALS: Final = re.compile("[零一二三四五六七八九十百千万亿]+")
# Two or three of them (两三个, 十七八, 三五百), a unit that is left out (一百二 is 120), units alone (百度, 万一),
# none of a unit (零万).
_UNCERTAIN: Final = re.compile(
    "^[一二三四五六七八九]{2}$|[一二三四五六七八九]{2}[十百千万亿]|[十百千万亿][一二三四五六七八九]{2}|[百千万亿][一二三四五六七八九]$|^[百千万亿]|零[十百千万亿]"
)
_LONGEST_NUMBER: Final = 15  # numerals of the longest number that is converted
_SHORT: Final = 8  # characters: in so short a text, thanks may be a part of it
# 的 between two words, and 一下 after a verb; not where they are a part of a word (目的, 的士, 一下子).
_SMALL: Final = re.compile(
    rf"(?<=[{HAN}])(?<![目标打有零一二三四五六七八九十百千万亿两])的(?=[{HAN}a-zA-Z])(?![士确])|(?<=[a-zA-Z])的(?=[{HAN}])|(?<=[{HAN}])一下(?!子)"
)
_SPACED: Final = re.compile(rf"(?<=[{HAN}]) (?=\w)|(?<=\w) (?=[{HAN}])")


def chinese(text: str) -> str:
    """Reduce a text sentence by sentence."""
    parts = re.split(f"([{re.escape(''.join(STOPS))}\n])", text)
    verbatim = _verbatim(parts, words.WORD_FOR_WORD)
    # After a colon stands what is asked about, word for word.
    kept = [
        part if index and part and (parts[index - 1] in ":：" or index > verbatim) else _sentence(part)
        for index, part in enumerate(parts)
    ]
    # Thanks apart from it are thanks all the same, if there was more than a word or two to work on.
    length = sum(map(len, kept[verbatim:]))
    while len(kept) > verbatim + 1 and ((last := kept[-1].strip()) in ("", *STOPS) or last in words.CLOSERS):
        length -= len(kept[-1])
        if last in words.CLOSERS and length <= _SHORT:
            break
        kept.pop()
    return "".join(kept)


def _verbatim(parts: Sequence[str], about_words: Iterable[str]) -> int:
    """The index of the first colon, if the part before it asks for work on words: what follows is their text."""
    colon = next((index for index, part in enumerate(parts) if part and part in ":："), len(parts))
    return colon if any(word in part for part in parts[:colon] for word in about_words) else len(parts)


def _sentence(part: str) -> str:
    if part in STOPS or not re.search(f"[{HAN}]", part):
        return part
    bare = _SMALL.sub("", _bare(_SPACED.sub("", part.strip())))
    for phrase, meaning in words.REWRITTEN:
        bare = bare.replace(phrase, meaning)
    for phrase, meaning in words.WHETHER:
        if phrase in bare:
            bare = bare.replace(phrase, meaning, 1)
            bare = bare if bare.endswith("吗") else bare + "吗"
    if bare.startswith("什么是") and len(bare) > 3:
        bare = bare[3:] + "是什么"
    return _NUMERALS.sub(lambda found: _number(found[0]), bare)


def _bare(sentence: str) -> str:
    """The sentence without courtesies at either end; "" where nothing else is left."""
    changed, please = True, False
    while changed:
        if sentence in words.OPENERS or sentence in words.CLOSERS or sentence in words.ALONE:
            return ""
        changed = False
        for phrase in words.OPENERS:
            if sentence.startswith(phrase) and _is_courtesy(phrase, sentence[len(phrase) :].lstrip()):
                sentence, changed = sentence[len(phrase) :].lstrip(), True
                sentence = sentence.removesuffix("吗") if phrase in words.CAN_YOU else sentence
                please = please or phrase[-1] in "请烦"
        for phrase in words.CLOSERS:
            rest = sentence.removesuffix(phrase).rstrip()
            if rest != sentence and (len(phrase) == 1 or rest[-1:] not in words.SPOKEN_OF):
                sentence, changed = rest, True
    if please and sentence.startswith(("你", "您")) and len(sentence) > 3 and sentence[1] not in "们家":  # 请你说 is 说
        return sentence[1:]
    return sentence


def _is_courtesy(phrase: str, rest: str) -> bool:
    """Whether the phrase is a courtesy, and no part of the ask, as it is in 请假 and 麻烦是什么意思."""
    if phrase in words.ONLY_BEFORE:
        return rest[:1] in words.ONLY_BEFORE[phrase]
    return not (phrase.endswith("请") and rest[:1] in words.NOT_PLEASE) and not rest.startswith("的")


def _number(numeral: str) -> str:
    """Convert 十五 to 15, and a row of digits (二零二四) digit by digit. A numeral with another reading stays."""
    if len(numeral) > _LONGEST_NUMBER or _UNCERTAIN.search(numeral):
        return numeral
    if not any(character in words.UNITS for character in numeral):
        return "".join(str(words.DIGITS[character]) for character in numeral)
    total = section = digit = 0
    for character in numeral:
        if character in words.DIGITS:
            digit = words.DIGITS[character]
        elif (unit := words.UNITS[character]) < 10_000:
            section += (digit or 1) * unit
            digit = 0
        else:
            total = (total + section + digit or 1) * unit
            section = digit = 0
    return str(total + section + digit)
