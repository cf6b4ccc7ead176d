"""Which candidate a request goes to where servers have limits, and what it is told where none has room."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest
from mitmproxy import http

from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.servers.pacing.limits import ServerLimits
from switchman.addons.core.servers.pacing.paces import Told
from switchman.addons.flow.exchange import LEFT
from switchman.addons.proxy.attempt import UpstreamFailure
from switchman.addons.state.access.counters import Counters
from switchman.addons.state.access.ledgers import MemoryLedger
from switchman.addons.state.queues.queues import Place, Wanted

NOBODY_WAITS = ServerLimits(max_concurrent=1, queue_size=0)


class Desk:
    """Requests whose servers have limits, within one event loop."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline, self.runtime, self.admitting = pipeline, pipeline.runtime, pipeline.rewriting.admitting
        self.runtime.counters = Counters(MemoryLedger(), "worker")

    def read(self, *targets: str, **limits: ServerLimits) -> tuple[Any, Any]:
        flow, x = self.pipeline.read(*targets)
        limited = [
            Candidate(replace(one.server, limits=limits.get(one.server.name)), one.model) for one in x.plan.candidates
        ]
        x.plan = replace(x.plan, candidates=tuple(limited))
        return flow, x

    async def send(self, *targets: str, **limits: ServerLimits) -> tuple[Any, Any]:
        flow, x = self.read(*targets, **limits)
        waits = self.pipeline.rewriting.request(flow)
        if waits is not None:
            await waits
        return flow, x

    async def fill(self, server: str, limits: ServerLimits) -> Place:
        """Take the one place of a server."""
        _, x = self.read(f"{server}/m", **{server: limits})
        found = await self.runtime.queues.enter(Wanted(x.plan.candidates[0].server, f"{server}/m", "other", 0))
        assert isinstance(found, Place)
        return found

    def told(self, x: Any) -> list[str]:
        return [line.detail for line in x.trace if line.layer == "queue"]


@pytest.fixture
def desk(pipeline: Any) -> Desk:
    return Desk(pipeline)


def test_without_limits_nothing_waits_and_nothing_is_kept(pipeline: Any) -> None:
    """No awaitable, no place."""
    flow, x = pipeline.read("one/m", "two/m")
    assert pipeline.rewriting.request(flow) is None
    assert (x.attempt.target, x.place, pipeline.runtime.queues.depths()) == ("one/m", None, {})


def test_one_with_room_is_asked_before_one_without(desk: Desk) -> None:
    """The other one comes after it, and keeps its own key; the place comes back with the request's end."""

    async def scene() -> None:
        await desk.fill("one", NOBODY_WAITS)
        _, x = await desk.send("one/m", "two/m", "picky/m", one=NOBODY_WAITS, two=NOBODY_WAITS)
        assert [one.target for one in x.plan.candidates] == ["two/m", "one/m", "picky/m"]
        assert x.attempt.target == "two/m" and x.place.server == "two"
        assert desk.told(x) == ["two/m is asked before one/m: it has room, or had first."]
        desk.admitting.leave(x)
        assert (x.place, desk.runtime.queues.held("two")) == (None, 0)

    asyncio.run(scene())


def test_one_that_rests_is_asked_only_where_waiting_is_in_vain(desk: Desk) -> None:
    """It is behind one that is full, and before a refusal."""

    async def scene() -> None:
        for _ in range(5):
            desk.runtime.breakers.failure("two/m", time.monotonic())
        limits = ServerLimits(max_concurrent=1, queue_wait=LONG)
        place = await desk.fill("one", limits)
        waiting = asyncio.ensure_future(desk.send("one/m", "two/m", one=limits))
        while not desk.runtime.queues.waiting("one"):
            await asyncio.sleep(0)
        desk.runtime.queues.leave(place)
        _, x = await waiting
        assert x.attempt.target == "one/m"
        assert desk.told(x)[0].endswith("one/m: one (max_concurrent: 1) had as much to do as it may.")
        _, other = await desk.send("one/m", "two/m", one=NOBODY_WAITS)
        assert other.attempt.target == "two/m"
        desk.admitting.leave(x)

    asyncio.run(scene())


LONG = 60.0


@pytest.mark.parametrize(
    ("limits", "status", "words"),
    [
        (NOBODY_WAITS, 503, "one (max_concurrent: 1). 0 requests wait already (queue: size). Try again later."),
        (ServerLimits(max_concurrent=1, queue_wait=0.001), 503, "There was no room within 0.001 s (queue: wait)."),
        (ServerLimits(rpm=1, queue_wait=0.001), 429, "one (rpm: 1). There was no room within 0.001 s (queue: wait)."),
    ],
)
def test_who_is_refused_is_told_by_the_key(limits: ServerLimits, status: int, words: str, desk: Desk) -> None:
    """And when to come back; nothing is held, and no attempt was made."""

    async def scene() -> None:
        await desk.fill("one", limits)
        flow, x = await desk.send("one/m", one=limits)
        assert flow.response.status_code == status and int(flow.response.headers["retry-after"]) >= 1
        assert words in flow.response.text and (x.place, x.attempts) == (None, [])
        assert x.outcome == ("failed" if status == 503 else "refused")
        assert desk.runtime.queues.turned_away == {"one": 1}

    asyncio.run(scene())


def test_a_client_that_leaves_the_queue_is_answered_nothing(desk: Desk) -> None:
    """The proxy ends it as one that was left."""

    async def scene() -> None:
        limits = ServerLimits(max_concurrent=1)
        await desk.fill("one", limits)
        flow, x = desk.read("one/m", one=limits)
        waiting = asyncio.ensure_future(desk.pipeline.rewriting.request(flow))
        while x.leaves is None:
            await asyncio.sleep(0)
        x.leaves()
        await waiting
        assert flow.response is None and x.crowded is LEFT and x.outcome is None and x.leaves is None

    asyncio.run(scene())


def test_an_attempt_once_more_at_its_server_keeps_the_place(desk: Desk, answer_of: Any) -> None:
    """It is given back when the request goes on elsewhere."""

    async def scene() -> None:
        flow, x = await desk.send("one/m", "two/m", one=ServerLimits(max_concurrent=1))
        place = x.place
        failures = (
            UpstreamFailure(flow, "reset", "closed", reused=True),
            UpstreamFailure(flow, "status", "503", response=answer_of(503)),
        )
        for failure in failures:
            x.attempt.status = 503 if failure.kind == "status" else None
            desk.pipeline.judging.upstream_failed(failure)
            waits = desk.pipeline.failover.upstream_failed(failure)
            assert waits is not None
            await waits
            assert failure.retry
            if failure.kind == "reset":
                assert x.place is place and not place.is_left and x.attempt.target == "one/m"
        assert place.is_left and x.place is None and x.attempt.target == "two/m"

    asyncio.run(scene())


@pytest.mark.parametrize(("asked", "up_to", "again"), [("0.01", 5.0, True), ("6", 5.0, False), ("0.01", 0.0, False)])
def test_a_short_retry_after_is_waited_out(asked: str, up_to: float, again: bool, desk: Desk, answer_of: Any) -> None:
    """As far as `wait_up_to` goes; else the client gets the answer."""

    async def scene() -> None:
        flow, x = await desk.send("one/m", one=ServerLimits(wait_up_to=up_to))
        assert (429 in x.attempt.held_statuses) == bool(up_to)
        x.attempt.status = 429
        failure = UpstreamFailure(flow, "status", "429", response=answer_of(429, retry_after=asked))
        desk.admitting.upstream_failed(failure)
        desk.pipeline.judging.upstream_failed(failure)
        await desk.pipeline.failover.upstream_failed(failure)
        assert failure.retry is again and len(x.attempts) == 1 + again
        assert (flow.response is None) is again
        desk.admitting.leave(x)

    asyncio.run(scene())


async def fails(desk: Desk, flow: Any, x: Any, response: http.Response) -> UpstreamFailure:
    """The attempt that runs is answered so."""
    flow.response, x.attempt.status = None, response.status_code
    failure = UpstreamFailure(flow, "status", str(response.status_code), response=response)
    desk.admitting.upstream_failed(failure)
    desk.pipeline.judging.upstream_failed(failure)
    if (waits := desk.pipeline.failover.upstream_failed(failure)) is not None:
        await waits
    return failure


def test_a_server_that_asks_for_no_time_is_not_asked_without_end(desk: Desk, answer_of: Any) -> None:
    """Each time but the first takes a part of what may be waited, however little it asks for."""

    async def scene() -> None:
        flow, x = await desk.send("one/m", one=ServerLimits(wait_up_to=0.05))
        for _ in range(100):
            if not (await fails(desk, flow, x, answer_of(429, retry_after="0"))).retry:
                break
        assert 3 <= len(x.attempts) <= 12 and flow.response.status_code == 429
        desk.admitting.leave(x)

    asyncio.run(scene())


def test_who_is_waited_for_is_asked_alone_and_nothing_is_held_elsewhere_meanwhile(desk: Desk, answer_of: Any) -> None:
    """What had failed before is not asked twice, and its server has its place back while nothing runs there."""

    async def scene() -> None:
        one, two = ServerLimits(wait_up_to=5), ServerLimits(max_concurrent=1)
        flow, x = await desk.send("one/m", "two/m", one=one, two=two)
        assert (await fails(desk, flow, x, answer_of(429, retry_after="0.01"))).retry and x.place.server == "two"
        held = []
        pause = desk.runtime.queues.pause

        async def watched(*given: Any) -> Any:
            held.append(desk.runtime.queues.held("two"))
            return await pause(*given)

        desk.runtime.queues.pause = watched
        assert (await fails(desk, flow, x, answer_of(500))).retry
        assert held == [0] and [one.target for one in x.attempts] == ["one/m", "two/m", "one/m"]
        assert not (await fails(desk, flow, x, answer_of(500))).retry
        assert [one.target for one in x.attempts] == ["one/m", "two/m", "one/m"]
        desk.admitting.leave(x)
        assert (desk.runtime.queues.held("one"), desk.runtime.queues.held("two")) == (0, 0)

    asyncio.run(scene())


def test_one_that_is_used_up_by_its_answers_is_asked_no_more_than_the_file_says(desk: Desk) -> None:
    """It says best itself when to come back, but max_concurrent holds all the same."""

    async def scene() -> None:
        limits = ServerLimits(max_concurrent=1, queue_wait=0.0)
        told = {"": Told("requests", 0, 600.0, window=True)}
        desk.runtime.queues.paces.learn("one/m", "", told, time.monotonic(), time.monotonic())
        _, first = await desk.send("one/m", one=limits)
        assert first.attempt.target == "one/m" and first.place is not None
        flow, second = await desk.send("one/m", one=limits)
        assert second.attempts == [] and "one (max_concurrent: 1)" in flow.response.text
        desk.admitting.leave(first)
        assert (await desk.send("one/m", one=limits))[1].attempt is not None

    asyncio.run(scene())


def test_a_client_that_leaves_between_two_servers_is_written_down_as_one_that_left(desk: Desk, answer_of: Any) -> None:
    """It is no failure of a server, and nobody is waited for any longer."""

    async def scene() -> None:
        limits = ServerLimits(max_concurrent=1)
        await desk.fill("two", limits)
        flow, x = await desk.send("one/m", "two/m", one=ServerLimits(wait_up_to=5), two=limits)
        failing = asyncio.ensure_future(fails(desk, flow, x, answer_of(429, retry_after="4")))
        while x.leaves is None:
            await asyncio.sleep(0)
        x.leaves()
        assert not (await failing).retry
        assert (x.outcome, flow.response.status_code, len(x.attempts)) == ("cancelled", 499, 1)
        desk.admitting.leave(x)

    asyncio.run(scene())


def test_a_key_that_is_used_up_is_left_out_while_another_is_not(desk: Desk) -> None:
    """As the answers of each tell; where all are, none is left out."""

    async def scene() -> None:
        limits = ServerLimits(queue_wait=0.0)
        used = set()
        for nth in range(2):
            flow, x = await desk.send("pooled/m", pooled=limits)
            used.add(x.attempt.key.label)
            flow.response = answered(remaining="0")
            desk.admitting.responseheaders(flow)
            left_out = desk.admitting.used_up_keys(x.plan.candidates[0].server, "pooled/m")
            assert left_out == ({x.attempt.key.label} if nth == 0 else set())
        assert len(used) == 2
        _, x = await desk.send("pooled/m", pooled=limits)
        assert x.attempt.target == "pooled/m" and "told that it is used up; it is asked all the same" in desk.told(x)[0]

    asyncio.run(scene())


def answered(remaining: str) -> http.Response:
    fields = {"x-ratelimit-remaining-requests": remaining, "x-ratelimit-reset-requests": "1h"}
    return http.Response.make(200, b"{}", fields)
