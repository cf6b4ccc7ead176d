"""Conditions by which a back-test fails."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchman.addons.core.decision.replaying.criteria import FIGURES, parse
from switchman.addons.core.decision.replaying.report import Pair, Report


def build_report(**changes: object) -> Report:
    """Of 200 requests: they cost $10, and then $11; they took a second, and then half of one."""
    known = {
        "requests": 200, "left_out": {}, "elsewhere": 20, "same": 176, "fallbacks": 0, "unknown": {"body": 4},
        "refused": Pair(1, 3, 200), "cache_hits": Pair(0, 0, 200), "cache_unknown": 0,
        "cost": Pair(10_000_000, 11_000_000, 150), "no_tokens": 0, "no_price": {}, "latency": Pair(1000.0, 500.0, 150),
        "no_median": {}, "moves": (), "examples": (), "hits": (), "first": 0.0, "last": 1.0, "unpriced": 30,
        "untimed": 0,
    }  # fmt: skip
    return Report(**(known | changes))


@pytest.mark.parametrize(
    ("text", "met", "found"),
    [
        ("cost > +5%", True, "+10%"),
        ("cost>5%", True, "+10%"),
        ("cost > +10%", False, "+10%"),
        ("cost >= +10%", True, "+10%"),
        ("cost < -1%", False, "+10%"),
        ("cost > +$0.5", True, "+$1"),
        ("cost > 12", False, "$11"),
        ("Cost > $10.999999", True, "$11"),
        ("latency > +0%", False, "-50%"),
        ("latency <= -50%", True, "-50%"),
        ("latency > 499ms", True, "500 ms"),
        ("latency > 0.5s", False, "500 ms"),
        ("latency < -400ms", True, "-500 ms"),
        ("elsewhere > 10%", False, "10%"),
        ("elsewhere >= 10 %", True, "10%"),
        ("elsewhere > 19", True, "20"),
        ("unknown > 1%", True, "2%"),
        ("refused > +1", True, "+2"),
        ("refused > +100%", True, "+200%"),
        ("refused > 3", False, "3"),
        ("cache_hits < +0", False, "+0"),
        ("cache_hits < -5%", False, "+0%"),
        ("unpriced > 15%", False, "15%"),
        ("untimed > 0", False, "0"),
        ("requests < 1000", True, "200"),
    ],
)
def test_each_kind_of_condition(text: str, met: bool, found: str) -> None:
    """Changes, shares, and figures as they are; what is compared is told."""
    (judged,) = [one.judge(build_report()) for one in parse(text)]
    assert (judged.met, judged.found, judged.text) == (met, found, text.strip())


def test_what_is_not_known_fails() -> None:
    """No price, no promise; from nothing to something is more than any percentage."""
    nothing = build_report(cost=Pair(None, None))
    for text in ("cost > +5%", "cost < 0", "cost > +$1"):
        (judged,) = [one.judge(nothing) for one in parse(text)]
        assert judged.met and "not known" in judged.found
    (judged,) = [one.judge(build_report(cost=Pair(0, 5, 1))) for one in parse("cost > +900%")]
    assert judged.met and judged.found == "from nothing to something"
    (judged,) = [one.judge(build_report(requests=0, elsewhere=0)) for one in parse("elsewhere > 1%")]
    assert not judged.met


def test_several_at_once() -> None:
    """With commas between."""
    assert [one.figure for one in parse("cost > +5%, latency > +20% ,unknown>3")] == ["cost", "latency", "unknown"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no condition"),
        ("cost > +5%,", "is no condition"),
        ("cost", "is no condition"),
        ("cost = 5", "is no condition"),
        ("cost > 1e9", "is no condition"),
        ("cost > nan", "is no condition"),
        ("__import__('os') > 1", "is no condition"),
        ("price > 5", "there is no figure 'price'; there are cost, latency"),
        ("cost > 5s", "cost is compared with dollars"),
        ("latency > $5", "latency is compared with a duration"),
        ("latency > 5", "latency is compared with a duration"),
        ("elsewhere > 5ms", "elsewhere is compared with a number"),
        ("elsewhere > +5%", "elsewhere has no before"),
        ("unknown > +5", "unknown has no before"),
    ],
)
def test_anything_else_is_refused(text: str, told: str) -> None:
    """With what would be right."""
    with pytest.raises(ValueError, match=told.replace("(", r"\(")):
        parse(text)


@given(st.text(max_size=60), st.sampled_from(sorted(FIGURES)))
def test_no_text_does_more_than_be_refused(text: str, figure: str) -> None:
    """Nothing is evaluated, whatever is written."""
    for said in (text, f"{figure} > {text}"):
        try:
            found = parse(said)
        except ValueError:
            continue
        assert all(one.judge(build_report()).met in (True, False) for one in found)
