"""The list of sessions: what it shows, its filters in the address, and its pages."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from switchman.addons.core.access.session import session_digest
from switchman.webui.pages.sessions.sessions import parse_sessions_view

HTML = {"Accept": "text/html"}


@pytest.fixture
def client(client_of: Callable[..., FlaskClient]) -> FlaskClient:
    return client_of()


def shown(client: FlaskClient, address: str) -> str:
    answer = client.get(address, headers=HTML)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_an_empty_list_says_what_will_appear(client: FlaskClient) -> None:
    """And how to make it so."""
    assert "No sessions yet" in shown(client, "/sessions") and "curl" in shown(client, "/sessions")


def test_a_session_is_a_row(client: FlaskClient, put: Any, conversation: Any) -> None:
    """Its agent, project, requests, errors, tokens, share of the cache, and cost."""
    put(*conversation(time.time()))
    page = shown(client, "/sessions")
    for word in ("Claude Code", "/home/anna/shop", "52.5k → 600", "$0.006", "55 %", ">6<"):
        assert word in page, word
    found = client.get("/api/sessions").json["sessions"]
    assert [(row["requests"], row["errors"], row["agent"]) for row in found] == [(6, 1, "claude-code")]


def test_what_is_not_known_is_no_zero(client: FlaskClient, put: Any, make_request: Any) -> None:
    """Neither tokens nor cost."""
    put(make_request(1, time.time() - 5, session="b-" + "0" * 30, input_tokens=None, output_tokens=None, cost=None))
    page = shown(client, "/sessions")
    assert page.count('title="unknown"') >= 4 and "0 %" not in page and "$0" not in page


@pytest.mark.parametrize(("address", "count"), [
    ("", 3), ("?agent=codex", 1), ("?project=/srv/x", 1), ("?kind=errors", 1), ("?kind=several", 0),
    ("?range=15m", 2), ("?from=1970-01-01&to=1970-01-02", 0), ("?range=all", 3), ("?agent=nobody", 0),
])  # fmt: skip
def test_filters_are_in_the_address(client: FlaskClient, put: Any, make_request: Any, address: str, count: int) -> None:
    """The list and its JSON have the same ones."""
    now = time.time()
    put(
        make_request(1, now - 60, session=session_digest("1"), agent="codex", project="/srv/x"),
        make_request(2, now - 90, session=session_digest("2"), agent="aider", outcome="failed", status=502),
        make_request(3, now - 3_600, session=session_digest("3"), agent=None),
    )
    assert shown(client, f"/sessions{address}").count("data-session=") == count
    assert len(client.get(f"/api/sessions{address}").json["sessions"]) == count


def test_pages_follow_each_other(client: FlaskClient, put: Any, make_request: Any) -> None:
    """By the last row's cursor."""
    now = time.time()
    put(*(make_request(at, now - at, session=session_digest(str(at)), duration_ms=0.0) for at in range(60)))
    first = client.get("/api/sessions").json
    second = client.get("/api/sessions", query_string={"before": first["next"]}).json
    assert (len(first["sessions"]), len(second["sessions"]), second["next"]) == (50, 10, None)
    assert 'rel="next"' in shown(client, "/sessions")


@pytest.mark.parametrize("address", ["?range=never", "?kind=odd", "?from=soon", "?before=x"])
def test_a_bad_address_is_told(client: FlaskClient, address: str) -> None:
    """With a sentence."""
    answer = client.get(f"/sessions{address}", headers=HTML)
    assert answer.status_code == 400 and "cannot be read" in answer.text


def test_a_view_keeps_its_filters_in_its_addresses() -> None:
    """The default range is not said."""
    view = parse_sessions_view({"agent": "codex", "range": "1h", "kind": ""}, now=10_000.0)
    assert (view.filters.start, view.filters.agent, view.narrowed) == (6_400.0, "codex", True)
    assert view.range_words == "last hour" and ("1h", "last hour") in view.ranges
