"""A request goes to servers of the rules and nowhere else, whatever its client writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.testing import FakeUpstream
from switchman.addons.testing.rawclient import RawClient

KEY = "sk-egress-0123456789abcdef"
BODY = json.dumps({"model": "fake-model", "messages": [{"role": "user", "content": "hi"}]}).encode()


@pytest.fixture(scope="module")
def evil(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    """A server that runs, and that no rule names."""
    return upstream_factory(name="evil")


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: FakeUpstream, evil: FakeUpstream) -> Any:
    routes = f'servers: {{good: {{url: "{upstream.url}", dialect: openai, api_key: "env:OWN", pass_through: true}}}}\n'
    return start_shared(routes, {"OWN": KEY, "DEFAULT_UPSTREAM": upstream.url})


HEADS = {
    "absolute-form": "POST http://EVIL/v1/chat/completions HTTP/1.1\r\nHost: EVIL\r\n",
    "absolute-form, our Host": "POST http://EVIL/v1/chat/completions HTTP/1.1\r\nHost: OURS\r\n",
    "absolute-form, https": "POST https://EVIL/v1/chat/completions HTTP/1.1\r\nHost: OURS\r\n",
    "absolute-form, userinfo": "POST http://OURS@EVIL/v1/chat/completions HTTP/1.1\r\nHost: OURS\r\n",
    "Host": "POST /v1/chat/completions HTTP/1.1\r\nHost: EVIL\r\n",
    "two Hosts": "POST /v1/chat/completions HTTP/1.1\r\nHost: OURS\r\nHost: EVIL\r\n",
    "forwarded": (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: OURS\r\nX-Forwarded-Host: EVIL\r\nForwarded: host=EVIL\r\n"
        "X-Host: EVIL\r\nX-Original-URL: http://EVIL/\r\nX-Rewrite-URL: http://EVIL/\r\nX-Upstream: EVIL\r\n"
        "X-Switchman-Server: http://EVIL\r\nX-Switchman-Upstream: http://EVIL\r\n"
    ),
    "two slashes": "POST //EVIL/v1/chat/completions HTTP/1.1\r\nHost: OURS\r\n",
    "userinfo in the path": "POST /@EVIL/v1/chat/completions HTTP/1.1\r\nHost: OURS\r\n",
    "no slash": "POST @EVIL/v1/chat/completions HTTP/1.1\r\nHost: OURS\r\n",
    "a port of its own": "POST :80@EVIL/v1/chat/completions HTTP/1.1\r\nHost: OURS\r\n",
    "a URL as the path": "POST /http://EVIL/v1/chat/completions HTTP/1.1\r\nHost: OURS\r\n",
    "backslashes": "POST /\\EVIL/v1/chat/completions HTTP/1.1\r\nHost: OURS\r\n",
    "encoded slashes": "POST /%2f%2fEVIL/v1/chat/completions HTTP/1.1\r\nHost: OURS\r\n",
    "dots": "POST /v1/../../EVIL/v1/chat/completions HTTP/1.1\r\nHost: OURS\r\n",
    "query": "POST /v1/chat/completions?url=http://EVIL/&base_url=http://EVIL&host=EVIL HTTP/1.1\r\nHost: OURS\r\n",
    "fragment": "POST /v1/chat/completions#@EVIL/ HTTP/1.1\r\nHost: OURS\r\n",
    "CONNECT": "CONNECT EVIL HTTP/1.1\r\nHost: EVIL\r\n",
    "upgrade": "POST /v1/chat/completions HTTP/1.1\r\nHost: OURS\r\nConnection: Upgrade\r\nUpgrade: TLS/1.2, EVIL\r\n",
    "h2c": "POST http://EVIL/v1/chat/completions HTTP/1.1\r\nHost: EVIL\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "pass-through": "GET http://EVIL/v1/files HTTP/1.1\r\nHost: EVIL\r\n",
    "WebSocket": "GET http://EVIL/v1/realtime HTTP/1.1\r\nHost: OURS\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_that_names_another_server(name: str, proxy: Any, upstream: FakeUpstream, evil: FakeUpstream) -> None:
    """It is answered by a server of the rules, or refused; the other one gets not even a connection."""
    ours = f"127.0.0.1:{proxy.port}"
    head = HEADS[name].replace("EVIL", f"127.0.0.1:{evil.port}").replace("OURS", ours)
    body = b"" if head.startswith(("GET", "CONNECT")) else BODY
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    before = len(upstream.requests)
    with RawClient(proxy.port) as client:
        client.send(head.encode() + body)
        reply = client.reply()
    assert 200 <= reply.status < 600 and evil.connections == 0
    assert b"evil" not in reply.body and KEY.encode() not in reply.body
    for request in upstream.requests[before:]:  # what does arrive, arrives as a request for that server
        assert request.header("host") == upstream.url.removeprefix("http://") and request.path.startswith("/")


@pytest.mark.parametrize(
    "model", ["http://EVIL/fake-model", "EVIL/fake-model", "//EVIL/fake-model", "good@EVIL/fake-model", "good/../EVIL"]
)
def test_a_model_that_names_another_server(model: str, proxy: Any, upstream: FakeUpstream, evil: FakeUpstream) -> None:
    """A model's name is no address; those of the rules have names, too."""
    for path in ("/v1/chat/completions", "/v1/messages", "/api/chat"):
        named = model.replace("EVIL", f"127.0.0.1:{evil.port}")
        said = {"model": named, "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
        proxy.post(path, said)
    assert evil.connections == 0


def test_a_denied_address_behind_a_name(start: Any, upstream: FakeUpstream) -> None:
    """`localhost` stands for a name that leads to a denied address: the request fails, and says by which setting."""
    before = upstream.connections
    proxy = start(
        f'servers: {{s: {{url: "http://localhost:{upstream.port}", dialect: openai, api_key: "env:OWN"}}}}\n',
        {"OWN": KEY, "EGRESS_DENY": "loopback", "DEFAULT_UPSTREAM": "http://localhost:9"},
    )
    for stream in (False, True):
        answer = proxy.chat("s/fake-model", stream)
        assert answer.status_code == 502 and "EGRESS_DENY=loopback" in answer.text
    assert upstream.connections == before
    proxy.overlook()
