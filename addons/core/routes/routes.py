"""Aliases, routes and MODEL_MAP, compiled: patterns once, source ranges once.

A pattern is written `/regex/` (patterns.py); anything else is one exact name. Names are never compared in part:
"llama" is not "llama3-8b".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from switchman.addons.core.access.caller import Capture
from switchman.addons.core.request.clients import Address, Network, in_networks
from switchman.addons.core.routes.logic import AnyOf
from switchman.addons.core.routes.names import find, readings, short
from switchman.addons.core.routes.patterns import Pattern, compile_pattern, expand, is_pattern, replacement
from switchman.addons.core.routes.subject import Condition
from switchman.addons.core.servers.models.thinkers import Thinking
from switchman.addons.core.servers.retry import FallbackOn
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.texts.redaction.redactor import Redact

Stick = Literal["", "conversation"]
# How one of several instances is chosen. "split": by the shares of its parts.
Strategy = Literal["ordered", "round_robin", "weighted", "least_busy", "fastest", "cheapest", "split"]
Affinity = Literal["conversation", "caller", "none"]

MAX_MATCHED_CHARACTERS = 256  # of a model's name: they come from clients


@dataclass(frozen=True, slots=True)
class Pool:
    """What one strategy chooses from: `name` is an alias or a rule, such as `alias chat`, and turns are counted by it.

    `affinity`: what stays with the instance that answered it first.
    """

    name: str
    strategy: Strategy
    affinity: Affinity = "conversation"


@dataclass(frozen=True, slots=True)
class Place:
    """An instance's place in a pool. `part`: the part of a split that it is in, whose share is `share`."""

    pool: Pool
    part: str = ""
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Instance:
    """A server and model that may answer for an alias or a route. `model` "" keeps the client's name.

    `weight`: how much it takes, against the others. `places`: in pools, from the outermost to the innermost; none where
    instances are tried in order. Neither tells instances apart.
    """

    server: Server
    model: str
    weight: int = field(default=1, compare=False)
    places: tuple[Place, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for several instances, tried in order, or as their places say. Aliases within aliases are already replaced
    by their instances. `pool`: what its own strategy or split chooses from.
    """

    name: str
    instances: tuple[Instance, ...]
    pool: Pool | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """What a route requires of a request; None requires nothing. `model` is the text as written, exact or `/regex/`."""

    model: str | None = None
    pattern: Pattern | None = None  # the compiled `model` where that is a regex; searched, not anchored
    source: tuple[Network, ...] | None = None
    source_host: str | None = None  # as written
    condition: Condition | None = None  # all the rest

    def accepts_model(self, model: str) -> bool:
        if self.pattern is not None:
            return self.pattern.found(model[:MAX_MATCHED_CHARACTERS])
        return self.model is None or short(self.model) == short(model)

    def accepts_source(self, address: Address | None) -> bool:
        return self.source is None or in_networks(address, self.source)

    def __str__(self) -> str:
        wanted = [f"model {self.model}"] if self.model is not None else []
        wanted += [f"source_host {self.source_host}"] if self.source_host is not None else []
        if self.condition is not None:
            wanted.append(
                f"({self.condition})" if wanted and isinstance(self.condition, AnyOf) else str(self.condition)
            )
        return " and ".join(wanted) or "anything"


@dataclass(frozen=True, slots=True)
class Route:
    """A rule: what matches goes to `upstream` as `model`, then to the fallbacks.

    `upstream` None: the model's name decides (an alias, `server/model`, or the default upstream). `model` None: the
    name stays. `position` is the index in the file's list, `line` its line. `stick` "conversation": later requests of
    the conversation stay with the target. `local_only`: fallbacks stay on the first target's server and local ones.
    `capture`: what the log keeps of its requests. `pool`: its strategy chooses among target and fallbacks; `weight` is
    the target's own, 0 where none is written. `parts`: the instances of a split, in place of upstream and model.
    """

    name: str
    match: Match
    upstream: Server | None
    model: str | None
    fallbacks: tuple[Instance, ...] = ()
    priority: int = 500
    position: int = 0
    line: int = 0
    thinking: Thinking = "auto"
    stick: Stick = ""
    local_only: bool = False
    capture: Capture | None = None
    redact: Redact | None = None  # None: as the whole file says
    fallback_on: frozenset[FallbackOn] | None = None  # None: as its server says
    pool: Pool | None = None
    weight: int = 0
    parts: tuple[Instance, ...] = ()


@dataclass(frozen=True, slots=True)
class Arbiter:
    """A small model that sorts requests into categories. `targets`: category -> name of a target."""

    server: Server
    model: str
    timeout_ms: float
    min_confidence: float
    targets: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The new name `model` that MODEL_MAP gives, by its entry `key`."""

    model: str
    key: str


@dataclass(frozen=True, slots=True)
class ModelMap:
    """MODEL_MAP: exact names first, then `/regex/` keys in order, anchored at the start."""

    exact: Mapping[str, Rewrite]
    patterns: tuple[tuple[str, Pattern, Sequence[str | int]], ...] = ()

    def __len__(self) -> int:
        return len(self.exact) + len(self.patterns)

    def rewrite(self, model: str, ollama: bool = False) -> Rewrite | None:
        """Replace the whole name; in the replacement \\1 is the pattern's first group. None without an entry.

        `ollama`: an Ollama client wrote the name.
        """
        if (entry := find(self.exact, model)) is not None:
            return entry
        names = readings(model, ollama)
        for key, pattern, template in self.patterns:
            for name in names:
                if (groups := pattern.groups_at_start(name[:MAX_MATCHED_CHARACTERS])) is not None:
                    return Rewrite(expand(template, groups), key)
        return None


def compile_model_map(entries: Mapping[str, str]) -> ModelMap:
    """Compile MODEL_MAP. Raises ValueError naming the entry whose pattern or replacement is faulty."""
    exact: dict[str, Rewrite] = {}
    patterns: list[tuple[str, Pattern, Sequence[str | int]]] = []
    for key, template in entries.items():
        if not is_pattern(key):
            exact[key] = Rewrite(template, key)
            continue
        pattern = compile_pattern(key, "groups")
        try:
            patterns.append((key, pattern, replacement(template, pattern)))
        except ValueError as error:
            raise ValueError(f"the replacement {template!r} of {key} is faulty: {error}") from None
    return ModelMap(exact, tuple(patterns))
