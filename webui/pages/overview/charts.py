"""What each chart of the overview shows, as JSON for static/overview.js. Pure.

Times are milliseconds of the epoch, as JavaScript has them. A span of time without requests is there with zeros, and
without a latency: a line has a gap there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import floor
from typing import Any, NamedTuple

from switchman.addons.core.sessions.agents import NAMES
from switchman.addons.store.figures.cells import DAY, HOUR
from switchman.addons.store.figures.reading import Divided, Figures
from switchman.addons.store.reading.filters import NO_LAYER
from switchman.webui.languages.shown import translated
from switchman.webui.looks.formats import visible
from switchman.webui.looks.marked import N_
from switchman.webui.view import View, mark_of

STEPS = (60, 300, 900, 1800, HOUR, 3 * HOUR, 6 * HOUR, DAY, 7 * DAY)
MOST_SPANS = 72
MINUTES_KEPT = 47 * HOUR  # before that figures are by the hour
MOST_BARS = 10
# What a chart is divided by: the name of its filter, and its words.
DIVISIONS = {
    "layer": N_("By layer"), "model": N_("By model"), "server": N_("By server"), "token": N_("By API token"),
    "agent": N_("By agent"),
}  # fmt: skip
COLUMNS = {
    "layer": N_("Layer"), "model": N_("Model"), "server": N_("Server"), "token": N_("Token"), "agent": N_("Agent"),
}  # fmt: skip
# The value that stands for none, in words.
NOTHING = {
    "layer": N_("nothing was decided"), "model": N_("no model answered"), "server": N_("no server answered"),
    "token": N_("without a token of ours"), "agent": N_("not known"),
}  # fmt: skip
MEASURES = {
    "requests": N_("Requests"), "errors": N_("Errors"), "tokens": N_("Tokens"), "cost": N_("Cost"),
    "p95": N_("Duration, 95 %%"), "ttft": N_("First token, 95 %%"),
}  # fmt: skip
AXES = {
    "requests": N_("Requests"), "errors": N_("Errors"), "tokens": N_("Tokens in and out"), "cost": N_("Cost ($)"),
    "p95": N_("95 %% took at most (s)"), "ttft": N_("95 %% had their first token after (s)"),
}  # fmt: skip


def step_for(start: float, end: float, now: float, narrowed: bool) -> int:
    """Seconds of one span: the shortest of STEPS of which MOST_SPANS are enough.

    `narrowed`: by more than the outcome. Then a long range by the minute would read too many cells.
    """
    length = max(end - start, 60.0)
    shortest = HOUR if start < now - MINUTES_KEPT or (narrowed and length > 6 * HOUR) else 0
    return next((step for step in STEPS if step >= shortest and length / step <= MOST_SPANS), STEPS[-1])


def trend(along: Mapping[tuple[int, str], Figures], step: int, start: float, end: float) -> dict[str, Any]:
    """Requests, times, tokens and cost along time, a value for each span from `start` to `end`."""
    first = floor(start / step) * step
    spans = [first + step * number for number in range(min(max(1, int(-(-(end - first) // step))), 4 * MOST_SPANS))]
    each = [along.get((at, ""), Figures()) for at in spans]
    times = [[one.percentiles(name)[1:] for one in each] for name in ("durations", "ttfts")]
    return {
        "at": [1000 * at for at in spans],
        "step": step,
        "requests": {
            "complete": [one.requests - one.errors - one.cancelled - one.cached for one in each],
            "cached": [one.cached for one in each],
            "cancelled": [one.cancelled for one in each],
            "errors": [one.errors for one in each],
        },
        "latency": {
            "p50": [_seconds(p50) for p50, _, _ in times[0]],
            "p95": [_seconds(p95) for _, p95, _ in times[0]],
            "p99": [_seconds(p99) for _, _, p99 in times[0]],
            "ttft": [_seconds(p50) for p50, _, _ in times[1]],
        },
        "tokens": {
            "input": [one.input_tokens - one.cached_tokens for one in each],
            "cached": [one.cached_tokens for one in each],
            "output": [one.output_tokens - one.reasoning_tokens for one in each],
            "reasoning": [one.reasoning_tokens for one in each],
        },
        "cost": [one.cost / 1_000_000 for one in each],
    }


class Bar(NamedTuple):
    """One value that a chart is divided by. `ttft95`: only where that is what is measured. `url`: its requests, None
    where no filter finds them."""

    value: str
    words: str
    figures: Figures
    url: str | None
    colour: int
    p95: float | None
    ttft95: float | None


def bars(divided: Divided, name: str, view: View, measure: str) -> tuple[list[Bar], int]:
    """The largest by a measure, and how many others there are."""
    first_tokens = measure == "ttft"  # a look at each request: only where it is shown
    found = [_bar(name, value, figures, view, first_tokens) for value, figures in divided.by[name].items()]
    found.sort(key=lambda one: -amount(one, measure))
    return found[:MOST_BARS], max(0, len(found) - MOST_BARS)


def amount(bar: Bar, measure: str) -> float:
    """The length of a bar, in the unit of AXES."""
    figures = bar.figures
    amounts = {
        "requests": figures.requests,
        "errors": figures.errors,
        "tokens": figures.input_tokens + figures.output_tokens,
        "cost": figures.cost / 1_000_000,
        "p95": (bar.p95 or 0.0) / 1000,
        "ttft": (bar.ttft95 or 0.0) / 1000,
    }
    return amounts[measure]


def bar_chart(found: list[Bar], measure: str) -> list[dict[str, Any]]:
    return [
        {"words": visible(one.words), "amount": amount(one, measure), "url": one.url, "colour": one.colour}
        for one in found
    ]


def _bar(name: str, value: str, figures: Figures, view: View, first_tokens: bool) -> Bar:
    # Only layers have a filter for "none".
    chosen = value or (NO_LAYER if name == "layer" else "")
    url = view.url("live.index", **{name: chosen}) if chosen else None
    words = NAMES.get(value, value) if name == "agent" else value
    colour = mark_of(value).colour if name == "model" else 0
    p95 = figures.percentile("durations", 95)
    ttft95 = figures.percentile("ttfts", 95) if first_tokens else None
    return Bar(value, words or translated(NOTHING[name]), figures, url, colour, p95, ttft95)


def span_view(view: View) -> View:
    """The same filters without the time, which each span of a trend has of its own."""
    args = {name: value for name, value in view.args.items() if name not in ("from", "to")}
    return replace(view, args=args, range="custom")


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
