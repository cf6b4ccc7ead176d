"""The page of servers in a real browser, beside a real router: added, tested, used, turned off, reset."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from switchman.addons.config.configuration import RulesFile
from switchman.addons.config.editing.desk import RulesDesk
from switchman.addons.config.settings import Settings
from switchman.addons.serving.dashboard import price_of, trier
from switchman.addons.store.opening import open_store
from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.webui import WebConfig, create_app
from switchman.webui.server import DashboardServer

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists() and "CI" not in os.environ, reason=f"{CHROMIUM} is not installed (apt-get install chromium)"
)
ROUTES = """\
# ours
servers:
  spare: "{spare}"
aliases:
  pair: {{instances: [spare/a]}}
"""


@pytest.fixture(scope="module")
def spare(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="spare", dialect="openai", models=("a",))


@pytest.fixture(scope="module")
def added(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="added", dialect="openai", models=("a", "b"))


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, spare: FakeUpstream) -> Any:
    """A worker as `switchman serve` starts it."""
    return start_shared(ROUTES.format(spare=spare.url), {"DEFAULT_UPSTREAM": spare.url})


@pytest.fixture
def dashboard(proxy: Any) -> Iterator[str]:
    """The dashboard over the router's own file and log, by a server of its own."""
    settings = Settings(routes_config=str(proxy.routes_file), db_path=str(proxy.folder / "requests.db"))
    rules = RulesFile(settings)
    with open_store(db_path=proxy.folder / "requests.db", blob_path=proxy.folder / "blobs") as store:
        config = WebConfig(
            queries=store.queries,
            access=store.access,
            rules=rules,
            desk=RulesDesk(settings, rules, store.access.rules),
            ruleset=lambda: rules.current,
            price_of=lambda server, model: price_of(rules.current, server, model),
            tries=trier(settings),
            proxy_url=proxy.url,
            wants_tokens=False,
        )
        server = DashboardServer(create_app(config), "127.0.0.1", 0)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.port}"
        finally:
            server.stop()
            thread.join(30)


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of which every script error and breach of the policy fails the test, and every way out."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        context = browser.new_context(viewport={"width": 1360, "height": 850}, locale="en-GB")
        context.set_default_timeout(120_000)
        found, wrong = context.new_page(), []
        found.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
        found.on("request", lambda sent: None if sent.url.startswith("http://127.0.0.1:") else wrong.append(sent.url))
        found.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        yield found
        browser.close()
    assert wrong == []


def asked(router: Any, model: str) -> Any:
    """Each is another one, so that no cache answers."""
    body = {"model": model, "messages": [{"role": "user", "content": f"hello {time.monotonic_ns()}"}]}
    return router.post("/v1/chat/completions", body)


def answers(router: Any, model: str, words: str) -> None:
    router.until(lambda: words in asked(router, model).text, f"an answer of {words}")


def test_a_server_is_added_tested_used_turned_off_and_reset(
    page: Page, dashboard: str, proxy: Any, added: FakeUpstream, spare: FakeUpstream
) -> None:
    """From a preset over the diff to a request that it answers; off, and the next one goes elsewhere; its breaker."""
    expect.set_options(timeout=120_000)
    # Added from a preset, at an address of our own, and tested before it is saved.
    page.goto(f"{dashboard}/servers")
    page.get_by_role("link", name="Add a server").click()
    page.get_by_role("link", name="openai", exact=True).click()
    expect(page.get_by_label("Address (base URL)")).to_have_value("https://api.openai.com/v1")
    page.get_by_label("Name", exact=True).fill("new")
    page.get_by_label("Address (base URL)").fill(f"{added.url}/v1")
    page.get_by_role("button", name="Test it first").click()
    expect(page.locator(".test-result")).to_contain_text("answers, with 2 models")
    page.get_by_role("button", name="Review the change").click()
    expect(page.locator(".diff-table .come").first).to_contain_text("new:")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="new", exact=True)).to_be_visible()
    # Its models, and a word by way of the router.
    page.get_by_role("button", name="Ask for its models").click()
    expect(page.locator(".models tbody tr")).to_have_count(2)
    answers(proxy, "new/a", "Hello from added.")
    page.get_by_role("button", name="Ask it for one word").click()
    expect(page.locator("[role=status].test-result")).to_contain_text("It says: Hello from added.")
    # Off: an alias goes on to its other instance, and its own name is refused.
    text = proxy.routes_file.read_text()
    proxy.routes_file.write_text(text.replace("[spare/a]", "[new/a, spare/a]"))
    answers(proxy, "pair", "Hello from added.")
    page.reload()
    page.get_by_role("button", name="Turn off").click()
    expect(page.get_by_text("This server is off")).to_be_visible()
    answers(proxy, "pair", "Hello from spare.")
    refused = asked(proxy, "new/a")
    assert refused.status_code == 503 and "are off (enabled: false): new" in refused.json()["error"]["message"]
    page.get_by_role("button", name="Turn on").click()
    answers(proxy, "pair", "Hello from added.")
    # Its breaker opens, is told, and is closed by the page.
    added.default = Behaviour(status=500)
    answers(proxy, "pair", "Hello from spare.")
    shown = page.locator(".rest").first
    proxy.until(lambda: asked(proxy, "pair").status_code == 200 and page.reload() and shown.is_visible(), "a rest told")
    added.default = Behaviour()
    assert "Hello from spare." in asked(proxy, "pair").text
    page.get_by_role("button", name="Reset its breakers").click()
    page.wait_for_url("**/server/new?done=reset")
    answers(proxy, "pair", "Hello from added.")
    proxy.until(lambda: page.reload() and not shown.is_visible(), "no rest told")
