"""The strategies: who of a pool is best now, by which figures, and who is so much worse that nothing stays there.

    strategy      best is                                         far from it, so that a conversation leaves
    round_robin   whose turn it is                                nobody
    weighted      whose turn it is, by weights; `split` likewise  nobody
    least_busy    fewest attempts now, per weight                 more than twice as many, and two more
    fastest       shortest time to first token                    more than twice as long
    cheapest      lowest price of the request's tokens            more than twice as dear; one of unknown price

Who is about as good as the best (`least_busy`: exactly; `fastest`: within a quarter, and 5 ms) is asked less or more by
how busy it is, then by who had the fewest requests lately.

`fastest` asks others to know how fast they are now: at once one that nothing is known of, and one that was slow but
whose last answer was quick; of the slow ones one in every EXPLORES turns. Nobody is asked so while an answer of it is
being waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from switchman.addons.core.decision.balancing.turns import by_turn
from switchman.addons.core.routes.live import Live
from switchman.addons.core.routes.routes import Strategy

EXPLORES: Final = 16
NEAR: Final = 1.25
NEAR_MS: Final = 5.0
FAR: Final = 2.0
FAR_ATTEMPTS: Final = 2.0
_MOST_TOLD: Final = 5  # members whose figures a sentence has


@dataclass(frozen=True, slots=True)
class Member:
    """One of a pool. `name`: its target, or its part of a split. `cost`: of the request, in micro-dollars."""

    name: str
    weight: float = 1.0
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """`order`: indexes, the best first. `why`: how the first was chosen, as the end of a sentence with its figures.

    `alike`: those among which a key may decide. `far`: those so much worse than the best that nothing stays there.
    """

    order: Sequence[int]
    why: str
    alike: frozenset[int]
    far: frozenset[int] = frozenset()


def rank(strategy: Strategy, members: Sequence[Member], live: Live, turn: Callable[[], int] | None) -> Ranking:
    """The order of two members or more. `turn`: None where none is taken, as something is to stay where it is."""
    match strategy:
        case "least_busy":
            return _least_busy(members, live)
        case "fastest":
            return _fastest(members, live, turn)
        case "cheapest":
            return _cheapest(members, live)
    weights = [1.0 if strategy == "round_robin" else member.weight for member in members]
    order = by_turn(weights, turn() if turn is not None else 0)
    first = members[order[0]].name
    if strategy == "round_robin":
        return Ranking(order, f"takes turns: {first} is next of {len(members)}", frozenset(order))
    figures = _listed(members, order, lambda index: f"{weights[index]:g}")
    how = "is split by shares" if strategy == "split" else "takes turns by weight"
    return Ranking(order, f"{how}: it is the turn of {first} ({figures})", frozenset(order))


LEAST_BUSY: Final = "asks the least busy"
FASTEST: Final = "asks the fastest"
CHEAPEST: Final = "asks the cheapest"


def hangs_on(told: str) -> Literal["moment", "request", ""]:
    """What a choice hangs on, by what the trace tells of it: figures of the moment, the request's size, or neither."""
    if LEAST_BUSY in told or FASTEST in told:
        return "moment"
    return "request" if CHEAPEST in told else ""


def _least_busy(members: Sequence[Member], live: Live) -> Ranking:
    running = [live.in_flight(member.name) for member in members]
    load = [count / member.weight for count, member in zip(running, members, strict=True)]
    order = sorted(range(len(members)), key=_by_load(members, live))
    least = min(load)
    why = f"{LEAST_BUSY}: {members[order[0]].name} (running now: {_counted(members, order, running)}"
    if load.count(least) > 1:
        why += "; of equals, who had the fewest lately"
    far = frozenset(index for index, each in enumerate(load) if each > FAR * least + FAR_ATTEMPTS)
    return Ranking(order, f"{why})", frozenset(order) - far, far)


def _by_load(members: Sequence[Member], live: Live) -> Callable[[int], tuple[float, float, int]]:
    def load(index: int) -> tuple[float, float, int]:
        name, weight = members[index].name, members[index].weight
        return live.in_flight(name) / weight, live.lately(name) / weight, index

    return load


def _fastest(members: Sequence[Member], live: Live, turn: Callable[[], int] | None) -> Ranking:
    load = _by_load(members, live)
    known = {index: took for index, one in enumerate(members) if (took := live.ttft_ms(one.name)) is not None}
    unknown = sorted((index for index in range(len(members)) if index not in known), key=load)
    if not known:
        first = members[unknown[0]].name
        why = f"{FASTEST}, and knows no time to first token yet: {first} had the fewest lately"
        return Ranking(unknown, why, frozenset(unknown))
    best = min(known.values())
    near = best * NEAR + NEAR_MS
    as_fast = sorted((index for index, took in known.items() if took <= near), key=load)
    slower = sorted((index for index, took in known.items() if took > near), key=lambda index: (known[index], index))
    order = [*as_fast, *slower, *unknown]
    far = frozenset(index for index in slower if known[index] > FAR * best + NEAR_MS)
    figures = _listed(members, order, lambda index: f"{known[index]:,.0f} ms" if index in known else "not known")
    if turn is not None and (wanted := _to_explore(members, live, slower, unknown, near, turn)) is not None:
        order.remove(wanted)
        why = f"finds out how fast {members[wanted].name} is now (time to first token: {figures})"
        return Ranking([wanted, *order], why, frozenset(as_fast), far)
    why = f"{FASTEST}: {members[order[0]].name} (time to first token: {figures})"
    return Ranking(order, why, frozenset(as_fast), far)


def _to_explore(
    members: Sequence[Member],
    live: Live,
    slower: Sequence[int],
    unknown: Sequence[int],
    near: float,
    turn: Callable[[], int],
) -> int | None:
    """Who is asked although it is not the fastest that is known; None: nobody, this time."""
    is_due = turn() % EXPLORES == EXPLORES - 1
    slow = [index for index in slower if not live.in_flight(members[index].name)]
    if idle := [index for index in unknown if not live.in_flight(members[index].name)]:
        return idle[0]
    for index in slow:
        last = live.last_ttft_ms(members[index].name)
        if last is not None and last <= near:
            return index
    return min(slow, key=lambda index: (live.lately(members[index].name), index)) if is_due and slow else None


def _cheapest(members: Sequence[Member], live: Live) -> Ranking:
    load = _by_load(members, live)
    costs: Mapping[int, float] = {at: one.cost for at, one in enumerate(members) if one.cost is not None}
    order = [
        *sorted(costs, key=lambda index: (costs[index], *load(index))),
        *(index for index in range(len(members)) if index not in costs),
    ]
    first = members[order[0]].name
    if not costs:
        why = f"{CHEAPEST}, and knows no price: {first} is written first"
        return Ranking(order, why, frozenset(order[:1]))
    least = min(costs.values())
    far = frozenset(index for index in order if index not in costs or costs[index] > FAR * least)
    figures = _listed(members, order, lambda index: _money(costs.get(index)))
    alike = frozenset(index for index, cost in costs.items() if cost == least)
    return Ranking(order, f"{CHEAPEST}: {first} ({figures})", alike, far)


def _money(cost: float | None) -> str:
    """Of micro-dollars, which may be less than one."""
    return "price not known" if cost is None else f"${cost / 1_000_000:.7f}".rstrip("0").rstrip(".")


def _counted(members: Sequence[Member], order: Sequence[int], counts: Sequence[int]) -> str:
    weighs = any(member.weight != 1 for member in members)
    return _listed(
        members, order, lambda index: f"{counts[index]}" + (f" by weight {members[index].weight:g}" if weighs else "")
    )


def _listed(members: Sequence[Member], order: Sequence[int], figure: Callable[[int], str]) -> str:
    told = ", ".join(f"{members[index].name} {figure(index)}" for index in order[:_MOST_TOLD])
    return f"{told}, and {len(order) - _MOST_TOLD} more" if len(order) > _MOST_TOLD else told
