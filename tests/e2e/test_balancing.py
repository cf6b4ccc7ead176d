"""Strategies on real sockets: who is asked, where conversations stay, and what is told of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream

RULES = """
servers: {{a: {{url: "{a}", dialect: openai}}, b: {{url: "{b}", dialect: openai}}, c: {{url: "{c}", dialect: openai}}}}
models: {{a/cheap: {{input_cost: 3, output_cost: 3}}, b/cheap: {{input_cost: 1, output_cost: 1}}}}
aliases:
  turns: {{strategy: round_robin, instances: [a/turns, b/turns, c/turns]}}
  weights:
    strategy: weighted
    affinity: none
    instances: [{{server: a, model: w, weight: 6}}, {{server: b, model: w, weight: 3}}, {{server: c, model: w}}]
  busy: {{strategy: least_busy, instances: [a/busy, b/busy]}}
  quick: {{strategy: fastest, instances: [a/quick, b/quick]}}
  cheap: {{strategy: cheapest, instances: [a/cheap, c/cheap, b/cheap]}}
  canary: {{split: {{a/canary: 90, b/canary: 10}}}}
  stays: {{strategy: round_robin, instances: [a/stays, b/stays, c/stays]}}
"""


@pytest.fixture(scope="module")
def servers(upstream_factory: Callable[..., FakeUpstream]) -> dict[str, FakeUpstream]:
    return {name: upstream_factory(name=name) for name in "abc"}


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, servers: dict[str, FakeUpstream]) -> Any:
    return start_shared(RULES.format(**{name: server.url for name, server in servers.items()}))


@pytest.fixture
def client(proxy: Any) -> Any:
    with httpx.Client(base_url=proxy.url, trust_env=False, timeout=60) as client:
        yield client


def said(conversation: str, turn: int) -> list[dict[str, str]]:
    """What a conversation has come to at a turn, from 0."""
    talk = [{"role": "user", "content": f"About {conversation}"}]
    for number in range(turn):
        talk += [{"role": "assistant", "content": f"Answer {number}"}, {"role": "user", "content": f"And {number}?"}]
    return talk


def ask(client: httpx.Client, model: str, conversation: str = "hi", turn: int = 0, stream: bool = False) -> str:
    """The name of the server that answers."""
    body = {"model": model, "messages": said(conversation, turn), "stream": stream}
    answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.headers["x-switchman-target"]).partition("/")[0]


def test_turns_weights_prices_and_a_canary(client: httpx.Client) -> None:
    """The same words again and again: each begins anew, and so goes by the strategy, streamed or not."""
    assert "".join(ask(client, "turns", stream=turn % 2 == 0) for turn in range(6)) == "abcabc"
    counts = Counter(ask(client, "weights") for _ in range(20))
    assert counts == {"a": 12, "b": 6, "c": 2}
    assert {ask(client, "cheap") for _ in range(3)} == {"b"}
    assert Counter(ask(client, "canary") for _ in range(10)) == {"a": 9, "b": 1}


def test_a_conversation_stays_through_a_failover_and_back(
    proxy: Any, client: httpx.Client, servers: dict[str, FakeUpstream]
) -> None:
    """While its server is down it is with one other, then with its own again; the rows say why."""
    ask(client, "stays", "something else")
    home = ask(client, "stays", "trains")
    assert {ask(client, "stays", "trains", turn) for turn in range(1, 8)} == {home}
    down = Behaviour(status=503, headers={"retry-after": "1"})
    servers[home].default = down
    away = {ask(client, "stays", "trains", turn) for turn in range(8, 14)}
    servers[home].default = Behaviour()
    assert len(away) == 1 and home not in away
    proxy.until(lambda: ask(client, "stays", "trains", 14) == home, "the conversation is back")
    assert {ask(client, "stays", "trains", turn) for turn in range(15, 20)} == {home}
    body = {"model": "stays", "messages": said("trains", 20)}
    row = proxy.row_of(client.post("/v1/chat/completions", json=body))
    assert row["server"] == home
    told = [line["detail"] for line in row["trace"] if line["layer"] == "balance"]
    assert told == [f"The conversation stays with {home}/stays (Alias stays: round_robin)."]


def test_a_conversation_stays_in_every_dialect(proxy: Any, client: httpx.Client) -> None:
    """Anthropic's, Ollama's and that of responses: in the body's own words, or by the id of the last response."""

    def target(path: str, body: dict[str, Any]) -> tuple[str, Any]:
        answer = client.post(path, json={"model": "turns", "stream": False, **body})
        assert answer.status_code == 200, answer.text
        return answer.headers["x-switchman-target"], answer.json()

    for path, more in (("/v1/messages", {"max_tokens": 9}), ("/api/chat", {})):
        homes = [target(path, {"messages": said(f"{path} {one}", 0), **more})[0] for one in range(3)]
        assert len(set(homes)) == 3
        for turn in (1, 2, 3):
            assert [target(path, {"messages": said(f"{path} {one}", turn), **more})[0] for one in range(3)] == homes
    for number in range(3):
        home, made = target("/v1/responses", {"input": f"Begin {number}"})
        for turn in range(3):
            body = {"input": f"{number} {turn}", "previous_response_id": made["id"]}
            found, made = target("/v1/responses", body)
            assert found == home


def test_least_busy_keeps_two_servers_equally_busy(proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """Twelve that are not answered: six each. Those that leave one are made good there."""
    before = {name: len(servers[name].inferences) for name in "ab"}

    def asked() -> dict[str, int]:
        return {name: len(servers[name].inferences) - before[name] for name in "ab"}

    async def run() -> list[dict[str, int]]:
        loop = asyncio.get_running_loop()
        async with httpx.AsyncClient(base_url=proxy.url, trust_env=False, timeout=60) as client:

            async def one(number: int) -> asyncio.Task[Any]:
                """One more, once its server has it."""
                body = {"model": "busy", "messages": said(f"busy {number}", 0)}
                task = asyncio.create_task(client.post("/v1/chat/completions", json=body))
                wanted = sum(asked().values()) + 1
                await loop.run_in_executor(None, proxy.until, lambda: sum(asked().values()) == wanted)
                return task

            running, found = [], []
            places: list[str] = []
            for number in range(12):
                was = asked()
                running.append(await one(number))
                places += [name for name in "ab" if asked()[name] != was[name]]
            found.append(asked())
            left = [task for task, place in zip(running, places, strict=True) if place == "a"][:3]
            for task in left:
                task.cancel()
            gone = {"requested_model": "busy", "outcome": "cancelled"}
            await loop.run_in_executor(None, proxy.until, lambda: len(proxy.rows(**gone)) == 3)
            for number in range(12, 15):
                running.append(await one(number))
            found.append(asked())
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        return found

    for server in servers.values():
        server.default = Behaviour(never_answer=True)
    try:
        assert asyncio.run(run()) == [{"a": 6, "b": 6}, {"a": 9, "b": 6}]
    finally:
        for server in servers.values():
            server.default = Behaviour()


def test_fastest_finds_who_became_slow_and_who_recovered(
    client: httpx.Client, servers: dict[str, FakeUpstream]
) -> None:
    """Within twenty requests, both ways; a conversation leaves the slow one, too."""
    slow = Behaviour(latency=0.4)  # what a quick one does not take on a busy machine
    for place, other in (("a", "b"), ("b", "a")):
        servers[place].default, servers[other].default = slow, Behaviour()
        went = [ask(client, "quick", stream=True) for _ in range(20)]
        assert went[-4:].count(other) >= 3, went
    for server in servers.values():
        server.default = Behaviour()
