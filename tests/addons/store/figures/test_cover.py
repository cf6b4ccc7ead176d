"""A range is covered by cells and rows without gap or overlap."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from switchman.addons.store.figures.cells import DAY, HOUR, MINUTE
from switchman.addons.store.figures.cover import Cover, Marks, cover

NOW = 30 * DAY + 5 * HOUR + 61.5
MARKS = Marks(floor=20 * DAY + 1801, minutes=28 * DAY + 5 * HOUR, hours=30 * DAY + 5 * HOUR, days=30 * DAY)


def pieces(found: Cover) -> list[tuple[float, float]]:
    return sorted((span.first, span.last) for span in (*found.cells, *found.rows))


@given(
    start=st.one_of(st.none(), st.floats(15 * DAY, NOW)),
    length=st.one_of(st.none(), st.floats(0, 12 * DAY)),
    step=st.sampled_from([60, 300, 1800, HOUR, 3 * HOUR, 6 * HOUR, DAY]),
)
def test_nothing_is_left_out_or_counted_twice(start: float | None, length: float | None, step: int) -> None:
    """The pieces follow each other from the start to the end, and each cell is whole where it is read."""
    end = None if length is None else (start or 18 * DAY) + length
    found = cover(start, end, MARKS, step)
    reached = -inf if start is None else start
    for first, last in pieces(found):
        assert first == reached
        assert last > first
        reached = last
    assert reached == (inf if end is None else end) or not pieces(found)
    for span in found.cells:
        assert span.first >= MARKS.floor
        assert span.first % span.width == 0
        assert step % span.width == 0
        assert span.last == inf or span.last % span.width == 0
        whole = {MINUTE: (MARKS.minutes, inf), HOUR: (0, MARKS.hours), DAY: (0, MARKS.days)}[span.width]
        assert whole[0] <= span.first < span.last <= whole[1]


def test_a_week_reads_few_cells() -> None:
    """Days in its middle, hours and minutes at its ends, and rows only within an hour at the old end."""
    found = cover(NOW - 7 * DAY, None, MARKS)
    assert {span.width: span.last - span.first for span in found.cells if span.width != MINUTE} == {
        DAY: 6 * DAY, HOUR: 5 * HOUR,
    } or {span.width for span in found.cells} == {DAY, HOUR, MINUTE}  # fmt: skip
    assert sum(span.last - span.first for span in found.rows) < HOUR
