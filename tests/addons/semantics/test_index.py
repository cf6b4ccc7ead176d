"""The cache's vectors: nearest within a scope, bounded, and there again after a restart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.semantics.index import NEIGHBOURS, VectorIndex


def vector(number: int) -> np.ndarray:
    """One of eight unit vectors."""
    return np.eye(8, dtype=np.float32)[number % 8]


def test_the_nearest_come_first() -> None:
    """By cosine, at most a handful."""
    index = VectorIndex(8)
    for number in range(8):
        index.add("s", str(number), (vector(0) * number + vector(1)).astype(np.float32))
    found = index.nearest("s", vector(0))
    assert [entry for entry, _ in found] == ["7", "6", "5", "4", "3"]
    assert len(found) == NEIGHBOURS


def test_the_least_recently_used_entry_makes_room() -> None:
    """Being found counts as use."""
    index = VectorIndex(8, most=2)
    index.add("s", "old", vector(0))
    index.add("s", "new", vector(1))
    index.nearest("s", vector(0))
    index.add("t", "newest", vector(2))
    assert [index.nearest("s", vector(0))[0][0], len(index)] == ["old", 2]


def test_entries_outlive_a_restart(tmp_path: Path) -> None:
    """What was forgotten stays forgotten."""
    index = VectorIndex(8, tmp_path / "v.db")
    for number in range(6):
        index.add(f"s{number % 2}", str(number), vector(number))
    index.add("s0", "0", vector(7))
    index.forget(["2", "unknown"])
    index.close()
    again = VectorIndex(8, tmp_path / "v.db")
    assert len(again) == 5
    assert again.nearest("s0", vector(7))[0] == ("0", 1.0)
    assert "2" not in [entry for entry, _ in again.nearest("s0", vector(2))]
    again.close()


def test_a_broken_file_is_begun_anew(tmp_path: Path) -> None:
    """It is only an index: answers are kept elsewhere."""
    (tmp_path / "v.db").write_bytes(b"no database at all" * 100)
    index = VectorIndex(8, tmp_path / "v.db")
    index.add("s", "e", vector(1))
    assert index.nearest("s", vector(1)) == [("e", 1.0)]
    index.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("af"), st.sampled_from("st"), st.integers(0, 9)), max_size=60))
def test_the_index_holds_what_a_plain_dictionary_holds(steps: list[tuple[str, str, int]]) -> None:
    """Adding and forgetting in any order moves rows about, and never mixes them up."""
    index, plain = VectorIndex(8), {}
    for what, scope, number in steps:
        if what == "a":
            index.add(scope, str(number), vector(number))
            plain[str(number)] = scope
        else:
            index.forget([str(number)])
            plain.pop(str(number), None)
    assert len(index) == len(plain)
    for entry, scope in plain.items():
        near = [name for name, cosine in index.nearest(scope, vector(int(entry))) if cosine == 1.0]
        assert entry in near
