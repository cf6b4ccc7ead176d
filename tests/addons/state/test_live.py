"""Live figures: percentiles and health of our own traffic, over the last minutes, unknown where there was none."""

import json

import pytest

from switchman.addons.core.decision.verdicts.judge import Verdict
from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.servers.breaker import Breakers
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.flow.exchange import Attempt, Exchange
from switchman.addons.state.live import MAX_TARGETS, WINDOW, LiveFigures, Sample


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breakers() -> Breakers:
    return Breakers()


@pytest.fixture
def live(breakers: Breakers, clock: Clock) -> LiveFigures:
    return LiveFigures(breakers, clock)


def test_nothing_is_known_without_traffic(live: LiveFigures) -> None:
    """Not zero, not green: unknown."""
    assert (live.p95_ms("s/m"), live.health("s")) == (None, None)


def test_the_percentile_is_of_whole_answers(live: LiveFigures, clock: Clock) -> None:
    """95 of 100 took no longer; failures have no duration."""
    for took in range(1, 101):
        live.observe("s", "s/m", Sample(clock.now, float(took)))
    live.observe("s", "s/m", Sample(clock.now, None))
    assert live.p95_ms("s/m") == 95.0
    assert live.p95_ms("s/other") is None


def test_what_is_older_than_the_window_no_longer_counts(live: LiveFigures, clock: Clock) -> None:
    """A target that is not asked for a while is unknown again."""
    live.observe("s", "s/m", Sample(clock.now, 10.0))
    assert (live.p95_ms("s/m"), live.health("s")) == (10.0, "green")
    clock.now += WINDOW
    assert (live.p95_ms("s/m"), live.health("s")) == (None, None)


@pytest.mark.parametrize(
    ("failures", "health"), [(0, "green"), (9, "green"), (10, "yellow"), (49, "yellow"), (50, "red")]
)
def test_health_goes_by_the_share_of_failures(live: LiveFigures, clock: Clock, failures: int, health: str) -> None:
    """Over all models of the server."""
    for number in range(100):
        live.observe("s", f"s/{number % 3}", Sample(clock.now, None if number < failures else 1.0))
    live.observe("other", "other/m", Sample(clock.now, None))
    assert live.health("s") == health


def test_open_breakers_make_a_server_yellow_and_all_of_them_red(
    live: LiveFigures, breakers: Breakers, clock: Clock
) -> None:
    """Whatever the share."""
    for number in range(20):
        live.observe("s", f"s/{number % 2}", Sample(clock.now, 1.0))
    breakers.failure("s/0", clock.now, retry_after=60)
    assert live.health("s") == "yellow"
    breakers.failure("s/1", clock.now, retry_after=60)
    assert live.health("s") == "red"


def test_memory_is_bounded(live: LiveFigures, clock: Clock) -> None:
    """Names that clients make up push out what was heard of longest ago."""
    live.observe("s", "s/first", Sample(clock.now, 1.0))
    for number in range(MAX_TARGETS):
        live.observe("s", f"s/{number}", Sample(clock.now, 2.0))
    assert live.p95_ms("s/first") is None
    assert live.p95_ms(f"s/{MAX_TARGETS - 1}") == 2.0


@pytest.mark.parametrize(
    ("verdict", "p95", "health"),
    [
        (Verdict("ok", "answered"), 2000.0, "green"),
        (Verdict("status", "failed"), None, "red"),
        (Verdict("error", "failed"), None, "red"),
        (Verdict("error", "answered"), None, None),
        (Verdict("refused", "answered"), None, None),
        (Verdict("withheld", "answered"), None, None),
        (Verdict("left", "answered"), None, None),
        (Verdict("lacks", None), None, None),
        (None, None, None),
    ],
)
def test_an_attempt_counts_by_its_verdict(
    live: LiveFigures, verdict: Verdict | None, p95: float | None, health: str | None
) -> None:
    """A failure is what the judge calls one, whatever its status; clients that left or erred say nothing."""
    candidate = Candidate(Server("s", parse("http://s:1")), "m")
    tried = Attempt(1, candidate, "s/m", "u", 0.0, started=990.0, status=404, ended=992.0, verdict=verdict)
    live.finished(Exchange("id", 0.0, 0.0, "c", attempts=[tried]))
    assert (live.p95_ms("s/m"), live.health("s")) == (p95, health)


def test_what_other_workers_saw_counts_too(clock: Clock) -> None:
    """Their answers and failures are added to our own; a percentile is within 2 % of the one over all."""
    one, two, third = (LiveFigures(Breakers(), clock) for _ in range(3))
    for took in range(1, 51):
        one.observe("s", "s/m", Sample(clock.now, took * 10.0))
        two.observe("s", "s/m", Sample(clock.now, 500 + took * 10.0))
    two.observe("s", "s/other", Sample(clock.now, None))
    told = [json.loads(json.dumps(worker.told(100))) for worker in (one, two)]
    third.hear(told)
    assert third.p95_ms("s/m") == pytest.approx(950, rel=0.021)
    assert third.health("s") == "green" and third.p95_ms("s/other") is None
    one.hear(told[1:])
    assert one.p95_ms("s/m") == pytest.approx(950, rel=0.021)
    for _ in range(30):
        one.observe("s", "s/m", Sample(clock.now, None))
    clock.now += 2
    assert one.health("s") == "yellow"
    third.hear([])
    clock.now += 2
    assert (third.p95_ms("s/m"), third.health("s")) == (None, None)


def test_how_fast_a_target_is_is_known_to_all_workers(breakers: Breakers, clock: Clock) -> None:
    """By the last answers of all of them, in their order; what is told is heard in place of what was told before."""
    one, two = LiveFigures(breakers, clock), LiveFigures(breakers, clock)
    for took in (50, 50, 50, 50, 50):
        two._speed("s/m").answered(clock.now, took, True)
    for took in (900, 900, 900):
        clock.now += 1
        one.observe("s", "s/m", Sample(clock.now, 1.0))
        one._speed("s/m").answered(clock.now, took, True)
        one._speed("s/new").answered(clock.now, took, True)
    one.observe("s", "s/new", Sample(clock.now, 1.0))
    told = json.loads(json.dumps(one.told(9)))
    assert told["s/m"][3] == [[2.0, 900, 1], [1.0, 900, 1], [0.0, 900, 1]]
    two.hear([told])
    assert (two.ttft_ms("s/m"), two.last_ttft_ms("s/m"), two.ttft_ms("s/new")) == (900, 900, 900)
    clock.now += 1
    two._speed("s/m").answered(clock.now, 60, True)
    assert (two.ttft_ms("s/m"), two.last_ttft_ms("s/m")) == (900, 60)
    two.hear([])
    assert (two.ttft_ms("s/m"), two.ttft_ms("s/new")) == (50, None)


def test_no_more_is_told_than_is_asked_for_and_nothing_old(live: LiveFigures, clock: Clock) -> None:
    """The targets that were heard of last."""
    live.observe("s", "s/old", Sample(clock.now, 5.0))
    clock.now += WINDOW
    for name in ("a", "b", "c"):
        live.observe("s", f"s/{name}", Sample(clock.now, 1.0))
    live.observe("s", "s/b", Sample(clock.now, None))
    assert live.told(2) == {"s/b": ["s", 1, [[0, 1]]], "s/c": ["s", 0, [[0, 1]]]}
    assert set(live.told(9)) == {"s/a", "s/b", "s/c"}


@pytest.mark.parametrize(
    "values",
    [
        *(None, 7, [], ["s", 1], ["s", "x", []], ["s", 1, [[1]]], ["s", 1, [["a", "b"]]], ["s", 1, 5]),
        *(["s", 9, [[0, 1]], last] for last in (5, "no", [5], [[1, 2]], [[-1, 5, 1]], [["a", 5, 1]])),
        *(["s", 9, [[0, 1]], last] for last in ([[1, float("nan"), 1]], [[1, 10**400, 1]], [[1, 5, 1], None])),
    ],
)
def test_what_is_no_figure_is_passed_over(live: LiveFigures, values: object) -> None:
    """The others beside it count."""
    live.hear([{"s/bad": values, "s/m": ["s", 1, [[0, 1]]]}])
    assert (live.p95_ms("s/bad"), live.p95_ms("s/m"), live.health("s")) == (None, 1.0, "red")
    assert live.ttft_ms("s/bad") is None


def test_times_to_first_token_are_of_whole_answers_and_of_who_waits(live: LiveFigures, clock: Clock) -> None:
    """Of a stream its first token counts, of a whole answer its first byte; a failed attempt says nothing."""
    assert (live.ttft_ms("s/m"), live.last_ttft_ms("s/m"), live.in_flight("s/m"), live.lately("s/m")) == (
        None,
        None,
        0,
        0,
    )
    candidate = Candidate(Server("s", parse("http://s")), "m")
    x = Exchange("id", 0.0, 0.0, "127.0.0.1")
    for first, counts in ((clock.now + 0.2, "answer"), (clock.now + 9.0, "failure")):
        attempt = Attempt(1, candidate, "s/m", "u", 0.0, clock.now, first_byte=first, ended=clock.now + 10)
        attempt.verdict = Verdict("ok", "well") if counts == "answer" else Verdict("status", "failed")
        live.begun(attempt, streams=True)
        x.attempts.append(attempt)
    live.finished(x)
    assert live.ttft_ms("s/m") == live.last_ttft_ms("s/m") == pytest.approx(200)
    waits = Attempt(1, candidate, "s/m", "u", 0.0, clock.now)
    live.begun(waits, streams=False)
    clock.now += 3
    assert live.ttft_ms("s/m") == pytest.approx(1600)  # of 0.2 s and 3 s
    live.chosen("s/m")
    assert live.lately("s/m") == pytest.approx(1)
    for number in range(2 * MAX_TARGETS):
        live.chosen(f"s/{number}")
    assert live.ttft_ms("s/m") is None  # names come from clients: what was heard of longest ago is let go
