"""Decisions by the servers' lists: known at once, fetched anew for a name that they lack, never waited for too long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from switchman.addons.core.decision.decide import RoutingQuery, decide
from switchman.addons.core.routes.plan import Plan
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset
from switchman.addons.state.learned import routing_lists as module
from switchman.addons.state.learned.listings import Listings
from switchman.addons.state.learned.routing_lists import RoutingLists
from switchman.addons.state.reloads import Reloads
from switchman.addons.testing import Behaviour, FakeUpstream

GONE = "http://127.0.0.1:9"  # discard: nothing listens there


@pytest.fixture
def one() -> Iterator[FakeUpstream]:
    with FakeUpstream(models=["a"], name="one") as upstream:
        yield upstream


@pytest.fixture
def two() -> Iterator[FakeUpstream]:
    with FakeUpstream(models=["a", "b"], name="two") as upstream:
        yield upstream


def rules(default: str = GONE, given: bool = False, **servers: FakeUpstream) -> Ruleset:
    environment = SimpleNamespace(
        default_upstream=default, default_upstream_set=given, model_map={}, request_timeout=1.0,
        strip_thinking=True, strip_json_markdown=False, disable_thinking=False,
    )  # fmt: skip
    written = "".join(f'  {name}: {{url: "{up.url}", dialect: openai}}\n' for name, up in servers.items())
    return parse_ruleset(f"servers:\n{written}" if written else "", "routes.yaml", environment)


def run(work: Callable[[Listings, RoutingLists], Awaitable[None]], **limits: Any) -> None:
    """The fetches may take a minute, and so may a request wait: the test would be seen to hang."""

    async def whole() -> None:
        listings = Listings(timeout=60)
        try:
            await work(listings, RoutingLists(listings, **{"patience": 60.0, **limits}))
        finally:
            await listings.close()

    asyncio.run(whole())


async def plan(lists: RoutingLists, own: Ruleset, model: str) -> Plan:
    return await lists.plan(own, lambda known: decide(RoutingQuery(model), own, known=known))


def targets(found: Plan) -> list[str]:
    return [candidate.server.name for candidate in found.candidates]


def gets(upstream: FakeUpstream) -> int:
    return sum(request.method == "GET" for request in upstream.requests)


def test_the_first_request_waits_for_all_lists(one: FakeUpstream, two: FakeUpstream) -> None:
    """So that the order of the file decides, not who was quicker; then nobody is asked again."""
    own = rules(one=one, two=two)

    async def work(listings: Listings, lists: RoutingLists) -> None:
        assert targets(await plan(lists, own, "b")) == ["two"]
        assert targets(await plan(lists, own, "a")) == ["one", "two"]
        assert (gets(one), gets(two)) == (1, 1)

    run(work)


def test_a_hung_server_holds_up_nobody_who_asks_for_a_known_name(one: FakeUpstream, two: FakeUpstream) -> None:
    """Not even right after the start, but for a moment."""
    one.listing = Behaviour(never_answer=True)
    own = rules(one=one, two=two)

    async def work(listings: Listings, lists: RoutingLists) -> None:
        assert targets(await plan(lists, own, "a")) == ["two"]
        hung = listings.kept(own.servers["one"])
        assert hung is not None and hung.fetch is not None  # it is still being asked

    run(work)


def test_an_unknown_name_waits_for_a_hung_server_within_its_bound(one: FakeUpstream, two: FakeUpstream) -> None:
    """Then it is refused."""
    one.listing = Behaviour(never_answer=True)
    own = rules(one=one, two=two)

    async def work(listings: Listings, lists: RoutingLists) -> None:
        await listings.of([own.servers["two"], own.default], {})  # the others have answered
        found = await plan(lists, own, "c")
        assert found.candidates == () and "one (not asked yet)" in (found.refusal or "")

    run(work, patience=0.05)


def test_a_model_that_was_just_installed_is_found(
    one: FakeUpstream, two: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one fetch for all who wait."""
    monkeypatch.setattr(module, "MAX_AGE", 0.0)
    own = rules(one=one, two=two)

    async def work(listings: Listings, lists: RoutingLists) -> None:
        assert (await plan(lists, own, "new")).refusal
        before = gets(two)
        two.models = ("a", "b", "new")
        found = await asyncio.gather(*(plan(lists, own, "new") for _ in range(5)))
        assert [targets(one) for one in found] == [["two"]] * 5
        assert gets(two) == before + 1

    run(work)


def test_an_unknown_name_asks_nobody_who_was_asked_just_now(one: FakeUpstream) -> None:
    """However often it comes."""
    own = rules(one=one)

    async def work(listings: Listings, lists: RoutingLists) -> None:
        for _ in range(5):
            assert (await plan(lists, own, "c")).refusal
        assert gets(one) == 1

    run(work)


def test_a_good_list_is_kept_while_its_server_fails(one: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one that was good counts."""
    monkeypatch.setattr(module, "MAX_AGE", 0.0)
    own = rules(one=one)

    async def work(listings: Listings, lists: RoutingLists) -> None:
        assert targets(await plan(lists, own, "a")) == ["one"]
        one.listing = Behaviour(status=500)
        assert (await plan(lists, own, "c")).refusal
        assert lists.known(own).of(own.servers["one"]).problem
        assert targets(await plan(lists, own, "a")) == ["one"]

    run(work)


def test_a_server_on_the_assumed_default_is_found_when_it_comes_and_missed_when_it_goes() -> None:
    """Whoever starts vLLM after the router is served at once."""
    with FakeUpstream(models=["own"], name="default") as up:
        own = rules(up.url)
        up.stop()

        async def work(listings: Listings, lists: RoutingLists) -> None:
            assert "nothing answers at" in ((await plan(lists, own, "own")).refusal or "")
            await asyncio.to_thread(up.start)
            assert targets(await plan(lists, own, "own")) == ["default"]
            assert targets(await plan(lists, own, "any name")) == ["default"]

        run(work)


def test_a_default_that_answers_is_not_asked_for_its_list_by_each_unlisted_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Some servers take any name, and their list would not change where it goes."""
    monkeypatch.setattr(module, "MAX_AGE", 0.0)
    with FakeUpstream(models=["own"], name="default") as up:
        own = rules(up.url)

        async def work(listings: Listings, lists: RoutingLists) -> None:
            for _ in range(4):
                assert targets(await plan(lists, own, "any name")) == ["default"]
            assert gets(up) == 1

        run(work)


def test_a_plan_that_needs_no_list_asks_nobody(one: FakeUpstream) -> None:
    """A server that is named, or an explicit DEFAULT_UPSTREAM."""
    own = rules(one.url, given=True, one=one)

    async def work(listings: Listings, lists: RoutingLists) -> None:
        assert targets(await plan(lists, own, "one/a")) == targets(await plan(lists, own, "c")) == ["one"]
        assert gets(one) == 0

    run(work)


def test_what_is_known_is_made_once_for_each_change(one: FakeUpstream) -> None:
    """It is looked up with every request."""
    own = rules(one=one)

    async def work(listings: Listings, lists: RoutingLists) -> None:
        await plan(lists, own, "a")
        assert lists.known(own) is lists.known(own)
        before = lists.known(own)
        assert lists.known(rules(one=one)) is not before

    run(work)


def test_lists_are_warm_before_anybody_asks(one: FakeUpstream, two: FakeUpstream) -> None:
    """At the start, and when the rules change."""
    current = [rules(one=one)]
    changed = asyncio.Event()

    class Edited:
        async def after(self, known: Ruleset) -> Ruleset:
            if current[0] is known:
                await changed.wait()
                changed.clear()
            return current[0]

    async def work(listings: Listings, lists: RoutingLists) -> None:
        task = asyncio.create_task(lists.keep_warm(lambda: current[0], cast(Reloads, Edited())))
        await asyncio.to_thread(one.wait_requests, 1)
        current[0] = rules(two=two)
        changed.set()
        await asyncio.to_thread(two.wait_requests, 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(work, warm=600)


def test_nothing_is_fetched_that_no_decision_needs(one: FakeUpstream) -> None:
    """An explicit DEFAULT_UPSTREAM gets every bare name; `auto` has the lists fetched when it needs them."""
    own = rules(GONE, given=True, one=one)

    class Edited:
        async def after(self, known: Ruleset) -> Ruleset:
            warm.set()
            await asyncio.Event().wait()
            return known

    warm = asyncio.Event()

    async def work(listings: Listings, lists: RoutingLists) -> None:
        task = asyncio.create_task(lists.keep_warm(lambda: own, cast(Reloads, Edited())))
        await warm.wait()
        assert listings.kept(own.servers["one"]) is None
        assert targets(await plan(lists, own, "auto")) == ["one"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(work)


def test_lists_stay_warm(one: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are fetched again and again, without a request."""

    class Never:
        async def after(self, known: Ruleset) -> Ruleset:
            await asyncio.Event().wait()
            return known

    own = rules(one=one)

    async def work(_: Listings, __: RoutingLists) -> None:
        listings = Listings(timeout=60, fresh=0.0)
        lists = RoutingLists(listings, warm=0.01)
        task = asyncio.create_task(lists.keep_warm(lambda: own, cast(Reloads, Never())))
        await asyncio.to_thread(one.wait_requests, 3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await listings.close()

    run(work)
