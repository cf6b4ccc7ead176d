"""The language of short prompts: labelled ones in tests/data/languages, as people type them, accents left out at times.

The odd lines of each file were there to tune with; the floors are held by the even ones, which nothing was tuned on.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from switchman.addons.core.request.language import language_of

FOLDER = Path(__file__).parents[3] / "data/languages"
OTHER_SCRIPTS = frozenset({"ru", "uk", "el", "ar", "he", "fa", "hi", "th", "ja", "ko", "zh"})
PROMPTS = {file.stem: file.read_text(encoding="utf-8").splitlines() for file in sorted(FOLDER.glob("*.txt"))}
HELD_OUT = [(code, line) for code, lines in PROMPTS.items() for line in lines[1::2]]


def test_the_set_is_worth_its_name() -> None:
    """Many languages, many prompts, each of 1 to 12 words, none twice."""
    lines = [line for found in PROMPTS.values() for line in found]
    assert len(PROMPTS) >= 28 and len(HELD_OUT) >= 200
    assert len(lines) == len(set(lines))
    assert all(1 <= len(line.split()) <= 12 for line in lines)


@pytest.mark.parametrize(("scripts", "floor"), [("latin", 0.96), ("other", 0.94)])
def test_held_out_prompts_are_told_apart(scripts: str, floor: float) -> None:
    """The share of prompts whose language is found, by those that share the Latin script and those that do not."""
    rows = [row for row in HELD_OUT if (row[0] in OTHER_SCRIPTS) == (scripts == "other")]
    wrong = [(code, language_of(line), line) for code, line in rows if language_of(line) != code]
    assert 1 - len(wrong) / len(rows) >= floor, wrong


def test_no_language_is_lost() -> None:
    """Of each language at least two in three are found, however well the others do."""
    known = Counter(code for code, _ in HELD_OUT)
    right = Counter(code for code, line in HELD_OUT if language_of(line) == code)
    assert [code for code in known if 3 * right[code] < 2 * known[code]] == []


@pytest.mark.parametrize("text", ["Zxqwv", "hm hm", "12 + x", "Blorb"])
def test_without_a_sign_nothing_is_claimed(text: str) -> None:
    """Words that no language here knows are "und", not English: a rule for English is not to take them."""
    assert language_of(text) == "und"


@pytest.mark.parametrize(
    "text",
    [
        "Opening line for a novel set on Mars",
        "quicksort in rust",
        "python",
        "a limerick on printer ink",
        'How do you say "danke schön" in French?',
        "def area(self): return self.width * self.height",
        "SELECT name FROM users WHERE id = 3",
    ],
)
def test_english_that_looks_like_others_is_english(text: str) -> None:
    """Stray words of other languages, quoted ones, and code."""
    assert language_of(text) == "en"


@pytest.mark.parametrize("spelled", ["Erklär mir den Fehler", "ERKLÄR MIR DEN FEHLER", "Erkla\u0308r mir den Fehler"])
def test_the_way_a_letter_is_written_does_not_count(spelled: str) -> None:
    """Capitals, and accents as characters of their own."""
    assert language_of(spelled) == "de"


def test_a_look_is_cheap() -> None:
    """It runs on the event loop for each request: the best of some looks at the longest text takes below a millisecond.

    The bound is ten times what it takes on a slow machine, so that only a look of another order fails.
    """
    text = " ".join(line for lines in PROMPTS.values() for line in lines)
    taken = []
    for _ in range(20):
        before = time.process_time()
        language_of(text)
        taken.append(time.process_time() - before)
    assert min(taken) < 0.01
