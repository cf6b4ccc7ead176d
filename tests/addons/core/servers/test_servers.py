"""Servers as values: what they default to, what they never show, and that they can be keys."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from pydantic import SecretStr

from switchman.addons.core.servers.servers import UNKNOWN_MODEL, ModelFacts, Server, is_anthropics, is_googles
from switchman.addons.core.servers.urls import parse

URL = parse("http://box:8000")


def test_a_server_of_which_nothing_is_said() -> None:
    """It speaks what the client speaks, fails over on no further status, and leaves the rest to the settings."""
    server = Server("box", URL)
    assert (server.dialect, server.also, server.api_key, server.headers) == (None, (), None, {})
    assert (server.thinking_output, server.strip_json_markdown, server.disable_thinking) == (None, None, None)
    assert server.retry_on == frozenset()
    assert server.forward_auth is None


def test_deadlines_get_longer() -> None:
    """A connection stands before an answer has to begin, and a whole answer may take longer than its first byte."""
    default = Server("box", URL).timeout
    assert 0 < default.connect < default.idle < default.first_byte < default.total < 86_400


def test_secrets_stay_out_of_repr() -> None:
    """Neither the key nor a header's value is in what a log would show."""
    server = Server("box", URL, api_key=SecretStr("sk-hunter2"), headers={"x-key": "hunter2"})
    assert "hunter2" not in f"{server!r} {server}"
    assert "box" in repr(server)


def test_servers_are_keys_and_cannot_be_changed() -> None:
    """Equal ones are one key, headers included in what is equal; a breaker may hold them in a dict."""
    one, same = Server("box", URL, headers={"a": "b"}), Server("box", URL, headers={"a": "b"})
    other = Server("box", URL, headers={"a": "c"})
    assert len({one, same, other}) == 2
    with pytest.raises(FrozenInstanceError):
        one.name = "x"  # type: ignore[misc]


def test_headers_are_not_shared() -> None:
    """Each server has a dict of its own."""
    assert Server("a", URL).headers is not Server("b", URL).headers


def test_of_an_unknown_model_nothing_is_known() -> None:
    """No price is 0, no context is endless."""
    assert ModelFacts() == UNKNOWN_MODEL
    assert (UNKNOWN_MODEL.input_cost, UNKNOWN_MODEL.context, UNKNOWN_MODEL.modalities) == (None, None, frozenset())


@pytest.mark.parametrize(
    ("url", "googles", "anthropics"),
    [
        ("https://generativelanguage.googleapis.com/v1beta/openai", True, False),
        ("https://europe-west1-aiplatform.googleapis.com/v1", True, False),
        ("https://api.anthropic.com", False, True),
        ("https://googleapis.com.evil.example", False, False),
        ("https://notanthropic.com", False, False),
        ("http://localhost:8000", False, False),
    ],
)
def test_whose_a_server_is_is_told_by_its_host(url: str, googles: bool, anthropics: bool) -> None:
    """By its last parts, whole."""
    server = Server("s", parse(url))
    assert (is_googles(server), is_anthropics(server)) == (googles, anthropics)
