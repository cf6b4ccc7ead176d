"""Known keys are found in text and bytes, whatever stands around them, and nothing else is."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.keys.known import NO_KEYS, KnownKeys

KEY = "sk-proj-0123456789abWXYZ"
ODD = 'pä"ss/w0rd+& x'


@dataclass(frozen=True)
class Row:
    path: str
    body: bytes
    fields: tuple[tuple[str, str], ...]
    more: dict[str, list[object]]


def test_in_bytes_a_key_becomes_as_many_asterisks() -> None:
    """So the length of a body stays, whose head has gone out."""
    keys = KnownKeys([KEY, "another-key-1234567890"])
    data = b'{"error": "bad key sk-proj-0123456789abWXYZ, another-key-1234567890"}'
    hidden = keys.hide(data)
    assert hidden == b'{"error": "bad key ' + b"*" * len(KEY) + b", " + b"*" * 22 + b'"}'
    assert len(hidden) == len(data) and json.loads(hidden)


def test_in_text_the_last_four_of_a_long_one_stay() -> None:
    """As everywhere where people read it; a short one, or one whose end would break JSON, goes wholly."""
    keys = KnownKeys([KEY, "hunter22", 'abcdefghijklmnop"'])
    assert keys.hide_text(f"{KEY}: no; hunter22: no") == "...WXYZ: no; ...: no"
    assert keys.hide_text('x abcdefghijklmnop" y') == "x ... y"


@pytest.mark.parametrize(
    "text",
    [
        f"x{KEY}y", f"key={KEY}", KEY, f"{KEY}{KEY}", quote(ODD, safe=""), quote(ODD, safe="").lower(), quote(ODD),
        json.dumps(ODD), json.dumps(ODD, ensure_ascii=False), json.dumps(json.dumps(ODD)),
        json.dumps(ODD).replace("/", "\\/"), "p&auml; " + ODD,
    ],
)  # fmt: skip
def test_whatever_stands_around_it(text: str) -> None:
    """Within a word, twice, percent-encoded, escaped in JSON: found in text and in bytes."""
    keys = KnownKeys([KEY, ODD])
    assert keys.in_bytes(text.encode())
    for hidden in (keys.hide_text(text), keys.hide(text.encode()).decode()):
        assert "0123456789" not in hidden and "w0rd" not in hidden


def test_of_two_keys_that_begin_alike_the_longer_one_is_found() -> None:
    """Nothing of it is left over."""
    keys = KnownKeys(["abcd1234efgh", "abcd1234efghijkl5678"])
    assert (
        keys.hide(b"abcd1234efghijkl5678 abcd1234efgh abcd1234efgx") == b"*" * 20 + b" " + b"*" * 12 + b" abcd1234efgx"
    )


def test_words_of_ordinary_answers_stay() -> None:
    """A short key, a word, a placeholder: they are no reason to change an answer."""
    keys = KnownKeys(["test", "ollama", "none", "EMPTY", "sk-no-key-required", "password", "12345678"])
    assert not keys and keys.hide(b"a test of ollama, none EMPTY: sk-no-key-required 12345678 password") == (
        b"a test of ollama, none EMPTY: sk-no-key-required 12345678 password"
    )


def test_no_keys_at_all() -> None:
    """Then everything stays the object that it was."""
    fields = ((b"a", b"b"),)
    assert NO_KEYS.hide_fields(fields) is fields
    assert NO_KEYS.hide(b"x") == b"x" and NO_KEYS.hide_text("x") == "x" and NO_KEYS.find(b"x") == []


def test_header_fields() -> None:
    """Names and values; fields without a key stay the object that they were."""
    keys = KnownKeys([KEY])
    clean = ((b"location", b"/x"),)
    assert keys.hide_fields(clean) is clean
    found = keys.hide_fields(((b"location", b"https://h/?k=" + KEY.encode()), (b"x-" + KEY.encode(), b"1")))
    assert found == ((b"location", b"https://h/?k=" + b"*" * 24), (b"x-" + b"*" * 24, b"1"))


def test_every_text_in_a_value() -> None:
    """Dataclasses, tuples, lists and mappings, their keys too; one without a key stays the object that it was."""
    keys = KnownKeys([KEY])
    row = Row(f"/x?k={KEY}", KEY.encode(), (("X-Debug", f"key={KEY}"),), {KEY: [1, None, KEY, {"a": KEY}]})
    hidden = keys.hide_in(row)
    assert hidden == Row(
        "/x?k=...WXYZ", b"*" * 24, (("X-Debug", "key=...WXYZ"),), {"...WXYZ": [1, None, "...WXYZ", {"a": "...WXYZ"}]}
    )
    assert keys.hide_in(hidden) is hidden


def test_it_does_not_say_what_it_knows() -> None:
    """A key that is printed is a key that is lost."""
    assert KEY not in repr(KnownKeys([KEY]))


KEYS = st.lists(st.text('ab1-/"é', min_size=8, max_size=14), min_size=1, max_size=40)


@settings(max_examples=100, deadline=None)
@given(KEYS, st.text('ab1-/"é ', max_size=40), st.data())
def test_no_known_key_survives(values: list[str], around: str, data: st.DataObject) -> None:
    """Few letters and many keys, so that they begin alike and overlap; above and below the number of looks."""
    keys = KnownKeys(values)
    if not keys:
        return
    key = data.draw(st.sampled_from(sorted(keys.values)))
    text = around + key + around
    hidden = keys.hide(text.encode())
    assert len(hidden) == len(text.encode())
    assert key.encode() not in hidden
    assert not keys.in_bytes(keys.hide(hidden)) or b"*" in hidden


def test_thousands_of_keys_cost_little_more_than_one() -> None:
    """The expression is a tree: what it costs hangs on the text, not on how many keys there are."""
    text = (b'data: {"choices":[{"delta":{"content":"Hello sk-proj world"}}]}\n\n') * 500
    few, many = (KnownKeys(f"sk-proj-{n:032x}" for n in range(count)) for count in (2, 4000))
    assert not few.in_bytes(text) and not many.in_bytes(text)

    def cost(keys: KnownKeys) -> float:
        begun = time.thread_time()
        for _ in range(20):
            keys.hide(text)
        return time.thread_time() - begun

    least = min(cost(few) for _ in range(3))
    assert min(cost(many) for _ in range(3)) < 20 * least + 0.05
