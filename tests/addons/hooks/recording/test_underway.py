"""What is not over yet, as the dashboard is let see it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.test import tflow

from switchman.addons.core.routes.plan import Candidate, Plan
from switchman.addons.core.servers.breaker import Breakers
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.flow.exchange import Attempt, Exchange, begin
from switchman.addons.hooks.recording import underway as module
from switchman.addons.hooks.recording.underway import Underway, running
from switchman.addons.state.runtime import Runtime
from switchman.addons.store import Store, open_store

SERVER = Server("up", parse("http://127.0.0.1:9"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(db_path=tmp_path / "log.db", blob_path=tmp_path / "blobs") as opened:
        yield opened


@pytest.fixture
def runtime(store: Store, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """With the log, and nothing under way; looked at a hundred times a second."""
    monkeypatch.setattr(module, "EVERY", 0.01)
    found = Runtime()
    found.store = store
    return found


def add(runtime: Runtime, name: str, age: float) -> None:
    """A request that began so many seconds ago."""
    flow, x = tflow.tflow(), Exchange(name, time.time() - age, time.monotonic() - age, "10.0.0.1")
    begin(flow, x)
    runtime.underway[id(x)] = flow


def ids(store: Store) -> set[str]:
    return {one.id for one in store.queries.underway(time.time())}


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not what():
            await asyncio.sleep(0.005)


def test_what_lasts_is_seen_until_it_is_over(runtime: Runtime, store: Store) -> None:
    """What began just now is not; when nothing lasts any more, the list is emptied once and then left alone."""
    writes: list[int] = []
    write = store.write_underway

    def noted(worker: str, lasting: Any, now: float) -> str | None:
        writes.append(len(lasting))
        return write(worker, lasting, now)

    store.write_underway = noted  # type: ignore[method-assign]

    async def work() -> None:
        addon = Underway(runtime)
        addon.running()
        add(runtime, "old", age=60)
        add(runtime, "new", age=0)
        await until(lambda: ids(store) == {"old"})
        runtime.underway.clear()
        await until(lambda: writes[-1] == 0)
        count = len(writes)
        await asyncio.sleep(0.05)
        assert len(writes) == count
        await addon.done()

    asyncio.run(work())
    assert ids(store) == set()


def test_a_database_that_is_away_ends_nothing(runtime: Runtime, store: Store) -> None:
    """The next look tries again."""
    problems: list[str | None] = []
    write = store.write_underway

    def noted(worker: str, lasting: Any, now: float) -> str | None:
        problems.append(write(worker, lasting, now))
        return problems[-1]

    store.write_underway = noted  # type: ignore[method-assign]
    with store.engine.begin() as conn:
        conn.exec_driver_sql("ALTER TABLE underway RENAME TO away")

    async def work() -> None:
        addon = Underway(runtime)
        addon.running()
        add(runtime, "old", age=60)
        await until(lambda: problems)
        assert problems[0] is not None
        with store.engine.begin() as conn:
            conn.exec_driver_sql("ALTER TABLE away RENAME TO underway")
        await until(lambda: ids(store) == {"old"})
        await addon.done()

    asyncio.run(work())


def test_without_a_log_nothing_runs() -> None:
    """And the end has nothing to stop."""

    async def work() -> None:
        addon = Underway(Runtime())
        addon.running()
        assert addon.task is None
        await addon.done()

    asyncio.run(work())


def test_two_workers_have_two_names() -> None:
    """Also two that have one process id, on two machines."""
    assert Underway(Runtime()).worker != Underway(Runtime()).worker


def test_what_is_known_so_far_is_told(make_runtime: Any, make_exchange: Any) -> None:
    """At first only the request; then where it goes, under the model's name there, or else the client's."""
    bare = running(Exchange("id", 1.0, 2.0, "10.0.0.1"))
    assert (bare.id, bare.method, bare.path, bare.requested_model, bare.server, bare.attempts) == (
        "id", "", "", "", None, 0,
    )  # fmt: skip
    _, x = make_exchange(make_runtime(), "/api/chat?x=1", {"model": "auto"})
    x.plan = Plan((Candidate(SERVER, "llama3"),), "route", "night")
    early = running(x)
    assert (early.method, early.path, early.requested_model) == ("POST", "/api/chat?x=1", "auto")
    assert (early.layer, early.route, early.server) == ("route", "night", None)
    for model, told in (("llama3", "llama3"), ("", "auto")):
        x.attempts.append(Attempt(1, Candidate(SERVER, model), "up", "http://up", 0.0, 0.0))
        assert (running(x).server, running(x).model) == ("up", told)
    assert running(x).attempts == 2


def test_a_target_that_rests_is_seen_until_it_is_well(runtime: Runtime, store: Store) -> None:
    """With its server, its state and until when; when nothing rests any more, that is written once."""

    def news() -> Any:
        return store.queries.server_news(["up"], time.time())["up"].resting

    async def work() -> None:
        runtime.breakers = Breakers()
        addon = Underway(runtime)
        addon.running()
        runtime.breakers.failure("up/m", time.monotonic(), retry_after=600.0)
        await until(news)
        (one,) = news()
        assert (one.target, one.server, one.state) == ("up/m", "up", "open")
        assert 500 < one.until - time.time() <= 601
        runtime.breakers.success("up/m", time.monotonic())
        await until(lambda: not news())
        await addon.done()

    asyncio.run(work())
