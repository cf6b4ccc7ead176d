"""Two texts side by side as a list of lines: what goes, what comes, and some lines around. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from switchman.addons.core.texts.aligning import Bounded

AROUND = 3  # lines that have not changed, before and after those that have


class DiffLine(NamedTuple):
    """`old` and `new` number the line in the two texts, from 1; None where it is not in one. `gap`: `left` stay."""

    kind: Literal["same", "gone", "come", "gap"]
    old: int | None
    new: int | None
    text: str
    left: int = 0


def diff_lines(before: str, after: str) -> list[DiffLine]:
    """Empty where the texts are the same."""
    if before == after:
        return []
    return list(_lines(before.splitlines(), after.splitlines()))


def _lines(was: list[str], now: list[str]) -> Iterator[DiffLine]:
    last = 0
    for group in Bounded(was, now).get_grouped_opcodes(AROUND):
        if group[0][1] > last:
            yield _gap(group[0][1] - last)
        for what, start, end, begin, stop in group:
            if what == "equal":
                for step in range(end - start):
                    yield DiffLine("same", start + step + 1, begin + step + 1, was[start + step])
                continue
            for at in range(start, end):
                yield DiffLine("gone", at + 1, None, was[at])
            for at in range(begin, stop):
                yield DiffLine("come", None, at + 1, now[at])
        last = group[-1][2]
    if last < len(was):
        yield _gap(len(was) - last)


def _gap(left: int) -> DiffLine:
    return DiffLine("gap", None, None, f"{left} lines that stay", left)


def counts(lines: list[DiffLine]) -> tuple[int, int]:
    """How many lines come, and how many go."""
    return sum(line.kind == "come" for line in lines), sum(line.kind == "gone" for line in lines)
