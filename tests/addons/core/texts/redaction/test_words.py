"""A list of words is found in a text."""

from __future__ import annotations

import pytest

from switchman.addons.core.texts.redaction.words import MOST_LENGTH, Words


def found(words: Words, text: str) -> list[str]:
    return [text[start:end] for start, end in words.find(text, text.encode("latin-1", "replace"))]


@pytest.mark.parametrize(
    ("line", "text", "expected"),
    [
        ("ACME Corp", "the Acme  corp, and ACME\nCORP.", ["Acme  corp", "ACME\nCORP"]),
        ("falke", "Falke, Falken; (FALKE)", ["Falke", "FALKE"]),
        ("Müller & Söhne", "MÜLLER & SÖHNE", ["MÜLLER & SÖHNE"]),
        ("Жуков", "г-н жуков и Жуковский", ["жуков"]),
        ("東京", "私は東京に住む", ["東京"]),
        ("O'Neil", "o'neil said", ["o'neil"]),
    ],
)
def test_whole_words_in_any_case(line: str, text: str, expected: list[str]) -> None:
    """Whole words only, but in scripts that put no space between them."""
    assert found(Words([line]), text) == expected


def test_the_longest_phrase() -> None:
    """Of phrases that begin alike the longest one that is there."""
    words = Words(["red", "red fox", "red fox den one"])

    assert found(words, "red red fox den two") == ["red", "red fox"]


def test_lines_that_are_no_words() -> None:
    """Comments and empty lines are none; a line that cannot be found is a fault, by its number."""
    words = Words(["\ufeff# ours", "", "one", "???", "x" * (MOST_LENGTH + 1)])

    assert words.count == 1
    assert [line for line, _ in words.faults] == [4, 5]
