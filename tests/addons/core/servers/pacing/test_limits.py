"""ServerLimits: whether anything of a server is counted."""

import pytest

from switchman.addons.core.servers.pacing.limits import ServerLimits


@pytest.mark.parametrize(
    ("limits", "counted"),
    [
        (ServerLimits(), False),
        (ServerLimits(queue_wait=1.0, wait_up_to=5.0), False),
        (ServerLimits(max_concurrent=1), True),
        (ServerLimits(rpm=1), True),
        (ServerLimits(tpm=1), True),
    ],
)
def test_what_has_a_limit_is_counted(limits: ServerLimits, counted: bool) -> None:
    """A queue alone is for what the server's answers tell."""
    assert limits.is_counted is counted
