"""Errors that come with a status of 200: as the whole answer, as a stream's first event, and in the middle of one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import ollama
import openai
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.rawclient import RawClient

PATHS = {"openai": "/v1/chat/completions", "ollama": "/api/chat", "anthropic": "/v1/messages"}
KINDS = {"openai": "text/event-stream", "ollama": "application/x-ndjson", "anthropic": "text/event-stream"}
HEADERS = [("content-type", "application/json"), ("anthropic-version", "2023-06-01")]
ASKED = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 99}

# What servers send: an object, and the status it stands for.
OVERLOADED: dict[str, tuple[dict[str, Any], int]] = {
    "openai": ({"error": {"message": "too busy", "type": "server_error", "code": "server_error"}}, 500),
    "openai, the code a status": ({"error": {"message": "too busy", "code": 429}, "user_id": "u"}, 429),
    "openai, beside an empty choice": (
        {"error": {"message": "too busy", "code": 502}, "choices": [{"delta": {}, "finish_reason": "error"}]},
        502,
    ),
    "ollama": ({"error": "too busy"}, 500),
    "anthropic": ({"type": "error", "error": {"type": "overloaded_error", "message": "too busy"}}, 529),
}  # fmt: skip
WAYS = [(name, stream) for name in OVERLOADED for stream in (True, False) if stream or "choice" not in name]


def event(dialect: str, obj: dict[str, Any]) -> bytes:
    if dialect == "ollama":
        return json.dumps(obj).encode() + b"\n"
    name = b"event: error\n" if dialect == "anthropic" else b""
    return name + b"data: " + json.dumps(obj).encode() + b"\n\n"


def first_event(dialect: str, obj: dict[str, Any]) -> Behaviour:
    return Behaviour(body=event(dialect, obj), headers={"content-type": KINDS[dialect]}, framing="chunked")


@pytest.fixture(scope="module")
def bad(upstream_factory: Callable[..., FakeUpstream]) -> dict[str, FakeUpstream]:
    return {name: upstream_factory(name, name=f"bad-{name}") for name in PATHS}


@pytest.fixture(scope="module")
def good(upstream_factory: Callable[..., FakeUpstream]) -> dict[str, FakeUpstream]:
    return {name: upstream_factory(name, name=f"good-{name}") for name in PATHS}


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, bad: dict[str, FakeUpstream], good: dict[str, FakeUpstream]) -> Any:
    lines = ["servers:"]
    for name in PATHS:
        lines += [f"  bad-{name}: {{url: '{bad[name].url}', dialect: {name}}}"]
        lines += [f"  good-{name}: {{url: '{good[name].url}', dialect: {name}}}"]
    lines += [f"  mute: {{url: '{bad['openai'].url}', dialect: openai, timeout: {{first_byte: 0.5}}}}", "aliases:"]
    # A model's name of its own for each case, so that no breaker opens.
    for client in PATHS:
        for server in PATHS:
            for number in range(20):
                instances = f"[bad-{server}/{client}{number}, good-{server}/m]"
                lines += [f"  {client}-{server}-{number}: {{instances: {instances}}}"]
    lines += [
        "  both-bad: {instances: [bad-openai/one, bad-openai/two]}",
        "  silent: {instances: [mute/m, good-openai/m]}",
    ]
    return start_shared("\n".join([*lines, ""]))


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize(("what", "stream"), WAYS)
def test_a_server_that_is_overloaded_with_a_status_of_200(
    what: str, stream: bool, client: str, proxy: Any, bad: dict[str, FakeUpstream]
) -> None:
    """Nothing has gone to the client, so another server answers: same dialect or translated."""
    obj, _ = OVERLOADED[what]
    server = what.partition(",")[0]
    bad[server].script([first_event(server, obj) if stream else Behaviour(body=obj)])
    number = 2 * list(OVERLOADED).index(what) + stream
    asked = {"model": f"{client}-{server}-{number}", "stream": stream, **ASKED}
    with RawClient(proxy.port) as raw:
        reply = raw.ask(PATHS[client], asked, headers=HEADERS)
    assert (reply.status, reply.complete) == (200, True), reply.body
    assert b"busy" not in reply.body and b"good" in reply.body
    assert reply.header("x-switchman-target") == f"good-{server}/m"
    row = proxy.row(id=reply.header("x-switchman-request-id"))
    first, second = row["attempts"]
    assert (first["outcome"], first["status"], second["outcome"]) == ("error", 200, "ok")
    assert "too busy" in first["error"]
    assert (row["outcome"], row["response"]) == ("ok", reply.body)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_a_bad_request_with_a_status_of_200_is_passed_on(
    dialect: str, stream: bool, proxy: Any, bad: dict[str, FakeUpstream]
) -> None:
    """Another server would say the same: the client gets it to the byte, and the row says that it was no answer."""
    obj = {"type": "error", "error": {"type": "invalid_request_error", "message": "no such thing"}}
    said = first_event(dialect, obj) if stream else Behaviour(body=obj)
    bad[dialect].script([said])
    with RawClient(proxy.port) as raw:
        asked = {"model": f"{dialect}-{dialect}-{18 + stream}", "stream": stream, **ASKED}
        reply = raw.ask(PATHS[dialect], asked, headers=HEADERS)
    assert reply.status == 200
    assert reply.body == (said.body if stream else json.dumps(obj, separators=(",", ":")).encode())
    row = proxy.row(id=reply.header("x-switchman-request-id"))
    assert row["outcome"] == ("stream_error" if stream else "upstream_error")
    assert "no such thing" in row["error"]
    assert len(row["attempts"]) == 1


def test_comments_before_the_error_go_on_at_once(proxy: Any, bad: dict[str, FakeUpstream]) -> None:
    """As OpenRouter sends them: the client hears them, and still gets the other server's answer in the same stream."""
    obj, _ = OVERLOADED["openai"]
    bad["openai"].script([Behaviour(events=[b": PROCESSING\n\n", event("openai", obj)], delay=1.5)])
    with RawClient(proxy.port) as raw:
        reply = raw.ask(PATHS["openai"], {"model": "openai-openai-15", "stream": True, **ASKED})
    assert reply.body.startswith(b": PROCESSING\n\ndata: ")
    assert b"busy" not in reply.body and reply.body.endswith(b"data: [DONE]\n\n")
    row = proxy.row(id=reply.header("x-switchman-request-id"))
    assert (row["outcome"], len(row["attempts"])) == ("ok", 2)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_when_the_last_server_fails_so_too_its_own_words_are_passed_on(
    stream: bool, proxy: Any, bad: dict[str, FakeUpstream]
) -> None:
    """Nobody is left to ask: the client gets what the server sent, as it sent it."""
    obj, _ = OVERLOADED["openai"]
    said = first_event("openai", obj) if stream else Behaviour(body=obj)
    bad["openai"].script([said, said])
    with RawClient(proxy.port) as raw:
        reply = raw.ask(PATHS["openai"], {"model": "both-bad", "stream": stream, **ASKED})
    assert (reply.status, b"too busy" in reply.body) == (200, True)
    row = proxy.row(id=reply.header("x-switchman-request-id"))
    assert (row["outcome"], len(row["attempts"])) == ("stream_error" if stream else "upstream_error", 2)


def test_an_error_before_a_dead_server_gets_the_status_it_should_have_had(start: Any) -> None:
    """The last server that answered at all has the last word, and a client's SDK has to understand it."""
    obj, status = OVERLOADED["anthropic"]
    said = Behaviour(body=obj, headers={"content-type": "application/json", "retry-after": "0"})
    with FakeUpstream("anthropic", default=said) as upstream:
        proxy = start(
            f"servers: {{a: {{url: '{upstream.url}', dialect: anthropic}}, dead: 'http://127.0.0.1:9'}}\n"
            "aliases: {all: {instances: [a/m, dead/m]}}\n"
        )
        response = proxy.chat("all")
        assert (response.status_code, response.headers["retry-after"]) == (status, "0")
        assert response.json()["error"]["message"] == "too busy"


def test_breakers_count_errors_within_streams(start: Any) -> None:
    """Five streams that broke with an error event rest their server, though each had a status of 200."""
    with FakeUpstream(name="flaky") as flaky, FakeUpstream(name="steady") as steady:
        proxy = start(
            f"servers: {{flaky: '{flaky.url}', steady: '{steady.url}'}}\n"
            "aliases: {both: {instances: [flaky/m, steady/m]}}\n"
        )
        flaky.script([Behaviour(error_after=2, message="out of memory")] * 5)
        for _ in range(5):
            response = proxy.chat("both", stream=True)
            assert "out of memory" in response.text
            row = proxy.row_of(response)
            assert (row["outcome"], row["attempts"][0]["outcome"]) == ("stream_error", "stream")
            assert "out of memory" in row["error"]
        assert proxy.chat("both").headers["x-switchman-target"] == "steady/m"
        assert len(flaky.inferences) == 5


def test_a_stream_that_ends_before_it_began_lets_another_server_answer(
    proxy: Any, bad: dict[str, FakeUpstream]
) -> None:
    """200, the head of a stream, and its end."""
    bad["openai"].script([Behaviour(body=b"", headers={"content-type": "text/event-stream"}, framing="chunked")])
    response = proxy.chat("openai-openai-16", stream=True)
    assert "good" in response.text and response.headers["x-switchman-attempts"] == "2"


@pytest.mark.parametrize("how", ["nothing", "pings"])
def test_the_first_byte_deadline_waits_for_the_first_event(how: str, start: Any) -> None:
    """A server that sends the head of a stream and then nothing, or nothing but comments, has not answered."""
    pings = [b": wait\n\n"] * 500
    behaviour = Behaviour(stall_after=0) if how == "nothing" else Behaviour(events=pings, delay=0.05)
    with FakeUpstream(name="slow", default=behaviour) as slow, FakeUpstream(name="good") as good:
        proxy = start(
            f"servers: {{slow: {{url: '{slow.url}', timeout: {{first_byte: 0.5}}}}, good: '{good.url}'}}\n"
            "aliases: {both: {instances: [slow/m, good/m]}}\n"
        )
        response = proxy.chat("both", stream=True)
        assert response.status_code == 200 and "good" in response.text
        first, second = proxy.row_of(response)["attempts"]
        assert (first["outcome"], second["outcome"]) == ("timeout", "ok")
        assert "first-byte deadline" in first["error"]


def test_the_official_clients_get_the_other_answer(proxy: Any, bad: dict[str, FakeUpstream]) -> None:
    """openai-python and ollama-python do not notice; where nobody else is there, they raise the server's error."""
    bad["openai"].script([first_event("openai", OVERLOADED["openai"][0])])
    stream = proxy.openai().chat.completions.create(model="openai-openai-17", stream=True, messages=ASKED["messages"])
    assert "good" in "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    bad["ollama"].script([first_event("ollama", OVERLOADED["ollama"][0])] * 2)
    pieces = proxy.ollama().chat("ollama-ollama-17", ASKED["messages"], stream=True)
    assert "good" in "".join(piece.message.content or "" for piece in pieces)
    with pytest.raises(ollama.ResponseError, match="too busy"):
        list(proxy.ollama().chat("bad-ollama/alone", ASKED["messages"], stream=True))
    bad["openai"].script([first_event("openai", OVERLOADED["openai"][0])])
    with pytest.raises(openai.APIError, match="too busy"):
        list(proxy.openai().chat.completions.create(model="bad-openai/alone", stream=True, messages=ASKED["messages"]))
