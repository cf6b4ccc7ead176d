"""The client's own credentials: they reach whom the rules name first, and on failover no server of another owner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import jwt
import openai
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream

SECRET = "q8Zr2vLx0TnWc7Yp5KdGh3JmBf9SaEuI"
KEY = "client-key-0123456789"
UNKEYED = Behaviour(status=401, body={"error": {"message": "Who are you?", "type": "invalid_request_error"}})


def elsewhere(upstream: FakeUpstream) -> str:
    """The upstream's URL as one of a stranger: resolvers read 127.1 as this machine, but no rule takes it for one."""
    return upstream.url.replace("127.0.0.1", "127.1")


@pytest.fixture(scope="module")
def down(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="down")


@pytest.fixture(scope="module")
def neighbour(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="neighbour")


@pytest.fixture(scope="module")
def stranger(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="stranger")


@pytest.fixture(autouse=True)
def as_at_first(down: FakeUpstream, stranger: FakeUpstream, neighbour: FakeUpstream) -> None:
    down.default, stranger.default, neighbour.default = Behaviour(status=503), Behaviour(), Behaviour()


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, down: FakeUpstream, neighbour: FakeUpstream, stranger: FakeUpstream) -> Any:
    away = elsewhere(stranger)
    routes = f"""
servers:
  down: {{url: "{down.url}", dialect: openai}}
  down-abroad: {{url: "{elsewhere(down)}", dialect: openai}}
  down-beside-abroad: {{url: "{away}/down", dialect: openai}}
  refused: {{url: "http://127.0.0.1:9", dialect: openai}}
  neighbour: {{url: "{neighbour.url}", dialect: openai}}
  neighbour-told-never: {{url: "{neighbour.url}", dialect: openai, forward_auth: false}}
  stranger: {{url: "{away}", dialect: openai}}
  stranger-told-always: {{url: "{away}", dialect: openai, forward_auth: true}}
  stranger-by-header: {{url: "{away}", dialect: openai, headers: {{authorization: "Bearer its-own-key"}}}}
  claude: {{url: "{neighbour.url}", dialect: anthropic}}
  keyed: {{url: "{neighbour.url}", dialect: openai, api_key: the-servers-own-key}}
aliases:
"""
    lists = {
        "to-stranger": "down stranger",
        "queried": "down stranger",
        "answered-before": "down stranger",
        "translated": "down stranger",
        "to-stranger-always": "down stranger-told-always",
        "to-stranger-by-header": "down stranger-by-header",
        "past-stranger": "down stranger neighbour",
        "never": "down neighbour-told-never",
        "to-neighbour": "down neighbour",
        "home": "down-abroad neighbour",
        "same-origin": "down-beside-abroad stranger",
        "refused-to-stranger": "refused stranger",
        "rests": "down stranger",
    }
    for name, servers in lists.items():
        # A model of its own for each, so that no case's breakers have to do with another's.
        routes += f"  {name}: {{instances: {[f'{server}/{name}' for server in servers.split()]}}}\n"
    return start_shared(routes, {"JWT_SECRET": SECRET})


def ask(proxy: Any, model: str, stream: bool = False, **headers: str) -> httpx.Response:
    sent = {"authorization": f"Bearer {KEY}", "api-key": KEY, "x-harmless": "1", **headers}
    return proxy.chat(model, stream, headers=sent)


def seen(upstream: FakeUpstream) -> list[str | None]:
    return [upstream.inferences[-1].header(name) for name in ("authorization", "api-key", "x-harmless")]


@pytest.mark.parametrize("stream", [False, True])
def test_no_strangers_business(stream: bool, proxy: Any, down: FakeUpstream, stranger: FakeUpstream) -> None:
    """The first choice sees the client's key, a fallback of another owner does not; the trace says what to set."""
    response = ask(proxy, "to-stranger", stream, **{"x-goog-api-key": KEY, "cookie": "session=1"})
    assert response.status_code == 200
    assert seen(down) == [f"Bearer {KEY}", KEY, "1"]
    assert seen(stranger) == [None, None, "1"]
    assert KEY not in repr(stranger.inferences[-1]) and stranger.inferences[-1].header("cookie") is None
    row = proxy.row_of(response)
    (line,) = [line for line in row["trace"] if line["layer"] == "credentials"]
    assert "stranger" in line["detail"] and "forward_auth: true" in line["detail"] and "api_key:" in line["detail"]


@pytest.mark.parametrize(
    ("model", "fallback", "expected"),
    [
        ("to-stranger-always", "stranger", f"Bearer {KEY}"),
        ("to-stranger-by-header", "stranger", "Bearer its-own-key"),
        ("to-neighbour", "neighbour", f"Bearer {KEY}"),
        ("never", "neighbour", None),
        ("home", "neighbour", None),
    ],
)
def test_who_else_gets_them(
    model: str, fallback: str, expected: str | None, proxy: Any, stranger: FakeUpstream, neighbour: FakeUpstream
) -> None:
    """What is said holds; neighbours share, a public server's key does not come home, a key of its own is used."""
    assert ask(proxy, model).status_code == 200
    asked = {"stranger": stranger, "neighbour": neighbour}[fallback].inferences[-1]
    assert asked.header("authorization") == expected


def test_a_servers_own_key_stands_in_the_place_of_all_of_them(proxy: Any, neighbour: FakeUpstream) -> None:
    """Whatever the client brought as credentials, in whichever header or the query, stays here."""
    brought = {"x-goog-api-key": KEY, "cookie": f"session={KEY}", "x-auth-token": KEY, "authorization": f"Bearer {KEY}"}
    body = {"model": "keyed/m", "messages": [{"role": "user", "content": "Hi"}]}
    url = f"{proxy.url}/v1/chat/completions?key={KEY}&beta=1"
    response = httpx.post(url, headers=brought | {"x-harmless": "1"}, json=body, trust_env=False, timeout=30)
    asked = neighbour.inferences[-1]
    assert response.status_code == 200 and KEY not in repr(asked)
    assert asked.header("authorization") == "Bearer the-servers-own-key" and asked.header("x-harmless") == "1"
    assert asked.target == "/v1/chat/completions?beta=1"


def test_the_same_origin_is_the_same_owner(proxy: Any, stranger: FakeUpstream) -> None:
    """Another path on the first choice's scheme, host and port gets what the first got."""
    stranger.script([Behaviour(status=503), Behaviour()])
    assert ask(proxy, "same-origin").status_code == 200
    assert [one.header("authorization") for one in stranger.inferences[-2:]] == [f"Bearer {KEY}"] * 2


def test_a_query_is_looked_at_too(proxy: Any, down: FakeUpstream, stranger: FakeUpstream) -> None:
    """A key in the query goes no further than one in a header."""
    body = {"model": "queried", "messages": [{"role": "user", "content": "hi"}]}
    response = proxy.post(f"/v1/chat/completions?key={KEY}&version=2", body)
    assert response.status_code == 200
    assert down.inferences[-1].target == f"/v1/chat/completions?key={KEY}&version=2"
    assert stranger.inferences[-1].target == "/v1/chat/completions?version=2"


def test_whoever_sends_none_is_not_told_of_any(proxy: Any, stranger: FakeUpstream) -> None:
    """Without credentials nothing is held back, and a fallback's 401 is the client's own affair."""
    stranger.default = UNKEYED
    response = proxy.chat("past-stranger")
    assert (response.status_code, response.json()) == (401, UNKEYED.body)
    assert not [line for line in proxy.row_of(response)["trace"] if line["layer"] == "credentials"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_for_want_of_them_is_passed_over(
    status: int, proxy: Any, stranger: FakeUpstream, neighbour: FakeUpstream
) -> None:
    """Who was not given the key and refuses is no end of the chain: the next one is asked."""
    stranger.default = Behaviour(status=status)
    response = ask(proxy, "past-stranger")
    assert response.status_code == 200
    assert seen(neighbour)[0] == f"Bearer {KEY}"
    tries = proxy.row_of(response)["attempts"]
    assert [(one["status"], one["outcome"]) for one in tries] == [(503, "status"), (status, "status"), (200, "ok")]
    assert "credentials" in tries[1]["error"]


def test_the_earlier_answer_is_the_better_one(proxy: Any, down: FakeUpstream, stranger: FakeUpstream) -> None:
    """Where nothing is left the client hears what the server said that had its key, not that a stranger wants one."""
    down.default, stranger.default = Behaviour(status=503, headers={"retry-after": "7"}), UNKEYED
    with pytest.raises(openai.InternalServerError) as error:
        proxy.openai(api_key=KEY).chat.completions.create(
            model="answered-before", messages=[{"role": "user", "content": "hi"}]
        )
    assert (error.value.status_code, error.value.response.headers["retry-after"]) == (503, "7")


def test_the_refusal_is_told_where_there_is_nothing_better(proxy: Any, stranger: FakeUpstream) -> None:
    """If nobody else answered, the client hears the stranger's own words."""
    stranger.default = UNKEYED
    with pytest.raises(openai.AuthenticationError, match="Who are you"):
        proxy.openai(api_key=KEY).chat.completions.create(
            model="refused-to-stranger", messages=[{"role": "user", "content": "hi"}]
        )


def test_a_breaker_makes_nobody_the_first_choice(proxy: Any, down: FakeUpstream, stranger: FakeUpstream) -> None:
    """While the first choice rests, its fallback is asked first, and still not given the key; nor blamed for a 401."""
    down.default = Behaviour(status=503, headers={"retry-after": "60"})
    assert ask(proxy, "rests").status_code == 200
    before = len(down.inferences)
    stranger.default = UNKEYED
    for _ in range(6):
        assert ask(proxy, "rests").status_code == 503
    stranger.default = Behaviour()
    response = ask(proxy, "rests")
    assert response.headers["x-switchman-target"] == "stranger/rests"
    assert response.headers["x-switchman-attempts"] == "1"
    assert seen(stranger)[0] is None
    assert len(down.inferences) == before + 6


def test_translated_requests_too(proxy: Any, down: FakeUpstream, stranger: FakeUpstream) -> None:
    """An Anthropic client's key is put where the first choice looks for it, and nowhere for a stranger."""
    client = anthropic.Anthropic(base_url=proxy.url, api_key=KEY, max_retries=0, timeout=60)
    client.messages.create(model="translated", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
    assert (down.inferences[-1].json()["model"], down.inferences[-1].header("authorization")) == (
        "translated",
        f"Bearer {KEY}",
    )
    assert KEY not in repr(stranger.inferences[-1])
    assert stranger.inferences[-1].header("authorization") is None


@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
@pytest.mark.parametrize("server", ["claude", "neighbour"])
def test_the_routers_own_token_is_not_translated(header: str, server: str, proxy: Any, neighbour: FakeUpstream) -> None:
    """A token of the dashboard goes to no upstream, in whatever header it came and would go."""
    own = jwt.encode({"sub": "dashboard"}, SECRET, "HS256")
    proxy.chat(f"{server}/m", headers={header: own if header == "x-api-key" else f"Bearer {own}"})
    assert own not in repr(neighbour.inferences[-1].headers)
