"""The pages that change things, in Chinese: no English sentence is left; and in English, no Chinese."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from switchman.addons.config.configuration import RulesFile
from switchman.addons.config.editing.desk import RulesDesk
from switchman.addons.config.inforce import Told, in_force
from switchman.addons.config.replaying import Backtests
from switchman.addons.config.settings import Settings
from switchman.addons.core.access.caller import Allowance, Budget, Terms
from switchman.addons.core.access.roles import Role
from switchman.addons.core.routes.subject import LocalTime
from switchman.addons.hooks.routing.explaining import Question, explain
from switchman.addons.store.keeping.elsewhere import Elsewhere
from switchman.addons.store.opening import Store
from switchman.addons.store.reading.recordings import Recordings
from switchman.webui.access.tokens import make_token

CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9"}
BROWSER = {"Accept": "text/html", "Connection": "keep-alive", "Sec-Fetch-Site": "same-origin"}
# What is data, or what a program says: names, code, and what is marked as English.
DATA = {"code", "pre", "kbd", "bdi", "textarea", "script", "style", "datalist"}
SAID = ("title", "aria-label", "placeholder", "alt")
VOID = {"input", "br", "hr", "link", "meta", "img", "path", "circle", "rect"}
SENTENCE = re.compile(r"[A-Za-z][A-Za-z'’-]*(?:,? [A-Za-z][A-Za-z'’-]*){3,}")
HAN = re.compile(r"[一-鿿]")
RULES = """\
servers: {a: "http://127.0.0.1:9", b: "http://127.0.0.1:9/b"}
aliases: {fast: {instances: [a/m, b/m]}}
routes:
  - name: Coding
    match: {model: auto, task: coding}
    route: {model: a/coder, fallbacks: [b/m], thinking: disabled, stick: conversation, local_only: true}
  - {name: High, priority: 900, match: {model: /^gpt-/}, route: {upstream: b}}
  - {name: Never, match: {model: gpt-4}, route: {upstream: a}}
  - {name: Off, enabled: false, match: {any: [{tools: true}]}, route: {model: a/m}}
default: a/m
"""


ALLOWANCE = Allowance(60, 1000, 4, 2_000_000, (Budget(20_000_000, "usd", "month"), Budget(5_000, "tokens", "day")))
SECRET = "a test's secret, 32 bytes and longer"


class Words(HTMLParser):
    """The visible texts of a page's main part and its title, each by itself; data is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        is_data = tag in DATA or given.get("lang") == "en" or "mono" in (given.get("class") or "").split()
        if self._is_seen():
            self.found += [given[name] or "" for name in SAID if name in given]
        if tag not in VOID:
            self._open.append((tag, is_data and tag != "html"))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._is_seen() and not any(is_data for _, is_data in self._open):
            self.found.append(" ".join(data.split()))

    def _is_seen(self) -> bool:
        return any(tag in ("main", "title") for tag, _ in self._open)


def texts(page: str) -> list[str]:
    words = Words()
    words.feed(page)
    commands = re.compile(r"`[^`]*`")
    return [text for found in words.found if (text := commands.sub("``", found))]


@pytest.fixture
def client(
    client_of: Callable[..., FlaskClient],
    store: Store,
    vault: Callable[[], Any],
    put: Callable[..., None],
    make_request: Any,
    tmp_path: Path,
) -> FlaskClient:
    """Over a rules file with two versions, a log, a token, a key and a pair of prompts."""
    file = tmp_path / "routes.yaml"
    file.write_text(RULES)
    settings = Settings(routes_config=str(file), db_path=str(tmp_path / "requests.db"))
    desk = RulesDesk(settings, RulesFile(settings), store.access.rules)

    def explains(rules: Any, body: dict[str, Any], source: str, headers: Any, token: str, offline: bool) -> Any:
        asked = Question(body, source, headers, token, offline=True)
        return explain(asked, rules, settings, LocalTime(720, 0)).as_json()

    now = time.time()
    put(
        make_request(1, now - 60, id="a", layer="route", route="Coding"),
        make_request(2, now - 50, id="b", layer="conversation", route="Coding"),
    )
    store.access.tokens.create(Terms("laptop", allowance=ALLOWANCE, expires_at=now + 86_400), now)
    with vault() as opened:
        opened.set("openai", "k" * 20)
    verdicts = store.queries.verdicts
    earlier = {"request_id": "first", "asked": "Earlier", "took_ms": 900.0}
    trace = {"layer": "semantic_cache", "outcome": "skip", "detail": "Shadow", "score": 0.97, "elapsed_ms": 1.0}
    put(make_request(3, now - 40, id="c", cache="shadow", trace=(trace | {"earlier": earlier},)))
    verdicts.judge("c", "right", "local", now)
    made = client_of(
        rules=desk.rules,
        desk=desk,
        explains=explains,
        in_force=in_force(settings, {}),
        rules_file=str(file),
        rules_told=lambda: (Told("servers", "2 entries", 1),),
        named_at=lambda name: "routes.yaml:3" if name == "openai" else None,
        elsewhere=Elsewhere(tmp_path / "requests.db"),
        backtests=Backtests(settings, lambda: desk.rules.current, Recordings(store.engine, store.blobs)),
    )
    desk.note_by_hand(desk.read())
    file.write_text(f"{RULES}# by hand\n")
    return made


@pytest.fixture
def post(client: FlaskClient) -> Callable[..., Any]:
    """Sends a form of our own page, in Chinese."""

    def send(path: str, **values: str) -> Any:
        page = client.get("/rules/text", headers=BROWSER).text
        given = {name: re.search(rf'name="{name}" value="(\w+)"', page) for name in ("csrf", "digest")}
        words = {name: found[1] for name, found in given.items() if found}
        return client.post(path, data=words | values, headers=BROWSER | CHINESE)

    return send


PAGES = (
    "/rules",
    "/rules?done=over",
    "/rules/text",
    "/rules/route/0",
    "/rules/route/new",
    "/rules/try",
    "/rules/try?prompt=hello&model=auto",
    "/rules/history",
    "/rules/history/1",
    "/rules/history/2",
    "/rules/history/2?against=now",
    "/rules/history/99",
    "/rules/json",
    "/rules/backtest",
    "/cache?range=all",
    "/cache?range=all&kind=served",
    "/cache?cleared=2",
    "/settings",
    "/keys",
    "/keys?done=rotated",
    "/keys/openai",
    "/tokens",
    "/tokens?revoked=1",
    "/tokens/new",
    "/tokens/laptop",
    "/tokens/laptop?done=revoked",
    "/tokens/laptop/change",
    "/audit",
    "/audit?before=1",
    "/sign-in",
    "/nothing-there-99",
)


def test_a_page_in_chinese_has_no_english_sentence(client: FlaskClient) -> None:
    found = {
        path: sentences
        for path in PAGES
        if (sentences := [t for t in texts(client.get(path, headers=BROWSER | CHINESE).text) if SENTENCE.search(t)])
    }
    assert found == {}


def test_a_page_in_english_has_no_chinese(client: FlaskClient) -> None:
    """And what it shows is there at all: the pages before are no errors."""
    for path in PAGES:
        answer = client.get(path, headers=BROWSER)
        assert answer.status_code == (404 if "99" in path else 200), path
        assert not HAN.search(" ".join(texts(answer.text))), path


def test_a_review_and_its_faults_in_chinese(post: Callable[..., Any]) -> None:
    """What the YAML reader says stands behind words of our own, marked as English."""
    good = post("/rules/review", text=RULES + "# x\n").text
    assert [t for t in texts(good) if SENTENCE.search(t)] == [] and "保存" in texts(good)
    bad = post("/rules/review", text=RULES.replace("routes:", "\troutes:"))
    assert bad.status_code == 422 and "此处有制表符。YAML 只接受空格：请改用空格。" in texts(bad.text)
    assert [t for t in texts(bad.text) if SENTENCE.search(t)] == []
    assert "cannot start any token" in bad.text
    told = post("/api/rules/check", text="a: 1\na: 2\n").json["problems"]
    assert "此键出现了两次，第一次在第 1 行：请只保留一个。" in {one["plain"] for one in told}


def test_programs_are_answered_in_english(client: FlaskClient) -> None:
    """Whatever their Accept-Language says: what they read is not translated."""
    answer = client.get("/api/admin/rules/history/99", headers=CHINESE)
    assert answer.status_code == 404 and answer.json["error"] == "There is no version 99 of the rules (any more)"


def test_what_forms_refuse_is_said_in_chinese(post: Callable[..., Any]) -> None:
    """At its field; so is what the rooms below say, which know no pages."""
    token = post("/tokens", name="laptop", concurrent="many", budgets="much", expires="x")
    told = texts(token.text)
    assert token.status_code == 422
    assert {"应为大于 0 的数字，例如 60 或 20k", "应为天数，例如 90d"} <= set(told)
    assert any(one.startswith("'much' 不是有效的预算") for one in told)
    assert "已有名为 'laptop' 的令牌：请先撤销它，或换一个名称" in texts(post("/tokens", name="laptop").text)
    assert "最多 64 个字符" in texts(post("/tokens", name="x" * 65).text)
    assert "值为空" in texts(post("/keys", name="a", value=" ").text)
    for answer in (
        post("/keys", name="openai", value="v"),
        post("/keys/openai/delete"),
        post("/rules/backtest", rules=""),
        post("/rules/backtest", rules="a: [1\n"),
        post("/sign-in", token="x", next="/"),
    ):
        assert [one for one in texts(answer.text) if SENTENCE.search(one)] == []


def test_a_token_that_is_made_and_a_back_test_in_chinese(post: Callable[..., Any]) -> None:
    made = texts(post("/tokens", name="ci").text)
    assert "请立即复制" in made and [one for one in made if SENTENCE.search(one)] == []
    moved = RULES.replace("route: {model: a/coder", "route: {model: b/coder")
    for against in ("rules", "log"):
        answer = post("/rules/backtest", rules=moved, since="7d", limit="500", against=against)
        assert answer.status_code == 200 and "去向改变" in answer.text
        assert [one for one in texts(answer.text) if SENTENCE.search(one)] == []


def test_who_may_not_is_told_so_in_chinese(client_of: Callable[..., FlaskClient]) -> None:
    """The pages of the guard: the sign-in, a wrong token, a role that is too low."""
    client = client_of(webui_security="ALWAYS_AUTH", jwt_secret=SECRET)
    assert "登录" in texts(client.get("/rules", headers=BROWSER | CHINESE).text)
    viewer = {"Authorization": f"Bearer {make_token(SECRET, 1, role=Role.VIEWER)}"}
    answer = client.get("/tokens", headers=BROWSER | CHINESE | viewer)
    assert answer.status_code == 403 and "需要角色 管理员" in answer.text
    assert client.get("/tokens", headers=CHINESE | viewer).json["error"].startswith("This is for the role admin, and")
    wrong = {"Authorization": "Bearer a.b.c"}
    told = texts(client.get("/rules", headers=BROWSER | CHINESE | wrong).text)
    assert "此令牌无效。请用以下命令新建：switchman token" in told
