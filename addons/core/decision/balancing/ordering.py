"""The order in which candidates are tried that may answer, by the pools that their instances are in.

1. Candidates of one pool that follow each other are ordered by its strategy; those of none stay where they are.
2. What has answered in the conversation (or the caller's requests) before is its home. It stays first, unless another
   is far better by the figures of the strategy: a server's prompt cache is worth more than a tie.
3. Where the home may not answer now, or is not known although the conversation goes on, the place is found by the
   conversation's key alone (rendezvous), so that it is the same for all its turns, in every process. The home is kept,
   and the conversation goes back to it.
4. What begins goes by the strategy. Who answers it becomes its home.
5. The parts of a split are chosen from likewise; within a part its own pool orders. When a whole part fails, the next
   part follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from switchman.addons.core.decision.balancing.moment import Moment
from switchman.addons.core.decision.balancing.ranking import Member, Ranking, rank
from switchman.addons.core.decision.balancing.rendezvous import by_key
from switchman.addons.core.routes.plan import Candidate, Settling, TraceLine
from switchman.addons.core.routes.routes import Instance, Pool

LAYER = "balance"

_WHOSE = {"conversation": "The conversation", "caller": "The caller"}

CostOf = Callable[[Candidate], float | None]
"""What the request costs at a candidate, in micro-dollars; None where it is not known."""


@dataclass(slots=True)
class Balanced:
    """`candidates` in their order. `settles`: as in Plan."""

    candidates: list[Candidate] = field(default_factory=list)
    lines: list[TraceLine] = field(default_factory=list)
    settles: list[Settling] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Standing:
    """A candidate, the target that figures know it by, and the instance that it comes from."""

    candidate: Candidate
    target: str
    instance: Instance


def balanced(standing: Sequence[Standing], moment: Moment, cost_of: CostOf) -> Balanced:
    """The order of candidates that may all answer now."""
    found = Balanced()
    _order(standing, 0, moment, cost_of, found)
    return found


def _order(standing: Sequence[Standing], depth: int, moment: Moment, cost_of: CostOf, found: Balanced) -> None:
    for pool, run in groupby(standing, key=lambda one: _pool(one.instance, depth)):
        if pool is None:
            found.candidates += [one.candidate for one in run]
        else:
            _order_pool(pool, list(run), depth, moment, cost_of, found)


def _pool(instance: Instance, depth: int) -> Pool | None:
    return instance.places[depth].pool if depth < len(instance.places) else None


def _order_pool(pool: Pool, run: list[Standing], depth: int, moment: Moment, cost_of: CostOf, found: Balanced) -> None:
    """Order one pool. Only the first pool of a plan settles or takes turns: what follows may never be asked."""
    leads = not found.candidates
    units = _units(pool, run, depth)
    order: Sequence[int] = range(len(units))
    if len(units) > 1:
        members = [_member(pool, unit, depth, cost_of) for unit in units]
        order, detail, settles = _choose(pool, units, members, moment, leads)
        if leads:
            found.lines.append(TraceLine(LAYER, "hit", detail))
    else:
        settles = pool.name not in moment.homes
    if leads and pool.affinity in moment.keys:
        found.settles.append(Settling(pool, frozenset(one.target for one in run), settles))
    for index in order:
        _order(units[index], depth + 1, moment, cost_of, found)


def _units(pool: Pool, run: list[Standing], depth: int) -> list[list[Standing]]:
    """What is chosen from: each instance, or each part of a split."""
    if pool.strategy != "split":
        return [[one] for one in run]
    parts: dict[str, list[Standing]] = {}
    for one in run:
        parts.setdefault(one.instance.places[depth].part, []).append(one)
    return list(parts.values())


def _member(pool: Pool, unit: list[Standing], depth: int, cost_of: CostOf) -> Member:
    first = unit[0]
    if pool.strategy == "split":
        place = first.instance.places[depth]
        return Member(place.part, place.share)
    cost = cost_of(first.candidate) if pool.strategy == "cheapest" else None
    return Member(first.target, first.instance.weight, cost)


def _choose(
    pool: Pool, units: Sequence[Sequence[Standing]], members: Sequence[Member], moment: Moment, leads: bool
) -> tuple[Sequence[int], str, bool]:
    """The order of the members, the sentence that says why, and whether who answers becomes the home."""
    name = f"{pool.name[:1].upper()}{pool.name[1:]}"
    key, home = moment.keys.get(pool.affinity, ""), moment.homes.get(pool.name)
    at = next((index for index, unit in enumerate(units) if any(one.target == home for one in unit)), None)
    if not key or (home is None and (pool.affinity == "caller" or not moment.goes_on)):
        ranking = rank(pool.strategy, members, moment.live, _turn(pool, moment) if leads else None)
        return ranking.order, f"The {pool.name} {ranking.why}.", True
    ranking = rank(pool.strategy, members, moment.live, None)
    who = _WHOSE[pool.affinity]
    placed = _placed(pool, key, members, ranking)
    if at is None:
        first = members[placed[0]].name
        why = "is not known to have been anywhere" if home is None else f"was with {home}, which may not answer now"
        return placed, f"{who} {why}: by its key, its place in the {pool.name} is {first}.", home is None
    if at in ranking.far:
        return ranking.order, f"{who} leaves {home}, as another is far better: the {pool.name} {ranking.why}.", True
    rest = [index for index in placed if index != at]
    return (at, *rest), f"{who} stays with {home} ({name}: {pool.strategy}).", False


def _turn(pool: Pool, moment: Moment) -> Callable[[], int]:
    return lambda: moment.turn(pool.name)


def _placed(pool: Pool, key: str, members: Sequence[Member], ranking: Ranking) -> list[int]:
    """By the key alone, but for those that are not as good as the best: they follow in the strategy's order."""
    weights = [1.0 if pool.strategy == "round_robin" else member.weight for member in members]
    by_hash = by_key(key, [member.name for member in members], weights)
    alike = [index for index in by_hash if index in ranking.alike]
    return [*alike, *(index for index in ranking.order if index not in ranking.alike)]
