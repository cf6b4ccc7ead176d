"""The back-test's page in a real browser: broken rules, then good ones, by its script and by keyboard."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect, sync_playwright

from switchman.addons.config.configuration import load_settings, ruleset_of
from switchman.addons.config.replaying import Backtests
from switchman.addons.store.opening import Store
from switchman.addons.store.reading.recordings import Recordings
from switchman.addons.testing.samples import make_record
from switchman.webui import WebConfig

CHROMIUM = Path("/usr/bin/chromium")
EVIL = "<img src=x onerror=alert(1)>"
RULES = """\
servers: {a: 'http://127.0.0.1:1', b: 'http://127.0.0.1:2'}
routes: [{match: {model: m}, route: {upstream: %s}}]
"""
CONTRAST = (Path(__file__).parents[2] / "contrast.js").read_text()
expect.set_options(timeout=120_000)
pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists() and "CI" not in os.environ, reason=f"{CHROMIUM} is not installed (apt-get install chromium)"
)


def test_rules_are_typed_mended_and_tried(
    store: Store, put: Callable[..., None], serve_dashboard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault is told without the page being loaded anew; what is markup stays text; the phone's page is no wider."""
    monkeypatch.setenv("DEFAULT_UPSTREAM", "http://127.0.0.1:3")
    settings = load_settings()
    known = {"requested_model": "m", "server": "a", "model": "m", "layer": "route"}
    put(*(make_record(f"r{n}", started_at=time.time() - 9 + n, route=EVIL, **known) for n in range(3)))
    put(make_record("evil", started_at=time.time(), **(known | {"requested_model": f"a/{EVIL}", "layer": "server"})))
    in_force = ruleset_of(settings, RULES % "a")
    backtests = Backtests(settings, lambda: in_force, Recordings(store.engine, store.blobs))
    config = WebConfig(queries=store.queries, access=store.access, backtests=backtests)
    wrong: list[str] = []
    with serve_dashboard(config) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        for scheme, width in (("light", 1400), ("dark", 390)):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.set_default_timeout(120_000)
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
            page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
            page.on("request", lambda sent: None if sent.url.startswith(address) else wrong.append(sent.url))
            page.goto(f"{address}/rules/backtest")
            page.get_by_label("Rules (YAML)").fill("routes: [{match: {modle: x}}]")
            page.keyboard.press("Tab")
            page.get_by_role("button", name="Replay").press("Enter")
            expect(page.get_by_role("alert").filter(has_text="unknown key")).to_contain_text("line 1, column 19")
            rules = RULES % "b" + f"  # {EVIL}\naliases: {{'a/{EVIL}': {{instances: [b/'{EVIL}']}}}}\n"
            page.get_by_label("Rules (YAML)").fill(rules.replace(f"[b/'{EVIL}']", f"[{{server: b, model: '{EVIL}'}}]"))
            page.get_by_role("button", name="Replay").click()
            expect(page.locator(".backtest-moves tbody tr")).to_have_count(2)
            expect(page.locator(".backtest-moves tbody tr").first).to_contain_text("a/m")
            expect(page.locator(".backtest-moves")).to_contain_text(EVIL)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(CONTRAST) == []
            page.close()
        browser.close()
    assert wrong == []
