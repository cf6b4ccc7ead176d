"""Names that look alike: which texts another reader could take for the same name.

A rule that blocks `blocked` does not match the full-width letters of the same word, which a server that normalises
names (NFKC) reads as it. So a model's name is taken only in the form that normalising leaves as it is: every name in
ASCII, and nearly every one in other letters.

Keys are compared as the most lenient reader does: Go's encoding/json, which Ollama uses, takes `Model` for `model`, and
so with the long s and the Kelvin sign (https://pkg.go.dev/encoding/json#Unmarshal, and its fold.go).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import Final


class Ambiguous(ValueError):
    """Another reader could read it otherwise. `param`: the key or field that it is about."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


# Control characters, those that format, halves of a surrogate pair, separators of lines.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Of other categories, and without a glyph of their own (Unicode's Default_Ignorable_Code_Point).
_IGNORED: Final = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_JOINERS: Final = "\u200d\ufe0e\ufe0f"  # behind a symbol they are a part of it: an emoji
_AROUND: Final = " \t\r\n\x0b\x0c\0"


def problem_of_name(name: str) -> str | None:
    """What makes a model's name one that may be read otherwise; None for a good name."""
    if name.isascii():
        if _CONTROL.search(name):
            return "it has a control character in it"
        return None if name.strip() == name else "it has blanks around it"
    if any(_is_unseen(name, at) for at in range(len(name)) if not name[at].isascii()) or _CONTROL.search(name):
        return "it has a character in it that cannot be seen"
    if name.strip() != name:
        return "it has blanks around it"
    if (normal := unicodedata.normalize("NFKC", name)) != name:
        return f"it is not in its canonical form (NFKC), which is {normal[:100]!r}"
    return None


def _is_unseen(name: str, at: int) -> bool:
    mark = name[at]
    if mark in _JOINERS and at > 0 and _is_symbol(name[at - 1]):
        return False
    return unicodedata.category(mark) in _UNSEEN or _IGNORED.match(mark) is not None


def _is_symbol(mark: str) -> bool:
    return unicodedata.category(mark) in ("So", "Sk") or mark == "\ufe0f"


def folded(key: str) -> str:
    """The key as the most lenient reader compares it: without regard to case, form, and what cannot be seen."""
    if key.isascii():
        return key.lower().strip(_AROUND)
    seen = "".join(mark for mark in key if unicodedata.category(mark) not in _UNSEEN and not _IGNORED.match(mark))
    return unicodedata.normalize("NFKC", seen).casefold().strip()


def meant_by(key: str, known: Collection[str]) -> str:
    """The key in `known` that another reader could take this one for; "" where there is none, or `key` is one."""
    if key in known or len(key) > _LONGEST:
        return ""
    return like if (like := folded(key)) in known else ""


_LONGEST: Final = 256  # characters of a key that is looked at: the known ones have 25
