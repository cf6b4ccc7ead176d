"""Who has no token that holds is told why, in the client's dialect, before the body is read."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import anthropic
import httpx
import ollama
import openai
import pytest

from switchman.addons.core.access import apitoken
from switchman.addons.core.access.caller import Terms
from switchman.addons.testing import FakeUpstream
from switchman.addons.testing.rawclient import RawClient
from tests.e2e.access.conftest import access_of

MESSAGES: Any = [{"role": "user", "content": "hi"}]
UNKNOWN = apitoken.make(bytes(32))
HOSTS = itertools.count(2)


@pytest.fixture
def address() -> str:
    """Each test comes from an address of its own: they share a router, which answers an address in full only so often,
    however fast or slow the tests before were, and whichever they were.
    """
    return f"192.0.2.{next(HOSTS)}"


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream_factory: Callable[..., FakeUpstream], make_token: Any) -> Any:
    up = upstream_factory(name="up")
    env = {
        "CLIENT_AUTH": "TOKENS", "DEFAULT_UPSTREAM": up.url, "CORS_ORIGINS": "https://chat.example",
        "TRUSTED_PROXIES": "127.0.0.1",
    }  # fmt: skip
    proxy = start_shared("", env)
    proxy.up = up
    proxy.good, proxy.revoked, proxy.rotated = (make_token(proxy, name) for name in ("good", "gone", "turned"))
    with access_of(proxy) as access:
        now = time.time()
        _, proxy.expired = access.tokens.create(Terms("late", expires_at=now - 1), now)
        access.tokens.revoke("gone", now)
        _, proxy.newer = access.tokens.rotate("turned", 0, now)
    proxy.until(lambda: asked(proxy, "192.0.2.1", proxy.newer).status_code == 200, "the last change")
    return proxy


def asked(proxy: Any, address: str, *tokens: str, **headers: str) -> httpx.Response:
    given = [("authorization", f"Bearer {one}") for one in tokens] + [("x-forwarded-for", address), *headers.items()]
    url = f"{proxy.url}/v1/chat/completions"
    return httpx.post(url, json={"model": "m", "messages": MESSAGES}, headers=given, trust_env=False, timeout=60)


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ("none", "came with none"),
        ("unknown", "not known here"),
        ("cut", "not whole"),
        ("longer", "not whole"),
        ("revoked", "was revoked"),
        ("expired", "expired at"),
        ("rotated", "replaced by a new one"),
        ("two", "two different tokens"),
        ("provider", "came with none"),
    ],
)
def test_each_is_told_why(which: str, words: str, proxy: Any, address: str) -> None:
    """And no server hears of it."""
    tokens = {
        "none": (), "unknown": (UNKNOWN,), "cut": (proxy.good[:-3],), "longer": (proxy.good + "x",),
        "revoked": (proxy.revoked,), "expired": (proxy.expired,), "rotated": (proxy.rotated,),
        "two": (proxy.good, UNKNOWN), "provider": ("sk-proj-0123456789abcdef",),
    }[which]  # fmt: skip
    before = len(proxy.up.inferences)
    response = asked(proxy, address, *tokens)
    assert response.status_code == 401 and words in response.json()["error"]["message"]
    assert response.headers["www-authenticate"].startswith("Bearer ")
    assert not any(token[6:] in response.text for token in tokens)
    assert len(proxy.up.inferences) == before
    assert asked(proxy, address, proxy.good).status_code == 200


def test_the_official_clients_understand_it(proxy: Any, address: str) -> None:
    """Each raises its own error for a 401."""
    given = {"x-forwarded-for": address}
    client = openai.OpenAI(base_url=f"{proxy.url}/v1", api_key=UNKNOWN, max_retries=0, default_headers=given)
    with client, pytest.raises(openai.AuthenticationError, match="not known here"):
        client.chat.completions.create(model="m", messages=MESSAGES)
    claude = anthropic.Anthropic(base_url=proxy.url, api_key=UNKNOWN, max_retries=0, default_headers=given)
    with claude, pytest.raises(anthropic.AuthenticationError, match="not known here"):
        claude.messages.create(model="m", max_tokens=9, messages=MESSAGES)
    given["authorization"] = f"Bearer {UNKNOWN}"
    llama = closing(ollama.Client(proxy.url, headers=given, trust_env=False))
    with llama as asking, pytest.raises(ollama.ResponseError, match="not known here") as refused:
        asking.chat("m", messages=MESSAGES)
    assert refused.value.status_code == 401


@pytest.mark.parametrize(
    "framing", ["Content-Length: 30000000", "Transfer-Encoding: chunked", "Content-Length: 10\r\nExpect: 100-continue"]
)
def test_a_body_is_not_read(framing: str, proxy: Any, address: str) -> None:
    """The answer comes by the head alone, while the body is still to come; the row says whose fault it was."""
    fields = f"Host: x\r\nX-Api-Key: {UNKNOWN}\r\nX-Forwarded-For: {address}\r\n{framing}"
    head = f"POST /v1/messages HTTP/1.1\r\n{fields}\r\n\r\n"
    with RawClient(proxy.port) as client:
        client.socket.sendall(head.encode())
        reply = client.reply()
    assert reply.status == 401 and reply.json()["type"] == "error"
    assert reply.header("connection") == "close" and reply.header("www-authenticate")
    row = proxy.until(lambda: proxy.rows(path="/v1/messages", status=401, client=address))[-1]
    assert (row["outcome"], row["token"], row["request_size"]) == ("refused", None, None)


def test_after_a_small_body_the_connection_goes_on(proxy: Any, address: str) -> None:
    """A client that then sends its token need not connect again."""
    with httpx.Client(base_url=proxy.url, trust_env=False, timeout=60) as client:
        for token, status in ((UNKNOWN, 401), (proxy.good, 200)):
            given = {"x-api-key": token, "x-forwarded-for": address}
            response = client.post("/v1/chat/completions", json={"model": "m", "messages": MESSAGES}, headers=given)
            assert response.status_code == status


def test_a_page_may_ask_before(proxy: Any, address: str) -> None:
    """A preflight has no credentials; the 401 after it can be read by a page that may call."""
    page = {"origin": "https://chat.example", "access-control-request-method": "POST"}
    url = f"{proxy.url}/v1/chat/completions"
    preflight = httpx.options(url, headers=page, trust_env=False, timeout=60)
    assert preflight.status_code == 204
    foreign = httpx.options(url, headers={**page, "origin": "https://evil.example"}, trust_env=False, timeout=60)
    assert foreign.status_code == 403
    refused = asked(proxy, address, UNKNOWN, origin="https://chat.example")
    assert refused.status_code == 401 and refused.headers["access-control-allow-origin"] == "https://chat.example"


def test_another_name_is_no_matter_where_tokens_are_asked_for(proxy: Any, address: str) -> None:
    """A page under a foreign name has no token."""
    assert asked(proxy, address, proxy.good, host="llm.example.com").status_code == 200
    assert asked(proxy, address, host="llm.example.com").status_code == 401


def test_who_tries_many_is_bounded_and_shuts_nobody_out(proxy: Any, address: str) -> None:
    """After a burst they are answered with 429, leave no rows, and make one line in the log a minute."""
    with httpx.Client(base_url=proxy.url, trust_env=False, timeout=60) as client:

        def ask(token: str) -> int:
            headers = {"x-api-key": token, "x-forwarded-for": address}
            return client.get("/v1/models", headers=headers).status_code

        found = [ask(apitoken.make(n.to_bytes(32))) for n in range(200)]
        assert found[0] == 401 and found.count(429) > 100 and set(found) == {401, 429}
        assert ask(proxy.good) == 200
    proxy.until(lambda: proxy.rows(client=address, token="good"), "the last one's row")
    assert 1 <= len(proxy.rows(client=address, status=401)) < 100 and not proxy.rows(status=429)
    assert 1 <= proxy.output.count("without a token that holds") <= 3
