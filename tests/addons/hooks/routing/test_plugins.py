"""Plug-in layers: real entry points of real distributions, good and bad ones."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.hooks.routing.layers import LayerAnswer, Miss
from switchman.addons.hooks.routing.plugins import GROUP, LONGEST_BUDGET, PluginLayer, load_layers

MODULE = """
class Good:
    name = "good"
    budget_ms = 20.0
    async def answer(self, request): return None

class Another(Good): name = "another"
class Same(Good): name = "good"
class Taken(Good): name = "route"
class Nameless(Good): name = ""
class NoBudget(Good): budget_ms = 0
class OddBudget(Good): budget_ms = "soon"
class Slow(Good): name, budget_ms = "slow", 1e9
class Broken:
    def __init__(self): raise RuntimeError("not today")
class NoLayer: pass
number = 7
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """install(name=object, ...): a distribution with these entry points, on the path."""

    def make(**points: str) -> None:
        (tmp_path / "extra_layers.py").write_text(MODULE)
        info = tmp_path / "extra_layers-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: extra-layers\nVersion: 1.0\n")
        lines = "".join(f"{name} = {where}\n" for name, where in points.items())
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}")
        monkeypatch.syspath_prepend(str(tmp_path))
        metadata.MetadataPathFinder.invalidate_caches()

    return make


def test_layers_are_loaded_in_the_order_of_their_points(install: Callable[..., None]) -> None:
    """By name, so that the order is the same at every start; a budget is bounded."""
    install(b="extra_layers:Good", a="extra_layers:Another", c="extra_layers:Slow")
    found = load_layers(frozenset())
    assert [(layer.name, layer.budget_ms) for layer in found] == [
        ("another", 20.0), ("good", 20.0), ("slow", LONGEST_BUDGET),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("extra_layers:Taken", "'route' is not free"),
        ("extra_layers:Same", "'good' is not free"),
        ("extra_layers:Nameless", "'' is not free"),
        ("extra_layers:NoBudget", "no budget_ms above 0"),
        ("extra_layers:OddBudget", "soon"),
        ("extra_layers:NoLayer", "it has no name"),
        ("extra_layers:Broken", "not today"),
        ("extra_layers:number", "not callable"),
        ("extra_layers:Nothing", "Nothing"),
        ("nowhere_at_all:Good", "nowhere_at_all"),
    ],
)
def test_what_is_no_layer_is_left_out_with_a_warning(
    where: str, why: str, install: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """Other people's code does not keep the router from starting, and does not cost the others their place."""
    install(a="extra_layers:Good", z=where)
    with caplog.at_level(logging.WARNING):
        assert [layer.name for layer in load_layers(frozenset({"route"}))] == ["good"]
    assert why in caplog.text and f"({where}) is left out" in caplog.text


class Given:
    """A layer that does what it is given to do."""

    name, budget_ms = "given", 100.0

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.work = work
        self.threads: list[str] = []

    async def answer(self, request: Any) -> Any:
        self.threads.append(threading.current_thread().name)
        return await self.work(request)


def run[T](layer: Given, work: Callable[[PluginLayer], Any]) -> Any:
    async def whole() -> Any:
        plugin = PluginLayer(layer, layer.name)
        try:
            return await work(plugin)
        finally:
            await plugin.close()

    return asyncio.run(whole())


def test_a_plug_in_runs_in_a_thread_of_its_own() -> None:
    """One for all its requests; its answer, and its exception, come back."""

    async def echo(request: Any) -> LayerAnswer:
        if request == "dark":
            raise Miss("It is too dark.", 0.2)
        return LayerAnswer(request)

    layer = Given(echo)

    async def work(plugin: PluginLayer) -> None:
        assert await plugin.answer("a/b") == LayerAnswer("a/b")  # type: ignore[arg-type]
        with pytest.raises(Miss, match="too dark") as caught:
            await plugin.answer("dark")  # type: ignore[arg-type]
        assert caught.value.score == 0.2

    run(layer, work)
    assert layer.threads == ["switchman layer given"] * 2


def test_one_that_blocks_costs_its_budget_and_nothing_more() -> None:
    """The proxy's own event loop goes on meanwhile."""
    let_go = threading.Event()

    async def block(request: Any) -> None:
        let_go.wait(30)  # what a plug-in should not do

    async def work(plugin: PluginLayer) -> float:
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await plugin.answer(None)  # type: ignore[arg-type]
        let_go.set()
        return time.monotonic() - started

    assert run(Given(block), work) < 20


def test_what_is_given_up_is_cancelled_in_the_plug_in_too() -> None:
    """As soon as it lets go."""
    begun, ended = threading.Event(), threading.Event()

    async def wait(request: Any) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def work(plugin: PluginLayer) -> None:
        asking = asyncio.create_task(plugin.answer(None))  # type: ignore[arg-type]
        assert await asyncio.to_thread(begun.wait, 30)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await asyncio.to_thread(ended.wait, 30)

    run(Given(wait), work)


def test_closing_what_never_ran_is_no_mistake() -> None:
    """The thread is only started with the first request."""

    async def work(plugin: PluginLayer) -> None:
        await plugin.close()

    before = threading.active_count()
    run(Given(lambda request: None), work)
    assert threading.active_count() == before
