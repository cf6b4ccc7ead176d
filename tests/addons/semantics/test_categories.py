"""How likely an ask belongs to a category, on vectors whose answer can be seen."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from switchman.addons.semantics.categories import CategoryIndex, flattened, in_languages


def unit(*values: float) -> NDArray[np.float32]:
    vector = np.array(values, dtype=np.float32)
    return vector / np.linalg.norm(vector)


def index_of(**groups: list[NDArray[np.float32]]) -> CategoryIndex:
    rows = np.stack([row for group in groups.values() for row in group])
    return CategoryIndex.of(list(groups), [len(group) for group in groups.values()], rows)


NORTH, EAST, UP = unit(1, 0, 0), unit(0, 1, 0), unit(0, 0, 1)


@pytest.mark.parametrize(("ask", "first"), [(NORTH, "north"), (EAST, "east"), (UP, "up"), (unit(3, 1, 0), "north")])
def test_the_nearest_category_is_the_likeliest(ask: NDArray[np.float32], first: str) -> None:
    """All of them are given, the likeliest first, and their shares add up to 1."""
    shares = index_of(north=[NORTH], east=[EAST, unit(0, 3, 1)], up=[UP] * 5).shares(ask)
    assert shares[0][0] == first
    assert [share for _, share in shares] == sorted((share for _, share in shares), reverse=True)
    assert sum(share for _, share in shares) == pytest.approx(1)


def test_no_category_rules_by_its_size() -> None:
    """Between one that has a hundred utterances and one that has three, the ask decides."""
    near_north = [unit(1, n / 500, 0) for n in range(100)]
    shares = dict(index_of(big=near_north, small=[EAST, unit(0.1, 1, 0), unit(0, 1, 0.1)]).shares(unit(0.6, 1, 0)))
    assert shares["small"] > shares["big"]


def test_the_best_few_utterances_count_and_not_the_mean_of_all() -> None:
    """A category of many subjects is found by those of them that are near."""
    broad = [NORTH, unit(1, 0.05, 0), unit(1, 0, 0.05), unit(-1, 0, 0.1), unit(-1, 0, 0), unit(-1, 0.1, 0)]
    narrow = [unit(1, 1, 0)] * 3
    assert index_of(broad=broad, narrow=narrow).shares(NORTH)[0][0] == "broad"


def test_one_category_has_all_of_it() -> None:
    """There is nothing to tell apart, and nothing to divide by."""
    assert index_of(only=[NORTH]).shares(EAST) == [("only", pytest.approx(1))]


def test_an_ask_far_from_all_has_shares_all_the_same() -> None:
    """No overflow, no nan: the threshold decides what is done with them."""
    shares = index_of(north=[NORTH], east=[EAST]).shares(-unit(1, 1, 0))
    assert all(0 <= share <= 1 for _, share in shares)


def test_categories_without_utterances_are_left_out() -> None:
    """The index has no row for them, and no size of 0."""
    assert flattened({"a": ["x", "y"], "none": [], "b": ["z"]}) == (["a", "b"], [2, 1], ["x", "y", "z"])
    assert flattened({}) == ([], [], [])


def test_utterances_in_languages_the_model_does_not_know_are_left_out() -> None:
    """What is of no known language stays; a model that knows all keeps all; a category may be left with none."""
    german, english = "Wie schreibe ich eine Funktion, die das sortiert?", "How do I write a function that sorts this?"
    texts = {"coding": [german, english, "x = 1"], "nur": [german]}
    assert in_languages(texts, ("en",)) == {"coding": [english, "x = 1"], "nur": []}
    assert in_languages(texts, ()) == {"coding": [german, english, "x = 1"], "nur": [german]}
