"""A model in a query or an urlencoded form is found and replaced; everything else stays to the byte."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchman.addons.core.paths.named import MAX_FIELDS, beside, find, quoted, replaced, value, without


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("model=m", "m"),
        ("a=1&model=m&b=2", "m"),
        ("model=one&model=two", "one"),
        ("mod%65l=a%2Fb+c", "a/b c"),
        ("model=", ""),
        ("model", ""),
        ("amodel=1&models=2", ""),
        ("", ""),
        ("&&", ""),
        ("model=a=b", "a=b"),
    ],
)
def test_the_first_field_of_the_name_counts(text: str, found: str) -> None:
    """Unquoted."""
    assert value(text, "model") == found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=%20+&model=m&b", "a=%20+&model=org/x:3b&b"),
        ("model=m&model=m", "model=org/x:3b&model=m"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_only_the_value_is_replaced(text: str, expected: str) -> None:
    """Nothing is added where there is none."""
    assert replaced(text, "model", "org/x:3b") == expected


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_name_reads_back(name: str) -> None:
    """As every reader of forms reads it, and without a separator of its own."""
    text = replaced("x=1&model=m&y=2", "model", name)
    assert parse_qs(text)["model"] == [name] and text.startswith("x=1&model=") and text.endswith("&y=2")
    assert value(text, "model") == name and not set(quoted(name)) & set("&=# ")


def test_a_field_behind_a_thousand_others_is_not_looked_for() -> None:
    """A form of millions of fields would take its time."""
    assert find("a&" * (MAX_FIELDS - 1) + "model=m", "model") is not None
    assert find("a&" * MAX_FIELDS + "model=m", "model") is None


def test_fields_are_taken_out_and_put_beside() -> None:
    """What is in one's own query is not taken from the client's."""
    assert without("a=1&api%2Dversion=2&b", "api-version") == "a=1&b"
    assert beside("a=1&b=2", "b=3&c") == "a=1&b=3&c"
    assert beside("a=1&&b", "") == "a=1&&b"
    assert beside("", "b=3") == "b=3"
