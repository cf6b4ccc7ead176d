"""Two texts side by side as a list of lines: what goes, what comes, and some lines around. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from difflib import Match, SequenceMatcher
from typing import Final, Literal, NamedTuple

AROUND = 3  # lines that have not changed, before and after those that have
# Pairs of lines that are compared one by one, of one place and of all: few different lines take minutes else.
MOST_PAIRS: Final = 40_000
MOST_PAIRS_OF_ALL: Final = 400_000


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
    for group in _Bounded(was, now).get_grouped_opcodes(AROUND):
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


class _Bounded(SequenceMatcher[str]):
    """Lines that each text has once hold the two together; what lies between is compared line by line while it is
    small, and else goes and comes as a whole.
    """

    def __init__(self, was: list[str], now: list[str]) -> None:
        super().__init__(None, [], [], autojunk=False)
        self.a, self.b, self._left = was, now, MOST_PAIRS_OF_ALL

    def get_matching_blocks(self) -> list[Match]:
        was, now = self.a, self.b
        pairs = sorted(self._within(0, len(was), 0, len(now), anchored=True))
        blocks: list[Match] = []
        for one, other, size in pairs:
            if blocks and (last := blocks[-1]).a + last.size == one and last.b + last.size == other:
                blocks[-1] = Match(last.a, last.b, last.size + size)
            else:
                blocks.append(Match(one, other, size))
        return [*blocks, Match(len(was), len(now), 0)]

    def _within(self, start: int, end: int, begin: int, stop: int, *, anchored: bool) -> Iterator[tuple[int, int, int]]:
        """What is the same in these lines: where in both, and how many lines."""
        was, now = self.a, self.b
        while start < end and begin < stop and was[start] == now[begin]:
            yield start, begin, 1
            start, begin = start + 1, begin + 1
        while start < end and begin < stop and was[end - 1] == now[stop - 1]:
            end, stop = end - 1, stop - 1
            yield end, stop, 1
        size = (end - start) * (stop - begin)
        if size <= min(MOST_PAIRS, self._left):
            self._left -= size
            plain = SequenceMatcher(None, was[start:end], now[begin:stop], autojunk=False)
            yield from ((start + at, begin + there, many) for at, there, many in plain.get_matching_blocks() if many)
        elif anchored:
            last_at, last_there = start, begin
            for at, there in [*_anchors(was, now, (start, end), (begin, stop)), (end, stop)]:
                yield from self._within(last_at, at, last_there, there, anchored=False)
                if at < end and there < stop:
                    yield at, there, 1
                last_at, last_there = at + 1, there + 1


def _anchors(was: list[str], now: list[str], old: tuple[int, int], new: tuple[int, int]) -> list[tuple[int, int]]:
    """Where the lines are that each part has once: as many as are in the same order in both."""
    there = _once(now, *new)
    found = [(at, there[line]) for line, at in _once(was, *old).items() if line in there]
    ends: list[int] = []  # the smallest place in `now` at which a run of so many ends
    last: list[int] = []  # which of `found` that is
    before: list[int] = []
    for index, (_, place) in enumerate(found):
        length = bisect_left(ends, place)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1], last[length : length + 1] = [place], [index]
    run, index = [], last[-1] if last else -1
    while index >= 0:
        run.append(found[index])
        index = before[index]
    return run[::-1]


def _once(lines: list[str], start: int, end: int) -> dict[str, int]:
    count = Counter(lines[start:end])
    return {line: at for at, line in enumerate(lines[start:end], start) if count[line] == 1}
