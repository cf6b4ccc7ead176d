"""Rules from words in a real browser, beside a real router that is asked for them and obeys them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect, sync_playwright

from switchman.addons.config.configuration import RulesFile
from switchman.addons.config.editing.desk import RulesDesk
from switchman.addons.config.settings import Settings
from switchman.addons.serving.dashboard import explainer
from switchman.addons.store.opening import Store, open_store
from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.webui import WebConfig, create_app
from switchman.webui.server import DashboardServer

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
CONTRAST = (Path(__file__).parents[1] / "webui/contrast.js").read_text()
SERIOUS = ("serious", "critical")
SENTENCE = "What is about recipes goes to the cook"
# One mistake: the server's name has a letter too many.
DRAFT = """\
```yaml
routes:
  - name: Recipes
    match: {model: auto, keywords: [recipe]}
    route: {upstream: upp, model: cook}
```
"""
expect.set_options(timeout=120_000)
pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists() and "CI" not in os.environ, reason=f"{CHROMIUM} is not installed (apt-get install chromium)"
)


@pytest.fixture(scope="module")
def upstream(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="up", models=["writer", "cook", "other"])


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: FakeUpstream) -> Any:
    rules = f"""\
servers:
  up: {{url: "{upstream.url}", dialect: openai}}
cache: {{exact: {{ttl: 3600}}}}
default: up/other # all else
"""
    return start_shared(rules, {"CLIENT_AUTH": "NONE"})


@pytest.fixture
def log(proxy: Any) -> Iterator[Store]:
    with open_store(db_path=proxy.folder / "requests.db", blob_path=proxy.folder / "blobs") as store:
        yield store


@pytest.fixture
def dashboard(log: Store, proxy: Any) -> Iterator[str]:
    settings = Settings(routes_config=str(proxy.routes_file), db_path=str(proxy.folder / "requests.db"))
    rules = RulesFile(settings)
    config = WebConfig(
        queries=log.queries,
        access=log.access,
        rules=rules,
        desk=RulesDesk(settings, rules, log.access.rules),
        explains=explainer(settings, log.access),
        ruleset=lambda: rules.current,
        proxy_url=proxy.url,
        wants_tokens=False,
    )
    server = DashboardServer(create_app(config), "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.stop()
    thread.join(30)


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of which every script error, alert, console error and request elsewhere fails the test."""
    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        opened = browser.new_page(viewport={"width": 1360, "height": 850}, locale="en-GB")
        opened.set_default_timeout(120_000)
        opened.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
        opened.on(
            "console",
            lambda said: wrong.append(said.text) if said.type == "error" and "status of 4" not in said.text else None,
        )
        opened.on("request", lambda sent: None if sent.url.startswith("http://127.0.0.1:") else wrong.append(sent.url))
        yield opened
        browser.close()
    assert wrong == []


def goes_to(proxy: Any, words: str) -> str:
    body = {"model": "auto", "messages": [{"role": "user", "content": f"{words} {time.monotonic_ns()}"}]}
    answer = proxy.post("/v1/chat/completions", body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["model"])


def looks_good(page: Page) -> None:
    """No serious finding of axe, both schemes can be read, and it fits on a telephone."""
    found = Axe().run(page)
    assert [one["id"] for one in found.response["violations"] if one["impact"] in SERIOUS] == []
    for scheme, width in (("dark", 390), ("light", 1360)):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 850})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CONTRAST) == []


def describe(page: Page, dashboard: str) -> None:
    page.goto(f"{dashboard}/rules")
    page.get_by_role("link", name="Describe in words").first.click()
    page.get_by_label("Which requests should go where?").fill(SENTENCE)
    page.get_by_label("Model that writes the rules").fill("up/writer")
    page.get_by_role("button", name="Write the rules").click()


def test_a_sentence_becomes_a_rule_that_is_obeyed(
    page: Page, dashboard: str, proxy: Any, upstream: FakeUpstream, log: Store
) -> None:
    """Described twice, and asked twice; the mistake stands at its rule, is mended in the editor; tried, and enabled."""
    before = proxy.routes_file.read_text()
    assert goes_to(proxy, "a recipe for bread") == "up/other"
    upstream.default = Behaviour(text=DRAFT)
    for count in (1, 2):
        describe(page, dashboard)
        expect(page.locator("h1")).to_have_text("Draft of rules")
        asked = [one for one in upstream.inferences if SENTENCE.encode() in one.body]
        assert len(asked) == count and b'"model":"writer"' in asked[0].body.replace(b": ", b":")
    upstream.default = Behaviour()
    rule = page.locator("#drafted .route")
    expect(rule).to_contain_text("no server is named 'upp'")
    expect(rule.locator(".near code").first).to_have_text("up/cook")
    expect(page.locator("#lines .is-error")).to_have_text("4")
    looks_good(page)
    page.get_by_role("button", name="Enable").click()
    expect(page.locator(".banner")).to_contain_text("mend what is marked")
    area = page.locator("#text")
    area.fill(area.input_value().replace("upp", "up"))
    expect(rule).to_contain_text("nothing is wrong with it")
    expect(page.locator("#draft-diff .come").first).to_contain_text("routes:")
    page.get_by_label("Prompt", exact=True).fill("a recipe for soup")
    page.get_by_role("button", name="Try it").click()
    expect(page.locator("#trace")).to_contain_text("Decided by route Recipes")
    assert proxy.routes_file.read_text() == before
    page.get_by_role("button", name="Enable").click()
    expect(page.locator(".toast:not(.told)")).to_have_text("Saved")
    made = proxy.routes_file.read_text()
    assert "name: Recipes" in made and "default: up/other # all else" in made
    proxy.until(lambda: goes_to(proxy, "a recipe for cake") == "up/cook", "a request that obeys the rule")
    newest = log.access.rules.list(str(proxy.routes_file.absolute()), None, 1).versions[0]
    assert newest.why == f"described: {SENTENCE}"
    row = proxy.rows(model="writer")[-1]
    assert row["outcome"] == "ok" and row["cache"] in (None, "bypass")


def test_a_sentence_is_waited_for_and_cancelled(page: Page, dashboard: str, proxy: Any, upstream: FakeUpstream) -> None:
    """The page tells how far it is; cancelled, it says so, and the server is left alone."""
    release = threading.Event()
    upstream.default = Behaviour(pieces=["routes:\n", "  - name: half"], stall_after=3, resume=release)
    try:
        describe(page, dashboard)
        expect(page.locator("#progress-text")).to_contain_text("routes:")
        expect(page.locator("#progress-state")).to_have_text("The rules are being written")
        looks_good(page)
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator(".banner")).to_contain_text("It was cancelled")
        looks_good(page)
    finally:
        release.set()
        upstream.default = Behaviour()
    expect(page.get_by_label("Which requests should go where?")).to_have_value(SENTENCE)
