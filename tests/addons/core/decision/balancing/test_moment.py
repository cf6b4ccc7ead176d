"""The moment of a decision: without one, as in a dry run, nothing is known and every turn is the first."""

from __future__ import annotations

from switchman.addons.core.decision.balancing.moment import NO_MOMENT


def test_of_no_moment_nothing_is_known() -> None:
    """A dry run says the same each time."""
    assert (dict(NO_MOMENT.keys), dict(NO_MOMENT.homes), NO_MOMENT.goes_on) == ({}, {}, False)
    assert [NO_MOMENT.turn("alias chat") for _ in range(3)] == [0, 0, 0]
    assert (NO_MOMENT.live.ttft_ms("a/m"), NO_MOMENT.live.in_flight("a/m")) == (None, 0)
