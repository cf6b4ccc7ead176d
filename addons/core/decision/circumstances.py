"""Circumstances: facts outside of the body on which rules decide: the headers, the sender, the time.

A cached answer serves only requests for which the same of these conditions hold: where a rule sends a team's requests
elsewhere, that team does not get an answer that was cached for another.
"""

from __future__ import annotations

from collections.abc import Iterator

from switchman.addons.core.decision.decide import RoutingQuery
from switchman.addons.core.request.clients import parse_address
from switchman.addons.core.routes.conditions import GroupIs, HeaderIs, SourceIn, TimeBetween, TokenIs
from switchman.addons.core.routes.logic import AllOf, AnyOf, Not
from switchman.addons.core.routes.subject import Condition, Subject
from switchman.addons.core.rules.ruleset import Ruleset

_OUTSIDE = (HeaderIs, SourceIn, TokenIs, GroupIs, TimeBetween)


class Circumstances:
    """The conditions of one set of rules that test circumstances."""

    def __init__(self, rules: Ruleset) -> None:
        found = (one for route in rules.routes if route.match.condition for one in leaves(route.match.condition))
        self._conditions = tuple(one for one in found if isinstance(one, _OUTSIDE))
        self._sources = tuple(route.match for route in rules.routes if route.match.source is not None)

    def of(self, query: RoutingQuery) -> str:
        """Which of them hold, one character for each; "" where no rule tests circumstances."""
        if not self._conditions and not self._sources:
            return ""
        address = parse_address(query.source)
        subject = Subject((query.model,), address, query.headers, query.token, None, query.now, caller=query.caller)
        truths = [one.test(subject) for one in self._conditions]
        truths += [match.accepts_source(address) for match in self._sources]
        return "".join("?" if truth is None else "1" if truth else "0" for truth in truths)


def leaves(condition: Condition) -> Iterator[Condition]:
    """The conditions that `all`, `any` and `not` combine."""
    if isinstance(condition, AllOf | AnyOf):
        for part in condition.parts:
            yield from leaves(part)
    elif isinstance(condition, Not):
        yield from leaves(condition.part)
    else:
        yield condition
