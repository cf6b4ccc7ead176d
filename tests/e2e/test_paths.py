"""Base URLs as people type them, Azure's clients and servers, and what is routed by its model alone."""

from __future__ import annotations

import contextlib
import http.client
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx
import ollama
import openai
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream, Received

MESSAGES: Any = [{"role": "user", "content": "hi"}]
REPLY = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hm"}, "finish_reason": "stop"}]}
RERANK = {"model": "ranker", "query": "q", "documents": ["a", "b"]}
PASSED = [
    "/v1/rerank", "/v2/rerank", "/rerank", "/infill", "/tokenize", "/detokenize", "/score", "/classify", "/pooling",
    "/v1/audio/speech", "/v1/images/generations", "/v1/moderations", "/v1/videos", "/v1/never/heard/of",
]  # fmt: skip
PLACES = {"/rerank": "/v1/rerank"}
BEFORE = ["", "/", "/v1", "/api", "/openai", "/v1/v1", "/some/tenant"]


@pytest.fixture
def mark() -> str:
    """A text by which a test knows its own requests at a server that all tests share: the last one there may be one of
    a test before that was still under way, or the router's own.
    """
    return f"mark{uuid.uuid4().hex}"


def saying(mark: str) -> Any:
    """Messages with the mark."""
    return [{"role": "user", "content": f"hi {mark}"}]


def only(server: FakeUpstream, mark: str) -> Received:
    """The one request with this mark that the server got."""
    (found,) = server.heard(mark)
    return found


@pytest.fixture(scope="module")
def upstream(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="up", default=Behaviour(text="Hello there."), models=["up-model"])


@pytest.fixture(scope="module")
def spare(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="spare", default=Behaviour(text="Spare."), models=["spare-model"])


@pytest.fixture(scope="module")
def azure(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="azure", default=Behaviour(text="From Azure."), api_key="azure-key")


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: FakeUpstream, spare: FakeUpstream, azure: FakeUpstream) -> Iterator[Any]:
    # One alias for each test: a server that fails rests.
    rankers = "".join(
        f"  ranker{n}: {{instances: [up/bge{n}, llama/bge{n}, spare/other{n}]}}\n" for n in range(len(PASSED))
    )
    routes = f"""
servers:
  up: {{url: "{upstream.url}/v1", dialect: openai}}
  spare: {{url: "{spare.url}/v1", dialect: openai}}
  llama: {{url: "{spare.url}", dialect: ollama}}
  azure: {{preset: azure, url: "{azure.url}", api_key: env:AZURE_KEY}}
  bare: {{url: "{spare.url}/inference?tenant=t", path: as_is, dialect: openai}}
aliases:
  small: {{instances: [up/up-model]}}
  gpt-4o: {{instances: [up/up-model, spare/spare-model]}}
  ranker: {{instances: [up/bge, llama/bge, spare/bge-spare]}}
  work: {{instances: [azure/my-gpt]}}
  work first: {{instances: [azure/second, up/up-model]}}
{rankers}"""
    yield start_shared(routes, {"AZURE_KEY": "azure-key"})


@pytest.mark.parametrize("base", BEFORE)
def test_openais_client_behind_every_base_url(base: str, proxy: Any, upstream: FakeUpstream, mark: str) -> None:
    """Whole, streamed and as a list; what the server gets is always the same."""
    version = "/v1" if base == "/some/tenant" else ""
    client = proxy.openai(base_url=f"{proxy.url}{base}{version}")
    answer = client.chat.completions.create(model="small", messages=saying(mark))
    assert answer.choices[0].message.content == "Hello there."
    assert [one.target for one in upstream.heard(mark)] == ["/v1/chat/completions"]
    chunks = client.chat.completions.create(model="small", messages=saying(mark), stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Hello there."
    assert [one.target for one in upstream.heard(mark)] == ["/v1/chat/completions"] * 2
    assert "small" in [model.id for model in client.models.list()]


@pytest.mark.parametrize("base", ["", "/v1", "/anthropic", "/api", "/some/tenant"])
def test_anthropics_client_behind_every_base_url(base: str, proxy: Any) -> None:
    """Its SDK adds /v1/messages to whatever it is given."""
    with anthropic.Anthropic(base_url=proxy.url + base, api_key="k", max_retries=0) as client:
        message = client.messages.create(model="small", max_tokens=9, messages=MESSAGES)
    assert message.content[0].type == "text" and message.content[0].text == "Hello there."


@pytest.mark.parametrize("base", ["", "/v1", "/api", "/ollama", "/some/tenant"])
def test_ollamas_client_behind_every_base_url(base: str, proxy: Any) -> None:
    """Chat, list and version."""
    with contextlib.closing(ollama.Client(proxy.url + base, trust_env=False)) as client:
        assert client.chat("small", MESSAGES).message.content == "Hello there."
        assert "small" in [model.model for model in client.list().models]
        assert client.ps().models == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/small", "/api/tags", "/api/ps", "/api/version"])
def test_lists_behind_every_base_url(method: str, path: str, proxy: Any) -> None:
    """HEAD tells the length of what GET would get, and sends nothing."""
    for base in BEFORE:
        for end in ("", "/", "?x=1"):
            answer = httpx.request(method, proxy.url + base + path + end, trust_env=False, timeout=60)
            assert (answer.status_code, bool(answer.content)) == (200, method == "GET"), base + path + end
            assert int(answer.headers["content-length"]) > 0


def test_what_is_not_known_says_which_base_url_to_set(start: Any, upstream: FakeUpstream) -> None:
    """Where no DEFAULT_UPSTREAM is set; each client reads it as an error of its own."""
    proxy = start(f'servers: {{up: "{upstream.url}"}}', {"DEFAULT_UPSTREAM": ""})
    with pytest.raises(openai.NotFoundError, match=f"Set the base URL to {proxy.url}/v1 in OpenAI's clients"):
        proxy.openai(base_url=f"{proxy.url}/v2/chat").get("/conversation", cast_to=object)
    with pytest.raises(ollama.ResponseError, match="Set the base URL") as caught:
        proxy.ollama()._request_raw("POST", "/api/what")
    assert caught.value.status_code == 404
    row = proxy.row(path="/api/what")
    assert (row["status"], row["outcome"]) == (404, "refused")


def test_with_a_default_upstream_unknown_paths_are_passed_on(start: Any, upstream: FakeUpstream) -> None:
    """As they came; a prefix of an operation too, where nobody else is meant for the request."""
    proxy = start("", {"DEFAULT_UPSTREAM": f"{upstream.url}/base"})
    upstream.paths["/base/x/y;z"] = Behaviour(body={"a": 1})
    upstream.paths["/base/some/tenant/v1/chat/completions"] = Behaviour(body=REPLY)
    assert httpx.get(f"{proxy.url}/x/y;z?q=%20", trust_env=False).json() == {"a": 1}
    assert proxy.post("/some/tenant/v1/chat/completions?q=1", {"model": "m", "messages": MESSAGES}).json() == REPLY
    targets = [request.target for request in upstream.requests]  # among them what the router asks at its start
    assert targets.count("/base/x/y;z?q=%20") == targets.count("/base/some/tenant/v1/chat/completions?q=1") == 1


def test_nothing_leaves_a_servers_base_path(
    proxy: Any, upstream: FakeUpstream, spare: FakeUpstream, azure: FakeUpstream, mark: str
) -> None:
    """Nor passes a rule by in another spelling, or by another method."""
    body = json.dumps({"model": "small", "x": mark})
    for method, path, status in [
        ("POST", "/v1/../admin", 400), ("GET", "/x/%2e%2e/admin/keys", 400), ("POST", "/v1/%63hat/completions", 400),
        ("POST", "/v1/CHAT/completions", 400), ("POST", "/v1/chat/completions;x", 400), ("GET", "/v1\\..\\x", 400),
        ("PUT", "/v1/chat/completions", 405), ("PATCH", "/api/chat", 405),
    ]:  # fmt: skip
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
        with contextlib.closing(connection):  # httpx would write the path anew
            target = f"{path}?{mark}" if method == "GET" else path
            connection.request(method, target, body, {"content-type": "application/json"})
            answer = connection.getresponse()
            assert (answer.status, b"error" in answer.read()) == (status, True), path
    assert not any(server.heard(mark) for server in (upstream, spare, azure))


# Azure


def azure_client(proxy: Any, **more: Any) -> openai.AzureOpenAI:
    settings = {"azure_endpoint": proxy.url, "api_version": "2024-06-01", "api_key": "azure-key", "max_retries": 0}
    return openai.AzureOpenAI(**{**settings, **more})


@pytest.mark.parametrize("model", ["gpt-4o", "up/up-model", "work", "azure/other"])
def test_azures_client_reaches_every_server(
    model: str, proxy: Any, upstream: FakeUpstream, azure: FakeUpstream, mark: str
) -> None:
    """Azure's and others; whole, streamed, embeddings, a list. The deployment is the model."""
    at_azure = model in ("work", "azure/other")
    server, real = (
        (azure, model.replace("work", "my-gpt").removeprefix("azure/")) if at_azure else (upstream, "up-model")
    )
    expected = "From Azure." if at_azure else "Hello there."
    with azure_client(proxy) as client:
        answer = client.chat.completions.create(model=model, messages=saying(mark))
        assert answer.choices[0].message.content == expected
        sent = only(server, mark)
        path, _, query = sent.target.partition("?")
        if at_azure:
            assert (path, query) == (f"/openai/deployments/{real}/chat/completions", "api-version=2024-06-01")
            assert (sent.header("api-key"), sent.header("authorization")) == ("azure-key", None)
        else:
            assert (path, query, sent.json()["model"]) == ("/v1/chat/completions", "", "up-model")
            assert (sent.header("api-key"), sent.header("authorization")) == (None, "Bearer azure-key")
        chunks = client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == expected
        assert len(client.embeddings.create(model=model, input="x").data[0].embedding) == 8
        assert "small" in [one.id for one in client.models.list()]
    rows = proxy.until(lambda: len(found := proxy.rows(requested_model=model)) >= 3 and found, "three rows")
    assert all(row["path"].startswith("/openai/deployments/") for row in rows)


def test_azures_client_fails_over(proxy: Any, upstream: FakeUpstream, spare: FakeUpstream, mark: str) -> None:
    """As every other."""
    upstream.script([Behaviour(status=503)])
    with azure_client(proxy) as client:
        answer = client.chat.completions.create(model="gpt-4o", messages=saying(mark))
    assert answer.choices[0].message.content == "Spare."
    assert only(spare, mark).json()["model"] == "spare-model"


def test_all_clients_reach_a_server_of_azures(proxy: Any, azure: FakeUpstream, mark: str) -> None:
    """With the preset's version, and the key in its own header."""
    answer = proxy.openai().chat.completions.create(model="work", messages=saying(f"openai {mark}"))
    assert answer.choices[0].message.content == "From Azure."
    assert proxy.ollama().chat("work", saying(f"ollama {mark}")).message.content == "From Azure."
    with anthropic.Anthropic(base_url=proxy.url, api_key="k", max_retries=0) as client:
        message = client.messages.create(model="work", max_tokens=9, messages=saying(f"anthropic {mark}"))
    assert message.content[0].type == "text" and message.content[0].text == "From Azure."
    for dialect in ("openai", "ollama", "anthropic"):
        sent = only(azure, f"{dialect} {mark}")
        assert sent.target == "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21"
        assert sent.header("api-key") == "azure-key"
        assert sent.header("authorization") is None and sent.header("x-api-key") is None


def test_a_failed_deployment_is_followed_by_the_next_server(
    proxy: Any, azure: FakeUpstream, upstream: FakeUpstream, mark: str
) -> None:
    """Each attempt has the path of its own server."""
    azure.script([Behaviour(status=429)])
    answer = proxy.post("/v1/chat/completions", {"model": "work first", "messages": saying(mark)})
    assert answer.json()["choices"][0]["message"]["content"] == "Hello there."
    assert only(azure, mark).path == "/openai/deployments/second/chat/completions"
    assert only(upstream, mark).target == "/v1/chat/completions"


def test_a_server_without_a_version(proxy: Any, spare: FakeUpstream, mark: str) -> None:
    """The operation follows its URL's path, and its query is in every request."""
    spare.paths["/inference/chat/completions"] = Behaviour(body=REPLY)
    assert proxy.post("/v1/chat/completions", {"model": "bare/m", "messages": saying(mark)}).json() == REPLY
    assert only(spare, mark).target == "/inference/chat/completions?tenant=t"


# Routed by the model alone


@pytest.mark.parametrize("path", PASSED)
def test_a_model_in_the_body_decides(
    path: str, proxy: Any, upstream: FakeUpstream, spare: FakeUpstream, mark: str
) -> None:
    """Renamed for its server; a server of another dialect is passed over; the next one answers after a failure."""
    there, number = PLACES.get(path, path), PASSED.index(path)
    rest = {**RERANK, "query": mark}
    asked = {**rest, "model": f"ranker{number}"}
    upstream.paths[there] = Behaviour(body={"results": [1]})
    spare.paths[there] = Behaviour(body={"results": [2]})
    answer = proxy.post(f"{path}?x=%20", asked)
    assert (answer.status_code, answer.json()) == (200, {"results": [1]})
    sent = only(upstream, mark)
    assert sent.target == f"{there}?x=%20" and sent.json() == {**rest, "model": f"bge{number}"}
    row = proxy.row_of(answer)
    found = (row["server"], row["model"], row["requested_model"], row["outcome"])
    assert found == ("up", f"bge{number}", f"ranker{number}", "ok")
    upstream.paths[there] = Behaviour(status=500)
    answer = proxy.post(path, asked)
    assert answer.json() == {"results": [2]} and only(spare, mark).json() == {**rest, "model": f"other{number}"}
    row = proxy.row_of(answer)
    assert [attempt["server"] for attempt in row["attempts"]] == ["up", "spare"]
    assert f"llama/bge{number} cannot be asked this" in json.dumps(row["trace"])
    upstream.paths[there] = spare.paths[there] = Behaviour(status=500, message="both")
    answer = proxy.post(path, asked)
    assert (answer.status_code, answer.json()["error"]["message"]) == (500, "both")


def test_a_model_in_a_form_or_a_query_decides(proxy: Any, upstream: FakeUpstream, mark: str) -> None:
    """Of any path; the rest of the form, the file's bytes and the other parameters stay."""
    upstream.paths["/v1/never"] = Behaviour(body={"ok": True})
    data = f"{mark} in a file".encode() + bytes(range(256))

    def known(answer: httpx.Response) -> None:
        row = proxy.row_of(answer)
        found = (row["operation"], row["requested_model"], row["model"], row["server"])
        assert answer.json() == {"ok": True} and found == ("other", "ranker", "bge", "up")

    known(proxy.post("/v1/never", files={"file": ("a.bin", data)}, data={"model": "ranker", "x": "1"}))
    sent = only(upstream, f"{mark} in a file").body
    assert data in sent and b"bge" in sent and b"ranker" not in sent
    known(proxy.post("/v1/never", data={"model": "ranker", "x": f"a {mark}"}))
    assert only(upstream, f"a+{mark}").body == f"model=bge&x=a+{mark}".encode()
    for method in ("GET", "DELETE"):
        query = f"y=%20&z={mark}{method}&model="
        known(httpx.request(method, f"{proxy.url}/v1/never?{query}ranker", trust_env=False))
        assert only(upstream, f"{mark}{method}").target == f"/v1/never?{query}bge"
    content = f"{mark} alone".encode() + data[-256:]
    known(proxy.post("/v1/never?model=ranker", content=content))
    alone = only(upstream, f"{mark} alone")
    assert alone.body == content and alone.target == "/v1/never?model=bge"


def test_what_streams_is_passed_on_event_by_event(proxy: Any, upstream: FakeUpstream) -> None:
    """/infill of llama.cpp, say: untouched."""
    events = [b'data: {"content":"a"}\n\n', b'data: {"content":"b","stop":true}\n\n']
    upstream.script([Behaviour(events=events)], "/v1/chat/completions")
    upstream.paths["/infill"] = Behaviour(body=b"".join(events))
    assert proxy.post("/infill", {"model": "ranker", "stream": True}).content == b"".join(events)


def test_auto_is_refused_where_it_is_not_for_text(proxy: Any) -> None:
    """In words that say what to do."""
    answer = proxy.post("/v1/rerank", {**RERANK, "model": "auto"})
    assert answer.status_code == 400 and "name a model for /v1/rerank" in answer.json()["error"]["message"]
