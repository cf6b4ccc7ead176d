"""How an alias or a route chooses among its instances, as it is written: `strategy`, `affinity`, `split`, `weight`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Final, Literal

from pydantic import Field, field_validator

from switchman.addons.core.routes.routes import Affinity, Instance, Place, Pool
from switchman.addons.core.rules.matchfile import Text, Written

StrategyName = Literal["ordered", "round_robin", "weighted", "least_busy", "fastest", "cheapest"]
Share = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Weight = Annotated[int, Field(ge=1, le=1000)]

WEIGHT_MEANS: Final = "how much it takes, against the others, under weighted and least_busy (default 1)"
_BY_WEIGHT: Final = ("weighted", "least_busy", "fastest")


class BalanceFile(Written):
    """What aliases and routes have in common."""

    strategy: StrategyName | None = Field(
        default=None,
        description="who is asked first: ordered (as written), round_robin (in turn), weighted (in turn, by weight), "
        "least_busy (fewest requests now), fastest (time to first token), cheapest (price of the request)",
    )
    affinity: Affinity | None = Field(
        default=None,
        description="what stays with the instance that answered it first, under all strategies but ordered: "
        "conversation, caller or none (default conversation)",
    )
    split: Annotated[dict[Text, Share], Field(min_length=1)] | None = Field(
        default=None, description="in place of the target: parts by server/model or alias, each with its share"
    )

    @field_validator("split")
    @classmethod
    def _has_shares(cls, split: dict[str, float] | None) -> dict[str, float] | None:
        if split is not None and not sum(split.values()):
            raise ValueError("the shares of a split add up to 0: expected one above 0")
        return split

    def pool(self, name: str) -> Pool | None:
        """What is chosen from; None where instances are tried as written. `name` as Pool has it."""
        strategy = "split" if self.split is not None else self.strategy or "ordered"
        return None if strategy == "ordered" else Pool(name, strategy, self.affinity or "conversation")

    def useless(self, instances: int, weights: Iterable[int | None]) -> str | None:
        """A sentence that warns of a key without effect; None where there is none. `weights`: as written."""
        weighs = any(weight is not None for weight in weights)
        if self.split is not None and self.strategy is not None:
            return "strategy has no effect beside split: write it in the alias that is a part"
        if self.split is not None:
            return "weight has no effect beside split: the shares are its weights" if weighs else None
        if self.strategy in (None, "ordered"):
            if self.affinity is not None:
                return "affinity has no effect without a strategy: what is tried in order stays with the first"
            return "weight has no effect without a strategy: write strategy: weighted" if weighs else None
        if instances == 1:
            return f"strategy: {self.strategy} has no effect, as there is one instance only"
        if weighs and self.strategy not in _BY_WEIGHT:
            return f"weight has no effect under strategy: {self.strategy}"
        if self.strategy == "weighted" and not weighs:
            return "strategy: weighted without a weight is as round_robin"
        return None


def written_instances[Written](
    instances: Sequence[Written], split: Mapping[str, float] | None
) -> Iterator[tuple[tuple[str, str | int], Written | str]]:
    """What an alias is made of, each with its place below the alias's own."""
    yield from ((("instances", index), one) for index, one in enumerate(instances))
    yield from ((("split", part), part) for part in split or ())


def placed(
    instances: Iterable[Instance], pool: Pool | None, split: Mapping[str, float] | None = None, part: object = ""
) -> tuple[Instance, ...]:
    """The instances in their pool. Of a strategy it orders all, whatever pools they were in; the parts of a split keep
    theirs, within it.
    """
    if pool is None:
        return tuple(instances)
    if split is None:
        return tuple(replace(one, places=(Place(pool),)) for one in instances)
    place = Place(pool, str(part), split[str(part)])
    return tuple(replace(one, places=(place, *one.places)) for one in instances)
