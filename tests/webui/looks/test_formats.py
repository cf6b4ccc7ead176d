"""Numbers as people read them."""

from __future__ import annotations

import pytest

from switchman.webui.looks import formats
from switchman.webui.looks.palette import COLOURS, SHAPES, mark, marks


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0 ms"),
        (0.01, "<0.1 ms"),
        (0.4, "0.4 ms"),
        (12.3, "12 ms"),
        (999.4, "999 ms"),
        (999.6, "1.0 s"),
        (1310, "1.3 s"),
        (59_940, "59.9 s"),
        (59_960, "1 min"),
        (125_000, "2 min 5 s"),
        (3_720_000, "1 h 2 min"),
        (7_200_000, "2 h"),
    ],
)
def test_durations(milliseconds: float, text: str) -> None:
    """The unit fits the length, also at the borders between two."""
    assert formats.duration(milliseconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (12_400, "12.4k"), (999_949, "999.9k"), (999_950, "1.0M")],
)
def test_counts(number: int, text: str) -> None:
    """Zero is shown as zero, thousands with a k."""
    assert formats.count(number) == text


@pytest.mark.parametrize(
    ("microdollars", "text"),
    [
        (0, "$0"),
        (1, "$0.000001"),
        (713, "$0.000713"),
        (999_999, "$0.999999"),
        (1_250_000, "$1.25"),
        (10**10, "$10,000.00"),
    ],
)
def test_money(microdollars: int, text: str) -> None:
    """Small amounts with all digits, since they are what a request costs."""
    assert formats.money(microdollars) == text


@pytest.mark.parametrize(
    "form", [formats.duration, formats.count, formats.rate, formats.share, formats.size, formats.money]
)
def test_what_is_not_known_is_a_dash_that_says_so(form) -> None:
    """Never a zero, and a tooltip for the dash."""
    assert form(None) == '<span class="unknown" title="unknown">–</span>'


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "now"), (1.9, "now"), (12, "12 s ago"), (3599, "59 min ago"), (7200, "2 h ago"), (200_000, "2 d ago")],
)
def test_times_ago(seconds: float, text: str) -> None:
    """A clock that runs ahead is now, not the future."""
    assert formats.ago(1_000_000 - seconds, 1_000_000) == text


def test_the_exact_time_is_utc() -> None:
    """With milliseconds, for the tooltip and for machines."""
    assert formats.utc(1_769_860_800.1234) == "2026-01-31 12:00:00.123 UTC"
    assert formats.iso(1_769_860_800.1234) == "2026-01-31T12:00:00.123Z"


def test_a_model_keeps_its_colour_and_shape() -> None:
    """The mark depends on the name alone, so it is the same on every page and after every start."""
    assert mark("llama3-8b") == mark("llama3-8b") == (1, "triangle-up")
    marks = {mark(f"model-{number}") for number in range(1000)}
    assert len(marks) == COLOURS * len(SHAPES)


@pytest.mark.parametrize("name", [None, "", "\ud800", "模型"])
def test_every_name_has_a_mark(name: str | None) -> None:
    """Also no name, and text that is no UTF-8."""
    assert mark(name).shape in SHAPES


@pytest.mark.parametrize("models", [
    ("llama3:8b", "qwen3:32b", "claude-sonnet", "gpt-5"),
    tuple(f"model-{at}" for at in range(COLOURS)),
    tuple(f"model-{8 * at}" for at in range(COLOURS)),
])  # fmt: skip
def test_models_that_are_shown_together_have_colours_of_their_own(models: tuple[str, ...]) -> None:
    """As long as there are enough, in whatever order they come."""
    found = marks(models)
    assert len({one.colour for one in found.values()}) == len(models)
    assert marks(reversed(models)) == found


def test_more_models_than_colours_are_told_apart_by_their_shape() -> None:
    found = marks(f"m{at}" for at in range(COLOURS * len(SHAPES)))
    assert len(set(found.values())) == COLOURS * len(SHAPES)
