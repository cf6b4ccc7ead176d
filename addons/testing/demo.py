"""The two upstreams of `switchman serve --demo`: one that thinks aloud, one that fails every third request.

And the requests that the demo sends itself, so that the dashboard has something to show: each begins with LABEL.
"""

from __future__ import annotations

import time
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
READING = 3.0  # seconds after which a category by meaning is tried again: its vectors are made after the start

CODE = "Write a Python function that reverses a list."
# Model, ask, and whether it is streamed.
SAMPLES = (
    ("quick-think", "Hello!", True),  # a rule by the model's name; thoughts are taken out
    ("auto", CODE, False),  # a rule by what is asked
    ("auto", CODE, False),  # the cache
    ("demo-flaky", "Hello!", False),  # a name that only a server's list knows
    ("demo", "Good morning!", False),  # an alias; one of the three fails at its first server, and the second answers
    ("demo", "Good afternoon!", False),
    ("demo", "Good evening!", False),
    ("auto", "Good night!", False),  # `default:`
)
# Asks with a category by meaning: sent until one is answered so. Not the same again, which the cache would answer.
MEANINGFUL = (
    "How do you say good morning in Spanish?",
    "Translate the following into German: The weather is nice today.",
    "Please put this into Italian: We will arrive on Sunday.",
    "Translate this sentence into French: Where is the station?",
)


def send_samples(router: str, stop: Event, meaning: bool) -> None:
    """Send SAMPLES to the router at this URL, once it answers, and MEANINGFUL if its embeddings are on.

    Problems are left to the dashboard to show.
    """
    with httpx.Client(base_url=router, headers={"user-agent": AGENT}, timeout=30, trust_env=False) as client:
        end = time.monotonic() + PATIENCE
        while not _answers(client):
            if stop.wait(PAUSE) or time.monotonic() > end:
                return
        for model, ask, stream in SAMPLES:
            _ask(client, model, ask, stream)
            if stop.wait(PAUSE):
                return
        for ask in MEANINGFUL if meaning else ():
            if _ask(client, "auto", ask) == "semantic" or stop.wait(READING):
                return


def _ask(client: httpx.Client, model: str, ask: str, stream: bool = False) -> str:
    """The layer that decided; "" where there was no answer."""
    said = [{"role": "user", "content": LABEL + ask}]
    try:
        answer = client.post("/v1/chat/completions", json={"model": model, "messages": said, "stream": stream})
    except httpx.HTTPError:
        return ""
    return str(answer.headers.get("x-switchman-layer", ""))


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
