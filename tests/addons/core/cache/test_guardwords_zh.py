"""The Chinese tables: no entry hides another."""

from __future__ import annotations

import pytest

from switchman.addons.core.cache import guardwords_zh as words


@pytest.mark.parametrize("table", [words.OPENERS, words.CLOSERS], ids=["openers", "closers"])
def test_no_phrase_is_hidden_by_a_shorter_one(table: tuple[str, ...]) -> None:
    """What begins (or ends) as another does is tried before it."""
    for place, phrase in enumerate(table):
        for later in table[place + 1 :]:
            assert not (later.startswith(phrase) if table is words.OPENERS else later.endswith(phrase)), (phrase, later)


def test_special_openers_are_openers() -> None:
    """The tables of exceptions name nothing else."""
    assert set(words.CAN_YOU) <= set(words.OPENERS)
    assert set(words.ONLY_BEFORE) <= set(words.OPENERS)


@pytest.mark.parametrize("table", [words.REWRITTEN, words.WHETHER], ids=["rewritten", "whether"])
def test_rewriting_ends(table: tuple[tuple[str, str], ...]) -> None:
    """No entry is written twice, none makes what an earlier one would have changed, and none hides a later one."""
    assert len(dict(table)) == len(table)
    for place, (said, meant) in enumerate(table):
        assert said
        assert not [earlier for earlier, _ in table[:place] if earlier in meant]
        assert not [later for later, _ in table[place + 1 :] if said in later]


def test_digits_and_units() -> None:
    """Ten digits in their order; units grow tenfold, and then by ten thousand."""
    assert [words.DIGITS[character] for character in "零一二三四五六七八九"] == list(range(10))
    assert list(words.UNITS.values()) == [10, 100, 1000, 10**4, 10**8]
