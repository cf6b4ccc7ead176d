"""A good status with nothing behind it that can be read as the answer: another server is asked, or the client is told.

Each client dialect asks servers of each dialect, for a whole answer and for a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import anthropic
import httpx
import ollama
import openai
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.behaviour import Dialect

DIALECTS: Final[tuple[Dialect, ...]] = ("openai", "ollama", "anthropic")
PATHS: Final = {"openai": "/v1/chat/completions", "ollama": "/api/chat", "anthropic": "/v1/messages"}
HTML: Final = (
    b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>token=sk-" + b"a" * 40 + b"</body></html>"
)
EMPTY: Final[dict[Dialect, Any]] = {
    "openai": {"choices": [{"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": None}]},
    "ollama": {"model": "m", "message": {"role": "assistant", "content": ""}, "done": False},
    "anthropic": {"type": "message", "role": "assistant", "content": [], "stop_reason": None},
}
# what comes, under which content types, and what the message says of it; each of them is quoted
BAD: Final[dict[str, tuple[bytes, tuple[str, ...], str]]] = {
    "html": (HTML, ("text/html", "application/json", "text/event-stream"), "Sign in"),
    "text": (b"no healthy upstream", ("text/plain", ""), "no healthy"),
    "cut": (b'{"choices":[{"message":{"content":"Hel', ("application/json",), '"Hel'),
    "nothing": (b"", ("application/json", "text/event-stream"), ""),
}
CASES: Final = [(name, sort) for name, (_, sorts, _) in BAD.items() for sort in sorts]


@pytest.fixture(scope="module")
def bad(upstream_factory: Callable[..., FakeUpstream]) -> dict[Dialect, FakeUpstream]:
    return {dialect: upstream_factory(dialect, name=f"bad-{dialect}") for dialect in DIALECTS}


@pytest.fixture(scope="module")
def shared_proxy(
    start_shared: Any, bad: dict[Dialect, FakeUpstream], upstream_factory: Callable[..., FakeUpstream]
) -> Any:
    good = upstream_factory("openai", name="good")
    lines = [f"  good: {{url: '{good.url}', dialect: openai}}"]
    lines += [f"  {d}: {{url: '{bad[d].url}', dialect: {d}, api_key: the-servers-own}}" for d in DIALECTS]
    aliases = []
    for dialect in DIALECTS:
        # A model for each case, so that no breaker opens.
        for number in range(200):
            aliases.append(f"  {dialect}-{number}: {{instances: [{dialect}/m{number}, good/g]}}")
    return start_shared("\n".join(["servers:", *lines, "aliases:", *aliases, ""]))


_numbers = iter(range(10_000))
Ask = Callable[[Dialect, str, bool], httpx.Response]


@pytest.fixture(scope="module")
def ask(shared_proxy: Any) -> Iterator[Ask]:
    """Asks by one client for all: making one takes longer than a request."""

    def post(client: Dialect, model: str, stream: bool) -> httpx.Response:
        asked = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream, "max_tokens": 9}
        return http.post(shared_proxy.url + PATHS[client], json=asked)

    with httpx.Client(trust_env=False, timeout=60) as http:
        yield post


def error_of(client: Dialect, response: httpx.Response) -> str:
    """The message, from where this dialect's clients look for it."""
    error = response.json()["error"]
    return str(error if client == "ollama" else error["message"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("server", DIALECTS)
@pytest.mark.parametrize("client", DIALECTS)
def test_another_server_answers(
    client: Dialect, server: Dialect, stream: bool, ask: Ask, proxy: Any, bad: dict[Dialect, FakeUpstream]
) -> None:
    """Nothing of it reaches the client, and the row says what it was."""
    for name, sort in CASES:
        body, _, quoted = BAD[name]
        bad[server].script([Behaviour(body=body, headers={"content-type": sort}, write_size=9)])
        response = ask(client, f"{server}-{next(_numbers) % 200}", stream)
        assert response.status_code == 200, response.text
        assert "good" in response.text and "Sign in" not in response.text and "healthy" not in response.text
        if sort != "application/json":
            continue  # a row for each kind
        first, second = proxy.row_of(response)["attempts"]
        assert (first["status"], first["outcome"]) == (200, "unreadable" if body else "reset"), (name, sort)
        assert quoted in first["error"] and second["outcome"] == "ok"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("server", DIALECTS)
@pytest.mark.parametrize("client", DIALECTS)
def test_the_client_is_told_where_nobody_else_is_there(
    client: Dialect, server: Dialect, stream: bool, ask: Ask, proxy: Any, bad: dict[Dialect, FakeUpstream]
) -> None:
    """A 502 in its dialect that quotes the beginning, and no secret."""
    for name, sort in CASES:
        body, _, quoted = BAD[name]
        bad[server].script([Behaviour(body=body, headers={"content-type": sort})])
        response = ask(client, f"{server}/alone{next(_numbers)}", stream)
        assert (response.status_code, response.headers["content-type"]) == (502, "application/json"), (name, sort)
        message = error_of(client, response)
        assert quoted in message and "sk-aaaa" not in message and len(message) < 500
    row = proxy.row_of(response)
    assert (row["outcome"], row["status"], len(row["attempts"])) == ("failed", 502, 1)


@pytest.mark.parametrize("client", DIALECTS)
def test_events_without_json_are_no_stream(
    client: Dialect, ask: Ask, proxy: Any, bad: dict[Dialect, FakeUpstream]
) -> None:
    """Nor is one of which only the last word comes; nothing of either goes out before another server answers."""
    for events in ([b"data: service unavailable\n\n", b"data: [DONE]\n\n"], [b": wait\n\n", b"data: [DONE]\n\n"]):
        bad["openai"].script([Behaviour(events=events), Behaviour(events=events)])
        response = ask(client, f"openai-{next(_numbers) % 200}", True)
        assert "good" in response.text and "unavailable" not in response.text
        assert proxy.row_of(response)["attempts"][0]["outcome"] in ("unreadable", "reset")
        response = ask(client, f"openai/alone{next(_numbers)}", True)
        told = response.status_code == 502 or "error" in response.text
        assert told and "unavailable\n" not in response.text


def test_a_stream_that_says_nothing_counts_against_its_server(
    ask: Ask, proxy: Any, bad: dict[Dialect, FakeUpstream]
) -> None:
    """A role, and the last word: it has begun, so no other is asked, but nobody takes it for an answer."""
    role = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'
    bad["openai"].script([Behaviour(events=[role, b"data: [DONE]\n\n"])])
    row = proxy.row_of(ask("openai", f"openai/void{next(_numbers)}", True))
    assert (row["outcome"], row["attempts"][0]["outcome"]) == ("stream_error", "stream")
    assert row["error"] == "the server's stream ended without text, call or finish reason"


@pytest.mark.parametrize("server", DIALECTS)
@pytest.mark.parametrize("client", DIALECTS)
def test_an_answer_that_says_nothing_is_none(
    client: Dialect, server: Dialect, ask: Ask, bad: dict[Dialect, FakeUpstream]
) -> None:
    """Neither text nor a call, nor a word for its end."""
    said = Behaviour(body=EMPTY[server], headers={"content-type": "application/json"})
    bad[server].script([said, said])
    response = ask(client, f"{server}-{next(_numbers) % 200}", False)
    assert "good" in response.text
    response = ask(client, f"{server}/alone{next(_numbers)}", False)
    assert response.status_code == 502
    assert "without text, call or finish reason" in error_of(client, response)


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/responses", "/v1/completions", "/api/embed", "/api/generate"])
def test_other_operations_have_a_shape_too(path: str, proxy: Any, bad: dict[Dialect, FakeUpstream]) -> None:
    """Embeddings, responses, completions: a page is an answer to none."""
    server: Dialect = "ollama" if path.startswith("/api") else "openai"
    bad[server].script([Behaviour(body=HTML, headers={"content-type": "text/html"})] * 2)
    asked = {"input": "hi", "prompt": "hi", "stream": False}
    response = proxy.post(path, {"model": f"{server}-{next(_numbers) % 200}", **asked})
    assert response.status_code == 200 and "Sign in" not in response.text
    response = proxy.post(path, {"model": f"{server}/alone{next(_numbers)}", **asked})
    assert response.status_code == 502 and "Sign in" in response.text


def test_an_answer_without_text_that_says_why_is_one(ask: Ask, proxy: Any, bad: dict[Dialect, FakeUpstream]) -> None:
    """Ollama's for a model that was loaded, and one that came to its limit at once."""
    loaded = {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "load"}
    bad["ollama"].script([Behaviour(body=loaded, headers={"content-type": "application/json"})])
    response = proxy.post("/api/chat", {"model": f"ollama/load{next(_numbers)}", "messages": []})
    assert (response.status_code, response.json()) == (200, loaded)
    body = {"choices": [{"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "length"}]}
    bad["openai"].script([Behaviour(body=body, headers={"content-type": "application/json"})])
    response = ask("openai", f"openai/limit{next(_numbers)}", False)
    assert (response.status_code, response.json()) == (200, body)


def test_a_servers_own_key_is_not_quoted(ask: Ask, bad: dict[Dialect, FakeUpstream]) -> None:
    """A server may repeat what it was sent."""
    bad["openai"].script([Behaviour(body=b"who is the-servers-own?", headers={"content-type": "text/plain"})])
    response = ask("openai", f"openai/alone{next(_numbers)}", False)
    assert response.status_code == 502 and 'no JSON: "who is ...?"' in error_of("openai", response)


def test_it_counts_against_the_server(start: Any) -> None:
    """Five pages of a login rest their server, though each came with a status of 200."""
    with FakeUpstream(name="gate") as gate, FakeUpstream(name="steady") as steady:
        proxy = start(
            f"servers: {{gate: '{gate.url}', steady: '{steady.url}'}}\n"
            "aliases: {both: {instances: [gate/m, steady/m]}}\n"
        )
        gate.default = Behaviour(body=HTML, headers={"content-type": "text/html"})
        for _ in range(6):
            assert proxy.chat("both").headers["x-switchman-target"] == "steady/m"
        assert len(gate.inferences) == 5


def test_the_official_clients_raise_what_was_wrong(proxy: Any, bad: dict[Dialect, FakeUpstream]) -> None:
    """openai-python, anthropic-python and ollama-python: a status of 502, and the page's beginning."""
    for upstream in bad.values():
        upstream.script([Behaviour(body=HTML, headers={"content-type": "text/html"})])
    asked: Any = [{"role": "user", "content": "hi"}]
    with pytest.raises(openai.InternalServerError, match="Sign in"):
        proxy.openai().chat.completions.create(model=f"openai/o{next(_numbers)}", messages=asked)
    with pytest.raises(ollama.ResponseError, match="Sign in"):
        proxy.ollama().chat(f"ollama/o{next(_numbers)}", asked)
    client = anthropic.Anthropic(base_url=proxy.url, api_key="k", max_retries=0)
    with client, pytest.raises(anthropic.InternalServerError, match="Sign in"):
        client.messages.create(model=f"anthropic/o{next(_numbers)}", max_tokens=9, messages=asked)
