"""A key of the configuration reaches its server and nobody else: no client, no log, no database, no page."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.rawclient import RawClient, request_bytes

KEY = "sk-own-0123456789abcdefWXYZ"
ODD = 'k"ey/with+odd&signs-1'  # written otherwise in JSON and in URLs
SERVERS = ("openai", "anthropic", "ollama")
PATHS = {
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "ollama": "/api/chat",
    "responses": "/v1/responses",
    "completions": "/v1/completions",
}
WORDS = ["test", "ollama", "EMPTY", "sk-no-key-required", "password", "12345678"]
QUOTED = f"Incorrect API key provided: {KEY}."


@pytest.fixture(scope="module")
def upstreams(upstream_factory: Callable[..., FakeUpstream]) -> dict[str, FakeUpstream]:
    return {name: upstream_factory(name, name=name) for name in SERVERS}


@pytest.fixture(autouse=True)
def as_at_first(upstreams: dict[str, FakeUpstream]) -> Iterator[None]:
    yield
    for upstream in upstreams.values():
        upstream.default, upstream.listing, upstream.paths = Behaviour(), Behaviour(), {}


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstreams: dict[str, FakeUpstream]) -> Any:
    routes = "servers:\n" + "".join(
        f'  {name}: {{url: "{up.url}", dialect: {name}, api_key: "env:OWN", headers: {{x-token: "env:ODD"}}, '
        "pass_through: true}\n"
        for name, up in upstreams.items()
    )
    routes += "".join(
        f'  word{n}: {{url: "{upstreams["openai"].url}", dialect: openai, api_key: "{word}"}}\n'
        for n, word in enumerate(WORDS)
    )
    env = {"OWN": KEY, "ODD": ODD, "DEFAULT_UPSTREAM": upstreams["openai"].url}
    return start_shared(routes, env)


def body_for(client: str, model: str, stream: bool = False) -> dict[str, Any]:
    said: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 50}
    if client == "responses":
        said = {"input": "hi"}
    elif client == "completions":
        said = {"prompt": "hi"}
    elif client == "ollama":
        del said["max_tokens"]
    return {"model": model, "stream": stream, **said}


def ask(proxy: Any, client: str, server: str, stream: bool = False, **more: Any) -> httpx.Response:
    if client == "messages":
        more["headers"] = {"anthropic-version": "2023-06-01", **more.get("headers", {})}
    return proxy.post(PATHS[client], body_for(client, f"{server}/fake-model", stream), **more)


def nowhere(proxy: Any, answers: httpx.Response | list[httpx.Response], *keys: str) -> None:
    """None of the keys is in an answer, in the log, in a row, its bodies and attempts, or in the database's files."""
    places = {"the log": b""}
    for answer in answers if isinstance(answers, list) else [answers]:
        told = f"{answer.request.url} {answer.text}"
        places[f"the answer to {told}"] = answer.content + repr(answer.headers.raw).encode()
        places[f"the row of {told}"] = repr(proxy.row_of(answer)).encode()
    places |= {file.name: file.read_bytes() for file in proxy.folder.glob("*.db*")} | {"the log": proxy.output.encode()}
    for key in keys or (KEY, ODD):
        for form in {key, json.dumps(key)[1:-1]}:
            assert [place for place, text in places.items() if form.encode() in text] == []


@pytest.mark.parametrize("server", SERVERS)
def test_an_error_that_quotes_the_key(server: str, proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """Every client reads the error without the key, streamed and whole; nothing that is written down has it."""
    upstreams[server].default = Behaviour(status=401, message=f"{QUOTED} And: {ODD}")
    answers = [ask(proxy, client, server, stream) for client in PATHS for stream in (False, True)]
    assert upstreams[server].inferences[-1].header("x-token") == ODD  # it was sent
    assert {answer.status_code for answer in answers} == {401}
    assert all("Incorrect API key provided: ***" in answer.text for answer in answers)
    nowhere(proxy, answers)


@pytest.mark.parametrize("server", SERVERS)
def test_an_error_within_a_stream(server: str, proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """Also where the key is cut over several pieces: what goes on of it are its first three characters."""
    answers = []
    for size in (None, 1, 5):
        many = Behaviour(pieces=["Some ", *("more " * 9)], error_after=7, message=QUOTED, write_size=size)
        for client in ("chat", "messages", "ollama", "responses"):
            upstreams[server].default = many
            answers.append(ask(proxy, client, server, True))
            assert answers[-1].status_code == 200 and "Some" in answers[-1].text, (client, size)
            assert "Incorrect API key provided: " in answers[-1].text
    nowhere(proxy, answers, KEY, KEY[4:])


@pytest.mark.parametrize("server", SERVERS)
def test_an_answer_that_quotes_the_key(server: str, proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """A good answer, too, whole, streamed and compressed: the rest of its text is as it was."""
    answers = []
    for packed in (False, True):
        upstreams[server].default = Behaviour(pieces=["It is ", f"{KEY}, ", "as you asked."], gzip=packed)
        for client in ("chat", "messages", "ollama"):
            for stream in (False, True):
                answers.append(ask(proxy, client, server, stream, headers={"accept-encoding": "gzip"}))
                assert answers[-1].status_code == 200, answers[-1].text
                assert "*" * len(KEY) in answers[-1].text and "as you asked." in answers[-1].text
                if (client, stream) == ("chat", False):
                    content = answers[-1].json()["choices"][0]["message"]["content"]
                    assert content == f"It is {'*' * len(KEY)}, as you asked."
    nowhere(proxy, answers)


def test_an_answer_without_a_key_is_untouched(proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """Byte for byte, with its length."""
    body = (
        b'{ "choices": [{"index": 0, "message": {"role":"assistant","content":"sk-own is how keys begin"},'
        b'\n"finish_reason":"stop"}] }'
    )
    upstreams["openai"].default = Behaviour(body=body)
    response = ask(proxy, "chat", "openai")
    assert response.content == body and response.headers["content-length"] == str(len(body))


@pytest.mark.parametrize("packed", [False, True])
def test_what_is_passed_through(packed: bool, proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """A file, a Location, any field; a length that was said stays true."""
    body = f"<p>your key: {KEY}</p>".encode()
    head = [("content-type", "text/html"), ("location", f"http://elsewhere/?k={KEY}"), ("x-debug", f"token={KEY}")]
    if packed:
        head.append(("content-encoding", "gzip"))
    sent = gzip.compress(body) if packed else body
    upstreams["openai"].paths["/v1/files/x"] = Behaviour(status=302, body=sent, headers=head)
    url, accepts = f"{proxy.url}/v1/files/x", {"accept-encoding": "gzip"}
    response = httpx.get(url, headers=accepts, trust_env=False, timeout=30, follow_redirects=False)
    assert response.status_code == 302
    assert response.content == body.replace(KEY.encode(), b"*" * len(KEY))
    assert response.headers["location"] == f"http://elsewhere/?k={'*' * len(KEY)}"
    assert response.headers["x-debug"] == f"token={'*' * len(KEY)}"
    nowhere(proxy, response)


def test_what_is_no_answer_is_quoted_without_it(proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """The error, the trace and the log's warning quote the beginning of it."""
    upstreams["openai"].default = Behaviour(body=f"no json {KEY}".encode(), headers={"content-type": "text/plain"})
    response = ask(proxy, "chat", "openai")
    assert response.status_code == 502 and "no json ***" in response.text
    proxy.wait_output("no json ***")
    nowhere(proxy, response)


def test_a_head_that_cannot_be_read(proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """What the HTTP library says of it quotes the line."""
    upstreams["openai"].default = Behaviour(headers=[(f"bad header {KEY}", "x")])
    response = ask(proxy, "chat", "openai")
    assert response.status_code == 502
    nowhere(proxy, response)


def test_a_redirect_that_has_the_key_in_it(proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """Within the server it is followed as it is; what tells of one that is not has no key in it."""
    up, path = upstreams["openai"], PATHS["chat"]
    up.script([Behaviour(status=308, headers={"location": f"{path}?code={KEY}"}), Behaviour(text="There.")])
    answer = ask(proxy, "chat", "openai")
    assert answer.status_code == 200 and up.inferences[-1].target == f"{path}?code={KEY}"
    up.default = Behaviour(status=302, headers={"location": f"http://elsewhere/{KEY}/login"})
    refused = ask(proxy, "chat", "openai")
    assert refused.status_code == 502 and "a redirect to http://elsewhere/" in refused.text
    nowhere(proxy, [answer, refused])


def test_lists_of_models(proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """What a server answers to the router's own questions goes to clients, too."""
    listed = {"object": "list", "data": [{"id": f"model-{KEY}", "object": "model"}]}
    for upstream in upstreams.values():
        upstream.listing = Behaviour(body=listed)
    response = httpx.get(f"{proxy.url}/v1/models", trust_env=False, timeout=30)
    assert response.status_code == 200 and KEY not in response.text


def test_what_a_client_sends_is_written_down_without_it(proxy: Any) -> None:
    """Its path, its query, its fields under any name, its body, also where the rules' own key is in them."""
    body = body_for("chat", "openai/fake-model") | {"user": KEY, "metadata": {"odd": ODD}}
    more = {"x-debug": f"key={KEY}", "user-agent": f"app ({KEY})", "x-hex": "5f4dcc3b5aa765d61d8327deb882cf99"}
    response = proxy.post(f"/v1/chat/completions?anything={KEY}&code=client-code&sid=client-sid", body, headers=more)
    assert response.status_code == 200
    nowhere(proxy, response, KEY, ODD, "5f4dcc3b5aa765d61d8327deb882cf99", "client-code", "client-sid")
    assert b"*" * len(KEY) in proxy.row_of(response)["request"]


def test_a_reload_knows_the_new_key_and_still_the_old_one(
    start: Any, upstreams: dict[str, FakeUpstream], tmp_path: Path
) -> None:
    """A request that was sent with the old one may be answered after it."""
    up, old, new = upstreams["openai"], "old-key-of-the-server-1", "new-key-of-the-server-2"
    file = 'servers: {{one: {{url: "{url}", dialect: openai, api_key: "{key}"}}}}\n'
    proxy = start(file.format(url=up.url, key=old))
    up.default = Behaviour(status=400, message=f"not {old}, not {new}")
    assert old not in ask(proxy, "chat", "one").text
    proxy.routes_file.write_text(file.format(url=up.url, key=new))
    proxy.wait_output("routes.yaml: loaded")
    response = ask(proxy, "chat", "one")
    assert up.inferences[-1].header("authorization") == f"Bearer {new}"
    assert f"not {'*' * len(old)}, not {'*' * len(new)}" in response.text
    nowhere(proxy, response, old, new)


def test_short_keys_and_words_are_no_reason_to_change_an_answer(proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """`test`, `ollama`, `sk-no-key-required` as keys: answers with these words stay as they are."""
    upstreams["openai"].default = Behaviour(text=" ".join(WORDS))
    answer = ask(proxy, "chat", "word3")
    assert upstreams["openai"].inferences[-1].header("authorization") == "Bearer sk-no-key-required"
    assert answer.json()["choices"][0]["message"]["content"] == " ".join(WORDS)


def test_the_first_byte_is_not_held_back(proxy: Any, upstreams: dict[str, FakeUpstream]) -> None:
    """Each event is at the client before the server sends the next one, however the text in it ends."""
    up = upstreams["openai"]
    up.default = Behaviour(pieces=["sk-", "own", "s"], stall_after=1)
    body = json.dumps(body_for("chat", "openai/fake-model", True)).encode()
    with RawClient(proxy.port) as client:
        client.socket.sendall(request_bytes(PATHS["chat"], body))
        seen = b""
        while b"\n\n" not in seen.partition(b"\r\n\r\n")[2]:
            piece = client.socket.recv(65536)
            assert piece, seen
            seen += piece
    assert b"data: " in seen
