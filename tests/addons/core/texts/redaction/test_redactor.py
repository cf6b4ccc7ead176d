"""Placeholders for what is private in a request's texts."""

from __future__ import annotations

import json
import re

import pytest

from switchman.addons.core.texts.redaction.finding import KINDS
from switchman.addons.core.texts.redaction.redactor import WINDOW, Redact, Redactor, merged, redact_of, search, told
from switchman.addons.core.texts.redaction.words import Words

MAIL = "jane@example.org"


def redactor(key: bytes = b"k", **more: object) -> Redactor:
    return Redactor(Redact(KINDS, **more), key)  # type: ignore[arg-type]


def test_a_placeholder_needs_no_escape_anywhere() -> None:
    """Letters, digits and one underscore, with the kind in front."""
    found = redactor().text(f"to {MAIL}!")

    assert re.fullmatch(r"to EMAIL_[0-9a-f]{10}!", found)


def test_the_same_for_the_same_key_and_another_for_another() -> None:
    """In all turns of a conversation it is the same; without the key nobody can make it."""
    assert redactor().text(MAIL) == redactor().text(MAIL)
    assert redactor(b"a").text(MAIL) != redactor(b"b").text(MAIL)


def test_no_two_originals_share_one() -> None:
    """Where another original has it already, the next one is taken."""
    one = redactor()
    first = one.text(MAIL)
    other = redactor()
    other.originals[first] = "somebody@else.example"

    second = other.text(MAIL)

    assert second != first
    assert other.originals == {first: "somebody@else.example", second: MAIL}


def test_what_is_escaped_in_json_is_found() -> None:
    """A tool's arguments are JSON in a text: strings are read as what they stand for, and numbers, too."""
    one = redactor()
    given = '{"to": "jane\\u0040example.org", "card": 4111111111111111, "n": 12, "x": "a\\nb"}'

    value = json.loads(one.json_text(given))

    assert value["to"].startswith("EMAIL_") and value["card"].startswith("CARD_")
    assert (value["n"], value["x"]) == (12, "a\nb")
    assert set(one.originals.values()) == {MAIL, "4111111111111111"}


def test_json_without_anything_private_stays_as_it_is() -> None:
    """White space and escapes, too."""
    given = '{ "a":"\\u00e4",\n "b" : [1, 2.50] }'

    assert redactor().json_text(given) == given


@pytest.mark.parametrize("given", ['{"to": "jane@example.org', '{"to": "jane@example.org\\', "to jane@example.org"])
def test_what_is_no_whole_json_is_redacted_all_the_same(given: str) -> None:
    """As arguments that were cut off."""
    assert MAIL not in redactor().json_text(given)


def test_a_long_text_is_searched_in_windows() -> None:
    """What lies across the end of one is found as well."""
    text = "x " * (WINDOW // 2 - 4) + f"{MAIL} " + "y " * WINDOW + MAIL

    assert [text[span.start : span.end] for span in search(text, Redact(KINDS))] == [MAIL, MAIL]


def test_several_rules_together() -> None:
    """What any of them calls private."""
    both = merged(
        [Redact(frozenset({"ip"}), Words(["Falke"]), "a"), Redact(frozenset({"email"}), Words(["Otter"]), "b")]
    )
    one = Redactor(both, b"k")

    assert re.fullmatch(r"(WORD_\w+ ){2}IP_\w+ EMAIL_\w+", one.text(f"falke otter 10.1.2.3 {MAIL}"))
    assert told(one.counts) == "2 word, 1 ip, 1 email"


@pytest.mark.parametrize(
    ("content", "fault"),
    [("# nothing\n", "w.txt holds no word"), ("a\n???\n", "w.txt, line 2, has no letter and no digit")],
)
def test_faults_of_a_file_of_words(content: str, fault: str) -> None:
    """A file that says nothing, or something that cannot be found, is an error of the configuration."""
    faults: list[str] = []
    redact_of(["email"], "w.txt", "r", lambda _: content, faults.append)

    assert faults == [fault]
