"""Two lists of lines held together by what both have."""

from __future__ import annotations

import random
import time
from difflib import SequenceMatcher

import pytest

from switchman.addons.core.texts.aligning import Bounded


@pytest.mark.parametrize("few", [2, 5, 40])
def test_small_lists_are_held_together_as_difflib_does(few: int) -> None:
    """As many lines stay where nothing is left out, and each block is the same in both."""
    rng = random.Random(few)
    for _ in range(30):
        was, now = ([str(rng.randrange(few)) for _ in range(rng.randrange(60))] for _ in range(2))
        blocks = Bounded(was, now).get_matching_blocks()
        assert all(was[one.a : one.a + one.size] == now[one.b : one.b + one.size] for one in blocks)
        plain = SequenceMatcher(None, was, now, autojunk=False).get_matching_blocks()
        assert sum(one.size for one in blocks) >= sum(one.size for one in plain) - 4


def test_few_lines_again_and_again_take_no_minutes() -> None:
    """difflib took a minute and a half for 2,000."""
    began = time.process_time()
    for was, now in ((7, 5), (3, 2)):
        lists = [[str(at % one) for at in range(30_000)] for one in (was, now)]
        assert Bounded(*lists).get_matching_blocks()[-1].size == 0
    assert time.process_time() - began < 20
