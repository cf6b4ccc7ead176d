"""Byte preservation: nothing is changed that no decision names, on the way up and on the way down."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.broken import says
from switchman.addons.testing.rawclient import RawClient

# Odd blanks, escapes, numbers no float holds, fields nobody knows, an agent's history with null content.
ODD = r"""{  "temperature" : 0.70000000000000001,
	"model"  :   "%s"  ,
"seed":123456789012345678901234567890, "top_p":1E+2, "x_vendor": {"deep": [1, 2.50, -0, {"a": null}], "model": "inner"},
"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}},"strict":true}}],
"messages":[{"role":"developer","content":"Be \u00e9xact. \ud83d\ude00 \/ é 😀"},
 {"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function",
  "function":{"name":"f","arguments":"{ \"a\" :1 }"}}]},
 {"role":"tool","tool_call_id":"c1","content":"  two  spaces\r\n"},
 {"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}],
"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}} , "metadata":{}  }
"""
HEADERS = [
    ("Content-Type", "application/json; charset=utf-8"),
    ("X-Twice", "one"),
    ("x-twice", "two"),
    ("User-Agent", "odd/1.0"),
    ("OpenAI-Beta", "assistants=v2"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("X-Request-ID", "mine-1"),
    ("Authorization", "Bearer client-key"),
    ("X-Latin", "caf\xe9"),
    ("Accept", "*/*"),
]
WHOLE = b'{"choices": [{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}'
STREAM = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: FakeUpstream) -> Any:
    routes = f"""
servers:
  up: "{upstream.url}"
  kept: {{url: "{upstream.url}", thinking_output: keep}}
aliases:
  renamed: {{instances: [up/other-model]}}
"""
    return start_shared(routes, {"DEFAULT_UPSTREAM": upstream.url})


@pytest.mark.parametrize(("model", "sent"), [("plain-model", "plain-model"), ("renamed", "other-model")])
def test_a_request_reaches_the_upstream_to_the_byte(model: str, sent: str, proxy: Any, upstream: FakeUpstream) -> None:
    """Only the model's value is changed, and only where it is renamed; headers keep order, case and duplicates."""
    with RawClient(proxy.port) as client:
        reply = client.ask("/v1/chat/completions?beta=true&x=%2F", (ODD % model).encode(), headers=HEADERS)
        assert reply.status == 200, reply.body
        id = reply.header("x-switchman-request-id")
    asked = upstream.inferences[-1]
    assert asked.body == (ODD % sent).encode()
    assert asked.target == "/v1/chat/completions?beta=true&x=%2F"
    theirs = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in asked.headers]
    assert [pair for pair in theirs if pair in HEADERS] == HEADERS
    host = upstream.url.removeprefix("http://")
    length = str(len(asked.body))
    rest = sorted((n.lower(), v) for n, v in theirs if (n, v) not in HEADERS)
    assert rest == [("accept-encoding", "identity"), ("content-length", length), ("host", host)]
    row = proxy.row(id=id)
    assert row["request"] == (ODD % model).encode()
    assert ["X-Twice", "one"] in row["request_headers"] and ["x-twice", "two"] in row["request_headers"]


def test_a_chunked_request_keeps_its_body(proxy: Any, upstream: FakeUpstream) -> None:
    """A body that came in chunks goes out whole, the same to the byte."""
    body = (ODD % "renamed").encode()
    pieces = [body[i : i + 7] for i in range(0, len(body), 7)]
    with RawClient(proxy.port) as client:
        client.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n")
        client.send(b"transfer-encoding: chunked\r\n\r\n")
        for piece in pieces:
            client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        client.send(b"0\r\n\r\n")
        assert client.reply().status == 200
    assert upstream.inferences[-1].body == (ODD % "other-model").encode()


def test_trailers_of_a_request_are_dropped(proxy: Any, upstream: FakeUpstream) -> None:
    """A recipient may discard trailers (RFC 9110 section 6.5.1); the body in front of them is what counts."""
    body = (ODD % "trailed").encode()
    with RawClient(proxy.port) as client:
        client.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n")
        client.send(b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\nx-checksum: 1\r\n\r\n" % (len(body), body))
        assert client.reply().status == 200
        assert client.ask("/v1/chat/completions", body).status == 200
    assert upstream.inferences[-2].body == body


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_trailers_of_an_answer_do_no_harm(stream: bool, start: Any) -> None:
    """An upstream that sends trailers behind its last chunk has answered all the same."""
    content = STREAM if stream else WHOLE
    kind = b"text/event-stream" if stream else b"application/json"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n" % kind
    with says(head + b"%x\r\n%b\r\n0\r\nx-sum: 1\r\n\r\n" % (len(content), content)) as url:
        proxy = start(f"servers: {{odd: {{url: '{url}', timeout: {{idle: 2}}}}}}\n")
        response = proxy.chat("odd/m", stream)
        assert (response.status_code, response.content) == (200, content)
        assert proxy.row_of(response)["outcome"] == "ok"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_interim_answers_are_not_the_answer(stream: bool, start: Any) -> None:
    """103 Early Hints and the like, of which nobody here asked for any, go before the answer and are dropped."""
    content = STREAM if stream else WHOLE
    kind = b"text/event-stream" if stream else b"application/json"
    hints = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n" % (kind, len(content))
    with says(hints + head + content) as url:
        proxy = start(f"servers: {{odd: '{url}'}}\n")
        response = proxy.chat("odd/m", stream)
        assert (response.status_code, response.content) == (200, content)
        assert "link" not in response.headers


def test_an_absolute_url_is_asked_for_by_its_path(proxy: Any, upstream: FakeUpstream) -> None:
    """A client that takes the router for its HTTP proxy (HTTP_PROXY) is answered all the same."""
    with RawClient(proxy.port) as client:
        reply = client.ask("http://api.example.invalid/v1/chat/completions", (ODD % "absolute").encode())
        assert reply.status == 200, reply.body
    assert upstream.inferences[-1].target == "/v1/chat/completions"
    assert upstream.inferences[-1].header("host") == upstream.url.removeprefix("http://")


def test_a_client_that_waits_for_100_continue_gets_it(proxy: Any, upstream: FakeUpstream) -> None:
    """As curl does with large bodies."""
    body = (ODD % "expecting").encode()
    with RawClient(proxy.port) as client:
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {len(body)}\r\n"
        )
        client.send(head.encode() + b"content-type: application/json\r\n\r\n")
        assert client.head().status == 100
        client.send(body)
        assert client.reply().status == 200
    assert upstream.inferences[-1].body == body


def test_a_gzipped_request_is_passed_on_as_it_is(proxy: Any, upstream: FakeUpstream) -> None:
    """A compressed body that needs no edit stays compressed, and is still understood."""
    body = gzip.compress((ODD % "plain-gzip").encode())
    headers = [("content-type", "application/json"), ("content-encoding", "gzip")]
    with RawClient(proxy.port) as client:
        client.ask("/v1/chat/completions", body, headers=headers)
    assert upstream.inferences[-1].body == body
    assert upstream.inferences[-1].header("content-encoding") == "gzip"
    assert proxy.row(requested_model="plain-gzip")


def test_a_gzipped_request_is_unpacked_to_be_edited(proxy: Any, upstream: FakeUpstream) -> None:
    """A compressed body whose model is renamed goes out plain."""
    body = gzip.compress((ODD % "renamed").encode())
    headers = [("content-type", "application/json"), ("content-encoding", "gzip")]
    with RawClient(proxy.port) as client:
        assert client.ask("/v1/chat/completions", body, headers=headers).status == 200
    assert upstream.inferences[-1].body == (ODD % "other-model").encode()
    assert upstream.inferences[-1].header("content-encoding") is None


EVENTS = [
    b": keep-alive\r\n\r\n",
    b'data: {"id" : "1", "choices":[ {"index":0,"delta":{"content":"\\u00e9 <think"}} ], "x":1e400}\r\n\r\n',
    b"event: vendor\r\nid: 7\r\nretry: 100\r\ndata: not json\r\ndata: at all\r\n\r\n",
    b'data:{"choices":[{"index":0,"delta":{"content":"> caf\xc3\xa9 \xf0\x9f\x98\x80"},'
    b'"finish_reason":"stop"}]}\r\n\r\n',
    b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}\r\n\r\n',
    b"data: [DONE]\r\n\r\n",
]


@pytest.mark.parametrize("size", [1, 3, None], ids=["1 byte writes", "3 byte writes", "whole events"])
@pytest.mark.parametrize("ending", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
@pytest.mark.parametrize("model", ["up/m", "kept/m"])
def test_a_stream_no_stage_changes_is_the_same_to_the_byte(
    model: str, ending: bytes, size: int | None, proxy: Any, upstream: FakeUpstream
) -> None:
    """Comments, unknown events, blanks and line ends are the client's to see, however the bytes were cut."""
    events = [event.replace(b"\r\n", ending) for event in EVENTS]
    upstream.script([Behaviour(events=events, write_size=size)])
    asked = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": True}
    with RawClient(proxy.port) as client:
        reply = client.ask("/v1/chat/completions", {**asked, "stream_options": {"include_usage": True}})
    assert reply.complete
    assert reply.body == b"".join(events)
    row = proxy.row(id=reply.header("x-switchman-request-id"))
    assert row["response"] == reply.body
    assert (row["input_tokens"], row["output_tokens"], row["finish_reason"]) == (1, 2, "stop")


@pytest.mark.parametrize("size", [1, None], ids=["1 byte writes", "whole"])
def test_ndjson_that_no_stage_changes_is_the_same_to_the_byte(
    size: int | None, proxy: Any, upstream_factory: Callable[..., FakeUpstream], upstream: FakeUpstream
) -> None:
    """The same for Ollama's lines."""
    lines = [
        b'{"model":"m", "message":{"role":"assistant","content":"caf\\u00e9 "}, "done":false , "x":1e400}\r\n',
        b'{"message":{"content":"\xf0\x9f\x98\x80"},"done":false}\n',
        b'{"message":{"content":""},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":4}\n',
    ]
    kind = {"content-type": "application/x-ndjson"}
    upstream.script([Behaviour(body=b"".join(lines), headers=kind, write_size=size, framing="chunked")])
    with RawClient(proxy.port) as client:
        reply = client.ask("/api/chat", {"model": "up/m", "messages": []})
    assert reply.body == b"".join(lines)
    row = proxy.row(id=reply.header("x-switchman-request-id"))
    assert (row["input_tokens"], row["output_tokens"]) == (3, 4)


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_a_whole_reply_no_stage_changes_is_the_same_to_the_byte(
    framing: Any, proxy: Any, upstream: FakeUpstream
) -> None:
    """Odd blanks, escapes and numbers come down as they were sent, and so do the upstream's headers (no cookies)."""
    body = (
        b'{ "choices":[{"index":0, "message":{"content" : "a\\u00e9  <b>\\/", "role":"assistant"}}],\r\n "n":1e400 }\n'
    )
    extra = [("X-Upstream", "one"), ("x-upstream", "two"), ("content-type", "application/json")]
    upstream.script([Behaviour(body=body, headers=[*extra, ("Set-Cookie", "a=b")], framing=framing, write_size=5)])
    with RawClient(proxy.port) as client:
        reply = client.ask("/v1/chat/completions", {"model": "up/m", "messages": []})
    assert (reply.complete, reply.body) == (True, body)
    assert [pair for pair in reply.headers if pair in extra] == extra and reply.header("set-cookie") is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[1, 2]",
        b"no json",
        b'{"a": 1',
        b"\xff\xfe",
        b'{"choices": null}',
        b'{"choices": [null, 1, {"message": 3}]}',
    ],
    ids=repr,
)
def test_a_reply_that_is_not_what_it_says_is_no_answer(body: bytes, proxy: Any, upstream: FakeUpstream) -> None:
    """Nothing breaks by an upstream's nonsense: the client is told (more in test_unreadable.py)."""
    upstream.script([Behaviour(body=body, headers={"content-type": "application/json"})])
    with RawClient(proxy.port) as client:
        reply = client.ask("/v1/chat/completions", {"model": "up/m", "messages": []})
    assert reply.status == 502 and b"No server could answer. Tried up/m: " in reply.body


def test_binary_answers_pass_untouched(proxy: Any, upstream: FakeUpstream) -> None:
    """Audio is no text: every byte of it arrives."""
    sound = bytes(range(256)) * 4000
    upstream.script([Behaviour(body=sound, headers={"content-type": "audio/mpeg"}, write_size=1000, framing="chunked")])
    response = proxy.post("/v1/audio/speech", {"model": "up/tts", "input": "hi", "voice": "v"})
    assert response.content == sound
    assert upstream.inferences[-1].json()["model"] == "tts"


def test_what_is_no_llm_call_passes_through(proxy: Any, upstream: FakeUpstream) -> None:
    """A path the router does not know goes to DEFAULT_UPSTREAM, method, query, headers and body untouched."""
    upstream.script([Behaviour(status=207, body=b"\x00odd", headers={"content-type": "x/y"})], path="/some/where")
    with RawClient(proxy.port) as client:
        headers = [("X-Odd", "1"), ("Accept-Encoding", "br")]
        reply = client.ask("/some/where?q=%20", b"\xff\x00", method="PATCH", headers=headers)
    assert (reply.status, reply.body) == (207, b"\x00odd")
    (asked,) = (request for request in upstream.requests if request.method == "PATCH")
    assert (asked.method, asked.target, asked.body) == ("PATCH", "/some/where?q=%20", b"\xff\x00")
    assert asked.header("accept-encoding") == "br"


def test_a_processed_reply_differs_only_in_what_was_stripped(proxy: Any, upstream: FakeUpstream) -> None:
    """With its think block gone, every other field of the reply is still there."""
    upstream.script([Behaviour(think="hm", text="  x\n\n  y ")])
    reply = proxy.chat("up/m").json()
    upstream.script([Behaviour(text="  x\n\n  y ")])
    plain = proxy.chat("up/m").json()
    assert {**reply, "id": ""} == {**plain, "id": ""}
    assert json.dumps(reply).count("hm") == 0
