"""Filters as they come from a query string."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from switchman.addons.store.reading.filters import Filters, parse_time


def utc(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31", utc(2026, 1, 31)),
        ("20260131", utc(2026, 1, 31)),
        ("2026-01-31T12:30", utc(2026, 1, 31, 12, 30)),
        ("2026-01-31 12:30:15", utc(2026, 1, 31, 12, 30, 15)),
        ("2026-01-31T12:30Z", utc(2026, 1, 31, 12, 30)),
        ("2026-01-31T12:30+02:00", utc(2026, 1, 31, 10, 30)),
        ("1700000000.5", 1_700_000_000.5),
        ("0", 0.0),
    ],
)
def test_times(text: str, moment: float) -> None:
    """ISO 8601, UTC unless it says otherwise, or epoch seconds."""
    assert parse_time(text) == moment


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2026-01-31", utc(2026, 2, 1)),
        ("2026-01-31T12", utc(2026, 1, 31, 13)),
        ("2026-01-31T12:00", utc(2026, 1, 31, 12, 1)),
        ("2026-01-31 12:00Z", utc(2026, 1, 31, 12, 1)),
        ("2026-01-31T12:00+02:00", utc(2026, 1, 31, 10, 1)),
        ("2026-01-31T12:00:05", utc(2026, 1, 31, 12, 0, 6)),
        ("2026-01-31T12:00:05.25", utc(2026, 1, 31, 12, 0, 5) + 0.26),
        ("1700000000", 1_700_000_001.0),
    ],
)
def test_to_includes_what_it_names(text: str, end: float) -> None:
    """A day, an hour, a minute, a second or a part of one, as it is written: "until 12:00" has 12:00 in it."""
    assert Filters.parse({"from": text, "to": text}).end == pytest.approx(end, abs=1e-6)
    assert Filters.parse({"from": text}).start == parse_time(text) < end


def test_to_with_a_fraction_includes_that_moment() -> None:
    """Epoch seconds as a row has them: that row is within."""
    assert 1_700_000_000.5 < (Filters.parse({"to": "1700000000.5"}).end or 0) < 1_700_000_000.51


def test_what_is_empty_or_unknown_is_left_out() -> None:
    """A form sends empty fields; a link may carry other things."""
    assert Filters.parse({"model": " ", "server": " a ", "page": "2", "status": ""}) == Filters(server="a")


@pytest.mark.parametrize(
    "values", [{"from": "yesterday"}, {"to": "9" * 400}, {"from": "2026-13-01"}, {"status": "4x"}, {"status": "٤٠٤"}]
)
def test_nonsense_is_explained(values: dict[str, str]) -> None:
    """A bad value raises ValueError with a sentence that names it."""
    with pytest.raises(ValueError, match=r"is (not a time|neither a code)"):
        Filters.parse(values)
