"""The layers of `auto` after the rules that need a process: what they answered then stands for what they would answer.

It does where their judgement hangs on nothing that the rules have changed. Where a category leads may have changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from switchman.addons.core.decision.decide import RoutingQuery, plan_for_target
from switchman.addons.core.decision.replaying.decided import Reason
from switchman.addons.core.decision.replaying.recorded import NO_PLUGINS, Asked
from switchman.addons.core.routes.plan import Plan
from switchman.addons.core.rules.ruleset import Ruleset

Found = Plan | Reason | None
"""A plan; why it is not known; None for a miss."""


def by_meaning(asked: Asked, query: RoutingQuery, rules: Ruleset, base: Ruleset) -> Found:
    routes = rules.semantic_routes
    if routes is None or routes.mode == "off" or not routes.categories:
        return None
    targets = {name: category.target or "" for name, category in routes.categories.items()}
    return _by_category("semantic", targets, _meant(rules) == _meant(base), asked, query, rules)


def _meant(rules: Ruleset) -> Any:
    """What an ask's category hangs on."""
    routes = rules.semantic_routes
    if routes is None or routes.mode == "off":
        return None
    offered = [(name, tuple(one.utterances)) for name, one in routes.categories.items() if one.target]
    return routes.threshold, routes.model, routes.backend, offered


def by_arbiter(asked: Asked, query: RoutingQuery, rules: Ruleset, base: Ruleset) -> Found:
    arbiter = rules.arbiter
    if arbiter is None or not arbiter.targets:
        return None
    return _by_category("arbiter", arbiter.targets, _judges(rules) == _judges(base), asked, query, rules)


def _judges(rules: Ruleset) -> Any:
    arbiter = rules.arbiter
    if arbiter is None:
        return None
    return str(arbiter.server.url), arbiter.model, arbiter.min_confidence, tuple(arbiter.targets)


def _by_category(
    layer: Literal["semantic", "arbiter"],
    targets: Mapping[str, str],
    is_same: bool,
    asked: Asked,
    query: RoutingQuery,
    rules: Ruleset,
) -> Found:
    if asked.features is not None and not asked.features.ask:
        return None  # no prompt to judge
    said = asked.recorded.said(layer)
    if said is None or not is_same:
        return layer
    target = targets.get(said)
    plan = plan_for_target(target, rules, layer, said, query=query) if target else None
    return plan if plan is not None and not plan.moves_on else None


def by_plugin(asked: Asked, query: RoutingQuery, rules: Ruleset, has_plugins: bool) -> Found:
    """No rules say what a plug-in answers. `has_plugins`: there are some."""
    one = asked.recorded
    if one.layer is not None and one.layer not in NO_PLUGINS:
        plan = plan_for_target(f"{one.server}/{one.model}", rules, one.layer, one.route or "", query=query)
        return plan if plan is not None and not plan.moves_on else None
    return "plug-in" if has_plugins and one.layer != "default" else None
