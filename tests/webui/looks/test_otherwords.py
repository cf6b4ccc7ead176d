"""Sentences of other rooms, found again by what they say between their values."""

from __future__ import annotations

import time

import pytest

from switchman.webui.looks.otherwords import Sentences

GERMAN = Sentences(
    {
        "no penalties": "keine Abzüge",
        "is used up to %(percent)s %%": "ist zu %(percent)s %% verbraucht",
        "100 %% of it": "100 %% davon",
        "For %(target)s: %(warning)s": "Für %(target)s: %(warning)s",
        "%(name)s was dropped: %(reason)s": "%(name)s fiel weg: %(reason)s",
        "%(name)s leads to %(targets)s.": "%(name)s führt zu %(targets)s.",
        "%(a)s matches %(b)s; it leads to %(targets)s.": "Auf %(b)s passt %(a)s; sie führt zu %(targets)s.",
        " (line %(line)s)": " (Zeile %(line)s)",
        "%(first)s, then %(rest)s": "%(first)s, dann %(rest)s",
        "It failed.": "Es schlug fehl。",
        "Try again.": "Noch einmal!",
    }
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no penalties", "keine Abzüge"),
        ("100 % of it", "100 % davon"),
        ("is used up to 80 %", "ist zu 80 % verbraucht"),
        ("For a/m: seed was dropped: no penalties", "Für a/m: seed fiel weg: keine Abzüge"),
        ("fast leads to a/m, then b/m, then c/m.", "fast führt zu a/m, dann b/m, dann c/m."),
        ("Coding (line 3) matches gpt-4; it leads to a/m.", "Auf gpt-4 passt Coding (Zeile 3); sie führt zu a/m."),
        ("It failed. Try again.", "Es schlug fehl。Noch einmal!"),
        ("It failed. Whatever else.", "Es schlug fehl。Whatever else."),
        ("a server's own words: %(name)s %", "a server's own words: %(name)s %"),
        ("a, then b", "a, then b"),
        ("", ""),
        ("model", "model"),
    ],
)
def test_a_text_is_translated(text: str, words: str) -> None:
    """Values that are sentences, too; several one after the other; what nobody knows stays as it is."""
    assert GERMAN.told(text) == words


def test_values_are_no_formats() -> None:
    """What stands in a value is neither read as a message nor as a format of one."""
    assert GERMAN.told("%(x)s%s was dropped: <b>%(reason)s</b> 100%") == "%(x)s%s fiel weg: <b>%(reason)s</b> 100%"


def test_long_texts_take_no_long_time() -> None:
    """A client's text with the words of many messages in it is looked at once for each, not again and again."""
    began = time.process_time()
    for text in ("was dropped: " * 600, " (line " * 1_100, "it leads to; " * 600, "x. " * 2_600, ", then " * 1_100):
        assert GERMAN.told(f"For {text}") is not None
    assert time.process_time() - began < 5
    assert GERMAN.told("no penalties" + " " * 9_000) == "no penalties" + " " * 9_000
