"""Compile regular expressions on asks: only those that cannot take long, on a bounded part of the text.

    ask_pattern(text) -> (compiled, how many characters of an ask are searched); ValueError says what is wrong

Python's engine backtracks, so some patterns take exponential time on the right text, and asks come from clients.
Refused are: a repeat or an alternation within a repeat, a reference to a group, and more than two open-ended repeats.
With two, the time grows with the cube of the length, so less of the ask is searched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

LONGEST: Final = (16_384, 2_000, 500)  # characters searched, by the number of open-ended repeats
_OPEN_ENDED: Final = 64  # a repeat of more than this counts as open-ended
_MOST_CHOICES: Final = 1_000  # of all bounded choices together

_REPEATS: Final = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)


def ask_pattern(text: str) -> tuple[re.Pattern[str], int]:
    """Compile `regex` or `/regex/`. Case counts unless the pattern says (?i)."""
    bare = text[1:-1] if len(text) >= 2 and text.startswith("/") and text.endswith("/") else text
    try:
        compiled = re.compile(bare)
        tree = parser.parse(bare)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"the regular expression {text} does not compile: {error}") from None
    open_ended, choices = _cost(tree, repeated=False)
    if open_ended >= len(LONGEST) or choices > _MOST_CHOICES:
        raise ValueError(
            "this regular expression could take very long: at most two open-ended repeats (* + {n,}) are taken; "
            "keywords, or several conditions under all:, may do the same"
        )
    return compiled, LONGEST[open_ended]


def _cost(tree: Any, repeated: bool) -> tuple[int, int]:
    """(open-ended repeats, bounded choices) on the worst path. Raises ValueError for a repeated choice."""
    open_ended, choices = 0, 1
    for code, argument in tree:
        if code is codes.GROUPREF or code is codes.GROUPREF_EXISTS:
            raise ValueError("a regular expression that refers back to a group could take very long")
        if code in _REPEATS:
            least, most, inner = argument
            if repeated and least != most:
                raise ValueError("a repeat within a repeat could take very long on some texts")
            found = _cost(inner, repeated or most > 1)
            wide = most > _OPEN_ENDED
            open_ended += found[0] + (1 if wide else 0)
            choices *= found[1] * (1 if wide else most - least + 1)
        elif code is codes.BRANCH:
            if repeated:
                raise ValueError("alternatives within a repeat could take very long on some texts")
            ways = [_cost(way, repeated) for way in argument[1]]
            open_ended += max(way[0] for way in ways)
            choices *= sum(way[1] for way in ways)
        else:
            for inner in _inside(argument):
                found = _cost(inner, repeated)
                open_ended, choices = open_ended + found[0], choices * found[1]
    return open_ended, choices


def _inside(argument: Any) -> Iterator[Any]:
    """The patterns within a group or a look-around."""
    if isinstance(argument, parser.SubPattern):
        yield argument
    elif isinstance(argument, tuple):
        for part in argument:
            yield from _inside(part)
