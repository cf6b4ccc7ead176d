"""The request as conditions see it: words, without case, derived once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchman.addons.core.request.features import Features
from switchman.addons.core.routes.subject import HAS_UNSPACED, WORD, Subject

PLAIN = Features("openai", "chat", ask="", system="", task="chat", task_confidence=0.7)


def subject(ask: str) -> Subject:
    return Subject(("auto",), features=replace(PLAIN, ask=ask))


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        ("Don't STOP, stop!", {"don", "t", "stop"}),
        ("c++ and snake_case", {"c", "and", "snake_case"}),
        ("Grüße aus Łódź", {"grüsse", "aus", "łódź"}),
        ("use Python写代码 now", {"use", "python", "now"}),
        ("한국어 ไทย 日本語", set()),
        ("12 apples", {"12", "apples"}),
        ("  \n", set()),
        ("", set()),
    ],
)
def test_words_are_whole_and_without_case(ask: str, words: set[str]) -> None:
    """ß is ss; scripts without spaces between words have none here, but end one."""
    assert subject(ask).words == words


def test_the_words_in_a_row() -> None:
    """Each between two spaces, in their order, so that a phrase is a substring; no word leaves one space."""
    assert subject("One, TWO; one!").spaced == " one two one "
    assert subject("?!").spaced == " "
    assert subject("").spaced == " "


@pytest.mark.parametrize("first", ["folded", "words", "spaced"])
def test_it_does_not_matter_what_is_asked_first(first: str) -> None:
    """Each is derived from what it needs, by whoever asks."""
    asked = subject("One two")
    getattr(asked, first)
    assert (asked.folded, asked.words, asked.spaced) == ("one two", {"one", "two"}, " one two ")


def test_each_is_derived_once() -> None:
    """Thousands of rules share the work of the first."""
    asked = subject("Straße ÄÖ")
    assert asked.folded is asked.folded
    assert asked.words is asked.words
    assert asked.spaced is asked.spaced


def test_without_features_there_are_no_words() -> None:
    """As for a request that nobody has read."""
    asked = Subject(("auto",))
    assert (asked.folded, asked.words, asked.spaced) == ("", frozenset(), " ")


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=60))
def test_the_quick_way_for_plain_letters_is_the_same_way(ask: str) -> None:
    """For ASCII another pattern is used, which finds the same."""
    assert subject(ask).words == set(WORD.findall(ask.casefold()))


@pytest.mark.parametrize("character", ["ก", "あ", "ヶ", "㐀", "一", "鿿", "가", "힣"])
def test_scripts_without_spaces(character: str) -> None:
    """Thai, kana, Han and Hangul; Cyrillic, Devanagari and Arabic put spaces between words."""
    assert HAS_UNSPACED.search(character)
    assert not HAS_UNSPACED.search("Привет नमस्ते سلام")
