"""The dashboard in a real browser, served by waitress over a real store."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from switchman.addons.core.record import Running
from switchman.addons.store.opening import Store
from switchman.webui import WebConfig
from switchman.webui.access.tokens import make_token

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECRET = "a test's secret, 32 bytes and longer"
EVIL = "<img src=x onerror=alert(1)>"
expect.set_options(timeout=120_000)  # milliseconds; what is waited for comes within one on a machine that is idle
pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists() and "CI" not in os.environ, reason=f"{CHROMIUM} is not installed (apt-get install chromium)"
)


def is_expected(error: str) -> bool:
    """The 401 of a page that asks to sign in."""
    return "401 (UNAUTHORIZED)" in error


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1360, "height": 850}, locale="en-GB")
    opened.set_default_timeout(120_000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page of which every script error, alert and console error fails the test."""
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
    opened.on("dialog", lambda dialog: (wrong.append(f"alert: {dialog.message}"), dialog.dismiss()))
    opened.on(
        "console", lambda said: wrong.append(said.text) if said.type == "error" and not is_expected(said.text) else None
    )
    yield opened
    assert wrong == []


@pytest.fixture
def dashboard(store: Store, serve_dashboard) -> Iterator[str]:
    with serve_dashboard(WebConfig(queries=store.queries)) as address:
        yield address


def test_a_name_that_is_markup_is_inert_everywhere(page: Page, dashboard: str, put, make_request) -> None:
    """In the list, live rows, the story, the chart's legend and its hover text."""
    put(make_request(1, time.time() - 5, id="evil", model=EVIL, requested_model=EVIL, server=EVIL, route=EVIL))
    page.goto(f"{dashboard}/requests")
    expect(page.locator("tr[data-id=evil]")).to_contain_text(EVIL)
    put(make_request(2, time.time(), id="evil-live", model=EVIL, requested_model=EVIL))
    expect(page.locator("tr[data-id=evil-live]")).to_contain_text(EVIL)
    page.goto(f"{dashboard}/request/evil")
    expect(page.locator(".story")).to_contain_text(EVIL)
    page.goto(f"{dashboard}/performance")
    expect(page.locator("#chart[data-ready='2']")).to_be_visible()
    expect(page.locator(".legendtext")).to_have_text(EVIL)
    page.locator("#chart .point").first.hover(force=True)
    expect(page.locator("#chart .hoverlayer")).to_contain_text(EVIL)
    assert page.locator("img").count() == 0


def test_a_point_opens_its_request(page: Page, dashboard: str, put, make_request) -> None:
    """A click in the scatter leads to the story."""
    put(make_request(1, time.time() - 5, id="the-point"))
    page.goto(f"{dashboard}/performance")
    expect(page.locator("#chart[data-ready='1']")).to_be_visible()
    page.locator("#chart .point").click(force=True)
    page.wait_for_url("**/request/the-point")
    expect(page.locator("h1")).to_have_text("POST /v1/chat/completions")


def test_the_whole_row_opens_and_back_keeps_the_filters(page: Page, dashboard: str, put, seed_records) -> None:
    """A click anywhere in the row; the filters are in the address."""
    put(*seed_records(time.time(), 20))
    page.goto(f"{dashboard}/requests")
    page.get_by_label("Outcome").select_option("cancelled")
    page.wait_for_url("**outcome=cancelled")
    row = page.locator("table.requests tbody tr")
    expect(row).to_have_count(1)
    row.locator("td").nth(5).click(force=True)  # the row's link lies over it
    page.wait_for_url("**/request/cancelled-*")
    page.go_back()
    expect(page.get_by_label("Outcome")).to_have_value("cancelled")
    expect(row).to_have_count(1)


def test_new_rows_come_in_at_the_top_and_old_ones_in_their_place(page: Page, dashboard: str, put, make_request) -> None:
    """A long request goes where its beginning belongs; the empty page becomes a list by itself."""
    now = time.time()
    page.goto(f"{dashboard}/requests")
    expect(page.locator("#empty")).to_contain_text("No requests yet")
    put(make_request(1, now - 20, id="first"))
    expect(page.locator("tr[data-id=first]")).to_be_visible()
    expect(page.locator("#empty")).to_be_hidden()
    put(make_request(2, now - 5, id="newest"), make_request(3, now - 60, id="long"))
    expect(page.locator("table.requests tbody tr")).to_have_count(3)
    ids = page.locator("table.requests tbody tr").evaluate_all("rows => rows.map(row => row.dataset.id)")
    assert ids == ["newest", "first", "long"]
    assert "fresh" in (page.locator("tr[data-id=newest]").get_attribute("class") or "")


def test_rows_wait_while_one_scrolls_or_has_paused(page: Page, dashboard: str, put, make_request, seed_records) -> None:
    """The list does not move under the reader; a button says how many wait."""
    put(*seed_records(time.time(), 60))
    page.goto(f"{dashboard}/requests")
    page.mouse.move(700, 600)
    page.mouse.wheel(0, 600)
    expect(page.locator("#live")).to_contain_text("Paused while scrolled")
    put(make_request(900, time.time(), id="waits"))
    expect(page.locator("#news button")).to_have_text("1 new request")
    assert page.locator("tr[data-id=waits]").count() == 0
    page.locator("#news button").click()
    expect(page.locator("tr[data-id=waits]")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    put(make_request(901, time.time(), id="paused"))
    expect(page.locator("#live")).to_contain_text("Paused, 1 new")
    assert page.locator("tr[data-id=paused]").count() == 0
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("tr[data-id=paused]")).to_be_visible()


def test_the_keyboard_is_enough(page: Page, dashboard: str, put, make_request) -> None:
    """j and k move, Enter opens, / searches, ? helps, Esc closes."""
    now = time.time()
    put(*(make_request(number, now - number, id=f"r{number}") for number in range(3)))
    page.goto(f"{dashboard}/requests")
    expect(page.locator("table.requests tbody tr")).to_have_count(3)
    for key in "jjk":
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.closest('tr').dataset.id") == "r0"
    page.keyboard.press("j")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    page.keyboard.press("/")
    page.keyboard.type("jk?")
    expect(page.locator("#search")).to_have_value("jk?")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/request/r0")


@pytest.mark.parametrize("secure", [True, False])
def test_copying_works_with_and_without_the_clipboard_api(
    page: Page, context: BrowserContext, dashboard: str, put, make_request, secure: bool
) -> None:
    """On plain http from another machine there is no clipboard API."""
    put(make_request(1, time.time(), id="an-id-to-copy"))
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    if not secure:
        context.add_init_script("Object.defineProperty(window, 'isSecureContext', { value: false })")
    page.goto(f"{dashboard}/requests")
    page.locator("tr[data-id] .copy").click()
    expect(page.locator(".toast:not(.told)")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "an-id-to-copy"
    assert page.url == f"{dashboard}/requests"


def test_the_colours_follow_the_system_until_chosen(page: Page, dashboard: str) -> None:
    """System, light, dark: kept for the next page, without a flash."""
    ground = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    page.goto(f"{dashboard}/requests")
    dark = page.evaluate(ground)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(ground)
    assert light == "rgb(255, 255, 255)" != dark
    button = page.locator("#theme")
    for word, colour in [("light", light), ("dark", dark)]:
        button.click()
        expect(button).to_contain_text(f"Colours: {word}")
        assert page.evaluate(ground) == colour
    page.reload()
    assert page.evaluate(ground) == dark
    assert page.locator("html").get_attribute("data-theme") == "dark"


CONTRAST = (Path(__file__).parent / "contrast.js").read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(page: Page, dashboard: str, put, seed_records, scheme) -> None:
    """WCAG AA, 4.5:1, for every text of every page in both schemes."""
    put(*seed_records(time.time(), 12))
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for address in (
        "/requests",
        "/requests?outcome=failed&client=none",
        "/request/failed-102",
        "/request/00000003-feed-4bee-8fab-000000000003?view=request",
        "/performance",
    ):
        page.goto(dashboard + address)
        assert page.evaluate(CONTRAST) == [], address


@pytest.mark.parametrize("width", [1360, 800, 390])
def test_no_page_is_wider_than_the_window(
    page: Page, dashboard: str, put, seed_records, make_request, width: int
) -> None:
    """Also with long names, down to a telephone's width."""
    long = "a-very-long-model-name-" * 6
    put(
        *seed_records(time.time(), 12),
        make_request(70, time.time(), id="long", model=long, requested_model=long, route=long, path="/v1/" + long),
    )
    page.set_viewport_size({"width": width, "height": 800})
    for address in ("/requests", "/request/long", "/request/long?view=request", "/performance"):
        page.goto(dashboard + address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def test_signing_in_with_a_pasted_token(store: Store, serve_dashboard, page: Page, put, make_request) -> None:
    """The page that was asked for opens, stays live, and is locked again after signing out."""
    put(make_request(1, time.time(), id="secret"))
    config = WebConfig(queries=store.queries, webui_security="ALWAYS_AUTH", jwt_secret=SECRET)
    with serve_dashboard(config) as address:
        page.goto(f"{address}/request/secret")
        page.get_by_label("Token").fill(make_token(SECRET, 1))
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("h2").first).to_have_text("Asked")
        assert page.url == f"{address}/request/secret"
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Token")).to_be_visible()


def test_the_strip_of_layers_filters_and_stays_live(page: Page, dashboard: str, put, make_request) -> None:
    """A click lists one layer's requests, by an address that can be sent on; another leads back."""
    now = time.time()
    put(*(make_request(number, now - number, id=f"r{number}") for number in range(6)))
    page.goto(f"{dashboard}/requests")
    strip = page.get_by_role("navigation", name="Decided by")
    expect(strip).to_contain_text("route 4 67 %")
    strip.get_by_role("link", name="alias").click()
    page.wait_for_url("**/requests?layer=alias")
    rows = page.locator("table.requests tbody tr")
    expect(rows).to_have_count(2)
    put(make_request(30, now, id="live"), make_request(31, now, id="other"))
    expect(page.locator("tr[data-id=live]")).to_be_visible()
    expect(strip).to_contain_text("alias 3 38 %")
    assert page.locator("tr[data-id=other]").count() == 0
    strip.get_by_role("link", name="alias").click()
    expect(rows).to_have_count(8)


def test_tooltips_are_above_the_row_and_a_click_on_them_opens_it(page: Page, dashboard: str, put, make_request) -> None:
    """The exact time is under the pointer, not only the row's link; ctrl opens a tab of its own."""
    put(make_request(1, time.time(), id="row"))
    page.goto(f"{dashboard}/requests")
    moment = page.locator("tr[data-id=row] time")
    box = moment.bounding_box()
    assert box
    under = "([x, y]) => document.elementFromPoint(x, y).title"
    assert page.evaluate(under, [box["x"] + 5, box["y"] + 5]).endswith(" UTC")
    with page.context.expect_page() as opened:
        moment.click(modifiers=["ControlOrMeta"])
    opened.value.wait_for_url("**/request/row")
    moment.click()
    page.wait_for_url("**/request/row")


def test_the_list_goes_on_when_the_dashboard_and_the_log_come_back(
    context: BrowserContext, store: Store, serve_dashboard, put, make_request
) -> None:
    """It says that there is no answer, and then shows what the emptied log has now, in both tabs, without a reload."""
    put(*(make_request(number, time.time() - number - 5, id=f"r{number}") for number in range(3)))
    config = WebConfig(queries=store.queries)
    with serve_dashboard(config) as address:
        tabs = [context.new_page(), context.new_page()]
        for tab in tabs:
            tab.goto(f"{address}/requests")
            expect(tab.locator("table.requests tbody tr")).to_have_count(3)
        port = int(address.rpartition(":")[2])
    context.set_offline(True)  # the port may be taken by others meanwhile: nobody answers, as the browser sees it
    for tab in tabs:
        expect(tab.locator("#live")).to_contain_text("No answer")
    with store.engine.begin() as conn:
        conn.exec_driver_sql("DELETE FROM requests")
        conn.exec_driver_sql("DELETE FROM sqlite_sequence")
    put(make_request(9, time.time(), id="after"))
    with serve_dashboard(config, port):
        context.set_offline(False)
        for tab in tabs:
            expect(tab.locator("tr[data-id=after]")).to_be_visible()
            expect(tab.locator("#live")).to_have_text("Live")
            assert tab.locator("table.requests tbody tr").count() == 1


def test_what_is_under_way_is_seen_until_it_has_its_row(
    page: Page, store: Store, dashboard: str, put, make_request
) -> None:
    """On an empty page too; it goes when it is over, and no worker's word is believed for long."""
    asked, decided = ("POST", "/v1/chat/completions", "10.0.0.1", "auto"), ("alias", "two", "slow", EVIL)
    running = Running("long", time.time() - 8, *asked, *decided, attempts=2)
    page.goto(f"{dashboard}/requests")
    expect(page.locator("#empty")).to_be_visible()
    stop = threading.Event()

    def keep_saying() -> None:
        while not stop.is_set():
            store.write_underway("worker", [running], time.time())
            stop.wait(0.5)

    saying = threading.Thread(target=keep_saying)
    saying.start()
    try:
        row = page.locator("tr[data-underway=long]")
        expect(row).to_contain_text("under way")
        expect(row).to_contain_text(f"auto→slow/{EVIL}")
        expect(row).to_contain_text("attempt 2")
        expect(page.locator("#empty")).to_be_hidden()
        page.goto(f"{dashboard}/requests?outcome=failed")
        expect(page.locator("#live")).to_contain_text("Live")
        assert row.count() == 0
        page.goto(f"{dashboard}/requests")
        expect(row).to_be_visible()
        put(make_request(1, running.started_at, id="long"))
        expect(page.locator("tr[data-id=long]")).to_be_visible()
        expect(row).to_have_count(0)
    finally:
        stop.set()
        saying.join()
