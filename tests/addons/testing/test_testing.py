"""The test kit: its servers must fail as real ones do, or the tests that lean on them prove nothing."""

from __future__ import annotations

import gzip
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anthropic
import httpx
import ollama
import openai
import pytest

from switchman.addons.testing import (
    Behaviour,
    FakeUpstream,
    ToolCall,
    Usage,
    every_split,
    make_call,
    make_id,
    make_record,
)
from switchman.addons.testing.behaviour import cut_words

HELLO = [{"role": "user", "content": "Say hello."}]
CHAT = {"model": "m", "messages": HELLO}
ROOT = Path(__file__).parents[3]


def ask(
    up: FakeUpstream, body: dict[str, Any] | None = None, path: str = "/v1/chat/completions", **named: Any
) -> httpx.Response:
    return httpx.post(up.url + path, json=CHAT if body is None else body, **{"timeout": 30, **named})


def split_events(text: str) -> list[str]:
    return text.replace("\r\n", "\n").removesuffix("\n\n").split("\n\n")


# every_split and the builders


@pytest.mark.parametrize("data", [b"", b"a", b"ab", "dé\r\n".encode()])
def test_every_split_keeps_the_bytes(data: bytes) -> None:
    """However the data is split, the parts joined are the data, and none is empty."""
    for parts in every_split(data):
        assert b"".join(parts) == data
        assert all(parts)


def test_every_split_is_every_split() -> None:
    """There is the whole, each cut in two, and byte by byte."""
    splits = list(every_split(b"abc"))
    assert splits == [[b"abc"], [b"a", b"bc"], [b"ab", b"c"], [b"a", b"b", b"c"]]


def test_call_is_as_intake_makes_it() -> None:
    """A built Call has its body, its model, whether it streams, and spans into its text."""
    call = make_call({"model": "llama3", "x": 1}, stream=True)
    assert (call.model, call.stream, call.body["x"]) == ("llama3", True, 1)
    start, end = call.spans["model"]
    assert call.text[start:end] == '"llama3"'


def test_record_fields_can_be_replaced() -> None:
    """A built Record is always the same one but for what is said."""
    assert make_record() == make_record()
    assert make_record(make_id(2), status=502).status == 502
    assert make_id(2) != make_record().id


@pytest.mark.parametrize("text", ["", "a", " a  b\n", "<think>\nhm\n</think>\n\nHi", "   "])
def test_words_joined_are_the_text(text: str) -> None:
    """A stream's pieces lose nothing, blanks included."""
    assert "".join(cut_words(text)) == text


# The dialects, read by their own clients


def test_openai_client_reads_it() -> None:
    """The official client reads whole replies, streams, tool calls, embeddings, responses and the model list."""
    how = Behaviour(text="Hi there.", reasoning="hm hm", usage=Usage(5, 3, cached=2, reasoning=1))
    with (
        FakeUpstream("openai", how, api_key="k", models=["a", "b/c"]) as up,
        openai.OpenAI(base_url=f"{up.url}/v1", api_key="k", max_retries=0) as client,
    ):
        whole = client.chat.completions.create(**CHAT, n=2)
        assert [c.message.content for c in whole.choices] == ["Hi there."] * 2
        assert whole.usage is not None and whole.usage.prompt_tokens_details is not None
        assert whole.usage.prompt_tokens_details.cached_tokens == 2
        chunks = list(client.chat.completions.create(**CHAT, stream=True, stream_options={"include_usage": True}))
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Hi there."
        assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == 3
        up.script([Behaviour(tool_calls=[ToolCall("f", {"a": "ü"})])])
        with client.chat.completions.stream(**CHAT) as stream:
            message = stream.get_final_completion().choices[0].message
        assert message.tool_calls and json.loads(message.tool_calls[0].function.arguments) == {"a": "ü"}
        assert client.completions.create(model="m", prompt="x").choices[0].text == "Hi there."
        assert len(client.embeddings.create(model="m", input=["x", "y"]).data) == 2
        with client.responses.stream(model="m", input="x") as events:
            assert events.get_final_response().output_text == "Hi there."
        assert [m.id for m in client.models.list()] == ["a", "b/c"]
        assert client.models.retrieve("a").id == "a"


def test_ollama_client_reads_it() -> None:
    """The official client reads chat and generate, streamed and not, and all that it asks about models."""
    with (
        FakeUpstream("ollama", Behaviour(text="Hi there.", reasoning="hm hm"), models=["a"]) as up,
        ollama.Client(up.url) as client,
    ):
        whole = client.chat("a", HELLO)
        assert (whole.message.content, whole.message.thinking) == ("Hi there.", "hm hm")
        parts = list(client.generate("a", "x", stream=True))
        assert "".join(p.response for p in parts) == "Hi there."
        assert [p.done for p in parts][-2:] == [False, True]
        up.script([Behaviour(tool_calls=[ToolCall("f", {"a": 1})])])
        call = next(p.message.tool_calls[0] for p in client.chat("a", HELLO, stream=True) if p.message.tool_calls)
        assert (call.function.name, call.function.arguments) == ("f", {"a": 1})
        assert client.list().models[0].model == client.ps().models[0].model == "a"
        assert client.show("a").capabilities
        assert len(client.embed("a", ["x", "y"]).embeddings) == 2


def test_anthropic_client_reads_it() -> None:
    """The official client assembles text, thinking and tool calls from a stream as from a whole reply."""
    how = Behaviour(
        text="Hi there.", reasoning="hm hm", tool_calls=[ToolCall("f", {"a": 1})], usage=Usage(9, 4, cached=2)
    )
    with (
        FakeUpstream("anthropic", how, api_key="k", models=["a"]) as up,
        anthropic.Anthropic(base_url=up.url, api_key="k", max_retries=0) as client,
    ):
        asked: Any = {"model": "a", "max_tokens": 9, "messages": HELLO}
        whole = client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            streamed = stream.get_final_message()
        for message in (whole, streamed):
            kinds = [block.type for block in message.content]
            assert kinds == ["thinking", "text", "tool_use"]
            assert message.stop_reason == "tool_use"
            assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (7, 2)
        assert client.messages.count_tokens(model="a", messages=HELLO).input_tokens == 9
        assert [m.id for m in client.models.list()] == ["a"]


# Strictness

OPENAI_REJECTS = [
    ("GET", "/v1/chat/completions", None, 405),
    ("POST", "/v1/nothing", {}, 404),
    ("POST", "/api/chat", CHAT, 404),
    ("GET", "/v1/models/none", None, 404),
    ("POST", "/v1/chat/completions", {"messages": HELLO}, 400),
    ("POST", "/v1/chat/completions", {"model": 7, "messages": HELLO}, 400),
    ("POST", "/v1/chat/completions", {"model": "m"}, 400),
    ("POST", "/v1/chat/completions", {"model": "m", "messages": []}, 400),
    ("POST", "/v1/chat/completions", {**CHAT, "stream_options": {"include_usage": True}}, 400),
    ("POST", "/v1/chat/completions", {**CHAT, "tool_choice": "auto"}, 400),
    ("POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "robot", "content": "x"}]}, 400),
    ("POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": None}]}, 400),
    ("POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "tool", "content": "x"}]}, 400),
    ("POST", "/v1/chat/completions", {**CHAT, "model": "gone"}, 404),
    ("POST", "/v1/completions", {"model": "m"}, 400),
    ("POST", "/v1/embeddings", {"model": "m"}, 400),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), OPENAI_REJECTS)
def test_openai_rejects(method: str, path: str, body: Any, status: int) -> None:
    """What OpenAI's server rejects is rejected, in its error shape."""
    with FakeUpstream("openai", missing=["gone"]) as up:
        answer = httpx.request(method, up.url + path, json=body)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


OLLAMA_REJECTS = [
    ("GET", "/api/chat", None, 405),
    ("POST", "/v1/chat/completions", CHAT, 404),
    ("POST", "/api/chat", {"messages": HELLO}, 400),
    ("POST", "/api/chat", {"model": "m", "messages": [{"role": "developer", "content": "x"}]}, 400),
    ("POST", "/api/chat", {"model": "m", "messages": [{"role": "user", "content": [{"type": "text"}]}]}, 400),
    ("POST", "/api/chat", {"model": "m", "messages": HELLO, "stream": "yes"}, 400),
    ("POST", "/api/generate", {"model": "gone", "prompt": "x"}, 404),
    ("POST", "/api/show", {}, 400),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), OLLAMA_REJECTS)
def test_ollama_rejects(method: str, path: str, body: Any, status: int) -> None:
    """What Ollama rejects is rejected: JSON errors from its handlers, plain text from its router."""
    with FakeUpstream("ollama", missing=["gone"]) as up:
        answer = httpx.request(method, up.url + path, json=body)
    assert answer.status_code == status
    assert answer.text.startswith("40") or set(answer.json()) == {"error"}


MESSAGES = {"model": "m", "max_tokens": 9, "messages": HELLO}
OLD, NEW = {"anthropic-version": "2023-06-01"}, {"anthropic-version": "2026-10-21"}
TOOL_RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "x"}
ANTHROPIC_REJECTS: list[tuple[str, str, Any, dict[str, str], int]] = [
    ("GET", "/v1/messages", None, OLD, 405),
    ("POST", "/v1/chat/completions", CHAT, OLD, 404),
    ("POST", "/v1/messages", MESSAGES, {}, 400),
    ("GET", "/v1/models", None, {}, 400),
    ("POST", "/v1/messages", {"model": "m", "messages": HELLO}, OLD, 400),
    ("POST", "/v1/messages", {**MESSAGES, "messages": []}, OLD, 400),
    ("POST", "/v1/messages", {**MESSAGES, "messages": [{"role": "system", "content": "x"}]}, OLD, 400),
    ("POST", "/v1/messages", {**MESSAGES, "messages": [{"role": "user", "content": ""}]}, OLD, 400),
    ("POST", "/v1/messages", {**MESSAGES, "messages": [{"role": "user", "content": [TOOL_RESULT]}]}, OLD, 400),
    ("POST", "/v1/messages", {**MESSAGES, "temperature": 1.5}, OLD, 400),
    ("POST", "/v1/messages", {**MESSAGES, "temperature": 1.0}, NEW, 400),
    ("POST", "/v1/messages", {**MESSAGES, "thinking": {"type": "enabled", "budget_tokens": 5}}, OLD, 400),
    ("POST", "/v1/messages", {**MESSAGES, "model": "gone"}, OLD, 404),
    ("POST", "/v1/messages", {**MESSAGES, "tools": [{"name": "f"}]}, OLD, 400),
]


@pytest.mark.parametrize(("method", "path", "body", "headers", "status"), ANTHROPIC_REJECTS)
def test_anthropic_rejects(method: str, path: str, body: Any, headers: dict[str, str], status: int) -> None:
    """What Anthropic's server rejects is rejected, by the API version that the request names."""
    with FakeUpstream("anthropic", missing=["gone"]) as up:
        answer = httpx.request(method, up.url + path, json=body, headers=headers)
    assert answer.status_code == status
    assert answer.json()["type"] == "error" and answer.json()["error"]["message"]


def test_anthropic_old_version_samples() -> None:
    """The older API version takes the sampling parameters that the newer one rejects."""
    with FakeUpstream("anthropic") as up:
        assert ask(up, {**MESSAGES, "temperature": 1.0}, "/v1/messages", headers=OLD).status_code == 200


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


def test_unknown_fields() -> None:
    """Fields the format does not define are taken, unless the server is to reject them."""
    with FakeUpstream() as up:
        assert ask(up, {**CHAT, "top_k": 3}).status_code == 200
        up.reject_unknown = True
        assert ask(up, {**CHAT, "top_k": 3}).status_code == 400


def test_only_listed_models() -> None:
    """A server that knows only its list answers 404 for other models."""
    with FakeUpstream(models=["a"], only_listed=True) as up:
        assert ask(up, {**CHAT, "model": "a"}).status_code == 200
        assert ask(up, {**CHAT, "model": "b"}).status_code == 404


# Knobs


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


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_pieces_and_framings_keep_the_bytes(size: int, framing: Any) -> None:
    """However it is cut and framed, the body is the same."""
    with FakeUpstream("openai", Behaviour(text="Grüße 🎉")) as up:
        plain = ask(up, {**CHAT, "stream": True}).content
        up.script([Behaviour(text="Grüße 🎉", write_size=size, framing=framing)])
        cut = ask(up, {**CHAT, "stream": True}).content
    assert cut.replace(b"chatcmpl-2", b"chatcmpl-1") == plain


def test_line_endings_and_gzip() -> None:
    """A stream may end its lines with CR LF, and may be zipped."""
    with FakeUpstream("openai", Behaviour(line_ending="\r\n", gzip=True)) as up:
        answer = ask(up, {**CHAT, "stream": True})
        assert answer.headers["content-encoding"] == "gzip"
        assert b"\r\n\r\n" in answer.content and b"\n\n" not in answer.content
        assert split_events(answer.text)[-1] == "data: [DONE]"
        raw = b""
        with httpx.stream("POST", f"{up.url}/v1/chat/completions", json=CHAT) as whole:
            raw = b"".join(whole.iter_raw())
        assert json.loads(gzip.decompress(raw))["object"] == "chat.completion"


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


@pytest.mark.parametrize(("where", "extra"), [("last", 1), ("every", 0), ("x_groq", 0)])
def test_places_of_usage(where: Any, extra: int) -> None:
    """OpenAI-like servers report a stream's usage in a chunk of its own, in every chunk, or in x_groq."""
    with FakeUpstream(default=Behaviour(usage_in=where)) as up:
        asked = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
        chunks = [json.loads(e[6:]) for e in split_events(ask(up, asked).text)[:-1]]
    assert len([c for c in chunks if not c["choices"]]) == extra
    found = [c.get("usage") or c.get("x_groq", {}).get("usage") for c in chunks]
    assert found[-1]["prompt_tokens"] == 11
    assert all(found) == (where == "every")


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


# Failures


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("how", "error"),
    [
        (Behaviour(reset=True), httpx.ReadError),
        (Behaviour(hang_up=True), httpx.RemoteProtocolError),
        (Behaviour(cut_after=2), httpx.RemoteProtocolError),
        (Behaviour(cut_after=0), httpx.RemoteProtocolError),
        (Behaviour(cut_after=2, cut="rst"), httpx.ReadError),
        (Behaviour(cut_after=99), httpx.RemoteProtocolError),
        (Behaviour(never_answer=True), httpx.ReadTimeout),
        (Behaviour(stall_after=1), httpx.ReadTimeout),
        (Behaviour(latency=30), httpx.ReadTimeout),
    ],
)
def test_failures_on_the_wire(how: Behaviour, error: type[Exception], stream: bool) -> None:
    """A client sees exactly the failure that was asked for, and the next request is answered."""
    with FakeUpstream() as up:
        up.script([how])
        with pytest.raises(error):
            ask(up, {**CHAT, "stream": stream}, timeout=0.4 if error is httpx.ReadTimeout else 30)
        assert ask(up).status_code == 200


def test_cut_stream_has_had_its_events() -> None:
    """What comes before a cut does come."""
    with FakeUpstream(default=Behaviour(cut_after=3)) as up:
        got = b""
        with (
            pytest.raises(httpx.RemoteProtocolError),
            httpx.stream("POST", f"{up.url}/v1/chat/completions", json={**CHAT, "stream": True}) as answer,
        ):
            for piece in answer.iter_raw():
                got += piece
        assert got.count(b"\n\n") == 3
        assert up.requests[0].finished.wait(10)
        assert not up.requests[0].disconnected.is_set()


def test_departure_is_noticed() -> None:
    """A client that leaves in the middle of a stream is noticed at once, not at the next event."""
    with FakeUpstream(default=Behaviour(delay=60)) as up:
        with httpx.stream("POST", f"{up.url}/v1/chat/completions", json={**CHAT, "stream": True}) as answer:
            next(answer.iter_raw())
        left = time.monotonic()
        request = up.requests[0]
        assert request.disconnected.wait(30)  # the next event would be a minute later
        assert request.disconnected_at is not None and request.disconnected_at - left < 30
        assert not request.finished.is_set()


def exchange_raw(up: FakeUpstream, requests: bytes) -> bytes:
    """Sends the bytes, and returns all that comes until the server ends the connection."""
    with socket.create_connection((up.host, up.port), timeout=10) as raw:
        raw.sendall(requests)
        answer = b""
        while piece := raw.recv(65536):
            answer += piece
    return answer


def raw_request(body: bytes = json.dumps(CHAT).encode()) -> bytes:
    head = b"POST /v1/chat/completions HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


def test_close_after_reply_is_silent() -> None:
    """A connection may be closed after a reply whose headers promised to keep it."""
    with FakeUpstream(default=Behaviour(close_after_reply=True)) as up:
        answer = exchange_raw(up, raw_request())
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" not in answer


def test_idle_connections_are_closed() -> None:
    """An idle keep-alive connection is closed when its time is over, without a word of it in the headers."""
    with FakeUpstream(default=Behaviour(close_idle_after=0.05)) as up:
        answer = exchange_raw(up, raw_request() * 2)
        assert answer.count(b"HTTP/1.1 200") == 2
        assert b"connection: close" not in answer
        assert [r.connection for r in up.requests] == [1, 1]


# What it saw, and its life


def test_requests_are_kept_to_the_byte() -> None:
    """Header case, order and repetition, and the body's own blanks, are kept."""
    body = b'{ "model":"m",\t"messages": [{"role":"user","content":"x"}] }'
    head = b"POST /v1/chat/completions?a=%%20b HTTP/1.1\r\nX-B: 1\r\nx-a:2 \r\nX-B: 3\r\n"
    head += b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with FakeUpstream() as up:
        with socket.create_connection((up.host, up.port), timeout=10) as raw:
            raw.sendall(head % len(body) + body)
            assert raw.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        (request,) = up.wait_requests(1)
    assert request.headers[:3] == [(b"X-B", b"1"), (b"x-a", b"2"), (b"X-B", b"3")]
    assert (request.body, request.path, request.query) == (body, "/v1/chat/completions", "a=%20b")
    assert request.head == head % len(body)
    assert request.header("x-b") == "1"


def test_chunked_requests_are_read() -> None:
    """A request whose length is not said beforehand has its body all the same."""
    with FakeUpstream() as up:
        pieces = (piece for piece in (b'{"model":"m",', b'"messages":[{"role":"user","content":"x"}]}'))
        answer = httpx.post(
            f"{up.url}/v1/chat/completions", content=pieces, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 200
        assert up.requests[0].json()["model"] == "m"


def test_what_is_no_http_is_refused() -> None:
    """TLS to the plain port is closed, and the server goes on."""
    with FakeUpstream() as up:
        with pytest.raises(httpx.ConnectError):
            httpx.get(up.url.replace("http", "https"), timeout=10)
        assert ask(up).status_code == 200


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


@pytest.mark.parametrize("command", [["-m", "switchman.addons.testing"], [str(ROOT / "scripts/fake_upstream.py")]])
def test_process(command: list[str]) -> None:
    """As a process it prints its URL first, serves, and ends on SIGTERM with status 0."""
    arguments = ["--dialect", "ollama", "--text", "Hi.", "--fail-every", "2", "--model", "a"]
    with subprocess.Popen([sys.executable, *command, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        body = {"model": "a", "messages": HELLO, "stream": False}
        first, second = (httpx.post(f"{url}/api/chat", json=body, timeout=30) for _ in range(2))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert first.json()["message"]["content"] == "Hi."
    assert second.status_code == 500


def test_demo_servers() -> None:
    """The demo's servers: one thinks aloud, the other fails every third request."""
    answers = {}
    for name in ("think", "flaky"):
        command = [sys.executable, "-m", "switchman.addons.testing", "--demo", name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            answers[name] = [httpx.post(f"{url}/v1/chat/completions", json=CHAT, timeout=30) for _ in range(3)]
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
    assert answers["think"][0].json()["choices"][0]["message"]["content"].startswith("<think>")
    assert [a.status_code for a in answers["flaky"]] == [200, 200, 500]
