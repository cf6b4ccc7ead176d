"""How often each rule answered, and when last: exact figures, each from one range of an index.

A rule is known by its layer and its name, as a request's row has them. What stays with a rule's target because its
conversation did (layer `conversation`) has the rule's name too, and is told apart by its layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Select, String, column, func, select, values

from switchman.addons.store.reading.filters import as_stored
from switchman.addons.store.tables import requests

AT_ONCE = 200  # rules of one statement


@dataclass(frozen=True, slots=True)
class Hit:
    """`count`: within the range. `last_at`: of all that the log has, None for never."""

    count: int
    last_at: float | None


Rule = tuple[str, str]  # layer and name


def rule_hits(engine: Engine, rules: Iterable[Rule], start: float | None, end: float | None) -> dict[Rule, Hit]:
    """The hits of these rules, start <= t < end. Each costs a look-up, and the entries of its range in the index."""
    wanted, found = list(dict.fromkeys(rules)), dict[Rule, Hit]()
    with engine.connect() as conn:
        for at in range(0, len(wanted), AT_ONCE):
            some = {(layer, as_stored(name)): (layer, name) for layer, name in wanted[at : at + AT_ONCE]}
            for layer, name, count, last_at in conn.execute(_query(list(some), start, end)):
                found[some[layer, name]] = Hit(count, last_at)
    return found


def layer_hits(engine: Engine, layers: Iterable[str], start: float | None, end: float | None) -> dict[str, Hit]:
    """The same for whole layers, whatever rule of theirs it was."""
    wanted = [(layer, "") for layer in dict.fromkeys(layers)]
    with engine.connect() as conn:
        rows = conn.execute(_query(wanted, start, end, any_rule=True)).all() if wanted else []
    return {layer: Hit(count, last_at) for layer, _, count, last_at in rows}


def _query(rules: list[Rule], start: float | None, end: float | None, *, any_rule: bool = False) -> Select[Any]:
    table = values(column("layer", String), column("route", String), name="wanted").data(rules).cte("wanted")
    its = [requests.c.layer == table.c.layer]
    if not any_rule:
        its += [requests.c.route == table.c.route, requests.c.route.is_not(None)]
    ranged = list(its)
    if start is not None:
        ranged.append(requests.c.started_at >= start)
    if end is not None:
        ranged.append(requests.c.started_at < end)
    count = select(func.count()).select_from(requests).where(*ranged).correlate(table).scalar_subquery()
    last = select(func.max(requests.c.started_at)).where(*its).correlate(table).scalar_subquery()
    return select(table.c.layer, table.c.route, count, last)
