"""An ask as the guards compare it: words in order, without what never changes an answer.

    signature(text) -> Signature

1. Characters: compatibility forms made one (NFKC), typographic quotes and dashes plain.
2. Spans: fenced and inline code, and what is quoted, count as they are written; nothing in them is rewritten.
3. Outside of them: contractions are written out, spellings made one, number words become numbers, greetings and
   thanks at the ends of sentences go, articles go. Sentence punctuation goes; signs that mean something (+ - = < > != %
   # $ and, in a formula, brackets) stay.
4. Chinese goes by characters, without spaces, with its own courtesies and its own ways to ask the same.

Linear in the length of the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from switchman.addons.core import guardwords as words
from switchman.addons.core import guardwords_zh as words_zh

_PLAIN: Final = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "−": "-", "×": "*", "÷": "/"}
)
_SPAN: Final = re.compile(
    r"```(?P<fence>.*?)(?:```|\Z)|`(?P<code>[^`\n]{1,400})`"
    r'|"(?P<quote>[^"\n]{1,2000})"|(?<![\w\'])\'(?P<single>[^\'\n]{1,400})\'(?![\w\'])|[「『《](?P<east>[^「」『』《》\n]{1,2000})[」』》]',
    re.DOTALL,
)
_HAN: Final = "\u3400-\u9fff"
_TOKEN: Final = re.compile(
    rf"[{_HAN}]|!=|(?<![^\s(])(?:\.{{1,2}}/|[.!~]\w+|~/)|\d+(?:[.,:]\d+)*(?:st|nd|rd|th)?|(?:[^\W\d_{_HAN}]|_|(?<=\w)\d)+(?:'[^\W\d_{_HAN}]+)?(?:\+\+|#)?|[^\w\s]"
)
_VERBATIM: Final = re.compile(rf"[{_HAN}]|\w+|[^\w\s]")
_FORMULA: Final = re.compile(
    r"\d ?[-+*/^=]|[-+*/^=] ?\d|[a-z] ?[=^] ?[a-z]|\w\(|\b[^\W\d_] ?[-+*/|] ?[^\W\d_]\b|[\[({][^\w\s]*\w[^\w\s]*[\])}]"
)
_STOPS: Final = frozenset(".,;:!?…。，、；：！？~")
_QUIET: Final = frozenset("\"'`()[]{}（）【】「」『』《》·|*_")
_BRACKETS: Final = frozenset("()[]{}*_|")
_NUMERALS_ZH: Final = re.compile("[零一二三四五六七八九十百千万亿]+")
_LONGEST_NUMBER: Final = 15  # digits, or numerals; more is no number that anybody says
_STOP: Final = "\n"


class Token(NamedTuple):
    """`text` is lower-case, `written` as it stood there. `fixed`: from code or a quotation. `named`: begins with a
    capital where a sentence does not begin."""

    text: str
    written: str
    fixed: bool = False
    named: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """The words of an ask in order. `shouted`: its case says nothing (all small or all capital)."""

    tokens: tuple[Token, ...]
    shouted: bool

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(token.text for token in self.tokens)


def signature(text: str) -> Signature:
    """What has to be equal for two asks to be the same."""
    text = unicodedata.normalize("NFKC", text).translate(_PLAIN)
    formula = _FORMULA.search(text) is not None
    tokens: list[Token] = []
    position = 0
    for span in _SPAN.finditer(text):
        tokens += _loose(text[position : span.start()], formula, start=position == 0)
        inside = span[span.lastgroup] if span.lastgroup else ""
        symbols = span.lastgroup in ("fence", "code")
        tokens += _fixed(inside, symbols)
        position = span.end()
    tokens += _loose(text[position:], formula, start=position == 0)
    loud = text == text.upper()
    kept = _without_courtesy(_numbered(tokens), loud)
    return Signature(tuple(_asked_alike(kept)), loud or text == text.lower())


def _fixed(text: str, symbols: bool) -> list[Token]:
    """A span as it is; in a quotation of words, punctuation says nothing."""
    return [
        Token(found.lower(), found, fixed=True)
        for found in _VERBATIM.findall(text)
        if symbols or (found not in _STOPS and found not in _QUIET)
    ]


def _loose(text: str, formula: bool, start: bool) -> list[Token]:
    """Words outside of spans, rewritten; _STOP where a sentence ends."""
    if not text.isascii():
        text = _chinese(text)
    found: list[Token] = []
    begins = start
    raw = _TOKEN.findall(text)
    for index, piece in enumerate(raw):
        if piece in _STOPS:
            if found and found[-1].text != _STOP:
                found.append(Token(_STOP, piece))
            begins = piece in ".!?。！？"
            continue
        if piece.isalpha() and piece.islower() and piece not in words.CONTRACTED:  # most words: the quick way
            begins = False
            found.append(Token(words.SPELLINGS.get(piece, piece), piece))
            continue
        if _silent(piece, raw, index, formula):
            continue
        named = piece[:1].isupper() and not begins and piece.lower() != "i"
        begins = False
        found += [Token(part, piece, named=named) for part in _rewritten(piece)]
    if text.endswith(("\n\n", ":\n")) and found:
        found.append(Token(_STOP, _STOP))
    return found


def _silent(piece: str, raw: Sequence[str], index: int, formula: bool) -> bool:
    """Signs that say nothing where they stand."""
    if piece == "-":  # a minus beside a number counts, a hyphen between words does not
        after = raw[index + 1] if index + 1 < len(raw) else ""
        before = raw[index - 1] if index else " "
        letter = len(after) == 1 and after.isalpha() and after.isascii()
        return not (after[:1].isdigit() or (letter and (len(before) == 1 or after.lower() not in "ai")))
    if piece in _BRACKETS and formula:
        return False
    return piece in _QUIET


def _rewritten(piece: str) -> list[str]:
    lower = piece.lower()
    if lower[0].isdigit():
        plain = lower.replace(",", "") if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", lower) else lower
        return [plain]
    if (written := words.CONTRACTED.get(lower)) is not None:
        return written.split(" ")
    if "'" in lower:
        for ending, word in words.ENDINGS.items():
            if lower.endswith(ending):
                return [words.SPELLINGS.get(stem := lower[: -len(ending)], stem), word]
        head, _, tail = lower.partition("'")
        return [head, "'" + tail]
    if lower == "&":
        return ["and"]
    if lower == "%":
        return ["percent"]
    return [words.SPELLINGS.get(lower, lower)]


def _numbered(tokens: Iterable[Token]) -> list[Token]:
    """Number words as numbers: twenty five and two hundred are one number each."""
    found: list[Token] = []
    value: int | None = None  # of the number words so far

    def finish() -> None:
        nonlocal value
        if value is not None:
            found.append(Token(str(value), str(value)))
            value = None

    special = words.NUMBER_WORDS
    for token in tokens:
        word = token.text
        if word not in special:
            if value is not None:
                finish()
            found.append(token)
            continue
        if not token.fixed and (number := words.NUMBERS.get(word)) is not None:
            if value is not None and ((value % 100 < 20 and value % 100) or (number >= 10 and value % 100)):
                finish()
            value = (value or 0) + number
        elif not token.fixed and (times := words.MULTIPLES.get(word)) is not None:
            before = found[-1].text if found and value is None else ""
            if before.isdecimal() and len(before) <= _LONGEST_NUMBER:
                found[-1] = Token(str(int(before) * times), word)
            elif value is not None and value >= 10**_LONGEST_NUMBER:
                finish()
                value = times
            else:
                value = (value or 1) * times
        else:
            finish()
            ordinal = None if token.fixed else words.ORDINALS.get(word)
            found.append(Token(ordinal, word) if ordinal else token)
    finish()
    return found


def _without_courtesy(tokens: list[Token], loud: bool) -> list[Token]:
    """Sentence by sentence without the words of courtesy at its ends; if nothing else was said, all stays."""
    sentences: list[list[Token]] = [[]]
    given = {0: False}  # what follows a colon is what is asked about: there, a greeting is no courtesy
    for token in tokens:
        if token.text == _STOP:
            given[len(sentences)] = token.written in ":："
            sentences.append([])
        else:
            sentences[-1].append(token)
    kept = [
        token
        for index, sentence in enumerate(sentences)
        for token in _filtered(sentence if given[index] else _bare(sentence), loud)
    ]
    return kept or [token for token in tokens if token.text != _STOP]


def _bare(sentence: list[Token]) -> list[Token]:
    texts = tuple("" if token.fixed else token.text for token in sentence)
    first, last = 0, len(texts)
    changed = True
    while changed and first < last:
        changed = False
        for phrase in words.OPENERS.get(texts[first], ()):
            if texts[first : first + len(phrase)] == phrase and first + len(phrase) <= last:
                first, changed = first + len(phrase), True
                break
        for phrase in words.CLOSERS.get(texts[last - 1], ()) if first < last else ():
            if texts[max(last - len(phrase), first) : last] == phrase:
                last, changed = last - len(phrase), True
                break
    return sentence[first:last]


def _filtered(sentence: list[Token], loud: bool) -> list[Token]:
    return [
        token
        for index, token in enumerate(sentence)
        if token.fixed or token.text not in words.FILLERS or (token.text == "a" and _is_letter(sentence, index, loud))
    ]


def _is_letter(sentence: list[Token], index: int, loud: bool) -> bool:
    """Whether this `a` is the letter: vitamin A, or nothing after it that an article could belong to."""
    if index + 1 == len(sentence) or not sentence[index + 1].text[:1].isalnum():
        return True
    before = sentence[index - 1].text if index else ""
    return before in words.ALWAYS_LETTERED or (before in words.LETTERED and sentence[index].written == "A" and not loud)


def _asked_alike(tokens: list[Token]) -> list[Token]:
    """The ways to ask how a thing is done, as one."""
    texts = tuple(token.text for token in tokens)
    for phrase in words.HOW:
        size = len(phrase)
        if texts[:size] == phrase and len(texts) > size:
            if "you" in phrase and texts[size] in words.ABOUT_YOU:
                break
            return [Token("how to", "how to"), *tokens[size:]]
    if texts[:3] == ("what", "are", "some"):
        return tokens[:2] + tokens[3:]
    return tokens


# ---- Chinese ------------------------------------------------------------------------------------------------------


def _chinese(text: str) -> str:
    """Sentence by sentence, with one way to say what can be said in several."""
    parts = re.split(f"([{re.escape(''.join(_STOPS))}\n])", text)
    # After a colon stands what is asked about, word for word.
    return "".join(
        part if index and parts[index - 1] in ":：" and part else _sentence(part) for index, part in enumerate(parts)
    )


def _sentence(part: str) -> str:
    if part in _STOPS or not re.search(f"[{_HAN}]", part):
        return part
    bare = _bare_chinese(part.strip())
    for said, meant in words_zh.REWRITTEN:
        bare = bare.replace(said, meant)
    for said, meant in words_zh.WHETHER:
        if said in bare:
            bare = bare.replace(said, meant, 1)
            bare = bare if bare.endswith("吗") else bare + "吗"
    if bare.startswith("什么是") and len(bare) > 3:
        bare = bare[3:] + "是什么"
    return _NUMERALS_ZH.sub(lambda found: _number_zh(found[0]), bare)


def _bare_chinese(sentence: str) -> str:
    """Without courtesies at either end; "" where there is nothing else."""
    changed = True
    while changed:
        if sentence in words_zh.OPENERS or sentence in words_zh.CLOSERS or sentence in words_zh.ALONE:
            return ""
        changed = False
        for phrase in words_zh.OPENERS:
            if sentence.startswith(phrase):
                sentence, changed = sentence[len(phrase) :].lstrip(), True
        for phrase in words_zh.CLOSERS:
            if sentence.endswith(phrase):
                sentence, changed = sentence[: -len(phrase)].rstrip(), True
    if sentence.startswith("你") and len(sentence) > 3 and sentence[1] not in "们家":  # 请你说 is 说
        return sentence[1:]
    return sentence


def _number_zh(numeral: str) -> str:
    """十五 as 15; a row of digits (二零二四) digit by digit."""
    if len(numeral) > _LONGEST_NUMBER:
        return numeral
    if not any(character in words_zh.UNITS for character in numeral):
        return "".join(str(words_zh.DIGITS[character]) for character in numeral)
    total = section = digit = 0
    for character in numeral:
        if character in words_zh.DIGITS:
            digit = words_zh.DIGITS[character]
        elif (unit := words_zh.UNITS[character]) < 10_000:
            section += (digit or 1) * unit
            digit = 0
        else:
            total = (total + section + digit or 1) * unit
            section = digit = 0
    return str(total + section + digit)
