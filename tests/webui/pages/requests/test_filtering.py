"""The fields of the bar, their menus, and what is set."""

from __future__ import annotations

import re
import time

import pytest
from flask.testing import FlaskClient

from switchman.addons.store.opening import Store
from switchman.webui import WebConfig, create_app


@pytest.fixture
def client(store: Store, put, make_request) -> FlaskClient:
    now = time.time()
    put(
        make_request(
            1, now - 5, id="a", agent="codex", token="anna", error_class="auth", outcome="refused", status=401
        ),
        make_request(3, now - 9, id="b", session="s1", modality=3, cache="hit", asked="the planted word"),
    )
    return create_app(WebConfig(queries=store.queries)).test_client()


def shown(client: FlaskClient, query: str) -> set[str]:
    return set(re.findall(r'data-id="(\w+)"', client.get(f"/requests?{query}").text))


FILTERS = {
    "agent=codex": "a",
    "token=anna": "a",
    "error=auth": "a",
    "session=s1": "b",
    "modality=image": "b",
    "cache=hit": "b",
    "words=planted": "b",
    "asked=coder": "b",
    "route=coder": "b",
    "status=4xx": "a",
    "stream=yes": "",
    "stream=no": "ab",
    "layer=alias": "b",
    "attempts=many": "ab",
    "client=10.0.1.3": "a",
}


def test_every_filter_is_an_address(client: FlaskClient) -> None:
    """And is in its field on the page that the address opens, where it can be taken away."""
    for query, expected in FILTERS.items():
        assert shown(client, query) == set(expected), query
        name, value = query.split("=")
        page = client.get(f"/requests?{query}").text
        field = re.search(rf'<(?:select|input)[^>]* name="{name}".*?</label>', page, re.S)
        assert field and (f'value="{value}" selected' in field[0] or f'value="{value}"' in field[0].partition(">")[0])
        if name != "words":
            assert 'title="Remove this filter"' in page and 'href="/requests"' in page, query


def test_what_there_is_none_of_is_said(client: FlaskClient) -> None:
    """A 400 that names the choices."""
    for query in ("error=none", "stream=maybe", "modality=smell", "attempts=2", "status=9xx"):
        answer = client.get(f"/requests?{query}")
        assert answer.status_code == 400 and "cannot be read" in answer.json["error"], query


def test_menus_have_what_the_log_has(client: FlaskClient) -> None:
    """And what is chosen, whether or not the log still has it."""
    page = client.get("/requests?agent=gone&layer=none").text
    menus = dict(re.findall(r'<select name="(\w+)">(.*?)</select>', page, re.S))
    assert re.findall(r'value="(\w+)"', menus["agent"]) == ["codex", "gone"]
    assert re.findall(r'value="(\w+)"', menus["token"]) == ["anna"]
    assert 'value="none" selected' in menus["layer"]
    assert "credentials refused" in menus["error"]


def test_an_own_time_has_fields(client: FlaskClient) -> None:
    """In UTC, as the address has it, both ends included."""
    assert "datetime-local" not in client.get("/requests").text
    page = client.get("/requests?from=2026-01-30&to=2026-01-31").text
    assert re.findall(r'type="datetime-local" name="(\w+)" step="1" value="([^"]*)"', page) == [
        ("from", "2026-01-30T00:00"),
        ("to", "2026-01-31T23:59"),
    ]
    assert shown(client, "range=custom") == {"a", "b"}
