"""From the list of sessions to a session, and from there to a request, in a real browser."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from switchman.addons.store.opening import Store
from switchman.webui import WebConfig

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
CONTRAST = (Path(__file__).parents[2] / "contrast.js").read_text()
expect.set_options(timeout=120_000)
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
def page(browser: Browser) -> Iterator[Page]:
    """Every script error and console error fails the test."""
    context = browser.new_context(viewport={"width": 1360, "height": 850}, locale="en-GB", color_scheme="dark")
    opened = context.new_page()
    opened.set_default_timeout(120_000)
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    yield opened
    context.close()
    assert wrong == []


def test_from_the_list_to_a_request(
    page: Page, store: Store, serve_dashboard: Callable[..., Any], put: Any, conversation: Any
) -> None:
    """By keyboard and mouse: the list, a filter that stays in the address, a session, its break, and its request."""
    put(*conversation(time.time()))
    with serve_dashboard(WebConfig(queries=store.queries, access=store.access)) as address:
        page.goto(f"{address}/sessions")
        expect(page.locator("#sessions tbody tr")).to_have_count(1)
        page.select_option("select[name=agent]", "claude-code")
        page.wait_for_url("**/sessions?*agent=claude-code*")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Claude Code")).to_be_visible()
        expect(page.locator(".turns li.is-broken")).to_have_count(1)
        expect(page.get_by_text("The system prompt changed")).to_be_visible()
        expect(page.locator(".excerpts mark")).to_have_text(["2", "9"])
        page.get_by_text("Explore: users of it").click()
        expect(page.get_by_text("Find all users", exact=True)).to_be_hidden()
        assert page.evaluate(CONTRAST) == []
        page.get_by_role("link", name="Turn 6").last.click()
        page.wait_for_url("**/request/turn-6")
        page.locator("#asked .mono a").click()
        page.wait_for_url("**/sessions/*")
        page.go_back()
        page.wait_for_url("**/request/turn-6")
        page.set_viewport_size({"width": 390, "height": 844})
        for path in ("/sessions", page.url.removeprefix(address)):
            page.goto(address + path)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
