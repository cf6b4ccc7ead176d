"""What a request would cost: by its estimated size, and an answer of usual length."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from switchman.addons.core.decision.balancing.costs import ANSWER, PROMPT, cost_of
from switchman.addons.core.decision.decide import RoutingQuery
from switchman.addons.core.request.features import features_of
from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.rules.ruleset import parse_ruleset

ENVIRONMENT = SimpleNamespace(
    default_upstream="http://localhost:8000", default_upstream_set=True, model_map={}, request_timeout=1.0,
    strip_thinking=True, strip_json_markdown=False, disable_thinking=False,
)  # fmt: skip
RULES = parse_ruleset(
    'servers: {a: "http://a", b: "http://b", c: "http://c", d: "http://d"}\n'
    "models: {a/m: {input_cost: 2, output_cost: 10}, b/m: {input_cost: 2}, "
    "c/m: {input_cost: 1, output_cost: 1, tiers: [{above: 5000, input_cost: 9, output_cost: 9}]}}",
    "r",
    ENVIRONMENT,
)
QUERY = RoutingQuery("m", operation="chat", features=replace(features_of({}), input_tokens=2000, max_tokens=None))


@pytest.mark.parametrize(
    ("server", "changes", "cost"),
    [
        ("a", {}, 2000 * 2 + ANSWER * 10),
        ("a", {"max_tokens": 100}, 2000 * 2 + 100 * 10),
        ("a", {"max_tokens": 32_000}, 2000 * 2 + ANSWER * 10),  # what clients allow for is not what they get
        ("b", {}, None),
        ("c", {}, 2000 + ANSWER),
        ("c", {"input_tokens": 6000}, (6000 + ANSWER) * 9),
        ("d", {}, None),
    ],
)
def test_the_cost_is_by_the_requests_own_size(server: str, changes: dict[str, int], cost: float | None) -> None:
    """In micro-dollars; not known where one of the two prices is not."""
    assert QUERY.features is not None
    query = replace(QUERY, features=replace(QUERY.features, **changes))
    assert cost_of(Candidate(RULES.servers[server], "m"), query, RULES) == cost


def test_what_is_not_answered_in_text_costs_its_input_alone() -> None:
    """Embeddings have no price for output."""
    assert cost_of(Candidate(RULES.servers["b"], "m"), replace(QUERY, operation="embeddings"), RULES) == 4000
    assert cost_of(Candidate(RULES.servers["b"], ""), replace(QUERY, operation="embeddings", features=None), RULES) == (
        2 * PROMPT
    )
