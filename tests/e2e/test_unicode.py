"""What is no text, between every client and every server: it costs one character, and never an answer or a page."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from switchman.addons.core.texts.unicode import shown
from switchman.addons.store.reading.queries import Queries
from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.webui import WebConfig, create_app
from switchman.webui.pages.story.story import answered

CUT = "cut \ud83d"
PATHS = {
    "/v1/chat/completions": "openai",
    "/v1/completions": "openai",
    "/v1/responses": "openai",
    "/v1/messages": "anthropic",
    "/api/chat": "ollama",
    "/api/generate": "ollama",
}
SERVERS = ("openai", "anthropic", "ollama")
HEADERS = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
SIGN = b"SIGN"  # stands for what a Python string cannot hold
whole_and_streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
from_every_client = pytest.mark.parametrize("path", PATHS)
to_every_server = pytest.mark.parametrize("server", SERVERS)


@pytest.fixture(scope="module")
def servers() -> Any:
    fakes = {dialect: FakeUpstream(dialect, name=dialect) for dialect in SERVERS}
    for fake in fakes.values():
        fake.start()
    yield fakes
    for fake in fakes.values():
        fake.stop()


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, servers: dict[str, FakeUpstream]) -> Any:
    lines = [f'  {name}: {{url: "{fake.url}", dialect: {name}}}' for name, fake in servers.items()]
    return start_shared("servers:\n" + "\n".join(lines) + "\n")


def question(path: str, server: str, stream: bool, text: str = "hi") -> dict[str, Any]:
    body: dict[str, Any] = {"model": f"{server}/m", "stream": stream}
    # So that the router asks for no report of its own, which it would hide.
    usage = {"stream_options": {"include_usage": True}} if stream and PATHS[path] == "openai" else {}
    if path in ("/v1/completions", "/api/generate"):
        return body | {"prompt": text} | usage
    if path == "/v1/responses":
        return body | {"input": text}
    return body | {"messages": [{"role": "user", "content": text}], "max_tokens": 50} | usage


def ask(proxy: Any, path: str, body: Any) -> httpx.Response:
    answer: httpx.Response = proxy.post(path, content=json.dumps(body).encode(), headers=HEADERS)
    return answer


def sent_with(fake: FakeUpstream, how: Behaviour, signs: dict[bytes, bytes], proxy: Any, path: str, body: Any) -> bytes:
    """The server's own bytes for this request, with each sign replaced; scripted as its next answer."""
    fake.script([how])
    ask(proxy, path, body)
    asked = fake.inferences[-1]
    fake.script([how])
    own = httpx.post(fake.url + asked.target, content=asked.body, headers=HEADERS, trust_env=False)
    data = own.content
    for sign, real in signs.items():
        assert sign in data
        data = data.replace(sign, real)
    kind = own.headers["content-type"]
    end = {"text/event-stream": b"\n\n", "application/x-ndjson": b"\n"}.get(kind.partition(";")[0])
    headers = [("content-type", kind)]
    if end is None:
        fake.script([Behaviour(body=data, headers=headers)])
    else:
        fake.script([Behaviour(events=[part + end for part in data.split(end) if part], headers=headers, write_size=3)])
    return data


def text_in(answer: httpx.Response) -> str:
    read = answered(answer.content)
    assert answer.status_code == 200 and read is not None and read.text is not None, answer.content
    return read.text.text


@from_every_client
@to_every_server
@whole_and_streamed
def test_a_byte_that_is_no_utf_8_costs_one_character(
    path: str, server: str, stream: bool, proxy: Any, servers: dict[str, FakeUpstream]
) -> None:
    """Everything around it arrives, however the network cuts it; the server's own client gets the very bytes."""
    body, how = question(path, server, stream), Behaviour(text="it costs SIGN5, é😀 and more")
    data = sent_with(servers[server], how, {SIGN: b"\xa3"}, proxy, path, body)
    answer = ask(proxy, path, body)
    assert text_in(answer) == "it costs \ufffd5, é😀 and more"
    if PATHS[path] == server:
        assert answer.content == data
    else:
        answer.content.decode()
    assert proxy.row_of(answer)["outcome"] == "ok"


@from_every_client
@to_every_server
@whole_and_streamed
def test_a_pair_cut_in_two_is_one_character(
    path: str, server: str, stream: bool, proxy: Any, servers: dict[str, FakeUpstream]
) -> None:
    """A character that comes as halves in two events is whole for a client of another dialect."""
    body, how = question(path, server, stream), Behaviour(pieces=["a SIGN", "OTHER b", " LONE!"])
    signs = {SIGN: rb"\ud83d", b"OTHER": rb"\ude00", b"LONE": rb"\ud83d"}
    data = sent_with(servers[server], how, signs, proxy, path, body)
    answer = ask(proxy, path, body)
    if PATHS[path] == server:
        assert answer.content == data
    assert shown(text_in(answer)) == "a 😀 b \ufffd!"
    assert PATHS[path] == server or "😀" in text_in(answer)
    answer.content.decode()


@from_every_client
@to_every_server
def test_half_a_pair_in_a_request(path: str, server: str, proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """The server gets JSON in UTF-8 with the half as an escape; the row and the pages of the request can be shown."""
    answer = ask(proxy, path, question(path, server, False, CUT))
    assert answer.status_code == 200, answer.content
    sent = servers[server].inferences[-1].body
    assert "\\ud83d" in sent.decode() and CUT in json.dumps(json.loads(sent), ensure_ascii=False)
    row = proxy.row_of(answer)
    pages = create_app(WebConfig(Queries(proxy._engine, proxy.blobs))).test_client()
    for query in ("", "?view=request", "?view=request&indent=1", "?view=response"):
        page = pages.get(f"/request/{row['id']}{query}", headers={"Accept": "text/html"})
        assert page.status_code == 200, page.data
        page.data.decode()
    assert "cut \ufffd" in pages.get(f"/request/{row['id']}", headers={"Accept": "text/html"}).data.decode()


@to_every_server
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_half_a_pair_in_a_tools_arguments(path: str, server: str, proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """A string within a string: the arguments are JSON with an escape of their own."""
    given = {"q": CUT}
    body = question(path, server, False)
    if path == "/v1/messages":
        calls: Any = {"content": [{"type": "tool_use", "id": "c1", "name": "look", "input": given}]}
        result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": CUT}]}
    else:
        function = {"name": "look", "arguments": json.dumps(given)}
        calls = {"content": None, "tool_calls": [{"id": "c1", "type": "function", "function": function}]}
        result = {"role": "tool", "tool_call_id": "c1", "content": CUT}
    body["messages"] += [{"role": "assistant", **calls}, result]
    answer = ask(proxy, path, body)
    assert answer.status_code == 200, answer.content
    sent = json.loads(servers[server].inferences[-1].body.decode())
    (message,) = [message for message in sent["messages"] if message["role"] == "assistant"]
    if server == "anthropic":
        assert message["content"][0]["input"] == given
    elif server == "ollama":
        assert message["tool_calls"][0]["function"]["arguments"] == given
    else:
        arguments = message["tool_calls"][0]["function"]["arguments"]
        arguments.encode()
        assert json.loads(arguments) == given


@to_every_server
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/chat"])
def test_an_error_with_a_stray_byte(path: str, server: str, proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """The server's message reaches the client, in valid JSON wherever the router wrote it."""
    data = b'{"error": {"type": "invalid_request_error", "message": "no \xa3 here, \\ud83d \xc3\xa9"}}'
    servers[server].script([Behaviour(status=400, body=data, headers=[("content-type", "application/json")])])
    answer = ask(proxy, path, question(path, server, False))
    assert answer.status_code == 400
    if PATHS[path] == server:
        assert answer.content == data
    else:
        error = json.loads(answer.content.decode())["error"]
        assert (error if isinstance(error, str) else error["message"]) == "no \ufffd here, \ud83d é"


@to_every_server
def test_headers_of_an_answer_that_are_no_utf_8(server: str, proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """They pass as they are, and what the router adds is added all the same."""
    servers[server].script([Behaviour(headers=[("x-request-id", "caf\udce9"), ("x-other", "\udca3")])])
    answer = ask(proxy, "/v1/messages", question("/v1/messages", server, False))
    assert answer.status_code == 200
    raw = {name.lower(): value for name, value in answer.headers.raw}
    assert (raw[b"x-request-id"], raw[b"x-other"]) == (b"caf\xe9", b"\xa3")
    row = proxy.row(id=raw[b"x-switchman-request-id"].decode())
    assert ["x-other", "\ufffd"] in row["response_headers"]
