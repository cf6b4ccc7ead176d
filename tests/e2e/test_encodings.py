"""Servers that compress their answers although `accept-encoding: identity` was sent."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import brotli
import pytest
import zstandard

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.rawclient import RawClient

CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}
ASKED = {"messages": [{"role": "user", "content": "hi"}]}
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def upstream(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="up")


@pytest.fixture(scope="module")
def closing(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    """One more, as a server that has failed too often is left alone."""
    return upstream_factory(name="closing")


@pytest.fixture(scope="module")
def good(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="good")


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: FakeUpstream, closing: FakeUpstream, good: FakeUpstream) -> Any:
    names = ["whole", "stream", "bomb"]
    lines = [f"  {name}: {{instances: [up/{name}, good/m]}}" for name in names]
    lines += [f"  closing-{name}: {{instances: [closing/{name}, good/m]}}" for name in names]
    servers = f"servers:\n  up: '{upstream.url}'\n  closing: '{closing.url}'\n  good: '{good.url}'\n"
    return start_shared(servers + "aliases:\n" + "\n".join(lines) + "\n")


def completion(text: str) -> bytes:
    message = {"role": "assistant", "content": text}
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()


def events(*texts: str) -> bytes:
    made = [{"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]} for text in texts]
    made[-1]["choices"][0]["finish_reason"] = "stop"
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in made) + b"data: [DONE]\n\n"


def encoded(coding: str, body: bytes, stream: bool, **more: Any) -> Behaviour:
    kind = "text/event-stream" if stream else "application/json"
    headers = {"content-type": kind, "content-encoding": coding}
    return Behaviour(body=body, headers=headers, framing="chunked" if stream else "length", write_size=7, **more)


@pytest.mark.parametrize("coding", CODINGS)
def test_a_whole_answer_is_decoded_and_processed(coding: str, proxy: Any, upstream: FakeUpstream) -> None:
    """Thinking is stripped, and the client, which had asked for no coding, gets none."""
    upstream.script([encoded(coding, CODINGS[coding](completion("<think>hm</think>Yes.")), stream=False)])
    with RawClient(proxy.port) as client:
        reply = client.ask("/v1/chat/completions", {"model": "up/m", **ASKED})
        assert reply.complete and reply.header("content-encoding") is None
        assert reply.json()["choices"][0]["message"]["content"] == "Yes."
        assert client.ask("/v1/chat/completions", {"model": "good/m", **ASKED}).status == 200
    assert proxy.row(id=reply.header("x-switchman-request-id"))["response"] == reply.body


@pytest.mark.parametrize("coding", CODINGS)
def test_a_stream_is_decoded_and_processed(coding: str, proxy: Any, upstream: FakeUpstream) -> None:
    """The same, event by event; the official client reads it."""
    body = CODINGS[coding](events("<think>", "hm</think>", "Y", "es."))
    upstream.script([encoded(coding, body, stream=True)])
    chunks = proxy.openai().chat.completions.create(model="up/m", stream=True, **ASKED)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Yes."


def test_events_of_a_compressed_stream_go_on_as_they_come(proxy: Any, upstream: FakeUpstream) -> None:
    """A server that flushes each event is not waited for to its end."""
    upstream.script([Behaviour(pieces=["first ", "second"], gzip=True, stall_after=2)])
    stream = proxy.openai().chat.completions.create(model="up/m", stream=True, **ASKED)
    text = ""
    for chunk in stream:
        text += chunk.choices[0].delta.content or ""
        if text:
            break
    stream.close()
    assert text == "first "


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("closes", [False, True], ids=["framed", "closes"])
def test_what_cannot_be_decoded_lets_another_server_answer(
    stream: bool, closes: bool, coding: str, proxy: Any, upstream: FakeUpstream, closing: FakeUpstream
) -> None:
    """It is a broken answer, however it ends, and nothing of it has gone to the client."""
    body = CODINGS[coding](completion("x" * 500))
    wrong = encoded(coding, b"\xff" * 9 + body if coding == "deflate" else body[:10] + body, stream)
    if closes:
        closing.script([replace(wrong, framing="close")])
    else:
        upstream.script([wrong])
    response = proxy.chat(("closing-" if closes else "") + ("stream" if stream else "whole"), stream)
    assert (response.status_code, "Hello" in response.text) == (200, True)
    first, second = proxy.row_of(response)["attempts"]
    assert (first["outcome"], second["server"]) == ("reset", "good"), first
    assert coding in first["error"]


def test_a_stream_that_turns_out_corrupt_ends_with_an_error_event(proxy: Any, upstream: FakeUpstream) -> None:
    """After its first event there is no other server: an error event, a clean end, and the row says so."""
    good = gzip.compress(events("a", "b")[:-20])
    upstream.script([encoded("gzip", good + b"and now for something else", stream=True)])
    with RawClient(proxy.port) as client:
        reply = client.ask("/v1/chat/completions", {"model": "up/m", "stream": True, **ASKED})
    assert reply.complete
    assert b'"a"' in reply.body and b'"error"' in reply.body
    assert proxy.row(id=reply.header("x-switchman-request-id"))["outcome"] == "stream_error"


def test_a_bomb_is_not_unpacked(proxy: Any, upstream: FakeUpstream) -> None:
    """A few kilobytes that would become hundreds of megabytes are a broken answer."""
    squeezer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(squeezer.compress(b" " * MIB) for _ in range(512)) + squeezer.flush()
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    upstream.script([Behaviour(body=bomb, headers=headers)])
    response = proxy.chat("bomb")
    assert response.json()["choices"][0]["message"]["content"] == "Hello from good."
    assert "expand" in proxy.row_of(response)["attempts"][0]["error"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_unknown_coding_passes_untouched(stream: bool, proxy: Any, upstream: FakeUpstream) -> None:
    """What nobody here can read goes on as it is, with its header, and the trace says so."""
    body = b"\x01\x02 who knows"
    upstream.script([encoded("aes128gcm", body, stream)])
    with RawClient(proxy.port) as client:
        reply = client.ask("/v1/chat/completions", {"model": "up/m", "stream": stream, **ASKED})
    assert (reply.body, reply.header("content-encoding")) == (body, "aes128gcm")
    row = proxy.row(id=reply.header("x-switchman-request-id"))
    assert any("aes128gcm" in line["detail"] for line in row["trace"])


def test_a_client_that_asks_for_a_coding_elsewhere_gets_it(proxy: Any, upstream: FakeUpstream) -> None:
    """Calls that are passed through keep their own accept-encoding, and their answers what the server made of it."""
    upstream.script([encoded("gzip", gzip.compress(b"{}"), stream=False)], path="/v1/files")
    with RawClient(proxy.port) as client:
        headers = [("accept-encoding", "gzip"), ("content-type", "application/json")]
        reply = client.ask("/v1/files", {"a": 1}, headers=headers)
    assert reply.header("content-encoding") == "gzip" or reply.status == 502
