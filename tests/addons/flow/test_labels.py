"""What the router writes on an answer's head."""

from __future__ import annotations

import re

import pytest
from mitmproxy import http

from switchman.addons.core.routes.plan import Candidate, Plan
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.flow.exchange import Attempt, CacheUse, Exchange
from switchman.addons.flow.labels import MAX_LABEL, label, make_open_ended

SERVER = Server("s", parse("http://s:1"))
PLAN = Plan((Candidate(SERVER, "m"),), "alias", "both")


def labelled(x: Exchange, *fields: tuple[bytes, bytes], asked: dict[str, str] | None = None) -> dict[str, list[str]]:
    """The answer's fields by lower-case name, all values of each."""
    response = http.Response.make(200, b"", http.Headers(fields))
    response.headers.pop("content-length")
    label(response, x, http.Request.make("POST", "http://r/", b"", asked or {}))
    found: dict[str, list[str]] = {}
    for name, value in response.headers.fields:
        found.setdefault(name.decode().lower(), []).append(value.decode())
    return found


def exchange_of(*, attempts: int = 1, route: str = "both", target: str = "s/m", **more: object) -> Exchange:
    tries = [Attempt(n + 1, PLAN.candidates[0], target, "u", 0.0, 0.0) for n in range(attempts)]
    return Exchange("id1", 0.0, 1.0, "c", plan=Plan(PLAN.candidates, "alias", route), attempts=tries, **more)  # type: ignore[arg-type]


def test_an_answer_says_where_it_came_from() -> None:
    """By which layer and rule, from which target, at which attempt."""
    found = labelled(exchange_of(attempts=2, cache=CacheUse("miss"), routed=1.5), (b"X-Kept", b"1"))
    assert found == {
        "x-kept": ["1"],
        "x-switchman-request-id": ["id1"],
        "x-request-id": ["id1"],
        "x-switchman-layer": ["alias"],
        "x-switchman-route": ["both"],
        "x-switchman-attempts": ["2"],
        "x-switchman-target": ["s/m"],
        "x-switchman-cache": ["miss"],
        "x-switchman-overhead-ms": ["500.00"],
    }


@pytest.mark.parametrize("name", [b"x-switchman-target", b"X-Switchman-Estimate", b"X-SWITCHMAN-OF-TOMORROW"])
def test_another_routers_labels_are_replaced(name: bytes) -> None:
    """A router of our kind upstream said the same of itself: the client would not know which to believe."""
    found = labelled(exchange_of(), (name, b"theirs"), (b"x-other", b"1"), (name, b"again"))
    assert "theirs" not in str(found) and "again" not in str(found)
    assert (found["x-switchman-target"], found["x-other"]) == (["s/m"], ["1"])


def test_what_the_router_says_of_its_own_answer_stays() -> None:
    """No server gave it."""
    found = labelled(exchange_of(attempts=0), (b"x-switchman-estimate", b"1"))
    assert found["x-switchman-estimate"] == ["1"]
    assert "x-switchman-target" not in found


@pytest.mark.parametrize(
    ("given", "expected"), [("theirs", "theirs"), ("", "id1"), ("x" * 201, "id1"), ("a\tb", "id1"), ("é", "id1")]
)
def test_a_clients_id_for_its_request_comes_back(given: str, expected: str) -> None:
    """If it can stand in a header; else ours. A server's own goes before both, and is said once."""
    assert labelled(exchange_of(), asked={"x-request-id": given})["x-request-id"] == [expected]
    assert labelled(exchange_of(), (b"X-Request-Id", b"up"), asked={"x-request-id": given})["x-request-id"] == ["up"]


def test_anthropics_clients_look_for_another_name() -> None:
    """`request-id`: the server's, the client's, or ours."""
    x = exchange_of(dialect="anthropic")
    assert labelled(x)["request-id"] == ["id1"]
    assert labelled(x, (b"x-request-id", b"up"))["request-id"] == ["up"]
    assert labelled(x, (b"request-id", b"claude"))["request-id"] == ["claude"]


def test_any_name_can_be_told_in_a_header() -> None:
    """Line breaks would begin another one; long ones are cut."""
    found = labelled(exchange_of(route="é\r\nx: y" + "z" * 400, target="s/模型"))
    assert found["x-switchman-target"] == ["s/??"]
    assert re.fullmatch(r"\?\?\?x: yz+", found["x-switchman-route"][0])
    assert len(found["x-switchman-route"][0]) == MAX_LABEL


def test_a_streams_length_is_not_known() -> None:
    """And nobody on the way may keep or gather it."""
    response = http.Response.make(200, b"abc", {"content-length": "3", "cache-control": "public"})
    make_open_ended(response)
    assert dict(response.headers) == {
        "cache-control": "no-cache",
        "transfer-encoding": "chunked",
        "x-accel-buffering": "no",
    }
