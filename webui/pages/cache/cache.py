"""`/cache`: what the caches did in a range of time, what they hold, and the pairs of prompts that the semantic one
found alike, for a person to say whether they are.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_args

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext, ngettext
from werkzeug.wrappers import Response as BaseResponse

from switchman.addons.core.access.roles import Role
from switchman.addons.store.keeping.beside.cacheverdicts import VERDICTS
from switchman.addons.store.reading.cacheuse import Kind
from switchman.webui.access.guard import said
from switchman.webui.access.people import person, web_config
from switchman.webui.access.roles import least
from switchman.webui.access.viewing import log
from switchman.webui.admin.changes import Changes
from switchman.webui.looks.marked import N_
from switchman.webui.view import parse_view, reading_address

PAGE_PAIRS = 20
KINDS: tuple[Kind, ...] = get_args(Kind)
WORDS: dict[Kind, str] = {"shadow": N_("Would have been served"), "served": N_("Served")}

blueprint = Blueprint("cache", __name__, template_folder=".")


@blueprint.get("/cache")
@least(Role.VIEWER)
def index() -> str:
    """`kind`: which pairs; `before`: the cursor of an older page of them."""
    queries, kind, before = log(), wanted_kind(), request.args.get("before") or None
    with reading_address():
        view = parse_view(request.args)
        use = queries.cache_use(view.filters)
        found = queries.cache_pairs(kind, view.filters, before, PAGE_PAIRS)
    return render_template(
        "cache.html",
        page="cache",
        view=view,
        use=use,
        held=held(),
        kind=kind,
        kinds=[(one, gettext(WORDS[one]), view.url("cache.index", kind=one)) for one in KINDS],
        pairs=found.pairs,
        verdicts=queries.verdicts.of([pair.id for pair in found.pairs]),
        counts=queries.verdicts.counts(),
        first_page=before is None,
        newest_url=view.url("cache.index", kind=kind),
        older_url=found.next and view.url("cache.index", kind=kind, before=found.next),
        may_judge=person().role >= Role.OPERATOR,
        toast=toast(request.args.get("cleared", "")),
    )


@blueprint.get("/api/cache")
@least(Role.VIEWER)
def api_cache() -> Response:
    """The same as JSON."""
    queries, kind = log(), wanted_kind()
    with reading_address():
        view = parse_view(request.args)
        use = queries.cache_use(view.filters)
        found = queries.cache_pairs(kind, view.filters, request.args.get("before") or None, PAGE_PAIRS)
    verdicts = queries.verdicts.of([pair.id for pair in found.pairs])
    pairs = [
        asdict(pair) | {"verdict": verdicts[pair.id].verdict if pair.id in verdicts else None} for pair in found.pairs
    ]
    return jsonify(
        use=asdict(use) | {"looked": use.looked, "hit_rate": use.hit_rate},
        held=held(),
        verdicts=asdict(queries.verdicts.counts()),
        pairs=pairs,
        next=found.next,
    )


@blueprint.post("/cache/verdict")
@least(Role.OPERATOR)
def judge() -> BaseResponse:
    """`id`, and a `verdict` of VERDICTS, or "" to take it back; as a form or as JSON."""
    given = given_values()
    request_id, verdict = str(given.get("id", "")), str(given.get("verdict", ""))
    wanted = next((one for one in VERDICTS if one == verdict), None)
    if wanted is None and verdict:
        text = N_("A verdict is one of %(names)s, or empty to take it back.")
        abort(400, said(text, names=", ".join(VERDICTS)))
    if not log().verdicts.judge(request_id, wanted, person().name, time.time()):
        abort(404, N_("There is no such request, or it is no longer kept."))
    if request.is_json:
        return jsonify(id=request_id, verdict=wanted)
    kind = wanted_kind(str(given.get("kind", "")))
    back: dict[str, Any] = {name: str(given[name]) for name in ("range", "before") if given.get(name)}
    return redirect(url_for("cache.index", kind=kind, **back, _anchor=f"pair-{request_id}"), 303)


@blueprint.post("/cache/clear")
@least(Role.OPERATOR)
def clear() -> BaseResponse:
    """Forget every kept answer. Requests stay in the log."""
    gone = Changes("page").clear_cache()
    return redirect(url_for("cache.index", cleared=gone), 303)


def given_values() -> Mapping[str, Any]:
    """What a form or a program sent."""
    if not request.is_json:
        return request.form
    sent = request.get_json(silent=True)
    return sent if isinstance(sent, dict) else {}


def toast(cleared: str) -> str:
    """What was done, for the page that follows."""
    if not (cleared.isascii() and cleared.isdecimal() and len(cleared) < 10):
        return ""
    return str(ngettext("%(num)s kept answer is forgotten", "%(num)s kept answers are forgotten", int(cleared)))


def wanted_kind(text: str | None = None) -> Kind:
    wanted = (request.args.get("kind", "") if text is None else text) or KINDS[0]
    found = next((one for one in KINDS if one == wanted), None)
    if found is None:
        abort(400, said(N_("The address cannot be read: kind is one of %(names)s."), names=", ".join(KINDS)))
    return found


def held() -> dict[str, int] | None:
    """What the caches hold now; None where that is not known."""
    elsewhere = web_config().elsewhere
    if elsewhere is None:
        return None
    try:
        entries, size = elsewhere.answers()
        return {"answers": entries, "bytes": size, "prompts": elsewhere.vectors()}
    except OSError:  # in use just now
        return None
