"""From an empty file to a working router, by mouse and keyboard in a real browser, beside a real worker."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from openai import APIError, OpenAI
from playwright.sync_api import Page, expect, sync_playwright

from switchman.addons.config.configuration import RulesFile
from switchman.addons.config.editing.desk import RulesDesk
from switchman.addons.config.settings import Settings
from switchman.addons.serving.dashboard import explainer
from switchman.addons.store.opening import open_store
from switchman.addons.testing import FakeUpstream
from switchman.webui import WebConfig, create_app
from switchman.webui.server import DashboardServer

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists() and "CI" not in os.environ, reason=f"{CHROMIUM} is not installed (apt-get install chromium)"
)


@pytest.fixture(scope="module")
def upstream(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="up", dialect="openai", models=["qwen3:8b", "qwen2.5-coder:7b", "gemma3:1b"])


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any) -> Any:
    """A worker with an empty rules file, that knows no server at all."""
    return start_shared("", {})


@pytest.fixture
def dashboard(proxy: Any) -> Iterator[str]:
    settings = Settings(routes_config=str(proxy.routes_file), db_path=str(proxy.folder / "requests.db"))
    rules = RulesFile(settings)
    with open_store(db_path=proxy.folder / "requests.db", blob_path=proxy.folder / "blobs") as store:
        config = WebConfig(
            queries=store.queries,
            access=store.access,
            rules=rules,
            desk=RulesDesk(settings, rules, store.access.rules),
            explains=explainer(settings, store.access),
            prices=lambda: rules.current.prices,
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
    """A page of which every script error and every way out fails the test."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport={"width": 1360, "height": 850}, locale="en-GB")
        context.set_default_timeout(120_000)
        found, wrong = context.new_page(), list[str]()
        found.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
        found.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        found.on("request", lambda sent: sent.url.startswith("http://127.0.0.1:") or wrong.append(sent.url))
        yield found
        browser.close()
        assert wrong == []


def accessible(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []


def test_from_an_empty_file_to_a_working_router(page: Page, dashboard: str, proxy: Any, upstream: FakeUpstream) -> None:
    """Five steps, and the next request is answered by the model that was chosen, one about code by the one for it."""
    assert proxy.post("/v1/chat/completions", {"model": "auto", "messages": []}).status_code >= 400
    page.goto(f"{dashboard}/rules")
    page.get_by_role("link", name="Answer five questions").click()
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Address, where it is another").fill(upstream.url)
    page.get_by_label("Name in the rules").fill("box")
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_label("qwen2.5-coder:7b")).to_be_checked()
    accessible(page)
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("group", name="What may be spent?")).to_be_visible()
    page.get_by_label("Dollars a month").press("Enter")  # the form's own way on is Next
    expect(page.get_by_role("group", name="What counts most?")).to_be_visible()
    page.get_by_label("Speed").check()
    page.get_by_role("button", name="Next").click()
    expect(page.locator(".samples")).to_contain_text("box/qwen2.5-coder:7b")
    page.get_by_role("button", name="Back").click()
    expect(page.get_by_label("Speed")).to_be_checked()
    page.get_by_label("Quality").check()
    page.get_by_role("button", name="Next").click()
    expect(page.locator(".samples li").nth(1)).to_contain_text("by the rule Coding")
    accessible(page)
    assert proxy.routes_file.read_text() == ""
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast:not(.told)")).to_have_text("Saved")
    expect(page.locator("#routes")).to_contain_text("Coding")
    expect(page.locator("h1")).to_have_text("Rules")

    client = OpenAI(base_url=f"{proxy.url}/v1", api_key="none", max_retries=0)

    def answers(prompt: str, model: str = "auto") -> str:
        try:
            sent = client.chat.completions.create(model=model, messages=[{"role": "user", "content": prompt}])
        except APIError:
            return ""  # the file is looked at each second
        return sent.model.removeprefix("box/")

    proxy.until(lambda: answers("What is a good name for a grey cat?") == "qwen3:8b", "the model of chat")
    assert answers("Write a Python function that parses a CSV file, with unit tests.") == "qwen2.5-coder:7b"
    assert answers("Write a short title for this conversation: how do I repot a fern?") == "gemma3:1b"
    assert answers("hello", "claude-opus-5-5") == "qwen2.5-coder:7b"  # what an agent names is answered too


def test_the_steps_fit_a_telephone(page: Page, dashboard: str) -> None:
    """In the dark, and in Chinese."""
    page.set_viewport_size({"width": 390, "height": 800})
    page.emulate_media(color_scheme="dark")
    page.set_extra_http_headers({"Accept-Language": "zh-CN"})
    page.goto(f"{dashboard}/rules/wizard")
    for step in range(1, 6):
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, step
        if step < 5:
            page.locator("button.primary[value=next]").click()
            expect(page.locator("[aria-current=step] .step-number")).to_have_text(str(step + 1))
