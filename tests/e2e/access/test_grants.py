"""A restricted token sees and uses what its globs let through, in each dialect, and nothing around them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import anthropic
import httpx
import ollama
import openai
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.rawclient import RawClient, request_bytes

MESSAGES: Any = [{"role": "user", "content": "hi"}]
HANDSHAKE = [
    ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
]  # fmt: skip


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream_factory: Callable[..., FakeUpstream], make_token: Any) -> Any:
    cheap = upstream_factory(name="cheap", models=["small", "other"])
    dear = upstream_factory(name="dear", models=["large"])
    routes = f"""
servers: {{cheap: "{cheap.url}", dear: "{dear.url}"}}
aliases: {{quick: {{instances: [cheap/small]}}, best: {{instances: [dear/large, cheap/small]}}}}
cache: {{exact: {{ttl: 600, scope: shared}}}}
default: best
routes:
  - {{name: Ci, match: {{model: auto, token: "ci-*"}}, route: {{model: cheap/other}}}}
  - {{name: Lab, match: {{model: auto, group: lab}}, route: {{model: cheap/small}}}}
"""
    proxy = start_shared(routes, {"CLIENT_AUTH": "TOKENS", "DEFAULT_UPSTREAM": cheap.url})
    proxy.cheap, proxy.dear = cheap, dear
    proxy.all = make_token(proxy, "all")
    proxy.small = make_token(proxy, "small", models=("small",))
    proxy.cheapest = make_token(proxy, "cheapest", servers=("cheap",))
    proxy.none = make_token(proxy, "none", models=("nothing",))
    proxy.ci = make_token(proxy, "ci-7")
    proxy.lab = make_token(proxy, "eve", groups=frozenset({"lab", "x"}))
    return proxy


def get(proxy: Any, path: str, token: str, **headers: str) -> httpx.Response:
    given = {"x-api-key": token, **headers}
    return httpx.get(proxy.url + path, headers=given, trust_env=False, timeout=60)


def chat(proxy: Any, model: str, token: str, text: str = "hi", **more: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    return proxy.post("/v1/chat/completions", body, headers={"x-api-key": token})


def test_lists_of_all_dialects(proxy: Any) -> None:
    """OpenAI's, Anthropic's, Ollama's: what the token may use, and `auto`."""
    proxy.until(lambda: "dear/large" in get(proxy, "/v1/models", proxy.all).text, "both lists")
    wanted = {"auto", "quick", "best", "small", "cheap/small"}
    openai_list = {one["id"] for one in get(proxy, "/v1/models", proxy.small).json()["data"]}
    claude = get(proxy, "/v1/models", proxy.small, **{"anthropic-version": "2023-06-01"}).json()
    tags = {one["name"] for one in get(proxy, "/api/tags", proxy.small).json()["models"]}
    assert openai_list == {one["id"] for one in claude["data"]} == tags == wanted
    every = {one["id"] for one in get(proxy, "/v1/models", proxy.all).json()["data"]}
    assert every == wanted | {"other", "cheap/other", "dear/large"}
    assert {one["id"] for one in get(proxy, "/v1/models", proxy.none).json()["data"]} == {"auto"}


@pytest.mark.parametrize("name", ["dear/large", "no/such", "large"])
def test_one_that_may_not_be_used_is_not_there(name: str, proxy: Any) -> None:
    """For each client the same as one that nobody knows; no server is asked."""
    before = len(proxy.dear.requests)
    with openai.OpenAI(base_url=f"{proxy.url}/v1", api_key=proxy.small, max_retries=0) as client:
        for ask in (
            lambda: client.chat.completions.create(model=name, messages=MESSAGES),
            lambda: client.responses.create(model=name, input="hi"),
            lambda: client.embeddings.create(model=name, input="hi"),
            lambda: client.models.retrieve(name),
        ):
            with pytest.raises(openai.NotFoundError, match="was not found, or the token small may not use it"):
                ask()
    claude = anthropic.Anthropic(base_url=proxy.url, api_key=proxy.small, max_retries=0)
    with claude, pytest.raises(anthropic.NotFoundError, match="may not use it"):
        claude.messages.create(model=name, max_tokens=9, messages=MESSAGES)
    llama = closing(ollama.Client(proxy.url, headers={"authorization": f"Bearer {proxy.small}"}, trust_env=False))
    with llama as asking:
        for tell in (lambda: asking.chat(name, messages=MESSAGES), lambda: asking.show(name)):
            with pytest.raises(ollama.ResponseError, match="may not use it") as refused:
                tell()
            assert refused.value.status_code == 404
    assert len(proxy.dear.requests) == before


def test_an_alias_leads_to_what_may_be_used(proxy: Any) -> None:
    """A candidate that may not be used is passed over, with a line that says so; whole and streamed."""
    for stream in (False, True):
        response = chat(proxy, "best", proxy.small, stream=stream)
        assert response.status_code == 200 and response.headers["x-switchman-target"] == "cheap/small"
        assert any("token small may not use" in line["detail"] for line in proxy.row_of(response)["trace"])
    assert chat(proxy, "best", proxy.all).headers["x-switchman-target"] == "dear/large"
    assert chat(proxy, "best", proxy.cheapest).headers["x-switchman-target"] == "cheap/small"


def test_a_failure_leads_to_no_other_that_may_not_be_used(proxy: Any) -> None:
    """Where the only one that may be used fails, that is the answer."""
    before = len(proxy.dear.requests)
    proxy.cheap.script([Behaviour(status=503)])
    assert chat(proxy, "best", proxy.small, "failing").status_code == 503
    assert len(proxy.dear.requests) == before


def test_auto(proxy: Any) -> None:
    """By rules on tokens and groups; by what may be used; where that is nothing, a 403."""
    assert chat(proxy, "auto", proxy.ci, "a1").headers["x-switchman-route"] == "Ci"
    assert chat(proxy, "auto", proxy.lab, "a2").headers["x-switchman-route"] == "Lab"
    assert chat(proxy, "auto", proxy.small, "a3").headers["x-switchman-target"] == "cheap/small"
    assert chat(proxy, "auto", proxy.all, "a4").headers["x-switchman-target"] == "dear/large"
    refused = chat(proxy, "auto", proxy.none, "a5")
    assert refused.status_code == 403 and refused.json()["error"]["type"] == "permission_error"
    assert "none may use none of the models" in refused.json()["error"]["message"]


def test_a_shared_cache_gives_nobody_what_it_may_not_use(proxy: Any) -> None:
    """Neither what is kept, nor what another caller waits for at that moment."""
    assert chat(proxy, "auto", proxy.all, "shared").headers["x-switchman-target"] == "dear/large"
    proxy.until(lambda: chat(proxy, "auto", proxy.all, "shared").headers["x-switchman-cache"] == "hit", "a hit")
    own = chat(proxy, "auto", proxy.small, "shared")
    assert own.status_code == 200 and own.headers["x-switchman-target"] == "cheap/small"
    resume = threading.Event()
    proxy.dear.script([Behaviour(stall_after=0, resume=resume)])
    before = len(proxy.dear.inferences)
    leading = threading.Thread(target=lambda: chat(proxy, "auto", proxy.all, "flying"))
    leading.start()
    proxy.until(lambda: len(proxy.dear.inferences) > before, "the first one's request")
    follower: list[httpx.Response] = []
    following = threading.Thread(target=lambda: follower.append(chat(proxy, "auto", proxy.small, "flying")))
    following.start()
    resume.set()
    for thread in (leading, following):
        thread.join(60)
    assert follower[0].status_code == 200 and follower[0].headers["x-switchman-target"] == "cheap/small"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/files", None),
        ("POST", "/v1/batches", {"input_file_id": "f", "endpoint": "/v1/chat/completions"}),
        ("POST", "/v1/batches", {"model": "small", "input_file_id": "f"}),
        ("POST", "/v1/fine_tuning/jobs", {"model": "small", "training_file": "f"}),
        ("POST", "/api/pull", {"model": "large"}),
        ("POST", "/v1/chat/completions", {"model": "small", "messages": MESSAGES, "models": ["large"]}),
        ("POST", "/v1/chat/completions", {"model": "small", "messages": MESSAGES, "fallbacks": [{"model": "large"}]}),
        ("POST", "/v1/responses", {"model": "small", "input": "x", "tools": [{"type": "x", "model": "large"}]}),
    ],
)
def test_no_way_around(method: str, path: str, body: Any, proxy: Any) -> None:
    """What names no model, may name any, or names further ones, is not for a token of certain models."""
    before = [one for one in proxy.cheap.requests if one.target.startswith(path)]
    url, headers = proxy.url + path, {"x-api-key": proxy.small}
    response = httpx.request(method, url, json=body, headers=headers, trust_env=False, timeout=60)
    assert response.status_code in (403, 501), response.text
    assert [one for one in proxy.cheap.requests if one.target.startswith(path)] == before
    headers = {"x-api-key": proxy.cheapest}
    response = httpx.request(method, url, json=body, headers=headers, trust_env=False, timeout=60)
    assert response.status_code not in (401, 403)


@pytest.mark.parametrize(
    ("path", "token", "is_refused"),
    [
        ("/v1/realtime?model=small", "small", False),
        ("/v1/realtime?model=large", "small", True),
        ("/v1/realtime?model=small&model=large", "small", True),
        ("/v1/realtime", "small", True),
        ("/v1/responses?model=small", "small", True),
        ("/v1/responses", "all", False),
        ("/v1/realtime?model=large", "cheapest", False),
    ],
)
def test_websockets(path: str, token: str, is_refused: bool, proxy: Any) -> None:
    """Of a token for certain models only the Realtime API's, whose query names one that it may use."""
    before = len(proxy.cheap.requests)
    with RawClient(proxy.port) as client:
        fields = [*HANDSHAKE, ("authorization", f"Bearer {getattr(proxy, token)}")]
        client.socket.sendall(request_bytes(path, b"", fields, "GET"))
        reply = client.reply()
    assert (reply.status == 403) is is_refused
    assert (len(proxy.cheap.requests) == before) is is_refused
