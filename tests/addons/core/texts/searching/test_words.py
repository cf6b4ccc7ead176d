"""Words by which text is found."""

from __future__ import annotations

import pytest

from switchman.addons.core.texts.searching.words import LONGEST, MOST_WORDS, Query, Term, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Get_weather, get it!", ["get", "weather", "it"]),
        ("naïve STRASSE Straße ＡＢＣ", ["naïve", "strasse", "abc"]),
        ("今天天气", ["今天", "天天", "天气", "气"]),
        ("用Python写", ["用", "python", "写"]),
        ("東京タワー", ["東京", "京タ", "タワ", "ワー", "ー"]),
        ("한국어로", ["한국", "국어", "어로", "로"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("x" * 100, ["x" * LONGEST]),
        ("'\";|&*:()", []),
        ("", []),
    ],
)
def test_words_of_a_text(text: str, words: list[str]) -> None:
    """Folded; pairs of characters where a script has no spaces; no sign that a database would read."""
    assert words_of(text) == words


def test_words_of_several_texts_are_bounded() -> None:
    """Each once, and no more than are worth a row."""
    assert words_of("a b", "b c") == ["a", "b", "c"]
    assert len(words_of(" ".join(f"w{n}" for n in range(5_000)))) == MOST_WORDS
    assert len(words_of("é " + " ".join(f"w{n}" for n in range(5_000)))) == MOST_WORDS


@pytest.mark.parametrize(
    ("typed", "terms"),
    [
        ("func is", [Term("func", begins=True), Term("is")]),
        ('"func" "two words"', [Term("func"), Term("two"), Term("words")]),
        ("天气好", [Term("天气"), Term("气好")]),
        ("天", [Term("天", begins=True)]),
        ("same same", [Term("same", begins=True)]),
        ("* OR NEAR(a) \"'; --", [Term("or"), Term("near", begins=True), Term("a")]),
        ("!!", []),
    ],
)
def test_what_is_typed(typed: str, terms: list[Term]) -> None:
    """All of the words; the beginning is enough but in quotes; operators of databases are words like others."""
    assert Query.parse(typed).terms == tuple(terms)


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("weath", "get_weather()"),
        ("天气", "今天天气好"),
        ("好", "今天天气好"),
        ("今", "今天"),
        ("Tokyo 東京", "tokyo の東京"),
    ],
)
def test_what_is_typed_finds_the_text(typed: str, text: str) -> None:
    """Each term is a word of the text, or begins one."""
    words = words_of(text)
    for term in Query.parse(typed).terms:
        assert term.word in words or (term.begins and any(word.startswith(term.word) for word in words)), term
