"""How each server is, as far as the log and the workers tell. Pure.

A breaker is told by the workers, who write down once a second which targets rest. Errors and times are those of the
requests of the last hour that ended at the server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from switchman.addons.store.figures.reading import Figures
from switchman.addons.store.reading.servers import ServerNews
from switchman.webui.looks.marked import N_
from switchman.webui.looks.outcomes import Tone

SPAN, SPANS = 300, 12  # seconds of a point of the sparkline, and points: the last hour
SOME, MANY = 0.1, 0.5  # shares of errors
WIDTH, HEIGHT = 120, 24


class Health(NamedTuple):
    """`word` and `meaning` say it, marked to be translated; `icon` is one of parts.html.

    `lines`: the sparkline's pieces, as SVG points.
    """

    name: str
    tone: Tone
    icon: str
    word: str
    meaning: str
    hour: Figures
    p50: float | None
    p95: float | None
    lines: list[str]
    news: ServerNews


def healths(
    servers: Sequence[str], news: Mapping[str, ServerNews], along: Mapping[tuple[int, str], Figures], now: float
) -> list[Health]:
    """`along`: the last hour by spans of SPAN seconds and by server. Those that rest or fail stand first."""
    found = [_health(name, news.get(name) or ServerNews(), along, now) for name in servers]
    order = {"bad": 0, "warn": 1, "good": 2, "quiet": 3}
    return sorted(found, key=lambda one: (order[one.tone], one.name))


def _health(name: str, news: ServerNews, along: Mapping[tuple[int, str], Figures], now: float) -> Health:
    last = int(now // SPAN) * SPAN
    spans = [along.get((last - SPAN * back, name)) for back in reversed(range(SPANS))]
    hour = Figures()
    for span in spans:
        if span is not None:
            hour.merge(span)
    _, p50, p95, _ = hour.percentiles("durations")
    medians = [span.percentiles("durations")[1] if span is not None else None for span in spans]
    return Health(name, *_word(news, hour), hour, p50, p95, sparkline(medians), news)


def _word(news: ServerNews, hour: Figures) -> tuple[Tone, str, str, str]:
    if any(one.state == "open" for one in news.resting):
        return "warn", "triangle", N_("resting"), N_("its breaker is open: other servers are tried first")
    if news.resting:
        return "warn", "triangle", N_("on trial"), N_("its breaker is half open: one request tries it again")
    if not hour.requests:
        return "quiet", "minus", N_("not asked"), N_("no request ended there within the last hour")
    share = hour.errors / hour.requests
    if share >= MANY:
        return "bad", "cross", N_("failing"), N_("half of the requests of the last hour, or more, ended in an error")
    if share >= SOME:
        return (
            "warn",
            "triangle",
            N_("some errors"),
            N_("a tenth of the requests of the last hour, or more, ended in an error"),
        )
    return "good", "check", N_("answering"), N_("fewer than a tenth of the requests of the last hour ended in an error")


def sparkline(values: Sequence[float | None]) -> list[str]:
    """Points of SVG's polylines, from zero up to the largest value; a value that is not known is a gap."""
    most = max((value for value in values if value is not None), default=0.0) or 1.0
    step = WIDTH / max(1, len(values) - 1)
    pieces: list[list[str]] = [[]]
    for at, value in enumerate(values):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append(f"{at * step:.1f},{HEIGHT - 2 - value / most * (HEIGHT - 4):.1f}")
    # A single point is drawn as a short line.
    return [" ".join(piece if len(piece) > 1 else [piece[0], _beside(piece[0])]) for piece in pieces if piece]


def _beside(point: str) -> str:
    across, _, down = point.partition(",")
    return f"{float(across) + 2:.1f},{down}"
