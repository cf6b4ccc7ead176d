"""What has just happened, as pages are told of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.config.configuration import RulesFile
from switchman.addons.config.settings import Settings
from switchman.addons.core.access.caller import Allowance, Budget, Terms
from switchman.addons.core.access.limits.periods import Calendar
from switchman.addons.core.access.limits.telling import Told
from switchman.addons.core.access.roles import Role
from switchman.addons.core.record import Resting
from switchman.addons.store.opening import Store
from switchman.addons.store.underway import FRESH
from switchman.webui import WebConfig
from switchman.webui.access.people import COOKIE
from switchman.webui.access.tokens import make_token
from switchman.webui.pages.overview.news import EVERY, GONE, IDLE, Item, News

SECRET = "a test's secret, 32 bytes and longer"
RULES = "servers: {up: 'http://127.0.0.1:1'}\ndefault: up/a\n"
EVIL = "<img src=x onerror=alert(1)>"


class Seen:
    """A page that asks again and again, at times that the test says."""

    def __init__(self, config: WebConfig, role: Role = Role.ADMIN) -> None:
        self.news, self.role, self.cursor = News(config), role, ""
        self.now = time.time()
        self.ask(0)

    def ask(self, later: float = EVERY) -> list[Item]:
        """What is new `later` seconds after the last question."""
        self.now += later
        self.cursor, items = self.news.since(self.cursor, self.role, self.now, self.now)
        return items

    def kinds(self, later: float = EVERY) -> list[str]:
        return [item.kind for item in self.ask(later)]


@pytest.fixture
def rules(tmp_path: Path) -> RulesFile:
    (tmp_path / "routes.yaml").write_text(RULES)
    return RulesFile(Settings(routes_config=str(tmp_path / "routes.yaml")))


def rest(store: Store, now: float, *targets: str, state: Any = "open") -> None:
    rests = [Resting(target, target.partition("/")[0], state, now + 9) for target in targets]
    assert store.write_resting("w", rests, now) is None


def test_a_reload_of_the_rules_is_told_once(store: Store, rules: RulesFile) -> None:
    """Loaded, refused with why, and good again as it was."""
    page = Seen(WebConfig(queries=store.queries, rules=rules, ruleset=lambda: rules.current))
    assert page.kinds() == []
    rules.path.write_text(RULES.replace("up/a", "up/b"))
    assert page.kinds() == ["loaded"] and page.kinds() == []
    rules.path.write_text("servers: 3\n")
    (refused,) = page.ask()
    assert refused.kind == "refused" and "servers" in refused.values["error"] and page.kinds() == []
    rules.path.write_text(RULES.replace("up/a", "up/b"))
    assert page.kinds() == ["restored"]
    rules.path.write_text(RULES)
    assert page.kinds() == ["loaded"]


def test_breakers_that_open_and_close_are_told(store: Store) -> None:
    """One item a server, none while it is tried again, and closed only once it was missed for a while."""
    page = Seen(WebConfig(queries=store.queries))
    rest(store, page.now + 1, "a/one", "a/two", "b/m")
    opened = page.ask(1)
    assert [(one.kind, one.values["server"], one.values["target"], one.values["count"]) for one in opened] == [
        ("opened", "a", "a/one", 2), ("opened", "b", "b/m", 1),
    ]  # fmt: skip
    rest(store, page.now + 1, "a/one", "a/two", "b/m", state="half_open")
    assert page.kinds(1) == []
    rest(store, page.now + 1, "a/one", "a/two")
    assert page.kinds(1) == []
    rest(store, page.now + 1, "a/one", "a/two", "b/m")  # it was written late
    assert page.kinds(1) == []
    rest(store, page.now + 1, "a/one", "a/two")
    assert page.kinds(1) == []
    rest(store, page.now + GONE, "a/one", "a/two")
    (closed,) = page.ask(GONE)
    assert (closed.kind, closed.values["target"]) == ("closed", "b/m") and page.kinds() == []


def test_opening_a_page_shows_nothing_old(store: Store) -> None:
    """Neither without a cursor, nor with one of another process; nor what happened while nobody looked."""
    page = Seen(WebConfig(queries=store.queries))
    rest(store, page.now + 1, "a/m")
    assert page.kinds(1) == ["opened"]
    for cursor in ("", "other-0", "-", f"{page.cursor.partition('-')[0]}-x", f"{page.cursor}0" * 9):
        assert page.news.since(cursor, Role.ADMIN, page.now, page.now)[1] == [], cursor
    rest(store, page.now + IDLE + 1)
    assert page.kinds(IDLE + 1) == [] and page.kinds(GONE + 1) == []


def test_many_questions_are_one_look(store: Store) -> None:
    """Within a second; a look asks the database."""
    page = Seen(WebConfig(queries=store.queries))
    rest(store, page.now, "a/m")
    assert page.kinds(EVERY / 2) == [] and page.kinds(EVERY / 2) == ["opened"]


def test_budgets_are_told_to_operators(store: Store) -> None:
    """Not those of before the page was opened, and not to viewers."""
    terms = Terms("ci", allowance=Allowance(budgets=(Budget(20_000_000, "usd", "month"),)))
    account = f"token:{store.access.tokens.create(terms, time.time())[0].caller.id}"
    label = Calendar(WebConfig(queries=store.queries).zone).span("month", time.time()).label

    def alert(number: int, percent: int, at: float) -> None:
        used = percent * 200_000
        store.access.alerts.keep(
            Told(str(number), at, account, "the token ci", percent, used, 20_000_000, "usd", "month", label)
        )

    alert(1, 80, time.time() - 60)
    config = WebConfig(queries=store.queries, access=store.access)
    operator = Seen(config, Role.OPERATOR)
    assert operator.kinds() == []
    alert(2, 100, operator.now)
    operator.news._banner._at = -9e9  # it is believed for seconds
    cursor = operator.cursor
    assert operator.kinds() == ["budget"]
    assert operator.news.since(cursor, Role.VIEWER, operator.now, operator.now)[1] == []


def test_a_page_is_answered_in_its_language(client_of, store: Store) -> None:
    """By the route, for viewers too; names are as they are, and scripts put them into no markup."""
    client = client_of(webui_security="ALWAYS_AUTH", jwt_secret=SECRET)
    assert client.get("/api/news").status_code == 401
    client.set_cookie(COOKIE, make_token(SECRET, 1, role=Role.VIEWER))
    first = client.get("/api/news").json
    assert first["news"] == []
    news = client.application.extensions["switchman_news"]
    with news._lock:
        news._add(time.time(), "opened", server="up", target=f"up/{EVIL}", count=1)
        news._add(time.time(), "opened", server="up", target="up/a", count=2)
        news._add(time.time(), "refused", error="routes.yaml:1:1: x: no")
    english = client.get(f"/api/news?after={first['cursor']}").json
    assert [(one["tone"], one["title"], one["text"]) for one in english["news"]] == [
        ("warn", "Breaker open", f"up/{EVIL} rests: other servers are tried first."),
        ("warn", "Breaker open", "2 targets of up rest: other servers are tried first."),
        ("bad", "Rules file not loaded", "routes.yaml:1:1: x: no. The last good rules stay in force."),
    ]
    chinese = client.get(f"/api/news?after={first['cursor']}", headers={"Accept-Language": "zh-CN"}).json
    assert chinese["news"][0]["title"] == "熔断器已打开" and chinese["cursor"] == english["cursor"]
    assert client.get(f"/api/news?after={english['cursor']}").json["news"] == []


def test_a_router_that_stops_closes_no_breaker(store: Store) -> None:
    """Its targets are missed as it writes nothing more; so they are when it starts again, with all breakers closed."""
    page = Seen(WebConfig(queries=store.queries))
    rest(store, page.now + 1, "a/m")
    assert page.kinds(1) == ["opened"]
    assert page.kinds(FRESH + 1) == [] and page.kinds(GONE) == [] and page.kinds(GONE) == []
    assert store.write_resting("another worker", [], page.now) is None
    assert page.kinds(GONE) == []
    rest(store, page.now + 1, "a/m")
    assert page.kinds(1) == ["opened"]
    rest(store, page.now + 1)
    assert page.kinds(1) == [] and page.kinds(GONE) == ["closed"]
