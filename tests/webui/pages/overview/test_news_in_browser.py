"""News of rules and breakers in a real browser, as toasts."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, expect, sync_playwright

from switchman.addons.store.opening import Store
from switchman.webui import WebConfig, create_app
from switchman.webui.server import DashboardServer

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
EVIL = "<img src=x onerror=alert(1)>"
pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists() and "CI" not in os.environ, reason=f"{CHROMIUM} is not installed (apt-get install chromium)"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def served(store: Store) -> Iterator[tuple[Flask, str]]:
    app = create_app(WebConfig(queries=store.queries))
    server = DashboardServer(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield app, f"http://127.0.0.1:{server.port}"
    server.stop()
    thread.join(30)


def happens(app: Flask) -> Callable[..., None]:
    """Puts an item among the news, as a look would."""
    news = app.extensions["switchman_news"]

    def add(kind: str, **values: Any) -> None:
        with news._lock:
            news._add(time.time(), kind, **values)

    return add


def test_news_are_shown_once_and_can_be_dismissed(browser: Browser, served: tuple[Flask, str]) -> None:
    """At most three at a time, none on the next page, and none of before in a tab that is opened later; a name that is
    markup is text.
    """
    app, url = served
    happen = happens(app)
    context = browser.new_context(locale="en-GB")
    context.set_default_timeout(120_000)
    page = context.new_page()
    told = page.locator(".toast.told")
    with page.expect_response("**/api/news*"):
        page.goto(f"{url}/requests")
    happen("opened", server="up", target=f"up/{EVIL}", count=1)
    expect(told).to_have_count(1, timeout=60_000)
    expect(told).to_contain_text(f"up/{EVIL} rests: other servers are tried first.")
    assert page.locator("img").count() == 0
    told.get_by_role("button", name="Dismiss").click()
    expect(told).to_have_count(0)
    for number in range(4):
        happen("refused", error=f"routes.yaml:{number}:1: x")
    wake = "document.dispatchEvent(new Event('visibilitychange'))"
    page.evaluate(wake)
    expect(told).to_have_count(3, timeout=60_000)
    expect(told.last).to_contain_text("routes.yaml:3:1: x. The last good rules stay in force.")
    with page.expect_response("**/api/news*") as answer:
        page.goto(f"{url}/performance")
    assert answer.value.json()["news"] == []
    other = context.new_page()
    with other.expect_response("**/api/news*") as answer:
        other.goto(f"{url}/requests")
    assert answer.value.json()["news"] == [] and other.locator(".toast").count() == 0
    context.close()


def test_the_menu_of_a_telephone_needs_no_script(browser: Browser, served: tuple[Flask, str]) -> None:
    """It opens, shows where one is, leads on, and closes by Esc; the language is chosen in it."""
    _, url = served
    context = browser.new_context(locale="en-GB", viewport={"width": 390, "height": 844}, java_script_enabled=False)
    context.set_default_timeout(120_000)
    page = context.new_page()
    page.goto(f"{url}/requests?outcome=failed")
    menu, opener = page.locator("#menu"), page.get_by_role("button", name="Menu")
    expect(menu).to_be_hidden()
    opener.click()
    expect(menu.get_by_role("link", name="Requests")).to_have_attribute("aria-current", "page")
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    opener.click()
    menu.get_by_role("button", name="简体中文").click()
    page.wait_for_url("**/requests?outcome=failed")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    page.get_by_role("button", name="菜单").click()
    menu.get_by_role("link", name="性能").click()
    page.wait_for_url("**/performance")
    context.close()
