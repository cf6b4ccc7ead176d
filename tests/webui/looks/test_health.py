"""How a server is, in a word, and its sparkline."""

from __future__ import annotations

import pytest

from switchman.addons.core.record import Resting
from switchman.addons.store.figures.reading import Figures
from switchman.addons.store.reading.servers import ServerNews
from switchman.webui.looks.health import SPAN, healths, sparkline

NOW = 1_000_000.0
LAST = int(NOW // SPAN) * SPAN


def resting(state: str) -> ServerNews:
    return ServerNews(resting=(Resting("a/m", "a", state, NOW + 9),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("news", "requests", "errors", "word"),
    [
        (ServerNews(), 0, 0, "not asked"),
        (ServerNews(), 100, 9, "answering"),
        (ServerNews(), 100, 10, "some errors"),
        (ServerNews(), 100, 50, "failing"),
        (resting("open"), 100, 0, "resting"),
        (resting("half_open"), 0, 0, "on trial"),
    ],
)
def test_a_server_in_a_word(news: ServerNews, requests: int, errors: int, word: str) -> None:
    """A breaker says more than the share of errors; what nobody asked is neither well nor ill."""
    along = {(LAST, "a"): Figures(requests=requests, errors=errors)} if requests else {}
    (found,) = healths(["a"], {"a": news}, along, NOW)
    assert (found.word, found.hour.requests) == (word, requests)


def test_what_is_wrong_stands_first() -> None:
    """Then by name. What is older than an hour is not looked at."""
    along = {
        (LAST, "well"): Figures(requests=9),
        (LAST - SPAN, "ill"): Figures(requests=9, errors=9),
        (LAST - 12 * SPAN, "idle"): Figures(requests=9, errors=9),
    }
    assert [one.name for one in healths(["idle", "well", "ill"], {}, along, NOW)] == ["ill", "well", "idle"]


def test_a_sparkline_has_gaps_where_nothing_is_known() -> None:
    """It goes from zero to the largest value; a single point is seen, too."""
    assert sparkline([None, None]) == []
    first, second = sparkline([0.0, 10.0, None, 5.0])
    assert first == "0.0,22.0 40.0,2.0"
    assert second == "120.0,12.0 122.0,12.0"
