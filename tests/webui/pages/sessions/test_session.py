"""The page of a session: its turns as a tree, calls with results, breaks with both texts and what they cost."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient

from switchman.addons.core.access.prices.price import Price
from switchman.addons.core.access.roles import Role
from switchman.addons.core.access.session import session_digest
from switchman.webui.access.people import COOKIE
from switchman.webui.access.tokens import make_token

SECRET = "a test's secret, 32 bytes and longer"
HTML = {"Accept": "text/html"}
PRICE = Price({"input": 3_000_000, "cached": 300_000})
PAGE = f"/sessions/{session_digest('the-session')}"


@pytest.fixture
def client(client_of: Callable[..., FlaskClient], put: Any, conversation: Any) -> FlaskClient:
    put(*conversation(time.time()))
    return client_of(price_of=lambda server, model: PRICE if (server, model) == ("cloud", "sonnet") else None)


def words(client: FlaskClient, address: str = PAGE) -> str:
    """The page's text in one line."""
    answer = client.get(address, headers=HTML)
    assert answer.status_code == 200, answer.text
    return unescape(" ".join(re.sub(r"<[^>]*>", " ", answer.text.replace("</mark>", "").replace("<mark>", "")).split()))


def test_turns_are_in_order_with_subagents_below(client: FlaskClient) -> None:
    """A subagent is called by the call that started it; a side conversation stands where it began."""
    text = words(client)
    places = [
        text.rindex(word)
        for word in ("Turn 1", "Turn 2", "Turn 3", "Explore: users of it", "Turn 4", "Turn 5", "Turn 6")
    ]
    assert places == sorted(places) and text.count("Side conversation") == 1
    page = client.get(PAGE, headers=HTML).text
    assert all(f'href="/request/turn-{number}"' in page for number in range(1, 7))


def test_calls_stand_with_their_results(client: FlaskClient) -> None:
    """At the turn that made them; an error is told."""
    text = words(client)
    assert (
        text.index("Turn 2") < text.index('read {"path": "a.py"}') < text.index("exit(planted)") < text.index("Turn 3")
    )
    found = {turn["number"]: turn["calls"] for turn in client.get(f"/api{PAGE}").json["turns"]}
    assert found[3] == [{"name": "Agent", "answered": True, "failed": True}]
    assert found[4] == [{"name": "read", "answered": True, "failed": False}] and found[6] == []


def test_a_break_is_shown_with_what_it_cost(client: FlaskClient) -> None:
    """The place, the byte, both texts with the difference marked, and the tokens that were read anew."""
    page = client.get(PAGE, headers=HTML).text
    turns = client.get(f"/api{PAGE}").json["turns"]
    (broken,) = [turn["broken"] for turn in turns if turn["broken"]]
    assert (broken["part"], broken["place"], broken["why"]) == ("system", "system", "value")
    assert (broken["expected"], broken["read"], broken["lost"], broken["cost"]) == (10_000, 2_000, 8_000, 21_600)
    assert "The system prompt changed" in page and "Only digits differ" in page
    assert "It is 10:31:0<mark>2</mark>" in page and "It is 10:31:0<mark>9</mark>" in page
    text = words(client)
    assert f"byte {broken['byte']:,} of the request" in text and "8.0k were read anew, for $0.0216 more" in text
    assert "8.0k tokens were read anew" in text


def test_without_a_price_or_a_count_the_cost_is_not_known(client_of: Any, put: Any, conversation: Any) -> None:
    """And said to be so."""
    first, *others = conversation(time.time())
    put(first, *others)
    assert "what that cost more is not known" in words(client_of())


def test_viewers_see_no_word_of_it(client_of: Any, put: Any, conversation: Any) -> None:
    """No prompt, no tool's result, no folder, no error; the figures stay. Nor do filters tell them a folder."""
    put(*conversation(time.time()))
    viewer = client_of(webui_security="ALWAYS_AUTH", jwt_secret=SECRET)
    viewer.set_cookie(COOKIE, make_token(SECRET, 1, role=Role.VIEWER))
    for address in (PAGE, f"/api{PAGE}", "/sessions", "/api/sessions", "/sessions?project=/home/anna/shop"):
        answer = viewer.get(address, headers=HTML)
        text = answer.text.replace("?project=/home/anna/shop", "").replace('value="/home/anna/shop"', "")
        assert answer.status_code == 200
        assert not re.search(r"anna|planted|Fix the tests|10:31|Find all", text), (address, text)
    assert "Turn 6" in words(viewer) and "hidden from viewers" in words(viewer)
    assert len(viewer.get("/api/sessions?project=/nowhere").json["sessions"]) == 1


def test_a_long_session_has_pages(client_of: Any, put: Any, conversation: Any) -> None:
    """The first turn of a later one is compared with the last of its branch before it."""
    put(*conversation(time.time()))
    client = client_of()
    first = client.get(f"/api{PAGE}?limit=5").json
    assert len(first["turns"]) == 5 and first["next"]
    rest = client.get(f"/api{PAGE}", query_string={"after": first["next"], "limit": 5}).json
    (last,) = rest["turns"]
    assert (last["number"], last["follows"], last["broken"]["part"]) == (6, 3, "system")
    assert client.get(PAGE, query_string={"after": first["next"]}, headers=HTML).status_code == 200


@pytest.mark.parametrize(
    ("address", "status"), [("/sessions/none", 404), (f"{PAGE}?after=x", 400), ("/sessions/%00", 404)]
)
def test_what_is_not_there_is_told(client: FlaskClient, address: str, status: int) -> None:
    """With a sentence."""
    assert client.get(address, headers=HTML).status_code == status
