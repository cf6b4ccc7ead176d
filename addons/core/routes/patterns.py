"""Regular expressions of the configuration: the one place where they are compiled.

    compile_pattern(text) -> Pattern;   ValueError says what is wrong, and how to write it otherwise

1. Python's engine tries every way to match, and takes exponential time on some texts. Names, headers and asks come from
   clients, so these patterns run in RE2, whose time is linear in the text. The syntax stays Python's (resyntax.py).
2. Linear is not yet cheap: a pattern of many classes may make RE2 walk through all of them with each byte. It is then
   searched in less of the text, so that one search stays under a tenth of a second on any text.
3. RE2 writes nothing to stderr, and takes at most MAX_MEMORY bytes for each pattern.

A pattern is written `/regex/`; anything else is one exact name. Conditions called `regex` leave the slashes out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final, Literal

import re2

from switchman.addons.core.routes.resyntax import in_re2
from switchman.addons.core.texts.unicode import shown

MAX_CHARACTERS: Final = 10_000  # of a pattern
MAX_MEMORY: Final = 1024 * 1024  # bytes of one compiled pattern; RE2 forgets its states when they take more
MAX_PROGRAM: Final = 40_000  # RE2's instructions; a \w has 1,200 of them
LONGEST: Final = 4 * 65_536  # bytes searched: an ask has no more (bodyfacts.LONGEST characters)

_FEW_POSITIONS: Final = 12  # a pattern with so few classes has few states, or few instructions that run at once
_BUDGET: Final = 16_000_000  # instructions times bytes, where it has more: some 3 ns for each


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern. `pattern`: as written, without slashes. `longest`: bytes of a text that are searched.

    Two are equal where they are written alike.
    """

    pattern: str
    longest: int = field(compare=False)
    _engine: Any = field(compare=False, repr=False)

    def found(self, text: str | bytes) -> bool:
        """Whether it matches somewhere in the first `longest` bytes. Bytes are UTF-8."""
        data = utf8(text) if isinstance(text, str) else text
        return self._engine.search(data, 0, self.longest) is not None

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where it matches, in characters: in all of the text, of which `longest` bytes are searched at a time. A place
        may come twice.
        """
        data = utf8(text)
        is_plain, step = len(data) == len(text), self.longest - self.longest // 4
        for begin in range(0, len(data), step):
            for match in self._engine.finditer(data, begin, begin + self.longest):
                start, end = match.span()
                if not is_plain:
                    start, end = len(data[:start].decode("utf-8", "ignore")), len(data[:end].decode("utf-8", "ignore"))
                yield start, end
            if begin + self.longest >= len(data):
                return

    def groups_at_start(self, text: str) -> tuple[str, ...] | None:
        """What the whole match at the text's beginning and each group took, "" for one that took no part."""
        data = utf8(text)
        match = self._engine.match(data, 0, self.longest)
        if match is None:
            return None
        return tuple((part or b"").decode("utf-8", "replace") for part in (match.group(), *match.groups()))


def is_pattern(text: str) -> bool:
    return len(text) >= 2 and text.startswith("/") and text.endswith("/")


def utf8(text: str) -> bytes:
    """The text as patterns read it."""
    return (text if text.isascii() else shown(text)).encode()


def compile_pattern(text: str, use: Literal["search", "groups"] = "search") -> Pattern:
    """Compile `/regex/`, or `regex`. Case counts unless the pattern says (?i).

    `use`: "groups" where it is matched at the start for what its groups take. Raises ValueError.
    """
    bare = text[1:-1] if is_pattern(text) else text
    if len(bare) > MAX_CHARACTERS:
        raise ValueError(f"a regular expression of more than {MAX_CHARACTERS} characters is not taken")
    told = text if len(text) <= 200 else f"{text[:200]}..."
    try:
        said, positions = in_re2(bare, searched=use == "search")
        engine = re2.compile(said.encode(), _OPTIONS)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"the regular expression {told} does not compile: {error}") from None
    except ValueError as error:
        raise ValueError(f"the regular expression {told} is refused, as patterns run in RE2: {error}") from None
    except re2.error:  # all of its syntax is ours, so only its size is left
        raise ValueError(_too_large(told)) from None
    if engine.programsize > MAX_PROGRAM:
        raise ValueError(_too_large(told))
    longest = LONGEST if positions <= _FEW_POSITIONS else min(LONGEST, _BUDGET // engine.programsize)
    return Pattern(bare, longest, engine)


def _too_large(told: str) -> str:
    return (
        f"the regular expression {told} is refused: spelled out it is too large. Repeats with a number make it so, "
        r"such as \w{30} (\w is 1,200 steps, [0-9A-Za-z_] is one); * and + do not"
    )


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_MEMORY
    return options


_OPTIONS: Final = _options()


def replacement(template: str, pattern: Pattern) -> Sequence[str | int]:
    r"""The parts of a replacement in `re`'s form, texts and numbers of groups: `llama-\1` -> ("llama-", 1, "").

    Raises ValueError for a group that the pattern has not, or a bad escape.
    """
    try:
        return tuple(parser.parse_template(template, re.compile(pattern.pattern)))
    except (re.error, IndexError) as error:
        raise ValueError(str(error)) from None


def expand(parts: Sequence[str | int], groups: Sequence[str]) -> str:
    return "".join(part if isinstance(part, str) else groups[part] for part in parts)
