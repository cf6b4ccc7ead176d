"""Reduce an ask to what the guards compare: its words in order, without what never changes an answer.

    signature(text) -> Signature

1. Characters: compatibility forms are unified (NFKC), typographic quotes and dashes become plain ones.
2. Spans: fenced and inline code and quotations are compared as they are written; nothing in them is rewritten.
3. Outside of them: contractions are written out, spellings unified, number words become numbers; greetings and thanks
   at the ends of sentences, articles and sentence punctuation are removed. Signs with a meaning (+ - = < > != % # $
   and, in a formula, brackets) stay.
4. Chinese is compared by characters, without spaces, with courtesies and synonymous questions of its own.

Linear in the length of the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from switchman.addons.core.cache import guardwords as words
from switchman.addons.core.cache.guardtext_zh import HAN, STOPS, chinese

_PLAIN: Final = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "−": "-", "×": "*", "÷": "/"}
)
_SPAN: Final = re.compile(
    r"```(?P<fence>.*?)(?:```|\Z)|`(?P<code>[^`\n]{1,400})`"
    r'|"(?P<quote>[^"\n]{1,2000})"|(?<![\w\'])\'(?P<single>[^\'\n]{1,400})\'(?![\w\'])|[「『《](?P<east>[^「」『』《》\n]{1,2000})[」』》]',
    re.DOTALL,
)
_TOKEN: Final = re.compile(
    rf"[{HAN}]|!=|(?<![^\s(])(?:\.{{1,2}}/|[.!~]\w+|~/)|\d+(?:[.,:]\d+)*(?:st|nd|rd|th|ST|ND|RD|TH)?|(?:[^\W\d_{HAN}]|_|(?<=\w)\d)+(?:'[^\W\d_{HAN}]+)?(?:\+\+|#)?|[^\w\s]"
)
_VERBATIM: Final = re.compile(rf"[{HAN}]|\w+|[^\w\s]")
_RAISED: Final = re.compile("[⁰¹²³⁴-⁹⁺⁻]+")
_EMAIL: Final = re.compile(r"\b([eE])-(?=mail)")
_BLANKS: Final = re.compile(r"[ \t]+")
_TOPIC: Final = re.compile(r"\b([A-Za-z]+) ([.,:;?!]) (?=[a-z])")
_PRIVATE: Final = 0xE000  # the private use area: characters without a meaning of their own
_QUOTED: Final = re.compile(r'"([^"\n]{1,2000})"')
_FORMULA: Final = re.compile(
    r"\(\)|[\[\]{}]"
    r"|\d ?[-+*/^=]|[-+*/^=] ?\d|[a-z] ?[=^] ?[a-z]|\w\(|\b[^\W\d_] ?[-+*/|] ?[^\W\d_]\b"
    r"|[\[({][^\w\s]{0,9}\w[^\w\s]{0,9}[\])}]"
)
_QUIET: Final = frozenset("\"'`()[]{}（）【】「」『』《》·|*_")
_BRACKETS: Final = frozenset("()[]{}*_|")
_AFTER_FACTORIAL: Final = frozenset("+-*/^=<>)]")
_SHORT: Final = 4  # words: in so short a text, thanks may be a part of it
_LONGEST_NUMBER: Final = 15  # digits of the largest number that words are added up to
_STOP: Final = "\n"


class Token(NamedTuple):
    """One word or sign. `text` is lower-case, except for a name or acronym that is a common word too (US); `written`
    is the original. `fixed`: from code or a quotation. `capitalised`: it has a capital where no sentence begins.
    `start`: a capital has no meaning here.
    """

    text: str
    written: str
    fixed: bool = False
    capitalised: bool = False
    start: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """The words of an ask in order. `shouted`: its case has no meaning (all small, all capital, or as in a title)."""

    tokens: tuple[Token, ...]
    shouted: bool

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(token.text for token in self.tokens)


def signature(text: str) -> Signature:
    """Reduce a text to the tokens that must be equal for two asks to be the same."""
    text = _RAISED.sub(lambda found: f"^{found[0]}", text)  # 10³ is 10^3, and not 103
    text = _EMAIL.sub("\\1", unicodedata.normalize("NFKC", text).translate(_PLAIN).strip())
    text = _BLANKS.sub(" ", text)
    if whole := _QUOTED.fullmatch(text):
        text = whole[1]
    loud = text == text.upper()
    quiet = loud or text == text.lower() or _titled(text)
    formula = _FORMULA.search(text) is not None
    tokens: list[Token] = []
    position = 0
    for span in _SPAN.finditer(text):
        tokens += _loose(text[position : span.start()], formula, start=position == 0, quiet=quiet)
        inside = span[span.lastgroup] if span.lastgroup else ""
        symbols = span.lastgroup in ("fence", "code")
        tokens += _fixed(inside, symbols)
        position = span.end()
    tokens += _loose(text[position:], formula, start=position == 0, quiet=quiet)
    kept = _without_courtesy_words(_numbered(tokens), loud)
    return Signature(tuple(_with_one_how(kept)), quiet)


def _titled(text: str) -> bool:
    """Whether a text is capitalised As In A Title: every longer word begins with a capital."""
    longer = [word for word in text.split() if len(word) > 3 and word[0].isalpha()]
    return len(longer) > 2 and all(word[0].isupper() for word in longer)


def _fixed(text: str, symbols: bool) -> list[Token]:
    """The tokens of a span as they are written; without punctuation in a quotation of words."""
    return [
        Token(found.lower(), found, fixed=True)
        for found in _VERBATIM.findall(text)
        if symbols or (found not in STOPS and found not in _QUIET)
    ]


def _loose(text: str, formula: bool, start: bool, quiet: bool) -> list[Token]:
    """The tokens outside of spans, rewritten; _STOP where a sentence ends. `quiet`: capitals have no meaning."""
    if not text.isascii():
        text = chinese(text)
    text = _TOPIC.sub(_topic, text)
    found: list[Token] = []
    begins = first = start  # of a sentence; of what may be one
    raw = _TOKEN.findall(text)
    for index, piece in enumerate(raw):
        if piece in STOPS and not (piece == "!" and raw[index + 1 : index + 2] and raw[index + 1] in _AFTER_FACTORIAL):
            first = True
            if found and found[-1].text != _STOP:
                found.append(Token(_STOP, piece))
            begins = piece in ".!?。！？"
            continue
        if piece.lower() in words.HOMOGRAPHS and (proper := _proper(piece, raw, index, quiet or first)):
            begins = first = False
            found.append(Token(proper, piece, start=True))
            continue
        if piece.isalpha() and piece.islower() and piece not in words.CONTRACTED:  # most words: the quick way
            found.append(Token(words.SPELLINGS.get(piece, piece), piece, start=first))
            begins = first = False
            continue
        if _silent(piece, raw, index, formula):
            continue
        capitalised = piece[:1].isupper() and not begins and piece.lower() != "i"
        found += [Token(part, piece, capitalised=capitalised, start=first) for part in _rewritten(piece)]
        begins = first = False
    if text.endswith(("\n\n", ":\n")) and found:
        found.append(Token(_STOP, _STOP))
    return found


def _topic(found: re.Match[str]) -> str:
    """Replace a sign that the ask is about (what does ; do) by one that ends no sentence."""
    counts = len(found[1]) == 1 or found[1].lower() in words.UNENDED
    return found[0].replace(found[2], chr(_PRIVATE + ord(found[2]))) if counts else found[0]


def _proper(piece: str, raw: Sequence[str], index: int, quiet: bool) -> str:
    """A homograph in capitals where it is the name; "" where it is the common word, or the context does not show."""
    before = raw[index - 1].lower() if index else ""
    after = raw[index + 1].lower() if index + 1 < len(raw) else ""
    context_before, context_after = words.HOMOGRAPHS[piece.lower()]
    is_name = before in context_before or after in context_after or ("#" in context_after and after[:1].isdigit())
    capital = not quiet and (piece.isupper() or (piece[:1].isupper() and "Aa" in context_after))
    return piece.upper() if is_name or capital else ""


def _silent(piece: str, raw: Sequence[str], index: int, formula: bool) -> bool:
    """Whether a sign has no meaning where it stands."""
    if piece == "-":  # a minus beside a number counts, a hyphen between words does not
        after = raw[index + 1] if index + 1 < len(raw) else ""
        before = raw[index - 1] if index else " "
        letter = len(after) == 1 and after.isalpha() and after.isascii()
        return not (after[:1].isdigit() or (letter and (len(before) == 1 or after.lower() not in "ai")))
    if piece in _BRACKETS and formula:
        return False
    return piece in _QUIET


def _rewritten(piece: str) -> list[str]:
    """The words that a piece of text is compared as: contractions written out, numbers without separators."""
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
    """Replace number words by numbers: twenty five and two hundred are one number each."""
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


def _without_courtesy_words(tokens: list[Token], loud: bool) -> list[Token]:
    """Remove the words of courtesy at the ends of each sentence; if nothing else would be left, all stays."""
    sentences = _sentences(tokens)
    colon = next((index for index, one in enumerate(sentences) if one.given), len(sentences))
    task = {token.text for one in sentences[:colon] for token in one.tokens}
    verbatim = colon if task & words.WORD_FOR_WORD else len(sentences)
    long = sum(len(one.tokens) for one in sentences[verbatim:]) > _SHORT
    alone = sum(bool(one.tokens) for one in sentences) < 2
    kept: list[Token] = []
    for index, one in enumerate(sentences):
        bare = one.tokens if index >= verbatim and not (long and _thanks(one)) else _without_courtesies(one, alone)
        kept += _filtered(bare, loud)
    return kept or [token for token in tokens if token.text != _STOP]


class _Sentence(NamedTuple):
    """`end`: the sign that ends it. `given`: it follows a colon, so it is the material of the ask."""

    tokens: list[Token]
    end: str
    given: bool


def _sentences(tokens: Iterable[Token]) -> list[_Sentence]:
    found: list[_Sentence] = []
    current: list[Token] = []
    given = False
    for token in [*tokens, Token(_STOP, "")]:
        if token.text != _STOP:
            current.append(token)
            continue
        found.append(_Sentence(current, token.written, given))
        current, given = [], token.written in (":", "：")
    return found


def _thanks(sentence: _Sentence) -> bool:
    """Whether a sentence is only thanks, or ends with thanks that are a sentence of their own: ... Thanks!"""
    texts = tuple(token.text for token in sentence.tokens)
    closers = words.CLOSERS.get(texts[-1], ()) if texts else ()
    return any(
        texts == phrase
        or (sentence.end == "!" and texts[-len(phrase) :] == phrase and sentence.tokens[-len(phrase)].capitalised)
        for phrase in closers
    )


def _without_courtesies(sentence: _Sentence, alone: bool) -> list[Token]:
    """The sentence without courtesies at either end. `alone`: there is no other sentence."""
    tokens, end, given = sentence
    texts = tuple("" if token.fixed else token.text for token in tokens)
    first, last = 0, len(texts)
    changed = True
    while changed and first < last:
        changed = False
        for phrase in words.OPENERS.get(texts[first], ()):
            after = first + len(phrase)
            spoken_of = alone and _is_greeted_about(phrase, texts[after : min(last, after + 4)])
            if not given and texts[first:after] == phrase and after <= last and not spoken_of:
                first, changed = after, True
                break
        for phrase in words.CLOSERS.get(texts[last - 1], ()) if first < last else ():
            begin = last - len(phrase)
            own = end == "!" and tokens[begin].capitalised and begin > first + 1  # a sentence of its own: ... Thanks!
            least = 3 if given else 2 if alone else 0
            if texts[max(begin, first) : last] == phrase and (
                own or _is_complete(texts[max(first, begin - 4) : begin], least)
            ):
                last, changed = begin, True
                break
    return tokens[first:last]


def _is_greeted_about(phrase: tuple[str, ...], rest: tuple[str, ...]) -> bool:
    """Whether the ask is about the greeting itself: hello in Japanese."""
    return 0 < len(rest) < 4 and rest[0] in words.ABOUT_A_WORD and len(phrase) < 3 and phrase[0] in words.GREETINGS


def _is_complete(texts: tuple[str, ...], least: int) -> bool:
    """Whether these words, `least` or more, make a whole ask, so that thanks after them do not belong to it."""
    if not texts:
        return least < 3
    if len(texts) > 3 and texts[-1] in words.ENDING:
        return True
    return not texts[-1].isalnum() or (len(texts) >= least and texts[-1] not in words.UNENDED)


def _filtered(sentence: list[Token], loud: bool) -> list[Token]:
    return [token for index, token in enumerate(sentence) if token.fixed or not _adds_nothing(sentence, index, loud)]


def _adds_nothing(sentence: list[Token], index: int, loud: bool) -> bool:
    text = sentence[index].text
    if text in words.ADVERBS:
        return index > 0 and sentence[index - 1].text not in words.UNENDED
    if text not in words.FILLERS:
        return False
    spoken_of = (
        _is_letter(sentence, index, loud) if text == "a" else text in ("an", "the") and _is_asked_about(sentence, index)
    )
    return not spoken_of


def _is_asked_about(sentence: list[Token], index: int) -> bool:
    """Whether no word follows that an article could belong to, so the ask is about the article: a or an."""
    if index + 1 == len(sentence):
        return True
    after = sentence[index + 1].text
    return not after[:1].isalnum() or after in ("and", "or", "vs", "versus")


def _is_letter(sentence: list[Token], index: int, loud: bool) -> bool:
    """Whether this `a` is the letter (vitamin A), or the ask is about the article itself."""
    if _is_asked_about(sentence, index):
        return True
    before = sentence[index - 1].text if index else ""
    if before in ("an", "the") or sentence[index + 1].text in ("few", "little"):
        return True  # not an article, or not a mere one
    return before in words.ALWAYS_LETTERED or (before in words.LETTERED and sentence[index].written == "A" and not loud)


def _with_one_how(tokens: list[Token]) -> list[Token]:
    """Unify the ways to ask how a thing is done: how do I, how can one, how to."""
    texts = tuple(token.text for token in tokens)
    for phrase in words.HOW:
        size = len(phrase)
        if texts[:size] == phrase and len(texts) > size:
            return [Token("how to", "how to"), *tokens[size:]]
    if texts[:3] == ("what", "are", "some"):
        return tokens[:2] + tokens[3:]
    return tokens
