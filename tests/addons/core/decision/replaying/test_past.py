"""Latencies and health of then."""

from __future__ import annotations

from switchman.addons.core.decision.replaying import past
from switchman.addons.core.decision.replaying.past import PastFigures
from switchman.addons.state import live


def test_it_looks_at_as_much_as_the_proxy_does() -> None:
    """The figures of state/live.py."""
    assert (past.WINDOW, past.MOST_SAMPLES, past.MOST_TARGETS) == (live.WINDOW, live.MAX_SAMPLES, live.MAX_TARGETS)
    assert (past.YELLOW, past.RED) == (live.YELLOW, live.RED)


def test_only_what_had_ended_counts(recorded) -> None:
    """And only what ended in the last five minutes."""
    figures = PastFigures()
    for number in range(20):
        figures.note(recorded(id=f"r{number}", started_at=float(number), duration_ms=100.0 * (number + 1)))
    figures.at(0.05)
    assert figures.p95_ms("a/m") is None and figures.health("a") is None
    figures.at(100.0)
    assert figures.p95_ms("a/m") == 1900.0  # the 19th of 20
    assert figures.p95_ms("a/other") is None and figures.health("a") == "green"
    figures.at(400.0)
    assert figures.p95_ms("a/m") is None and figures.health("a") is None


def test_failures_by_the_servers_fault_make_it_ill(recorded) -> None:
    """A 400 is the client's; one of ten makes yellow, half of them red."""
    figures = PastFigures()
    for number in range(9):
        figures.note(recorded(id=f"r{number}"))
    figures.note(recorded(id="bad", status=400, outcome="upstream_error"))
    figures.at(recorded().started_at + 5)
    assert figures.health("a") == "green"
    figures.note(recorded(id="r9", status=503, outcome="upstream_error"))
    figures.at(recorded().started_at + 5)
    assert figures.health("a") == "yellow"
    for number in range(8):
        figures.note(recorded(id=f"f{number}", status=504, outcome="failed"))
    figures.at(recorded().started_at + 5)
    assert figures.health("a") == "red"
