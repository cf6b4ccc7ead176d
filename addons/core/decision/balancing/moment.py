"""What a decision is told of the moment in which it is made: figures, turns, and what the request goes on from.

Nothing of it is looked up while deciding, so that the same request with the same moment has the same plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from switchman.addons.core.routes.live import NO_FIGURES, Live
from switchman.addons.core.routes.routes import Affinity


def first_turn(pool: str) -> int:
    """Every turn is the first: for dry runs."""
    return 0


@dataclass(frozen=True, slots=True)
class Moment:
    """`keys`: what the request's conversation and its caller are known by; none of what is not known. `goes_on`:
    somebody has answered in the conversation before. `homes`: by pool, the target that answered first, `server/model`.
    `turn` is asked once where a turn is taken, with the pool's name, and counts them up.
    """

    live: Live = NO_FIGURES
    keys: Mapping[Affinity, str] = field(default_factory=lambda: MappingProxyType({}))
    goes_on: bool = False
    homes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    turn: Callable[[str], int] = first_turn


NO_MOMENT: Final = Moment()
