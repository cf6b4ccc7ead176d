"""Every page that the URL map has, in a real browser: axe-core, the console, the network, a telephone's width."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from flask import Flask
from playwright.sync_api import Page, sync_playwright

from switchman.webui.access.roles import least, public

ROOT = Path(__file__).parents[2]
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
HEAVY = ("moderate", "serious", "critical")
# Plotly's own drawing is not ours to change, and has thousands of nodes.
RUN = """only => axe.run({ exclude: [".plot-container"] }, {
    resultTypes: ["violations"], ...(only ? { runOnly: only } : {}),
  }).then(({ violations }) => violations.map(({ id, impact, nodes }) =>
    [impact, id, ...nodes.slice(0, 3).map((node) => node.html.slice(0, 160))]))"""
CONTRAST = (Path(__file__).parent / "contrast.js").read_text()


@pytest.fixture(scope="module")
def every_page() -> Iterator[Any]:
    """The script as a module; it finds what is beside it as it does when it is run."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        yield importlib.import_module("every_page")
    finally:
        sys.path.remove(str(ROOT / "scripts"))


def looked_at(page: Page, address: str, full: bool) -> list[Any]:
    """What is wrong with a page: at 390 pixels, in light, in dark (where only the colours are others)."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    answer = page.goto(address)
    assert answer is not None and answer.status == 200, address
    page.wait_for_selector(".chart.waiting", state="detached")
    width = page.evaluate("document.documentElement.scrollWidth")
    wrong: list[Any] = [["390 pixels", width]] if width > 390 else []
    page.set_viewport_size({"width": 1400, "height": 900})
    page.evaluate(AXE_SCRIPT)
    wrong += [found for found in page.evaluate(RUN, None) if found[0] in HEAVY]
    page.emulate_media(color_scheme="dark")
    wrong += [["dark", found] for found in page.evaluate(CONTRAST)]
    if full:
        wrong += [["dark", *found] for found in page.evaluate(RUN, ["color-contrast"])]
    return wrong


@pytest.mark.soak
@pytest.mark.skipif(not CHROMIUM.exists() and "CI" not in os.environ, reason=f"{CHROMIUM} is not installed")
def test_every_page_is_accessible(every_page: Any, tmp_path: Path, full: bool) -> None:
    """No moderate, serious or critical violation, nothing in the console, no request to elsewhere, and no page wider
    than a telephone.
    """
    wrong: dict[str, list[Any]] = {}
    with every_page.filled_dashboard(tmp_path) as (url, sights), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        page = browser.new_context(locale="en-GB").new_page()
        page.set_default_timeout(120_000)
        told: list[str] = []
        page.on("console", lambda said: told.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda sent: None if sent.url.startswith((f"{url}/", "data:")) else told.append(sent.url))
        for sight in sights if full else [one for one in sights if one.number == 1]:
            found = looked_at(page, url + sight.address, full)
            if found or told:
                wrong[sight.name] = [*found, *told]
                told.clear()
        browser.close()
    assert len(sights) > 30
    assert wrong == {}


def test_a_page_that_needs_an_id_is_not_forgotten(every_page: Any) -> None:
    """One that the table does not name is an error; data and downloads are no pages."""
    app = Flask(__name__)
    for number, rule in enumerate(("/", "/api/x", "/x.csv")):
        app.add_url_rule(rule, f"x{number}", public(lambda: ""))
    assert [sight.address for sight in every_page.sights(app)] == ["/"]
    app.add_url_rule("/things/<which>", "things.one", least(1)(lambda which: which))
    with pytest.raises(KeyError, match=r"things\.one"):
        every_page.sights(app)
