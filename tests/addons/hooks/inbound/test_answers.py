"""What the router answers itself, with real upstreams on real sockets behind it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset
from switchman.addons.flow.exchange import Exchange, begin
from switchman.addons.hooks.inbound.answers import Answers
from switchman.addons.state.learned.listings import Listings
from switchman.addons.testing import STARTED_AT, Behaviour, FakeUpstream

GONE = "http://127.0.0.1:9"  # discard: nothing listens there, and no port that was given up is taken by somebody else


class Environment:
    """The environment's defaults."""

    def __init__(self, default_upstream: str | None) -> None:
        self.default_upstream = default_upstream or "http://localhost:8000"
        self.default_upstream_set = default_upstream is not None
        self.model_map: dict[str, str] = {}
        self.request_timeout = 3000.0
        self.strip_thinking, self.strip_json_markdown, self.disable_thinking = True, False, False


def ruleset(servers: dict[str, Any], default: str | None = None, **more: Any) -> Ruleset:
    env = {"KEY": "sk-server"}
    return parse_ruleset(json.dumps({"servers": servers, **more}), "routes.yaml", Environment(default), env)


def nothing() -> None:
    return None


def answers(rules: Ruleset | Callable[[], Ruleset], listings: Listings | None = None, **named: Any) -> Answers:
    current = rules if callable(rules) else lambda: rules
    inputs: dict[str, Any] = {"rules_error": nothing, "store_check": nothing, **named}
    return Answers(current, listings=listings or Listings(timeout=60), **inputs)


async def ask(
    addon: Answers, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[http.HTTPFlow, Exchange]:
    flow = tflow.tflow(req=http.Request.make(method, f"http://router{path}", b"", headers or {}))
    x = Exchange(id="1", started_at=STARTED_AT, started=0.0, client="127.0.0.1", dialect="openai")
    begin(flow, x)
    await addon.request(flow)
    return flow, x


async def get(addon: Answers, path: str, headers: dict[str, str] | None = None) -> Any:
    flow, _ = await ask(addon, path, headers=headers)
    assert flow.response is not None and flow.response.content is not None
    return json.loads(flow.response.content)


async def ids(addon: Answers, headers: dict[str, str] | None = None) -> list[str]:
    return [model["id"] for model in (await get(addon, "/v1/models", headers))["data"]]


def run(addon: Answers, work: Coroutine[Any, Any, None]) -> None:
    """Runs a test's coroutine, and then what mitmproxy calls at the end."""

    async def whole() -> None:
        try:
            await work
        finally:
            await addon.done()

    asyncio.run(whole())


async def until(condition: Callable[[], Coroutine[Any, Any, bool]], seconds: float = 20) -> None:
    """Waits until the condition holds."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


# Model lists


def test_the_union_of_all_dialects() -> None:
    """Every server is asked in its dialect, known or not, and all are listed with aliases and `auto`."""
    with (
        FakeUpstream("openai", models=["gpt"], api_key="sk-server") as one,
        FakeUpstream("ollama", models=["llama3"]) as two,
        FakeUpstream("anthropic", models=["claude"], api_key="sk-server") as three,
        FakeUpstream("ollama", models=["qwen"]) as four,
        FakeUpstream("openai", models=["plain", "org/plain"]) as default,
    ):
        rules = ruleset(
            {
                "one": {"url": f"{one.url}/v1", "dialect": "openai", "api_key": "env:KEY"},
                "two": {"url": two.url, "dialect": "ollama"},
                "three": {"url": three.url, "dialect": "anthropic", "api_key": "env:KEY"},
                "four": four.url,
            },
            default.url,
            aliases={"best": {"instances": ["one/gpt", "two/llama3"]}},
        )
        addon = answers(rules, auto=lambda rules: "best" in rules.aliases)

        async def work() -> None:
            expected = ["auto", "best", "plain", "org/plain", "one/gpt", "two/llama3", "three/claude", "four/qwen"]
            assert await ids(addon) == expected
            assert [m["model"] for m in (await get(addon, "/api/tags"))["models"]] == expected
            anthropic = await get(addon, "/v1/models", {"anthropic-version": "2023-06-01"})
            assert [m["type"] for m in anthropic["data"]] == ["model"] * 8

        run(addon, work())
    assert [r.target for r in four.requests] == ["/v1/models", "/api/tags"]
    assert all(len(up.requests) == 1 for up in (one, two, three, default))


def test_one_model() -> None:
    """A listed model is found by its id, its slash plain or escaped; others are a 404 in the client's dialect."""
    with FakeUpstream("openai", models=["org/gpt"]) as up:
        addon = answers(ruleset({"one": up.url}))

        async def work() -> None:
            for path in ("/v1/models/one/org/gpt", "/v1/models/one%2Forg%2Fgpt", "/models/one/org/gpt"):
                assert (await get(addon, path))["id"] == "one/org/gpt"
            flow, x = await ask(addon, "/v1/models/none")
            assert flow.response and flow.response.status_code == 404
            assert json.loads(flow.response.text or "")["error"]["code"] == "model_not_found"
            assert x.outcome == "refused"
            flow, _ = await ask(addon, "/v1/models/none", headers={"anthropic-version": "2023-06-01"})
            assert flow.response and json.loads(flow.response.text or "")["error"]["type"] == "not_found_error"

        run(addon, work())


@pytest.mark.parametrize(
    "bad",
    [
        Behaviour(never_answer=True),
        Behaviour(stall_after=0),
        Behaviour(reset=True),
        Behaviour(status=500),
        Behaviour(malformed=True),
        Behaviour(body={"error": "no models here"}),
        Behaviour(body="[" * 100_000),
        Behaviour(status=302, headers={"location": "http://127.0.0.1:1/"}, body=""),
    ],
)
def test_a_bad_upstream_neither_blocks_nor_empties_the_list(bad: Behaviour) -> None:
    """With one upstream bad, the first answer comes with its timeout, later ones at once, with all others' models."""
    with FakeUpstream(models=["a"]) as good, FakeUpstream(models=["b"]) as other:
        other.listing = bad
        servers = {"good": good.url}
        listings = Listings(timeout=1000, fresh=inf)  # the good one may take its time, and is not asked again
        addon = answers(lambda: ruleset(servers), listings)

        async def work() -> None:
            async with asyncio.timeout(60):
                assert await ids(addon) == ["good/a"]
                servers.update(bad=other.url, gone=GONE)
                listings.timeout = 0.2
                assert await ids(addon) == ["good/a"]
                # Each of these asks the bad one again; who waited for that would wait for long.
                listings.timeout, listings.retry = 1000, 0
                for _ in range(20):
                    assert await ids(addon) == ["good/a"]

        run(addon, work())


def test_all_upstreams_dead() -> None:
    """With all upstreams dead the list is empty but for aliases: it is a list all the same."""
    addon = answers(ruleset({"gone": GONE}, aliases={"best": {"instances": ["gone/x"]}}))

    async def work() -> None:
        assert await ids(addon) == ["best"]

    run(addon, work())


def test_the_last_good_list_is_kept_and_renewed() -> None:
    """An upstream that fails after it listed keeps its models; one that comes back is listed anew."""
    with FakeUpstream(models=["a"]) as up:
        addon = answers(ruleset({"one": up.url}), Listings(fresh=0, retry=0))

        async def listed_b() -> bool:
            return await ids(addon) == ["one/b"]

        async def work() -> None:
            assert await ids(addon) == ["one/a"]
            up.listing = Behaviour(status=500)
            seen = len(up.requests)
            while len(up.requests) < seen + 3:
                assert await ids(addon) == ["one/a"]
                await asyncio.sleep(0.01)
            up.listing, up.models = Behaviour(), ("b",)
            await until(listed_b)

        run(addon, work())


def test_one_fetch_at_a_time() -> None:
    """Many clients asking at once are one request to each upstream."""
    with FakeUpstream(models=["a"]) as up:
        up.listing = Behaviour(latency=0.2)
        addon = answers(ruleset({"one": up.url}))

        async def work() -> None:
            lists = await asyncio.gather(*(ids(addon) for _ in range(50)))
            assert lists == [["one/a"]] * 50

        run(addon, work())
        assert len(up.requests) == 1


def test_fresh_lists_are_not_asked_for_again() -> None:
    """Within its time a good list is handed out without asking; a change of the rules is seen at once."""
    with FakeUpstream(models=["a"]) as up:
        rules = [ruleset({"one": up.url})]
        addon = answers(lambda: rules[-1])

        async def work() -> None:
            for _ in range(3):
                assert await ids(addon) == ["one/a"]
            assert len(up.requests) == 1
            rules.append(ruleset({"two": up.url}))
            assert await ids(addon) == ["two/a"]

        run(addon, work())


def test_the_clients_key_goes_to_the_default_upstream_only() -> None:
    """The client's own credentials reach the default upstream and no other; each key has a list of its own."""
    with FakeUpstream(models=["a"]) as default, FakeUpstream(models=["b"]) as other:
        addon = answers(ruleset({"other": other.url}, default.url), own_token=lambda value: value == "Bearer router")

        async def work() -> None:
            default.api_key = "mine"
            assert await ids(addon, {"authorization": "Bearer mine"}) == ["a", "other/b"]
            assert await ids(addon, {"authorization": "Bearer theirs"}) == ["other/b"]
            assert await ids(addon) == ["other/b"]
            assert await ids(addon, {"authorization": "Bearer router"}) == ["other/b"]

        run(addon, work())
        assert [r.header("authorization") for r in default.requests] == ["Bearer mine", "Bearer theirs", None]
        assert [r.header("authorization") for r in other.requests] == [None]


def test_the_clients_key_is_put_where_the_default_upstream_looks_for_it() -> None:
    """Any client may list an Anthropic server's models by its own key, and an Anthropic client those of others."""
    with FakeUpstream("anthropic", models=["claude"]) as one, FakeUpstream(models=["gpt"]) as two:
        one.api_key = two.api_key = "mine"
        undeclared = answers(ruleset({}, one.url), Listings(timeout=60, speaks=lambda server: "anthropic"))
        declared = answers(ruleset({"two": {"url": two.url, "dialect": "openai"}}, two.url))

        async def list_claude() -> None:
            for header in ({"authorization": "Bearer mine"}, {"x-api-key": "mine"}, {"api-key": "mine"}):
                assert await ids(undeclared, header) == ["claude"]
            # As Claude Code does with a subscription: an Anthropic client's own header stays what it is.
            listed = await get(undeclared, "/v1/models", {"anthropic-version": "1", "authorization": "Bearer mine"})
            assert [model["id"] for model in listed["data"]] == ["claude"]

        async def list_gpt() -> None:
            assert await ids(declared, {"x-api-key": "mine", "anthropic-version": "2023-06-01"}) == ["gpt", "two/gpt"]

        run(undeclared, list_claude())
        run(declared, list_gpt())
        assert one.requests[-1].header("authorization") == "Bearer mine"


@pytest.mark.parametrize("forward_auth", [True, False])
def test_the_clients_key_and_what_the_rules_say(forward_auth: bool) -> None:
    """`forward_auth: false` keeps it from lists as from all else."""
    with FakeUpstream(models=["a"]) as default:
        rules = ruleset({"one": {"url": default.url, "forward_auth": forward_auth}}, default.url)
        addon = answers(rules)

        async def work() -> None:
            assert await ids(addon, {"authorization": "Bearer mine"}) == ["a", "one/a"]

        run(addon, work())
        assert default.requests[0].header("authorization") == ("Bearer mine" if forward_auth else None)


def test_a_configured_key_replaces_the_clients() -> None:
    """Where the default upstream's key is configured as a header, it is that one which is sent."""
    with FakeUpstream(models=["a"], api_key="right") as up:
        rules = ruleset({"one": {"url": up.url, "headers": {"Authorization": "Bearer right"}}})

        async def work() -> None:
            assert await ids(addon, {"authorization": "Bearer wrong"}) == ["one/a"]

        addon = answers(rules)
        run(addon, work())


# Health and small talk


def test_small_talk() -> None:
    """What Ollama clients ask first is answered: a version, and GET and HEAD of the root."""
    addon = answers(ruleset({"gone": GONE}))

    async def work() -> None:
        assert (await get(addon, "/api/version"))["version"].count(".") == 2
        flow, x = await ask(addon, "/")
        assert flow.response and (flow.response.status_code, flow.response.text) == (200, "Ollama is running")
        assert x.outcome == "answered"
        flow, _ = await ask(addon, "/", "HEAD")
        assert flow.response and flow.response.raw_content == b""
        assert flow.response.headers["content-length"] == "17"

    run(addon, work())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/models"),
        ("DELETE", "/v1/models/x"),
        ("GET", "/v1/files"),
        ("GET", "/v1/modelsx"),
        ("POST", "/"),
        ("OPTIONS", "/"),
    ],
)
def test_the_rest_passes(method: str, path: str) -> None:
    """What is not answered here goes on to be routed."""
    addon = answers(ruleset({"gone": GONE}))

    async def work() -> None:
        flow, x = await ask(addon, path, method)
        assert flow.response is None
        assert x.outcome is None

    run(addon, work())


def test_answered_and_foreign_flows_are_left_alone() -> None:
    """A flow that has a response, or is not ours, is not touched."""
    addon = answers(ruleset({"gone": GONE}))

    async def work() -> None:
        foreign = tflow.tflow(req=http.Request.make("GET", "http://elsewhere/"))
        await addon.request(foreign)
        assert foreign.response is None
        ours = tflow.tflow(req=http.Request.make("GET", "http://router/healthz"))
        begin(ours, Exchange(id="1", started_at=STARTED_AT, started=0.0, client="127.0.0.1"))
        ours.response = refused = http.Response.make(403)
        await addon.request(ours)
        assert ours.response is refused

    run(addon, work())


def test_healthy_whatever_happens() -> None:
    """/healthz says that the process is up, even with everything else down."""
    addon = answers(ruleset({"gone": GONE}), rules_error=lambda: "broken", store_check=lambda: "broken")

    async def work() -> None:
        assert await get(addon, "/healthz") == {"status": "ok"}

    run(addon, work())


def test_ready() -> None:
    """Ready is: the database well, and one upstream that answers, if only with an error; a dead one is named."""
    with FakeUpstream() as up:
        up.listing = Behaviour(status=401)
        addon = answers(ruleset({"alive": up.url, "gone": GONE}))

        async def work() -> None:
            async def dead_one_named() -> bool:
                told = (await get(addon, "/readyz"))["checks"]["upstreams"]["servers"]
                return told["alive"]["reachable"] is True and told["gone"]["reachable"] is False

            flow, _ = await ask(addon, "/readyz")
            assert flow.response and flow.response.status_code == 200
            assert json.loads(flow.response.text or "")["status"] == "ready"
            await until(dead_one_named)

        run(addon, work())


@pytest.mark.parametrize("alive", [True, False])
def test_what_it_has_looked_at_is_for_callers_that_are_known(alive: bool) -> None:
    """Where tokens are asked for, others hear the status alone."""
    with FakeUpstream() as up:
        addon = answers(ruleset({"one": up.url if alive else GONE}), tells_callers=lambda: True)

        async def work() -> None:
            flow, _ = await ask(addon, "/readyz")
            assert flow.response is not None
            told = json.loads(flow.response.text or "")
            assert flow.response.status_code == (200 if alive else 503)
            assert told == {"status": "ready" if alive else "not ready"}

        run(addon, work())


def test_ready_does_not_wait_for_the_slow() -> None:
    """One reachable upstream is enough: the answer does not wait for one that hangs."""
    with FakeUpstream() as up, FakeUpstream() as slow:
        slow.listing = Behaviour(never_answer=True)
        addon = answers(ruleset({"slow": slow.url, "alive": up.url}), Listings(timeout=60))

        async def work() -> None:
            async with asyncio.timeout(30):
                told = await get(addon, "/readyz")
            assert told["status"] == "ready"
            assert told["checks"]["upstreams"]["servers"]["slow"] == {"reachable": None}

        run(addon, work())


@pytest.mark.parametrize(
    ("named", "alive", "status", "state", "wrong"),
    [
        ({}, False, 503, "not ready", "upstreams"),
        ({"store_check": lambda: "database is locked"}, True, 503, "not ready", "database"),
        ({"rules_error": lambda: "routes.yaml:3: no"}, True, 200, "degraded", "config"),
        ({"backlog": lambda: "the log's database cannot be written"}, True, 200, "degraded", "log"),
        ({"rules_error": lambda: "routes.yaml:3: no"}, False, 503, "not ready", "config"),
    ],
)
def test_what_is_wrong_is_named(named: dict[str, Any], alive: bool, status: int, state: str, wrong: str) -> None:
    """/readyz names what is wrong. With only the rules file bad the last good one holds, so the router is ready."""
    with FakeUpstream() as up:
        addon = answers(ruleset({"one": up.url if alive else GONE}), **named)

        async def work() -> None:
            flow, _ = await ask(addon, "/readyz")
            assert flow.response and flow.response.status_code == status
            told = json.loads(flow.response.text or "")
            assert told["status"] == state
            assert told["checks"][wrong]["ok"] is False
            assert told["checks"][wrong]["problem"]

        run(addon, work())


def test_ready_notices_a_death() -> None:
    """An upstream that dies makes the router unready, and its return ready again."""
    up = FakeUpstream()
    addon = answers(ruleset({"one": up.start().url}), Listings(timeout=60, retry=0.05))

    async def is_ready() -> bool:
        return bool((await get(addon, "/readyz"))["status"] == "ready")

    async def is_not_ready() -> bool:
        return not await is_ready()

    async def work() -> None:
        assert await is_ready()
        await asyncio.to_thread(up.stop)
        await until(is_not_ready)
        await asyncio.to_thread(up.start)
        await until(is_ready)
        await asyncio.to_thread(up.stop)

    run(addon, work())
