"""Limits of a server: who waits for it, in which order, for how long, and what becomes of those that wait in vain."""

from __future__ import annotations

import json
import signal
import time
from contextlib import ExitStack
from threading import Event
from typing import Any

import pytest
import sqlalchemy

from switchman.addons.store.keeping.packing import read_json
from switchman.addons.store.underway import read_underway
from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.behaviour import Usage
from switchman.addons.testing.rawclient import RawClient, request_bytes

PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages", "ollama": "/api/chat"}
USED_UP = {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0"}


def body(model: str, stream: bool = False) -> dict[str, Any]:
    return {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "stream": stream}


def sent(proxy: Any, model: str, caller: str = "10.9.9.9", stream: bool = False) -> RawClient:
    """A request whose answer nobody has read yet. `caller`: the address that it comes from."""
    client = RawClient(proxy.port)
    headers = [("content-type", "application/json"), ("x-forwarded-for", caller)]
    client.send(request_bytes(PATHS["openai"], json.dumps(body(model, stream)).encode(), headers=headers))
    return client


def told(row: dict[str, Any]) -> str:
    """What the trace says of queues."""
    return " ".join(line["detail"] for line in row["trace"] if line["layer"] == "queue")


def underway(proxy: Any) -> set[str]:
    """The models of the requests that have run for a second, as the log shows them."""
    engine = sqlalchemy.create_engine(f"sqlite:///{proxy.folder / 'requests.db'}", json_deserializer=read_json)
    try:
        return {one.requested_model for one in read_underway(engine, time.time())}
    finally:
        engine.dispose()


def models(upstream: FakeUpstream) -> list[str]:
    return [json.loads(request.body)["model"] for request in upstream.inferences]


@pytest.fixture(scope="module")
def one(upstream_factory: Any) -> FakeUpstream:
    found: FakeUpstream = upstream_factory(name="one")
    return found


@pytest.fixture(scope="module")
def two(upstream_factory: Any) -> FakeUpstream:
    found: FakeUpstream = upstream_factory(name="two")
    return found


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, one: FakeUpstream, two: FakeUpstream) -> Any:
    return start_shared(
        f"""
servers:
  fair: {{url: "{one.url}", dialect: openai, max_concurrent: 1}}
  single: {{url: "{one.url}", dialect: openai, max_concurrent: 1}}
  narrow: {{url: "{one.url}", dialect: openai, max_concurrent: 1, queue: {{size: 0}}}}
  hasty: {{url: "{one.url}", dialect: openai, max_concurrent: 1, queue: {{wait: 0.3}}}}
  paced: {{url: "{one.url}", dialect: openai, rpm: 2, queue: {{wait: 0}}}}
  spent: {{url: "{one.url}", dialect: openai, tpm: 50, queue: {{wait: 0}}}}
  patient: {{url: "{one.url}", dialect: openai, wait_up_to: 5}}
  learned: {{url: "{one.url}", dialect: openai, queue: {{wait: 20}}}}
  other: {{url: "{two.url}", dialect: openai}}
aliases:
  spread: {{instances: [narrow/m, other/m]}}
  learned-or-other: {{instances: [learned/l, other/m]}}
""",
        env={"TRUSTED_PROXIES": "127.0.0.1"},
    )


class Busy:
    """A stream that holds its place at a server until it goes on."""

    def __init__(self, proxy: Any, upstream: FakeUpstream, model: str) -> None:
        self._go = Event()
        upstream.script([Behaviour(stall_after=2, resume=self._go)], PATHS["openai"])
        self.client = sent(proxy, model, "10.0.0.9", stream=True)
        self._reply = self.client.head()
        assert self._reply.status == 200

    def goes_on(self) -> None:
        self._go.set()
        while self.client.chunk(self._reply):
            pass


def test_a_callers_many_do_not_hold_up_anothers_one_and_who_leaves_is_gone(proxy: Any, one: FakeUpstream) -> None:
    """Of four that wait for one place, a's second leaves; b, which came last, goes after a's first."""
    with ExitStack() as clients:
        busy = Busy(proxy, one, "fair/busy")
        clients.enter_context(busy.client)
        before = len(one.inferences)
        waiting = {}
        for model, caller in (("a1", "10.0.0.1"), ("a2", "10.0.0.1"), ("a3", "10.0.0.1"), ("b1", "10.0.0.2")):
            waiting[model] = clients.enter_context(sent(proxy, f"fair/{model}", caller))
            proxy.wait_read(waiting[model])  # else the kernel may hand them over in another order
        proxy.until(lambda: underway(proxy) >= {f"fair/{model}" for model in waiting}, "all wait")
        waiting.pop("a2").reset()
        left = proxy.row(requested_model="fair/a2")  # while nothing else moves
        assert (left["status"], left["outcome"], left["attempts"]) == (499, "cancelled", [])
        assert "until the client left: fair (max_concurrent: 1)" in told(left)
        assert len(one.inferences) == before
        busy.client.socket.close()
        replies = {model: client.reply() for model, client in waiting.items()}
        assert {reply.status for reply in replies.values()} == {200}
        assert models(one)[before:] == ["a1", "b1", "a3"]
    row = proxy.row(requested_model="fair/b1")
    assert row["overhead_ms"] < row["duration_ms"] - 900  # it waited for a second and more
    assert "Waited " in told(row) and "fair/b1, behind 3 others: fair (max_concurrent: 1)" in told(row)


@pytest.mark.parametrize("dialect", PATHS)
def test_who_finds_the_queue_full_is_told_so_by_the_key(dialect: str, proxy: Any, one: FakeUpstream) -> None:
    """In its own dialect, streamed or not; a stream holds its place to its end, and then the next one has it."""
    with Busy(proxy, one, "narrow/m").client:
        for stream in (False, True):
            found = proxy.post(PATHS[dialect], body("narrow/m", stream))
            assert (found.status_code, found.headers["retry-after"]) == (503, "5")
            error = found.json()["error"]
            message = error if isinstance(error, str) else error["message"]
            assert "narrow (max_concurrent: 1). 0 requests wait already (queue: size)" in message
        row = proxy.row_of(found)
        assert (row["outcome"], row["attempts"]) == ("failed", [])
        asked = len(one.inferences)
        found = proxy.chat("spread")
        assert found.json()["choices"][0]["message"]["content"] == "Hello from two."
        assert "other/m is asked before narrow/m" in told(proxy.row_of(found))
        assert len(one.inferences) == asked
    proxy.until(lambda: proxy.post(PATHS[dialect], body("narrow/m")).status_code == 200)


def test_who_has_waited_for_as_long_as_the_file_says_is_refused(proxy: Any, one: FakeUpstream) -> None:
    """By the key of it; the place is free as soon as the stream has come to its end."""
    busy = Busy(proxy, one, "hasty/m")
    with busy.client:
        found = proxy.chat("hasty/m")
        assert found.status_code == 503
        assert "There was no room within 0.3 s (queue: wait)." in found.json()["error"]["message"]
        assert "until there was no room" in told(proxy.row_of(found))
        busy.goes_on()
        assert proxy.chat("hasty/m").status_code == 200


def test_clients_that_leave_at_any_stage_leave_no_place_taken(proxy: Any, one: FakeUpstream) -> None:
    """While they wait, before an answer, within one, and right after it: then the one place is there for the next."""
    moods = [Behaviour(latency=30), Behaviour(stall_after=2), Behaviour(reset=True), Behaviour(status=503), Behaviour()]
    for mood in moods:
        one.script([mood], PATHS["openai"])
        asked = len(one.inferences)
        first, second = sent(proxy, "single/m", stream=True), None
        proxy.until(lambda before=asked: len(one.inferences) > before)
        if mood.latency or mood.stall_after:
            second = sent(proxy, "single/waits")
        for client in (second, first):
            if client is not None:
                client.reset()
                client.__exit__()
        assert proxy.chat("single/m").status_code == 200


def test_requests_a_minute_are_not_exceeded(proxy: Any, one: FakeUpstream) -> None:
    """The third of two is a 429 that says when to come back; no server was asked."""
    assert [proxy.chat("paced/m").status_code for _ in range(2)] == [200, 200]
    asked = len(one.inferences)
    found = proxy.chat("paced/m", stream=True)
    assert found.status_code == 429 and 1 <= int(found.headers["retry-after"]) <= 61
    assert "paced (rpm: 2)" in found.json()["error"]["message"]
    assert len(one.inferences) == asked


def test_tokens_a_minute_are_counted_as_answers_tell_them(proxy: Any, one: FakeUpstream) -> None:
    """The 45 of the answer come in the place of the estimate, which is far less."""
    small = {**body("spent/m"), "max_tokens": 1}
    one.script([Behaviour(usage=Usage(40, 5))], PATHS["openai"])
    assert proxy.post(PATHS["openai"], small).status_code == 200
    found = proxy.post(PATHS["openai"], small)
    assert found.status_code == 429 and "spent (tpm: 50)" in found.json()["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_short_retry_after_is_waited_out_where_nobody_else_can_answer(
    stream: bool, proxy: Any, one: FakeUpstream
) -> None:
    """The client gets the answer in place of a 429, and the trace says why it took so long."""
    asked = len(one.inferences)
    one.script([Behaviour(status=429, headers={"retry-after-ms": "200"})], PATHS["openai"])
    found = proxy.chat("patient/m", stream=stream)
    assert found.status_code == 200 and "Hello" in found.text
    row = proxy.row_of(found)
    assert [attempt["status"] for attempt in row["attempts"]] == [429, 200]
    assert "nobody else can answer: waited for (wait_up_to: 5), and asked again" in told(row)
    first, second = one.inferences[asked:]
    assert second.at - first.at >= 0.19


def test_a_long_retry_after_is_the_clients_to_wait_for(proxy: Any, one: FakeUpstream) -> None:
    """It gets the server's own answer, at once."""
    one.script([Behaviour(status=429, headers={"retry-after": "6"}, message="slow down")], PATHS["openai"])
    found = proxy.chat("patient/long")
    assert (found.status_code, found.headers["retry-after"]) == (429, "6")
    assert found.json()["error"]["message"] == "slow down"


def test_a_server_that_tells_that_it_is_used_up_is_passed_over_and_waited_for_alone(
    proxy: Any, one: FakeUpstream
) -> None:
    """A minute for each of 60, and so for the first of them; of the other model one comes back in 0.3 s."""
    one.script([Behaviour(headers={**USED_UP, "x-ratelimit-reset-requests": "1h"})], PATHS["openai"])
    assert proxy.chat("learned-or-other").json()["choices"][0]["message"]["content"] == "Hello from one."
    found = proxy.chat("learned-or-other", stream=True)
    assert "other/m is asked before learned/l" in told(proxy.row_of(found))
    one.script([Behaviour(headers={**USED_UP, "x-ratelimit-reset-requests": "18s"})], PATHS["openai"])
    assert proxy.chat("learned/m").status_code == 200
    found = proxy.chat("learned/m")
    assert found.json()["choices"][0]["message"]["content"] == "Hello from one."
    assert "learned (what its answers told)" in told(proxy.row_of(found))


def test_a_router_that_stops_refuses_those_that_wait(start: Any, one: FakeUpstream) -> None:
    """With a sentence, and a row for each."""
    rules = f"servers: {{s: {{url: '{one.url}', dialect: openai, max_concurrent: 1}}}}\n"
    proxy = start(rules, env={"SHUTDOWN_GRACE": "0"})
    busy = Busy(proxy, one, "s/busy")
    with busy.client, sent(proxy, "s/waits") as waits:
        proxy.until(lambda: "s/waits" in underway(proxy), "it waits")
        proxy.process.send_signal(signal.SIGTERM)
        reply = waits.reply()
        assert reply.status == 503 and b"The router was stopped" in reply.body
    assert proxy.process.wait(60) == 0
    row = proxy.row(requested_model="s/waits")
    assert row["attempts"] == [] and "until the router stopped: s (max_concurrent: 1)" in told(row)
