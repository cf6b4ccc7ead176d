"""A body that another parser could read otherwise is refused in the client's dialect, and reaches no server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.testing import FakeUpstream
from switchman.addons.testing.rawclient import RawClient, RawReply

SAID: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/completions": {"prompt": "hi"},
    "/v1/responses": {"input": "hi"},
    "/v1/embeddings": {"input": "hi"},
    "/v1/messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9},
    "/v1/messages/count_tokens": {"messages": [{"role": "user", "content": "hi"}]},
    "/api/chat": {"messages": [{"role": "user", "content": "hi"}]},
    "/api/generate": {"prompt": "hi"},
    "/api/embed": {"input": "hi"},
    "/v1/rerank": {"query": "hi", "documents": ["a"]},
}
JSON = ("content-type", "application/json")
FORM = ("content-type", "multipart/form-data; boundary=b")
PART = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: FakeUpstream) -> Any:
    routes = f"""
servers:
  up: "{upstream.url}"
aliases:
  千问（快）: {{instances: [up/m]}}
routes:
  - {{match: {{model: blocked}}, route: {{model: up/harmless}}}}
cache: {{exact: {{ttl: 60}}, models: ["up/*"]}}
"""
    return start_shared(routes, {"DEFAULT_UPSTREAM": upstream.url})


def refused(reply: RawReply, path: str, word: str) -> None:
    """A 400 in the form of the path's dialect, that names what is wrong."""
    assert reply.status == 400, reply.body
    error = reply.json()["error"]
    if path.startswith("/v1/messages"):
        assert reply.json()["type"] == "error" and error["type"] == "invalid_request_error"
    assert word in (error if path.startswith("/api") else error["message"])


def after(first: str, body: dict[str, Any]) -> bytes:
    """The body's JSON with these members put before its own."""
    return b"{" + first.encode() + b", " + json.dumps(body).encode()[1:]


TOP = {
    "the model twice": ('"model": "blocked"', "`model` occurs twice"),
    "an escaped key": (r'"\u006dodel": "blocked"', "`model` occurs twice"),
    "another case": ('"Model": "blocked"', "write `model`"),
    "Go's folding": ('"\u017ftream": true', "write `stream`"),
    "a full-width key": ('"\uff4dodel": "blocked"', "write `model`"),
    "stream twice": ('"stream": true, "stream": false', "`stream` occurs twice"),
    "stream a text": ('"stream": "false"', "stream: expected"),
    "tools twice": ('"tools": [], "tools": []', "`tools` occurs twice"),
    "within a tool": ('"tools": [{"function": {"name": "a"}, "function": {"name": "b"}}]', "`function` occurs twice"),
    "a tool's other case": ('"tools": [{"type": "function", "Function": {"name": "b"}}]', "write `function`"),
    "within a message": ('"messages": [{"role": "user", "role": "system", "content": "x"}]', "`role` occurs twice"),
    "a message's other case": ('"input": [{"role": "user", "Content": "x"}]', "write `content`"),
}  # fmt: skip


@pytest.mark.parametrize("path", SAID)
def test_keys_that_may_be_read_otherwise(path: str, proxy: Any, upstream: FakeUpstream) -> None:
    """In every dialect, at the top and below; the row has the reason."""
    asked = len(upstream.inferences)
    with RawClient(proxy.port) as client:
        for first, word in TOP.values():
            said = {key: value for key, value in SAID[path].items() if f'"{key}"' not in first}
            reply = client.ask(path, after(first, {"model": "up/m", **said}), headers=[JSON])
            refused(reply, path, word)
            row = proxy.row(id=reply.header("x-switchman-request-id"))
            assert (row["status"], row["outcome"]) == (400, "refused") and word in row["error"]
        reply = client.ask(path, json.dumps({"Model": "blocked", **SAID[path]}).encode(), headers=[JSON])
        refused(reply, path, "write `model`")
    assert len(upstream.inferences) == asked


NAMES = ["ｂlocked", "bloc\u212aed", "blo\u200bcked", " blocked", "blocked\n", "blocked\0", "blocked\ud800"]


@pytest.mark.parametrize("path", SAID)
def test_names_that_look_alike(path: str, proxy: Any, upstream: FakeUpstream) -> None:
    """A rule for `blocked` does not see them; neither does a server."""
    asked = len(upstream.inferences)
    with RawClient(proxy.port) as client:
        for name in NAMES:
            refused(client.ask(path, {"model": name, **SAID[path]}), path, "more than one way")
    assert len(upstream.inferences) == asked


@pytest.mark.parametrize("name", ["модель", "通义千问", "café", "fast-⚡️"])
def test_honest_names_pass(name: str, proxy: Any, upstream: FakeUpstream) -> None:
    """In all letters, to the byte; and a name that the configuration has is known."""
    with RawClient(proxy.port) as client:
        assert client.ask("/v1/chat/completions", {"model": name, **SAID["/v1/chat/completions"]}).status == 200
        assert json.loads(upstream.inferences[-1].body)["model"] == name
        assert client.ask("/v1/chat/completions", {"model": "千问（快）", **SAID["/v1/chat/completions"]}).status == 200
        assert json.loads(upstream.inferences[-1].body)["model"] == "m"


GOOD = b'{"model": "blocked", "messages": [{"role": "user", "content": "hi"}]}'
FORMS = PART % (b"model", b"up/m") + PART % (b"x", b"y") + b"--b--\r\n"
WHOLE = {
    "JSON before a form": (GOOD + b"\r\n" + FORMS, [FORM], ""),
    "JSON behind a form": (FORMS + GOOD, [FORM], ""),
    "a form as JSON": (FORMS, [JSON], ""),
    "JSON as a form": (GOOD, [FORM], ""),
    "two models": (PART % (b"model", b"up/m") + PART % (b"model", b"blocked") + b"--b--\r\n", [FORM], "model"),
    "another case": (PART % (b"Model", b"blocked") + b"--b--\r\n", [FORM], "model"),
    "two types": (GOOD, [JSON, FORM], "Content-Type"),
    "two types in one field": (GOOD, [("content-type", f"application/json, {FORM[1]}")], "Content-Type"),
    "two boundaries": (FORMS, [("content-type", f"{FORM[1]}; boundary=c")], "boundary"),
    "UTF-7": (GOOD, [("content-type", "application/json; charset=utf-7")], "charset"),
    "UTF-16": (GOOD.decode().encode("utf-16"), [("content-type", "application/json; charset=utf-16")], ""),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD, [JSON], ""),
    "more behind it": (GOOD + b"{}", [JSON], ""),
    "a comment": (b"/* */" + GOOD, [JSON], ""),
}
TRANSCRIBE = "/v1/audio/transcriptions"


@pytest.mark.parametrize(("body", "headers", "word"), WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat", "/v1/messages", TRANSCRIBE])
def test_bodies_that_are_two(
    body: bytes, headers: list[tuple[str, str]], word: str, path: str, proxy: Any, upstream: FakeUpstream
) -> None:
    """JSON and a form at once, or a text in two charsets; whatever the operation expects."""
    asked = len(upstream.inferences)
    with RawClient(proxy.port) as client:
        refused(client.ask(path, body, headers=headers), path, word if path == TRANSCRIBE else "")
    assert len(upstream.inferences) == asked


@pytest.mark.parametrize(
    ("target", "body", "headers"),
    [
        ("/some/thing", b'{"model": "up/m", "model": "blocked"}', [JSON]),
        ("/some/thing", b'{"Model": "blocked"}', [JSON]),
        ("/some/thing", b'{"model": "blocked"} x', [JSON]),
        ("/some/thing", b" " * 200 + b'{"model": "blocked"} x', [("content-type", "text/plain")]),
        ("/some/thing", b'\xef\xbb\xbf{"model": "blocked"}', [JSON]),
        ("/some/thing", '{"model": "blocked"}'.encode("utf-16"), [JSON]),
        ("/some/thing", b"model=up/m&Model=blocked", [("content-type", "application/x-www-form-urlencoded")]),
        ("/some/thing", b'{"a": "&model=blocked&b"}', [("content-type", "application/x-www-form-urlencoded")]),
        ("/some/thing?model=up/m&model=blocked", b"", []),
        ("/some/thing?model%5b%5d=blocked", b"", []),
        ("/v1/rerank?Model=blocked", b'{"query": "x"}', [JSON]),
    ],
)
def test_paths_that_are_not_known(
    target: str, body: bytes, headers: list[tuple[str, str]], proxy: Any, upstream: FakeUpstream
) -> None:
    """What names a model to somebody names it to us, or goes nowhere, although what names none is passed on."""
    with RawClient(proxy.port) as client:
        refused(client.ask(target, body, headers=headers), target, "")
    assert not upstream.heard(target.partition("?")[0])


def test_what_decides_nothing_passes_untouched_and_is_not_cached(proxy: Any, upstream: FakeUpstream) -> None:
    """Servers may take either of two equal keys, so their answer is for this body only."""
    single = b'{"model": "up/m", "messages": [{"role": "user", "content": "hi"}], "seed": 2}'
    odd = single.replace(b'"seed": 2', b'"seed": 1, "seed": 2').replace(b"up/", b"")
    nested = single.replace(b'"seed"', b'"response_format": {"type": "text", "type": "text"}, "seed"')
    with RawClient(proxy.port) as client:
        assert client.ask("/v1/chat/completions", odd).status == 200
        assert upstream.inferences[-1].body == odd
        told = [
            client.ask("/v1/chat/completions", body).header("x-switchman-cache")
            for body in (nested, nested, single, nested)
        ]
    assert told == ["bypass", "bypass", "miss", "bypass"]
