"""What the log keeps of a request: the strictest of setting, file, token, rule and servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from switchman.addons.config.settings import Settings
from switchman.addons.core.access.caller import Caller
from switchman.addons.core.access.capturing import Captured
from switchman.addons.core.routes.plan import Candidate, Plan
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset
from switchman.addons.flow.exchange import Attempt, Exchange
from switchman.addons.state.access.capturing import UNTOLD, Capturing

RULES = """
servers:
  open: {url: "http://localhost:1"}
  closed: {url: "http://localhost:2", capture: metadata}
routes:
  - {name: tidy, match: {model: m}, route: {upstream: open, capture: redacted}}
  - {name: tidy, match: {model: n}, route: {upstream: open}}
capture: {redact: [email, "/ORD-[0-9]+/"]}
"""


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return parse_ruleset(RULES, "routes.yaml", Settings())


def request(
    rules: Ruleset, servers: Sequence[str], route: str = "", caller: Caller | None = None, tried: int = 0
) -> Exchange:
    x = Exchange("id", 1.0, 1.0, "127.0.0.1", caller=caller)
    candidates = tuple(Candidate(rules.servers[name], "m") for name in servers)
    x.plan = Plan(candidates, "route", route)
    x.attempts = [Attempt(n, one, one.target, "http://x", 1.0, 1.0) for n, one in enumerate(candidates[:tried], 1)]
    return x


@pytest.mark.parametrize(("setting", "given", "found"), [
    ("full", {"servers": ["open"]}, Captured()),
    ("redacted", {"servers": ["open"]}, Captured("redacted")),
    ("full", {"servers": ["open"], "route": "tidy"}, Captured("redacted", "rule tidy")),
    ("full", {"servers": ["closed"]}, Captured("metadata", "server closed")),
    ("full", {"servers": ["open", "closed"]}, Captured()),
    ("full", {"servers": ["closed", "open"], "tried": 2}, Captured("metadata", "server closed")),
    ("redacted", {"servers": ["open"], "caller": Caller("1", "t", capture="full")}, Captured("redacted")),
    ("full", {"servers": ["open"], "caller": Caller("1", "t", capture="metadata")}, Captured("metadata", "token t")),
])  # fmt: skip
def test_the_strictest_that_applies_wins(rules: Ruleset, setting: Any, given: dict[str, Any], found: Captured) -> None:
    """A server counts once it was asked, or is the first to be."""
    x = request(rules, **given)
    assert Capturing(setting, None, lambda: rules).of(x) == found


def test_lines_of_the_log_and_paths_go_by_it(rules: Ruleset) -> None:
    """Full as it is, redacted without what is private, metadata without any of it."""
    capturing = Capturing("full", None, lambda: rules)
    said = "cannot read anna@example.org in ORD-77"
    modes = [request(rules, ["open"]), request(rules, ["open"], route="tidy"), request(rules, ["closed"])]
    assert [capturing.told(x, said) for x in modes] == [said, "cannot read [email] in [private]", UNTOLD]
    assert [capturing.path(x, "/v1/x?to=1 anna@example.org") for x in modes] == [
        "/v1/x?to=1 anna@example.org", "/v1/x?to=1 [email]", "/v1/x",
    ]  # fmt: skip
