"""HookTable does what mitmproxy's AddonManager does, only faster: each rule is shown on both."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mitmproxy import addonmanager, exceptions, hooks, master
from mitmproxy.proxy.layers.http import HttpRequestHook, HttpResponseHook
from mitmproxy.test import tflow

from switchman.addons.serving.hooktable import HookTable


class Noting:
    """An addon whose hooks write down that they ran; `children` are its sub-addons."""

    def __init__(self, name: str, seen: list[str], children: tuple[Any, ...] = ()) -> None:
        self.name = name
        self.seen = seen
        self.addons = children

    def request(self, flow: Any) -> None:
        self.seen.append(self.name)


class NotingLater(Noting):
    async def request(self, flow: Any) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        self.seen.append(self.name)


class Raising(Noting):
    def request(self, flow: Any) -> None:
        self.seen.append(self.name)
        raise ValueError("a mistake in an addon")


class Halting(Noting):
    def request(self, flow: Any) -> None:
        self.seen.append(self.name)
        raise exceptions.AddonHalt


class BadOption(Noting):
    def request(self, flow: Any) -> None:
        raise exceptions.OptionsError("not a value")


class Updated(Noting):
    def update(self, flows: Any) -> None:
        self.seen.append(f"update of {len(flows)}")


@pytest.fixture(params=[addonmanager.AddonManager, HookTable], ids=["mitmproxy", "ours"])
def in_master(request: pytest.FixtureRequest) -> Callable[[Callable[[Any], Awaitable[None]]], None]:
    """Runs a coroutine function with a fresh manager of either kind."""

    def run(body: Callable[[Any], Awaitable[None]]) -> None:
        async def main() -> None:
            manager = master.Master(None)
            manager.addons = request.param(manager)
            await body(manager.addons)
            manager._legacy_log_events.uninstall()

        asyncio.run(main())

    return run


def test_chain_order_and_both_kinds_of_handler(in_master: Any) -> None:
    """Handlers run in chain order, sub-addons after their parent, sync and async alike."""
    seen: list[str] = []

    async def body(addons: Any) -> None:
        addons.add(Noting("a", seen, (NotingLater("a1", seen), Noting("a2", seen))), NotingLater("b", seen))
        await addons.trigger_event(HttpRequestHook(tflow.tflow()))

    in_master(body)
    assert seen == ["a", "a1", "a2", "b"]


def test_an_exception_ends_only_its_addons_turn(in_master: Any, caplog: pytest.LogCaptureFixture) -> None:
    """What raises is logged with its traceback; its sub-addons are skipped, the rest of the chain is not."""
    seen: list[str] = []

    async def body(addons: Any) -> None:
        addons.add(Raising("a", seen, (Noting("a1", seen),)), Noting("b", seen))
        await addons.trigger_event(HttpRequestHook(tflow.tflow()))

    with caplog.at_level(logging.ERROR):
        in_master(body)
    assert seen == ["a", "b"]
    assert "Addon error: a mistake in an addon" in caplog.text


def test_halt_ends_the_event(in_master: Any) -> None:
    """AddonHalt keeps the event from the rest of the chain."""
    seen: list[str] = []

    async def body(addons: Any) -> None:
        addons.add(Halting("a", seen), Noting("b", seen))
        await addons.trigger_event(HttpRequestHook(tflow.tflow()))

    in_master(body)
    assert seen == ["a"]


def test_options_errors_reach_the_caller(in_master: Any) -> None:
    """An OptionsError is not swallowed: it stops what set the option."""

    async def body(addons: Any) -> None:
        addons.add(BadOption("a", []))
        with pytest.raises(exceptions.OptionsError, match="not a value"):
            await addons.trigger_event(HttpRequestHook(tflow.tflow()))

    in_master(body)


def test_added_and_removed_addons_count_from_the_next_event(in_master: Any) -> None:
    """An addon added between two events is called; one that was removed is not."""
    seen: list[str] = []

    async def body(addons: Any) -> None:
        first, second = Noting("a", seen), Noting("b", seen)
        addons.add(first)
        await addons.trigger_event(HttpRequestHook(tflow.tflow()))
        addons.add(second)
        await addons.trigger_event(HttpRequestHook(tflow.tflow()))
        addons.remove(first)
        await addons.trigger_event(HttpRequestHook(tflow.tflow()))
        addons.clear()
        await addons.trigger_event(HttpRequestHook(tflow.tflow()))

    in_master(body)
    assert seen == ["a", "a", "b", "b"]


def test_flow_events_are_followed_by_an_update(in_master: Any) -> None:
    """Each lifecycle event of a flow is followed by `update`, for whom listens."""
    seen: list[str] = []

    async def body(addons: Any) -> None:
        addons.add(Updated("a", seen))
        await addons.handle_lifecycle(HttpRequestHook(tflow.tflow()))
        await addons.handle_lifecycle(HttpResponseHook(tflow.tflow()))

    in_master(body)
    assert seen == ["a", "update of 1", "update of 1"]


def test_an_update_listener_may_come_late(in_master: Any) -> None:
    """An addon with `update` that is added after the first events gets its updates."""
    seen: list[str] = []

    async def body(addons: Any) -> None:
        addons.add(Noting("a", seen))
        await addons.handle_lifecycle(HttpRequestHook(tflow.tflow()))
        addons.add(Updated("b", seen))
        await addons.handle_lifecycle(HttpResponseHook(tflow.tflow()))

    in_master(body)
    assert seen == ["a", "update of 1"]


def test_an_attribute_that_is_no_handler_is_reported(in_master: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A hook name that is not callable is logged as the addon's mistake; the others get the event."""
    seen: list[str] = []

    async def body(addons: Any) -> None:
        broken = Noting("a", seen)
        addons.add(broken, Noting("b", seen))
        broken.request = "not a function"  # type: ignore[method-assign, assignment]
        await addons.trigger_event(HttpRequestHook(tflow.tflow()))

    with caplog.at_level(logging.ERROR):
        in_master(body)
    assert seen == ["b"]
    assert "not callable" in caplog.text


def test_the_table_only_holds_who_listens() -> None:
    """An event that no addon has a handler for finds an empty row, so nothing is called for it."""

    async def body() -> HookTable:
        owner = master.Master(None)
        table = HookTable(owner)
        table.add(Noting("a", []))
        owner._legacy_log_events.uninstall()
        return table

    table = asyncio.run(body())
    assert table.handlers(hooks.RunningHook()) == ()
    assert [len(group) for group in table.handlers(HttpRequestHook(tflow.tflow()))] == [1]
