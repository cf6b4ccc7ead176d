"""How a record is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from switchman.addons.config.settings import Settings
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset
from switchman.addons.state.metrics import catalogue as of
from switchman.addons.state.metrics import counts as module
from switchman.addons.state.metrics.counts import RequestCounts
from switchman.addons.state.metrics.names import Names
from switchman.addons.state.metrics.sheet import Sheet, read_sheets
from switchman.addons.testing.samples import make_attempt, make_record


@pytest.fixture
def holder() -> Any:
    """Has the rules in force."""
    return SimpleNamespace(rules=ruleset("fast-box"))


def ruleset(server: str) -> Ruleset:
    return parse_ruleset(f'servers: {{{server}: "http://up:1"}}\ndefault: {server}/llama3', "r.yaml", Settings())


@pytest.fixture
def sheet(tmp_path: Path) -> Iterator[Sheet]:
    opened = Sheet(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def counts(sheet: Sheet, tmp_path: Path, holder: Any) -> RequestCounts:
    return RequestCounts(sheet, Names(tmp_path, 3), lambda: holder.rules)


@pytest.fixture
def found(tmp_path: Path) -> Callable[[of.Metric], dict[tuple[str, ...], float]]:
    """The series of a metric that are not 0; of a histogram, how many it counted."""

    def read(metric: of.Metric) -> dict[tuple[str, ...], float]:
        (page,) = read_sheets(tmp_path)
        values = {one.labels: sum(values[metric.slots > 1 :]) for one, values in page.series if one.metric is metric}
        return {labels: value for labels, value in values.items() if value}

    return read


def test_a_request_is_counted_by_all_that_is_known_of_it(counts: RequestCounts, found: Any, tmp_path: Path) -> None:
    """Two of one kind and one of another, each once in every metric."""
    told = {
        "server": "fast-box", "model": "llama3", "layer": "route", "duration_ms": 300.0, "overhead_ms": 2.0,
        "ttft_ms": 120.0, "input_tokens": 100, "output_tokens": 10, "cached_tokens": 60, "reasoning_tokens": 4,
        "cost": 1_500_000, "cache": "miss",
    }  # fmt: skip
    tries = (make_attempt(1, server="fast-box", outcome="timeout"), make_attempt(2, server="fast-box"))
    for _ in range(2):
        counts.count(make_record(**told, outcome="ok", attempts=tries))
    counts.count(make_record(**told | {"ttft_ms": None}, outcome="stream_error", error_class="stream", attempts=()))
    here = ("fast-box", "llama3")
    assert found(of.REQUESTS) == {(*here, "route", "ok"): 2, (*here, "route", "stream_error"): 1}
    assert found(of.ERRORS) == {("fast-box", "stream"): 1}
    assert found(of.ATTEMPTS) == {("fast-box", "timeout"): 2, ("fast-box", "ok"): 2}
    assert found(of.DURATION) == {(*here, "ok"): 2, (*here, "stream_error"): 1}
    assert found(of.FIRST_TOKEN) == {here: 2} and found(of.OVERHEAD) == {("route",): 3}
    tokens = (of.PROMPT_TOKENS, of.COMPLETION_TOKENS, of.CACHED_TOKENS, of.REASONING_TOKENS)
    assert [found(metric) for metric in tokens] == [{here: 300}, {here: 30}, {here: 180}, {here: 12}]
    assert found(of.COST) == {here: pytest.approx(4.5)} and found(of.SAVED) == {}
    assert found(of.CACHE) == {("miss",): 3} and found(of.DECISIONS) == {("route",): 3} and found(of.CACHE_HITS) == {}
    (page,) = read_sheets(tmp_path)
    (values,) = [values for one, values in page.series if one.metric is of.DURATION and one.labels[2] == "ok"]
    assert values[0] == pytest.approx(0.6)
    assert values[1 + of.DURATIONS.index(0.5)] == 2  # 0.3 s is above 0.25 s


@pytest.mark.parametrize(("value", "bucket"), [(5.0, 0), (5.1, 1), (0.0, 0), (600_000.0, -2), (600_000.1, -1)])
def test_a_bucket_has_its_upper_bound_in_it(counts: RequestCounts, tmp_path: Path, value: float, bucket: int) -> None:
    """As `le` says; what is above all of them is in +Inf."""
    counts.count(make_record(duration_ms=value))
    (page,) = read_sheets(tmp_path)
    (values,) = [values for one, values in page.series if one.metric is of.DURATION]
    assert values[1:][bucket] == 1 == sum(values[1:])


def test_a_cached_answer_is_a_hit_and_takes_no_tokens(counts: RequestCounts, found: Any) -> None:
    """They were used when it was first given; what it had cost is saved."""
    counts.count(
        make_record(layer="exact_cache", outcome="cached", cache="hit", input_tokens=9, saved_cost=2_000_000, cost=None)
    )
    assert found(of.CACHE_HITS) == {("exact_cache",): 1} and found(of.CACHE) == {("hit",): 1}
    assert found(of.PROMPT_TOKENS) == {} and found(of.COST) == {}
    assert list(found(of.SAVED).values()) == [pytest.approx(2)]


def test_what_no_server_answered_is_counted_with_empty_labels(counts: RequestCounts, found: Any) -> None:
    """Nothing is put in the place of what is not known."""
    nothing = dict.fromkeys(("server", "model", "layer", "overhead_ms", "ttft_ms", "cost", "input_tokens"))
    counts.count(make_record(**nothing, outcome="refused", status=400, error_class="refused", attempts=()))
    counts.unlogged()
    assert found(of.REQUESTS) == {("", "", "", "refused"): 1} and found(of.ERRORS) == {("", "refused"): 1}
    assert found(of.DECISIONS) == {} and found(of.UNLOGGED) == {(): 1}


def test_names_from_clients_are_bounded(counts: RequestCounts, found: Any) -> None:
    """However many: the first ones that were answered, and `other`; none is lost."""
    for number in range(50):
        counts.count(make_record(server="fast-box", model=f"m{number}", outcome="ok"))
    models = {model: count for (_, model, *_), count in found(of.REQUESTS).items()}
    assert models == {"m0": 1, "m1": 1, "m2": 1, of.OTHER: 47}


def test_a_model_that_failed_first_has_its_name_as_soon_as_it_has_answered(counts: RequestCounts, found: Any) -> None:
    """Its failures from then on, too."""
    for outcome in ("failed", "ok", "failed"):
        counts.count(make_record(server="fast-box", model="late", outcome=outcome))
    told = {(model, outcome): count for (_, model, _, outcome), count in found(of.REQUESTS).items()}
    assert told == {(of.OTHER, "failed"): 1, ("late", "ok"): 1, ("late", "failed"): 1}


def test_another_workers_names_are_learned(counts: RequestCounts, found: Any, tmp_path: Path) -> None:
    """So that what both count is one series."""
    counts.count(make_record(server="fast-box", model="theirs", outcome="failed"))
    assert Names(tmp_path, 3).of("model", "theirs", True) == "theirs"
    counts.look()
    counts.count(make_record(server="fast-box", model="theirs", outcome="failed"))
    assert {labels[1]: count for labels, count in found(of.REQUESTS).items()} == {of.OTHER: 1, "theirs": 1}


def test_new_rules_hold_from_the_next_request_on(counts: RequestCounts, found: Any, holder: Any) -> None:
    """A server that they name has its name."""
    for _ in range(2):
        counts.count(make_record(server="added", model="llama3", outcome="failed", attempts=()))
        holder.rules = ruleset("added")
    assert {labels[0]: count for labels, count in found(of.REQUESTS).items()} == {of.OTHER: 1, "added": 1}


def test_what_is_remembered_of_kinds_is_bounded(counts: RequestCounts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names come from clients."""
    monkeypatch.setattr(module, "MOST_KINDS", 9)
    for number in range(20):
        tries = (make_attempt(server=f"s{number}"),)
        counts.count(make_record(server="fast-box", model=f"m{number}", outcome="failed", attempts=tries))
        counts.count(make_record(server=f"s{number}", model="x" * 400, outcome="failed", attempts=tries))
        assert len(counts._kinds) <= 9 and len(counts._tries) <= 9
    assert not any(len(key[1] or "") > 300 for key in counts._kinds)
