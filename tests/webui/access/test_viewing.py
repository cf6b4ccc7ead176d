"""Viewers see how requests went, and no word of what was asked or answered."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

import switchman.webui
from switchman.addons.core.access.roles import Role
from switchman.webui.access.people import COOKIE
from switchman.webui.access.tokens import make_token

SECRET = "a test's secret, 32 bytes and longer"
LOCKED = {"webui_security": "ALWAYS_AUTH", "jwt_secret": SECRET}
HTML = {"Accept": "text/html"}
# One word for each place that may have a word of a body.
PROMPT, ANSWER, ERROR, ATTEMPT, EARLIER, ARBITER, TOOL = (
    f"planted-{word}-word" for word in ("prompt", "answer", "error", "attempt", "earlier", "arbiter", "tool")
)
PLANTED = (PROMPT, ANSWER, ERROR, ATTEMPT, EARLIER, ARBITER, TOOL)


@pytest.fixture
def planted(put, make_request) -> None:
    """A request with a word in each place, and the one that a cache found for it."""
    body = {"model": "m", "user": PROMPT, "messages": [{"role": "user", "content": f"hello {PROMPT}"}]}
    call = {"type": "function", "function": {"name": TOOL, "arguments": "{}"}}
    message = {"role": "assistant", "content": ANSWER, "tool_calls": [call]}
    reply = {"choices": [{"index": 0, "message": message}], "error": {"message": ERROR}}
    earlier = {"request_id": "earlier", "asked": EARLIER, "took_ms": 3.0}
    trace = (
        {"layer": "semantic_cache", "outcome": "skip", "detail": f"like {EARLIER}", "score": 0.9, "elapsed_ms": 1.0,
         "earlier": earlier},
        {"layer": "arbiter", "outcome": "miss", "detail": f"It said {ARBITER}", "score": None, "elapsed_ms": 1.0},
        {"layer": "a plug-in", "outcome": "miss", "detail": f"It said {ARBITER}", "score": None, "elapsed_ms": 1.0},
        {"layer": "route", "outcome": "hit", "detail": "the route small leads to local/m", "score": None,
         "elapsed_ms": 1.0},
    )  # fmt: skip
    known = make_request(2, time.time() - 5)
    attempts = tuple(replace(attempt, error=f"it said {ATTEMPT}") for attempt in known.attempts)
    put(
        make_request(1, time.time() - 9, id="earlier", request_body=json.dumps(body).encode(),
                     response_body=json.dumps(reply).encode()),
        make_request(2, time.time() - 5, id="one", request_body=json.dumps(body).encode(),
                     response_body=json.dumps(reply).encode(), error=f"the server said {ERROR}", trace=trace,
                     attempts=attempts, outcome="upstream_error", status=500, cache="shadow"),
    )  # fmt: skip


def client_as(client: FlaskClient, role: Role) -> FlaskClient:
    client.set_cookie(COOKIE, make_token(SECRET, 1, role=role))
    return client


def everything(client: FlaskClient) -> dict[str, tuple[int, str]]:
    """What every address with data shows of the planted request, by its address."""
    addresses = [
        "/requests", "/requests?range=all&text=one", "/api/requests", "/api/requests?html=1", "/api/requests?after=0",
        "/api/requests?after=0&html=1", "/request/one", "/request/one?view=request", "/request/one?view=response",
        "/request/one?view=request&indent=1", "/api/request/one", "/api/body/request/one", "/api/body/response/one",
        "/api/summary", "/api/summary?html=1", "/api/performance", "/performance", "/", "/api/overview?html=1",
    ]  # fmt: skip
    found = {}
    for address in addresses:
        answer = client.get(address, headers=HTML)
        found[address] = (answer.status_code, answer.get_data(as_text=True))
    return found


def test_viewers_see_no_word_of_a_body_anywhere(client_of, planted) -> None:
    """Not on the pages, in their data, in downloads, in live rows; what happened is there."""
    seen = everything(client_as(client_of(**LOCKED), Role.VIEWER))
    for address, (_, text) in seen.items():
        assert [word for word in PLANTED if word in text] == [], address
    assert {address for address, (status, _) in seen.items() if status != 200} == {
        "/api/body/request/one", "/api/body/response/one",
    }  # fmt: skip
    assert seen["/api/body/request/one"][0] == 403 and "VIEWERS_SEE_BODIES" in seen["/api/body/request/one"][1]
    story = seen["/request/one"][1]
    assert "the route small leads to local/m" in story and "hidden from viewers" in story
    assert "Hidden from viewers" in story and "semantic_cache" in story and "0.9" in story


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMIN])
def test_operators_and_admins_see_them(client_of, planted, role: Role) -> None:
    """Else the test above would hold for anything."""
    seen = everything(client_as(client_of(**LOCKED), role))
    told = "".join(text for _, text in seen.values())
    assert [word for word in PLANTED if word not in told] == []
    assert {status for status, _ in seen.values()} == {200}


def test_viewers_may_be_allowed_to(client_of, planted) -> None:
    """VIEWERS_SEE_BODIES."""
    seen = everything(client_as(client_of(**LOCKED, viewers_see_bodies=True), Role.VIEWER))
    told = "".join(text for _, text in seen.values())
    assert [word for word in PLANTED if word not in told] == []


def test_a_body_that_is_not_there_is_not_said_to_be_hidden(client_of, put, make_request) -> None:
    """What is missing is missing for all."""
    put(make_request(3, time.time(), id="none", request_body=None, response_body=None))
    client = client_as(client_of(**LOCKED), Role.VIEWER)
    assert "had no body" in client.get("/request/none?view=request", headers=HTML).text
    assert client.get("/api/body/request/none").status_code == 404


def test_pages_read_the_log_by_one_door() -> None:
    """A page that asked the store itself would show viewers what they may not see. Breakers have nothing to hide."""
    pages = Path(switchman.webui.__file__).parent / "pages"
    for path in pages.rglob("*.py"):
        asks = re.search(r"web_config\(\)\.queries|config\.queries\.(?!revocations|resting|lost)", path.read_text())
        assert not asks, path
