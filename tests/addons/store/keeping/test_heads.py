"""Heads are cut to a size, and what is missing is counted."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.store.keeping.heads import MOST_BYTES, MOST_FIELDS, MOST_NAME, MOST_VALUE, cut_head


def test_a_usual_head_stays_as_it_is() -> None:
    """In its order, with fields that come twice, to the letter."""
    pairs = (("Host", "x"), ("accept", "*/*"), ("x-ü", "wért"), ("accept", ""), ("x", "v" * MOST_VALUE))
    assert cut_head(pairs) == (pairs, 0, 0)


def test_a_long_value_is_cut_at_a_character() -> None:
    """Its beginning stays, with a mark; the missing bytes are counted."""
    head = cut_head([("x", "é" * 2000)])
    ((name, value),) = head.fields
    assert value == "é" * ((MOST_VALUE - 3) // 2) + "..." and name == "x"
    assert head.bytes_cut == 4000 - 2 * ((MOST_VALUE - 3) // 2)


def test_a_field_that_does_not_fit_leaves_room_for_later_ones() -> None:
    """Shorter ones after it are still kept."""
    head = cut_head([*((f"x-{n}", "v" * 2000) for n in range(9)), ("content-type", "a/b")])
    assert [name for name, _ in head.fields] == [*(f"x-{n}" for n in range(8)), "content-type"]
    assert (head.fields_cut, head.bytes_cut) == (1, 2003)


sizes = st.tuples(st.sampled_from("aé问😀"), st.sampled_from([0, 1, 66, 200, 683, 2047, 2049, 5000]))


@settings(max_examples=50, deadline=None)
@given(pairs=st.lists(st.tuples(sizes, sizes), max_size=12))
def test_any_head_is_bounded_and_fully_counted(pairs: list[tuple[tuple[str, int], tuple[str, int]]]) -> None:
    """What is kept and what is counted are together what came, whatever it was."""
    came = [(name[0] * name[1], value[0] * value[1]) for name, value in pairs]
    head = cut_head(came)
    kept = sum(len(part.encode()) for pair in head.fields for part in pair)
    size = sum(len(part.encode()) for pair in came for part in pair)
    marks = 3 * sum(part.endswith("...") for pair in head.fields for part in pair)
    assert kept <= MOST_BYTES and len(head.fields) <= MOST_FIELDS
    assert all(len(name.encode()) <= MOST_NAME and len(value.encode()) <= MOST_VALUE for name, value in head.fields)
    assert len(head.fields) + head.fields_cut == len(pairs)
    assert size - head.bytes_cut == kept - marks
