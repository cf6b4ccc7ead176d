"""Words by which text is found, the same for every database: what is stored, and what somebody types.

1. Text is folded (NFKC, case) and cut into words of letters and digits: `get_weather` is two words.
2. Scripts without spaces between words (Chinese, Japanese, Thai and others), and Korean, whose words have endings, are
   cut into pairs of neighbouring characters: what is sought is found wherever it stands. A trigram index would not find
   天气, which has two characters.
3. What is typed is found where all of its words are. A word of three letters or more is also found as the beginning of
   a longer one; "in quotes" it is that word only. Short words are that word.

A word has no space, no quote and no other ASCII sign in it, so that no database takes it for anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final
from unicodedata import normalize

MOST_WORDS: Final = 1_500  # of one request
LONGEST: Final = 40  # characters of a word; what is longer is no word, and found by its beginning
MOST_TYPED: Final = 16  # words of what is typed
_PREFIX: Final = 3  # letters from which on the beginning of a word is enough

_PAIRED: Final = (
    "\u0e00-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7af"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
_MARKS: Final = "\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0dff"
_WORD: Final = re.compile(rf"([{_PAIRED}]+)|((?:(?![{_PAIRED}])(?:[^\W_]|[{_MARKS}]))+)")
_ASCII: Final = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}
_TYPED: Final = re.compile(r'"([^"]*)"|([^\s"]+)')


@dataclass(frozen=True, slots=True)
class Term:
    """A word that must be there; `begins`: or a longer one that begins with it."""

    word: str
    begins: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """All of these must be there. None: nothing that has no words in it can be found."""

    terms: tuple[Term, ...]

    @classmethod
    def parse(cls, typed: str) -> Query:
        """What somebody typed. Never raises."""
        terms: dict[Term, None] = {}
        for quoted, plain in _TYPED.findall(typed):
            for run, word in _found(quoted or plain):
                if run:
                    terms |= dict.fromkeys([Term(pair) for pair in _pairs(run)[:-1]] or [Term(run, begins=True)])
                else:
                    terms[Term(word[:LONGEST], begins=not quoted and len(word) >= _PREFIX)] = None
        return cls(tuple(terms)[:MOST_TYPED])


def words_of(*texts: str) -> list[str]:
    """The different words of these texts, in order of their first place; MOST_WORDS at most."""
    found: dict[str, None] = {}
    for text in texts:
        if text.isascii():  # most are: in few steps, as this runs beside a busy event loop
            found |= dict.fromkeys(text.translate(_ASCII).split())
            continue
        for run, word in _found(text):
            found |= dict.fromkeys(_pairs(run)) if run else {word: None}
    return list(dict.fromkeys([word[:LONGEST] for word in islice(found, MOST_WORDS)]))


def _found(text: str) -> Iterator[tuple[str, str]]:
    """Runs of a script without spaces, and words of the others: one of the two each time."""
    folded = text.casefold() if text.isascii() else normalize("NFKC", normalize("NFKC", text).casefold())
    for match in _WORD.finditer(folded):
        run, word = match.groups("")
        yield run, word


def _pairs(run: str) -> list[str]:
    """天气好 -> 天气, 气好, 好: the last one alone, as one that is sought alone is found as the beginning of a pair."""
    return [run[at : at + 2] for at in range(len(run))]
