"""API tokens as texts: 256 random bits, found wherever they stand."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchman.addons.core.access import apitoken

TOKEN = apitoken.make(bytes(range(32)))


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_all_bits_are_in_it(one: bytes, other: bytes) -> None:
    """Two that differ in any bit are two tokens, each of the one form."""
    made = apitoken.make(one)
    assert apitoken.is_token(made) and len(made) == 49
    assert (made == apitoken.make(other)) is (one == other)


@pytest.mark.parametrize("random", [b"", bytes(31), bytes(33)])
def test_fewer_bits_are_no_token(random: bytes) -> None:
    """Nobody makes a short one by mistake."""
    with pytest.raises(ValueError, match="32 random bytes"):
        apitoken.make(random)


@pytest.mark.parametrize("edge", [bytes(32), b"\xff" * 32])
def test_the_edges_have_the_same_length(edge: bytes) -> None:
    """Leading zeros are written."""
    assert apitoken.is_token(apitoken.make(edge))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sk-sw-",
        TOKEN[:-1],
        TOKEN + "x",
        TOKEN.upper(),
        f" {TOKEN}",
        TOKEN[:-1] + "-",
        TOKEN[:-1] + "ä",
        "sk-" + "a" * 46,
    ],
)
def test_what_is_no_token(text: str) -> None:
    """Length, signs and case count."""
    assert not apitoken.is_token(text)


def test_what_is_kept() -> None:
    """The SHA-256 of the text, as any tool computes it, and its last four characters."""
    assert apitoken.digest_of(TOKEN) == hashlib.sha256(TOKEN.encode()).hexdigest()
    assert apitoken.hint_of(TOKEN) == TOKEN[-4:]


def test_in_bytes_it_becomes_as_many_asterisks() -> None:
    """The length of a body stays; what holds none is the same object."""
    body = f'{{"a": "{TOKEN}", "b": "sk-sw-short", "c": "x{TOKEN}y"}}'.encode()
    masked = apitoken.masked_in(body)
    assert TOKEN.encode() not in masked and len(masked) == len(body)
    assert masked == body.replace(TOKEN.encode(), b"*" * 49)
    assert apitoken.masked_in(other := b"sk-sw-short, sk-proj-1") == other
    assert apitoken.masked_in(plain := b"{}") is plain
