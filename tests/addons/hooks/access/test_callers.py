"""Callers: who asks is told by a token, at the head of the request, and the token goes no further."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mitmproxy import http

from switchman.addons.core.access import apitoken
from switchman.addons.core.access.caller import Terms
from switchman.addons.flow.exchange import Exchange, begin, exchange
from switchman.addons.hooks.access import callers as module
from switchman.addons.hooks.access.callers import TOKEN_IN_PATH, Callers
from switchman.addons.hooks.inbound.gate import Gate
from switchman.addons.hooks.inbound.intake import Intake
from switchman.addons.state.access.failures import BURST
from switchman.addons.state.access.tokens import LONGEST, Tokens
from switchman.addons.store.access.opening import Access, open_access

CHAT = "/v1/chat/completions"
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
FOREIGN = apitoken.make(bytes(32))


class Asked:
    """Requests to a router with one token in its database."""

    def __init__(self, runtime: Any, make_flow: Callable[..., http.HTTPFlow], secret: str) -> None:
        self.runtime, self.make_flow, self.secret = runtime, make_flow, secret
        self.callers = Callers(runtime)

    def __call__(self, path: str = CHAT, body: Any = BODY, **more: Any) -> http.HTTPFlow:
        flow = self.make_flow(path, body, **more)
        Gate(self.runtime).requestheaders(flow)
        self.callers.requestheaders(flow)
        return flow


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Access, str]]:
    """A database with one token, and that."""
    access = open_access(None, tmp_path_factory.mktemp("tokens") / "tokens.db")
    _, secret = access.tokens.create(Terms("anna"), 1.0)
    yield access, secret
    access.close()


@pytest.fixture
def asked(make_runtime: Callable[..., Any], make_flow: Callable[..., http.HTTPFlow], kept: tuple[Access, str]) -> Asked:
    access, secret = kept
    runtime = make_runtime(client_auth="TOKENS")
    runtime.tokens = Tokens(access.tokens)
    runtime.tokens.look()
    return Asked(runtime, make_flow, secret)


def name_of(flow: http.HTTPFlow) -> str | None:
    x = exchange(flow)
    assert x is not None
    return x.caller.name if x.caller else None


def test_a_good_token_lets_in(asked: Asked) -> None:
    """The caller is known, and the token is out of the request."""
    both = {"x-api-key": "sk-ant-own", "authorization": f"Bearer {asked.secret}"}
    flow = asked(f"{CHAT}?key={asked.secret}&a=1", headers=both)
    assert flow.response is None and name_of(flow) == "anna"
    assert asked.secret not in repr(flow.request.headers.fields) and flow.request.path == f"{CHAT}?a=1"
    assert flow.request.headers["x-api-key"] == "sk-ant-own" and "authorization" not in flow.request.headers


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "ollama"])
def test_nobody_else_gets_in(dialect: str, asked: Asked) -> None:
    """A 401 in the client's dialect, with a challenge; the answer has no token in it."""
    path = {"openai": CHAT, "anthropic": "/v1/messages", "ollama": "/api/chat"}[dialect]
    flow = asked(path, headers={"x-api-key": FOREIGN})
    assert flow.response is not None and flow.response.status_code == 401
    assert flow.response.headers["www-authenticate"].startswith("Bearer")
    told = json.loads(flow.response.content or b"")
    message = told["error"] if dialect == "ollama" else told["error"]["message"]
    assert "not known here" in message and FOREIGN not in message
    assert dialect == "ollama" or told["error"]["type"] == "authentication_error"
    x = exchange(flow)
    assert x is not None and x.caller is None and x.outcome == "refused" and x.leaves_row


@pytest.mark.parametrize(
    ("method", "path", "headers", "is_open"),
    [
        ("GET", "/healthz", {}, True),
        ("HEAD", "/healthz", {}, True),
        ("GET", "/readyz", {}, True),
        ("GET", "/", {}, True),
        ("HEAD", "/", {}, True),
        ("OPTIONS", CHAT, {"origin": "http://localhost", "access-control-request-method": "POST"}, True),
        ("OPTIONS", CHAT, {"origin": "http://localhost"}, False),
        ("OPTIONS", CHAT, {}, False),
        ("POST", "/healthz", {}, False),
        ("POST", "/", {}, False),
        ("GET", "/", {"upgrade": "websocket"}, False),
        ("GET", "/healthz/x", {}, False),
        ("GET", "/v1/models", {}, False),
        ("GET", "/api/tags", {}, False),
        ("GET", "/api/version", {}, False),
        ("GET", "/api/ps", {}, False),
        ("POST", "/api/show", {}, False),
        ("GET", "/v1/files", {}, False),
        ("GET", "/v1/realtime", {"upgrade": "websocket"}, False),
        ("TRACE", "/", {}, False),
    ],
)
def test_what_is_open(method: str, path: str, headers: dict[str, str], is_open: bool, asked: Asked) -> None:
    """What the router answers itself, and what tells nothing of the configuration; all else is closed."""
    flow = asked(path, None, method=method, headers=headers)
    assert (flow.response is None) is is_open


def test_nothing_is_open_through_a_forward_proxy(asked: Asked) -> None:
    """There the paths are another server's."""
    page = {"origin": "http://localhost", "access-control-request-method": "POST"}
    for method, path, headers in (
        ("POST", CHAT, {}),
        ("GET", "/healthz", {}),
        ("GET", "/", {}),
        ("OPTIONS", CHAT, page),
    ):
        flow = asked.make_flow(path, None, method=method, headers=headers, mode="regular")
        begin(flow, Exchange("id", 0.0, 0.0, "192.0.2.1"))
        asked.callers.requestheaders(flow)
        assert flow.response is not None and flow.response.status_code == 401


def test_a_head_is_refused_without_a_body(asked: Asked) -> None:
    """RFC 9110 section 9.3.2: else what follows on its connection would be read wrongly."""
    flow = asked("/v1/models", None, method="HEAD")
    assert flow.response is not None and flow.response.status_code == 401
    assert flow.response.raw_content == b"" and int(flow.response.headers["content-length"]) > 0


def test_an_open_path_knows_its_caller(asked: Asked) -> None:
    """With a bad token it is open all the same."""
    assert name_of(asked("/readyz", None, method="GET", headers={"api-key": asked.secret})) == "anna"
    flow = asked("/readyz", None, method="GET", headers={"api-key": FOREIGN})
    assert flow.response is None and name_of(flow) is None


@pytest.mark.parametrize("auth", ["NONE", "TOKENS"])
@pytest.mark.parametrize(
    ("name", "value", "left"),
    [
        ("cookie", "a=1; t={}", "a=1"),
        ("x-other", "{}", None),
        ("authorization", "Basic " + base64.b64encode(f"u:{FOREIGN}".encode()).decode(), None),
        ("referer", "http://h/?key={}&b=2", "http://h/?&b=2"),
        ("x-other", "{}and-more", "-more"),
        ("sec-websocket-protocol", "realtime, openai-insecure-api-key.{}", "realtime"),
    ],
)
def test_no_server_sees_one(name: str, value: str, left: str | None, auth: str, asked: Asked) -> None:
    """Wherever it stands, whosever it is, and whether tokens are asked for or not."""
    if auth == "NONE":
        asked.runtime.tokens = None
    flow = asked(headers={name: value.format(FOREIGN), "api-key": asked.secret})
    assert FOREIGN[:30] not in repr(flow.request.headers.fields) and "api-key" not in flow.request.headers
    assert flow.request.headers.get(name) == left


def test_one_in_the_path_is_refused(asked: Asked) -> None:
    """It cannot be taken out of there."""
    for path in (f"/{asked.secret}/v1/models", f"/v1/models/{asked.secret.replace('-', '%2D')}"):
        flow = asked(path, None, method="GET", headers={"api-key": asked.secret})
        assert flow.response is not None and flow.response.status_code == 400
        assert TOKEN_IN_PATH in flow.response.text


def test_in_a_body_it_becomes_asterisks(asked: Asked) -> None:
    """An agent may have found it in a file; the body's length stays."""
    flow = asked(body={**BODY, "user": f"see {asked.secret}."}, headers={"api-key": asked.secret})
    before = len(flow.request.raw_content or b"")
    Intake(asked.runtime).request(flow)
    x = exchange(flow)
    assert x is not None and x.sent is not None and x.call is not None
    assert x.call.body["user"] == f"see {'*' * 49}." and len(x.sent.content) == before


def test_too_many_of_one_address(asked: Asked) -> None:
    """They get a 429 and leave no row; whoever has a token is not shut out with them."""
    answers = [asked(headers={"api-key": FOREIGN}) for _ in range(BURST + 1)]
    statuses = [flow.response.status_code for flow in answers if flow.response]
    assert statuses == [401] * BURST + [429]
    x = exchange(answers[-1])
    assert x is not None and not x.leaves_row
    assert asked(headers={"api-key": asked.secret}).response is None


def test_where_nobody_knows_who_may(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database is away for long, tokens open nothing; what is open stays so."""
    monkeypatch.setattr(asked.runtime.tokens, "_read_at", asked.runtime.tokens._read_at - LONGEST - 1)
    flow = asked(headers={"api-key": asked.secret})
    assert flow.response is not None and flow.response.status_code == 503 and "retry-after" in flow.response.headers
    assert asked("/healthz", None, method="GET").response is None


def test_without_client_auth_nobody_is_asked(asked: Asked) -> None:
    """And nobody is known, whatever they send."""
    asked.runtime.tokens = None
    flow = asked(headers={"api-key": asked.secret})
    assert flow.response is None and name_of(flow) is None


def test_others_flows_are_left_alone(asked: Asked) -> None:
    """A flow without an Exchange, and one that is answered already."""
    flow = asked.make_flow("/x", b"")
    asked.callers.requestheaders(flow)
    assert flow.response is None
    answered = asked.make_flow(CHAT, BODY)
    Gate(asked.runtime).requestheaders(answered)
    answered.response = http.Response.make(204)
    asked.callers.requestheaders(answered)
    assert answered.response.status_code == 204


def test_the_message_for_too_many_says_why(asked: Asked) -> None:
    """The one that is shown last is the one that people read."""
    for _ in range(BURST):
        asked(body=None)
    flow = asked(body=None)
    assert flow.response is not None
    assert module.TOO_MANY in flow.response.text and "came with none" in flow.response.text
