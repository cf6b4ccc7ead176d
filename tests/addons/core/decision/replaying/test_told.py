"""A report at a terminal."""

from __future__ import annotations

from dataclasses import replace

from switchman.addons.core.decision.replaying.report import Pair
from switchman.addons.core.decision.replaying.told import duration, money, percent, told

PRICES = "models: {a/m: {input_cost: 2, output_cost: 10}, b/m: {input_cost: 1, output_cost: 5}}\n"


def report_of(rules, recorded, backtest, **more):
    old, new = (rules(f"{PRICES}routes: [{{match: {{model: m}}, route: {{upstream: {at}}}}}]") for at in ("a", "b"))
    found = backtest(new, old)
    found.add(recorded(**more))
    return found.report(lambda server, model: 250.0 if server == "a" else 500.0, names=("old.yaml", "new.yaml"))


def test_the_figures_stand_in_columns(rules, recorded, backtest) -> None:
    """Before, after, the change, and of how many requests; then what moved, and what is assumed."""
    lines = told(report_of(rules, recorded, backtest)).splitlines()
    assert "go elsewhere            1   100.0%" in lines
    assert "cost                 $0.003      $0.0015     -50.0%   1" in lines
    assert "latency              250 ms       500 ms    +100.0%   1" in lines
    assert "a/m                        b/m                              1   -50.0%  +100.0%" in lines
    assert "    a/m (route route 1) -> b/m (route route 1)" in lines
    assert lines[-4] == "assumed"


def test_no_line_is_wider_than_a_terminal(rules, recorded, backtest) -> None:
    """Whatever the names; what is not printable is not printed."""
    report = report_of(rules, recorded, backtest, id="x" * 100)
    far = "server/" + "a-long-name-" * 20
    evil = "a\x1b[31m\nb"
    moves = tuple(replace(report.moves[0], before=name, after=far) for name in (far, evil, "a/m") * 10)
    example = replace(report.examples[0], before=far, after=evil, model=far)
    report = replace(
        report, moves=moves, examples=(example,), names=(far, evil), no_price={far: 2, evil: 1}, stopped="word " * 30,
        unknown={"body": 1}, left_out={"answered by the router": 3}, no_tokens=1, redacted=1, cache_unknown=1,
    )  # fmt: skip
    text = told(report)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text and "and 10 more; --json has them" in text
    assert "3 left out: answered by the router" in text


def test_figures_in_words() -> None:
    """What is not known is a question mark, never a zero."""
    assert [percent(Pair(*pair)) for pair in ((100, 150), (100, 100), (0, 5), (None, 5), (1, 20), (4, 3))] == [
        "+50.0%", "0%", "new", "?", "+1,900%", "-25.0%",
    ]  # fmt: skip
    assert [money(one) for one in (None, 0, 1_234, 1_234_567_890)] == ["?", "$0.00", "$0.001234", "$1,234.57"]
    assert [duration(one) for one in (None, 12.4, 12_345.0)] == ["?", "12 ms", "12.3 s"]
