"""The two upstreams of `switchman serve --demo`: one that thinks aloud, one that fails every third request.

And the requests that the demo sends itself, so that the dashboard has something to show: each begins with LABEL.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Event
from typing import Literal

import httpx

from switchman.addons.testing.behaviour import Behaviour
from switchman.addons.testing.upstream import FakeUpstream

DemoName = Literal["think", "flaky"]
DEMOS: tuple[DemoName, ...] = ("think", "flaky")

THOUGHT = "The user greets me. I should be brief, friendly, and not show these thoughts."
THOUGHTFUL = "Hello! I thought about this before I answered, but you should not see those thoughts."
FLAKY = "Hello from the flaky server. Every third request to me fails; you should not notice."

LABEL = "Demo: "
AGENT = "switchman-demo (sample traffic)"
PATIENCE = 60.0  # seconds that the router may take to start
PAUSE = 0.3  # seconds between two of the requests, so that they can be seen to come


@dataclass(frozen=True, slots=True)
class Sample:
    """One request of the demo's own. `shows`: what is to be seen of it."""

    model: str
    ask: str
    shows: str
    stream: bool = False


SAMPLES = (
    Sample("quick-think", "Hello!", "a rule by the model's name, and thoughts that are taken out", stream=True),
    Sample("auto", "Write a Python function that reverses a list.", "a rule by what is asked: code"),
    Sample("auto", "Write a Python function that reverses a list.", "the same again: the cache answers"),
    Sample("auto", "Translate this sentence into French: Where is the station?", "a category by meaning"),
    Sample("demo-flaky", "Hello!", "a name that only a server's list knows"),
    Sample("demo", "Good morning!", "an alias"),
    Sample("demo", "Good afternoon!", "an alias"),
    Sample("demo", "Good evening!", "one of three fails at its first server: the second one answers"),
    Sample("auto", "Good night!", "no layer named a target: the default"),
)


def send_samples(router: str, stop: Event) -> None:
    """Send SAMPLES to the router at this URL, once it answers. Problems are left to the dashboard to show."""
    headers = {"user-agent": AGENT}
    with httpx.Client(base_url=router, headers=headers, timeout=30, trust_env=False) as client:
        end = time.monotonic() + PATIENCE
        while not _answers(client):
            if stop.wait(PAUSE) or time.monotonic() > end:
                return
        for sample in SAMPLES:
            said = [{"role": "user", "content": LABEL + sample.ask}]
            try:
                client.post(
                    "/v1/chat/completions", json={"model": sample.model, "messages": said, "stream": sample.stream}
                )
            except httpx.HTTPError:
                pass
            if stop.wait(PAUSE):
                return


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.HTTPError:
        return False


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
