"""Calendar days and months, in a time zone: when a budget begins anew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from math import floor

from switchman.addons.core.access.caller import Period


@dataclass(frozen=True, slots=True)
class Span:
    """One day or month. `label`: `2026-11-30` or `2026-11`. `begins`, `ends`: epoch seconds; the end is the next one's
    beginning."""

    label: str
    begins: float
    ends: float


class Calendar:
    """Days and months of one time zone."""

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone
        self._latest: dict[Period, Span] = {}  # those that were asked for last: they are asked for with each request

    def span(self, period: Period, now: float) -> Span:
        """The day or month that `now` (epoch seconds) is in. A day of a change of the clocks has 23 or 25 hours."""
        span = self._latest.get(period)
        if span is None or not span.begins <= now < span.ends:
            span = self._latest[period] = _span(period, now, self.zone)
        return span


def _span(period: Period, now: float, zone: tzinfo) -> Span:
    here = datetime.fromtimestamp(floor(now), zone)  # it rounds, and may round up to the next day
    first = here.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if period == "day":
        following = first + timedelta(days=1)
        label = f"{here:%Y-%m-%d}"
    else:
        first = first.replace(day=1)
        following = (first + timedelta(days=32)).replace(day=1)
        label = f"{here:%Y-%m}"
    return Span(label, _instant(first, zone), _instant(following, zone))


def _instant(wall: datetime, zone: tzinfo) -> float:
    """When a clock on the wall first shows a time, or jumps over it (as some zones do at midnight)."""
    at = wall.replace(tzinfo=zone)
    there = at.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    if there == wall:
        return at.timestamp()
    # In the gap: with fold=0 the offset is the one from before it, so the instant lies behind the jump by as much as
    # the wall's time lies within the gap; the day begins at the jump.
    low, high = at.timestamp() - 86_400, at.timestamp()
    while high - low > 0.5:
        middle = (low + high) / 2
        if datetime.fromtimestamp(middle, zone).replace(tzinfo=None) < wall:
            low = middle
        else:
            high = middle
    return float(round(high))
