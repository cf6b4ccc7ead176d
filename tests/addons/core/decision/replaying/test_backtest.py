"""Two sets of rules over the same requests, with the figures that come of it."""

from __future__ import annotations

import random

import pytest

from switchman.addons.core.access.caller import Caller

PRICES = "models: {a/m: {input_cost: 2, output_cost: 10}, b/m: {input_cost: 1, output_cost: 5}}\n"
OLD = PRICES + "routes: [{name: all, match: {model: m}, route: {upstream: a}}]\n"
NEW = (
    PRICES
    + """\
routes:
  - {name: short, match: {model: m, tokens: {max: 20}}, route: {upstream: b}}
  - {name: all, match: {model: m}, route: {upstream: a}}
"""
)
MEDIANS = {("a", "m"): 1000.0, ("b", "m"): 400.0}


def median_of(server: str, model: str) -> float | None:
    return MEDIANS.get((server, model))


def test_what_goes_elsewhere_and_what_it_comes_to(rules, recorded, backtest) -> None:
    """Of four requests three are short: they go to b, at half the price, in two fifths of the time."""
    found = backtest(rules(NEW), rules(OLD))
    for number, ask in enumerate(("Hi.", "Hello.", "A word " * 40, "Bye.")):
        found.add(recorded(ask, id=f"r{number}", started_at=100.0 + number))
    report = found.report(median_of, names=("old", "new"))
    assert (report.requests, report.elsewhere, report.same, report.unknown_requests) == (4, 3, 1, 0)
    # 1000 tokens in and 100 out: 3000 micro-dollars at a, 1500 at b
    assert (report.cost.before, report.cost.after, report.cost.of) == (12_000, 7_500, 4)
    assert report.cost.change == -0.375
    assert (report.latency.before, report.latency.after) == (1000.0, 550.0)
    (move,) = report.moves
    assert (move.before, move.after, move.requests) == ("a/m", "b/m", 3)
    assert (move.cost.before, move.cost.after, move.latency.after) == (9_000, 4_500, 400.0)
    assert [one.id for one in report.examples] == ["r0", "r1", "r3"]
    assert (report.examples[0].by_before, report.examples[0].by_after) == ("route all", "route short")
    assert [(one.route, one.before, one.after) for one in report.hits] == [("all", 4, 1), ("short", 0, 3)]
    assert (report.first, report.last) == (100.0, 103.0)


def test_the_same_rules_change_nothing(rules, recorded, backtest) -> None:
    """Nothing moves, and no figure changes."""
    found = backtest(rules(NEW), rules(NEW))
    for number in range(5):
        found.add(recorded(id=f"r{number}"))
    report = found.report(median_of)
    assert (report.elsewhere, report.same, report.moves, report.examples) == (0, 5, (), ())
    assert (report.cost.change, report.latency.change) == (0.0, 0.0)


def test_what_cannot_be_known_is_said(rules, recorded, backtest) -> None:
    """No price, no tokens, no answer yet, no body: each counted, and in no figure."""
    found = backtest(rules(NEW.replace("upstream: b", "upstream: c")), rules(OLD))
    found.add(recorded(id="dear"))
    found.add(recorded(id="untold", output_tokens=None))
    found.add(recorded(id="gone", body=None))
    found.add(recorded("A word " * 40, id="same"))
    report = found.report(median_of)
    assert (report.elsewhere, report.same, report.unknown) == (2, 1, {"body": 1})
    assert (report.no_price, report.no_tokens, report.unpriced) == ({"c/m": 1}, 1, 2)
    assert (report.no_median, report.untimed) == ({"c/m": 2}, 2)
    assert (report.cost.before, report.cost.after, report.cost.of) == (3_000, 3_000, 1)
    assert (report.latency.before, report.latency.after, report.latency.of) == (1000.0, 1000.0, 1)
    (move,) = report.moves
    assert (move.cost.before, move.latency.before, move.latency.after) == (None, 1000.0, None)


def test_what_was_not_decided_is_left_out(rules, recorded, backtest) -> None:
    """By why; a request without an answer is decided, and in no figure of cost or time."""
    found = backtest(rules(NEW), rules(OLD))
    found.add(recorded(id="list", dialect=None, outcome="answered", layer=None))
    found.add(recorded(id="file", dialect=None))
    found.add(recorded(id="limit", outcome="refused", status=429, layer=None))
    found.add(recorded(id="failed", outcome="failed", status=502, input_tokens=None))
    report = found.report(median_of)
    assert report.left_out == {
        "answered by the router": 1, "no request to a model": 1, "refused before a decision": 1,
    }  # fmt: skip
    assert (report.requests, report.elsewhere, report.cost.before, report.unpriced) == (1, 1, None, 0)
    assert report.latency.before is None and report.untimed == 0


def test_cache_hits(rules, recorded, backtest) -> None:
    """They cost nothing and take what they took; without the cache they go to a target."""
    auto = PRICES + "routes: [{name: all, match: {model: auto}, route: {model: a/m}}]\n"
    found = backtest(rules(auto + "cache: {exact: {ttl: 0}}"), rules(auto))
    hit = {"requested_model": "auto", "outcome": "cached", "layer": "exact_cache", "cache": "hit", "duration_ms": 4.0}
    found.add(recorded(id="hit", **hit))
    found.add(recorded(id="miss", requested_model="auto"))
    report = found.report(median_of)
    assert (report.cache_hits.before, report.cache_hits.after, report.cache_unknown) == (1, 0, 0)
    assert [(one.before, one.after, one.requests) for one in report.moves] == [("(cache)", "a/m", 1)]
    assert (report.cost.before, report.cost.after) == (3_000, 6_000)
    assert (report.latency.before, report.latency.after) == (502.0, 1000.0)


def test_what_is_refused_saves_nothing(rules, recorded, backtest) -> None:
    """It is counted, and in no figure of cost or time."""
    anna = Caller("a" * 12, "anna", servers=("a",))
    found = backtest(rules(NEW), rules(OLD))
    found.add(recorded(caller=anna))
    report = found.report(median_of)
    assert (report.refused.before, report.refused.after, report.elsewhere) == (0, 1, 1)
    assert report.cost.before is None and report.latency.before is None


def test_what_really_happened_as_the_before(rules, recorded, backtest) -> None:
    """A request that fell over to c is moved, as the rules say a."""
    found = backtest(rules(OLD), None, base=rules(OLD))
    found.add(recorded(id="same"))
    found.add(recorded(id="moved", server="c", model="z"))
    report = found.report(median_of)
    assert [(one.before, one.after) for one in report.moves] == [("c/z", "a/m")]
    assert (report.same, report.no_price) == (1, {"c/z": 1})


def test_other_fallbacks_are_counted(rules, recorded, backtest) -> None:
    """The request goes where it went, and others stand behind it."""
    found = backtest(rules(OLD.replace("upstream: a", "upstream: a, fallbacks: [b/m]")), rules(OLD))
    found.add(recorded())
    assert (found.report(median_of).same, found.report(median_of).fallbacks) == (1, 1)


@pytest.mark.parametrize("seed", range(3))
def test_every_request_is_counted_once(rules, recorded, backtest, seed: int) -> None:
    """Whatever the requests are, and it comes to the same twice."""
    chance = random.Random(seed)

    def run() -> dict[str, object]:
        found = backtest(rules(NEW), rules(OLD))
        for number in range(200):
            found.add(
                recorded(
                    "word " * chance.randrange(40), id=f"r{number}",
                    requested_model=chance.choice(["m", "auto", "b/q"]),
                    outcome=chance.choice(["ok", "failed", "cached"]), cache=chance.choice(["hit", "miss", None]),
                    layer=chance.choice(["route", "exact_cache", "default"]), input_tokens=chance.choice([None, 5]),
                )
            )  # fmt: skip
        report = found.report(median_of)
        assert report.elsewhere + report.same + report.unknown_requests == report.requests == 200
        assert sum(one.requests for one in report.moves) == report.elsewhere
        return report.as_json()

    state = chance.getstate()
    first = run()
    chance.setstate(state)
    assert run() == first
