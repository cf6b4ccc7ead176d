"""The pages in Chinese: no sentence of the router's own is in English; and in English none is Chinese."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient

from switchman.addons.config.configuration import shipped_prices
from switchman.addons.store.keeping.beside.remarks import Feedback, SentAgain
from switchman.addons.store.opening import Store

CHINESE = {"Accept": "text/html", "Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}
ENGLISH = {"Accept": "text/html", "Accept-Language": "en"}
# Three words of Latin letters in a row are a sentence in English.
SENTENCE = re.compile(r"[A-Za-z][a-z']*(?:,? [a-z][a-z']+){2,}")
HAN = re.compile(r"[\u3400-\u9fff]")
# What stands there as somebody else said it: a client, a model, a server, the log, a setting.
OTHERS = {"code", "pre", "kbd", "bdi", "script", "style", "textarea", "option"}
OTHERS_CLASSES = {"mono", "text", "problem", "detail", "excerpts", "headers", "row-link", "call", "changes", "tag"}
VOID = {"input", "br", "img", "link", "meta"}
SAID_IN = ("title", "aria-label", "placeholder", "alt")


class Said(HTMLParser):
    """The texts of a page's content that are the router's own, and those of its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[tuple[str, bool]] = []  # each element, and whether it is somebody else's words
        self._within = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = self._within or tag == "main"
        given = dict(attrs)
        others = tag in OTHERS or bool(OTHERS_CLASSES & set((given.get("class") or "").split()))
        if self._within and not others and not self._are_others:
            self.texts += [value for name in SAID_IN if (value := given.get(name))]
        if tag not in VOID:
            self._open.append((tag, others))

    def handle_endtag(self, tag: str) -> None:
        self._within = self._within and tag != "main"
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._within and not self._are_others and (text := " ".join(data.split())):
            self.texts.append(text)

    @property
    def _are_others(self) -> bool:
        return any(others for _, others in self._open)


def said_on(page: str) -> list[str]:
    reader = Said()
    reader.feed(page)
    return reader.texts


@pytest.fixture
def client(client_of: Callable[..., FlaskClient], put, seed_records, make_request, store: Store) -> FlaskClient:
    """Requests of every outcome, a session whose cache broke, feedback, and a request that was sent again."""
    now = time.time()
    records = seed_records(now, 12)
    asked = [{"role": "user", "content": "first"}, {"role": "assistant", "content": "yes"}]
    session = {
        "session": "d" * 32,
        "agent": "claude-code",
        "branch": "main",
        "cached_tokens": 5_000,
        "server": "cloud",
        "model": "sonnet",
        "requested_model": "sonnet",
    }
    put(
        *records,
        make_request(
            900,
            now - 50,
            request_body=json.dumps({"system": "at 10:31", "messages": asked[:1]}).encode(),
            **{**session, "input_tokens": 9_000},
        ),
        make_request(
            901,
            now - 40,
            id="broken",
            request_body=json.dumps({"system": "at 10:32", "messages": asked}).encode(),
            **{**session, "input_tokens": 9_900},
        ),
        make_request(902, now - 30, id="again", cache="shadow", saved_ms=65_000.0),
    )
    remarks = store.queries.remarks
    remarks.say(Feedback("broken", "anna", now, "bad", "a note", "other", by_token=False))
    remarks.begin(SentAgain("sent", "broken", None, "anna", now, "cloud/other", edited=True))
    remarks.note("sent", request_id="again")
    return client_of(prices=shipped_prices, servers=lambda: ("fast-box", "idle-box"), baseline="openai/gpt-4o-mini")


REQUEST = (
    "",
    "?view=request",
    "?view=response",
    "?view=request&indent=1",
    "/conversation",
    "/changes",
    "/copy",
    "/again",
)
PAGES = [
    "/", "/?range=15m&server=nowhere", "/?client=10.0.0.2&baseline=none", "/requests", "/requests?range=custom&agent=x",
    "/requests?text=nothing&range=7d", "/performance", "/performance?scale=log&x=total&by=server",
    "/performance?text=nothing", "/sessions", "/sessions?kind=errors&range=1h", "/sessions?agent=nobody",
    f"/sessions/{'d' * 32}", *(f"/request/broken{view}" for view in REQUEST), "/again/sent",
]  # fmt: skip
UNANSWERED = ("cached", "failed", "refused", "cancelled", "stream_error", "answered", "upstream_error")


def test_pages_are_in_one_language(client: FlaskClient) -> None:
    """Each with data and without, and a request of each outcome."""
    rows = client.get("/api/requests?range=all&limit=100").get_json()["rows"]
    others = [row["id"] for row in rows if row["outcome"] in UNANSWERED]
    assert len({row["outcome"] for row in rows}) == 8 and len(others) >= 7
    found: dict[str, list[str]] = {}
    for address in (*PAGES, *(f"/request/{one}" for one in others)):
        for headers, foreign in ((CHINESE, SENTENCE), (ENGLISH, HAN)):
            answer = client.get(address, headers=headers)
            assert answer.status_code == 200, (address, answer.text)
            texts = said_on(answer.text)
            if wrong := [text for text in texts if foreign.search(text)]:
                found[f"{address} {headers['Accept-Language']}"] = wrong
            assert bool(any(map(HAN.search, texts))) is (headers is CHINESE), address
    assert found == {}


def test_what_was_read_out_of_requests_is_told_in_chinese(client: FlaskClient) -> None:
    """Where the cache broke, what people said, what the tags of a row mean."""
    session = client.get(f"/sessions/{'d' * 32}", headers=CHINESE).text
    assert "系统提示变了" in session and "首个不同之处在请求的第" in session
    story = client.get("/request/broken", headers=CHINESE).text
    assert "1 个人或程序评价过此回答" in story and "本应是 <strong>other</strong>" in story
    rows = client.get("/requests", headers=CHINESE).text
    assert "节省 1 分 5 秒" in rows and "秒前</time>" in rows and "影子" in rows


LIVE = ("/api/requests?html=1", "/api/summary?html=1", "/api/overview?html=1", "/api/performance")


def test_what_scripts_ask_for_is_in_the_language_of_the_page(client: FlaskClient) -> None:
    """Rows, figures and charts; a program that names no language has English."""
    for address in LIVE:
        chinese = json.dumps(client.get(address, headers=CHINESE).get_json(), ensure_ascii=False)
        assert HAN.search(chinese), address
        assert not HAN.search(client.get(address).text), address
    found = client.get("/api/performance", headers=CHINESE).get_json()
    assert found["x_axis"] == "输出 token" and "个请求" in found["note"]


def test_a_bad_address_is_told_in_chinese(client: FlaskClient) -> None:
    answer = client.get("/requests?range=9y", headers=CHINESE)
    assert answer.status_code == 400 and "时间范围" in answer.text
    for address in ("/request/nothing", "/sessions/nothing"):
        answer = client.get(address, headers=CHINESE)
        assert answer.status_code == 404 and "因太旧而未保留" in answer.text


def test_names_from_outside_stay_escaped(client_of: Callable[..., FlaskClient], put, make_request) -> None:
    """A value in a sentence that is translated, and an outcome and a verdict that nothing knows."""
    evil = "<img src=x onerror=alert(1)>%(x)s"
    now = time.time()
    put(make_request(1, now, id="evil", client=evil, layer=evil, route=evil, server=evil, model=evil, outcome=evil,
                     error=evil, session="e" * 32, requested_model=evil, agent=evil))  # fmt: skip
    client = client_of()
    for address in ("/", "/requests", "/performance", "/sessions", f"/sessions/{'e' * 32}", "/request/evil"):
        page = client.get(address, headers=CHINESE).text
        assert "<img src=x" not in page and "&lt;img" in page, address
