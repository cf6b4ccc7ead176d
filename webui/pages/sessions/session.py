"""One session: `/sessions/<id>`: its turns in order, with subagents as a tree, and where the cache broke."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flask import Blueprint, Response, abort, jsonify, render_template, request, url_for
from flask_babel import gettext

from switchman.addons.core.access.roles import Role
from switchman.addons.core.access.session import BY_BEGINNING
from switchman.addons.core.sessions.turns import Branch, arranged
from switchman.addons.store.reading.sessions import SessionRow, TurnPage
from switchman.webui.access.people import person, web_config
from switchman.webui.access.roles import least
from switchman.webui.access.viewing import log
from switchman.webui.looks.formats import count, money
from switchman.webui.looks.marked import N_
from switchman.webui.pages.sessions.conversation import Reader, Turn, label
from switchman.webui.view import reading_address

PAGE_TURNS = 50

blueprint = Blueprint("session", __name__, template_folder=".")


@dataclass(frozen=True, slots=True)
class Group:
    """A branch as the page shows it: each turn with the branches that began during it. `opening`: those before."""

    label: str
    turns: list[tuple[Turn, list[Group]]]
    opening: list[Group]
    requests: int
    tokens: int | None
    cost: int | None


@dataclass(frozen=True, slots=True)
class Losses:
    """Of the breaks on a page. `tokens`, `cost`: of those where they are known, which are `known` and `priced`."""

    count: int
    known: int
    tokens: int
    priced: int
    cost: int


@blueprint.get("/sessions/<session>")
@least(Role.VIEWER)
def index(session: str) -> str:
    """The page; `after` is the cursor of a later page of turns."""
    row, page = _found(session)
    turns = Reader(log(), web_config().price_of).turns(page)
    tree = arranged(turns)
    return render_template(
        "session.html",
        page="sessions",
        session=row,
        main=_group(tree, gettext("Main conversation")) if tree is not None else None,
        turns=turns,
        losses=(lost := losses(turns)),
        losses_told=told_losses(lost),
        by_beginning=row.session.startswith(BY_BEGINNING),
        sees_bodies=person().sees_bodies,
        first_page=page.before == 0,
        next_url=page.next and url_for("session.index", session=row.session, after=page.next),
    )


@blueprint.get("/api/sessions/<session>")
@least(Role.VIEWER)
def api_session(session: str) -> Response:
    """The same as JSON: the session, and a page of its turns."""
    row, page = _found(session)
    turns = Reader(log(), web_config().price_of).turns(page)
    return jsonify(session=asdict(row), turns=[turn_values(turn) for turn in turns], next=page.next)


def _found(session: str) -> tuple[SessionRow, TurnPage]:
    queries = log()
    row = queries.get_session(session)
    if row is None:
        told = gettext("There is no session %(id)s: its requests may have been too old to keep.", id=repr(session[:64]))
        abort(404, told)
    with reading_address():
        limit = request.args.get("limit", PAGE_TURNS, type=int)
        return row, queries.turns(session, request.args.get("after") or None, limit)


def turn_values(turn: Turn) -> dict[str, Any]:
    """A turn for programs: texts around a break are in it, and no more of the prompt."""
    broken = turn.broken
    calls = [{"name": one.name, "answered": one.result is not None, "failed": one.failed} for one in turn.calls]
    return {
        **asdict(turn.row),
        "number": turn.number,
        "follows": turn.follows,
        "calls": calls,
        "broken": None if broken is None else {
            "headline": broken.headline,
            **{name: getattr(broken.found, name) for name in ("why", "part", "place", "title", "byte", "byte_before")},
            "before": "".join(broken.earlier),
            "after": "".join(broken.later),
            "kept": broken.kept,
            **asdict(broken.loss),
            "lost": broken.loss.lost,
        },
        "note": turn.note,
    }  # fmt: skip


def losses(turns: Sequence[Turn]) -> Losses:
    broken = [turn.broken.loss for turn in turns if turn.broken is not None]
    tokens = [loss.lost for loss in broken if loss.lost is not None]
    costs = [loss.cost for loss in broken if loss.cost is not None]
    return Losses(len(broken), len(tokens), sum(tokens), len(costs), sum(costs))


def told_losses(lost: Losses) -> str:
    """What the breaks of a page cost, in a sentence."""
    if not lost.known:
        return str(
            gettext("What the breaks cost is not known: the answers do not tell how much was read from a cache.")
        )
    values = {"tokens": count(lost.tokens), "cost": money(lost.cost), "known": lost.known, "breaks": lost.count}
    return str(gettext(_LOSSES[_priced(lost), lost.known < lost.count], **values))


def _priced(lost: Losses) -> str:
    return "none" if not lost.priced else "some" if lost.priced < lost.known else "all"


# By how many of the breaks have a known cost, and by whether it is not known of all what was read.
_LOSSES = {
    ("all", False): N_("%(tokens)s tokens were read anew that a provider's cache could have had, for %(cost)s more."),
    ("all", True): N_(
        "%(tokens)s tokens were read anew that a provider's cache could have had, for %(cost)s more, "
        "in %(known)s of %(breaks)s breaks: of the others it is not known."
    ),
    ("some", False): N_(
        "%(tokens)s tokens were read anew that a provider's cache could have had, for %(cost)s more at least."
    ),
    ("some", True): N_(
        "%(tokens)s tokens were read anew that a provider's cache could have had, for %(cost)s more at least, "
        "in %(known)s of %(breaks)s breaks: of the others it is not known."
    ),
    ("none", False): N_(
        "%(tokens)s tokens were read anew that a provider's cache could have had; what that cost is not known."
    ),
    ("none", True): N_(
        "%(tokens)s tokens were read anew that a provider's cache could have had; what that cost is not known, "
        "in %(known)s of %(breaks)s breaks: of the others it is not known."
    ),
}


def _group(branch: Branch[Turn], name: str) -> Group:
    below = {
        after: [_group(one, label(one, branch, after)) for one in branches] for after, branches in branch.below.items()
    }
    costs = [turn.row.cost_microdollars for turn in branch.turns]
    return Group(
        label=name,
        turns=[(turn, below.get(at, [])) for at, turn in enumerate(branch.turns)],
        opening=below.get(-1, []),
        requests=len(branch.turns),
        tokens=sum(_tokens(branch.turns)),
        cost=sum(known) if len(known := [cost for cost in costs if cost is not None]) == len(costs) else None,
    )


def _tokens(turns: Sequence[Turn]) -> Iterator[int]:
    for turn in turns:
        yield (turn.row.input_tokens or 0) + (turn.row.output_tokens or 0)
