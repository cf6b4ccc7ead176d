"""What rules say for the requests that they decide, by their names: plans and rows know a rule by its name alone, and
several rules may have one.
"""

from __future__ import annotations

from collections.abc import Sequence

from switchman.addons.core.access.caller import Capture
from switchman.addons.core.access.capturing import strictest
from switchman.addons.core.routes.routes import Route
from switchman.addons.core.servers.retry import FallbackOn
from switchman.addons.core.texts.redaction.redactor import Redact


def redacts(routes: tuple[Route, ...]) -> dict[str, tuple[Redact, ...]]:
    """What rules redact, by their names."""
    found: dict[str, tuple[Redact, ...]] = {}
    for route in routes:
        if route.redact is not None:
            found[route.name] = (*found.get(route.name, ()), route.redact)
    return found


def captures(routes: tuple[Route, ...]) -> dict[str, Capture]:
    """What rules say of the log by their names, of which several may have one."""
    found: dict[str, Capture] = {}
    for route in routes:
        if route.capture is not None:
            found[route.name] = strictest([(found.get(route.name), ""), (route.capture, "")]).mode
    return found


def fallbacks_on(routes: Sequence[Route]) -> dict[str, frozenset[FallbackOn]]:
    """What rules say by their names; of several with one name what all of them say."""
    found: dict[str, frozenset[FallbackOn]] = {}
    for route in routes:
        if route.fallback_on is not None:
            found[route.name] = found.get(route.name, route.fallback_on) & route.fallback_on
    return found
