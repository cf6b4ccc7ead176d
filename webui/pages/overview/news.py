"""What has just happened, for every page that is open: `/api/news`.

1. Looks are taken when a page asks, at most once a second: at the rules in force, the targets that rest, the alerts of
   budgets. What differs from the look before is news; the first look, and one after nobody had looked for IDLE seconds,
   makes none. So nothing runs while no page is open.
2. A page asks with the cursor that it had last, and is told what is newer. Without one, or with one of another process,
   it is given the newest cursor and nothing: opening a page shows nothing old.
3. A target that rests no more is told once it was missed for GONE seconds: workers write down once a second which rest.
   One whose worker has stopped is not told at all: its breaker did not close.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from math import inf
from threading import Lock
from typing import Any, Literal

from flask import Blueprint, Response, current_app, g, jsonify, request
from flask_babel import gettext, ngettext
from sqlalchemy.exc import DBAPIError

from switchman.addons.core.access.roles import Role
from switchman.addons.core.record import Resting
from switchman.webui.access.roles import least
from switchman.webui.admin.spending import Banner, words_of
from switchman.webui.config import WebConfig
from switchman.webui.looks.formats import visible
from switchman.webui.looks.outcomes import Tone

EVERY = 1.0  # seconds between two looks
IDLE = 150.0  # pages that nobody sees ask once a minute (static/news.js)
GONE = 3.0
MOST = 100  # items that are kept
SHOWN = 10  # items of one answer, the newest

Kind = Literal["loaded", "refused", "restored", "opened", "closed", "budget"]

blueprint = Blueprint("news", __name__)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that happened, in no language yet. `values`: what its sentence names. `at`: epoch seconds."""

    number: int
    at: float
    kind: Kind
    values: Mapping[str, Any]
    least: Role = Role.VIEWER


class News:
    """What this process has seen happen."""

    def __init__(self, config: WebConfig) -> None:
        self._config = config
        self._banner = Banner(config)
        self._lock = Lock()
        self._process = secrets.token_hex(4)
        self._items: deque[Item] = deque(maxlen=MOST)
        self._number = 0
        self._looked = -inf  # monotonic seconds
        self._began = inf  # epoch seconds: older alerts are no news
        self._rules: tuple[str | None, str | None] = (None, None)
        self._resting: dict[str, Resting] = {}
        self._missed: dict[str, float] = {}  # since when a target that rested is none of those that rest
        self._alerts: set[str] = set()

    def since(self, cursor: str, role: Role, now: float, moment: float) -> tuple[str, list[Item]]:
        """The cursor to ask with next, and what is newer than `cursor` for this role. `now`: epoch seconds; `moment`:
        monotonic ones.
        """
        self._look(now, moment)
        with self._lock:
            process, _, number = cursor.partition("-")
            known = process == self._process and number.isdecimal() and len(number) < 19
            newer = [one for one in self._items if known and one.number > int(number) and one.least <= role]
            return f"{self._process}-{self._number}", newer[-SHOWN:]

    def _look(self, now: float, moment: float) -> None:
        with self._lock:
            if moment - self._looked < EVERY:
                return
            afresh = moment - self._looked > IDLE
            self._looked = moment
            if afresh:
                self._began = now
            self._see_rules(now, afresh)
            self._see_resting(now, afresh)
            self._see_budgets(now)

    def _add(self, now: float, kind: Kind, least: Role = Role.VIEWER, **values: Any) -> None:
        self._number += 1
        self._items.append(Item(self._number, now, kind, values, least))

    def _see_rules(self, now: float, afresh: bool) -> None:
        if self._config.rules is None:
            return
        self._config.rules.poll()
        error, current = self._config.rules.error, self._config.ruleset()
        digest = current.digest if current is not None else None
        before, self._rules = self._rules, (digest, error)
        if afresh or before == self._rules:
            return
        if error is not None and error != before[1]:
            self._add(now, "refused", error=error)
        elif digest != before[0]:
            self._add(now, "loaded")
        elif error is None:
            self._add(now, "restored")

    def _see_resting(self, now: float, afresh: bool) -> None:
        try:
            found = {one.target: one for one in self._config.queries.resting(now)}
        except DBAPIError:
            return  # it is said elsewhere that the log cannot be read
        if afresh:
            self._resting, self._missed = found, {}
            return
        opened = [one for target, one in found.items() if target not in self._resting]
        self._missed = {one: self._missed.get(one, now) for one in self._resting if one not in found}
        gone = [target for target, at in self._missed.items() if now - at >= GONE]
        lost = self._config.queries.lost(now) if gone else ()
        self._add_targets(now, "opened", opened)
        self._add_targets(now, "closed", [self._resting[target] for target in gone if target not in lost])
        for target in gone:
            del self._missed[target]
        self._resting = {target: one for target, one in (self._resting | found).items() if target not in gone}

    def _add_targets(self, now: float, kind: Kind, changed: Iterable[Resting]) -> None:
        """One item for each server, however many targets of it there are."""
        by_server = sorted(changed, key=lambda one: (one.server, one.target))
        for server, ones in groupby(by_server, key=lambda one: one.server):
            targets = [one.target for one in ones]
            self._add(now, kind, server=server, target=targets[0], count=len(targets))

    def _see_budgets(self, now: float) -> None:
        for told in self._banner.told():
            if told.at >= self._began and told.id not in self._alerts:
                self._alerts.add(told.id)
                self._add(now, "budget", Role.OPERATOR, told=told)


def said(item: Item) -> tuple[Tone, str, str]:
    """An item in the reader's language: its tone, its title, and a sentence."""
    values = item.values
    if item.kind == "loaded":
        return "good", gettext("Rules loaded"), gettext("A new version of the rules is in force.")
    if item.kind == "restored":
        return "good", gettext("Rules file is good again"), gettext("It says what is in force.")
    if item.kind == "refused":
        why = gettext("%(error)s. The last good rules stay in force.", error=visible(values["error"]))
        return "bad", gettext("Rules file not loaded"), why
    if item.kind == "budget":
        told = values["told"]
        title = gettext("Budget used up") if told.percent >= 100 else gettext("Budget nearly used up")
        return ("bad" if told.percent >= 100 else "warn"), title, visible(words_of(told))
    names = {"target": visible(values["target"]), "server": visible(values["server"])}
    if item.kind == "opened":
        sentence = ngettext(
            "%(target)s rests: other servers are tried first.",
            "%(num)s targets of %(server)s rest: other servers are tried first.",
            values["count"],
            **names,
        )
        return "warn", gettext("Breaker open"), sentence
    sentence = ngettext(
        "%(target)s is asked again.", "%(num)s targets of %(server)s are asked again.", values["count"], **names
    )
    return "good", gettext("Breaker closed"), sentence


@blueprint.record_once
def begin(state: Any) -> None:
    """Each app has its own."""
    state.app.extensions["switchman_news"] = News(state.app.config["SWITCHMAN"])


@blueprint.get("/api/news")
@least(Role.VIEWER)
def api_news() -> Response:
    """`after`: the cursor of the last answer. Budgets are told to operators."""
    role = g.person.role if g.get("person") else Role.VIEWER
    news: News = current_app.extensions["switchman_news"]
    cursor, items = news.since(request.args.get("after", ""), role, time.time(), time.monotonic())
    found = []
    for item in items:
        tone, title, text = said(item)
        found.append({"number": item.number, "at": item.at, "tone": tone, "title": title, "text": text})
    return jsonify(cursor=cursor, news=found)
