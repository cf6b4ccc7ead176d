"""inserted(): new routes in a rules file's text, at its end or to be tried before one that is there; all else stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from switchman.addons.config.editing.edits import ROUTES, USUAL_PRIORITY, in_order, priority_of, tried
from switchman.addons.config.editing.rewriting import NotEditable, rewritten, rules_in

FIRST = "first"  # before whatever is tried first


def inserted(text: str, new: Sequence[Mapping[str, Any]], before: int | str | None) -> tuple[str, int]:
    """The text, and the place of the first of the new routes in it. `before`: the place of a route, from 0; FIRST; or
    None for the end of the file.

    What is to be tried before another one takes its priority, as among equals the file's order counts. At the end each
    keeps its own. Raises NotEditable, and RulesError for a text that cannot be read.
    """
    data, routes = rules_in(text)
    if before == FIRST:
        before = tried(routes)[0] if routes else None
    if before is None:
        at, written = len(routes), [in_order(route) for route in new]
    elif isinstance(before, int) and 0 <= before < len(routes):
        at, written = before, [_with_priority(route, priority_of(routes[before])) for route in new]
    else:
        raise NotEditable("the route that these are to come before is not there (any more)")
    now = [*routes[:at], *written, *routes[at:]]
    order: list[int | None] = [*range(at), *[None] * len(written), *range(at, len(routes))]
    return rewritten(text, {**data, "routes": now}, {ROUTES: order}), at


def _with_priority(route: Mapping[str, Any], priority: int) -> dict[str, Any]:
    rest = {key: value for key, value in route.items() if key != "priority"}
    return in_order(rest if priority == USUAL_PRIORITY else {**rest, "priority": priority})
