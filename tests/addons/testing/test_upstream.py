"""The fake upstream: its servers must fail as real ones do, or the tests that lean on them prove nothing."""

from __future__ import annotations

import contextlib
import gc
import json
import socket
from typing import Any

import httpx
import pytest

from switchman.addons.testing import (
    Behaviour,
    FakeUpstream,
)

HELLO = [{"role": "user", "content": "Say hello."}]
CHAT = {"model": "m", "messages": HELLO}
MESSAGES = {"model": "m", "max_tokens": 9, "messages": HELLO}
OLD = {"anthropic-version": "2023-06-01"}


def ask(
    up: FakeUpstream, body: dict[str, Any] | None = None, path: str = "/v1/chat/completions", **named: Any
) -> httpx.Response:
    return httpx.post(up.url + path, json=CHAT if body is None else body, **{"timeout": 30, **named})


def split_events(text: str) -> list[str]:
    return text.replace("\r\n", "\n").removesuffix("\n\n").split("\n\n")


@pytest.mark.parametrize(
    ("dialect", "path", "body", "headers"),
    [
        ("openai", "/v1/chat/completions", CHAT, {"authorization": "Bearer no"}),
        ("openai", "/v1/chat/completions", CHAT, {}),
        ("ollama", "/api/chat", CHAT, {}),
        ("anthropic", "/v1/messages", MESSAGES, {**OLD, "x-api-key": "no", "authorization": "Bearer k"}),
        ("anthropic", "/v1/messages", MESSAGES, OLD),
    ],
)
def test_wrong_key_is_401(dialect: Any, path: str, body: Any, headers: dict[str, str]) -> None:
    """With a key configured, a request without the right one is refused; at Anthropic's, x-api-key counts first."""
    with FakeUpstream(dialect, api_key="k") as up:
        assert ask(up, body, path, headers=headers).status_code == 401


def test_only_listed_models() -> None:
    """A server that knows only its list answers 404 for other models."""
    with FakeUpstream(models=["a"], only_listed=True) as up:
        assert ask(up, {**CHAT, "model": "a"}).status_code == 200
        assert ask(up, {**CHAT, "model": "b"}).status_code == 404


def test_statuses_bodies_and_headers() -> None:
    """A status has an error in the dialect's shape, or the very body that was given, and the headers given."""
    with FakeUpstream() as up:
        up.script([Behaviour(status=429, headers={"Retry-After": "7"}), Behaviour(status=503, body="busy")])
        first, second = ask(up), ask(up)
    assert (first.status_code, first.headers["retry-after"]) == (429, "7")
    assert first.json()["error"]["message"]
    assert (second.status_code, second.text, second.headers["content-type"][:10]) == (503, "busy", "text/plain")


def test_script_comes_first_and_only_for_inference() -> None:
    """A script is for POST requests; model lists do not use it up. A path may have a script and a default."""
    with FakeUpstream() as up:
        up.script([Behaviour(status=500)])
        up.script([Behaviour(status=503)], path="/v1/models")
        up.paths["/v1/embeddings"] = Behaviour(status=400)
        lists = [httpx.get(f"{up.url}/v1/models").status_code for _ in range(2)]
        chats = [ask(up).status_code for _ in range(2)]
        assert (lists, chats) == ([503, 200], [500, 200])
        assert ask(up, {"model": "m", "input": "x"}, "/v1/embeddings").status_code == 400


def test_fail_every() -> None:
    """Every Nth inference request fails, and only those are counted."""
    with FakeUpstream(fail_every=3) as up:
        statuses = []
        for _ in range(6):
            httpx.get(f"{up.url}/v1/models")
            statuses.append(ask(up).status_code)
    assert statuses == [200, 200, 500, 200, 200, 500]


def test_huge_and_malformed() -> None:
    """A reply may be of any size, and may be no JSON at all."""
    with FakeUpstream() as up:
        up.script([Behaviour(huge=1_000_000), Behaviour(malformed=True)])
        assert len(ask(up).json()["choices"][0]["message"]["content"]) == 1_000_000
        with pytest.raises(json.JSONDecodeError):
            ask(up).json()


def test_think_block_and_pieces() -> None:
    """A think block stands before the text; a stream's pieces may be given to the letter."""
    with FakeUpstream(default=Behaviour(think="hm", text="Hi.")) as up:
        content = ask(up).json()["choices"][0]["message"]["content"]
        up.script([Behaviour(pieces=["<th", "ink>x</thi", "nk>y"])])
        events = split_events(ask(up, {**CHAT, "stream": True}).text)
    assert content == "<think>\nhm\n</think>\n\nHi."
    assert [json.loads(e[6:])["choices"][0]["delta"].get("content") for e in events[1:4]] == [
        "<th",
        "ink>x</thi",
        "nk>y",
    ]


def test_recorded_events_go_out_as_they_are() -> None:
    """A recording is replayed to the byte, if the request was one the server accepts."""
    events = [b"data: 1\n\n", b": ping\n\n", b"data: [DONE]\r\n\r\n"]
    with FakeUpstream(default=Behaviour(events=events)) as up:
        assert ask(up, {**CHAT, "stream": True}).content == b"".join(events)
        assert ask(up, {"model": "m", "stream": True}).status_code == 400


def test_error_event_ends_a_stream() -> None:
    """A stream may end with the dialect's error event, over a connection that stays well."""
    for dialect, path, headers in (
        ("openai", "/v1/chat/completions", {}),
        ("ollama", "/api/chat", {}),
        ("anthropic", "/v1/messages", OLD),
    ):
        with FakeUpstream(dialect, Behaviour(error_after=2)) as up:
            body = {**MESSAGES, "stream": True} if dialect == "anthropic" else {**CHAT, "stream": True}
            text = ask(up, body, path, headers=headers).text
        assert '"error"' in text.strip().splitlines()[-1]
        assert "[DONE]" not in text


def test_a_mark_tells_whose_request_it_was() -> None:
    """In its target or its body, and nowhere else."""
    with FakeUpstream() as up:
        httpx.get(f"{up.url}/favicon.ico", headers={"referer": f"{up.url}/page?mine"}, trust_env=False)
        httpx.get(f"{up.url}/page?mine", trust_env=False)
        httpx.post(f"{up.url}/other", json={"content": "all mine"}, trust_env=False)
        assert [request.path for request in up.heard("mine")] == ["/page", "/other"]
        assert up.heard("theirs") == []


def test_stop_and_start_again() -> None:
    """A stopped server refuses connections; started again it is on the same port, with its memory."""
    up = FakeUpstream()
    with up:
        port = up.port
        assert ask(up).status_code == 200
    with pytest.raises(httpx.ConnectError):
        ask(up)
    with up:
        assert (up.port, ask(up).status_code) == (port, 200)
        assert len(up.requests) == 2


def test_taken_port_raises() -> None:
    """A port that is taken is an error at the start."""
    with FakeUpstream() as up, pytest.raises(OSError, match="in use"):
        FakeUpstream(port=up.port).start()


def test_waiting_in_vain_tells_what_came() -> None:
    """The message has the requests so far, which is what one wants to know then."""
    with FakeUpstream() as up:
        httpx.get(f"{up.url}/v1/models", timeout=30)
        up.wait_requests(1)
        with pytest.raises(TimeoutError, match="GET /v1/models"):
            up.wait_requests(2, timeout=0.01)


def test_an_ollama_may_serve_openai_too() -> None:
    """As the real one does, below /v1; without `openai_compat` that path is unknown."""
    with FakeUpstream("ollama", openai_compat=True) as both, FakeUpstream("ollama") as plain:
        assert ask(both).json()["object"] == "chat.completion"
        assert ask(both, {"model": "m", "stream": False}, "/api/chat").json()["done"] is True
        assert ask(plain).status_code == 404


def test_a_server_that_keeps_nothing_counts_on() -> None:
    """For runs that last: no request is kept, and every third one fails all the same."""
    with FakeUpstream(keep=False, fail_every=3) as up:
        assert [ask(up).status_code for _ in range(3)] == [200, 200, 500]
        assert up.requests == []


def test_stopping_ends_what_is_being_answered() -> None:
    """A client that waits for a reply sees its connection reset, as by a process that was killed."""
    up = FakeUpstream(default=Behaviour(never_answer=True)).start()
    with socket.create_connection((up.host, up.port), timeout=30) as raw:
        body = json.dumps(CHAT).encode()
        raw.sendall(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        up.wait_requests(1)
        up.stop()
        with pytest.raises(ConnectionResetError):
            raw.recv(1)
    up.stop()  # once more is no mistake


def test_stopping_ends_connections_that_have_just_come() -> None:
    """What answers them may not have begun: such a one was left open, to be complained of in another test."""
    for _ in range(20):
        up = FakeUpstream().start()
        clients = [socket.create_connection((up.host, up.port), timeout=30) for _ in range(5)]
        up.stop()
        gc.collect()  # an unclosed socket is a warning here, and so a failure
        for client in clients:
            with client, contextlib.suppress(ConnectionResetError):
                assert client.recv(1) == b""
