"""What is private in a text is found, where it stands and of which kind."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.texts.redaction.finding import KINDS, find
from switchman.addons.core.texts.redaction.words import Words

FOUND = [
    ("email", "a.b+c@example.co.uk"),
    ("email", "jörg@bücher.example"),
    ("phone", "+49 30 1234567"),
    ("phone", "+1 (555) 223-4567"),
    ("phone", "(555) 223-4567"),
    ("phone", "555-223-4567"),
    ("phone", "0171/1234567"),
    ("phone", "0049 171 1234567"),
    ("card", "4111 1111 1111 1111"),
    ("card", "4111-1111-1111-1111"),
    ("card", "378282246310005"),
    ("card", "3782 822463 10005"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB82WEST12345698765432"),
    ("ssn", "123-45-6789"),
    ("ip", "10.1.2.3"),
    ("ip", "2001:db8::1"),
    ("ip", "fe80::1ff:fe23:4567:890a"),
    ("secret", "sk-proj-abcdefghijklmnop123"),
    ("secret", "AKIAIOSFODNN7EXAMPLE"),
    ("secret", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
    ("secret", "a3f5b8c9d0e1f2a3b4c5d6e7f8a9b0c1"),
    ("secret", "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----"),
    ("jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefg"),
]


@pytest.mark.parametrize(("kind", "private"), FOUND)
@pytest.mark.parametrize("around", ["{}", "Say {}, please.", '{{"a": "{}"}}', "a\n{}\nb", "„{}“ — 世界 {}"])
def test_each_kind_is_found_whatever_stands_around_it(kind: str, private: str, around: str) -> None:
    """It is found to the character, at either end of a text, within JSON and beside what is not latin."""
    text = around.format(private, private)

    spans = find(text, frozenset({kind}))

    assert {text[span.start : span.end] for span in spans} == {private}
    assert {span.kind for span in spans} == {kind}
    assert len(spans) == text.count(private)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("password=hunter22", "hunter22"),
        ('"api_key": "x9y8z7w6"', "x9y8z7w6"),
        ("Authorization: Bearer abcdefghijklmnopq", "abcdefghijklmnopq"),
        ("postgres://user:p4ss@db.example/x", "user:p4ss"),
    ],
)
def test_what_is_a_secret_by_what_stands_before_it(text: str, secret: str) -> None:
    """Values that are assigned to a password, sent as a bearer's token, or stand before an address."""
    assert [text[span.start : span.end] for span in find(text, frozenset({"secret", "credentials"}))] == [secret]


@pytest.mark.parametrize(
    ("before", "address"),
    [
        ("/x?e=", "a.b+c@example.org"),
        ("https://example.org/v1/users/", "anna@example.org"),
        ("GET /v1/chat?x=1&to.who=", "o'hara=x@example.org"),
        ("/" + "a/b" * 30 + "/", "anna@example.org"),
        ("/" + "a" * 70 + "?who=", "anna@example.org"),
        ("see ", "bounce+anna=example.com@example.org"),
        ("to ", "sales/eu@example.org"),
    ],
)
def test_an_address_in_a_url_is_found_alone(before: str, address: str) -> None:
    """Path and query before it stay, though an address may have the same signs."""
    text = f"{before}{address}&more=1"

    assert [text[span.start : span.end] for span in find(text, KINDS)] == [address]


@pytest.mark.parametrize(
    "text",
    [
        "from 2024-01-15 12:30:45 to 1700000000000",
        "127.0.0.1, ::1, 0.0.0.0, std::vector, version 1.2.3",
        "card 4111 1111 1111 1112, DE88 3704 0044 0532 0130 00",
        "token = tokenizer.encode(x); max_tokens: 4096; password: str",
        "call_abc123def456ghi789jkl0 sha256:a3f5b8c9d0e1f2a3b4c5d6e7f8a9b0c1",
        "a @ b, @decorator, x@y",
        "EMAIL_7f3a9c21d0 SECRET_7f3a9c21d07f3a9c21d0 password=SECRET_7f3a9c21d0",
    ],
)
def test_what_is_not_private(text: str) -> None:
    """Dates, versions, numbers that fail their own check, ids, code, and our own placeholders stay."""
    assert find(text, KINDS) == []


def test_only_the_kinds_that_are_asked_for() -> None:
    """A rule that names one kind leaves the others."""
    text = "a@example.org 10.1.2.3"

    assert [span.kind for span in find(text, frozenset({"ip"}))] == ["ip"]


def test_what_overlaps_is_one() -> None:
    """Nothing of either is left over."""
    text = "write to acme@example.org now"

    spans = find(text, KINDS, Words(["to acme"]))

    assert [text[span.start : span.end] for span in spans] == ["to acme@example.org"]


@settings(deadline=None)
@given(st.text(alphabet="a1 .@:-+()eyJ/=\\\"'[]{}_AéЖ世\n", max_size=400))
def test_spans_are_in_order_and_apart(text: str) -> None:
    """Whatever the text is, they lie within it, one behind the other."""
    spans = find(text, KINDS, Words(["a", "e y", "世"]))

    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(one.end <= other.start for one, other in pairwise(spans))


HOSTILE = [
    "@", "a@", "@a.a", "\\n@a.b", "a.", "1", "1 ", "1.", "1(", "0 0", "+1", "(", ":", "::", ":1:", "a", "-", "eyJ",
    "-eyJ", "eyJa.", "://", "://a@", "password=", "token", "bearer ", "A1", "DE89", "sk-",
    "-----BEGIN PRIVATE KEY-----", "[", "word0 ", "aaaaaaaaaaaaaaa1 ",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_is_linear_in_any_text(piece: str) -> None:
    """Eight times as much takes not much more than eight times as long."""
    words = Words([f"word{i} word{i + 1} thing" for i in range(1000)])

    def cost(length: int) -> float:
        text = piece * (length // len(piece))
        began = time.thread_time()
        find(text, KINDS, words)
        return time.thread_time() - began

    cost(1000)
    small = min(cost(5_000) for _ in range(3))

    assert cost(40_000) < 30 * small + 0.02
