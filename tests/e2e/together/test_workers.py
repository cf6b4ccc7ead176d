"""Two workers of one machine: a breaker that one opens is open for both, and a person's reset closes it in both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from switchman.addons.store.access.opening import open_access
from switchman.addons.testing import Behaviour, FakeUpstream
from tests.e2e.conftest import wait_until

ROUTES = """
servers:
  up: {{url: "{url}", dialect: openai}}
  spare: {{url: "{spare}", dialect: openai}}
aliases: {{both: {{instances: [up/gpt, spare/gpt]}}}}
"""


def test_both_leave_alone_what_failed_for_one(
    start: Callable[..., Any], upstream: FakeUpstream, upstream_factory: Callable[..., FakeUpstream], tmp_path: Path
) -> None:
    """One request fails, with Retry-After; then no worker asks the server, until a reset; then both do."""
    spare = upstream_factory(name="spare")
    env = {"DB_PATH": str(tmp_path / "requests.db")}
    one, two = (start(ROUTES.format(url=upstream.url, spare=spare.url), env) for _ in range(2))

    def target(proxy: Any) -> str:
        found = proxy.chat("both")
        assert found.status_code == 200
        return str(found.headers["x-switchman-target"])

    assert target(one) == target(two) == "up/gpt"
    upstream.default = Behaviour(status=503, headers={"retry-after": "600"})
    try:
        assert target(one) == "spare/gpt"

        def leaves_it_alone() -> bool:
            """Whether the second worker has been told: it asks it at most until then."""
            before = len(upstream.inferences)
            assert target(two) == "spare/gpt"
            return len(upstream.inferences) == before

        wait_until(leaves_it_alone, "the other worker to know it")
    finally:
        upstream.default = Behaviour()
    access = open_access(None, env["DB_PATH"])
    try:
        access.resets.ask("up")
    finally:
        access.close()
    for proxy in (one, two):
        wait_until(lambda p=proxy: target(p) == "up/gpt", "the reset")  # type: ignore[misc]
