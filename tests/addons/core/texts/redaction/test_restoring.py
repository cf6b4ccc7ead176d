"""Originals come back, at any split, and nothing else changes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.texts.redaction.restoring import Restorer, Tail

ORIGINALS = {
    "EMAIL_0123456789": "jane@example.org",
    "IP_aaaaaaaaaa": "10.1.2.3",
    "IBAN_bbbbbbbbbb": "DE89 3704",
    "WORD_cccccccccc": 'Bob "Q" \\ Jones',
}
PIECES = [
    *ORIGINALS,
    "EMAIL_0123456780",
    "email_0123456789",
    "EMA",
    "EMAIL_01234",
    "I",
    "W",
    "e",
    " ",
    "_",
    "\\_",
    "é",
    "x",
]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("EMAIL_0123456789", "jane@example.org"),
        ("**email_0123456789**", "**jane@example.org**"),
        ("Email_0123456789", "jane@example.org"),
        ("IP_AAAAAAAAAA", "10.1.2.3"),
        (r"IBAN\_bbbbbbbbbb", "DE89 3704"),
        ("EMAIL_0123456788", "EMAIL_0123456788"),
        ("mailto:EMAIL_0123456789s", "mailto:jane@example.orgs"),
    ],
)
def test_how_a_model_may_write_it(said: str, meant: str) -> None:
    """In capitals or not, with an escape of Markdown's; what is none of this request's stays."""
    assert Restorer(ORIGINALS).text(said) == meant


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12), st.data())
def test_any_split_gives_the_same_as_none(pieces: list[str], data: st.DataObject) -> None:
    """Held is only what may be the beginning of a placeholder."""
    text = "".join(pieces)
    whole, parts = Restorer(ORIGINALS), Restorer(ORIGINALS)
    tail, out, at = Tail(parts), [], 0
    while at < len(text):
        length = data.draw(st.integers(1, 6))
        out.append(tail.feed(text[at : at + length]))
        at += length
    out.append(tail.end())

    assert "".join(out) == whole.text(text)
    assert parts.restored == whole.restored


def test_what_cannot_begin_one_is_not_held() -> None:
    """The first byte of an answer is not, nor are words that begin otherwise."""
    tail = Tail(Restorer(ORIGINALS))

    assert [tail.feed(piece) for piece in ("Hello", " there, the", " EM", "U EMAIL_x")] == [
        "Hello", " there, the", " ", "EMU EMAIL_x",
    ]  # fmt: skip
    assert not tail.holds


def test_in_json_an_original_is_escaped() -> None:
    """A tool's arguments stay JSON, in an object's own strings and in a text of JSON."""
    restorer = Restorer(ORIGINALS)
    value = restorer.value(
        {"arguments": '{"to": "WORD_cccccccccc"}', "input": {"WORD_cccccccccc": ["WORD_cccccccccc"]}}
    )

    assert json.loads(value["arguments"]) == {"to": ORIGINALS["WORD_cccccccccc"]}
    assert value["input"] == {ORIGINALS["WORD_cccccccccc"]: [ORIGINALS["WORD_cccccccccc"]]}
    assert restorer.restored == 3
