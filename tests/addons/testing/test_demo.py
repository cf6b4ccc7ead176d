"""The two upstreams of the demo."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from threading import Event

import httpx
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing import demo as module

HELLO = [{"role": "user", "content": "Say hello."}]
CHAT = {"model": "m", "messages": HELLO}


def test_demo_servers() -> None:
    """The demo's servers: one thinks aloud, the other fails every third request."""
    answers = {}
    for name in ("think", "flaky"):
        command = [sys.executable, "-m", "switchman.addons.testing", "--demo", name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            answers[name] = [httpx.post(f"{url}/v1/chat/completions", json=CHAT, timeout=30) for _ in range(3)]
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
    assert answers["think"][0].json()["choices"][0]["message"]["content"].startswith("<think>")
    assert [a.status_code for a in answers["flaky"]] == [200, 200, 500]


@pytest.fixture
def router(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeUpstream]:
    monkeypatch.setattr(module, "PAUSE", 0.001)
    monkeypatch.setattr(module, "READING", 0.001)
    with FakeUpstream() as up:
        up.paths["/healthz"] = Behaviour(body={"status": "ok"})
        yield up


def asked(router: FakeUpstream) -> list[str]:
    return [request.json()["messages"][0]["content"] for request in router.inferences]


def test_the_samples_say_that_they_are_the_demos(router: FakeUpstream) -> None:
    """In the words and in the user agent; without embeddings those for a meaning are left out."""
    module.send_samples(router.url, Event(), meaning=False)
    assert asked(router) == [f"Demo: {ask}" for _, ask, _ in module.SAMPLES]
    assert {request.header("user-agent") for request in router.inferences} == {"switchman-demo (sample traffic)"}


def test_a_meaning_is_tried_until_a_category_answers(router: FakeUpstream) -> None:
    """The categories' vectors are made after the start."""
    by_meaning = Behaviour(headers={"x-switchman-layer": "semantic"})
    router.script([Behaviour()] * (len(module.SAMPLES) + 1) + [by_meaning])
    module.send_samples(router.url, Event(), meaning=True)
    assert asked(router)[len(module.SAMPLES) :] == [f"Demo: {ask}" for ask in module.MEANINGFUL[:2]]


def test_no_sample_is_sent_to_a_demo_that_ends(router: FakeUpstream) -> None:
    """It stops at once."""
    stop = Event()
    stop.set()
    module.send_samples(router.url, stop, meaning=True)
    assert len(router.inferences) == 1
