"""When a process that died is started again."""

from __future__ import annotations

from switchman.addons.serving.restarts import MOST_QUICK_DEATHS, QUICK, Restarts


def test_the_first_restart_comes_at_once_then_slower_and_slower() -> None:
    """Quick deaths in a row wait 0, 0.5, 1, 2 seconds, and the fifth is the last."""
    restarts = Restarts()
    assert [restarts.pause(lived=0.1) for _ in range(MOST_QUICK_DEATHS)] == [0.0, 0.5, 1.0, 2.0, None]


def test_a_good_run_starts_the_count_anew() -> None:
    """A process that lived long enough is restarted at once, however often it died before."""
    restarts = Restarts()
    for _ in range(MOST_QUICK_DEATHS - 1):
        restarts.pause(lived=0.1)
    assert restarts.pause(lived=QUICK) == 0.0
    assert restarts.pause(lived=0.1) == 0.0
