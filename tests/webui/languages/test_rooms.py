"""What the rooms below say: read from their source, all of it, and known again in each language."""

from __future__ import annotations

import re

import pytest

from switchman.webui.languages.catalogs import catalog_of
from switchman.webui.languages.choice import DEFAULT, LANGUAGES
from switchman.webui.languages.rooms import ADDONS, QUIET, SPEAKING, of_rooms, said_in
from switchman.webui.languages.sentences import sentences_of
from switchman.webui.looks.otherwords import LIST, ROOM

OTHERS = [language for language in LANGUAGES if language != DEFAULT]
VALUE = re.compile(r"%\((\w+)\)s")
# What ends in a row, or is answered by the router on its own account.
WRITTEN = re.compile(r"\b(TraceLine|Refusal|refusal|NoAnswer|Untranslatable|Refused)\(")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = f'{a.name} is {len(b)} of them'", ["%(name)s is %(b)s of them"]),
        ("x = f'{a} and {a} are alike'", ["%(a)s and %(a2)s are alike"]),
        ("x = 'it has ' + f(b) + ' in it'", ["it has %(b)s in it"]),
        ('x = f\'{n} model{"" if n == 1 else "s"} more\'', ["%(n)s model more", "%(n)s models more"]),
        ("x = f'It failed: {why or f\"for {a} and {b}\"}.'", ["It failed: %(value)s.", "for %(a)s and %(b)s"]),
        ("x = 'is used up' if y else f'is used up to {z:.0%} of it'", ["is used up", "is used up to %(z)s of it"]),
        ("x = ', then '.join(y)", ["%(first)s, then %(rest)s"]),
        ("x = 'up to 50 % of it'", ["up to 50 %% of it"]),
        ("x = f' (line {n})'", [" (line %(n)s)"]),
        ("def f():\n    'It says what it does.'\n    log.info('It is no sentence of a row')\n", []),
        ("x = {'one word': 'single', 'name': 'switchman layers'}", ["one word"]),
    ],
)
def test_sentences_of_a_source(source: str, said: list[str]) -> None:
    """With a name for each value, each alternative by itself; no docstrings, no log, no names of threads."""
    assert list(said_in(source)) == said


def test_what_is_written_into_rows_is_read() -> None:
    """No module of the rooms below writes a trace, an error or a refusal outside of what is translated."""
    silent = []
    for path in sorted(ADDONS.rglob("*.py")):
        name = path.relative_to(ADDONS).as_posix()
        if name.split("/")[0] in ("cli", "testing", "serving", "semantics") or not WRITTEN.search(path.read_text()):
            continue
        if not any(name == one or name.startswith(f"{one}/") for one in SPEAKING):
            silent.append(name)
        silent += [name for one in QUIET if name == one or name.startswith(f"{one}/")]
    assert silent == []


def test_what_is_left_out_is_there() -> None:
    """A room or file that is gone is gone from the lists, too."""
    assert [one for one in (*SPEAKING, *QUIET) if not (ADDONS / one).exists()] == []


@pytest.mark.parametrize("language", OTHERS)
def test_each_sentence_is_known_again(language: str) -> None:
    """With its values in it."""
    told = sentences_of(language).told
    words = {one.id: str(one.string) for one in catalog_of(language) if one.context == ROOM}
    wrong = []
    for sentence in dict.fromkeys(text for _, text in of_rooms()):
        if tuple(VALUE.findall(sentence)) == LIST or sentence[0] in " ,;":
            continue  # within others only
        values = {name: f"v{number}" for number, name in enumerate(VALUE.findall(sentence))}
        values |= dict.fromkeys(re.findall(r"\)s%\((\w+)\)s", sentence), "")  # a value beside one is how that ends
        expected = words[sentence] % values
        if (found := told(sentence % values)) != expected:
            wrong.append((sentence % values, found, expected))
    assert wrong == []
