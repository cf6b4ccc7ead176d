"""What a decision came to, by one set of rules: a place, a cache's answer, nobody, or that it is not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from switchman.addons.core.routes.plan import Candidate, Plan

Kind = Literal["target", "cache", "nobody", "unknown"]
# Why a decision is not known.
Reason = Literal["", "body", "key", "header", "lists", "conversation", "semantic", "arbiter", "plug-in", "balance"]

REASONS: Final[Mapping[Reason, str]] = {
    "body": "the body is not kept whole, and a rule looks at it",
    "key": "a rule names the digest of a client's own key, which is not kept",
    "header": "a rule looks at a header that is not kept, or masked",
    "lists": "it hangs on what the servers listed then",
    "conversation": "it hangs on a conversation that began before, under other rules",
    "semantic": "the embeddings were not asked then, or their categories are others now",
    "arbiter": "the arbiter was not asked then, or it is another one now",
    "plug-in": "a plug-in layer was not asked then",
    "balance": "it hangs on how busy the servers were, or how soon they began to answer",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A model on a server. Two are the same by URL and model: a server may have got another name."""

    server: str
    model: str
    url: str

    @property
    def target(self) -> str:
        return f"{self.server}/{self.model}" if self.model else self.server

    def is_same(self, other: Place) -> bool:
        return (self.url, self.model) == (other.url, other.model)


@dataclass(frozen=True, slots=True)
class Decided:
    """`others`: what is tried after the place. `layer` and `route`: what decided. `cached`: None where it is not known
    whether a cache would have answered; it is then decided as if none had.
    """

    kind: Kind
    place: Place | None = None
    layer: str = ""
    route: str = ""
    reason: Reason = ""
    others: tuple[str, ...] = ()
    cached: bool | None = False

    @property
    def label(self) -> str:
        """In tables."""
        if self.kind == "target" and self.place is not None:
            return self.place.target
        return {"cache": CACHE, "nobody": NOBODY}.get(self.kind, UNKNOWN)

    def goes_where(self, other: Decided) -> bool:
        """Whether both lead to the same place; for two that are known."""
        if self.place is not None and other.place is not None and self.kind == other.kind == "target":
            return self.place.is_same(other.place)
        return self.kind == other.kind


CACHE: Final = "(cache)"
NOBODY: Final = "(refused)"
UNKNOWN: Final = "(unknown)"


def unknown(reason: Reason) -> Decided:
    return Decided("unknown", reason=reason)


def decided(plan: Plan, requested_model: str) -> Decided:
    """What a plan says."""
    if plan.refusal is not None or not plan.candidates:
        return Decided("nobody", layer=plan.layer, route=plan.route)
    first, *others = (place_of(one, requested_model) for one in plan.candidates)
    return Decided("target", first, plan.layer, plan.route, others=tuple(one.target for one in others))


def place_of(candidate: Candidate, requested_model: str) -> Place:
    server = candidate.server
    return Place(server.name, candidate.model or requested_model, str(server.url))
