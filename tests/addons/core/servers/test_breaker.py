"""A breaker opens on a run of failures, stays open for its cooldown, and lets one probe find out."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from switchman.addons.core.servers.breaker import MAX_RETRY_AFTER, MAX_TARGETS, Breakers

T = "fast-box/llama3"


def opened(at: float = 0.0) -> Breakers:
    """Breakers whose one target has just failed often enough: open until at + 30."""
    breakers = Breakers()
    for _ in range(5):
        breakers.failure(T, at)
    return breakers


def test_four_failures_are_not_enough() -> None:
    """The fifth failure within the window opens it, not one before."""
    breakers = Breakers()
    for second in range(4):
        breakers.failure(T, second)
    assert not breakers.is_open(T, 4)
    breakers.failure(T, 4)
    assert breakers.is_open(T, 4)


def test_failures_hours_apart_never_open_it() -> None:
    """Only the last minute counts."""
    breakers = Breakers()
    for minute in range(50):
        breakers.failure(T, minute * 61.0)
        assert not breakers.is_open(T, minute * 61.0)


def test_a_failure_leaves_the_window_after_a_minute() -> None:
    """Four failures, then 61 s, then four more: never five in one window."""
    breakers = Breakers()
    for second in (0, 1, 2, 3, 64, 65, 66, 67):
        breakers.failure(T, second)
    assert not breakers.is_open(T, 68)


def test_a_minute_is_sixty_seconds() -> None:
    """A failure of 59 seconds ago counts, one of 60 does not."""
    for later, open_ in ((59, True), (60, False)):
        breakers = Breakers()
        for _ in range(4):
            breakers.failure(T, 0)
        breakers.failure(T, later)
        assert breakers.is_open(T, later) is open_


def test_what_the_upstream_asked_for_once_is_not_doubled() -> None:
    """After a Retry-After a probe that fails begins with our own thirty seconds, and they double from there."""
    breakers = Breakers()
    breakers.failure(T, 0, retry_after=100)
    assert breakers.claim(T, 100)
    breakers.failure(T, 100)
    assert breakers.is_open(T, 129.9)
    assert breakers.claim(T, 130)
    breakers.failure(T, 130, retry_after=200)
    assert breakers.is_open(T, 329.9)
    assert breakers.claim(T, 330)
    breakers.failure(T, 330)
    assert breakers.is_open(T, 449.9)
    assert not breakers.is_open(T, 450)


def test_most_answers_good_keeps_it_closed() -> None:
    """Five failures among many successes are a busy server's bad luck; half of all answers is what opens it."""
    breakers = Breakers()
    for _ in range(6):
        breakers.success(T, 0)
    for _ in range(5):
        breakers.failure(T, 1)
    assert not breakers.is_open(T, 1)
    breakers.failure(T, 1)
    assert breakers.is_open(T, 1)


def test_targets_do_not_share_their_fate() -> None:
    """The same server with another model, and a name that only begins alike, stay closed."""
    breakers = opened()
    assert not breakers.is_open("fast-box/llama3-8b", 1)
    assert not breakers.is_open("fast-box/other", 1)


def test_half_open_lets_exactly_one_probe_through() -> None:
    """After the cooldown the first claim wins; until it reports, everybody else sees it open."""
    breakers = opened()
    assert not breakers.claim(T, 29.9)
    assert not breakers.is_open(T, 30)
    assert breakers.claim(T, 30)
    assert not breakers.claim(T, 30)
    assert breakers.is_open(T, 31)


def test_a_good_probe_closes_it_and_clears_the_slate() -> None:
    """One success, and it takes five new failures to open it, for the first cooldown again."""
    breakers = opened()
    assert breakers.claim(T, 30)
    breakers.success(T, 31)
    assert breakers.state(T, 31) == "closed"
    for _ in range(4):
        breakers.failure(T, 32)
    assert not breakers.is_open(T, 32)
    breakers.failure(T, 32)
    breakers.failure(T, 32)
    assert breakers.is_open(T, 61.9)
    assert not breakers.is_open(T, 62)


def test_each_failed_probe_doubles_the_cooldown_up_to_five_minutes() -> None:
    """30, 60, 120, 240, 300, 300 seconds."""
    breakers, now = opened(), 0.0
    for cooldown in (30, 60, 120, 240, 300, 300):
        assert breakers.is_open(T, now + cooldown - 0.1)
        now += cooldown
        assert breakers.claim(T, now)
        breakers.failure(T, now)


def test_release_gives_the_probes_place_to_the_next() -> None:
    """A client that left is no verdict: the state stays half open, and another may probe."""
    breakers = opened()
    assert breakers.claim(T, 30)
    breakers.release(T)
    assert breakers.state(T, 30) == "half_open"
    assert breakers.claim(T, 30)
    breakers.release("never seen")


def test_a_probe_that_never_reported_does_not_block_for_ever() -> None:
    """After an hour the place of a lost probe is free again."""
    breakers = opened()
    assert breakers.claim(T, 30)
    assert not breakers.claim(T, 30 + 3599)
    assert breakers.claim(T, 30 + 3600)


def test_retry_after_opens_at_once_for_that_long() -> None:
    """One 429 with Retry-After: 7 is enough, and lasts seven seconds, not thirty."""
    breakers = Breakers()
    breakers.failure(T, 0, retry_after=7)
    assert breakers.is_open(T, 6.9)
    assert not breakers.is_open(T, 7)


def test_one_429_without_retry_after_does_not_open_it() -> None:
    """A single failure, or one that asks for no wait, only counts."""
    breakers = Breakers()
    breakers.failure(T, 0)
    breakers.failure(T, 0, retry_after=0)
    assert not breakers.is_open(T, 0)


def test_retry_after_is_a_floor_of_the_cooldown() -> None:
    """Longer than our own cooldown it wins; shorter it does not cut it."""
    long, short = Breakers(), Breakers()
    for _ in range(4):
        long.failure(T, 0)
        short.failure(T, 0)
    long.failure(T, 0, retry_after=100)
    short.failure(T, 0, retry_after=1)
    assert long.is_open(T, 99.9)
    assert not long.is_open(T, 100)
    assert short.is_open(T, 29.9)
    assert not short.is_open(T, 30)


def test_an_upstream_cannot_bench_itself_for_a_day() -> None:
    """Retry-After is believed up to an hour."""
    breakers = Breakers()
    breakers.failure(T, 0, retry_after=86_400)
    assert not breakers.is_open(T, MAX_RETRY_AFTER)


def test_a_last_resort_that_fails_does_not_lengthen_the_wait() -> None:
    """Requests that were sent all the same while it is open are no probes: only a Retry-After of theirs counts."""
    breakers = opened()
    for second in range(1, 29):
        breakers.failure(T, second)
    assert not breakers.is_open(T, 30)
    breakers = opened()
    breakers.failure(T, 10, retry_after=50)
    assert breakers.is_open(T, 59.9)


def test_a_last_resort_that_succeeds_closes_it() -> None:
    """It answers, so it is well."""
    breakers = opened()
    breakers.success(T, 1)
    assert not breakers.is_open(T, 1)


def test_names_from_clients_do_not_fill_the_memory() -> None:
    """Beyond the bound the oldest closed ones are forgotten; the open ones are kept."""
    breakers = opened()
    for number in range(2 * MAX_TARGETS):
        breakers.success(f"box/{number}", 1)
    assert breakers.is_open(T, 1)


def test_whom_was_heard_of_lately_is_not_forgotten() -> None:
    """Those heard of longest ago go first, by when they were heard of last, not by when first."""
    breakers = Breakers()
    breakers.success(T, 0)
    for number in range(MAX_TARGETS - 1):
        for _ in range(4):
            breakers.failure(f"box/{number}", 1 + number / MAX_TARGETS)
    for _ in range(5):
        breakers.success(T, 2)
    for _ in range(4):
        breakers.failure(T, 3)
    breakers.success("one/more", 4)
    known = []
    for name in (T, "box/0", f"box/{MAX_TARGETS - 2}"):
        breakers.failure(name, 5)
        known.append(breakers.is_open(name, 5))
    assert known == [False, False, True]  # 5 of 11 answers; forgotten, so 1 failure; 5 failures
    breakers.failure(T, 5)
    breakers.failure(T, 5)
    assert breakers.is_open(T, 5)


def test_open_ones_do_not_fill_it_either() -> None:
    """Where all are open, the oldest are forgotten."""
    breakers = Breakers()
    names = [f"box/{number}" for number in range(2 * MAX_TARGETS)]
    for name in names:
        breakers.failure(name, 1, retry_after=60)
    still = [name for name in names if breakers.is_open(name, 1)]
    assert 0 < len(still) <= MAX_TARGETS
    assert still[-1] == names[-1]


class BreakerMachine(RuleBasedStateMachine):
    """Any order of events over a clock that only goes forward."""

    def __init__(self) -> None:
        super().__init__()
        self.breakers = Breakers()
        self.now = 1000.0
        self.probing = False

    @rule(seconds=st.floats(0, 80))  # in all steps together, less than a probe is waited for
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def claim(self) -> None:
        state, was_open = self.breakers.state(T, self.now), self.breakers.is_open(T, self.now)
        granted = self.breakers.claim(T, self.now)
        assert granted == (not was_open)
        if state == "half_open":
            assert granted == (not self.probing)
            self.probing = True

    @rule()
    def succeed(self) -> None:
        self.breakers.success(T, self.now)
        self.probing = False
        assert self.breakers.state(T, self.now) == "closed"

    @rule(retry_after=st.sampled_from([None, 0.0]) | st.floats(0.001, 5000))
    def fail(self, retry_after: float | None) -> None:
        before = self.breakers.state(T, self.now)
        self.breakers.failure(T, self.now, retry_after)
        if before != "closed":
            assert self.breakers.state(T, self.now) == "open"
        if before == "half_open":
            self.probing = False
        if retry_after:
            assert self.breakers.is_open(T, self.now)

    @rule()
    def release(self) -> None:
        before = self.breakers.state(T, self.now)
        self.breakers.release(T)
        self.probing = False
        assert self.breakers.state(T, self.now) == before

    @invariant()
    def never_open_for_longer_than_the_longest_wait(self) -> None:
        assert self.breakers.state(T, self.now + MAX_RETRY_AFTER) != "open"


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("method", ["is_open", "claim"])
def test_an_unknown_target_is_closed(method: str) -> None:
    """What was never heard of may be asked."""
    assert getattr(Breakers(), method)("new", 0) is (method == "claim")


def test_what_rests_is_told_with_the_time_that_is_left() -> None:
    """Open for so many seconds, then half open until a probe has said more; closed ones are not told."""
    breakers = opened()
    breakers.success("other/m", 0.0)
    assert breakers.resting(10.0) == [(T, "open", 20.0)]
    assert breakers.resting(31.0) == [(T, "half_open", 0.0)]
    breakers.success(T, 31.0)
    assert breakers.resting(31.0) == []


def test_a_reset_forgets_all_targets_of_a_server() -> None:
    """Also what was counted so far, and none of a server whose name begins likewise."""
    breakers = Breakers()
    for target in ("up/a", "up", "upper/a", "other/m"):
        for _ in range(5):
            breakers.failure(target, 0.0)
    breakers.failure("up/b", 0.0)
    assert breakers.reset("up") == 2
    assert [target for target, _, _ in breakers.resting(1.0)] == ["upper/a", "other/m"]
    assert not breakers.knows("up/b") and breakers.claim("up/a", 1.0)
    assert breakers.reset("up") == breakers.reset("never") == 0
