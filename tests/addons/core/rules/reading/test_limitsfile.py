"""A server's limits as they are written: what is right, what is not, and where."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.servers.pacing.limits import ServerLimits


@pytest.mark.parametrize(
    ("written", "limits"),
    [
        ("", None),
        ("max_concurrent: 4", ServerLimits(max_concurrent=4)),
        ("rpm: 60, tpm: 1000", ServerLimits(rpm=60, tpm=1000)),
        ("queue: {}", ServerLimits()),
        ("queue: {size: 0, wait: 2m}, max_concurrent: 1", ServerLimits(1, queue_size=0, queue_wait=120.0)),
        ("wait_up_to: 5s", ServerLimits(wait_up_to=5.0)),
        ("wait_up_to: 0", ServerLimits()),
    ],
)
def test_what_is_said_is_what_holds(written: str, limits: ServerLimits | None, rules: Any) -> None:
    """Where nothing is said, nothing is counted."""
    assert rules(f"servers: {{s: {{url: 'http://h', {written}}}}}").servers["s"].limits == limits


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("max_concurrent: 0", "servers.s.max_concurrent: expected 1 or more"),
        ("rpm: -1", "servers.s.rpm: expected 1 or more"),
        ("tpm: many", "servers.s.tpm: "),
        ("queue: {size: -1}", "servers.s.queue.size: expected 0 or more"),
        ("queue: {wait: soon}", "servers.s.queue.wait: expected a time such as 90s"),
        ("queue: {length: 3}", "servers.s.queue"),
        ("wait_up_to: 4000", "servers.s.wait_up_to: expected 3600.0 or less"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(written: str, message: str, faults: Any) -> None:
    """By line and by key."""
    (problem,) = faults(f"servers:\n  s:\n    url: http://h\n    {written}\n")
    assert problem.startswith("r.yaml:4:") and message in problem
