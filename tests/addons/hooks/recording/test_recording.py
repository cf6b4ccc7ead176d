"""What Recording makes of an Exchange."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from switchman.addons.config.configuration import load_settings
from switchman.addons.config.log import open_log
from switchman.addons.core.decision.verdicts.judge import Verdict
from switchman.addons.core.record import Outcome, Record
from switchman.addons.core.routes.plan import Candidate, Earlier, Plan, TraceLine
from switchman.addons.core.servers.breaker import Breakers
from switchman.addons.core.streams.pipe import Pipe
from switchman.addons.core.streams.reply import ReplyCollector
from switchman.addons.core.texts.searching.asked import kinds_in
from switchman.addons.flow.exchange import Attempt, CacheUse, Exchange, begin
from switchman.addons.flow.refusal import own_answer, refusal
from switchman.addons.hooks.outbound.judging import Judging
from switchman.addons.hooks.recording.recording import Recording, line_values
from switchman.addons.state.live import LiveFigures
from switchman.addons.state.runtime import Runtime
from switchman.addons.store.writer import Writer

RULES = """
servers: {up: "http://up:1", other: "http://other:2"}
default: up/m
"""
CHAT = "/v1/chat/completions"
BODY = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
OK = Verdict("ok", "answered")
STREAM = b"".join(
    b"data: " + data + b"\n\n"
    for data in (
        b'{"choices":[{"index":0,"delta":{"content":"fine"}}]}',
        b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
        b'{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":2}}}',
        b"[DONE]",
    )
)
LINE = TraceLine("semantic_cache", "skip", "Shadow", 0.97, 2.5)


@pytest.mark.parametrize("line", [LINE, dataclasses.replace(LINE, earlier=Earlier("r1", "What is up?", None))])
def test_a_trace_line_is_recorded_whole(line: TraceLine) -> None:
    """Every field by its name, as dataclasses.asdict() gives them."""
    assert line_values(line) == dataclasses.asdict(line)


def test_what_still_runs_at_the_end_leaves_its_row(tmp_path: Path) -> None:
    """mitmdump and mitmweb end without waiting for anybody; the log says that it was no client's doing."""
    runtime = Runtime()
    runtime.live = LiveFigures(Breakers())
    runtime.store = open_log(load_settings(db_path=str(tmp_path / "log.db"), blob_storage_path=str(tmp_path / "b")))
    runtime.writer = runtime.store.writer()
    # Not of 1970: the log's own thread clears what is too old away, and may come after the row.
    flow, x = tflow.tflow(), Exchange(id="r1", started_at=time.time(), started=time.monotonic(), client="10.0.0.1")
    begin(flow, x)
    runtime.underway[id(x)] = flow
    for addon in (Judging(runtime), Recording(runtime)):
        addon.done()
    with closing(sqlite3.connect(tmp_path / "log.db")) as log:
        rows = log.execute("SELECT id, status, outcome, error FROM requests").fetchall()
    assert rows == [("r1", 499, "cancelled", "The router was stopped before the answer was complete.")]
    assert not runtime.underway


class Log:
    """Takes the records in place of the store's writer."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def put(self, record: Record) -> bool:
        self.records.append(record)
        return True


class Desk:
    """Recording with its log, and requests that are under way."""

    def __init__(self, runtime: Runtime, make: Callable[..., tuple[http.HTTPFlow, Exchange]]) -> None:
        self.runtime, self.log, self._make = runtime, Log(), make
        runtime.writer = cast(Writer, self.log)
        self.recording = Recording(runtime)

    def begin(self, path: str = CHAT, body: Any = None, **more: Any) -> tuple[http.HTTPFlow, Exchange]:
        flow, x = self._make(self.runtime, path, body, **more)
        self.runtime.underway[id(x)] = flow
        return flow, x

    def attempt(self, x: Exchange, server: str = "up", **more: Any) -> Attempt:
        """The next attempt of a request, begun 5 ms after it."""
        candidate = Candidate(self.runtime.rules.current.servers[server], "m")
        made = Attempt(
            len(x.attempts) + 1, candidate, candidate.target, f"http://{server}", 1.0, x.started + 0.005, **more
        )
        x.attempts.append(made)
        return made

    def response(self, flow: http.HTTPFlow) -> Record:
        """What was written as the answer was whole."""
        self.recording.response(flow)
        return self.written()

    def error(self, flow: http.HTTPFlow) -> Record:
        self.recording.error(flow)
        return self.written()

    def written(self) -> Record:
        (record,) = self.log.records
        return record


@pytest.fixture
def desk(make_runtime: Callable[..., Runtime], make_exchange: Callable[..., tuple[http.HTTPFlow, Exchange]]) -> Desk:
    return Desk(make_runtime(RULES), make_exchange)


def good(status: int = 200, body: bytes = b"{}") -> http.Response:
    return http.Response.make(status, body, {"content-type": "application/json"})


def test_an_answer_is_recorded_with_all_that_is_known(desk: Desk) -> None:
    """Who asked for what, who answered, when each byte came, what it cost, and both bodies."""
    flow, x = desk.begin(body=BODY, headers={"x-team": "blue"})
    x.plan, x.cache = Plan((Candidate(desk.runtime.rules.current.servers["up"], "m"),), "route", "r1"), CacheUse("miss")
    x.trace.append(LINE)
    x.routed = x.started + 0.004
    ended = x.started + 1.505
    desk.attempt(x, status=200, first_byte=x.started + 0.105, ended=ended, verdict=OK)
    x.outcome, x.reply = "ok", ReplyCollector()
    x.pipe = Pipe("sse", [], x.reply, 4096, lambda error, what: None, clock=lambda: x.started + 0.25)
    x.pipe(STREAM)
    flow.response = http.Response.make(200, b"", {"content-type": "text/event-stream"})
    record = desk.response(flow)

    assert (record.id, record.started_at, record.client) == ("id", x.started_at, "127.0.0.1")
    assert (record.method, record.path, record.request_body) == ("POST", CHAT, json.dumps(BODY).encode())
    assert ("x-team", "blue") in record.request_headers
    assert (record.dialect, record.operation, record.requested_model) == ("openai", "chat", "auto")
    assert (record.layer, record.route, record.server, record.model) == ("route", "r1", "up", "m")
    assert (record.status, record.outcome, record.error, record.streamed) == (200, "ok", None, True)
    assert (record.overhead_ms, record.ttft_ms) == (pytest.approx(4), pytest.approx(250))
    assert record.duration_ms == pytest.approx((time.monotonic() - x.started) * 1000, abs=10_000)
    figures = (record.input_tokens, record.output_tokens, record.cached_tokens, record.reasoning_tokens)
    assert (*figures, record.finish_reason) == (9, 4, 2, None, "stop")
    assert (record.cache, record.saved_ms) == ("miss", None)
    assert record.response_headers == (("content-type", "text/event-stream"), ("content-length", "0"))
    assert record.response_body == STREAM
    assert record.trace == (dataclasses.asdict(LINE),)
    (attempt,) = record.attempts
    assert (attempt.number, attempt.server, attempt.model, attempt.url) == (1, "up", "m", "http://up")
    assert (attempt.started_at, attempt.status, attempt.outcome, attempt.error) == (1.0, 200, "ok", None)
    assert (attempt.first_byte_ms, attempt.duration_ms) == (pytest.approx(100), pytest.approx(1500))
    assert attempt.changes == ("model: auto → m",)
    assert desk.runtime.live.p95_ms("up/m") == pytest.approx(1500)


def test_a_failover_is_recorded_attempt_by_attempt(desk: Desk) -> None:
    """The server that answered is the request's; the one that failed keeps its error."""
    flow, x = desk.begin(body=BODY)
    desk.attempt(x, verdict=Verdict("connect", "failed", "nobody listens"))
    desk.attempt(x, "other", status=200, verdict=OK)
    x.outcome, flow.response = "ok", good(body=b"whole")
    record = desk.response(flow)
    assert (record.server, record.status, record.outcome, record.error) == ("other", 200, "ok", None)
    assert (record.streamed, record.response_body, record.ttft_ms, record.input_tokens) == (False, b"whole", None, None)
    assert [(a.number, a.server, a.status, a.outcome, a.error) for a in record.attempts] == [
        (1, "up", None, "connect", "nobody listens"),
        (2, "other", 200, "ok", None),
    ]
    assert flow.metadata["switchman_target"] == "other/m" and flow.metadata["switchman_attempts"] == 2


@pytest.mark.parametrize(("stream", "took_ms"), [(False, 1e9), (True, 1e9), (False, 0.0), (False, None)])
def test_a_cached_answer_names_who_gave_it_first(desk: Desk, stream: bool, took_ms: float | None) -> None:
    """No attempt; what it saved is never below zero, and is not known of an answer whose time is not."""
    flow, x = desk.begin(body={**BODY, "stream": stream})
    x.plan = Plan((Candidate(desk.runtime.rules.current.servers["up"], "m"),), "exact_cache", "r1")
    x.cache = CacheUse("hit", earlier=Earlier("first", "hi", took_ms), saved=713)
    flow.response = own_answer(x, good(body=b"again"), "cached")
    record = desk.response(flow)
    assert (record.outcome, record.cache, record.streamed, record.attempts) == ("cached", "hit", stream, ())
    assert (record.layer, record.server, record.model, record.response_body) == ("exact_cache", "up", "m", b"again")
    assert record.saved_ms == (None if took_ms is None else max(0.0, took_ms - record.duration_ms))
    assert (record.cost, record.saved_cost) == (0, 713)


def test_a_request_that_was_refused_before_it_was_read(desk: Desk) -> None:
    """What is not known is None; the path and the headers are those of the flow."""
    flow, x = tflow.tflow(), Exchange("r", time.time(), time.monotonic(), "10.0.0.1")
    begin(flow, x)
    flow.request.path, flow.response = "/v1/x", refusal(x, 413, "The body is too long.")
    record = desk.response(flow)
    assert (record.status, record.outcome, record.error) == (413, "refused", "The body is too long.")
    assert (record.method, record.path) == ("GET", "/v1/x") and record.request_headers
    unknown = (record.dialect, record.operation, record.layer, record.server, record.model, record.cache)
    assert unknown == (None,) * 6 and record.requested_model == ""
    assert (record.overhead_ms, record.request_body, record.attempts, record.trace) == (None, None, (), ())
    assert b"The body is too long." in (record.response_body or b"")


def test_a_client_that_left_is_a_499(desk: Desk) -> None:
    """Whatever it had of an answer by then; the attempt that ran is cancelled with it."""
    flow, x = desk.begin(body=BODY)
    desk.attempt(x, status=200)
    x.outcome, x.error, flow.response = "cancelled", "Client disconnected.", good()
    record = desk.error(flow)
    assert (record.status, record.outcome, record.error) == (499, "cancelled", "Client disconnected.")
    assert [(a.status, a.outcome) for a in record.attempts] == [(200, "cancelled")]


@pytest.mark.parametrize(
    ("outcome", "answered", "response", "status"),
    [
        ("ok", None, good(), 200),
        ("stream_error", None, good(201), 201),
        ("failed", 504, good(), 504),
        ("failed", None, None, 502),
        (None, None, None, 502),
    ],
    ids=["after the last word", "broken off", "by the proxy", "no answer", "nobody said"],
)
def test_the_status_of_what_ended_in_an_error(
    desk: Desk, outcome: Outcome | None, answered: int | None, response: http.Response | None, status: int
) -> None:
    """The one that the client got, by whoever gave it."""
    flow, x = desk.begin(body=BODY)
    x.outcome, x.status, flow.response = outcome, answered, response
    record = desk.error(flow)
    assert (record.status, record.outcome) == (status, outcome or "failed")


@pytest.mark.parametrize(
    ("path", "rows"), [("/healthz", 0), ("/readyz", 0), ("/v1/models", 1), ("/healthz/x", 1)], ids=str
)
def test_probes_leave_no_row(desk: Desk, path: str, rows: int) -> None:
    """They are asked every few seconds; they are not under way any more either."""
    flow, x = desk.begin(path, method="GET")
    flow.response = own_answer(x, good())
    desk.recording.response(flow)
    assert (len(desk.log.records), desk.runtime.underway) == (rows, {})


def test_a_probe_that_was_refused_leaves_its_row(desk: Desk) -> None:
    """Somebody may want to know why."""
    flow, x = desk.begin("/healthz", method="GET")
    flow.response = own_answer(x, good(403), "refused", "no")
    assert desk.response(flow).status == 403


def test_a_request_is_recorded_once(desk: Desk) -> None:
    """mitmproxy may tell of an error after the response, and the router may stop after that."""
    flow, x = desk.begin(body=BODY)
    x.outcome, flow.response = "ok", good()
    desk.recording.response(flow)
    assert not desk.runtime.underway
    x.outcome = "cancelled"
    desk.recording.error(flow)
    desk.recording.response(flow)
    assert (desk.written().status, desk.written().outcome) == (200, "ok")


def test_without_a_log_the_request_is_over_all_the_same(desk: Desk) -> None:
    """It is not under way any more, and mitmweb sees what became of it."""
    desk.runtime.writer = None
    flow, x = desk.begin(body=BODY)
    x.outcome, flow.response = "ok", good()
    desk.recording.response(flow)
    assert (desk.log.records, desk.runtime.underway) == ([], {})
    assert flow.metadata["switchman_outcome"] == "ok"


def test_a_flow_that_is_not_ours_leaves_no_row(desk: Desk) -> None:
    """Other addons may send flows of their own through the proxy."""
    flow = tflow.tflow(resp=True)
    desk.recording.response(flow)
    desk.recording.error(flow)
    assert desk.log.records == []


def test_what_a_request_is_found_by_is_recorded(desk: Desk) -> None:
    """The text of its prompt, the kinds of its content, and the class of its error."""
    picture = {"type": "image_url", "image_url": {"url": "data:,x"}}
    content = [{"type": "text", "text": "what is this?"}, picture]
    flow, x = desk.begin(body={"model": "m", "messages": [{"role": "user", "content": content}], "tools": [{}]})
    x.outcome = "upstream_error"
    flow.response = good(429)
    record = desk.response(flow)
    assert (record.asked, kinds_in(record.modality)) == ("what is this?", ("text", "image", "tools"))
    assert record.error_class == "rate_limit"


def test_what_no_hook_came_to_the_end_of_keeps_no_server_busy(desk: Desk) -> None:
    """A request that has its row is over."""
    flow, x = desk.begin()
    desk.runtime.busy.begin(desk.attempt(x))
    assert desk.runtime.busy.of("up/m") == 1
    desk.error(flow)
    assert desk.runtime.busy.total == 0
