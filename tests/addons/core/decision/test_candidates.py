"""From instances to candidates: names that stay as the client wrote them, and text that can be shown."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from switchman.addons.core.decision.candidates import shown
from switchman.addons.core.decision.decide import RoutingQuery, decide
from switchman.addons.core.rules.ruleset import parse_ruleset

ENVIRONMENT = SimpleNamespace(
    default_upstream="http://localhost:8000", default_upstream_set=True, model_map={"old": "new"}, request_timeout=1.0,
    strip_thinking=True, strip_json_markdown=False, disable_thinking=False,
)  # fmt: skip
RULES = parse_ruleset(
    'servers: {s: "http://s"}\nroutes: [{match: {model: kept}, route: {upstream: s}}]', "r", ENVIRONMENT
)


@pytest.mark.parametrize(
    ("model", "there"), [("kept", ""), ("kept:latest", ""), ("old", "new"), ("s/m", "m"), ("m", "")]
)
def test_a_candidate_has_a_name_only_where_it_differs(model: str, there: str) -> None:
    """What the client wrote is then sent as it is, to the byte."""
    (candidate,) = decide(RoutingQuery(model, dialect="openai"), RULES).candidates
    assert candidate.model == there


def test_a_clients_text_is_shown_bounded_and_visible() -> None:
    """Nothing, much, and what no terminal should get."""
    assert (shown(""), shown("a"), len(shown("a" * 999)), shown("a\x1b")) == ("(nothing)", "a", 83, "'a\\x1b'")
