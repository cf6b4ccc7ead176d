"""The tables by which two texts are compared: pairs of real words, in the form in which they are compared."""

from __future__ import annotations

import pytest

from switchman.addons.core.cache import guardpairs as pairs
from switchman.addons.core.cache import guardwords as words
from switchman.addons.core.cache.guards import is_typo, relaxed


def test_every_confusable_pair_has_two_words() -> None:
    """Small, different, and not respelled before they are compared."""
    for pair in pairs.CONFUSABLE:
        assert len(pair) == 2
        assert all(word == word.lower() and word not in words.SPELLINGS for word in pair)


def test_no_confusable_pair_is_a_typo() -> None:
    """Whichever stands first."""
    assert not [pair for pair in pairs.CONFUSABLE for one, other in [tuple(pair)] if is_typo(one, other)]
    assert not [pair for pair in pairs.CONFUSABLE for one, other in [tuple(pair)] if is_typo(other, one)]


def test_light_words_are_no_articles_and_no_negation() -> None:
    """Articles are gone by then; what turns an answer round is never light."""
    assert not pairs.LIGHT & words.FILLERS
    assert not pairs.LIGHT & {"not", "no", "never", "without", "before", "after", "more", "less", "than"}


def test_what_one_asks_by_is_read_as_it_is_compared() -> None:
    """`how to` is one word by then."""
    assert "how to" in pairs.ASKING
    assert {word for word in pairs.ASKING if " " not in word} == {word.lower() for word in pairs.ASKING} - {"how to"}


@pytest.mark.parametrize(
    ("one", "other"),
    [("buy", "purchase"), ("car", "automobile"), ("cars", "automobiles"), ("photo", "image"), ("kids", "children")],
)
def test_synonyms_serve_the_relaxed_guard(one: str, other: str) -> None:
    """Singular or plural; words that are no synonyms here do not pass, whatever they mean."""
    same = relaxed(f"Where can I see good {one} today?", f"Where can I see good {other} today?", 0.99)
    assert same is (other != "children")


@pytest.mark.parametrize("word", ["news", "glasses", "customs", "thousands"])
def test_plurals_that_are_other_words(word: str) -> None:
    """They are not taken for one of it."""
    assert word in pairs.PLURALS_APART
    assert not relaxed(f"Where can I find good {word} today?", f"Where can I find good {word[:-1]} today?", 0.99)
