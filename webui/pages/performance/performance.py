"""`/performance`: response time against tokens, a point per request; how times are distributed; tokens a second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, render_template, request, url_for
from flask_babel import gettext, ngettext, pgettext

from switchman.addons.core.access.roles import Role
from switchman.addons.store.figures.spreads import ERROR
from switchman.addons.store.figures.tables import SPREADS
from switchman.addons.store.reading.filters import ERROR_OUTCOMES
from switchman.addons.store.reading.queries import Queries
from switchman.addons.store.reading.summaries import Point, Scatter
from switchman.webui.access.people import web_config
from switchman.webui.access.roles import least
from switchman.webui.access.viewing import log
from switchman.webui.assets import plotly_version
from switchman.webui.languages.shown import choices, look_of, translated
from switchman.webui.looks.examples import example_request
from switchman.webui.looks.marked import N_
from switchman.webui.looks.palette import mark, marks
from switchman.webui.pages.performance.distributions import distributions, speeds
from switchman.webui.view import View, bar_choices, mark_of, parse_view, reading_address

MOST_POINTS = 2_000  # an SVG of more is slow to hover over
ACROSS = ("output", "input", "total")
TITLES = {
    "output": N_("Response time against output tokens"),
    "input": N_("Response time against input tokens"),
    "total": N_("Response time against all tokens"),
}
COLOURS = {"model": N_("model"), "server": N_("server")}
NOTHING = {"model": N_("no model"), "server": N_("no server")}
SCALES = {"linear": N_("linear"), "log": N_("logarithmic")}

blueprint = Blueprint("performance", __name__, template_folder=".")


@blueprint.get("/performance")
@least(Role.VIEWER)
def index() -> Response:
    """The page. The chart asks for its points itself (`/api/performance`)."""
    with reading_address():
        view = parse_view(request.args)
        across, scale = axes(request.args)
        by = colour_of(request.args)
    queries = log()
    summary, divided = queries.summary_with_figures(view.filters)
    page = render_template(
        "performance.html",
        page="performance",
        view=view,
        summary=summary,
        across=across,
        scale=scale,
        across_choices=list(across_words().items()),
        scale_choices=choices(SCALES.items()),
        chart_title=translated(TITLES[across]),
        by=by,
        by_choices=choices(COLOURS.items()),
        speeds=speeds(divided),
        router=divided.total.percentiles("overheads"),
        error=ERROR,
        data_url=view.url("performance.api_performance", x=across, scale=scale, by=by),
        plotly_url=url_for("assets.plotly_js", wanted=plotly_version()),
        any_at_all=bool(summary.overall.count) or bool(queries.list_requests(limit=1).rows),
        **bar_choices(view),
        example=example_request(web_config().proxy_url, web_config().ruleset()),
    )
    return make_response(page)


@blueprint.get("/api/performance")
@least(Role.VIEWER)
def api_performance() -> Response:
    """The chart's points and series as JSON: `y` in seconds, `x` in tokens."""
    with reading_address():
        view = parse_view(request.args)
        across, scale = axes(request.args)
        by = colour_of(request.args)
    queries = log()
    divided, more = queries.divided(view.filters, SPREADS)
    return jsonify(chart(queries, view, across, scale, by) | {"distributions": distributions(divided), "more": more})


def axes(values: Mapping[str, str]) -> tuple[str, str]:
    """The quantity on the x axis, and the scale of both axes. ValueError for an unknown one."""
    across, scale = values.get("x") or "output", values.get("scale") or "linear"
    if across not in ACROSS or scale not in SCALES:
        known = {"x": ", ".join(ACROSS), "scale": ", ".join(SCALES)}
        raise ValueError(gettext("x is one of %(x)s and scale one of %(scale)s", **known))
    return across, scale


def across_words() -> dict[str, str]:
    """What each quantity of ACROSS is called."""
    return {
        "output": gettext("Output tokens"),
        "input": gettext("Input tokens"),
        "total": pgettext("of a model", "All tokens"),
    }


def colour_of(values: Mapping[str, str]) -> str:
    """What points are coloured by. ValueError for what is not known."""
    by = values.get("by") or "model"
    if by not in COLOURS:
        raise ValueError(gettext("by is one of %(known)s", known=", ".join(COLOURS)))
    return by


def chart(queries: Queries, view: View, across: str, scale: str, by: str = "model") -> dict[str, Any]:
    """What /api/performance answers; points without a place on the chart are counted in its note."""
    scatter = queries.scatter(view.filters, limit=MOST_POINTS)
    words = {outcome: look_of(outcome).word for outcome in {point.outcome for point in scatter.points}}
    begin = url_for("detail.story", request_id="0").removesuffix("0")
    found = [point_values(point, across, words, begin) for point in scatter.points]
    known = [values for values in found if values is not None]
    points = [point for point in known if scale == "linear" or (point["x"] > 0 and point["y"] > 0)]
    names = dict.fromkeys(point[by] for point in points)
    own = marks(str(name) for name in names if name)
    look = mark_of if by == "model" else lambda name: own.get(name) or mark(name)
    return {
        "points": points,
        "by": by,
        "series": [{"name": name, **look(name)._asdict()} for name in sorted(names, key=lambda name: name or "")],
        "nothing": translated(NOTHING[by]),
        "x_axis": across_words()[across],
        "y_axis": gettext("Duration (s)"),
        "scale": scale,
        "note": note(scatter, unknown=len(scatter.points) - len(known), zero=len(known) - len(points)),
    }


def tokens(point: Point, across: str) -> int | None:
    """A point's place on the x axis, None where it is not known."""
    if across == "output":
        return point.output_tokens
    if across == "input":
        return point.input_tokens
    if point.input_tokens is None or point.output_tokens is None:
        return None
    return point.input_tokens + point.output_tokens


def point_values(point: Point, across: str, words: Mapping[str, str], begin: str) -> dict[str, Any] | None:
    """What the chart needs of a point; None where it has no place. `words`: those of outcomes; `begin`: what the
    address of a request begins with. (To look both up for each of 2,000 points costs more than all the rest.)"""
    count = tokens(point, across)
    if count is None:
        return None
    return {
        "id": point.id,
        "url": begin + point.id
        if point.id.isascii() and point.id.isalnum()
        else url_for("detail.story", request_id=point.id),
        "started_at": point.started_at,
        "model": point.model or None,
        "server": point.server or None,
        "outcome": words[point.outcome],
        "failed": point.outcome in ERROR_OUTCOMES,
        "x": count,
        "y": point.duration_ms / 1000,
    }


def note(scatter: Scatter, unknown: int, zero: int) -> str:
    """What the chart leaves out, in a sentence."""
    told = ngettext("%(num)s request", "%(num)s requests", scatter.total)
    if scatter.more:
        told = gettext("at least %(count)s requests", count=scatter.total)
    more = []
    if scatter.sampled:
        more.append(gettext("%(count)s of them, evenly spread, are taken", count=len(scatter.points)))
    if unknown:
        more.append(
            ngettext(
                "%(num)s without a known number of tokens is not shown",
                "%(num)s without a known number of tokens are not shown",
                unknown,
            )
        )
    if zero:
        more.append(
            ngettext(
                "%(num)s at zero has no place on a logarithmic scale",
                "%(num)s at zero have no place on a logarithmic scale",
                zero,
            )
        )
    for words in more:
        told = gettext("%(before)s; %(after)s", before=told, after=words)
    return str(gettext("%(told)s. A point opens its request; hollow points are errors.", told=told))
