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
from switchman.addons.config.settings import Settings
from switchman.addons.core.routes.subject import LocalTime
from switchman.addons.hooks.routing.explaining import Question, explain
from switchman.addons.store.opening import Store

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
    return [text for text in words.found if text]


@pytest.fixture
def client(
    client_of: Callable[..., FlaskClient], store: Store, put: Callable[..., None], make_request: Any, tmp_path: Path
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
    made = client_of(rules=desk.rules, desk=desk, explains=explains)
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
