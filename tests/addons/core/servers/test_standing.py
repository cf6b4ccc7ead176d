"""How breakers stand, as workers tell each other: whole or not at all, and counts only of those that know as much."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.servers.standing import LONGEST, Elsewhere, Standing, pack, together, unpack

TOLD = {
    "": Standing(),
    "up/m": Standing(1_700_000_000_123, True, 12.345, 30.0, 5, 9, True),
    "up/\u6a21": Standing(1 << 53, False, 0.0, LONGEST, 0, 1, False),
}


def test_what_is_told_is_what_is_heard() -> None:
    """Through JSON, to the millisecond."""
    assert unpack(json.loads(json.dumps(pack(TOLD)))) == TOLD


@pytest.mark.parametrize(
    "values",
    [
        None, 7, [], [1, 1, 2, 3, 4, 5], [1, 1, 2, 3, 4, 5, 0, 0], [1, 1, "2", 3, 4, 5, 0], [1, 1, -2, 3, 4, 5, 0],
        [1, 1, float("nan"), 3, 4, 5, 0], [1, 1, float("inf"), 3, 4, 5, 0], [2**60, 1, 2, 3, 4, 5, 0], {"a": 1},
        [10**400, 1, 2, 3, 4, 5, 0], [1, 1, 2, 3, 10**400, 5, 0],
    ],
)  # fmt: skip
def test_what_is_no_standing_says_nothing(values: Any) -> None:
    """The others beside it count all the same."""
    good = [1, 1, 2, 3, 4, 5, 0]
    assert unpack({"bad": values, "good": good}) == {"good": Standing(1, True, 2.0, 3.0, 4, 5, False)}
    assert unpack(values) == {}


def test_nobody_makes_a_target_rest_for_longer_than_a_server_may() -> None:
    """Whatever a note says."""
    assert unpack({"t": [1, 1, 1e9, 1e9, 0, 0, 0]})["t"] == Standing(1, True, LONGEST, LONGEST)


def test_counts_add_up_over_those_that_know_the_last_change() -> None:
    """Failures of before a probe went well are no failures any more."""
    told = [
        {"t": Standing(7, failures=2, requests=3), "new": Standing(failures=1, requests=1)},
        {"t": Standing(7, failures=1, requests=4, probing=True), "new": Standing(failures=2, requests=2)},
        {"t": Standing(6, failures=50, requests=50)},
        {"t": Standing(8, failures=50, requests=50)},
    ]
    assert together(told, {"t": 7}) == {"t": Elsewhere(7, 3, 7, True), "new": Elsewhere(0, 3, 3, False)}
