"""Problems of a configuration, as a person needs them to correct it: file, line, column, key, expectation."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain, islice
from typing import Final, Literal

# A file of thousands of entries may be wrong in each of them: what is told, and what is compared for it, has an end.
MAX_TOLD: Final = 100  # problems
MAX_NAMES: Final = 50  # in one message
MAX_COMPARED: Final = 1000  # words for one hint
LONGEST_WORD: Final = 100  # characters that are compared


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding. `line` and `column` count from 1; 0 means the file as a whole. `message` never holds a secret."""

    file: str
    line: int
    column: int
    key: str
    message: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class RulesError(ValueError):
    """A rules file that cannot be used. `problems` holds every error that was found, in file order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
        super().__init__("\n".join(told(self.problems)))


def told(problems: Sequence[Problem]) -> Iterator[str]:
    """The first MAX_TOLD problems, one line each, and how many more there are."""
    yield from map(str, problems[:MAX_TOLD])
    if (more := len(problems) - MAX_TOLD) > 0:
        yield f"{problems[0].file}: and {more} more of this kind"


def listed(names: Collection[str]) -> str:
    """The names with commas between; of very many the first ones, and how many more there are."""
    more = len(names) - MAX_NAMES
    return ", ".join(islice(names, MAX_NAMES)) + (f", and {more} more" if more > 0 else "")


def hint(word: str, *known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known word that is nearest, or "". Only the first MAX_COMPARED are compared."""
    words = list(islice(chain(*known), MAX_COMPARED))
    close = get_close_matches(word[:LONGEST_WORD], words, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
