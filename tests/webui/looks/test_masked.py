"""Credentials in bodies."""

from __future__ import annotations

import json

import pytest

from switchman.webui.looks.masked import masked_text, masked_value

KEY = "sk-0123456789abcdefWXYZ"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"api_key": KEY}),
        json.dumps({"a": {"b": [{"Authorization": KEY}]}}, indent=2),
        '{"client_secret":"' + KEY,  # cut off where the body was
        "data: " + json.dumps({"apiKey": KEY}) + "\n\n",
        json.dumps({"arguments": json.dumps({"password": KEY})}),
        json.dumps({"arguments": json.dumps({"inner": json.dumps({"access_token": KEY})})}),
    ],
)
def test_secret_fields_are_masked_wherever_they_stand(text: str) -> None:
    """In whole, indented, cut and streamed JSON, and in JSON that is a string in JSON; the last four stay."""
    shown = masked_text(text)
    assert KEY not in shown and "...WXYZ" in shown
    assert shown.replace("...WXYZ", KEY) == text


@pytest.mark.parametrize(
    "text",
    [
        '{"max_tokens": 5, "key": "value", "signature": "abc", "prompt_cache_key": "user-1", "tools": []}',
        '{"content": "My password is hunter2"}',
        "no JSON: api_key",
        "",
    ],
)
def test_everything_else_stays(text: str) -> None:
    """Counts, other keys, and what people write."""
    assert masked_text(text) == text


@pytest.mark.parametrize("value", ['ab"cdefghij0123WXYZ', "ab\\cdefghij0123WXYZ", "\u00e9bcdefghijk0123WXYZ"])
def test_an_escape_ends_no_credential(value: str) -> None:
    """A password may have a quote or a backslash in it, and what follows belongs to it; so does not the next member."""
    text = json.dumps({"password": value, "model": "m"})
    assert masked_text(text) == '{"password": "...WXYZ", "model": "m"}'
    assert masked_text(masked_text(text)) == masked_text(text)


def test_hostile_text_is_read_once() -> None:
    """A text of nothing but quotes and names takes no longer than any other."""
    for piece in ('"', '\\"', '"api_key":', '"api_key":"', "\\" * 8):
        hostile = piece * (256_000 // len(piece))
        assert masked_text(hostile).count('"') == hostile.count('"')


def test_values_of_parameters() -> None:
    """By name, at any depth; what is no string holds no credential."""
    value = {"headers": {"authorization": "Bearer " + KEY, "x-team": "blue"}, "auth_tokens_limit": 5}
    assert masked_value("extra", value) == {
        "headers": {"authorization": "...WXYZ", "x-team": "blue"},
        "auth_tokens_limit": 5,
    }
    assert masked_value("api_key", [KEY]) == ["...WXYZ"]
