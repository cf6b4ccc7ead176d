"""Bad input: each gets a clear error in the client's own dialect, a row where there was a request, and no traceback."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from switchman.addons.testing import FakeUpstream
from switchman.addons.testing.rawclient import RawClient, RawReply, request_bytes

PATHS = {"openai": "/v1/chat/completions", "ollama": "/api/chat", "anthropic": "/v1/messages"}
GOOD = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}]}'
JSON = ("content-type", "application/json")
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def upstream(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="up")


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: FakeUpstream) -> Any:
    return start_shared(env={"DEFAULT_UPSTREAM": upstream.url})


@pytest.fixture(autouse=True)
def goes_on(proxy: Any) -> Any:
    """After each test the proxy still serves."""
    yield
    assert proxy.chat("m").status_code == 200


def message_of(dialect: str, reply: RawReply) -> str:
    """The error's message, out of exactly the shape the dialect's SDK reads."""
    assert reply.header("content-type") == "application/json"
    body = reply.json()
    if dialect == "ollama":
        assert body.keys() == {"error"}
        return body["error"]
    if dialect == "anthropic":
        assert body["type"] == "error" and isinstance(body["error"]["type"], str)
    else:
        assert body["error"].keys() == {"message", "type", "param", "code"}
    return body["error"]["message"]


UNREADABLE = {
    "no JSON": (b"{model: m}", 400, "JSON"),
    "cut off": (b'{"model": "m", "messages": [', 400, "JSON"),
    "nothing at all": (b"", 400, "JSON"),
    "an array": (b'["model"]', 400, "object"),
    "a string": (b'"model"', 400, "object"),
    "null": (b"null", 400, "object"),
    "two objects": (GOOD + GOOD, 400, "JSON"),
    "control character": (b'{"model": "m\n"}', 400, "JSON"),
    "invalid UTF-8": (b'{"model": "m", "messages": [{"role": "user", "content": "caf\xe9"}]}', 400, "UTF-8"),
    "UTF-16": ('{"model": "m"}'.encode("utf-16"), 400, ""),
    "a NUL": (GOOD + b"\0", 400, "JSON"),
    "model a number": (b'{"model": 7, "messages": []}', 400, "model"),
    "model an object": (b'{"model": {"a": 1}, "messages": []}', 400, "model"),
    "model true": (b'{"model": true}', 400, "model"),
    "deep nesting": (b'{"model": "m", "x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", 400, ""),
}


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("what", UNREADABLE)
def test_a_body_that_cannot_be_read_is_refused(what: str, dialect: str, proxy: Any, upstream: FakeUpstream) -> None:
    """No upstream is bothered with it; the connection stays usable; the row has the body as it came."""
    body, status, word = UNREADABLE[what]
    before = len(upstream.inferences)
    with RawClient(proxy.port) as client:
        reply = client.ask(PATHS[dialect], body)
        assert reply.status == status, reply.body
        assert word.lower() in message_of(dialect, reply).lower()
        assert client.ask("/v1/chat/completions", GOOD).status == 200
    assert len(upstream.inferences) == before + 1
    row = proxy.row(id=reply.header("x-switchman-request-id"))
    assert (row["status"], row["outcome"], row["attempts"], row["request"]) == (status, "refused", [], body)


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("declared", [True, False], ids=["by its length", "in chunks"])
def test_a_body_of_50_mb_is_refused(declared: bool, dialect: str, proxy: Any, upstream: FakeUpstream) -> None:
    """A body over the limit gets a 413, whether its length was announced or not; it is not kept in memory."""
    before = len(upstream.inferences)
    body = b'{"model": "too-large", "x": "' + b"x" * (50 * MIB) + b'"}'
    path = f"{PATHS[dialect]}?too-large-{declared}"
    with RawClient(proxy.port) as client:
        if declared:
            client.send(request_bytes(path, body))
        else:
            client.send(f"POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode())
            for at in range(0, len(body), MIB):
                piece = body[at : at + MIB]
                client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            client.send(b"0\r\n\r\n")
        reply = client.reply()
    assert reply.status == 413
    assert "larger" in message_of(dialect, reply)
    assert len(upstream.inferences) == before
    row = proxy.row(path=path)
    assert (row["status"], row["outcome"]) == (413, "refused")


MALFORMED = {
    "content-length no number": (b"Content-Length: many\r\n\r\n" + GOOD, 400),
    "content-length negative": (b"Content-Length: -5\r\n\r\n" + GOOD, 400),
    "content-length with a plus": (b"Content-Length: +63\r\n\r\n" + GOOD, 400),
    "content-length twice": (b"Content-Length: 63\r\nContent-Length: 64\r\n\r\n" + GOOD, 400),
    "length and chunks": (b"Content-Length: 63\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "unknown transfer-encoding": (b"Transfer-Encoding: gzip\r\n\r\n" + GOOD, 400),
    "chunk size no number": (b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n", 400),
    "chunk too long": (b"Transfer-Encoding: chunked\r\n\r\n1\r\n{}{}{}\r\n0\r\n\r\n", 400),
    "a header without a colon": (b"no colon here\r\n\r\n", 400),
    "a line break in a header": (b"X-A: b\rTransfer-Encoding: chunked\r\nContent-Length: 63\r\n\r\n" + GOOD, 400),
    "a folded header": (b"X-A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 63\r\n\r\n" + GOOD, 400),
    "a NUL in a header": (b"X-A: b\0c\r\nContent-Length: 63\r\n\r\n" + GOOD, 400),
    "two hosts": (b"Host: y\r\nContent-Length: 63\r\n\r\n" + GOOD, 400),
    "a header's name with a blank": (b"Bad Name: x\r\nContent-Length: 0\r\n\r\n", 400),
}


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_message_is_refused(what: str, dialect: str, proxy: Any, upstream: FakeUpstream) -> None:
    """What cannot be framed is answered in the dialect, then the connection is closed: nobody knows what comes next."""
    rest, status = MALFORMED[what]
    asked = len(upstream.inferences)
    path = f"{PATHS[dialect]}?{quote(what)}"
    with RawClient(proxy.port) as client:
        client.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode() + rest)
        client.half_close()
        reply = client.reply()
        assert (reply.status, reply.complete) == (status, True), reply.body
        assert message_of(dialect, reply)
        assert client.ended()
    row = proxy.row(path=path)
    assert (row["status"], row["outcome"]) == (status, "refused")
    assert len(upstream.inferences) == asked


def test_a_body_over_the_limit_is_not_asked_for(proxy: Any) -> None:
    """A client that asks first whether to send it is told no, instead of being told to continue."""
    with RawClient(proxy.port) as client:
        client.send(b"POST /v1/chat/completions?asks-first HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n")
        client.send(b"content-length: %d\r\n\r\n" % (50 * MIB))
        reply = client.reply()
        assert reply.status == 413
        assert "larger" in message_of("openai", reply)
    row = proxy.row(path="/v1/chat/completions?asks-first")
    assert (row["status"], row["outcome"]) == (413, "refused")


def test_a_body_without_end_is_cut_off(start: Any, upstream: FakeUpstream) -> None:
    """Far above the limit nobody reads on: the client is told, and the connection is closed."""
    proxy = start(env={"DEFAULT_UPSTREAM": upstream.url, "MAX_BODY_BYTES": "100000"})
    with RawClient(proxy.port) as client:
        client.send(b"POST /api/chat HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        with pytest.raises(ConnectionError):
            while True:
                client.send(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
    row = proxy.row(path="/api/chat")
    assert (row["status"], row["outcome"]) == (413, "refused")


@pytest.mark.parametrize("begin", [b"5;", b"0\r\n"], ids=["a chunk's line", "trailers"])
def test_what_is_around_chunks_has_a_limit(begin: bytes, proxy: Any) -> None:
    """A chunk's extensions and the trailers are no data, so the limit on the body does not count them."""
    path = f"/v1/chat/completions?around-{len(begin)}"
    with RawClient(proxy.port) as client:
        client.send(f"POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode() + begin)
        client.send(b"x" * 100_000)
        reply = client.reply()
        assert reply.status == 400
        assert "more than 65536 bytes" in message_of("openai", reply)
        client.half_close()
        assert client.ended()
    row = proxy.row(path=path)
    assert (row["status"], row["outcome"]) == (400, "refused")


def test_a_tunnel_is_refused_with_what_to_do_instead(proxy: Any, upstream: FakeUpstream) -> None:
    """A client that takes the router for its HTTPS_PROXY is told how that is done; nobody's server is named for it."""
    with RawClient(proxy.port) as client:
        client.send(b"CONNECT tunnel.example:443 HTTP/1.1\r\nhost: tunnel.example:443\r\n\r\n")
        reply = client.reply()
        assert reply.status == 400
        assert "base URL" in message_of("openai", reply)
        client.half_close()
        assert client.ended()
    row = proxy.row(method="CONNECT")
    assert (row["status"], row["outcome"], row["attempts"]) == (400, "refused", [])


@pytest.mark.parametrize("dialect", PATHS)
def test_a_body_shorter_than_announced_is_refused(dialect: str, proxy: Any) -> None:
    """A client that stops sending before its length is told so, if it still listens."""
    path = f"{PATHS[dialect]}?short"
    with RawClient(proxy.port) as client:
        client.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode() + GOOD)
        client.half_close()
        reply = client.reply()
    assert reply.status == 400
    assert "length" in message_of(dialect, reply)
    row = proxy.row(path=path)
    assert row["status"] in (400, 499)


def test_a_body_longer_than_announced_is_cut_where_it_said(proxy: Any) -> None:
    """What follows the announced length is the next request's: here garbage, which gets its own error."""
    with RawClient(proxy.port) as client:
        client.send(f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(GOOD)}\r\n\r\n".encode())
        client.send(GOOD + b"trailing garbage\r\n\r\n")
        assert client.reply().status in (200, 400)  # 400: the fake upstream misses its content-type
        reply = client.reply()
        assert reply.status == 400
        assert message_of("openai", reply)


@pytest.mark.parametrize("dialect", PATHS)
def test_a_10_mb_header_is_refused(dialect: str, proxy: Any) -> None:
    """The head has a limit of its own; the client, which writes before it reads, gets to see why."""
    path = f"{PATHS[dialect]}?headers"
    with RawClient(proxy.port) as client:
        try:
            client.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Big: ".encode() + b"x" * (10 * MIB) + b"\r\n\r\n")
        except ConnectionError:
            pass  # the answer may be there all the same
        reply = client.reply()
    assert reply.status == 431
    assert "headers" in message_of(dialect, reply)
    assert proxy.row(path=path)["status"] == 431


def test_many_small_headers_have_the_same_limit(proxy: Any) -> None:
    """The limit is on the head as a whole."""
    with RawClient(proxy.port) as client:
        headers = [JSON, *((f"x-{n}", "y" * 100) for n in range(2000))]
        assert client.ask("/v1/chat/completions", GOOD, headers=headers).status == 431


def test_a_large_head_within_the_limit_is_served(proxy: Any) -> None:
    """60 KB of headers are much, and allowed."""
    with RawClient(proxy.port) as client:
        reply = client.ask("/v1/chat/completions", GOOD, headers=[JSON, ("x-much", "y" * 60_000)])
        assert reply.status == 200


@cache
def bomb() -> bytes:
    """A gibibyte of blanks, in little more than one mebibyte."""
    squeezer = zlib.compressobj(9, wbits=31)
    squeezed = b"".join(squeezer.compress(b" " * MIB) for _ in range(1024)) + squeezer.flush()
    assert len(squeezed) < 2 * MIB
    return squeezed


@pytest.mark.parametrize("dialect", PATHS)
def test_a_gzip_bomb_is_refused(dialect: str, proxy: Any) -> None:
    """A small body that unpacks to more than the limit is no way around it."""
    with RawClient(proxy.port) as client:
        reply = client.ask(PATHS[dialect], bomb(), headers=[JSON, ("content-encoding", "gzip")])
    assert reply.status == 413
    assert "larger" in message_of(dialect, reply)


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", b"not gzip", 400),
        ("gzip", gzip.compress(GOOD, mtime=0)[:-9], 400),
        ("br", b"\x0b\x02\x80", 415),
        ("zstd", b"\x28\xb5\x2f\xfd", 415),
        ("gzip, gzip", gzip.compress(gzip.compress(GOOD, mtime=0), mtime=0), 415),
        ("nonsense", GOOD, 415),
    ],
)
def test_a_content_encoding_that_cannot_be_read_is_refused(
    encoding: str, body: bytes, status: int, dialect: str, proxy: Any
) -> None:
    """The error names the encoding, and what is supported."""
    with RawClient(proxy.port) as client:
        reply = client.ask(PATHS[dialect], body, headers=[JSON, ("content-encoding", encoding)])
    assert reply.status == status
    assert "gzip" in message_of(dialect, reply)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_http_1_0_client_is_served(stream: bool, proxy: Any) -> None:
    """Without chunks, which it does not know: its answer ends with the connection."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": stream}).encode()
    with RawClient(proxy.port) as client:
        head = f"POST /v1/chat/completions HTTP/1.0\r\nContent-Length: {len(body)}\r\n"
        client.send(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        reply = client.reply()
        assert reply.status == 200
        assert reply.header("transfer-encoding") is None
        assert reply.body.endswith(b"data: [DONE]\n\n") if stream else reply.json()["choices"]
        assert client.ended()


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello there\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x00" * 100 + b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /v1/chat/completions HTTP/9.9\r\n\r\n",
        b"\r\n" * 1000,
        b"GET / HTTP/1.1\r\n: empty\r\n\r\n",
    ],
    ids=lambda garbage: garbage[:16].decode("ascii", "backslashreplace").strip(),
)
def test_garbage_is_answered_or_cut_off(garbage: bytes, proxy: Any) -> None:
    """Whatever it is, the connection ends, and nothing is left hanging."""
    with RawClient(proxy.port) as client:
        client.send(garbage)
        client.half_close()
        try:
            reply = client.reply()
        except EOFError:
            return
        assert 400 <= reply.status < 600


def test_odd_model_names_do_no_harm(proxy: Any, upstream: FakeUpstream) -> None:
    """Names are the client's to choose: long ones get an answer and a row; so do control characters and half
    surrogates, which are refused.
    """
    refused = ["a\u0000b", "line\nbreak", "\ud800", " "]
    for name in ["x" * 100_000, "<script>alert(1)</script>", "../../etc", "é😀", "", *refused]:
        body = json.dumps({"model": name, "messages": [{"role": "user", "content": "hi"}]}).encode()
        with RawClient(proxy.port) as client:
            reply = client.ask("/v1/chat/completions", body)
            assert reply.status == (400 if name in refused else 200), (name[:20], reply.body)
            assert proxy.row(id=reply.header("x-switchman-request-id"))["status"] == reply.status
            if name in refused:
                assert not any(json.loads(asked.body)["model"] == name for asked in upstream.inferences)
                continue
            # No name is `auto`: the first model that is listed.
            assert json.loads(upstream.inferences[-1].body)["model"] == (name or "fake-model")


CRASH = """
from switchman.addons.hooks.outbound.rewriting import Rewriting

def prepare(self, flow, x):
    raise ZeroDivisionError("on purpose")

Rewriting.prepare = prepare
"""


def test_a_request_at_which_the_router_itself_fails_is_answered(start: Any, tmp_path: Path) -> None:
    """A mistake of ours is a 500 in the client's dialect, and a row; nobody is left waiting."""
    (tmp_path / "crash.py").write_text(CRASH)
    pipeline = Path(__file__).parents[2] / "addons" / "pipeline.py"

    def command(proxy: Any) -> list[str]:
        program = str(Path(sys.executable).with_name("mitmdump"))
        mode = ["--mode", "reverse:http://127.0.0.1:9", "--listen-host", "127.0.0.1", "-p", "0"]
        return [program, "-s", str(tmp_path / "crash.py"), "-s", str(pipeline), *mode,
                "--set", f"confdir={proxy.folder / 'mitmproxy'}"]  # fmt: skip

    proxy = start(command=command)
    answer = proxy.chat("m")
    assert (answer.status_code, "its own log" in answer.json()["error"]["message"]) == (500, True)
    assert proxy.row_of(answer)["status"] == 500
    proxy.wait_output("on purpose")
    proxy.overlook()
