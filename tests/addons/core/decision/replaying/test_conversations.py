"""What is kept of conversations."""

from __future__ import annotations

from switchman.addons.core.decision.decide import RoutingQuery, decide
from switchman.addons.core.decision.replaying import conversations
from switchman.addons.core.decision.replaying.conversations import Conversations
from switchman.addons.core.decision.replaying.recorded import Asked
from switchman.addons.hooks.routing import chain


def test_it_keeps_as_much_as_the_proxy_does() -> None:
    """The figures of hooks/routing/chain.py."""
    kept = (conversations.TTL, conversations.MOST_KEPT)
    assert kept == (chain.CONVERSATION_TTL, chain.CONVERSATION_QUOTA.entries)


def test_a_key_is_of_the_beginning_and_the_caller(recorded) -> None:
    """A masked key of the client's tells it from others; without a body there is none."""
    kept = Conversations()

    def key(**changes: object) -> str | None:
        return kept.key(Asked(recorded(**changes), None, None))

    assert key() == key(more={"temperature": 1})
    assert key() != key(ask="Other.") and key() != key(client="10.0.0.2")
    bearer = (("authorization", "Bearer ...abcd"),)
    assert key(headers=bearer) == key(headers=bearer, client="10.0.0.2")
    assert key(headers=bearer) != key(headers=(("authorization", "Bearer ...efgh"),))
    assert key(body=None) is None and key(body=b"{}") is None


def test_the_oldest_goes_where_there_are_too_many(rules, monkeypatch) -> None:
    """What is kept is bounded."""
    monkeypatch.setattr(conversations, "MOST_KEPT", 2)
    plan = decide(RoutingQuery("a/m"), rules())
    kept = Conversations()
    for name in ("x", "y", "x", "z"):
        kept.keep(name, plan, 0.0)
    assert [name for name in ("x", "y", "z") if kept.held(name, 1.0)] == ["x", "z"]
    assert kept.held("x", 3600.0) is None
