"""The head of a server's answer: which of its fields go on, and how its status is said."""

from __future__ import annotations

import pytest

from switchman.addons.core.streams.heads import DROPPED, DROPPED_BEGINNINGS, OWN_COOKIES, passing, reason_of
from switchman.webui.access.people import COOKIE

GOOD = ((b"Content-Type", b"text/html; charset=\xe9"), (b"X-Tab", b"a\tb"), (b"x-accelerate", b"1"), (b"Link", b"</x>"))


@pytest.mark.parametrize("is_call", [True, False])
def test_a_head_with_nothing_to_drop_is_not_made_anew(is_call: bool) -> None:
    """Order, case, duplicates and odd letters are the server's."""
    assert passing(GOOD, is_call) is GOOD


@pytest.mark.parametrize("name", [*DROPPED, *(beginning + b"any" for beginning in DROPPED_BEGINNINGS)])
def test_what_is_for_those_around_the_router_does_not_go_on(name: bytes) -> None:
    """In any case, however often; what stands around it stays in its order."""
    fields = (GOOD[0], (name, b"1"), GOOD[1], (name.upper(), b"2"), (name.title(), b""), *GOOD[2:])
    assert passing(fields, False) == passing(fields, True) == GOOD


def test_each_dropped_field_has_its_reason() -> None:
    """Names are in lower case, as they are compared."""
    assert all(name == name.lower() and why for name, why in (DROPPED | DROPPED_BEGINNINGS).items())


@pytest.mark.parametrize("value", [b"a\x01", b"\x7f", b"a\x0bb", b"\x1b[31m", b"a\rb", b"a\nb", b"a\0b"])
def test_a_value_with_control_characters_does_not_go_on(value: bytes) -> None:
    """A client that looks would throw the whole answer away."""
    assert passing((*GOOD, (b"X-A", value)), False) == GOOD


@pytest.mark.parametrize(
    "value",
    [
        b"%b=x",
        b"%b=x; Domain=example.com; Path=/; Secure",
        b"a=b; Path=/, %b=x; Path=/",
        b"a=b, %b=x",
        b"=%b=x",
        b"  %b =x",
        b'"%b"=x',
        b"__Host-%b=x",
        b"%b",
        b"a=b;%b=x",
    ],
)
def test_our_own_cookies_are_nobodys_to_set(value: bytes) -> None:
    """In any case, several in one field, without a name; others are for the client of a plain path only."""
    for name in (COOKIE.encode(), b"switchman_theme"):
        for given in (value % name, value % name.upper()):
            assert passing(((b"Set-Cookie", given),), False) == ()
    other = ((b"Set-Cookie", b"sid=1; Path=/"),)
    assert passing(other, False) is other
    assert passing(other, True) == ()


def test_the_dashboards_cookies_begin_as_it_is_said() -> None:
    """Else nobody would know them here."""
    assert COOKIE.startswith(OWN_COOKIES.decode())


@pytest.mark.parametrize(
    ("status", "given", "said"),
    [
        (200, b"OK", b"OK"),
        (200, b"", b""),
        (200, b"Very fine, thank you", b"Very fine, thank you"),
        (200, b"OK\rX-A: b", b"OK"),
        (404, b"Nicht gef\xfcnden", b"Not Found"),
        (404, "未找到".encode(), b"Not Found"),
        (503, b"\x1b[31m", b"Service Unavailable"),
        (500, b"a\0b", b"Internal Server Error"),
        (499, b"\x7f", b""),
    ],
)
def test_a_reason_is_plain_or_the_standards(status: int, given: bytes, said: bytes) -> None:
    """A status that the standard does not know has none."""
    assert reason_of(status, given) == said
