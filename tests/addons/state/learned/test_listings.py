"""What each upstream lists: fetched once, kept, and never waited for twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.state.learned import listings as module
from switchman.addons.state.learned.listings import Listings, ModelList
from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.broken import refused


def server(url: str, name: str = "s", **more: Any) -> Server:
    return Server(name, parse(url), **more)


def run(listings: Listings, work: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        try:
            await work()
        finally:
            await listings.close()

    asyncio.run(whole())


def fetched(url: str, timeout: float = 30, **more: Any) -> ModelList:
    """What is known of a server after the first fetch."""
    listings, found = Listings(timeout=timeout, **more), []

    async def work() -> None:
        found.append((await listings.of([server(url)], {}))["s"])

    run(listings, work)
    return found[0]


def ids(listed: ModelList) -> list[str] | None:
    return None if listed.models is None else [model.id for model in listed.models]


@pytest.mark.parametrize(
    ("dialect", "known", "paths"),
    [
        ("openai", "openai", ["/v1/models"]),
        ("ollama", "ollama", ["/api/tags"]),
        ("anthropic", "anthropic", ["/v1/models?limit=1000"]),
        ("openai", None, ["/v1/models"]),
        ("ollama", None, ["/v1/models", "/api/tags"]),
    ],
)
def test_a_server_is_asked_in_its_dialect(dialect: Any, known: Any, paths: list[str]) -> None:
    """Where that is not known in OpenAI's, then in Ollama's."""
    with FakeUpstream(dialect, models=["a", "b"]) as up:
        assert ids(fetched(up.url, speaks=lambda _: known)) == ["a", "b"]
    assert [request.target for request in up.requests] == paths


@pytest.mark.parametrize(
    ("bad", "problem", "tried"),
    [
        (Behaviour(status=500), "500 for /v1/models", 1),
        (Behaviour(status=401), "401 for /v1/models", 1),
        (Behaviour(body="no JSON"), "not JSON", 2),
        (Behaviour(body="[" * 100_000), "not JSON", 2),
        (Behaviour(body={"error": "none"}), "not a list of models", 2),
    ],
)
def test_a_server_that_answers_is_reached_though_it_lists_nothing(bad: Behaviour, problem: str, tried: int) -> None:
    """The problem says why. An error of that path says that it has it; another answer may be of another kind."""
    with FakeUpstream() as up:
        up.listing = bad
        listed = fetched(up.url)
    assert (listed.models, listed.reached) == (None, True)
    assert listed.problem is not None and problem in listed.problem
    assert [request.path for request in up.requests] == ["/v1/models", "/api/tags"][:tried]


def test_a_name_that_is_no_utf_8_does_not_cost_the_list() -> None:
    """One character of it is U+FFFD, and the other models are listed."""
    body = b'{"object": "list", "data": [{"id": "m\xa3"}, {"id": "n"}]}'
    assert [model.id for model in module._parse(body)] == ["m\ufffd", "n"]


def test_a_server_that_has_neither_path_is_told_by_its_first_answer() -> None:
    """And not by the path that was only tried."""
    with FakeUpstream() as up:
        up.listing = Behaviour(status=404)
        assert fetched(up.url).problem == "404 for /v1/models"
    assert [request.path for request in up.requests] == ["/v1/models", "/api/tags"]


def test_a_server_that_cannot_be_reached_says_why() -> None:
    """Dead, or silent for longer than the timeout: which is of all of it, the second dialect too."""
    with refused() as url:
        dead = fetched(url)
    assert (dead.models, dead.reached) == (None, False) and dead.problem
    with FakeUpstream() as up:
        up.listing = Behaviour(never_answer=True)
        silent = fetched(up.url, timeout=0.1)
    assert (silent.reached, silent.problem) == (False, "no answer within 0.1 s")


def test_a_list_that_is_too_long_is_a_problem_and_no_death(monkeypatch: pytest.MonkeyPatch) -> None:
    """It answered, after all."""
    monkeypatch.setattr("switchman.addons.state.learned.upstream_reader.MAX_BYTES", 100)
    with FakeUpstream() as up:
        up.listing = Behaviour(body=json.dumps({"data": [{"id": "x" * 200}]}))
        listed = fetched(up.url)
    assert listed.reached is True and "100 bytes" in (listed.problem or "")


def test_only_the_first_answer_is_waited_for() -> None:
    """A kept list is handed out at once, though the server is silent now; a failed fetch keeps it."""
    with FakeUpstream(models=["a"]) as up:
        listings, s = Listings(timeout=30, fresh=0, retry=0), server(up.url)

        async def work() -> None:
            assert ids((await listings.of([s], {}))["s"]) == ["a"]
            up.listing = Behaviour(never_answer=True)
            for _ in range(3):
                listed = (await listings.of([s], {}))["s"]
                assert ids(listed) == ["a"] and listed.fetch is not None
            await asyncio.to_thread(up.wait_requests, 2)
            assert len(up.requests) == 2  # one fetch at a time

        run(listings, work)


@pytest.mark.parametrize(("max_age", "again"), [(None, False), (1e9, False), (0.0, True)])
def test_who_needs_it_fresh_says_so(max_age: float | None, again: bool) -> None:
    """Within its time a good list is not asked for again, unless what is wanted is younger."""
    with FakeUpstream() as up:
        listings, s = Listings(timeout=30), server(up.url)

        async def work() -> None:
            await listings.of([s], {})
            listed = listings.ask(s, max_age=max_age)
            assert (listed.fetch is not None) is again

        run(listings, work)


def test_a_failure_is_tried_again_sooner() -> None:
    """Within RETRY it is not; then it is, and what was wrong is forgotten."""
    with FakeUpstream(models=["a"]) as up:
        up.listing = Behaviour(status=500)
        listings, s = Listings(timeout=30, fresh=1e9, retry=1e9), server(up.url)

        async def work() -> None:
            listed = (await listings.of([s], {}))["s"]
            assert listed.problem and listings.ask(s).fetch is None
            listings.retry, up.listing = 0, Behaviour()
            fetch = listings.ask(s).fetch
            assert fetch is not None
            await fetch
            assert (ids(listed), listed.problem, listed.reached) == (["a"], None, True)

        run(listings, work)


def test_each_key_has_a_list_of_its_own_and_no_key_is_kept() -> None:
    """What one client may use is not shown to another."""
    with FakeUpstream(models=["a"], api_key="mine") as up:
        listings, s = Listings(timeout=30), server(up.url)

        async def work() -> None:
            mine = {s: (("authorization", "Bearer mine"),)}
            theirs = {s: (("authorization", "Bearer theirs"),)}
            assert ids((await listings.of([s], mine))["s"]) == ["a"]
            assert ids((await listings.of([s], theirs))["s"]) is None
            assert ids((await listings.of([s], mine))["s"]) == ["a"]
            assert "mine" not in repr(listings._listings)

        run(listings, work)
    assert len(up.requests) == 2


def test_the_number_of_lists_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys come from clients; the list that was asked for longest ago goes."""
    monkeypatch.setattr(module, "MAX_KEPT", 3)
    with FakeUpstream() as up:
        listings, s = Listings(timeout=30), server(up.url)

        async def work() -> None:
            for key in "abcad":
                await listings.of([s], {s: (("x-api-key", key),)})
            assert len(listings._listings) == 3
            await listings.of([s], {s: (("x-api-key", "a"),)})

        run(listings, work)
    assert [request.header("x-api-key") for request in up.requests] == ["a", "b", "c", "d"]


def test_clients_keys_do_not_push_out_what_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decisions go by those lists."""
    monkeypatch.setattr(module, "MAX_KEPT", 2)
    with FakeUpstream(models=["a"]) as up:
        listings, s = Listings(timeout=30), server(up.url)

        async def work() -> None:
            await listings.of([s], {})
            for key in "abcd":
                await listings.of([s], {s: (("x-api-key", key),)})
            kept = listings.kept(s)
            assert kept is not None and ids(kept) == ["a"]

        run(listings, work)


def test_a_server_that_is_not_there_is_told_from_one_that_is_silent() -> None:
    """The one takes no connection, the other may be busy."""
    with refused() as url:
        assert fetched(url).absent
    with FakeUpstream() as up:
        up.listing = Behaviour(never_answer=True)
        assert not fetched(up.url, timeout=0.1).absent
        up.listing = Behaviour(status=401)
        assert not fetched(up.url).absent


def test_closing_ends_what_runs() -> None:
    """No fetch goes on behind the end of the proxy."""
    with FakeUpstream() as up:
        up.listing = Behaviour(never_answer=True)
        listings = Listings(timeout=60)

        async def work() -> None:
            fetch = listings.ask(server(up.url)).fetch
            assert fetch is not None
            await asyncio.to_thread(up.wait_requests, 1)
            await listings.close()
            assert fetch.cancelled()

        run(listings, work)
