"""Whichever hook tells of an attempt's end: one verdict, and breaker, record and live figures go by it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from mitmproxy import flow as mitm
from mitmproxy.test import tflow

from switchman.addons.core.access.admission.ending import Ending
from switchman.addons.core.streams.pipe import Pipe
from switchman.addons.core.streams.reply import ReplyCollector
from switchman.addons.flow.refusal import refusal
from switchman.addons.proxy.attempt import UpstreamFailure

TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
BUSY = b'data: {"error":{"message":"too busy"}}\n\n'


class Held:
    """A stage that gives nothing before the end."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def feed(self, event: Any) -> list[Any]:
        self.events.append(event)
        return []

    def end(self) -> list[Any]:
        return self.events


def streaming(flow: Any, x: Any, answer_of: Any, *events: bytes, stages: Any = ()) -> None:
    x.attempt.status, flow.response = 200, answer_of(200)
    x.reply = ReplyCollector()
    x.pipe = Pipe("sse", stages, x.reply, 1000, lambda *_: None, time.monotonic)
    for event in events:
        x.pipe(event)


def leave(pipeline: Any, flow: Any) -> None:
    flow.error = mitm.Error("client disconnected")
    pipeline.judging.error(flow)


def rests(pipeline: Any, target: str) -> bool:
    return pipeline.runtime.breakers.is_open(target, time.monotonic())


def test_a_good_answer(pipeline: Any) -> None:
    """And when it ended."""
    flow, x = pipeline.send("one/m")
    pipeline.answer(flow, 200, {"choices": []})
    assert (x.outcome, x.error, x.attempt.outcome, x.was_answered) == ("ok", None, "ok", True)
    assert x.attempt.started <= x.attempt.ended <= time.monotonic()


@pytest.mark.parametrize(("target", "opens"), [("picky/m", True), ("one/m", False)])
def test_retry_on_rests_a_server_without_any_other_candidate(target: str, opens: bool, pipeline: Any) -> None:
    """Five 404s of one for which that is a failure; others have answered."""
    for _ in range(5):
        assert not rests(pipeline, target)
        flow, x = pipeline.send(target)
        pipeline.answer(flow, 404)
        assert (x.outcome, x.attempt.outcome) == ("upstream_error", "status")
        pipeline.runtime.live.finished(x)
    assert rests(pipeline, target) is opens
    assert pipeline.runtime.live.health(target.partition("/")[0]) == ("red" if opens else None)


def test_retry_after_of_an_answer_that_was_passed_on_is_obeyed(pipeline: Any, answer_of: Any) -> None:
    """As of one that was held back."""
    flow, _ = pipeline.send("one/m")
    pipeline.answer(flow, 429, retry_after="60")
    assert rests(pipeline, "one/m")
    flow, _ = pipeline.send("two/m", "one/m")
    pipeline.fail(flow, "status", response=answer_of(503, retry_after="60"))
    assert rests(pipeline, "two/m")


@pytest.mark.parametrize("hook", ["response", "error", "failed"])
def test_after_the_last_word_it_does_not_matter_which_hook_tells_of_the_end(
    hook: str, pipeline: Any, answer_of: Any
) -> None:
    """The client has all of it."""
    flow, x = pipeline.send("one/m", stream=True)
    streaming(flow, x, answer_of, TEXT, DONE)
    if hook == "response":
        pipeline.judging.response(flow)
    elif hook == "error":
        leave(pipeline, flow)
    else:
        pipeline.fail(flow, "stream", begun=True)
    assert (x.outcome, x.error, x.was_answered, x.verdict.kind) == ("ok", None, True, "ok")


def test_what_stages_hold_belongs_to_an_answer_whose_client_left(pipeline: Any, answer_of: Any) -> None:
    """It is kept whole."""
    flow, x = pipeline.send("one/m", stream=True)
    streaming(flow, x, answer_of, TEXT, DONE, stages=[Held()])
    leave(pipeline, flow)
    assert x.pipe.kept == TEXT + DONE


@pytest.mark.parametrize("events", [(), (TEXT,)])
def test_a_client_that_left_before_that_has_cancelled(events: Any, pipeline: Any, answer_of: Any) -> None:
    """Nothing that follows changes it."""
    flow, x = pipeline.send("one/m", stream=True)
    streaming(flow, x, answer_of, *events)
    leave(pipeline, flow)
    assert (x.outcome, x.error, x.attempt.outcome) == ("cancelled", "client disconnected", "cancelled")
    assert not x.was_answered and x.attempt.error is None
    pipeline.judging.response(flow)
    assert x.outcome == "cancelled"


def test_a_client_that_left_as_it_read_an_error_has_not_cancelled(pipeline: Any, answer_of: Any) -> None:
    """SDKs close the connection then."""
    flow, x = pipeline.send("one/m", stream=True)
    streaming(flow, x, answer_of, TEXT, BUSY)
    leave(pipeline, flow)
    assert (x.outcome, x.attempt.outcome) == ("stream_error", "stream")


def test_a_client_that_left_before_any_attempt_has_cancelled(pipeline: Any) -> None:
    """Half its body has come, or it waits for a layer's answer."""
    flow, x = pipeline.read("one/m")
    leave(pipeline, flow)
    assert (x.outcome, x.error, x.verdict) == ("cancelled", "client disconnected", None)


def test_a_router_that_stops_is_not_the_clients_doing(pipeline: Any) -> None:
    """mitmproxy's own tools end without waiting for anybody."""
    flow, x = pipeline.send("one/m")
    pipeline.runtime.underway[id(x)] = flow
    pipeline.judging.done()
    assert (x.outcome, x.error) == ("cancelled", "The router was stopped before the answer was complete.")


def test_what_the_router_answered_itself_stays_so(pipeline: Any) -> None:
    """A refusal is no verdict on any server, whoever leaves."""
    for end in (pipeline.judging.response, lambda flow: leave(pipeline, flow)):
        flow, x = pipeline.read("one/m")
        flow.response = refusal(x, 400, "no")
        end(flow)
        assert (x.outcome, x.error) == ("refused", "no")


@pytest.mark.parametrize(("status", "outcome"), [(204, "ok"), (404, "upstream_error")])
def test_an_answer_of_somebody_elses_addon_is_told_by_its_status(
    status: int, outcome: str, pipeline: Any, answer_of: Any
) -> None:
    """There was no attempt."""
    flow, x = pipeline.read("one/m")
    flow.response = answer_of(status)
    pipeline.judging.response(flow)
    assert x.outcome == outcome


def test_a_probe_without_a_verdict_gives_its_place_back(pipeline: Any) -> None:
    """By a client that left, a stale connection and a stop; only a probe has one to give."""
    breakers = pipeline.runtime.breakers
    for end in ("left", "stale", "stopped"):
        breakers.failure("one/m", time.monotonic() - 10, retry_after=1)  # half open by now
        flow, x = pipeline.send("one/m")
        assert x.attempt.probe and rests(pipeline, "one/m")
        if end == "left":
            leave(pipeline, flow)
        elif end == "stale":
            assert pipeline.fail(flow, "reset", reused=True).retry
            assert x.attempt.probe
            leave(pipeline, flow)
        else:
            pipeline.fail(flow, "cancelled")
        assert not rests(pipeline, "one/m")


def test_a_flow_that_is_not_ours_is_left_alone(pipeline: Any) -> None:
    """In any hook."""
    flow = tflow.tflow(resp=True)
    pipeline.judging.response(flow)
    pipeline.judging.error(flow)
    pipeline.judging.upstream_failed(UpstreamFailure(flow, "connect", "refused"))
    assert flow.response.status_code == 200


BOB = [(b"Authorization", b"Bearer bob")]


def key_rests(pipeline: Any, x: Any) -> bool:
    attempt = x.attempt
    now = time.monotonic()
    found: bool = pipeline.runtime.caller_keys.rests(attempt.credential, "one", attempt.target, now)
    return found


def test_a_callers_key_that_is_used_up_rests_for_the_caller(pipeline: Any) -> None:
    """Neither breaker nor live figures hear of it; with our own key, or with none, they do."""
    flow, x = pipeline.send("one/m", headers=BOB)
    pipeline.answer(flow, 429, retry_after="60")
    pipeline.runtime.live.finished(x)
    assert key_rests(pipeline, x) and not rests(pipeline, "one/m")
    assert pipeline.runtime.live.health("one") is None
    flow, x = pipeline.send("keyed/m", headers=BOB)
    assert x.attempt.credential is None
    pipeline.answer(flow, 429, retry_after="60")
    assert rests(pipeline, "keyed/m")


def test_a_callers_key_that_is_taken_again_rests_no_longer(pipeline: Any) -> None:
    """An answer is one."""
    flow, x = pipeline.send("one/m", headers=BOB)
    pipeline.answer(flow, 429, retry_after="60")
    flow, x = pipeline.send("one/m", headers=BOB)
    pipeline.answer(flow, 200, {"choices": []})
    assert not key_rests(pipeline, x)


def test_a_probe_with_a_bad_key_leaves_its_place_to_the_next(pipeline: Any) -> None:
    """It found out nothing of the server."""
    breakers = pipeline.runtime.breakers
    breakers.failure("one/m", time.monotonic() - 10, retry_after=1)
    flow, x = pipeline.send("one/m", headers=BOB)
    assert x.attempt.probe
    pipeline.answer(flow, 429)
    assert breakers.state("one/m", time.monotonic()) == "half_open" and not rests(pipeline, "one/m")


@pytest.mark.parametrize("how", ["answered", "error", "failed", "left", "stopped", "stale", "cut"])
def test_however_an_attempt_ends_its_server_is_busy_no_longer(how: str, pipeline: Any, answer_of: Any) -> None:
    """A second one, by failover or on a fresh connection, is counted in its place."""
    busy = pipeline.runtime.busy
    flow, x = pipeline.send("one/m", "two/m", stream=how == "cut")
    assert (busy.of("one/m"), busy.of_server("one"), busy.total) == (1, 1, 1)
    if how in ("answered", "error"):
        pipeline.answer(flow, 200 if how == "answered" else 400, {"choices": []})
    elif how == "left":
        leave(pipeline, flow)
        leave(pipeline, flow)
    elif how == "cut":
        streaming(flow, x, answer_of, TEXT)
        pipeline.fail(flow, "stream", begun=True)
    elif how == "stopped":
        pipeline.fail(flow, "cancelled")
    elif how == "stale":
        assert pipeline.fail(flow, "reset", reused=True).fresh
        assert (busy.of("one/m"), busy.total) == (1, 1)
        pipeline.answer(flow, 200, {"choices": []})
    else:
        assert pipeline.fail(flow, "status", response=answer_of(503)).retry
        assert (busy.of("one/m"), busy.of("two/m"), busy.total) == (0, 1, 1)
        leave(pipeline, flow)
    assert busy.total == 0


def test_a_websocket_keeps_its_server_busy_until_it_is_closed(pipeline: Any) -> None:
    """Its head is an answer, but the server works for it from then on."""
    busy = pipeline.runtime.busy
    flow, x = pipeline.send("one/m")
    pipeline.answer(flow, 101)
    assert busy.of("one/m") == 1
    x.ending = Ending("client", 1000, "")
    pipeline.judging.websocket_end(flow)
    assert busy.total == 0
