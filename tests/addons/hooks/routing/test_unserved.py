"""What nothing behind the router is meant for is told so, in the client's dialect, with what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.access.caller import Caller
from switchman.addons.core.routes.plan import Candidate, Plan
from switchman.addons.hooks.routing.unserved import beyond_token, passed_on, unknown_path, without_model

NOBODY = "http://127.0.0.1:9"


# RFC 6455 section 1.3
HANDSHAKE = {
    "upgrade": "websocket", "connection": "Upgrade", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
}  # fmt: skip


def told(response: Any) -> tuple[int, str]:
    error = json.loads(response.content)["error"]
    return response.status_code, error if isinstance(error, str) else error["message"]


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/v1/chat", {}),
        ("GET", "/favicon.ico", {}),
        ("POST", "/api/thing", {}),
        ("POST", "/v1/complete", {"anthropic-version": "1"}),
        ("POST", "/v1/files", {}),
        ("GET", "/v1/realtime?model=m", HANDSHAKE),
    ],
)
def test_an_unknown_path_is_a_404_with_the_base_urls(
    method: str, path: str, headers: dict[str, str], make_runtime: Any, make_exchange: Any
) -> None:
    """Where no DEFAULT_UPSTREAM was set; with the address that the client used, in its dialect."""
    runtime = make_runtime()
    flow, x = make_exchange(runtime, path, method=method, headers={"host": "box:99", **headers})
    flow.client_conn.timestamp_tls_setup = None
    response = unknown_path(flow, x, runtime.rules.current, 1234)
    assert response is not None
    status, message = told(response)
    assert status == 404 and "http://box:99/v1 in OpenAI's clients, http://box:99 in Ollama's" in message
    assert (x.outcome, x.error) == ("refused", message)
    assert ("type" in json.loads(response.content)) is ("anthropic-version" in headers)
    assert isinstance(json.loads(response.content)["error"], str) is path.startswith("/api")


def test_an_address_that_is_none_is_not_repeated(make_runtime: Any, make_exchange: Any) -> None:
    """The router's own port is named instead."""
    runtime = make_runtime()
    flow, x = make_exchange(runtime, "/x", headers={"host": "<script>"})
    message = told(unknown_path(flow, x, runtime.rules.current, 1234))[1]
    assert "http://127.0.0.1:1234/v1" in message and "script" not in message


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_operation_by_get_is_a_405(method: str, make_runtime: Any, make_exchange: Any) -> None:
    """A browser's address line, say."""
    runtime = make_runtime()
    flow, x = make_exchange(runtime, "/v1/chat/completions", method=method)
    response = unknown_path(flow, x, runtime.rules.current, 1234)
    assert response is not None and (told(response)[0], response.headers["allow"]) == (405, "POST")


def test_with_a_default_upstream_everything_is_passed_on(make_runtime: Any, make_exchange: Any) -> None:
    """And without one what names a model."""
    runtime = make_runtime(default_upstream=NOBODY)
    for method, path in [("POST", "/v1/files"), ("GET", "/v1/chat/completions")]:
        flow, x = make_exchange(runtime, path, method=method)
        assert unknown_path(flow, x, runtime.rules.current, 1234) is None
    runtime = make_runtime()
    flow, x = make_exchange(runtime, "/v1/files", {"model": "m"})
    assert unknown_path(flow, x, runtime.rules.current, 1234) is None and x.outcome is None


def planned(x: Any, runtime: Any, layer: str) -> Any:
    plan = Plan((Candidate(runtime.rules.current.default, ""),), layer, layer)
    return without_model(x, plan, runtime.rules.current)


@pytest.mark.parametrize(
    "path", ["/v1/rerank", "/v1/audio/speech", "/v1/images/generations", "/tokenize", "/some/thing"]
)
def test_auto_is_for_text(path: str, make_runtime: Any, make_exchange: Any) -> None:
    """A 400 that says so, unless a rule sends it somewhere."""
    for settings in ({}, {"default_upstream": NOBODY}):
        runtime = make_runtime(**settings)
        _, x = make_exchange(runtime, path, {"model": "auto"})
        status, message = told(planned(x, runtime, "default"))
        assert status == 400 and "'auto'" in message and f"name a model for {path}" in message
        assert x.error == message
        assert planned(x, runtime, "route") is None


@pytest.mark.parametrize("path", ["/v1/moderations", "/infill"])
def test_without_a_model_it_goes_to_the_default_upstream(path: str, make_runtime: Any, make_exchange: Any) -> None:
    """Which may have one of its own for it; without such an upstream the client is asked for one."""
    for settings, status in ((({"default_upstream": NOBODY}), None), ({}, 400)):
        runtime = make_runtime(**settings)
        _, x = make_exchange(runtime, path, {"input": "x"})
        response = planned(x, runtime, "default")
        assert (response and told(response)[0]) == status


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings", "/api/chat", "/v1/messages/count_tokens"])
def test_what_is_translated_is_not_looked_at(path: str, make_runtime: Any, make_exchange: Any) -> None:
    """`auto` is theirs."""
    runtime = make_runtime()
    _, x = make_exchange(runtime, path, {"model": "auto", "messages": []})
    assert planned(x, runtime, "default") is None


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/rerank", "/some/thing"])
def test_where_nobody_would_get_it_a_model_is_asked_for(path: str, make_runtime: Any, make_exchange: Any) -> None:
    """Rather than told that `auto` is no model; a text's own 404 says what to do about it."""
    runtime = make_runtime()
    nobody = Plan((), "default", "default", refusal="not found")
    for body, words in (({"model": "auto"}, "'auto' is chosen by the router"), ({"input": "x"}, "names no model")):
        _, x = make_exchange(runtime, f"{path}?model=" if "some" in path else path, body)
        if x.call is None:
            continue  # it names none, and is no operation: unknown_path's
        status, message = told(without_model(x, nobody, runtime.rules.current))
        assert status == 400 and words in message and path in message
    _, x = make_exchange(runtime, "/v1/chat/completions", {"model": "auto", "messages": []})
    assert without_model(x, nobody, runtime.rules.current) is None


KEYED = """
servers:
  plain: {url: "http://plain:1"}
  keyed: {url: "http://keyed:2", api_key: its-own}
  by-header: {url: "http://header:3", headers: {X-Team-Token: its-own}}
  open: {url: "http://open:4", api_key: its-own, pass_through: true}
  closed: {url: "http://closed:5", pass_through: false}
"""


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (["plain"], ["plain"]), (["open"], ["open"]), (["keyed"], []), (["by-header"], []), (["closed"], []),
        (["keyed", "plain", "closed", "open"], ["plain", "open"]),
    ],
)  # fmt: skip
def test_a_servers_own_key_goes_with_operations_only(
    names: list[str], left: list[str], make_runtime: Any, make_exchange: Any
) -> None:
    """Of what is none the servers are left that have no key to lose, or say so; with none left it is a 403."""
    runtime = make_runtime(KEYED)
    servers = runtime.rules.current.servers
    plan = Plan(tuple(Candidate(servers[name], "m") for name in names), "alias", "a")
    flow, x = make_exchange(runtime, "/v1/chat/completions", {"model": "m"})
    assert passed_on(flow, x, plan) is plan
    flow, x = make_exchange(runtime, "/v1/never", {"model": "m"})
    found = passed_on(flow, x, plan)
    if left:
        assert isinstance(found, Plan) and [one.server.name for one in found.candidates] == left
        assert bool(x.trace) is (left != names)
    else:
        assert not isinstance(found, Plan)
        status, message = told(found)
        assert status == 403 and names[0] in message and "pass_through" in message
        assert (x.outcome, x.error) == ("refused", message)


@pytest.mark.parametrize(
    ("path", "body", "caller", "is_refused"),
    [
        ("/v1/files", None, None, False),
        ("/v1/files", None, Caller("0", "c"), False),
        ("/v1/files", None, Caller("0", "c", servers=("one",)), False),
        ("/v1/files", None, Caller("0", "c", servers=("two",)), True),
        ("/v1/files", None, Caller("0", "c", models=("*",)), True),
        ("/v1/chat/completions", {"model": "m"}, Caller("0", "c", models=("m",)), False),
        ("/v1/chat/completions", {"model": "m", "models": ["m"]}, Caller("0", "c", models=("m",)), False),
        ("/v1/chat/completions", {"model": "m", "models": ["m", "n"]}, Caller("0", "c", models=("m",)), True),
        (
            "/v1/chat/completions",
            b'{"model": "m", "models": ["n"], "models": []}',
            Caller("0", "c", models=("m",)),
            True,
        ),
        ("/v1/chat/completions", {"model": "m", "models": ["n"]}, Caller("0", "c", servers=("one",)), False),
        ("/v1/batches", {"model": "m"}, Caller("0", "c", models=("m",)), True),
        ("/v1/rerank", {"model": "m"}, Caller("0", "c", models=("m",)), False),
    ],
)
def test_what_a_restricted_token_may_not_use_is_refused(
    path: str, body: Any, caller: Any, is_refused: bool, make_runtime: Any, make_exchange: Any
) -> None:
    """A 403 that names the token, although its server is one that it may use."""
    runtime = make_runtime(f'servers: {{one: "{NOBODY}"}}\n')
    flow, x = make_exchange(runtime, path, body, headers={"content-type": "application/json"})
    rules = runtime.rules.current
    x.caller = caller
    plan = Plan((Candidate(rules.servers["one"], ""),), "default", "default")
    response = beyond_token(flow, x, plan, rules)
    assert (response is not None) is is_refused
    if response is not None:
        status, message = told(response)
        assert status == 403 and message.startswith("The token c ")
