"""What a client with a wrong path is told."""

from __future__ import annotations

import pytest

from switchman.addons.core.paths.advice import base_urls, not_allowed, not_found, not_passed, root_of


def test_every_client_finds_its_base_url() -> None:
    """With the address that it used."""
    text = base_urls("http://h:1")
    for words in (
        "http://h:1/v1 in OpenAI's",
        "http://h:1 in Ollama's and in Anthropic's",
        "ANTHROPIC_BASE_URL",
        "Azure's",
    ):
        assert words in text


def test_the_message_of_a_404_names_what_was_asked() -> None:
    """Bounded, and visible."""
    text = not_found("POST", "/v1/chat", "http://h")
    assert text.startswith("POST /v1/chat is no operation") and "DEFAULT_UPSTREAM" in text and "http://h/v1" in text
    assert len(not_found("GET", "/" + "x" * 5000, "http://h")) < 700
    assert "\u202e" not in not_found("GET", "/\u202e", "http://h")


def test_the_message_of_a_405() -> None:
    """Which method it is."""
    assert not_allowed("PUT", "/api/chat") == "/api/chat is asked for with POST, not PUT."


@pytest.mark.parametrize(
    ("host", "tls", "root"),
    [
        ("router:1234", False, "http://router:1234"),
        ("router.example", True, "https://router.example"),
        ("[::1]:80", False, "http://[::1]:80"),
        ("", False, "own"),
        ('evil" onload=', False, "own"),
        ("a b", False, "own"),
        ("x" * 300, False, "own"),
    ],
)
def test_the_address_is_the_one_that_the_client_used(host: str, tls: bool, root: str) -> None:
    """A Host that is no address is not repeated."""
    assert root_of(host, tls=tls, otherwise="own") == root


def test_the_message_of_a_403_names_the_server_and_the_setting() -> None:
    """And shows no more of the path than fits, and nothing unprintable."""
    text = not_passed("GET", "/v1/files", "up", has_key=True)
    assert text.startswith("GET /v1/files is no operation") and "Set `pass_through: true` for up" in text
    assert "(pass_through: false)" in not_passed("GET", "/v1/files", "up", has_key=False)
    assert len(not_passed("GET", "/" + "x" * 5000, "up", has_key=True)) < 500
    assert "\u202e" not in not_passed("GET", "/\u202e", "up", has_key=True)
