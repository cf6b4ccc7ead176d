"""How a target's breaker stands in one worker, as it tells the others; and what the others told.

    [version, opened, left, cooldown, failures, requests, probing]      one target, as JSON

`version` is counted up by each change of state (never less than milliseconds of a clock), so that the later change wins
wherever it was made. Counts are of the window, since that change: they add up with those of workers that have seen it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

LONGEST: Final = 3600.0  # seconds that anything told may ask for: breaker.py gives no more
MOST: Final = 1 << 53  # of any number


@dataclass(frozen=True, slots=True)
class Standing:
    """`left` and `cooldown`: seconds. `version` 0: it has never changed, only counted."""

    version: int = 0
    opened: bool = False
    left: float = 0.0
    cooldown: float = 0.0
    failures: int = 0
    requests: int = 0
    probing: bool = False


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What workers that have seen the last change count together, and whether one of them probes."""

    version: int
    failures: int = 0
    requests: int = 0
    probing: bool = False


def pack(standings: Mapping[str, Standing]) -> dict[str, list[Any]]:
    """For json.dumps."""
    return {
        target: [
            one.version, int(one.opened), round(one.left, 3), round(one.cooldown, 3), one.failures, one.requests,
            int(one.probing),
        ]
        for target, one in standings.items()
    }  # fmt: skip


def unpack(told: object) -> dict[str, Standing]:
    """What of a JSON value are standings: another version of the router may tell something else."""
    if not isinstance(told, Mapping):
        return {}
    found = ((target, _standing(values)) for target, values in told.items())
    return {target: one for target, one in found if one is not None}


def _standing(values: object) -> Standing | None:
    if not isinstance(values, list) or len(values) != 7:
        return None
    if not all(isinstance(value, int | float) and 0 <= value <= MOST for value in values):
        return None
    version, opened, left, cooldown, failures, requests, probing = values
    times = (min(float(left), LONGEST), min(float(cooldown), LONGEST))
    return Standing(int(version), bool(opened), *times, int(failures), int(requests), bool(probing))


def together(told: Iterable[Mapping[str, Standing]], versions: Mapping[str, int]) -> dict[str, Elsewhere]:
    """Add up what was told of each target by those who know its last change. `versions`: our own of each target."""
    found: dict[str, Elsewhere] = {}
    for standings in told:
        for target, one in standings.items():
            version = versions.get(target, 0)
            if one.version == version:
                known = found.get(target, Elsewhere(version))
                found[target] = Elsewhere(
                    version,
                    known.failures + one.failures,
                    known.requests + one.requests,
                    known.probing or one.probing,
                )
    return found
