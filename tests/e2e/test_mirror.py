"""A mirror: some requests of a rule are asked a second time of another target, whose answers nobody gets."""

from __future__ import annotations

import json
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from switchman.addons.testing import Behaviour, FakeUpstream, Usage
from switchman.addons.testing.rawclient import RawClient, RawReply

PATHS = {"openai": "/v1/chat/completions", "ollama": "/api/chat", "anthropic": "/v1/messages"}
SECRET = "sk-the-clients-own"
HEADERS = [("content-type", "application/json"), ("anthropic-version", "2023-06-01"),
           ("authorization", f"Bearer {SECRET}"), ("x-api-key", SECRET), ("cookie", f"a={SECRET}")]  # fmt: skip


@pytest.fixture(scope="module")
def main(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="main")


@pytest.fixture(scope="module")
def shadow(upstream_factory: Callable[..., FakeUpstream]) -> dict[str, FakeUpstream]:
    return {name: upstream_factory(name, name=f"shadow-{name}") for name in PATHS}


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, main: FakeUpstream, shadow: dict[str, FakeUpstream]) -> Any:
    lines = ["servers:", f"  main: {{url: '{main.url}', dialect: openai}}"]
    for name, upstream in shadow.items():
        lines += [f"  {name}: {{url: '{upstream.url}', dialect: {name}, api_key: the-rules-own}}"]
    lines += [
        f"  slow: {{url: '{shadow['openai'].url}', dialect: openai, timeout: {{total: 0.5}}}}",
        f"  narrow: {{url: '{shadow['openai'].url}', dialect: openai, max_concurrent: 1}}",
        "models: {openai/dear: {input_cost: 1000, output_cost: 1000}}",
        "routes:",
    ]
    mirrors = {f"to-{name}": f"{{target: {name}/m2, share: 1}}" for name in PATHS}
    mirrors |= {"dear": "{target: openai/dear, share: 1, max_cost: 0.5}", "half": "{target: openai/m2, share: 0.5}"}
    mirrors |= {"to-narrow": "{target: narrow/m2, share: 1}"}
    mirrors |= {"late": "{target: slow/m2, share: 1}", "never": "{target: openai/m2, share: 0}"}
    for name, mirror in mirrors.items():
        lines += [f"  - {{name: {name}, match: {{model: {name}}}, route: {{model: main/m1, mirror: {mirror}}}}}"]
    return start_shared("\n".join([*lines, ""]))


def ask(proxy: Any, model: str, text: str = "hi", *, client: str = "openai", stream: bool = False) -> RawReply:
    asked = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 99, "stream": stream}
    with RawClient(proxy.port) as raw:
        return raw.ask(PATHS[client], asked, headers=HEADERS)


def mirror_of(proxy: Any, reply: RawReply) -> tuple[dict[str, Any], dict[str, Any]]:
    """The rows of a request and of its mirror, each of which names the other."""
    row = proxy.row(id=reply.header("x-switchman-request-id"))
    (line,) = [line for line in row["trace"] if line["layer"] == "mirror"]
    other = proxy.row(id=line["earlier"]["request_id"])
    (back,) = other["trace"]
    assert back["earlier"]["request_id"] == row["id"]
    return row, other


# Each client's dialect and each server's, both ways.
WAYS = [
    ("openai", "openai", True), ("openai", "anthropic", False), ("ollama", "ollama", False), ("ollama", "openai", True),
    ("anthropic", "anthropic", True), ("anthropic", "ollama", True), ("anthropic", "openai", False),
]  # fmt: skip


@pytest.mark.parametrize(("client", "server", "stream"), WAYS)
def test_the_mirror_has_a_row_of_its_own_and_the_client_its_answer(
    client: str, server: str, stream: bool, proxy: Any, shadow: dict[str, FakeUpstream]
) -> None:
    """In every client's dialect and every server's. With the key of the rules, and no field of the client's; in no
    session, of no caller.
    """
    text = f"{client} {server} {stream}"
    reply = ask(proxy, f"to-{server}", text, client=client, stream=stream)
    assert reply.status == 200 and b"main" in reply.body and b"shadow" not in reply.body
    row, other = mirror_of(proxy, reply)
    assert (row["server"], row["model"], len(row["attempts"])) == ("main", "m1", 1)
    assert (other["layer"], other["route"], other["server"], other["model"]) == ("mirror", f"to-{server}", server, "m2")
    assert (other["status"], other["outcome"], other["streamed"]) == (200, "ok", stream)
    assert other["output_tokens"] and f"shadow-{server}".encode() in other["response"]
    assert (other["token"], other["session"], other["cache"]) == (None, None, None)
    assert not any("m2" in line["detail"] for line in row["trace"] if line["layer"] != "mirror")
    (asked,) = shadow[server].heard(text)
    assert asked.json()["model"] == "m2"
    sent = json.dumps([asked.headers, asked.target], default=str)
    assert SECRET not in sent and "the-rules-own" in sent


def test_what_goes_wrong_there_is_the_rows_alone(proxy: Any, shadow: dict[str, FakeUpstream]) -> None:
    """An error, and silence until its deadline: the client has its answer, and no breaker counts it."""
    shadow["openai"].script([Behaviour(status=500, message="out of order")] * 5)
    for number in range(5):
        row, other = mirror_of(proxy, ask(proxy, "to-openai", f"broken {number}"))
        assert (row["outcome"], other["status"], other["outcome"]) == ("ok", 500, "upstream_error")
        assert other["error"] == "out of order"
    row, other = mirror_of(proxy, ask(proxy, "to-openai", "well again"))
    assert other["outcome"] == "ok"
    shadow["openai"].script([Behaviour(never_answer=True)])
    row, other = mirror_of(proxy, ask(proxy, "late", "silence"))
    assert (row["outcome"], other["outcome"], other["status"]) == ("ok", "failed", 504)


def test_more_than_fit_are_dropped(proxy: Any, shadow: dict[str, FakeUpstream]) -> None:
    """While as many wait as may: the answers go on as before, and their rows say so."""
    gate = Event()
    shadow["openai"].script([Behaviour(stall_after=0, resume=gate)] * 16)
    waiting = [ask(proxy, "to-openai", f"waits {number}", stream=True) for number in range(16)]
    reply = ask(proxy, "to-openai", "one too many")
    gate.set()
    row = proxy.row(id=reply.header("x-switchman-request-id"))
    assert row["outcome"] == "ok" and b"main" in reply.body
    assert [line["detail"] for line in row["trace"] if line["layer"] == "mirror"] == [
        "openai/m2 was not asked as well: 16 mirrored requests are under way."
    ]
    assert {mirror_of(proxy, one)[1]["outcome"] for one in waiting} == {"ok"}


def test_its_servers_limits_hold_for_a_mirror_too(proxy: Any, shadow: dict[str, FakeUpstream]) -> None:
    """It goes where there is room at once, holds its place to its end, and never waits."""
    gate = Event()
    shadow["openai"].script([Behaviour(stall_after=0, resume=gate)])
    asked = len(shadow["openai"].inferences)
    first = ask(proxy, "to-narrow", "holds the place", stream=True)
    proxy.until(lambda: len(shadow["openai"].inferences) > asked, "the mirror runs")
    _, other = mirror_of(proxy, ask(proxy, "to-narrow", "finds no room"))
    assert (other["outcome"], other["attempts"]) == ("refused", [])
    assert other["error"] == ("The mirror was not asked: narrow has as much to do as it may (max_concurrent: 1).")
    gate.set()
    assert mirror_of(proxy, first)[1]["outcome"] == "ok"
    assert mirror_of(proxy, ask(proxy, "to-narrow", "has room again"))[1]["outcome"] == "ok"


def test_a_days_money_bounds_it(proxy: Any, shadow: dict[str, FakeUpstream]) -> None:
    """What an answer cost counts, and what cannot be held any more is not asked."""
    shadow["openai"].script([Behaviour(usage=Usage(input=300, output=99))])
    row, other = mirror_of(proxy, ask(proxy, "dear", "first"))
    assert (other["outcome"], other["cost_microdollars"]) == ("ok", 399_000)
    row, other = mirror_of(proxy, ask(proxy, "dear", "second"))
    assert other["outcome"] == "refused" and "max_cost" in other["error"]
    reply = ask(proxy, "dear", "third")
    row = proxy.row(id=reply.header("x-switchman-request-id"))
    assert [line["detail"] for line in row["trace"] if line["layer"] == "mirror"] == [
        "openai/dear was not asked as well: the max_cost of its mirror is spent for today."
    ]
    assert not shadow["openai"].heard("second") and not shadow["openai"].heard("third")


def test_conversations_are_mirrored_whole(proxy: Any) -> None:
    """Each turn as its first was; of many, about the share. A share of 0 is none."""
    chosen = {}
    for number in range(5):
        for turn in range(2):
            more = [{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}] * turn
            asked = {"model": "half", "messages": [{"role": "user", "content": f"begins {number}"}, *more]}
            with RawClient(proxy.port) as raw:
                reply = raw.ask(PATHS["openai"], asked, headers=HEADERS)
            row = proxy.row(id=reply.header("x-switchman-request-id"))
            is_chosen = any(line["layer"] == "mirror" for line in row["trace"])
            assert chosen.setdefault(number, is_chosen) == is_chosen
    assert len(chosen) == 5
    row = proxy.row(id=ask(proxy, "never").header("x-switchman-request-id"))
    assert not any(line["layer"] == "mirror" for line in row["trace"])
