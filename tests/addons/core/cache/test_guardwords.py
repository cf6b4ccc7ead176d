"""The tables by which a text is read: no entry hides another, and none is changed by the table beside it."""

from __future__ import annotations

import pytest

from switchman.addons.core.cache import guardwords as words


@pytest.mark.parametrize("table", [words.OPENERS, words.CLOSERS], ids=["openers", "closers"])
def test_longer_phrases_are_tried_first(table: dict[str, tuple[tuple[str, ...], ...]]) -> None:
    """Under one word no phrase comes before one that it is a part of: "hi" would leave the "there" of "hi there"."""
    for phrases in table.values():
        sizes = [len(phrase) for phrase in phrases]
        assert sizes == sorted(sizes, reverse=True)
        assert len(set(phrases)) == len(phrases)


def test_phrases_stand_under_their_word() -> None:
    """Openers by the first, closers by the last."""
    assert all(phrase[0] == first for first, phrases in words.OPENERS.items() for phrase in phrases)
    assert all(phrase[-1] == last for last, phrases in words.CLOSERS.items() for phrase in phrases)
    assert words.by_first((("a", "b"), ("a",), ("b",))) == {"a": (("a", "b"), ("a",)), "b": (("b",),)}
    assert words.by_last((("a", "b"), ("a",), ("b",))) == {"b": (("a", "b"), ("b",)), "a": (("a",),)}


def test_a_spelling_has_one_end() -> None:
    """What a word is respelled to is not respelled again, and no word is respelled to itself."""
    assert not set(words.SPELLINGS.values()) & set(words.SPELLINGS)


def test_a_contraction_is_written_out_whole() -> None:
    """In words that stay as they are; none is a misspelling too."""
    parts = {part for written in words.CONTRACTED.values() for part in written.split()}
    assert not parts & (set(words.CONTRACTED) | set(words.SPELLINGS))
    assert not set(words.CONTRACTED) & set(words.SPELLINGS)
    assert all("+" not in written for written in words.CONTRACTED.values())


def test_phrases_are_written_as_they_are_read() -> None:
    """Small, and in words that no table respells: else they could never match (okay is read as ok)."""
    changed = (set(words.SPELLINGS) | set(words.CONTRACTED)) - {"okay"}
    for table in (words.OPENERS, words.CLOSERS):
        read = {word for phrases in table.values() for phrase in phrases for word in phrase}
        assert read == {word.lower() for word in read}
        assert not read & changed
    assert ("ok",) in words.OPENERS["ok"]


@pytest.mark.parametrize(
    ("word", "number"),
    [("zero", 0), ("one", 1), ("twelve", 12), ("nineteen", 19), ("twenty", 20), ("ninety", 90)],
)
def test_number_words(word: str, number: int) -> None:
    """Each word has its place in the row."""
    assert words.NUMBERS[word] == number
    assert len(words.NUMBERS) == 28


@pytest.mark.parametrize(
    ("word", "ordinal"), [("first", "1st"), ("second", "2nd"), ("third", "3rd"), ("fourth", "4th"), ("twelfth", "12th")]
)
def test_ordinals(word: str, ordinal: str) -> None:
    """As they are written in figures."""
    assert words.ORDINALS[word] == ordinal


def test_each_number_word_is_of_one_kind() -> None:
    """A number, a multiple or an ordinal."""
    tables = (words.NUMBERS, words.MULTIPLES, words.ORDINALS)
    assert sum(map(len, tables)) == len(words.NUMBER_WORDS) == len(frozenset().union(*tables))


def test_what_may_end_a_long_text_does_not_end_a_short_one() -> None:
    """ENDING has the exceptions to UNENDED, and nothing else."""
    assert words.ENDING <= words.UNENDED


def test_names_are_looked_up_in_small_letters() -> None:
    """With the words beside them likewise; a capital A, # and Aa are marks."""
    for word, (before, after) in words.HOMOGRAPHS.items():
        beside = (before | after) - {"Aa", "#"}
        assert (word, beside) == (word.lower(), {one.lower() for one in beside})
