"""What a replayed decision may hang on that the log does not have, and what the log has in its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

from switchman.addons.core.decision.catalogue import Model
from switchman.addons.core.decision.circumstances import leaves
from switchman.addons.core.decision.names.known import (
    NOTHING_KNOWN,
    KnownModels,
    ServerModels,
    asked_servers,
    server_models,
)
from switchman.addons.core.decision.replaying.recorded import Recorded
from switchman.addons.core.routes.conditions import HeaderIs, HealthIs, MaxLatency, TokenIs
from switchman.addons.core.routes.names import readings
from switchman.addons.core.routes.subject import Condition
from switchman.addons.core.rules.ruleset import Ruleset

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
MOST_DIGESTS: Final = 16  # of clients' keys that a request is tried with
# The layer of a plan that hangs on lists -> the layers of a record that tell what they said.
_TELLING: Final = {"route": ("route",), "list": ("list",), "default": ("list", "default"), "model_map": ("model_map",)}


def conditions_of(rules: Ruleset) -> Iterator[Condition]:
    """Each condition of each rule."""
    for route in rules.routes:
        if route.match.condition is not None:
            yield from leaves(route.match.condition)


def key_digests(rules: Ruleset) -> tuple[str, ...]:
    """The digests of clients' own keys that rules name. The log has no key, and so no digest of one."""
    named = {text for one in conditions_of(rules) if isinstance(one, TokenIs) for text in one.tokens}
    return tuple(sorted(text for text in named if _DIGEST.fullmatch(text)))[:MOST_DIGESTS]


def compared_headers(rules: Ruleset) -> frozenset[str]:
    """Names of headers whose values rules look at."""
    headers = (one for one in conditions_of(rules) if isinstance(one, HeaderIs))
    return frozenset(one.name for one in headers if one.values or one.patterns)


def needs_figures(rules: Ruleset) -> bool:
    """Whether rules look at latencies or health."""
    return any(isinstance(one, MaxLatency | HealthIs) for one in conditions_of(rules))


def lists_are_same(rules: Ruleset, base: Ruleset) -> bool:
    """Whether the same servers are looked at for a bare name, in the same order."""
    return _places(rules) == _places(base)


def _places(rules: Ruleset) -> list[tuple[str, str]]:
    return [(server.name, str(server.url)) for server in asked_servers(rules)]


def listed(one: Recorded, rules: Ruleset, layer: str) -> KnownModels | None:
    """What the servers' lists must have said for the request to go where it went; None where that cannot be told.

    `layer`: that of the plan that hangs on them.
    """
    if one.layer is None and one.status == 404:
        return KnownModels({rules.default.name: ServerModels(absent=True)})
    if one.layer not in _TELLING.get(layer, ()) or one.server is None:
        return None
    if one.server == rules.default.name and not rules.default_set and one.layer != "list":
        return NOTHING_KNOWN  # it went to the assumed upstream, as no list had it
    return KnownModels({one.server: server_models([Model(one.model or one.requested_model)])})


def cache_answers(one: Recorded, rules: Ruleset, base: Ruleset, auto: bool) -> bool | None:
    """Whether a cache that is warm answers; None where that is not known. By what the caches said then.

    `base`: the rules that the log is of. What a looser cache would have found besides is not known.
    """
    cache, before = rules.cache, base.cache
    names = readings(one.requested_model, one.dialect == "ollama")
    if not auto and not any(fnmatchcase(name, pattern) for pattern in cache.models for name in names):
        return False
    if cache.exact.ttl <= 0 or one.cache in ("bypass", "refresh"):
        return False
    if one.cache is None or cache.exact.scope != before.exact.scope:
        return None
    same_semantic = cache.semantic == before.semantic
    if one.cache == "hit":
        kept = cache.exact.ttl >= before.exact.ttl and (same_semantic or one.layer != "semantic_cache")
        return True if kept else None
    return False if cache.exact.ttl <= before.exact.ttl and same_semantic else None
