"""The address bar as a query."""

from __future__ import annotations

import pytest
from flask import Flask

from switchman.webui.view import RANGES, parse_view

NOW = 1_000_000.0


def test_an_address_without_filters_is_the_last_day() -> None:
    """The range is counted back from now, and begins with a minute; nothing is narrowed."""
    view = parse_view({}, NOW)
    assert (view.range, view.filters.start, view.filters.end, view.narrowed) == (
        "24h",
        (NOW - 86_400) // 60 * 60,
        None,
        False,
    )


def test_a_long_range_begins_with_an_hour() -> None:
    """Figures of a week are by the hour: no row has to be read for a part of one. It is never shorter than it says."""
    for name, whole in (("15m", 60), ("6h", 60), ("24h", 60), ("7d", 3600)):
        start = parse_view({"range": name}, NOW).filters.start
        assert start is not None and start % whole == 0 and 0 <= NOW - (RANGES[name][1] or 0) - start < whole


def test_all_time_has_no_start() -> None:
    """`range=all` leaves the time out."""
    assert parse_view({"range": "all"}, NOW).filters.start is None


def test_an_own_time_is_kept_and_a_chosen_range_replaces_it() -> None:
    """A day in the address is a custom range, until the menu says otherwise."""
    own = parse_view({"from": "2026-01-30", "to": "2026-01-31"}, NOW)
    assert own.range == "custom" and own.filters.end == 1_769_904_000.0  # the end of that day
    assert parse_view({"from": "2026-01-30", "range": "1h"}, NOW).filters.start == (NOW - 3600) // 60 * 60


def test_the_address_of_a_neighbouring_view_keeps_the_filters() -> None:
    """Changes are laid over the filters; empty ones and the default range are left out."""
    app = Flask(__name__)
    app.add_url_rule("/requests", endpoint="live.index")
    view = parse_view({"model": "a&b", "range": "1h", "text": "  "}, NOW)
    with app.test_request_context():
        assert view.url("live.index", outcome="error") == "/requests?model=a%26b&range=1h&outcome=error"
        assert view.url("live.index", model="", range="24h") == "/requests"


@pytest.mark.parametrize("values", [{"range": "3y"}, {"status": "abc"}, {"from": "yesterday"}])
def test_what_cannot_be_read_is_said(values) -> None:
    """A ValueError that names the value."""
    with pytest.raises(ValueError, match=r"3y|abc|yesterday"):
        parse_view(values, NOW)
