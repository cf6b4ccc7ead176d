"""Where requests go: routes by model and source, base URLs with a path, credentials, what upstreams get to see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jwt
import pytest

from switchman.addons.testing import FakeUpstream
from switchman.addons.testing.rawclient import RawClient

SECRET = "q8Zr2vLx0TnWc7Yp5KdGh3JmBf9SaEuI"
MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def keyed(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="keyed", api_key="server-key-0123456789")


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: FakeUpstream, keyed: FakeUpstream) -> Any:
    routes = f"""
servers:
  up: "{upstream.url}"
  keyed: {{url: "{keyed.url}", api_key: "env:SERVER_KEY", headers: {{x-team: blue}}}}
  secretive: {{url: "{upstream.url}", forward_auth: false}}
  with-v1: "{upstream.url}/v1"
  deep: "{upstream.url}/openai/v1"
  beta: "{upstream.url}/v1beta/openai"
  bare-path: "{upstream.url}/proxy"
aliases:
  by-alias: {{instances: [{{server: up, model: from-alias}}]}}
routes:
  - name: chained
    match: {{model: to-alias}}
    route: {{model: by-alias}}
  - name: by exact name
    match: {{model: exact}}
    route: {{upstream: up, model: from-exact}}
  - name: by source
    match: {{source_host: "10.1.0.0/16"}}
    route: {{upstream: up, model: from-source}}
  - name: by source v6
    match: {{source_host: "2001:db8::/32"}}
    route: {{upstream: up, model: from-source-v6}}
  - name: url
    match: {{model: "/.*-1.5b/"}}
    route: {{upstream: "{upstream.url}"}}
  - name: late
    priority: 400
    match: {{model: "/^exact$/"}}
    route: {{upstream: up, model: never}}
"""
    env = {
        "DEFAULT_UPSTREAM": upstream.url,
        "SERVER_KEY": "server-key-0123456789",
        "TRUSTED_PROXIES": "127.0.0.1",
        "MODEL_MAP": r'{"old": "by-alias", "/gpt-(\\d)/": "n\\1"}',
        "JWT_SECRET": SECRET,
    }
    return start_shared(routes, env)


@pytest.mark.parametrize(
    ("model", "sent", "layer", "route"),
    [
        ("by-alias", "from-alias", "alias", "by-alias"),
        ("to-alias", "from-alias", "route", "chained"),
        ("exact", "from-exact", "route", "by exact name"),
        ("qwen-1.5b-chat", "qwen-1.5b-chat", "route", "url"),
        ("up/a/b", "a/b", "server", "up"),
        ("unknown/a", "unknown/a", "default", "up"),
        ("EXACT", "EXACT", "default", "up"),
        ("old", "from-alias", "alias", "by-alias"),
        ("gpt-7-turbo", "n7", "model_map", r"/gpt-(\d)/"),
    ],
)
def test_layers(model: str, sent: str, layer: str, route: str, proxy: Any, upstream: FakeUpstream) -> None:
    """Each layer answers what it is asked, in order, and the answer says which it was."""
    response = proxy.chat(model)
    assert upstream.inferences[-1].json()["model"] == sent
    assert (response.headers["x-switchman-layer"], response.headers["x-switchman-route"]) == (layer, route)
    row = proxy.row_of(response)
    assert (row["layer"], row["route"], row["requested_model"]) == (layer, route, model)
    assert row["trace"][-1]["outcome"] == "hit"


@pytest.mark.parametrize(
    ("server", "path"),
    [
        ("up", "/v1/chat/completions"),
        ("with-v1", "/v1/chat/completions"),
        ("deep", "/openai/v1/chat/completions"),
        ("beta", "/v1beta/openai/chat/completions"),
        ("bare-path", "/proxy/v1/chat/completions"),
    ],
)
@pytest.mark.parametrize("asked", ["/v1/chat/completions", "/chat/completions"])
def test_base_urls_with_a_path(server: str, path: str, asked: str, proxy: Any, upstream: FakeUpstream) -> None:
    """/v1 is never doubled and never lost."""
    proxy.post(asked, {"model": f"{server}/m", "messages": MESSAGES})
    assert upstream.inferences[-1].path == path


def test_x_forwarded_for_of_a_trusted_proxy_is_the_source(proxy: Any, upstream: FakeUpstream) -> None:
    """A route by source sees the client behind a proxy that is trusted, and the row names it."""
    response = proxy.chat("any", headers={"x-forwarded-for": "192.0.2.1, 10.1.2.3"})
    assert upstream.inferences[-1].json()["model"] == "from-source"
    assert proxy.row_of(response)["client"] == "10.1.2.3"
    proxy.chat("any", headers={"x-forwarded-for": "2001:db8::7"})
    assert upstream.inferences[-1].json()["model"] == "from-source-v6"


def test_x_forwarded_for_of_anybody_else_is_not_believed(start: Any, upstream: FakeUpstream) -> None:
    """Without TRUSTED_PROXIES the peer's address counts, whatever the header claims."""
    routes = (
        f"routes: [{{match: {{source_host: 10.1.0.0/16}}, route: {{upstream: '{upstream.url}', model: fooled}}}}]\n"
    )
    proxy = start(routes, {"DEFAULT_UPSTREAM": upstream.url})
    response = proxy.chat("any", headers={"x-forwarded-for": "10.1.2.3"})
    assert upstream.inferences[-1].json()["model"] == "any"
    assert proxy.row_of(response)["client"] == "127.0.0.1"


def test_a_server_with_a_key_gets_its_own(proxy: Any, keyed: FakeUpstream) -> None:
    """The client's credentials stay here, the server's go out, and so do its headers; neither key is in the row."""
    sent = {"authorization": "Bearer client-secret-0123456789", "x-api-key": "client-x-0123456789"}
    response = proxy.chat("keyed/m", headers=sent)
    assert response.status_code == 200
    asked = keyed.inferences[-1]
    assert asked.header("authorization") == "Bearer server-key-0123456789"
    assert asked.header("x-api-key") is None
    assert asked.header("x-team") == "blue"
    row = proxy.row_of(response)
    stored = repr(row)
    assert "client-secret" not in stored and "client-x" not in stored and "server-key" not in stored
    assert any(name.lower() == "authorization" and "..." in value for name, value in row["request_headers"])


def test_what_the_rules_set_is_there_once(proxy: Any, keyed: FakeUpstream) -> None:
    """A client that sends such a header twice does not get its second one past the rules."""
    headers = [("content-type", "application/json"), ("x-team", "red"), ("X-Team", "green"), ("x-own", "1")]
    with RawClient(proxy.port) as client:
        client.ask("/v1/chat/completions", {"model": "keyed/m", "messages": MESSAGES}, headers=headers)
    asked = [(name.lower(), value) for name, value in keyed.inferences[-1].headers]
    assert [value for name, value in asked if name == b"x-team"] == [b"blue"]
    assert (b"x-own", b"1") in asked


def test_nobody_is_asked_to_repeat_a_request(proxy: Any, upstream: FakeUpstream) -> None:
    """TRACE would show the client what a server got, the server's own key included (RFC 9110 section 9.3.8)."""
    with RawClient(proxy.port) as client:
        assert client.ask("/v1/anything?traced", method="TRACE").status == 405
    assert proxy.row(path="/v1/anything?traced")["outcome"] == "refused"
    assert not any("traced" in asked.target for asked in upstream.requests)


def test_a_clients_key_goes_on_where_the_server_has_none(proxy: Any, upstream: FakeUpstream) -> None:
    """Drop-in: the client's own key reaches the upstream, unless `forward_auth: false`."""
    sent = {"authorization": "Bearer client-secret-0123456789"}
    response = proxy.chat("up/m", headers=sent)
    assert upstream.inferences[-1].header("authorization") == sent["authorization"]
    assert "client-secret" not in repr(proxy.row_of(response))
    proxy.chat("secretive/m", headers=sent)
    assert upstream.inferences[-1].header("authorization") is None


def test_the_routers_own_token_is_no_upstreams_business(proxy: Any, upstream: FakeUpstream) -> None:
    """A token signed with JWT_SECRET is taken off; a stranger's goes on."""
    own = jwt.encode({"sub": "dashboard"}, SECRET, "HS256")
    proxy.chat("up/m", headers={"authorization": f"Bearer {own}"})
    assert upstream.inferences[-1].header("authorization") is None
    proxy.chat("up/m", headers={"x-auth-token": own, "cookie": f"a=1; switchman_session={own}; b=2"})
    assert own not in repr(upstream.inferences[-1])
    assert upstream.inferences[-1].header("cookie") == "a=1; b=2"
    proxy.chat("up/m", headers={"cookie": f"switchman_session={own}"})
    assert upstream.inferences[-1].header("cookie") is None
    foreign = jwt.encode({"sub": "other"}, SECRET[::-1], "HS256")
    proxy.chat("up/m", headers={"authorization": f"Bearer {foreign}"})
    assert upstream.inferences[-1].header("authorization") == f"Bearer {foreign}"


def test_switchman_headers_of_a_client_stay_here(proxy: Any, upstream: FakeUpstream) -> None:
    """x-switchman-* is ours to read, not an upstream's."""
    proxy.chat("up/m", headers={"x-switchman-debug": "1"})
    assert upstream.inferences[-1].header("x-switchman-debug") is None


def test_claude_codes_headers_are_passed_on(proxy: Any, upstream: FakeUpstream) -> None:
    """/v1/messages?beta=true with anthropic-beta and anthropic-version goes up untouched."""
    sent = {"anthropic-beta": "a-1,b-2", "anthropic-version": "2023-06-01"}
    proxy.post("/v1/messages?beta=true", {"model": "up/claude", "max_tokens": 1, "messages": MESSAGES}, headers=sent)
    asked = upstream.inferences[-1]
    assert asked.target == "/v1/messages?beta=true"
    assert {name: asked.header(name) for name in sent} == sent
