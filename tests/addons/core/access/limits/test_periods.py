"""Days and months begin when a calendar on the wall says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.access.caller import Period
from switchman.addons.core.access.limits.periods import Calendar

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/Sao_Paulo",
    "America/Havana",
    "Asia/Kolkata",
    "Pacific/Apia",
    "Australia/Lord_Howe",
]


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("zone", "now", "label", "hours"),
    [
        ("UTC", "2026-11-30T23:59:59", "2026-11-30", 24),
        ("Europe/Berlin", "2026-03-29T12:00", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25T12:00", "2026-10-25", 25),
        ("America/New_York", "2026-11-01T00:30", "2026-11-01", 25),
        ("America/Sao_Paulo", "2018-11-04T12:00", "2018-11-04", 23),  # midnight itself was jumped over
        ("America/Havana", "2026-03-08T12:00", "2026-03-08", 23),
    ],
)
def test_a_day_is_as_long_as_the_clocks_make_it(zone: str, now: str, label: str, hours: int) -> None:
    """Days of a change of the clocks have 23 or 25 hours."""
    span = Calendar(ZoneInfo(zone)).span("day", at(now, zone))
    assert (span.label, span.ends - span.begins) == (label, hours * 3600)


@pytest.mark.parametrize(
    ("now", "label", "begins", "ends"),
    [
        ("2026-12-31T23:30", "2026-12", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("2028-02-29T12:00", "2028-02", "2028-02-01T00:00", "2028-03-01T00:00"),
        ("2026-01-01T00:00", "2026-01", "2026-01-01T00:00", "2026-02-01T00:00"),
    ],
)
def test_a_month_is_a_calendar_month(now: str, label: str, begins: str, ends: str) -> None:
    """A month ends where the next one begins."""
    span = Calendar(ZoneInfo("Europe/Berlin")).span("month", at(now, "Europe/Berlin"))
    assert (span.label, span.begins, span.ends) == (label, at(begins, "Europe/Berlin"), at(ends, "Europe/Berlin"))


def test_the_same_moment_is_another_day_elsewhere() -> None:
    """The zone decides."""
    now = at("2026-11-30T23:30")
    assert Calendar(UTC).span("day", now).label == "2026-11-30"
    assert Calendar(ZoneInfo("Asia/Kolkata")).span("day", now).label == "2026-12-01"


@settings(max_examples=60)
@given(st.floats(at("1990-01-01"), at("2040-01-01")), st.sampled_from(ZONES), st.sampled_from(["day", "month"]))
def test_periods_follow_each_other_without_a_gap(now: float, zone: str, period: Period) -> None:
    """Each moment lies in the period that is found for it, and the next one begins where that ends."""
    calendar = Calendar(ZoneInfo(zone))
    span = calendar.span(period, now)
    assert span.begins <= now < span.ends
    following = calendar.span(period, span.ends)
    assert following.begins == span.ends and following.label > span.label
    before = calendar.span(period, span.begins - 0.5)
    assert before.ends == span.begins and before.label < span.label
    assert span.ends - span.begins <= timedelta(days=32).total_seconds()
