"""The overview: `/`, and what its charts and its live parts ask for."""

from __future__ import annotations

import time
from dataclasses import asdict, astuple, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request, url_for
from flask_babel import gettext

from switchman.addons.core.access.limits.written import NO_LIMITS
from switchman.addons.core.access.prices.table import Prices
from switchman.addons.core.access.roles import Role
from switchman.addons.store.figures.cells import DAY
from switchman.addons.store.figures.reading import Divided, Figures, answers
from switchman.addons.store.figures.spreads import ERROR
from switchman.addons.store.figures.tables import DIMENSIONS
from switchman.addons.store.reading.filters import Filters
from switchman.webui.access.people import web_config
from switchman.webui.access.roles import least
from switchman.webui.access.viewing import log
from switchman.webui.assets import plotly_version
from switchman.webui.languages.shown import choices, translated
from switchman.webui.looks.examples import example_request
from switchman.webui.looks.health import SPAN, SPANS, Health, healths
from switchman.webui.pages.overview import charts
from switchman.webui.pages.overview.savings import Baseline, baselines, find_baseline
from switchman.webui.view import View, bar_choices, parse_view, reading_address

RECENT = 10  # rows
LIVE_PARTS = ("figures", "servers", "recent")
LONGEST_NAME = 200

blueprint = Blueprint("overview", __name__, template_folder=".")


@dataclass(frozen=True, slots=True)
class Compared:
    """What was asked for to compare with, and what it comes to. `model` None: nothing, or nothing that is known."""

    wanted: str
    model: Baseline | None = None
    cost: int = 0
    saved: int = 0


@blueprint.get("/")
@least(Role.VIEWER)
def index() -> str:
    """The page. Its charts ask for what they show themselves (`/api/overview`)."""
    with reading_address():
        view, left_out = narrowed(parse_view(request.args))
        measure = measure_of()
    found = content(view)
    return render_template(
        "overview.html",
        page="overview",
        view=view,
        left_out=left_out,
        measure=measure,
        measures=choices(charts.MEASURES.items()),
        divisions=divisions(found["divided"], view, measure),
        known_models=baselines(web_config().prices()),
        data_url=data_url(view, measure),
        plotly_url=url_for("assets.plotly_js", wanted=plotly_version()),
        any_at_all=bool(found["rows"]) or log().figures.oldest() is not None,
        example=example_request(web_config().proxy_url, web_config().ruleset()),
        **found,
        **bar_choices(view),
    )


@blueprint.get("/api/overview")
@least(Role.VIEWER)
def api_overview() -> Response:
    """The same as JSON: figures, charts, servers; `html=1` adds the live parts as the page shows them."""
    with reading_address():
        view, _ = narrowed(parse_view(request.args))
        measure = measure_of()
    found = content(view)
    values = {
        "figures": totals(found),
        "baseline": asdict(found["compared"]),
        "trend": trend(view),
        "measure": {"name": measure, "axis": translated(charts.AXES[measure])},
        "divisions": {
            one["name"]: {"bars": charts.bar_chart(one["bars"], measure), "others": one["others"]}
            for one in divisions(found["divided"], view, measure)
        },
        "servers": [server_values(one) for one in found["health"]],
        "in_flight": found["in_flight"],
    }
    if request.args.get("html"):
        values["html"] = {
            part: render_template(f"overview_{part}.html", view=view, measure=measure, **found) for part in LIVE_PARTS
        }
    return jsonify(values)


def content(view: View) -> dict[str, Any]:
    """What page and API show, but the charts."""
    now = time.time()
    queries, config = log(), web_config()
    divided = queries.figures.divided(view.filters)
    running = queries.underway(now)
    filters = Filters(start=float((now // SPAN - SPANS + 1) * SPAN))
    along = queries.figures.along(filters, SPAN, by="server", spreads=("durations",))
    heard_of = (*config.servers(), *divided.by["server"], *(name for _, name in along))
    servers = list(filter(None, dict.fromkeys(heard_of)))
    exact = queries.exact_times(view.filters, divided.total.requests)
    duration, ttft = map(astuple, exact) if exact else map(divided.total.percentiles, ("durations", "ttfts"))
    return {
        "now": now,
        "divided": divided,
        "total": divided.total,
        "duration": duration,
        "ttft": ttft,
        "error": 0.0 if exact else ERROR,
        "compared": compared(divided, config.prices(), request.args.get("baseline", config.baseline or "")),
        "in_flight": len(running),
        "health": healths(servers, queries.server_news(servers, now), along, now),
        "limits_told": config.limits() == NO_LIMITS,  # else an answer's fields tell those of its caller
        "rows": queries.list_requests(view.filters, limit=RECENT).rows,
    }


def narrowed(view: View) -> tuple[View, list[str]]:
    """The view by the filters that figures know, and the names of the others."""
    if answers(view.filters):
        return view, []
    known = {"start", "end", *DIMENSIONS}
    others = {each.name: None for each in fields(view.filters) if each.name not in known}
    left_out = [name for name in view.args if name in others]
    args = {name: value for name, value in view.args.items() if name not in others}
    return replace(view, filters=replace(view.filters, **others), args=args), left_out


def measure_of() -> str:
    """What the bars show. ValueError for what is not known."""
    measure = request.args.get("measure") or "requests"
    if measure not in charts.MEASURES:
        raise ValueError(gettext("measure is one of %(known)s", known=", ".join(charts.MEASURES)))
    return measure


def compared(divided: Divided, prices: Prices, wanted: str) -> Compared:
    """`wanted`: the model whose price is compared with."""
    wanted = wanted.replace("\0", "").strip()[:LONGEST_NAME]
    model = find_baseline(prices, wanted) if wanted else None
    if model is None:
        return Compared(wanted)
    cost = model.cost(divided.total)
    return Compared(wanted, model, cost, cost - divided.total.compared_cost)


def divisions(divided: Divided, view: View, measure: str) -> list[dict[str, Any]]:
    """By layer, model, server, token and agent: the bars, how many more there are, and the address for each."""
    found = []
    for name, words in charts.DIVISIONS.items():
        bars, others = charts.bars(divided, name, view, measure)
        told = {"words": translated(words), "column": translated(charts.COLUMNS[name])}
        found.append({"name": name, "bars": bars, "others": others, **told})
    return found


def trend(view: View) -> dict[str, Any]:
    """The charts along time, with the address of each span's requests."""
    now = time.time()
    figures = log().figures
    end = min(view.filters.end or now, now + DAY)
    start = view.filters.start if view.filters.start is not None else figures.oldest() or now - 60
    dimensions = [getattr(view.filters, name) for name in DIMENSIONS if name != "outcome"]
    step = charts.step_for(start, end, now, any(value is not None for value in dimensions))
    found = charts.trend(figures.along(view.filters, step), step, start, end)
    plain = charts.span_view(view)
    ends = [(at / 1000, at / 1000 + step - 1e-6) for at in found["at"]]
    found["urls"] = [plain.url("live.index", **{"from": moment(first), "to": moment(last)}) for first, last in ends]
    return found


def moment(epoch: float) -> str:
    """As an address has it, to the microsecond."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def data_url(view: View, measure: str) -> str:
    return view.url("overview.api_overview", measure=measure, baseline=request.args.get("baseline"), html=1)


def totals(found: dict[str, Any]) -> dict[str, Any]:
    """Counts and sums by their names, of what `content` gave; times in milliseconds, money in micro-dollars."""
    total: Figures = found["total"]
    known = {each.name: getattr(total, each.name) for each in fields(total)}
    values: dict[str, Any] = {name: value for name, value in known.items() if isinstance(value, int | float)}
    for name, spread in (("duration_ms", "duration"), ("ttft_ms", "ttft")):
        count, *percentiles = found[spread]
        named = dict(zip(("p50", "p95", "p99"), percentiles, strict=True))
        values[name] = {"count": count, **named, "within": found["error"]}
    return values


def server_values(one: Health) -> dict[str, Any]:
    return {
        "name": one.name,
        "state": one.word,
        "requests": one.hour.requests,
        "errors": one.hour.errors,
        "p50_ms": one.p50,
        "p95_ms": one.p95,
        **asdict(one.news),
    }
