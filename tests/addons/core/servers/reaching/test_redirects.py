"""Where a redirect leads, whether it is followed, and what its message says."""

from __future__ import annotations

import pytest

from switchman.addons.core.servers.reaching.redirects import MOST, REDIRECTS, SHOWN, Hop, hop

URL = "http://llm.local:8000/v1/chat/completions"
PATH = "/v1/chat/completions"


def told(location: str | None, url: str = URL, status: int = 307, hops: int = 0) -> str:
    """The message of one that is not followed."""
    found = hop(status, location, url, hops)
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/v1/chat/completions/", "/v1/chat/completions/"),
        ("http://LLM.local:8000/api/v1/chat/completions?a=1&b", "/api/v1/chat/completions?a=1&b"),
        ("//llm.local:8000/x", "/x"),
        ("completions2", "/v1/chat/completions2"),
        ("../x", "/v1/x"),
        ("http://llm.local:8000", "/"),
        ("/x#part", "/x"),
    ],
)
def test_the_same_server_is_followed(status: int, location: str, path: str) -> None:
    """Absolute or relative, with its query."""
    assert hop(status, location, URL, 0) == Hop("http", "llm.local", 8000, path)


def test_https_of_the_same_host_is_followed() -> None:
    """On the same port, or from one default port to the other; that is where a key should go."""
    assert hop(308, "https://h/v1/x", "http://h/v1/x", 0) == Hop("https", "h", 443, "/v1/x")
    assert hop(308, "https://h:8000/x", "http://h:8000/x", 0) == Hop("https", "h", 8000, "/x")
    assert hop(308, "https://[::1]/x", "http://[::1]/x", 0) == Hop("https", "::1", 443, "/x")


@pytest.mark.parametrize(
    ("location", "url", "why"),
    [
        ("http://other:8000/x", URL, "another host"),
        ("//other/x", URL, "another host"),
        ("http://llm.local.evil.example:8000/x", URL, "another host"),
        ("https://other/x", "http://h/x", "another host"),
        ("http://h/x", "https://h/x", "without encryption"),
        ("http://h:443/x", "https://h/x", "without encryption"),
        ("http://llm.local:9000/x", URL, "another port"),
        ("https://llm.local:9443/x", URL, "another port"),
        ("https://llm.local/x", URL, "another port"),
        (URL, URL, "leads to itself"),
    ],
)
def test_nobody_else_gets_the_key(location: str, url: str, why: str) -> None:
    """Nor somebody without encryption, where there was one; the message says so."""
    assert why in told(location, url)


@pytest.mark.parametrize(
    "location",
    [
        "http://u:p@llm.local:8000/x", "http://llm.local:8000\\@other/x", "/\\other/x", "http://llm.local:x/", "ftp://h/x",
        "http://llm.local:0/x", "http:// other/x", "/a\r\nX: b", "/\u00e9", "http://[::1/x", "data:x",
    ],
)  # fmt: skip
def test_what_is_no_address_is_not_followed(location: str) -> None:
    """Two readers might read it in two ways."""
    message = told(location)
    assert "which is no address of a server" in message
    assert "\r" not in message and ":p@" not in message


@pytest.mark.parametrize("status", sorted(REDIRECTS - {307, 308}))
def test_others_would_lose_the_method_or_the_body(status: int) -> None:
    """They are told, with their Location, and with what to do."""
    assert told("/login", status=status).startswith(f"status {status}, a redirect to /login: ")
    assert told(None, status=status) == told("", status=status) == f"status {status}, a redirect without a Location"


def test_loops_end() -> None:
    """After a few hops, whatever the addresses are."""
    assert isinstance(hop(307, "/b", URL, MOST - 1), Hop)
    assert f"it was followed {MOST} times" in told("/b", hops=MOST)


@pytest.mark.parametrize(
    ("location", "url", "new"),
    [
        ("https://llm.local/v1/chat/completions", URL, "https://llm.local"),
        ("https://llm.local/v1/chat/completions/?a=b", URL, "https://llm.local"),
        ("/openai/v1/chat/completions", URL, "http://llm.local:8000/openai"),
        ("https://api.example.com/v2/chat/completions", URL, "https://api.example.com/v2"),
        ("https://h2/api/chat", "http://h/api/chat", "https://h2"),
        ("https://[::1]/v1/messages", "http://h/v1/messages", "https://[::1]"),
    ],
)
def test_the_message_names_the_url_to_set(location: str, url: str, new: str) -> None:
    """Where the path tells which part of it is the base."""
    assert f"set the server's `url:` to {new}" in told(location, url, status=301)


@pytest.mark.parametrize("location", ["https://sso.example.com/login?next=x", URL + "/", "/chat"])
def test_where_the_path_tells_nothing_the_message_says_so(location: str) -> None:
    """A login, or a slash at the end."""
    assert "to where its API answers; it may want a login" in told(location, status=302)


def test_a_location_is_shown_without_secrets_and_short() -> None:
    """It goes to the client and into the log."""
    message = told("https://u:secret@h/x?token=abcdefghijklmnopqrst&" + "y" * 500, status=302)
    assert "secret" not in message and "abcdef" not in message and len(message) < SHOWN + 150
