"""The page of rules in a real browser, beside a real router that obeys what is saved there."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from switchman.addons.config.configuration import RulesFile
from switchman.addons.config.editing.desk import RulesDesk
from switchman.addons.config.settings import Settings
from switchman.addons.serving.dashboard import explainer
from switchman.addons.store.opening import open_store
from switchman.addons.testing import FakeUpstream
from switchman.webui import WebConfig, create_app
from switchman.webui.server import DashboardServer

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
CONTRAST = (Path(__file__).parents[1] / "webui/contrast.js").read_text()
expect.set_options(timeout=120_000)
pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists() and "CI" not in os.environ, reason=f"{CHROMIUM} is not installed (apt-get install chromium)"
)
ROUTES = """\
# ours
servers:
  up: "{up}"
aliases:
  pair: {{instances: [up/a, up/b]}}
routes:
  # the first one
  - name: First
    match: {{model: auto, keywords: [first]}}
    route: {{model: up/first}} # as it was
  - name: Second
    match: {{model: auto, keywords: [first, second]}}
    route: {{model: up/second}}
default: up/default
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def upstream(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="up", dialect="openai")


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: FakeUpstream) -> Any:
    """A worker as `switchman serve` starts it."""
    return start_shared(ROUTES.format(up=upstream.url), {"DEFAULT_UPSTREAM": upstream.url})


@pytest.fixture
def router(proxy: Any, upstream: FakeUpstream) -> Any:
    """The same, with the rules that it was started with in force."""
    text = ROUTES.format(up=upstream.url)
    if proxy.routes_file.read_text() != text:
        proxy.routes_file.write_text(text)
    obeys(proxy, "the first thing", "first")
    obeys(proxy, "the second thing", "second")
    return proxy


@pytest.fixture
def dashboard(router: Any) -> Iterator[str]:
    """The dashboard over the router's own file and log, by a server of its own."""
    settings = Settings(routes_config=str(router.routes_file), db_path=str(router.folder / "requests.db"))
    rules = RulesFile(settings)
    with open_store(db_path=router.folder / "requests.db", blob_path=router.folder / "blobs") as store:
        desk = RulesDesk(settings, rules, store.access.rules)
        config = WebConfig(
            queries=store.queries,
            access=store.access,
            rules=rules,
            desk=desk,
            explains=explainer(settings, store.access),
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
def page(browser: Browser) -> Iterator[Page]:
    yield from opened(browser)


@pytest.fixture
def other(browser: Browser) -> Iterator[Page]:
    """Another person's browser."""
    yield from opened(browser)


def opened(browser: Browser) -> Iterator[Page]:
    """A page of which every script error, alert and breach of the policy fails the test, and every way out."""
    context = browser.new_context(viewport={"width": 1360, "height": 850}, locale="en-GB")
    context.set_default_timeout(120_000)
    found = context.new_page()
    wrong: list[str] = []
    found.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
    found.on("dialog", lambda dialog: dialog.accept())
    found.on("request", lambda sent: None if sent.url.startswith("http://127.0.0.1:") else wrong.append(sent.url))
    found.on(
        "console",
        lambda said: wrong.append(said.text) if said.type == "error" and "status of 4" not in said.text else None,
    )
    yield found
    context.close()
    assert wrong == []


def goes_to(router: Any, words: str) -> str:
    """Where a request for `auto` goes now; each is another one, so that no cache answers."""
    body = {"model": "auto", "messages": [{"role": "user", "content": f"{words} {time.monotonic_ns()}"}]}
    answer = router.post("/v1/chat/completions", body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["model"])


def obeys(router: Any, words: str, wanted: str) -> None:
    router.until(lambda: wanted in goes_to(router, words), f"a request that goes to {wanted}")


def test_a_rule_is_made_and_obeyed_and_taken_back(page: Page, dashboard: str, router: Any) -> None:
    """From the form, nested conditions included, over the diff and the save to the next request; then back."""
    before = router.routes_file.read_text()
    assert "default" in goes_to(router, "a stack trace of mine")
    page.goto(f"{dashboard}/rules")
    page.get_by_role("link", name="New rule").click()
    expect(page.locator("#preview")).to_have_text("It still needs a server or a model that it leads to.")
    expect(page.locator("#problems li")).to_have_count(0)
    page.get_by_label("Name", exact=True).fill("By trace")
    page.get_by_label("Add a condition to the rule").select_option("any")
    page.get_by_label("Add a condition to any 1").select_option("keywords")
    expect(page.get_by_label("keywords", exact=True)).to_be_focused()
    page.get_by_label("keywords", exact=True).fill('traceback, "stack, trace", stack trace')
    page.get_by_role("button", name="Add a part to any").click()
    page.get_by_label("Add a condition to any 2").select_option("not")
    page.get_by_label("Add a condition to not").select_option("tokens")
    page.get_by_label("at most").fill("500000")
    page.get_by_label("Leads to (model)").fill("up/traced")
    page.get_by_role("button", name="Add a fallback").click()
    page.get_by_label("Fallback 1", exact=True).fill("pair")
    page.get_by_label("stick").select_option("conversation")
    expect(page.locator("#preview")).to_contain_text("- not: {tokens: {max: 500000}}")
    page.get_by_label("Prompt").fill("a stack trace of mine")
    page.get_by_role("button", name="Try it with this rule").click()
    expect(page.locator("#trace")).to_contain_text("Decided by route By trace")
    assert router.routes_file.read_text() == before
    page.get_by_role("button", name="Review").click()
    expect(page.locator(".diff-table .come").first).to_contain_text("- name: By trace")
    page.get_by_label("Why").fill("traces go elsewhere")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast:not(.told)")).to_have_text("Saved")
    made = router.routes_file.read_text()
    rule = made.replace(before.replace("default: up/default\n", ""), "").replace("default: up/default\n", "")
    assert rule == (
        "  - name: By trace\n    match:\n      model: auto\n      any:\n"
        '        - {keywords: [traceback, "stack, trace", stack trace]}\n'
        "        - not: {tokens: {max: 500000}}\n"
        "    route: {model: up/traced, fallbacks: [pair], stick: conversation}\n"
    )
    obeys(router, "a stack trace of mine", "traced")
    page.reload()
    router.until(lambda: router.rows(route="By trace"), "its row")
    page.reload()
    expect(page.locator("#route-2")).to_contain_text("1 hit")
    page.get_by_role("link", name="History").click()
    expect(page.locator("tbody tr").first).to_contain_text("traces go elsewhere")
    page.get_by_role("button", name="Back to version").first.click()
    expect(page.locator(".diff-table .gone").first).to_contain_text("- name: By trace")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast:not(.told)")).to_have_text("Taken back")
    assert router.routes_file.read_text() == before
    obeys(router, "a stack trace of mine", "default")


def test_order_and_state_by_keyboard_and_by_drag(page: Page, dashboard: str, router: Any) -> None:
    """A rule moves with its comment; off keeps every field."""
    before = router.routes_file.read_text()
    assert "first" in goes_to(router, "the first thing")
    page.goto(f"{dashboard}/rules")
    page.get_by_label("Move First down").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#moved-words")).to_have_text("First: 2")
    page.get_by_role("button", name="Review the new order").click()
    page.get_by_role("button", name="Save").click()
    obeys(router, "the first thing", "second")
    first = before[before.index("  # the first one") : before.index("  - name: Second")]
    assert router.routes_file.read_text() == before.replace(first, "").replace("default:", f"{first}default:")
    page.goto(f"{dashboard}/rules")
    page.locator("#route-1 .route-head").drag_to(page.locator("#route-0"), target_position={"x": 5, "y": 2})
    page.get_by_role("button", name="Review the new order").click()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast:not(.told)")).to_have_text("Saved")
    assert router.routes_file.read_text() == before
    page.get_by_label("Turn First off").click()
    page.get_by_role("button", name="Save").click()
    obeys(router, "the first thing", "second")
    off = before.replace("  - name: First\n", "  - name: First\n    enabled: false\n")
    assert router.routes_file.read_text() == off
    page.get_by_label("Turn First on").click()
    page.get_by_role("button", name="Save").click()
    obeys(router, "the first thing", "first")


def test_a_broken_text_is_refused_with_its_line(page: Page, dashboard: str, router: Any) -> None:
    """As one types, by the review, and nothing is written; mended, it is saved."""
    before = router.routes_file.read_text()
    page.goto(f"{dashboard}/rules/text")
    area = page.locator("#text")
    area.fill(before.replace("model: up/second", "model: [up/second"))
    expect(page.locator("#verdict")).to_have_text("The router would not take this.")
    expect(page.locator("#problems")).to_contain_text("line 13")
    expect(page.locator("#lines .is-error")).to_have_text("13")
    page.get_by_role("button", name="Review").click()
    expect(page.locator("#problems")).to_contain_text("not valid YAML")
    assert router.routes_file.read_text() == before
    page.locator("#text").fill(before.replace("model: up/second", "model: up/other"))
    expect(page.locator("#verdict")).to_have_text("The router would take this.")
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Save").click()
    obeys(router, "the second thing", "other")
    assert router.routes_file.read_text() == before.replace("model: up/second", "model: up/other")


def test_two_browsers_at_once(page: Page, other: Page, dashboard: str, router: Any) -> None:
    """The second is refused, and loses nothing: their text is there, and the other's beside it."""
    before = router.routes_file.read_text()
    for one, mark in ((page, "# mine\n"), (other, "# theirs\n")):
        one.goto(f"{dashboard}/rules/text")
        one.locator("#text").fill(before + mark)
        one.get_by_role("button", name="Review").click()
        expect(one.get_by_role("button", name="Save")).to_be_visible()
    other.get_by_role("button", name="Save").click()
    expect(other.locator(".toast:not(.told)")).to_have_text("Saved")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("h1")).to_have_text("Somebody else has changed the rules")
    expect(page.locator("#text")).to_have_value(before + "# mine\n")
    assert page.locator("#theirs").input_value() == before + "# theirs\n"
    assert router.routes_file.read_text() == before + "# theirs\n"
    page.locator("#text").fill(before + "# theirs\n# mine\n")
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast:not(.told)")).to_have_text("Saved")
    assert router.routes_file.read_text() == before + "# theirs\n# mine\n"


@pytest.mark.parametrize(("width", "scheme"), [(1360, "light"), (390, "dark")])
def test_pages_fit_and_can_be_read(page: Page, dashboard: str, width: int, scheme: Any) -> None:
    """Down to a telephone's width, in both schemes."""
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for path in ("", "/text", "/route/0", "/try?prompt=the+first", "/history", "/json"):
        page.goto(f"{dashboard}/rules{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate(CONTRAST) == [], path
