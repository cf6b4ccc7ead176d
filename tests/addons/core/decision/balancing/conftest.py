"""A small world for strategies: servers with figures, rules over them, and requests decided one after the other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from switchman.addons.core.decision.balancing.moment import Moment
from switchman.addons.core.decision.decide import RoutingQuery, decide, never
from switchman.addons.core.routes.live import NoFigures
from switchman.addons.core.routes.plan import Candidate, Plan
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset

ENVIRONMENT = SimpleNamespace(
    default_upstream="http://localhost:8000", default_upstream_set=True, model_map={}, request_timeout=1.0,
    strip_thinking=True, strip_json_markdown=False, disable_thinking=False,
)  # fmt: skip
SERVERS = "servers: {" + ", ".join(f'{name}: "http://{name}"' for name in "abcdefgh") + "}\n"


def rules_of(text: str) -> Ruleset:
    return parse_ruleset(SERVERS + text, "r", ENVIRONMENT)


@dataclass
class World(NoFigures):
    """Figures that a test sets, and what the router would remember: turns, homes, who was sent how much."""

    rules: Ruleset
    ttft: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    running: Counter[str] = field(default_factory=Counter)
    sent: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    turns: Counter[str] = field(default_factory=Counter)
    homes: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    down: set[str] = field(default_factory=set)

    def ttft_ms(self, target: str) -> float | None:
        return self.ttft.get(target)

    def last_ttft_ms(self, target: str) -> float | None:
        return self.last.get(target, self.ttft.get(target))

    def in_flight(self, target: str) -> int:
        return self.running[target]

    def lately(self, target: str) -> float:
        return self.sent[target]

    def turn(self, pool: str) -> int:
        self.turns[pool] += 1
        return self.turns[pool] - 1

    def plan(self, model: str = "chat", key: str = "", goes_on: bool = False, caller: str = "") -> Plan:
        keys: Mapping = {name: one for name, one in (("conversation", key), ("caller", caller)) if one}
        homes = {**(self.homes[key] if key and goes_on else {}), **(self.homes[caller] if caller else {})}
        moment = Moment(self, keys, goes_on, homes, self.turn)
        is_open: Callable[[Candidate], bool] = lambda one: one.server.name in self.down  # noqa: E731
        plan = decide(RoutingQuery(model, moment=moment), self.rules, is_open if self.down else never)
        first = plan.candidates[0].target
        for target in self.sent:
            self.sent[target] *= 0.97
        self.sent[first] += 1
        for one in plan.settles:
            if one.moves and first in one.targets:
                self.homes[keys[one.pool.affinity]][one.pool.name] = first
        return plan

    def first(self, model: str = "chat", key: str = "", goes_on: bool = False, caller: str = "") -> str:
        return self.plan(model, key, goes_on, caller).candidates[0].server.name


@pytest.fixture
def world() -> Callable[[str], World]:
    """By the text of a rules file, without its servers a to h."""
    return lambda text: World(rules_of(text))
