"""Signing in by role, and what admins manage, in a real browser, over plain http as most see it."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from switchman.addons.core.access.apitoken import digest_of, is_token
from switchman.addons.core.access.caller import Terms
from switchman.addons.core.access.roles import Role
from switchman.addons.store.access.audit import Who
from switchman.addons.store.opening import Store
from switchman.webui import WebConfig
from switchman.webui.access.tokens import make_token

CHROMIUM = Path("/usr/bin/chromium")
# The name of another machine, as a page on a network has one: no secure context, so no clipboard API.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--host-resolver-rules=MAP box.lan 127.0.0.1",
]
SECRET = "a test's secret, 32 bytes and longer"
EVIL = "<img src=x onerror=alert(1)>"
KEY = "sk-a-providers-key-0123456789abcdef"
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
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1360, "height": 850}, locale="en-GB")
    opened.set_default_timeout(120_000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page of which every script error, alert and breach of the policy fails the test."""
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
    opened.on("dialog", lambda dialog: (wrong.append(f"alert: {dialog.message}"), dialog.dismiss()))
    # What a page is answered, and a header that counts over https only.
    refused = re.compile(r"status of 4\d\d|Cross-Origin-Opener-Policy header has been ignored")
    opened.on(
        "console",
        lambda said: wrong.append(said.text) if said.type == "error" and not refused.search(said.text) else None,
    )
    yield opened
    assert wrong == []


@pytest.fixture
def dashboard(store: Store, vault: Callable[[], Any], serve_dashboard) -> Iterator[str]:
    """Its address by a name that is no loopback's; it asks for a token."""
    config = WebConfig(
        queries=store.queries, access=store.access, vault=vault, webui_security="ALWAYS_AUTH", jwt_secret=SECRET
    )  # fmt: skip
    with serve_dashboard(config) as address:
        yield address.replace("127.0.0.1", "box.lan")


def sign_in(page: Page, dashboard: str, role: Role, path: str = "/") -> None:
    page.goto(dashboard + path)
    page.get_by_label("Token").fill(make_token(SECRET, 1, role=role, who="alice"))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def test_a_token_is_made_copied_and_revoked(page: Page, dashboard: str, store: Store) -> None:
    """From the empty page on; the copy works on plain http, where there is no clipboard API."""
    sign_in(page, dashboard, Role.ADMIN, "/tokens")
    assert page.evaluate("window.isSecureContext") is False
    page.get_by_role("link", name="New token").click()
    page.get_by_label("Name", exact=True).fill("laptop")
    page.get_by_label("Requests a minute").fill("lots")
    page.get_by_role("button", name="Make the token").click()
    expect(page.get_by_role("alert")).to_contain_text("expected a number above 0")
    page.get_by_label("Requests a minute").fill("60")
    page.get_by_role("button", name="Make the token").click()
    text = page.locator("#token-text").inner_text()
    assert is_token(text) and store.access.tokens.by_digest(digest_of(text)).caller.name == "laptop"
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator(".toast:not(.told)")).to_have_text("Copied")
    page.get_by_role("link", name="To laptop").click()
    expect(page.locator("main")).not_to_contain_text(text)
    page.get_by_role("link", name="Change", exact=True).click()  # a field to paste into
    page.get_by_label("Models").focus()
    page.keyboard.press("ControlOrMeta+v")
    expect(page.get_by_label("Models")).to_have_value(text)
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("button", name="Revoke laptop").click()
    expect(page.locator(".toast:not(.told)")).to_contain_text("Revoked")
    assert store.access.tokens.get("laptop").revoked_at is not None
    page.get_by_role("link", name="Changes").click()
    expect(page.locator(".changes-list tbody tr")).to_have_count(2)
    expect(page.locator(".changes-list")).to_contain_text("alice")


def test_a_key_is_set_and_seen_by_nobody(page: Page, dashboard: str, vault) -> None:
    """Not in the page that follows, nor in the one that a fault leads back to."""
    sign_in(page, dashboard, Role.ADMIN, "/keys")
    for name in ("openai", "openai"):
        page.get_by_label("Name").fill(name)
        page.get_by_label("Value").fill(KEY)
        page.get_by_role("button", name="Set the key").click()
        expect(page.locator("tbody tr")).to_have_count(1)
        assert KEY not in page.content()
    expect(page.get_by_role("alert")).to_contain_text("already")
    with vault() as opened:
        assert opened.read("openai") == KEY
    page.get_by_role("link", name="openai").click()
    page.get_by_role("button", name="Delete openai").click()
    expect(page.locator("#content")).to_contain_text("No keys yet")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_others_are_not_led_to_what_they_may_not(page: Page, dashboard: str, role: Role) -> None:
    """Nor let in by the address."""
    sign_in(page, dashboard, role)
    expect(page.locator(".who")).to_contain_text(role.word)
    assert page.get_by_role("link", name="API tokens").count() == 0
    for path in ("/tokens", "/keys", "/audit"):
        page.goto(dashboard + path)
        expect(page.locator("h1")).to_have_text("For the role admin")


def test_another_sites_form_changes_nothing(page: Page, context: BrowserContext, dashboard: str, store: Store) -> None:
    """The browser is signed in; a page of another port of the same name sends a form, as its script may at once."""
    sign_in(page, dashboard, Role.ADMIN)
    fields = '<input name="name" value="planted"><input name="csrf" value="">'
    html = f'<form method="post" action="{dashboard}/tokens">{fields}</form><script>document.forms[0].submit()</script>'
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n" + html.encode()
    with socket.create_server(("127.0.0.1", 0)) as site:

        def serve() -> None:
            with site.accept()[0] as connection:
                connection.recv(65_536)
                connection.sendall(answer)

        serving = threading.Thread(target=serve)
        serving.start()
        other = context.new_page()
        with other.expect_response(f"{dashboard}/tokens") as sent:
            other.goto(f"http://box.lan:{site.getsockname()[1]}/", wait_until="commit")
        serving.join()
    assert sent.value.status == 403 and store.access.tokens.list() == ()


def test_a_fetch_without_the_word_changes_nothing(page: Page, dashboard: str, store: Store) -> None:
    """A script in our own page would need to read it from there; with it, the API does what the pages do."""
    sign_in(page, dashboard, Role.ADMIN, "/tokens/new")
    ask = """async ([name, word]) => (await fetch("/api/admin/tokens", {
        method: "POST", body: JSON.stringify({ name }),
        headers: { "Content-Type": "application/json", ...(word ? { "X-CSRF-Token": word } : {}) } })).status"""
    assert page.evaluate(ask, ["a", ""]) == 403
    word = page.locator("input[name=csrf]").get_attribute("value")
    assert page.evaluate(ask, ["b", word]) == 201
    assert [token.caller.name for token in store.access.tokens.list()] == ["b"]


def fill(store: Store, vault: Callable[[], Any]) -> list[str]:
    """Something on every page, with names that are markup or long; the addresses."""
    long = "a-very-long-name-" * 3
    for name in (EVIL, long, "laptop"):
        store.access.tokens.create(Terms(name, frozenset({EVIL}), (EVIL, long * 4), (EVIL,), expires_at=4e9), 1e9)
    with vault() as opened:
        opened.set("openai", KEY)
        opened.set("a-" * 50, KEY)
    store.access.audit.record(Who(EVIL, "page", "admin", "::1"), "token.change", EVIL, {EVIL: EVIL}, {EVIL: long * 9})
    one = store.access.tokens.get(EVIL).caller.id
    return [
        "/tokens",
        f"/tokens/{one}",
        f"/tokens/{one}/change",
        "/tokens/new",
        "/keys",
        "/keys/" + "a-" * 50,
        "/audit",
    ]


def test_names_that_are_markup_are_inert(page: Page, dashboard: str, store: Store, vault) -> None:
    """Stored by the API, which takes any; on every page that shows one."""
    paths = fill(store, vault)
    sign_in(page, dashboard, Role.ADMIN)
    for path in paths:
        answer = page.goto(dashboard + path)
        assert answer and "script-src 'self';" in answer.headers["content-security-policy"]
        for summary in page.locator("main summary").all():
            summary.click()
        assert page.locator("img").count() == 0, path
    expect(page.locator(".changes-list")).to_contain_text(EVIL)


@pytest.mark.parametrize("width", [1360, 800, 390])
def test_no_page_is_wider_than_the_window(page: Page, dashboard: str, store: Store, vault, width: int) -> None:
    """Also with long names, down to a telephone's width, and its texts can be read in both schemes."""
    paths = fill(store, vault)
    sign_in(page, dashboard, Role.ADMIN)
    page.set_viewport_size({"width": width, "height": 800})
    for scheme in ("light", "dark") if width == 1360 else ("light",):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for path in paths:
            page.goto(dashboard + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            assert page.evaluate(CONTRAST) == [], path
