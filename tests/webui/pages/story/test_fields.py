"""Which fields of a recorded head go out once more."""

from __future__ import annotations

import pytest

from switchman.addons.core.texts.masking import MASK
from switchman.webui.pages.story.fields import fields_of


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Bearer x"),
        ("x-api-key", "x"),
        ("X-My-Token", "x"),
        ("Cookie", "a=b"),
        ("Host", "evil.example"),
        ("Content-Length", "5"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "x-odd"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", "for=10.0.0.1"),
        ("X-Real-IP", "10.0.0.1"),
        ("X-Switchman-Cache", "refresh"),
        ("x-switchman-session", "s"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Origin", "https://evil.example"),
        ("Cache-Control", "no-store"),
        ("x-odd", f"a {MASK} b"),
        ("x-odd", "a\r\nx-other: b"),
        ("x-ödd", "a"),
        ("x-long", "a" * 2_000),
    ],
)
def test_what_is_about_the_client_or_a_credential_stays_behind(name: str, value: str) -> None:
    """Also what proxies told of an address, which some router may believe, and what a form would break."""
    assert fields_of([(name, value)]) == ()


def test_what_is_about_the_request_goes_out() -> None:
    """In its order, in its own letters."""
    kept = (("Content-Type", "application/json"), ("anthropic-beta", "a,b"), ("User-Agent", "x/1"), ("x-team", "blue"))
    assert fields_of(kept) == kept
