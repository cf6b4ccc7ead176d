"""One request's pages over a real router that asks for tokens: read, copied, sent again, judged, in a real browser."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from switchman.addons.core.access.caller import Terms
from switchman.addons.store.opening import Store, open_store
from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.webui import WebConfig, create_app
from switchman.webui.server import DashboardServer

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
EVIL = "<img src=x onerror=alert(1)>"
expect.set_options(timeout=120_000)


@pytest.fixture(scope="module")
def big(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="big", default=Behaviour(reasoning="Let me see."))


@pytest.fixture(scope="module")
def claude(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(
        "anthropic", name="claude", default=Behaviour(text=f"Hello from claude. {EVIL}", delay=0.05)
    )


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, big: FakeUpstream, claude: FakeUpstream) -> Any:
    return start_shared(
        f"""
servers:
  big: {{url: "{big.url}", dialect: openai, api_key: sk-own-0123456789abcdef}}
  claude: {{url: "{claude.url}", dialect: anthropic, api_key: sk-ant-own-0123456789abcdef}}
  gone: {{url: "http://127.0.0.1:9", dialect: openai}}
aliases:
  two: {{instances: [big/gpt]}}
""",
        {"CLIENT_AUTH": "TOKENS"},
    )


@pytest.fixture
def log(proxy: Any) -> Iterator[Store]:
    with open_store(db_path=proxy.folder / "requests.db", blob_path=proxy.folder / "blobs") as store:
        yield store
        for thread in threading.enumerate():  # what is sent again is written down by a thread that nobody waits for
            if thread.name.startswith("switchman again"):
                thread.join(60)


@pytest.fixture
def token(log: Store, proxy: Any) -> str:
    """Of a caller of the router, which knows it by now."""
    _, text = log.access.tokens.create(Terms(f"app{time.monotonic_ns()}"), time.time())
    head = {"authorization": f"Bearer {text}"}

    def is_known() -> bool:
        time.sleep(0.2)  # who asks with a token that is not known is soon refused without a look, and without a row
        return httpx.get(f"{proxy.url}/v1/models", headers=head, trust_env=False).status_code == 200

    proxy.until(is_known)
    return text


@pytest.fixture
def dashboard(log: Store, proxy: Any) -> Iterator[str]:
    config = WebConfig(queries=log.queries, access=log.access, proxy_url=proxy.url, wants_tokens=True)
    server = DashboardServer(create_app(config), "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.stop()
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of which every script error, alert, console error and request elsewhere fails the test."""
    if not CHROMIUM.exists() and "CI" not in os.environ:
        pytest.skip(f"{CHROMIUM} is not installed (apt-get install chromium)")
    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        opened = browser.new_page(viewport={"width": 1360, "height": 850})
        opened.set_default_timeout(120_000)
        opened.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
        opened.on("dialog", lambda dialog: (wrong.append(f"alert: {dialog.message}"), dialog.dismiss()))
        opened.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        opened.on(
            "request",
            lambda sent: None if sent.url.startswith(("http://127.0.0.1:", "data:")) else wrong.append(sent.url),
        )
        yield opened
        browser.close()
    assert wrong == []


def ask(proxy: Any, token: str) -> str:
    """A conversation with a picture, a call and its result, streamed; gives the id of its row, which is written."""
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "here"}'}}
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": f"What's this? {EVIL}"}, picture]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "a single dot"},
        {"role": "user", "content": "And now?"},
    ]
    body = {"model": "two", "messages": messages, "stream": True}
    answer = proxy.post("/v1/chat/completions", body, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    return str(proxy.row_of(answer)["id"])


def test_a_request_is_read_copied_sent_again_and_judged(
    page: Page, dashboard: str, proxy: Any, token: str, log: Store, claude: FakeUpstream
) -> None:
    """From the list: the conversation, its bytes, a copy, another model by the router itself, both, and thumbs."""
    first = ask(proxy, token)
    page.goto(f"{dashboard}/requests")
    page.locator(f"tr[data-id='{first}'] .row-link").click()
    page.wait_for_url(f"**/request/{first}")
    expect(page.locator(".waterfall")).to_contain_text("big/gpt")
    page.get_by_role("link", name="Conversation").click()
    expect(page.locator("main")).to_contain_text(f"What's this? {EVIL}")
    assert page.locator("figure img").evaluate("one => one.naturalWidth") == 1
    expect(page.locator(".turn.call .result")).to_contain_text("a single dot")
    thought = page.locator("details.turn").last
    expect(thought.locator(".text")).to_be_hidden()
    thought.locator("summary").click()
    expect(thought.locator(".text")).to_have_text("Let me see.")
    expect(page.locator("main")).to_contain_text("Hello from big.")
    page.locator(".tabs").get_by_role("link", name="Changes").click()
    expect(page.locator(".edits")).to_contain_text('"two"')
    page.get_by_role("link", name="Request", exact=True).click()
    expect(page.locator("pre.bytes")).to_contain_text('"role":"system"')
    page.get_by_role("link", name="Copy", exact=True).click()
    expect(page.locator(".command pre")).to_contain_text("$SWITCHMAN_KEY")
    page.get_by_role("button", name="Copy all of it").click()
    expect(page.locator(".toast:not(.told)")).to_have_text("Copied")
    page.get_by_role("link", name="Send again").click()
    page.get_by_label("Model or target").fill("claude/sonnet")
    page.get_by_role("button", name="Send again").click()
    page.wait_for_url("**/again/*")
    expect(page.locator(".beside section").nth(1)).to_contain_text(f"Hello from claude. {EVIL}")
    expect(page.locator(".beside section").first).to_contain_text("Hello from big.")
    expect(page.locator(".compared tbody")).to_contain_text("claude/sonnet")
    both = page.url
    page.reload()
    assert page.url == both
    expect(page.locator(".beside section").nth(1)).to_contain_text("Hello from claude.")
    page.locator(".compared tbody tr").first.locator("a").nth(1).click()
    expect(page.locator(".note")).to_contain_text("both side by side")
    page.get_by_label("Note").fill(f"better {EVIL}")
    page.get_by_role("button", name="Good", exact=True).click()
    expect(page.locator(".toast:not(.told)")).to_contain_text("it was good")
    expect(page.locator("#feedback")).to_contain_text(f"better {EVIL}")
    page.goto(f"{dashboard}/requests?feedback=good&range=all")
    row = page.locator("table.requests tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("claude/sonnet")
    page.goto(f"{dashboard}/requests?feedback=bad&range=all")
    expect(row).to_have_count(0)
    (again,) = log.queries.remarks.sent_of(first)
    sent = proxy.row(id=again.request_id)
    assert (sent["token"], sent["server"], sent["outcome"]) == ("dashboard.again", "claude", "ok")
    assert json.loads(sent["request"])["model"] == "claude/sonnet"


def test_the_same_is_sent_to_the_byte(dashboard: str, proxy: Any, token: str, log: Store, big: FakeUpstream) -> None:
    """Two bodies of one digest, with the same edits on their way."""
    first = ask(proxy, token)
    client = httpx.Client(base_url=dashboard, trust_env=False)
    with client:
        form = client.get(f"/request/{first}/again", headers={"accept": "text/html"}).text
        word = form.split('name="csrf" value="')[1][:64]
        moved = client.post(f"/request/{first}/again", data={"csrf": word})
        assert moved.status_code == 303
        told = proxy.until(
            lambda: (found := client.get(f"/api{moved.headers['location']}").json())["written"] and found
        )
    assert (told["status"], told["error"]) == (200, None)
    rows = [proxy.row(id=one) for one in (first, told["request_id"])]
    assert rows[0]["request"] == rows[1]["request"] and rows[0]["request_hash"] == rows[1]["request_hash"]
    attempts = [row["attempts"][0] for row in rows]
    assert [one["sent"] for one in attempts] == ["edited", "edited"]
    assert attempts[0]["edits"] == [[["model"], "gpt"], [["stream_options", "include_usage"], True]]
    assert token not in str(rows) and "sk-sw-" not in str(rows)


def test_an_attempt_says_how_it_was_connected(proxy: Any, token: str) -> None:
    """The first one of a client opens a connection, the second finds it open; where there is no server, none is."""
    body = {"model": "two", "messages": [{"role": "user", "content": "hi"}]}
    with httpx.Client(trust_env=False, headers={"authorization": f"Bearer {token}"}) as client:
        answers = [client.post(f"{proxy.url}/v1/chat/completions", json=body) for _ in range(2)]
    first, second = (proxy.row_of(answer)["attempts"][0] for answer in answers)
    assert (first["reused"], second["reused"]) == (False, True)
    assert all(0 <= one["connect_ms"] <= one["first_byte_ms"] for one in (first, second))
    gone = proxy.post("/v1/chat/completions", {**body, "model": "gone/m"}, headers={"authorization": f"Bearer {token}"})
    (attempt,) = proxy.row_of(gone)["attempts"]
    assert (attempt["outcome"], attempt["connect_ms"], attempt["reused"]) == ("connect", None, None)


def test_a_translated_body_is_shown_as_it_was_sent(
    dashboard: str, proxy: Any, token: str, claude: FakeUpstream
) -> None:
    """What the page makes again is what the server got."""
    body = {"model": "claude/sonnet", "messages": [{"role": "user", "content": "hi"}], "temperature": 0.25}
    answer = proxy.post("/v1/chat/completions", body, headers={"authorization": f"Bearer {token}"})
    row = proxy.row_of(answer)
    page = httpx.get(f"{dashboard}/request/{row['id']}/changes", trust_env=False).text
    assert "it has the digest that was written down" in page
    got = claude.inferences[-1].json()
    assert f"+  &#34;max_tokens&#34;: {got['max_tokens']}," in page and row["attempts"][0]["edits"] is None


def test_a_caller_judges_its_own_request(dashboard: str, proxy: Any, token: str, log: Store) -> None:
    """By the token that it has for the router; the dashboard's own request is not its."""
    first = ask(proxy, token)
    head = {"authorization": f"Bearer {token}"}
    said = {"request_id": first, "verdict": "bad", "should_be": "coding"}
    with httpx.Client(base_url=dashboard, trust_env=False, headers=head) as client:
        assert client.post("/api/feedback", json=said).status_code == 200
        others = [row.id for row in log.queries.list_requests().rows if row.token == "dashboard.again"]
        for other in others:
            assert client.post("/api/feedback", json={**said, "request_id": other}).status_code == 404
    assert [(one.verdict, one.should_be) for one in log.queries.remarks.said_of(first)] == [("bad", "coding")]
