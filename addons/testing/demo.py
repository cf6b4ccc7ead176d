"""The two upstreams of `switchman serve --demo`: one that thinks aloud, one that fails every third request."""

from __future__ import annotations

from typing import Literal

from switchman.addons.testing.behaviour import Behaviour
from switchman.addons.testing.upstream import FakeUpstream

DemoName = Literal["think", "flaky"]
DEMOS: tuple[DemoName, ...] = ("think", "flaky")

THOUGHT = "The user greets me. I should be brief, friendly, and not show these thoughts."
THOUGHTFUL = "Hello! I thought about this before I answered, but you should not see those thoughts."
FLAKY = "Hello from the flaky server. Every third request to me fails; you should not notice."


def demo_upstream(name: DemoName, port: int = 0, host: str = "127.0.0.1") -> FakeUpstream:
    """A demo upstream, not yet started. Its models are `demo-think` and `demo-flaky`."""
    if name == "think":
        how = Behaviour(think=THOUGHT, text=THOUGHTFUL, latency=0.05, delay=0.03)
        return FakeUpstream("openai", how, name="think", models=["demo-think"], host=host, port=port)
    how = Behaviour(text=FLAKY, latency=0.02, delay=0.03)
    failure = Behaviour(status=500, message="the flaky demo server fails every third request")
    return FakeUpstream(
        "openai", how, name="flaky", models=["demo-flaky"], fail_every=3, failure=failure, host=host, port=port
    )
