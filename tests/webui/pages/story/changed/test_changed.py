"""The page of what was changed."""

from __future__ import annotations

import json
import time
from dataclasses import replace

from switchman.addons.core.access.roles import Role
from switchman.webui.access.tokens import make_token

SECRET = "a test's secret, 32 bytes and longer"
EVIL = "<img src=x onerror=alert(1)>"
HTML = {"Accept": "text/html"}


def test_each_attempt_is_told_and_nothing_of_it_runs(client_of, put, make_request) -> None:
    """Edits with markup in them are text; a viewer sees neither value."""
    one = make_request(1, time.time(), id="one", request_body=json.dumps({"model": EVIL, "messages": []}).encode())
    edits = ((["model"], f"planted{EVIL}"),)
    put(replace(one, attempts=tuple(replace(tried, sent="edited", edits=edits) for tried in one.attempts)))
    page = client_of().get("/request/one/changes", headers=HTML).text
    assert page.count("These values were edited") == 2 and "planted&lt;img" in page and EVIL not in page
    viewer = {"Authorization": f"Bearer {make_token(SECRET, 1, role=Role.VIEWER)}"}
    client = client_of(webui_security="ALWAYS_AUTH", jwt_secret=SECRET)
    for path in ("/request/one/changes", "/api/request/one"):
        assert "planted" not in client.get(path, headers=viewer | HTML).text


def test_a_request_without_attempts_says_so(client_of, put, make_request) -> None:
    """Nothing was sent."""
    put(make_request(1, time.time(), id="one", attempts=()))
    assert "No server was asked" in client_of().get("/request/one/changes", headers=HTML).text
