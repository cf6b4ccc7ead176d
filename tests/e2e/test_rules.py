"""Rules on what is asked, in a running proxy: conditions, thinking, live figures and capabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.testing import Behaviour, FakeUpstream


@pytest.fixture(scope="module")
def upstream(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="up", dialect="openai")


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: FakeUpstream) -> Any:
    routes = f"""
servers:
  up: "{upstream.url}"
  second: "{upstream.url}/second"
models:
  up/blind: {{modalities: [text]}}
  up/seer: {{modalities: [text, vision]}}
routes:
  - name: once it is known to be quick
    match: {{model: measured, max_latency: 600000}}
    route: {{model: up/quick}}
  - name: measure
    match: {{model: measured}}
    route: {{model: up/quick, thinking: disabled}}
  - name: while second fails
    match: {{model: checked, provider_health: {{second: [yellow, red]}}}}
    route: {{model: up/instead}}
  - name: second
    match: {{model: checked}}
    route: {{model: second/m}}
  - name: lab
    match: {{header: {{x-team: /^lab-/}}, not: {{tools: true}}}}
    route: {{model: up/lab}}
  - name: code
    match: {{model: auto, keywords: [traceback]}}
    route: {{model: up/qwen3-4b, thinking: disabled}}
  - name: reasoner
    match: {{model: auto, keywords: [riddle]}}
    route: {{model: up/gpt-5-mini, thinking: disabled}}
  - name: nobody knows
    match: {{model: auto, keywords: [rhyme]}}
    route: {{model: up/poet, thinking: enabled}}
  - name: pictures
    match: {{model: auto, modalities: vision}}
    route: {{model: up/blind, fallbacks: [up/seer]}}
default: up/default
"""
    return start_shared(routes, {"DEFAULT_UPSTREAM": upstream.url})


def sent(upstream: FakeUpstream) -> Any:
    return upstream.inferences[-1].json()


def test_a_rule_on_a_header_is_for_any_model(proxy: Any, upstream: FakeUpstream) -> None:
    """As long as its other conditions hold."""
    response = proxy.chat("up/other", headers={"X-Team": "lab-3"})
    assert (response.headers["x-switchman-route"], sent(upstream)["model"]) == ("lab", "lab")
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    body = {"model": "up/other", "messages": [{"role": "user", "content": "hi"}], "tools": tools}
    proxy.post("/v1/chat/completions", body, headers={"x-team": "lab-3"})
    assert sent(upstream)["model"] == "other"


def test_a_rule_for_auto_decides_by_the_words_and_about_thinking(proxy: Any, upstream: FakeUpstream) -> None:
    """And the rest goes to the default."""
    body = {"model": "auto", "messages": [{"role": "user", "content": "What does this Traceback mean?"}]}
    response = proxy.post("/v1/chat/completions", body)
    assert (response.headers["x-switchman-layer"], response.headers["x-switchman-route"]) == ("route", "code")
    assert sent(upstream)["messages"][0]["content"] == "What does this Traceback mean? /no_think"
    assert proxy.chat("auto").headers["x-switchman-layer"] == "default"
    assert sent(upstream)["model"] == "default"


@pytest.mark.parametrize(
    ("words", "outcome", "detail"),
    [
        ("a traceback", "hit", "For up/qwen3-4b: Told not to think by a soft switch after the user's words."),
        ("a riddle", "hit", "For up/gpt-5-mini: Told not to think by reasoning_effort: minimal."),
        ("a rhyme", "miss", "For up/poet: There is no way to tell poet to think: nothing is changed."),
    ],
)
def test_the_trace_says_how_a_model_was_told_about_thinking(
    proxy: Any, upstream: FakeUpstream, words: str, outcome: str, detail: str
) -> None:
    """What was sent, or that the target understands nothing of the kind and got the request as it was."""
    body = {"model": "auto", "messages": [{"role": "user", "content": words}]}
    response = proxy.post("/v1/chat/completions", body)
    lines = [line for line in proxy.row_of(response)["trace"] if line["layer"] == "thinking"]
    assert [(line["outcome"], line["detail"]) for line in lines] == [(outcome, detail)]
    if outcome == "miss":
        assert sent(upstream) == {**body, "model": "poet"}


def test_a_picture_goes_to_a_model_that_sees(proxy: Any, upstream: FakeUpstream) -> None:
    """The rule's own target is passed over, with a line in the trace."""
    content = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    response = proxy.post("/v1/chat/completions", {"model": "auto", "messages": [{"role": "user", "content": content}]})
    assert sent(upstream)["model"] == "seer"
    trace = proxy.row_of(response)["trace"]
    assert "up/blind is passed over: it cannot see pictures." in [line["detail"] for line in trace]


def test_latency_is_unknown_until_there_was_an_answer(proxy: Any) -> None:
    """The first request finds no figure, the next one does."""
    assert proxy.chat("measured").headers["x-switchman-route"] == "measure"
    assert proxy.chat("measured").headers["x-switchman-route"] == "once it is known to be quick"


def test_health_is_that_of_our_own_traffic(proxy: Any, upstream: FakeUpstream) -> None:
    """A server that failed is no longer asked by a rule that looks at it."""
    upstream.script([Behaviour(status=500)])
    response = proxy.chat("checked")
    assert (response.status_code, response.headers["x-switchman-route"]) == (500, "second")
    assert proxy.chat("checked").headers["x-switchman-route"] == "while second fails"
