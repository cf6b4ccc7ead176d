"""Warn of strategies, weights and splits that have no effect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from switchman.addons.core.routes.routes import Alias, Route
from switchman.addons.core.rules.problems import Problem
from switchman.addons.core.rules.reading.yamltext import Document, Path

if TYPE_CHECKING:
    from switchman.addons.core.rules.rulesfile import InstanceFile, RulesFileModel


def balance_warnings(
    document: Document, model: RulesFileModel, aliases: Mapping[str, Alias], routes: Sequence[Route]
) -> Iterator[Problem]:
    """`aliases` and `routes` are those of the file, compiled."""

    def problem(path: Path, message: str) -> Problem:
        return document.problem(path, message, at_key=True, warning=True)

    for name, alias in model.aliases.items():
        if why := alias.useless(len(aliases[name].instances), _weights(alias.instances)):
            yield problem(("aliases", name), why)
        elif alias.pool("") and (nested := _balanced_within(alias.instances, aliases)):
            yield problem(("aliases", name), _overridden(nested))
    for route in routes:
        written = model.routes[route.position].route
        target = aliases.get(written.model or "") if written.upstream is None else None
        count = len(target.instances) if target is not None else 1
        inner = [one.weight for one in target.instances if one.weight != 1] if target is not None else []
        weights = (written.weight, *_weights(written.fallbacks), *(inner if route.pool is not None else ()))
        path: Path = ("routes", route.position, "route")
        if why := written.useless(count + len(route.fallbacks), weights):
            yield problem(path, why)
        elif route.pool is not None and not route.parts:
            named = [written.model or "", *written.fallbacks] if target is not None else written.fallbacks
            if nested := _balanced_within(named, aliases):
                yield problem(path, _overridden(nested))
    for place, fallback in enumerate(model.fallbacks):
        if not isinstance(fallback, str) and fallback.weight is not None:
            yield problem(("fallbacks", place), "weight has no effect here: these are tried in order")


def _weights(instances: Iterable[str | InstanceFile]) -> list[int | None]:
    return [None if isinstance(one, str) else one.weight for one in instances]


def _balanced_within(instances: Iterable[str | InstanceFile], aliases: Mapping[str, Alias]) -> str:
    """The first alias that is named and chooses among its instances itself; "" for none."""
    named = (aliases.get(one) for one in instances if isinstance(one, str))
    return next((alias.name for alias in named if alias is not None and alias.pool is not None), "")


def _overridden(name: str) -> str:
    return f"the strategy here chooses among all instances, so that the strategy or split of {name} has no effect"
