"""What was used of limits and budgets, and which budgets are nearly used up: for pages and programs alike."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

from flask_babel import gettext
from sqlalchemy.exc import DBAPIError

from switchman.addons.core.access.caller import Allowance
from switchman.addons.core.access.limits.account import Account
from switchman.addons.core.access.limits.periods import Calendar
from switchman.addons.core.access.limits.spending import Spending, account_of, spending_of, still_holds, whose, worst
from switchman.addons.core.access.limits.telling import Told
from switchman.addons.core.access.limits.written import NO_LIMIT, in_words
from switchman.addons.store.access.tokens import Token
from switchman.webui.config import UsageNotKnown, WebConfig

logger = logging.getLogger(__name__)

LATEST = 33 * 86_400.0  # seconds: longer than any budget's period
EVERY = 5.0  # seconds that the banner is believed: it is on each page
MOST = 100


@dataclass(frozen=True, slots=True)
class Usage:
    """By the token's id. `problem`: why nothing is known."""

    of: Mapping[str, Spending]
    problem: str | None = None


def usage_of(config: WebConfig, tokens: Sequence[Token], now: float) -> Usage:
    """What these tokens have used. One question, however many they are."""
    limited = [token for token in tokens if token.caller.allowance != NO_LIMIT]
    if not limited:
        return Usage({})
    try:
        found = config.accounts([account_of(token.caller.id) for token in limited])
    except UsageNotKnown as error:
        return Usage({}, str(error))
    calendar = Calendar(config.zone)
    accounts = {token.caller.id: found.get(account_of(token.caller.id), Account()) for token in limited}
    return Usage(
        {
            token.caller.id: spending_of(token.caller.allowance, accounts[token.caller.id], calendar, now)
            for token in limited
        }
    )


def alerts_now(config: WebConfig, now: float) -> list[Told]:
    """The alerts of budgets that are there now, in their present periods; of each the highest. Raises DBAPIError."""
    if config.access is None:
        return []
    found = config.access.alerts.latest(now - LATEST, MOST)
    if not found:
        return []
    calendar, limits = Calendar(config.zone), config.limits()
    allowances: dict[tuple[str, str], Allowance] = {("all", ""): limits.total}
    allowances |= {("group", name): one for name, one in limits.groups.items()}
    tokens = config.access.tokens.list()
    allowances |= {("token", one.caller.id): one.caller.allowance for one in tokens if one.state(now) == "active"}
    return [told for told in found if still_holds(told, allowances.get(whose(told), NO_LIMIT), calendar, now)]


def words_of(told: Told) -> str:
    """An alert's sentence in the reader's language; in English it is the log's."""
    kind, _, name = told.account.partition(":")
    if kind == "group":
        whose = gettext("the group %(name)s", name=name)
    elif kind == "token":
        whose = gettext("the token %(name)s", name=told.name.removeprefix("the token "))
    else:
        whose = gettext("all callers together")
    values = {
        "whose": whose,
        "budget": in_words(told.amount, told.unit),
        "used": in_words(told.used, told.unit),
        "span": gettext("day") if told.period == "day" else gettext("month"),
        "period": told.begins,
    }
    if told.percent >= 100:
        return str(
            gettext("The budget of %(whose)s, %(budget)s per %(span)s, is used up: %(used)s in %(period)s.", **values)
        )
    values["share"] = f"{told.percent} %"
    return str(
        gettext(
            "The budget of %(whose)s, %(budget)s per %(span)s, is used up to %(share)s: %(used)s in %(period)s.",
            **values,
        )
    )


class Banner:
    """The budgets that are used up, or nearly. Asked for by each page, and looked up every EVERY seconds."""

    def __init__(self, config: WebConfig) -> None:
        self._config = config
        self._lock = Lock()
        self._found: list[Told] = []
        self._at = -EVERY

    def told(self) -> list[Told]:
        """The most used up first; nothing where the database does not answer: a page about that has this, too."""
        with self._lock:
            if time.monotonic() - self._at >= EVERY:
                self._at = time.monotonic()
                try:
                    self._found = worst(alerts_now(self._config, time.time()))
                except DBAPIError as error:
                    logger.warning("The alerts of budgets cannot be read: %s", error.orig)
                    self._found = []
            return self._found
