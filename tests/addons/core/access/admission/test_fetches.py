"""Requests that a browser makes for a page without telling its origin."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.access.admission.fetches import foreign_fetch
from switchman.addons.core.request.origins import Origins

LOCAL = Origins.parse("local")
LINK = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
CROSS = {"sec-fetch-site": "cross-site"}


def told(method: str = "GET", own_page: bool = False, allowed: Origins = LOCAL, **headers: str) -> str | None:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return foreign_fetch(method, given, allowed, own_page=own_page)


@pytest.mark.parametrize("site", ["cross-site", "same-site", " Cross-Site "])
@pytest.mark.parametrize("dest", ["image", "script", "iframe", "empty", "document"])
def test_a_foreign_page_gets_nothing(site: str, dest: str) -> None:
    """Not by an image, not by a frame, not by a link to what is a server's."""
    why = told(sec_fetch_site=site, sec_fetch_dest=dest, sec_fetch_mode="navigate")
    assert why is not None and "CORS_ORIGINS" in why and f"Sec-Fetch-Site: {site.strip().lower()}" in why


@pytest.mark.parametrize("headers", [{}, {"sec_fetch_site": "none"}, {"sec_fetch_site": "same-origin"}])
def test_programs_and_people_go_on(headers: dict[str, str]) -> None:
    """A program says nothing; a typed address is of no site; a page of the router's own is of the same origin."""
    assert told(**headers) is None


@pytest.mark.parametrize(("method", "goes_on"), [("GET", True), ("HEAD", True), ("POST", False)])
def test_a_link_leads_to_the_routers_own_pages(method: str, goes_on: bool) -> None:
    """A person followed it, and the page cannot read what is shown."""
    assert (foreign_fetch(method, CROSS | LINK, LOCAL, own_page=True) is None) is goes_on


@pytest.mark.parametrize(
    "headers", [CROSS, CROSS | LINK | {"sec-fetch-dest": "iframe"}, CROSS | {"sec-fetch-mode": "cors"}]
)
def test_only_a_link_does(headers: dict[str, str]) -> None:
    """A frame or an image of a foreign page is not opened by a person."""
    assert foreign_fetch("GET", headers, LOCAL, own_page=True) is not None


@pytest.mark.parametrize(
    ("referer", "allowed", "goes_on"),
    [
        ("http://localhost:3000/chat?x", "local", True),
        ("https://chat.example/a", "local,https://chat.example", True),
        ("https://evil.example/http://localhost:3000", "local", False),
        ("http://localhost:3000@evil.example/", "local", False),
        ("localhost:3000", "local", False),
        ("http://[", "local", False),
        ("https://evil.example/", "*", True),
    ],
)
def test_a_page_that_may_call_is_known_by_its_referer(referer: str, allowed: str, goes_on: bool) -> None:
    """A page can leave it out, but writes no other one."""
    assert (told(allowed=Origins.parse(allowed), referer=referer, sec_fetch_site="cross-site") is None) is goes_on


def test_header_values_may_be_anything() -> None:
    """They come from outside."""
    odd: Any = "\ud800\x00"
    assert told(sec_fetch_site=odd, referer=odd) is None
