"""Each official client at servers of each dialect that refuse, fail, or answer in another way than they were asked."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream, Usage
from switchman.addons.testing.rawclient import RawClient, request_bytes

STATUSES = [400, 401, 429, 503, 529]
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def ask(client: Any, upstream: FakeUpstream, stream: bool, asks: Any, model: str = "real-model") -> Any:
    method = client.stream if stream else client.whole
    return method(f"{upstream.dialect}/{model}", asks["plain"][client.name])


def other(client: Any, upstream: FakeUpstream) -> bool:
    return bool(client.name != upstream.dialect)


@both_ways
@pytest.mark.parametrize("status", STATUSES)
def test_an_error_before_the_answer(
    status: int, stream: bool, client: Any, upstream: FakeUpstream, asks: Any, proxy: Any
) -> None:
    """The client's own exception for the status, with the server's message and Retry-After, and the dialect's type."""
    upstream.script([Behaviour(status=status, message="Not now, please.", headers={"retry-after": "7"})])
    refused = client.refused(lambda: ask(client, upstream, stream, asks, f"m-{status}"))
    assert (refused.kind, refused.status) == (client.errors[status], status)
    assert "Not now, please." in refused.message
    assert client.headers["retry-after"] == "7"
    if refused.retry_after is not None:
        assert refused.retry_after == "7"
    assert client.headers["content-type"].startswith("application/json")
    if other(client, upstream):
        assert error_type(refused.body) == TYPES[client.name].get(status)
    row = proxy.row_of(client)
    assert (row["status"], row["outcome"]) == (status, "upstream_error")


TYPES: dict[str, dict[int, str]] = {
    "openai": {
        400: "invalid_request_error",
        401: "authentication_error",
        429: "rate_limit_error",
        503: "server_error",
        529: "server_error",
    },
    "anthropic": {
        400: "invalid_request_error",
        401: "authentication_error",
        429: "rate_limit_error",
        503: "api_error",
        529: "overloaded_error",
    },
    "ollama": {},
}


def error_type(body: Any) -> str | None:
    """OpenAI's client hands on the inner object, Anthropic's the whole."""
    if body is None:
        return None
    error = body.get("error", body)
    kind: str = error["type"]
    return kind


def test_an_error_page_that_is_no_json(client: Any, upstream: FakeUpstream, asks: Any) -> None:
    """A gateway's HTML page: its status, and a message that a person can read, in the client's form."""
    page = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
    upstream.script([Behaviour(status=502, body=page, headers={"content-type": "text/html"})])
    refused = client.refused(lambda: ask(client, upstream, False, asks, "m-502"))
    assert refused.status == 502
    if other(client, upstream):
        assert "502 Bad Gateway" in refused.message and "<" not in refused.message


def test_an_error_within_a_stream(client: Any, upstream: FakeUpstream, asks: Any, proxy: Any) -> None:
    """The client's own exception, with the server's message, after the text so far."""
    upstream.script([Behaviour(text="One two three four five.", error_after=5, message="The GPU has melted.")])
    pieces: list[str] = []
    model = f"{upstream.dialect}/m-melts"
    refused = client.refused(lambda: client.stream(model, asks["plain"][client.name], pieces))
    assert "The GPU has melted." in refused.message
    assert "".join(pieces).startswith("One")
    row = proxy.row_of(client)
    assert "The GPU has melted." in row["error"]
    assert row["outcome"] == "stream_error"


@pytest.mark.parametrize("cut", ["rst", "fin"])
def test_a_stream_that_breaks_off(cut: Any, client: Any, upstream: FakeUpstream, asks: Any, proxy: Any) -> None:
    """A server that dies within its answer: an exception that names the server, never an answer that looks whole."""
    upstream.script([Behaviour(text="One two three four five.", cut_after=5, cut=cut)])
    pieces: list[str] = []
    model = f"{upstream.dialect}/m-breaks"
    refused = client.refused(lambda: client.stream(model, asks["plain"][client.name], pieces))
    assert upstream.dialect in refused.message
    assert "".join(pieces).startswith("One")
    assert proxy.row_of(client)["outcome"] == "stream_error"


def test_leaving_a_stream(client: Any, upstream: FakeUpstream, asks: Any, proxy: Any) -> None:
    """A client that leaves within the answer takes its request with it: the server notices at once."""
    upstream.script([Behaviour(text="One two three four five.", stall_after=5)])
    text = client.leave(f"{upstream.dialect}/real-model", asks["plain"][client.name])
    assert text == "One"
    (request,) = upstream.requests
    assert request.disconnected.wait(30)
    row = proxy.row_of(client)
    assert (row["outcome"], row["status"]) == ("cancelled", 499)


def test_leaving_before_the_answer(client: Any, upstream: FakeUpstream, asks: Any, proxy: Any) -> None:
    """The same for a server that has not begun to answer."""
    upstream.script([Behaviour(never_answer=True)])
    body = {"model": f"{upstream.dialect}/real-model", "max_tokens": 9, **asks["plain"][client.name]}
    with RawClient(proxy.port) as leaving:
        leaving.send(request_bytes(client.path, json.dumps(body).encode()))
        (request,) = upstream.wait_requests(1, timeout=30)
    assert request.disconnected.wait(30)


CROSS = [(a, b) for a in TYPES for b in TYPES if a != b]
PATHS = {"openai": "/v1/chat/completions", "ollama": "/api/chat", "anthropic": "/v1/messages"}
crossing = pytest.mark.parametrize(("name", "dialect"), CROSS, ids=["-".join(pair) for pair in CROSS])


def answer_of(upstream: FakeUpstream, asks: Any, stream: bool) -> Behaviour:
    """What the server answers when asked directly, with or without a stream, to be sent whatever is asked."""
    body = {"model": "real-model", "stream": stream, **asks["plain"][upstream.dialect]}
    if stream and upstream.dialect == "openai":
        body["stream_options"] = {"include_usage": True}
    upstream.script([Behaviour(text="Hello there.", reasoning="Hm.", usage=Usage(5, 2))])
    headers = {"anthropic-version": "2023-06-01"}
    direct = httpx.post(upstream.url + PATHS[upstream.dialect], json=body, headers=headers, trust_env=False)
    return Behaviour(body=direct.content, headers={"content-type": direct.headers["content-type"]})


@crossing
@both_ways
def test_an_answer_of_the_other_kind(
    stream: bool, name: str, dialect: str, clients: Any, upstreams: Any, proxy: Any, asks: Any
) -> None:
    """A server that streams unasked, or does not stream though asked: the client still gets what it asked for."""
    client, upstream = clients[name], upstreams[dialect]
    upstream.script([answer_of(upstream, asks, not stream)])
    seen = ask(client, upstream, stream, asks)
    assert (seen.text, seen.thinking, seen.finish) == ("Hello there.", "Hm.", client.finishes["stop"])
    assert (seen.input, seen.output, seen.model) == (5, 2, "real-model")
    row = proxy.row_of(client)
    assert (row["input_tokens"], row["output_tokens"], row["outcome"]) == (5, 2, "ok")


@crossing
def test_a_stream_for_a_whole_answer_that_fails(
    name: str, dialect: str, clients: Any, upstreams: Any, proxy: Any, asks: Any
) -> None:
    """Such a stream that ends too early is an error of the gateway, not half an answer."""
    client, upstream = clients[name], upstreams[dialect]
    whole = answer_of(upstream, asks, True)
    assert isinstance(whole.body, bytes)
    upstream.script([Behaviour(body=whole.body[:200], headers=whole.headers)])
    refused = client.refused(lambda: ask(client, upstream, False, asks, "m-half"))
    assert refused.status == 502 and dialect in refused.message


@crossing
@pytest.mark.parametrize(
    "body", [b"[1, 2]", b"{", b"", b"null", b"[" * 100_000], ids=["list", "cut", "empty", "null", "deep"]
)
def test_an_answer_that_cannot_be_read(
    body: bytes, name: str, dialect: str, clients: Any, upstreams: Any, proxy: Any, asks: Any
) -> None:
    """200 with something that is no reply: 502 in the client's form, which names the server."""
    client, upstream = clients[name], upstreams[dialect]
    upstream.script([Behaviour(body=body, headers={"content-type": "application/json"})])
    refused = client.refused(lambda: ask(client, upstream, False, asks, "m-odd"))
    assert refused.status == 502 and dialect in refused.message


@crossing
def test_an_error_with_a_good_status(
    name: str, dialect: str, clients: Any, upstreams: Any, proxy: Any, asks: Any
) -> None:
    """200 with an error object in place of a reply, as some gateways answer: an error with its own status."""
    client, upstream = clients[name], upstreams[dialect]
    error: dict[str, Any] = {"error": {"message": "Slow down.", "code": 429}}
    for stream in (False, True):
        upstream.script([Behaviour(body=error)])
        refused = client.refused(lambda stream=stream: ask(client, upstream, stream, asks, "m-slow"))
        assert (refused.kind, refused.status) == (client.errors[429], 429) and "Slow down." in refused.message


def test_each_answer_has_a_request_id(client: Any, upstream: FakeUpstream, asks: Any) -> None:
    """In the header where the client's SDK looks for it."""
    ask(client, upstream, False, asks)
    assert client.headers["x-request-id"]
    assert client.name != "anthropic" or client.headers["request-id"]


@crossing
def test_a_zipped_answer(name: str, dialect: str, clients: Any, upstreams: Any, proxy: Any, asks: Any) -> None:
    """A server that zips although it was asked not to is unpacked before it is translated."""
    client, upstream = clients[name], upstreams[dialect]
    for stream in (False, True):
        upstream.script([Behaviour(text="Hello there.", gzip=True)])
        assert ask(client, upstream, stream, asks).text == "Hello there."
        assert "content-encoding" not in client.headers


# ---- what a model cannot do --------------------------------------------------------------------------------------


def test_a_model_that_refuses_to_be_told_not_to_think_is_asked_again_without(upstream_factory: Any, start: Any) -> None:
    """What an Ollama client says by `think: false` is an effort here, which many models refuse like any other."""
    server = upstream_factory("openai", name="plain")
    server.script([Behaviour(status=400, message="Unrecognized request argument supplied: reasoning_effort")])
    proxy = start(f'servers: {{plain: {{url: "{server.url}", dialect: openai}}}}\n')
    asked = {"model": "plain/m", "think": False, "stream": False, "messages": [{"role": "user", "content": "hi"}]}
    assert proxy.post("/api/chat", asked).json()["message"]["content"] == "Hello from plain."
    assert [request.json().get("reasoning_effort") for request in server.inferences] == ["none", None]


def test_a_server_that_rejects_stream_options_is_asked_without(upstream_factory: Any, start: Any) -> None:
    """In a translated request too; one that rejects the request for another reason is asked once."""
    server = upstream_factory("openai", name="plain")
    proxy = start(f'servers: {{plain: {{url: "{server.url}", dialect: openai}}}}\n')
    asked = {"model": "plain/m", "messages": [{"role": "user", "content": "hi"}]}
    told = Behaviour(usage=Usage(7, 3))
    server.script([Behaviour(status=422, message="The prompt is too long."), told])
    assert proxy.post("/api/chat", asked).status_code == 422
    assert '"prompt_eval_count":7' in proxy.post("/api/chat", asked).text
    server.script([Behaviour(status=422, message="unknown field stream_options"), told, told])
    for _ in range(2):
        assert proxy.post("/api/chat", asked).status_code == 200
    assert ["stream_options" in request.json() for request in server.inferences] == [
        True,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("dialect", "member", "why"),
    [
        ("ollama", "think", '"m" does not support thinking'),
        ("openai", "reasoning_effort", "Unrecognized request argument supplied: reasoning_effort"),
    ],
)
def test_a_model_that_does_not_think_is_asked_again_without(
    dialect: Any, member: str, why: str, upstream_factory: Any, start: Any
) -> None:
    """Claude Code asks every model to think; what refuses that is asked no more, and its other errors are told."""
    server = upstream_factory(dialect, name="plain")
    proxy = start(f'servers: {{plain: {{url: "{server.url}", dialect: {dialect}}}}}\n')
    http = anthropic.DefaultHttpxClient(verify=False, trust_env=False)
    client = anthropic.Anthropic(base_url=proxy.url, api_key="k", max_retries=0, http_client=http)
    body: Any = {
        "model": "plain/m",
        "max_tokens": 9000,
        "messages": [{"role": "user", "content": "hi"}],
        "thinking": {"type": "adaptive"},
    }
    server.script([Behaviour(status=400, message="The prompt is too long.")])
    with pytest.raises(anthropic.BadRequestError, match="The prompt is too long"):
        client.messages.create(**body)
    server.script([Behaviour(status=400, message=why)])
    for _ in range(2):
        answer = client.messages.with_raw_response.create(**body)
        assert answer.parse().content[0].text == "Hello from plain."
    assert [member in request.json() for request in server.inferences] == [True, True, False, False]
    client.close()
    trace = proxy.row_of(answer)["trace"]
    assert any("the model refused it before" in line["detail"] for line in trace)
