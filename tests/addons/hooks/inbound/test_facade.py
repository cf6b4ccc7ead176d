"""What clients of one dialect ask about models on servers of another."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from mitmproxy import http

from switchman.addons.core.decision.catalogue import Entry
from switchman.addons.flow.exchange import Exchange
from switchman.addons.hooks.inbound import facade as module
from switchman.addons.hooks.inbound.facade import Facade
from switchman.addons.state.runtime import Runtime
from switchman.addons.testing import Behaviour, FakeUpstream

RULES = """
servers:
  plain: {url: "http://127.0.0.1:9", dialect: openai}
  laptop: {url: "http://127.0.0.1:10", dialect: ollama}
  claude: {url: "http://127.0.0.1:11", dialect: anthropic}
  unknown: {url: "http://127.0.0.1:13"}
models:
  plain/gpt-x: {context: 32768, modalities: [text, vision]}
aliases:
  cloud: {instances: ["plain/gpt-x"]}
  mixed: {instances: ["plain/gpt-x", "laptop/qwen", "claude/opus"]}
  opus: {instances: ["plain/gpt-x", "claude/opus", "unknown/opus"]}
  vague: {instances: ["plain/gpt-x", "unknown/x"]}
"""


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime(RULES, default_upstream="http://127.0.0.1:9")


def ask(facade: Facade, flow: http.HTTPFlow) -> None:
    async def work() -> None:
        await facade.request(flow)
        await facade.done()

    asyncio.run(work())


def listed(*names: str) -> Any:
    async def entries(_: http.Request, __: Exchange) -> tuple[Entry, ...]:
        return tuple(Entry(name, "up") for name in names)

    return entries


def said(flow: http.HTTPFlow, status: int = 200) -> Any:
    assert flow.response is not None and flow.response.content is not None
    assert flow.response.status_code == status, flow.response.content
    return json.loads(flow.response.content)


def targets(x: Exchange) -> list[str]:
    assert x.plan is not None
    return [candidate.target for candidate in x.plan.candidates]


# /api/show


@pytest.mark.parametrize("key", ["model", "name"])
def test_a_model_on_another_server_is_described_by_the_rules(key: str, runtime: Runtime, make_exchange: Any) -> None:
    """By either name of the field; nobody is asked."""
    flow, x = make_exchange(runtime, "/api/show", {key: "cloud"})
    ask(Facade(runtime, listed("cloud")), flow)
    answer = said(flow)
    assert answer["model_info"]["unknown.context_length"] == 32768
    assert answer["capabilities"] == ["completion", "vision"]
    assert (x.outcome, x.plan) == ("answered", None)


@pytest.mark.parametrize(
    ("model", "asked"), [("mixed", ["laptop/qwen"]), ("laptop/any", ["laptop/any"]), ("vague", ["unknown/x"])]
)
def test_only_ollama_servers_are_asked_what_they_say(
    model: str, asked: list[str], runtime: Runtime, make_exchange: Any
) -> None:
    """Also one of which nothing is known, as it may be one; the trace says why the others are not."""
    flow, x = make_exchange(runtime, "/api/show", {"model": model})
    ask(Facade(runtime, listed(model)), flow)
    assert flow.response is None and targets(x) == asked
    assert x.trace[-1].layer == "facade" and "ollama" in x.trace[-1].detail


@pytest.mark.parametrize(("names", "status"), [(("other",), 404), (("nobody",), 200), ((), 200)])
def test_a_model_that_nobody_lists_is_not_found(
    names: tuple[str, ...], status: int, runtime: Runtime, make_exchange: Any
) -> None:
    """As long as nothing is listed at all, any name may be right."""
    flow, x = make_exchange(runtime, "/api/show", {"model": "nobody"})
    ask(Facade(runtime, listed(*names)), flow)
    answer = said(flow, status)
    if status == 404:
        assert answer == {"error": "model 'nobody' not found"} and x.outcome == "refused"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"[1]", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b" " * (module.MAX_SHOW_BYTES + 1), "more than a model's name"),
        (b'{"model": [' + b"{}," * 20_000 + b"{}]}", "more than a model's name"),
        (b"{}", "model is required"),
        (b'{"model": 7}', "model is required"),
    ],
    ids=["cut", "no UTF-8", "list", "deep", "too long", "many values", "empty", "number"],
)
def test_a_question_that_cannot_be_read_is_refused(
    body: bytes, words: str, runtime: Runtime, make_exchange: Any
) -> None:
    """400 in Ollama's form, and no Call of it."""
    flow, x = make_exchange(runtime, "/api/show", body)
    ask(Facade(runtime, listed()), flow)
    assert words in said(flow, 400)["error"] and x.call is None


# Loading


@pytest.mark.parametrize(("path", "field"), [("/api/chat", "message"), ("/api/generate", "response")])
def test_a_model_elsewhere_counts_as_loaded(path: str, field: str, runtime: Runtime, make_exchange: Any) -> None:
    """`ollama run` asks for it before it prompts."""
    flow, x = make_exchange(runtime, path, {"model": "cloud", "keep_alive": 0})
    ask(Facade(runtime, listed()), flow)
    answer = said(flow)
    assert (answer["done"], answer["done_reason"]) == (True, "unload") and field in answer
    assert x.plan is None


@pytest.mark.parametrize("body", [{"messages": [{"role": "user", "content": "hi"}]}, {"prompt": "hi"}])
def test_a_request_that_says_something_passes(body: dict[str, Any], runtime: Runtime, make_exchange: Any) -> None:
    """It is no question about a model."""
    path = "/api/chat" if "messages" in body else "/api/generate"
    flow, x = make_exchange(runtime, path, {"model": "mixed", **body})
    ask(Facade(runtime, listed()), flow)
    assert (flow.response, x.plan, x.outcome) == (None, None, None)


# Counting


def test_tokens_are_counted_by_who_can_else_estimated(runtime: Runtime, make_exchange: Any) -> None:
    """An estimate says that it is one; a server that also speaks Anthropic's dialect counts."""
    body = {"messages": [{"role": "user", "content": "one two three four five"}]}
    runtime.dialects.found = {runtime.rules.current.servers["unknown"]: ("openai", "anthropic")}
    flow, x = make_exchange(runtime, "/v1/messages/count_tokens", {"model": "opus", **body})
    ask(Facade(runtime, listed()), flow)
    assert flow.response is None and targets(x) == ["claude/opus", "unknown/opus"]
    flow, x = make_exchange(runtime, "/v1/messages/count_tokens", {"model": "cloud", **body})
    ask(Facade(runtime, listed()), flow)
    assert 3 <= said(flow)["input_tokens"] <= 20
    assert flow.response.headers["x-switchman-estimate"] == "1" and x.outcome == "answered"


# What runs, and what manages


def test_what_runs_is_the_union_of_the_ollama_servers(make_runtime: Callable[..., Runtime], make_exchange: Any) -> None:
    """By the names that clients have for the models: the default upstream's as they are. HEAD has no body."""
    with FakeUpstream("ollama", models=["a"]) as one, FakeUpstream("ollama", models=["b"]) as two:
        rules = f"servers:\n  one: {{url: '{one.url}', dialect: ollama}}\n  two: {{url: '{two.url}'}}\n"
        runtime = make_runtime(rules, default_upstream=one.url)
        two_server = runtime.rules.current.servers["two"]
        flow, _ = make_exchange(runtime, "/api/ps", method="GET")
        ask(Facade(runtime, listed()), flow)
        names = {model["name"] for model in said(flow)["models"]}
        assert "two/b" not in names and names  # nobody knows yet that it speaks Ollama's dialect
        runtime.dialects.found = {two_server: ("ollama", "openai")}
        flow, _ = make_exchange(runtime, "/api/ps/?x=1", method="GET")
        ask(Facade(runtime, listed()), flow)
        assert {(model["name"], model["model"]) for model in said(flow)["models"]} >= {("two/b", "two/b")}
        flow, _ = make_exchange(runtime, "/api/ps", method="HEAD")
        ask(Facade(runtime, listed()), flow)
        assert flow.response is not None and flow.response.raw_content == b""


@pytest.mark.parametrize(
    "bad",
    [
        Behaviour(body="no JSON"),
        Behaviour(body="[" * 100_000),
        Behaviour(body={"models": 7}),
        Behaviour(body={"models": ["no object"]}),
        Behaviour(body="[1]"),
        Behaviour(status=500),
        Behaviour(never_answer=True),
        Behaviour(reset=True),
    ],
)
def test_a_bad_server_does_not_empty_the_others_list(
    bad: Behaviour, make_runtime: Callable[..., Runtime], make_exchange: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs nothing, as far as is known; a slow one is waited for no longer than TIMEOUT."""
    monkeypatch.setattr(module, "TIMEOUT", 0.5)
    with FakeUpstream("ollama", models=["a"]) as good, FakeUpstream("ollama") as other:
        other.listing = bad
        rules = f"servers:\n  good: {{url: '{good.url}', dialect: ollama}}\n"
        rules += f"  other: {{url: '{other.url}', dialect: ollama}}\n"
        runtime = make_runtime(rules)
        flow, _ = make_exchange(runtime, "/api/ps", method="GET")
        ask(Facade(runtime, listed()), flow)
    assert [model["name"] for model in said(flow)["models"]] == ["good/a"]


@pytest.mark.parametrize("path", ["/api/pull", "/api/blobs/sha256:0", "/api/delete", "/api/me"])
@pytest.mark.parametrize(("dialect", "passes"), [("openai", False), ("ollama", True), (None, True)])
def test_managing_models_is_the_default_upstreams_affair(
    path: str, dialect: str | None, passes: bool, make_runtime: Callable[..., Runtime], make_exchange: Any
) -> None:
    """501 where that is no Ollama server; one of which nothing is known is asked."""
    declared = f", dialect: {dialect}" if dialect else ""
    rules = f"servers: {{up: {{url: 'http://127.0.0.1:9'{declared}}}}}"
    runtime = make_runtime(rules, default_upstream="http://127.0.0.1:9")
    runtime.dialects.found = {}
    flow, x = make_exchange(runtime, path, {"model": "m"})
    ask(Facade(runtime, listed()), flow)
    if passes:
        assert (flow.response, x.outcome) == (None, None)
    else:
        assert path in said(flow, 501)["error"]


def test_what_is_answered_or_planned_is_left_alone(runtime: Runtime, make_exchange: Any, make_flow: Any) -> None:
    """As is a flow that is not ours."""
    facade = Facade(runtime, listed())
    flow, x = make_exchange(runtime, "/api/show", {"model": "mixed"})
    ask(facade, flow)
    plan, trace = x.plan, list(x.trace)
    ask(facade, flow)
    assert x.plan is plan and x.trace == trace
    answered, x = make_exchange(runtime, "/api/show", b"{")
    answered.response = given = http.Response.make(403)
    ask(facade, answered)
    assert answered.response is given and x.outcome is None
    foreign = make_flow("/api/show", b"{")
    ask(facade, foreign)
    assert foreign.response is None
