"""Which statuses fail over, and how Retry-After is read."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchman.addons.core.servers.retry import parse_retry_after, retriable_statuses

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 529])
def test_transient_statuses_let_the_next_candidate_try(status: int) -> None:
    """The statuses of FIELD section 3."""
    assert status in retriable_statuses(SimpleNamespace(retry_on=frozenset()))


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 405, 413, 422, 501])
def test_all_others_are_the_answer(status: int) -> None:
    """A 400 tried elsewhere is a 400 elsewhere; a wrong key or a missing model needs the server's own consent."""
    assert status not in retriable_statuses(SimpleNamespace(retry_on=frozenset()))


def test_a_server_may_opt_in() -> None:
    """`retry_on: [404]` adds that status for that server only."""
    statuses = retriable_statuses(SimpleNamespace(retry_on=frozenset({404})))
    assert 404 in statuses
    assert 403 not in statuses


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"Retry-After": " 7 "}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:30 GMT"}, 30.0),
        ({"retry-after": "Wed, 31 Dec 2025 23:00:00 GMT"}, 0.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
    ],
)
def test_reads_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, milliseconds or a date; what cannot be read is as if it were not there."""
    assert parse_retry_after(headers, NOW) == seconds


@given(st.text(max_size=40))
def test_any_value_is_harmless(value: str) -> None:
    """An upstream's header gives None or a number of seconds that is not negative."""
    seconds = parse_retry_after({"retry-after": value}, NOW)
    assert seconds is None or seconds >= 0
