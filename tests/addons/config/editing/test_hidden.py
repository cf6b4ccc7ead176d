"""Keys in a rules file: no page has them, and a save puts them back."""

from __future__ import annotations

import re

import pytest

from switchman.addons.config.editing.hidden import WORD, Hidden, UnknownKey
from switchman.addons.core.keys.known import KnownKeys
from switchman.addons.core.rules.reading.yamltext import load

LONG = "sk-proj-abcdefghijklmnop1234567890"
KEYS = {
    LONG, "hunter2!", "short", "quo\\\"ted-key-1234567", "one-of-two-8765", "x-secret-header-9", "pass:w0rd", "q9z8",
    "gsk_in_a_comment_12345678", "known-from-elsewhere-99", "user-only-token-1",
}  # fmt: skip
TEXT = r"""
# used before: gsk_in_a_comment_12345678, and known-from-elsewhere-99
servers:
  a: {url: "http://h/v1?api-key=q9z8&x=1", api_key: sk-proj-abcdefghijklmnop1234567890}
  short: {url: "http://short", api_key: short} # a server of that name
  b:
    url: http://h
    api_keys: [env:NAME, {key: "quo\\\"ted-key-1234567", weight: 2}, 'one-of-two-8765']
    headers: {authorization: "Bearer x-secret-header-9", x-team: research, x-key: "vault:name"}
    proxy: http://me:hunter2!@proxy:3128
  c: http://u:pass:w0rd@h/v1
  d: "https://user-only-token-1@h"
routes:
  - route: {model: short/m}
"""


@pytest.fixture
def hidden() -> Hidden:
    return Hidden(lambda: b"k" * 32, lambda: KnownKeys(["known-from-elsewhere-99"]))


def test_no_key_is_left_and_all_come_back(hidden: Hidden) -> None:
    """Wherever they stand, however they are quoted; names that are the same word as a key stay."""
    text = hidden.hide(TEXT)
    for key in KEYS - {"short"}:
        assert key not in text, key
    assert "api_key: <hidden-key-" in text and 'short: {url: "http://short", api_key: <hidden-key-' in text
    assert "model: short/m" in text and "x-team: research" in text and "env:NAME" in text and "vault:name" in text
    assert hidden.put_back(text) == TEXT
    assert hidden.hide(text) == text
    assert load(text, "").problems == ()
    assert load(text, "").data["routes"] == load(TEXT, "").data["routes"]


def test_a_broken_text_has_none_that_look_like_keys(hidden: Hidden) -> None:
    """Where nothing can be told by its place."""
    text = hidden.hide(f"servers: {{\n  a: {LONG} # {LONG}\n known-from-elsewhere-99")
    assert LONG not in text and "known-from" not in text and len(set(WORD.findall(text))) == 2


def test_words_are_the_same_after_a_restart_and_tell_keys_apart(hidden: Hidden) -> None:
    """With the same secret of ours; with another one they are others."""
    again, other = Hidden(lambda: b"k" * 32), Hidden(lambda: b"o" * 32)
    one, two = "api_key: sk-aaaaaaaaaaaaaaaa1", "api_key: sk-aaaaaaaaaaaaaaaa2"
    assert hidden.hide(one) == again.hide(one) != other.hide(one)
    assert hidden.hide(one) != hidden.hide(two)
    assert re.search("[0-9a-f]{12}", hidden.hide(one))


def test_a_word_that_nobody_saw_is_refused_with_its_line(hidden: Hidden) -> None:
    """It is never written."""
    with pytest.raises(UnknownKey, match=r"^line 3: the key that is hidden here is not in the file any more") as caught:
        hidden.put_back("a: 1\n\nb: <hidden-key-0123456789ab>\n")
    assert caught.value.line == 3


def test_a_key_that_somebody_types_survives_the_review(hidden: Hidden) -> None:
    """It is in no file yet."""
    typed = f"servers: {{a: {{url: http://h, api_key: {LONG}}}}}"
    assert hidden.put_back(hidden.hide(typed)) == typed
