"""The overview in Debian's Chromium: charts that open what they count, and figures that stay live."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, expect, sync_playwright

from switchman.addons.config.configuration import shipped_prices
from switchman.webui import WebConfig

CHROMIUM = Path("/usr/bin/chromium")
expect.set_options(timeout=120_000)  # milliseconds; what is waited for comes within one on a machine that is idle
EVIL = "<img src=x onerror=alert(1)>"

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists() and not os.environ.get("CI"), reason="no /usr/bin/chromium (Debian: apt-get install chromium)"
)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A page of which every script error, alert and console error fails the test."""
    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        opened = browser.new_page(viewport={"width": 1360, "height": 850})
        opened.set_default_timeout(120_000)
        opened.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
        opened.on("dialog", lambda dialog: (wrong.append(f"alert: {dialog.message}"), dialog.dismiss()))
        opened.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        yield opened
        browser.close()
    assert wrong == []


def test_charts_open_what_they_count_and_stay_live(
    page: Page, store, serve_dashboard, put, make_request, seed_records
) -> None:
    """All charts are drawn, a name that is markup is text, a bar opens its requests, a new request is counted."""
    put(*seed_records(time.time(), 20), make_request(90, time.time() - 2, id="evil", model=EVIL, server=EVIL))
    with serve_dashboard(WebConfig(queries=store.queries, prices=shipped_prices)) as address:
        page.goto(f"{address}/?range=1h")
        charts = page.locator("[data-chart]")
        assert charts.count() >= 7
        for at in range(charts.count()):
            expect(charts.nth(at)).to_have_attribute("data-ready", "true")
        expect(page.locator("[data-chart=model]")).to_contain_text("<img src=x")
        assert page.locator("#content img").count() == 0
        before = int(page.locator("#part-figures dd").first.inner_text())
        page.evaluate("document.dispatchEvent(new Event('themechange'))")
        put(make_request(91, time.time(), id="later"))
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # asks at once
        expect(page.locator("#part-figures dd").first).to_have_text(str(before + 1))
        click_a_bar(page)
        page.wait_for_url("**/requests?*server=*")
        expect(page.locator("h1")).to_have_text("Requests")
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(f"{address}/")
        assert page.evaluate("document.documentElement.scrollWidth") == 390


def click_a_bar(page: Page) -> None:
    """By the mouse, which Plotly must have seen on the bar before; the chart may be drawn anew in between."""
    chart = page.locator("[data-chart=server]")
    bar = chart.locator(".bars .point path").first
    for _ in range(10):
        bar.scroll_into_view_if_needed()
        box = bar.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x - 1, y)
        page.mouse.move(x, y)
        with contextlib.suppress(AssertionError, PlaywrightError):
            expect(chart.locator(".hoverlayer .hovertext").first).to_be_visible(timeout=3_000)
            with page.expect_navigation(timeout=5_000):
                page.mouse.click(x, y)
            return
    raise AssertionError("the bar opens nothing")
