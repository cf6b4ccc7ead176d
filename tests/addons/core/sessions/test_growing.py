"""Equal requests are one session only where a conversation grows from them."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.access.session import is_digest
from switchman.addons.core.request.call import Call, Endpoint
from switchman.addons.core.sessions.growing import Growing
from switchman.addons.core.sessions.membership import Membership, membership_of


def member(dialect: Any, path: str, body: dict[str, Any], *fields: tuple[str, str]) -> Membership:
    return membership_of(fields, Call(Endpoint(dialect, "chat", path), "", "", body, {}, "m", False), "c")


def said(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


# A first request, and one that goes on from it, in each dialect.
CHATS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "openai": (
        "openai", "/v1/chat/completions", {"messages": [said("system", "Be brief."), said("user", "hi")]},
        {"messages": [said("system", "Be brief."), said("user", "hi"), said("assistant", "Yes?"), said("user", "x")]},
    ),
    "responses": (
        "openai", "/v1/responses", {"input": "hi"},
        {"input": [said("user", "hi"), {"type": "message", **said("assistant", "Yes?")}, said("user", "x")]},
    ),
    "anthropic": (
        "anthropic", "/v1/messages", {"system": "Be brief.", "messages": [said("user", "hi")]},
        {"system": "Be brief.", "messages": [said("user", "hi"), said("assistant", "Yes?"), said("user", "x")]},
    ),
    "ollama": (
        "ollama", "/api/chat", {"messages": [said("user", "hi")]},
        {"messages": [said("user", "hi"), said("assistant", "Yes?"), said("user", "x")]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("dialect", CHATS)
def test_a_loop_of_equal_requests_is_no_session(dialect: str) -> None:
    """A health check, a script, what asks for titles: each is its own."""
    name, path, first, _ = CHATS[dialect]
    growing = Growing()
    found = [growing.placed(member(name, path, first), f"r{at}").session for at in range(20)]
    assert len(set(found)) == 20 and all(one is not None and is_digest(one) for one in found)


@pytest.mark.parametrize("dialect", CHATS)
def test_a_conversation_that_grows_is_one(dialect: str) -> None:
    """Also the second one that begins alike, and in another worker the first."""
    name, path, first, later = CHATS[dialect]
    one, other = Growing(), Growing()
    bodies = [first, later, later, first, later]
    found = [one.placed(member(name, path, body), f"r{at}").session for at, body in enumerate(bodies)]
    assert found[0] == found[1] == found[2] != found[3] == found[4]
    assert other.placed(member(name, path, later), "x").session == found[0]


def test_a_named_session_stays_whole() -> None:
    """Whatever is equal in it; and what has none gets none."""
    name, path, first, _ = CHATS["openai"]
    growing = Growing()
    named = {growing.placed(member(name, path, first, ("session-id", "s")), f"r{at}").session for at in range(3)}
    assert len(named) == 1 and growing.placed(Membership(), "r").session is None


def test_what_is_called_or_kept_elsewhere_goes_on() -> None:
    """A tool's result without the call, and a conversation that the provider or the client keeps as numbers."""
    for body in (
        {"input": [{"type": "function_call_output", "call_id": "c", "output": "1"}, said("user", "hi")]},
        {"input": "hi", "previous_response_id": "r"},
        {"prompt": "hi", "context": [1, 2]},
    ):
        assert not member("openai", "/v1/responses", body).opens
    assert member("openai", "/v1/responses", {"input": "hi"}).opens


def test_it_remembers_so_many() -> None:
    """The newest beginnings."""
    growing = Growing(most=2)
    bodies = [{"messages": [said("user", text)]} for text in ("a", "b", "c", "a")]
    found = [growing.placed(member("openai", "/x", body), f"r{at}").session for at, body in enumerate(bodies)]
    assert found[0] == found[3] and len(growing._last) == 2
