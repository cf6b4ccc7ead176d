"""Counting, in bounded memory."""

from __future__ import annotations

from switchman.addons.core.decision.replaying import tally
from switchman.addons.core.decision.replaying.decided import Decided, Place
from switchman.addons.core.decision.replaying.prices import PriceTable
from switchman.addons.core.decision.replaying.tally import Tally


def to(server: str, model: str = "m", url: str = "", route: str = "") -> Decided:
    return Decided("target", Place(server, model, url or f"http://{server}"), "route", route or server)


def test_examples_come_from_every_move(rules, recorded) -> None:
    """One of each first, the largest move first."""
    counted = Tally(PriceTable((rules(),)), 4)
    for number in range(5):
        counted.add(recorded(id=f"b{number}"), to("a"), to("b"))
    counted.add(recorded(id="c"), to("a"), to("c"))
    report = counted.report(lambda place: None)
    assert [one.id for one in report.examples] == ["b0", "c", "b1", "b2"]
    assert [(one.after, one.requests) for one in report.moves] == [("b/m", 5), ("c/m", 1)]


def test_models_names_do_not_fill_the_memory(rules, recorded, monkeypatch) -> None:
    """Beyond so many places the others are one; nothing is lost of the count."""
    monkeypatch.setattr(tally, "MOST_PAIRS", 3)
    counted = Tally(PriceTable((rules(),)), 10)
    for number in range(10):
        counted.add(recorded(id=f"r{number}"), to("a"), to("b", f"m{number}", route=f"r{number}"))
        counted.add(recorded(id=f"s{number}"), to("a", f"m{number}"), to("a", f"m{number}"))
    report = counted.report(lambda place: 1.0)
    assert (report.elsewhere, report.same, len(report.moves)) == (10, 10, 3)
    assert report.moves[0].before == report.moves[0].after == "(others)" and report.moves[0].requests == 8
    assert len(report.hits) == 3 and len(report.no_price) == 3


def test_a_server_that_moved_is_another_place(rules, recorded) -> None:
    """Though it has the same name."""
    counted = Tally(PriceTable((rules(),)), 1)
    counted.add(recorded(), to("a"), to("a", url="http://elsewhere"))
    report = counted.report(lambda place: 7.0 if place.url == "http://a" else None)
    assert [(one.before, one.after) for one in report.moves] == [("a/m", "a/m")]
    assert report.no_median == {"a/m": 1} and report.latency.of == 0
