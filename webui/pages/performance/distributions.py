"""How times are distributed, and how fast each model writes: from figures over all requests of the range. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from switchman.addons.store.figures.reading import Divided
from switchman.addons.store.figures.spreads import histogram
from switchman.addons.store.figures.tables import DIMENSIONS
from switchman.webui.view import mark_of

TOGETHER = 5  # steps of the scale in a bar: each is 1.45 times as far as the one before
MOST_MODELS = 30


class Speed(NamedTuple):
    """Tokens a second of a model's complete answers; `known`: of how many answers."""

    model: str
    known: int
    p50: float | None
    p95: float | None


def speeds(divided: Divided) -> list[Speed]:
    """Of the models with most requests, those whose speed is known."""
    found = []
    for model, figures in list(divided.group(DIMENSIONS.index("model")).items())[:MOST_MODELS]:
        count, p50, p95, _ = figures.percentiles("rates")
        if count and model:
            found.append(Speed(model, count, p50, p95))
    return found


def distributions(divided: Divided) -> dict[str, Any]:
    """Each chart's steps: where each begins, in seconds (the router's own time: milliseconds), and how many requests
    there are. The last one has none: it is where the line ends."""
    return {
        "durations": _steps(divided, "durations", 1000),
        "ttfts": _steps(divided, "ttfts", 1000),
        "overheads": _steps(divided, "overheads", 1),
        "rates": [
            {"model": one.model, "p50": one.p50, "known": one.known, "colour": mark_of(one.model).colour}
            for one in speeds(divided)
        ],
    }


def _steps(divided: Divided, name: str, unit: float) -> dict[str, list[float]]:
    bars = histogram(divided.total.whole(name), TOGETHER)
    if not bars:
        return {"x": [], "y": []}
    ends = [lower / unit for lower, _, _ in bars] + [bars[-1][1] / unit]
    return {"x": ends, "y": [float(count) for _, _, count in bars] + [0.0]}
