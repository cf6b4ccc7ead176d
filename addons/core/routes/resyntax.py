"""Say a regular expression of Python's `re` in RE2's syntax, so that it means the same; or say why it cannot be said.

    in_re2(text) -> (RE2's pattern, positions);   ValueError names what RE2 has not, and how to write it otherwise

1. Python's own parser reads the text, so its syntax and its words about faults stay what people know.
2. `\\d`, `\\w`, `\\s` and `\\b` are Unicode's in Python and ASCII's in RE2: they are spelled out as classes. `$` also
   matches before a last line break, as in Python.
   (A `$` before the end of a pattern takes that line break in, so `$\\n` finds nothing.)
3. `\\b` at an end of the pattern (or of an alternative) takes the neighbouring character in, which no search notices.
   Elsewhere RE2's own stands, which knows the boundaries of ASCII words only; beside another letter it is refused.

RE2's syntax: https://github.com/google/re2/wiki/Syntax. `positions` counts the classes and dots, repeats spelled out:
the more there are, the more states RE2 may need on a text that is made for it.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

MAX_REPEAT: Final = 1000  # RE2 takes no more
_PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_ ")
_NOT_A_WORD: Final = r"[^\p{L}\p{N}_]"

Node = tuple[Any, Any]  # as Python's parser makes them: a code and its argument
Ranges = list[tuple[int, int]]

_REFUSED: Final = {
    codes.ASSERT: "look-around (?=...) (?<=...)",
    codes.ASSERT_NOT: "look-around (?!...) (?<!...)",
    codes.FAILURE: "look-around (?!)",
    codes.GROUPREF: r"a reference back to a group \1 (?P=name)",
    codes.GROUPREF_EXISTS: "a choice by a group (?(1)...)",
    codes.ATOMIC_GROUP: "an atomic group (?>...)",
    codes.POSSESSIVE_REPEAT: "a possessive repeat a++",
}
_INSTEAD: Final = {
    codes.ASSERT: "conditions that must all hold stand under `all:`, each with its own pattern",
    codes.ASSERT_NOT: "what must not be found stands under `not:`, with its own pattern; [^x] is any character but x",
    codes.FAILURE: "what must not be found stands under `not:`, with its own pattern",
    codes.GROUPREF: "write the alternatives out, as in (?:aa|bb)",
    codes.GROUPREF_EXISTS: "write the two alternatives out, as in (?:with|without)",
    codes.ATOMIC_GROUP: "a plain group (?:...) does, as nothing is tried twice here",
    codes.POSSESSIVE_REPEAT: "a plain repeat a+ does, as nothing is tried twice here",
    codes.AT: "only available at an end of the pattern; `keywords:` finds whole words of every script",
}
# The keys of MODEL_MAP have no `all:`, `not:` or `keywords:` beside them: entries are tried in their order.
_KEEPS: Final = r"""an entry before it keeps the names that must not be found, as "/(gpt-4.*)/": "\\1" does"""
_INSTEAD_IN_MAP: Final = {
    codes.ASSERT: "a plain group (?:...) does, as the whole name is replaced",
    codes.ASSERT_NOT: f"{_KEEPS}; [^x] is any character but x",
    codes.FAILURE: _KEEPS,
    codes.AT: "not available; behind (?a) it knows the letters of ASCII only",
}

# name -> (inside of a class for Unicode, the same for ASCII). Python's \s: str.isspace(); its \w: str.isalnum() and _.
_INSIDE: Final = {
    "digit": (r"\p{Nd}", "0-9"),
    "space": (r"\t-\r\x1c-\x20\x{85}\p{Z}", r"\t-\r\x20"),
    "word": (r"\p{L}\p{N}_", "0-9A-Za-z_"),
}
_KINDS: Final = {
    codes.CATEGORY_DIGIT: ("digit", False), codes.CATEGORY_NOT_DIGIT: ("digit", True),
    codes.CATEGORY_SPACE: ("space", False), codes.CATEGORY_NOT_SPACE: ("space", True),
    codes.CATEGORY_WORD: ("word", False), codes.CATEGORY_NOT_WORD: ("word", True),
}  # fmt: skip


def in_re2(text: str, searched: bool = True) -> tuple[str, int]:
    """RE2's pattern, and its positions. `searched`: only whether it is found counts, not what it took, nor where.

    Raises ValueError for what RE2 cannot do, and re.error, OverflowError or RecursionError as Python's parser does.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sets that a later Python may read otherwise: here they mean what they do
        tree = parser.parse(text)
    flags = tree.state.flags
    instead = _INSTEAD if searched else _INSTEAD | _INSTEAD_IN_MAP
    writer = _Writer(bool(flags & re.ASCII), bool(flags & re.MULTILINE), bool(flags & re.DOTALL), instead)
    said = writer.sequence(list(tree), searched, searched)
    return (f"(?i:{said})" if flags & re.IGNORECASE else said), _positions(tree)


@dataclass(frozen=True)
class _Writer:
    """Writes nodes, under the flags that are in force where they stand. `instead`: code -> what to write for it."""

    ascii: bool
    multiline: bool
    dotall: bool
    instead: Mapping[Any, str]

    def sequence(self, nodes: Sequence[Node], left: bool, right: bool) -> str:
        """`left`, `right`: nothing of the pattern lies beyond that end, and what is taken there does not count."""
        last = len(nodes) - 1
        parts = []
        for index, node in enumerate(nodes):
            if node[0] is codes.AT and node[1] in (codes.AT_BOUNDARY, codes.AT_NON_BOUNDARY):
                before = nodes[index - 1] if index else None
                after = nodes[index + 1] if index < last else None
                parts.append(self._boundary(node[1], before, after, left and not index, right and index == last))
            else:
                parts.append(self._node(node, left and not index, right and index == last))
        return "".join(parts)

    def _node(self, node: Node, left: bool, right: bool) -> str:
        code, argument = node
        if code is codes.LITERAL:
            return _character(argument)
        if code is codes.NOT_LITERAL:
            return f"[^{_character(argument)}]"
        if code is codes.ANY:
            return "(?s:.)" if self.dotall else r"[^\n]"
        if code is codes.IN:
            return self._class(argument)
        if code is codes.AT:
            return self._place(argument)
        if code is codes.BRANCH:
            return "(?:" + "|".join(self.sequence(list(way), left, right) for way in argument[1]) + ")"
        if code is codes.SUBPATTERN:
            return self._group(argument, left, right)
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            return self._repeat(argument, lazy=code is codes.MIN_REPEAT)
        raise ValueError(f"{_REFUSED.get(code, str(code))} is not available; {self.instead.get(code, 'leave it out')}")

    def _group(self, argument: tuple[Any, int, int, Any], left: bool, right: bool) -> str:
        number, added, removed, inner = argument
        if added & re.LOCALE:
            raise ValueError("the flag L is not available; leave it out")
        inside = self._under(added, removed).sequence(list(inner), left, right)
        if number is not None:
            return f"({inside})"
        fold = "i" if added & re.IGNORECASE else "-i" if removed & re.IGNORECASE else ""
        return f"(?{fold}:{inside})"

    def _under(self, added: int, removed: int) -> _Writer:
        def now(flag: int, before: bool) -> bool:
            return (before or bool(added & flag)) and not removed & flag

        return replace(
            self,
            ascii=now(re.ASCII, self.ascii) and not added & re.UNICODE,
            multiline=now(re.MULTILINE, self.multiline),
            dotall=now(re.DOTALL, self.dotall),
        )

    def _repeat(self, argument: tuple[int, Any, Any], lazy: bool) -> str:
        least, most, inner = argument
        endless = most is codes.MAXREPEAT
        if max(least, 0 if endless else most) > MAX_REPEAT:
            raise ValueError(f"a repeat of more than {MAX_REPEAT} is not available; {{{MAX_REPEAT},}} or + has no end")
        times = f"{{{least},{'' if endless else most}}}"
        return f"(?:{self.sequence(list(inner), False, False)}){times}" + ("?" if lazy else "")

    def _place(self, place: Any) -> str:
        if place is codes.AT_BEGINNING_STRING or place is codes.AT_BEGINNING:
            return "(?m:^)" if self.multiline and place is codes.AT_BEGINNING else r"\A"
        if place is codes.AT_END:
            return "(?m:$)" if self.multiline else r"(?:\n?\z)"
        return r"\z"

    def _boundary(self, place: Any, before: Node | None, after: Node | None, first: bool, last: bool) -> str:
        own = r"\b" if place is codes.AT_BOUNDARY else r"\B"
        if self.ascii:
            return own
        if place is codes.AT_BOUNDARY and first and after and _all_ends([after], _is_word, at_start=True):
            return rf"(?:\A|{_NOT_A_WORD})"
        if place is codes.AT_BOUNDARY and last and before and _all_ends([before], _is_word, at_start=False):
            return rf"(?:\z|{_NOT_A_WORD})"
        if (before and _any_end(before, at_start=False)) or (after and _any_end(after, at_start=True)):
            raise ValueError(f"{own} beside a letter that is not ASCII is {self.instead[codes.AT]}")
        return own

    def _class(self, members: Sequence[Node]) -> str:
        negated = members[0][0] is codes.NEGATE
        rest = members[1:] if negated else members
        complements = [node for node in rest if node[0] is codes.CATEGORY and _KINDS[node[1]][1]]
        if not complements:
            return f"[{'^' if negated else ''}{''.join(map(self._member, rest))}]"
        if len(rest) == 1:
            return f"[{'' if negated else '^'}{self._member(rest[0])}]"
        ranges = _union(part for node in rest for part in self._ranges(node))
        return f"[{'^' if negated else ''}{''.join(map(_range, ranges))}]"

    def _member(self, node: Node) -> str:
        """The inside of a class; of a complement, that of its opposite."""
        code, argument = node
        if code is codes.CATEGORY:
            return _INSIDE[_KINDS[argument][0]][self.ascii]
        return _range(argument) if code is codes.RANGE else _character(argument)

    def _ranges(self, node: Node) -> Ranges:
        code, argument = node
        if code is codes.CATEGORY:
            kind, opposite = _KINDS[argument]
            return _complement(_kind(kind, self.ascii)) if opposite else _kind(kind, self.ascii)
        return [argument] if code is codes.RANGE else [(argument, argument)]


def _character(code: int) -> str:
    if 0xD800 <= code <= 0xDFFF:
        raise ValueError("half a surrogate pair is no character")
    return chr(code) if chr(code) in _PLAIN else f"\\x{{{code:x}}}"


def _range(ends: tuple[int, int]) -> str:
    low, high = ends
    low, high = (0xE000 if 0xD800 <= low <= 0xDFFF else low), (0xD7FF if 0xD800 <= high <= 0xDFFF else high)
    if low > high:
        raise ValueError("half a surrogate pair is no character")
    return _character(low) if low == high else f"\\x{{{low:x}}}-\\x{{{high:x}}}"


_TESTS: Final[dict[str, Callable[[str], bool]]] = {
    "digit": str.isdecimal,
    "space": str.isspace,
    "word": lambda character: character.isalnum() or character == "_",
}


@cache
def _kind(kind: str, only_ascii: bool) -> Ranges:
    """All characters of a kind, as Python sees them. Some 100 ms for Unicode, once."""
    test = _TESTS[kind]
    end = 0x80 if only_ascii else sys.maxunicode + 1
    if only_ascii and kind == "space":
        return [(0x09, 0x0D), (0x20, 0x20)]
    return _union((code, code) for code in range(end) if test(chr(code)))


def _union(parts: Iterable[tuple[int, int]]) -> Ranges:
    found: Ranges = []
    for low, high in sorted(parts):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found


def _complement(ranges: Ranges) -> Ranges:
    starts = [0, *(high + 1 for _, high in ranges)]
    ends = [*(low - 1 for low, _ in ranges), sys.maxunicode]
    return [(low, high) for low, high in zip(starts, ends, strict=True) if low <= high]


def _is_word(node: Node) -> bool:
    """Whether whatever one node takes is a character of a word."""
    code, argument = node
    if code is codes.LITERAL:
        return _TESTS["word"](chr(argument))
    if code is codes.CATEGORY:
        return argument in (codes.CATEGORY_DIGIT, codes.CATEGORY_WORD)
    if code is codes.RANGE:
        return argument[1] - argument[0] < 1000 and all(
            _TESTS["word"](chr(one)) for one in range(argument[0], argument[1] + 1)
        )
    return code is codes.IN and all(map(_is_word, argument))  # a NEGATE is none of these


def _is_foreign(node: Node) -> bool:
    """Whether a node names a letter that is not ASCII."""
    code, argument = node
    if code is codes.LITERAL:
        return argument > 0x7F and chr(argument).isalnum()
    if code is codes.RANGE:
        return argument[1] > 0x7F and chr(argument[0]).isalnum()
    return code is codes.IN and argument[0][0] is not codes.NEGATE and any(map(_is_foreign, argument))


def _all_ends(nodes: Sequence[Node], test: Callable[[Node], bool], at_start: bool) -> bool:
    """Whether the first (or last) character that the nodes take always passes the test."""
    if not nodes:
        return False
    code, argument = node = nodes[0 if at_start else -1]
    if code is codes.SUBPATTERN:
        return _all_ends(list(argument[3]), test, at_start)
    if code is codes.BRANCH:
        return all(_all_ends(list(way), test, at_start) for way in argument[1])
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
        return argument[0] > 0 and _all_ends(list(argument[2]), test, at_start)
    return test(node)


def _any_end(node: Node, at_start: bool) -> bool:
    """Whether the first (or last) character of a node may be one that it names, and that is a letter beyond ASCII."""
    code, argument = node
    if code is codes.BRANCH:
        return any(_any_end(list(way)[0 if at_start else -1], at_start) for way in argument[1] if len(way))
    if code in (codes.SUBPATTERN, codes.MAX_REPEAT, codes.MIN_REPEAT):
        inner = list(argument[-1])
        return bool(inner) and _any_end(inner[0 if at_start else -1], at_start)
    return _is_foreign(node)


def _positions(tree: Any) -> int:
    total = 0
    for code, argument in tree:
        if code in (codes.ANY, codes.NOT_LITERAL, codes.IN):
            total += 1
        elif code is codes.BRANCH:
            total += sum(map(_positions, argument[1]))
        elif code is codes.SUBPATTERN:
            total += _positions(argument[3])
        elif code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            least, most, inner = argument
            total += _positions(inner) * max(1, least if most is codes.MAXREPEAT else most)
    return total
