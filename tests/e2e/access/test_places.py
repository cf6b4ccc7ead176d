"""The official clients with a token in each place where it may stand: it lets them in, and goes no further."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import anthropic
import httpx
import ollama
import openai
import pytest

from switchman.addons.testing import FakeUpstream
from switchman.addons.testing.rawclient import RawClient, request_bytes

MESSAGES: Any = [{"role": "user", "content": "hi"}]
BODY = {"model": "own/m", "messages": MESSAGES}
OWN_KEY = "sk-provider-4cZ9q2LmX7rT1vB8"  # a caller's, for a server that has none
HANDSHAKE = [
    ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
]  # fmt: skip


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream_factory: Callable[..., FakeUpstream], make_token: Any) -> Any:
    up = upstream_factory(name="up")
    routes = f'servers: {{own: "{up.url}", keyed: {{url: "{up.url}", api_key: sk-configured-9fK2mQ7x}}}}\n'
    proxy = start_shared(routes, {"CLIENT_AUTH": "TOKENS", "DEFAULT_UPSTREAM": up.url})
    proxy.up = up
    proxy.secret = make_token(proxy, "anna")
    return proxy


def by_openai(proxy: Any, **more: Any) -> None:
    client = openai.OpenAI(base_url=f"{proxy.url}/v1", max_retries=0, timeout=60, **more)
    with client:
        assert client.chat.completions.create(model="own/m", messages=MESSAGES).choices[0].message.content


def by_azure(proxy: Any, **more: Any) -> None:
    client = openai.AzureOpenAI(azure_endpoint=proxy.url, api_version="2024-10-21", max_retries=0, timeout=60, **more)
    with client:
        assert client.chat.completions.create(model="own/m", messages=MESSAGES).choices[0].message.content


def by_anthropic(proxy: Any, **more: Any) -> None:
    client = anthropic.Anthropic(base_url=proxy.url, max_retries=0, timeout=60, **more)
    with client:
        assert client.messages.create(model="own/m", max_tokens=9, messages=MESSAGES).content


def by_ollama(proxy: Any, **more: Any) -> None:
    with closing(ollama.Client(proxy.url, timeout=60, trust_env=False, **more)) as client:
        assert client.chat("own/m", messages=MESSAGES).message.content
        assert client.list().models


def by_httpx(proxy: Any, query: str = "", **headers: str) -> None:
    response = proxy.post(f"/v1/chat/completions{query}", BODY, headers=headers)
    assert response.status_code == 200, response.text


WAYS: dict[str, Callable[[Any, str], None]] = {
    "openai, Authorization": lambda proxy, token: by_openai(proxy, api_key=token),
    "openai, x-api-key": lambda proxy, token: by_openai(proxy, api_key=OWN_KEY, default_headers={"x-api-key": token}),
    "azure, api-key": lambda proxy, token: by_azure(proxy, api_key=token),
    "azure, Authorization": lambda proxy, token: by_azure(proxy, azure_ad_token=token),
    "anthropic, x-api-key": lambda proxy, token: by_anthropic(proxy, api_key=token),
    "anthropic, Authorization": lambda proxy, token: by_anthropic(proxy, auth_token=token),
    "ollama, Authorization": lambda proxy, token: by_ollama(proxy, headers={"authorization": f"Bearer {token}"}),
    "google's, x-goog-api-key": lambda proxy, token: by_httpx(proxy, **{"x-goog-api-key": token}),
    "google's, ?key=": lambda proxy, token: by_httpx(proxy, f"?key={token}&alt=sse"),
}


def inferences(proxy: Any) -> list[Any]:
    return [one for one in proxy.up.requests if one.method == "POST"]


@pytest.mark.parametrize("way", WAYS)
def test_it_lets_the_client_in(way: str, proxy: Any) -> None:
    """The server gets the request without it; the row has its name, and nothing of it is written down."""
    before = len(inferences(proxy))
    WAYS[way](proxy, proxy.secret)
    (got,) = inferences(proxy)[before:]
    assert proxy.secret[6:] not in repr(got) and "key=" not in got.target
    row = proxy.until(lambda: proxy.rows(token="anna", method="POST"))[-1]
    assert len(row["token_id"]) == 12 and row["outcome"] == "ok"
    assert proxy.secret[6:-4] not in repr(proxy.rows()) and proxy.secret[6:] not in proxy.output


def test_a_key_of_the_callers_own_goes_with_it(proxy: Any) -> None:
    """The token in one place, the provider's key in another: the key goes where the server has none of its own."""
    by_openai(proxy, api_key=OWN_KEY, default_headers={"x-api-key": proxy.secret})
    assert inferences(proxy)[-1].header("authorization") == f"Bearer {OWN_KEY}"
    both = {"x-api-key": OWN_KEY, "authorization": f"Bearer {proxy.secret}"}
    assert proxy.post("/v1/messages", {**BODY, "max_tokens": 9}, headers=both).status_code == 200
    got = inferences(proxy)[-1]
    assert OWN_KEY in (got.header("x-api-key") or got.header("authorization"))
    by_openai(proxy, api_key=proxy.secret)
    assert inferences(proxy)[-1].header("authorization") is None
    response = proxy.post(
        "/v1/chat/completions", {**BODY, "model": "keyed/m"},
        headers={"authorization": f"Bearer {OWN_KEY}", "x-api-key": proxy.secret},
    )  # fmt: skip
    assert response.status_code == 200
    assert inferences(proxy)[-1].header("authorization") == "Bearer sk-configured-9fK2mQ7x"
    assert OWN_KEY not in repr(inferences(proxy)[-1])


@pytest.mark.parametrize("good", [True, False])
def test_a_websocket(good: bool, proxy: Any) -> None:
    """A browser's, by its subprotocols; the server is offered the others."""
    offered = f"realtime, openai-insecure-api-key.{proxy.secret if good else 'sk-other'}, openai-beta.realtime-v1"
    before = len(proxy.up.requests)
    with RawClient(proxy.port) as client:
        fields = [*HANDSHAKE, ("Sec-WebSocket-Protocol", offered)]
        client.socket.sendall(request_bytes("/v1/realtime?model=m", b"", fields, "GET"))
        reply = client.reply()
    if good:
        got = proxy.up.requests[before]
        assert got.header("sec-websocket-protocol") == "realtime, openai-beta.realtime-v1"
        assert proxy.secret[6:] not in repr(got)
    else:
        assert reply.status == 401 and len(proxy.up.requests) == before


def test_in_a_body_it_is_masked(proxy: Any) -> None:
    """What an agent found in a file, in a small body and in one that is read off the event loop."""
    for size in (10, 400_000):
        text = f"my token is {proxy.secret}, {'x' * size}"
        body = {"model": "own/m", "messages": [{"role": "user", "content": text}]}
        response = proxy.post("/v1/chat/completions", body, headers={"api-key": proxy.secret})
        assert response.status_code == 200
        sent = json.loads(inferences(proxy)[-1].body)["messages"][0]["content"]
        assert sent == text.replace(proxy.secret, "*" * 49)


def test_lists_need_one_too(proxy: Any) -> None:
    """Of all dialects; what is open tells nothing of servers."""
    for path in ("/v1/models", "/v1/models/own/m", "/api/tags", "/api/ps", "/api/version"):
        assert httpx.get(proxy.url + path, trust_env=False, timeout=60).status_code == 401
    ready = httpx.get(f"{proxy.url}/readyz", trust_env=False, timeout=60).json()
    assert ready.keys() == {"status"}
    told = httpx.get(f"{proxy.url}/readyz", headers={"x-api-key": proxy.secret}, trust_env=False, timeout=60).json()
    assert "own" in told["checks"]["upstreams"]["servers"]
