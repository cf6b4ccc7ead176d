"""The request that each attempt goes out with."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from dataclasses import replace
from typing import Any

import jwt
import pytest

from switchman.addons.core.decision.verdicts.judge import Verdict
from switchman.addons.core.paths.reading import read
from switchman.addons.core.routes.plan import Candidate, Plan
from switchman.addons.core.servers.reaching.redirects import REDIRECTS, Hop
from switchman.addons.proxy.attempt import UpstreamFailure
from switchman.addons.state.background import in_place

Fields = list[tuple[bytes, bytes]]


def own_token(secret: str) -> bytes:
    return jwt.encode({"sub": "dashboard"}, secret, "HS256").encode()


def values(flow: Any, name: str) -> list[bytes]:
    return [value for key, value in flow.request.headers.fields if key.lower() == name.encode()]


def test_it_goes_where_the_plan_says(pipeline: Any) -> None:
    """Scheme, host, port, the server's path before the client's, and its name for the model."""
    flow, x = pipeline.send("one/other")
    assert flow.request.url == "http://one:81/base/v1/chat/completions"
    assert flow.request.headers["host"] == "one:81"
    assert json.loads(flow.request.raw_content)["model"] == "other"
    assert (x.attempt.target, x.attempt.number, x.next_candidate) == ("one/other", 1, 1)
    assert x.routed is not None


def test_each_attempt_starts_from_what_the_client_sent(pipeline: Any) -> None:
    """What the first one's server was told does not go to the second."""
    flow, x = pipeline.send("keyed/a", "two/", headers=[(b"X-Mine", b"1")])
    assert flow.request.headers["x-team"] == "ours"
    assert pipeline.rewriting.prepare(flow, x)
    assert "x-team" not in flow.request.headers and "its-own-key" not in str(flow.request.headers.fields)
    assert (flow.request.host, json.loads(flow.request.raw_content)["model"]) == ("two", "m")
    assert not pipeline.rewriting.prepare(flow, x)  # nobody is left


@pytest.mark.parametrize("target", ["one/m", "claude/m"])
def test_a_large_request_is_written_off_the_event_loop(target: str, pipeline: Any) -> None:
    """The same bytes as in place, for the first server and for the one after it."""
    roles = ("user", "assistant") * 5  # several turns of a user's would be made one for Anthropic
    messages = [{"role": role, "content": f"number {n}"} for n, role in enumerate(roles)]
    flows = []
    for large in (False, True):
        flow, x = pipeline.read(target, target, messages=messages)
        x.call = replace(x.call, large=large)
        waits = pipeline.rewriting.request(flow)
        assert (waits is not None) == large
        if waits is not None:
            asyncio.run(waits)
        first = flow.request.raw_content
        x.attempt.verdict = Verdict("status", "failed")
        flow.response = None
        waits = pipeline.failover.upstream_failed(failure := UpstreamFailure(flow, "status", "503"))
        assert (waits is not None) == large
        if waits is not None:
            asyncio.run(waits)
        assert failure.retry and x.attempt.number == 2
        flows.append((first, flow.request.raw_content))
    assert flows[0] == flows[1] and len(json.loads(flows[0][0])["messages"]) == 10


def test_a_field_that_the_router_sets_goes_out_once(pipeline: Any) -> None:
    """In the place of the client's first; its second, in any case, would be believed by some servers."""
    twice: Fields = [(b"X-Team", b"theirs"), (b"x-team", b"again"), (b"HOST", b"b"), (b"Accept-Encoding", b"br")]
    flow, _ = pipeline.send("keyed/m", headers=[*twice, (b"accept-encoding", b"gzip")])
    assert values(flow, "host") == [b"keyed:84"]
    assert values(flow, "x-team") == [b"ours"]
    assert values(flow, "accept-encoding") == [b"identity"]


def test_a_field_of_the_clients_own_may_come_twice(pipeline: Any) -> None:
    """It is passed on as it was sent, in its order and case."""
    given: Fields = [(b"X-A", b"1"), (b"x-B", b"2"), (b"X-A", b"3")]
    flow, _ = pipeline.send("one/m", headers=given)
    assert [field for field in flow.request.headers.fields if field in given] == given


@pytest.mark.parametrize("name", [b"x-switchman-cache", b"X-Switchman-Anything"])
def test_what_is_said_to_the_router_stays_here(name: bytes, pipeline: Any) -> None:
    """In any case."""
    flow, _ = pipeline.send("one/m", headers=[(name, b"bypass")])
    assert values(flow, name.decode().lower()) == []


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/no/llm/call"])
def test_fields_of_the_clients_connection_stay_there(path: str, pipeline: Any) -> None:
    """And what they name."""
    given: Fields = [(b"Connection", b"close"), (b"CONNECTION", b"X-Secret"), (b"x-secret", b"s"), (b"TE", b"trailers")]
    flow, _ = pipeline.send("one/m", path=path, headers=[*given, (b"Upgrade", b"h2c"), (b"X-Kept", b"1")])
    names = {name.lower() for name, _ in flow.request.headers.fields}
    assert names & {b"connection", b"x-secret", b"te", b"upgrade"} == set()
    assert values(flow, "x-kept") == [b"1"]


def test_a_websocket_handshake_passes(pipeline: Any) -> None:
    """What is no LLM call may become one; extensions are not offered."""
    key = b"dGhlIHNhbXBsZSBub25jZQ=="
    asks: Fields = [(b"Upgrade", b"websocket"), (b"Connection", b"keep-alive, Upgrade"), (b"Sec-WebSocket-Key", key)]
    more: Fields = [(b"Sec-WebSocket-Version", b"13"), (b"Sec-WebSocket-Extensions", b"permessage-deflate")]
    flow, _ = pipeline.send("one/", path="/v1/realtime", method="GET", headers=[*asks, *more], body="")
    names = ("upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions")
    assert [values(flow, name) for name in names] == [[b"websocket"], [b"Upgrade"], [key], [b"13"], []]


@pytest.mark.parametrize("upgrade", [b"h2c", b"foo", b"TLS/1.0", b"websocket"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/no/llm/call"])
def test_no_other_upgrade_passes(path: str, upgrade: bytes, pipeline: Any) -> None:
    """The request goes on as a plain one, whether or not its Connection names the fields."""
    asks: Fields = [(b"Upgrade", upgrade), (b"HTTP2-Settings", b"AAMAAABk"), (b"Sec-WebSocket-Key", b"k")]
    flow, _ = pipeline.send("one/m", path=path, headers=asks)
    names = ("upgrade", "connection", "http2-settings", "sec-websocket-key")
    assert [values(flow, name) for name in names] == [[]] * 4


@pytest.mark.parametrize("target", ["one/m", "abroad/m", "claude/m"])
@pytest.mark.parametrize("place", ["cookie", "authorization", "x-api-key"])
def test_the_routers_own_token_goes_nowhere(place: str, target: str, pipeline: Any, secret: str) -> None:
    """Cookies know no ports: a browser that is signed in to the dashboard sends its cookie to the proxy too."""
    own = own_token(secret)
    spelt = {"cookie": b"a=1; session=" + own + b"; b=2", "authorization": b"Bearer " + own, "x-api-key": own}[place]
    flow, _ = pipeline.send(target, headers=[(place.encode(), spelt)])
    assert own not in repr(flow.request.headers.fields).encode()
    assert values(flow, "cookie") == ([b"a=1; b=2"] if place == "cookie" else [])


def test_a_cookie_that_is_only_the_routers_own_is_gone(pipeline: Any, secret: str) -> None:
    """And one without it is passed on as it was written, as is a token of somebody else's."""
    flow, _ = pipeline.send("one/m", headers=[(b"Cookie", b"session=" + own_token(secret))])
    assert values(flow, "cookie") == []
    others = jwt.encode({"sub": "x"}, "another secret, which is also long enough", "HS256").encode()
    given: Fields = [(b"Cookie", b"a=1;b = 2 ;c=" + others), (b"authorization", b"Bearer " + others)]
    flow, _ = pipeline.send("one/m", headers=given)
    assert [values(flow, "cookie"), values(flow, "authorization")] == [[given[0][1]], [given[1][1]]]


def test_credentials_do_not_go_to_strangers(pipeline: Any) -> None:
    """The first choice has them, a fallback of another owner has not, and its 401 is then held back."""
    flow, x = pipeline.send("one/m", "abroad/m", headers=[(b"authorization", b"Bearer k"), (b"Cookie", b"a=1")])
    assert (values(flow, "authorization"), x.attempt.withheld) == ([b"Bearer k"], False)
    assert pipeline.rewriting.prepare(flow, x)
    assert (values(flow, "authorization"), values(flow, "cookie"), x.attempt.withheld) == ([], [], True)
    assert {401, 403} <= x.attempt.held_statuses and not {401, 403} & x.attempt.retry_statuses


def test_what_is_worth_another_attempt_is_held_back(pipeline: Any) -> None:
    """As long as there is another candidate; a redirect, and what tells of a lack of the server's, also of the last."""
    _, x = pipeline.send("picky/m", "two/m")
    assert {404, 500} <= x.attempt.held_statuses and {404, 500} <= x.attempt.retry_statuses
    _, x = pipeline.send("picky/m")
    assert (x.attempt.held_statuses, x.attempt.retry_statuses) == (REDIRECTS, frozenset())
    _, x = pipeline.send("picky/m", stream=True)
    assert (x.attempt.held_statuses, x.attempt.retry_statuses) == (REDIRECTS | {400, 422}, frozenset())


def test_a_server_is_not_asked_again_for_what_it_lacks(pipeline: Any) -> None:
    """Once it is known."""
    flow, _ = pipeline.send("one/m", stream=True)
    assert "stream_options" in json.loads(flow.request.raw_content)
    pipeline.rewriting.without["usage"].add("one")
    flow, _ = pipeline.send("one/m", stream=True)
    assert "stream_options" not in json.loads(flow.request.raw_content)


def test_what_no_candidate_can_be_told_is_refused(pipeline: Any) -> None:
    """With the field that is in the way; one that can be told it is asked in their place."""
    asked = {"path": "/v1/messages", "max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "odd"}]}]}
    flow, x = pipeline.send("one/m", **asked)
    assert flow.response.status_code == 400 and x.outcome == "refused" and not x.attempts
    flow, x = pipeline.send("one/m", "claude/m", **asked)
    assert flow.response is None and x.attempt.target == "claude/m"
    assert [line.layer for line in x.trace] == ["translation"]


@pytest.mark.parametrize(
    ("more", "url", "key"),
    [
        ({}, "https://one:81/moved?x=1", []),
        ({"previous_response_id": "resp_1"}, "http://keyed:84/v1/responses", [b"Bearer its-own-key"]),
        ({"input": "hi"}, "http://one:81/base/v1/chat/completions", []),
    ],
)
def test_only_what_was_redirected_goes_where_the_redirect_leads(
    more: dict[str, Any], url: str, key: list[bytes], pipeline: Any
) -> None:
    """By the time it is followed, its server may be known to lack the operation: no other server's key goes there."""
    flow, x = pipeline.send("one/m", "keyed/m", path="/v1/responses", messages=None, **({"input": "hi"} | more))
    assert flow.request.url == "http://one:81/base/v1/responses"
    if more:
        pipeline.rewriting.without["responses"].add("one")
    to = Hop("https", "one", 81, "/moved?x=1")
    assert asyncio.run(pipeline.rewriting.follow(flow, x, to, in_place))
    assert (flow.request.url, values(flow, "authorization")) == (url, key)
    assert x.attempts[-1].url == url.partition("?")[0]
    assert flow.request.host == url.split("/")[2].partition(":")[0]


DEPLOYED = "/openai/deployments/m/chat/completions?api-version=2024-06-01&x=1"


@pytest.mark.parametrize(
    ("target", "path", "url"),
    [
        ("azure/gpt", "/v1/embeddings?x=1", "http://azure:88/openai/deployments/gpt/embeddings?x=1&api-version=v"),
        ("azure/", "/v1/chat/completions", "http://azure:88/openai/deployments/m/chat/completions?api-version=v"),
        ("azure/gpt", DEPLOYED, "http://azure:88/openai/deployments/gpt/chat/completions?x=1&api-version=v"),
        ("azure-keyed/", DEPLOYED, "http://azure:89/openai/deployments/m/chat/completions?x=1&api-version=2024-06-01"),
        ("one/other", DEPLOYED, "http://one:81/base/v1/chat/completions?x=1"),
        ("bare/other", DEPLOYED, "http://bare:90/inference/chat/completions?x=1&team=a"),
        ("laptop/other", DEPLOYED, "http://laptop:86/api/chat"),
    ],
)
def test_each_server_has_its_own_paths(target: str, path: str, url: str, pipeline: Any) -> None:
    """Whichever way the client named the model; Azure's version is for Azure's servers only."""
    flow, _ = pipeline.send(target, path=path)
    assert flow.request.url == url


@pytest.mark.parametrize(
    ("target", "given", "found"),
    [
        ("azure/m", (b"api-key", b"k"), {"api-key": b"k"}),
        ("azure/m", (b"Authorization", b"Bearer k"), {"api-key": b"k"}),
        ("azure/m", (b"Authorization", b"Bearer ey.J.x"), {"authorization": b"Bearer ey.J.x"}),
        ("azure/m", (b"x-api-key", b"k"), {"api-key": b"k"}),
        ("azure-keyed/m", (b"Authorization", b"Bearer k"), {"api-key": b"its-own-key"}),
        ("one/m", (b"api-key", b"k"), {"authorization": b"Bearer k"}),
        ("one/m", (b"Authorization", b"Bearer k"), {"authorization": b"Bearer k"}),
        ("claude/m", (b"api-key", b"k"), {"x-api-key": b"k"}),
        ("keyed/m", (b"api-key", b"k"), {"authorization": b"Bearer its-own-key"}),
    ],
)
def test_a_key_stands_where_its_server_looks(
    target: str, given: tuple[bytes, bytes], found: dict[str, bytes], pipeline: Any
) -> None:
    """Once, and in no other header."""
    flow, _ = pipeline.send(target, headers=[given], max_tokens=5)
    names = ("authorization", "api-key", "x-api-key")
    assert {name: value for name in names for value in values(flow, name)} == found


def test_a_prefix_is_kept_for_the_default_upstream_only(pipeline: Any) -> None:
    """Where nobody else was named; the management of Ollama's models has none."""
    default = pipeline.runtime.rules.current.default
    for layer, server, path in [
        ("default", "", "/some/tenant/v1/chat/completions"),
        ("alias", "", "/v1/chat/completions"),
        ("default", "one/m", "/base/v1/chat/completions"),
    ]:
        flow, x = pipeline.read(server or "one/m", path="/some/tenant/v1/chat/completions")
        x.plan = Plan(x.plan.candidates if server else (Candidate(default, ""),), layer, "a")
        pipeline.rewriting.request(flow)
        assert flow.request.path == path
    flow, x = pipeline.read("one/m", path="/ollama/api/pull?x=1")
    x.reading = read("POST", "/ollama/api/pull?x=1")
    pipeline.rewriting.request(flow)
    assert x.call is None and flow.request.path == "/base/api/pull?x=1"


@pytest.mark.parametrize("before", ["", "/v1", "/api", "/openai", "/api/v1/", "//", "/some/tenant"])
def test_one_models_path_is_the_servers_whatever_base_url_the_client_has(before: str, pipeline: Any) -> None:
    """Under the name that the candidate has, else under the client's, as it wrote it."""
    path = f"{before}/v1/models/a%2Fb?x=1"
    kept = "/some/tenant" if before == "/some/tenant" else ""
    for name, sent in [("", f"{kept}/v1/models/a%2Fb?x=1"), ("its own", "/v1/models/its%20own")]:
        flow, x = pipeline.read("one/m", path=path)
        x.call, x.reading = None, read("GET", path)
        x.plan = Plan((Candidate(pipeline.runtime.rules.current.default, name),), "default", "a")
        pipeline.rewriting.request(flow)
        assert flow.request.path == sent


@pytest.mark.parametrize("name", [b"X-Original-URL", b"x-rewrite-url", b"X-HTTP-Method-Override"])
@pytest.mark.parametrize(("target", "passed"), [("one/m", True), ("keyed/m", False), ("azure-keyed/m", False)])
def test_no_other_path_goes_beside_a_key_of_ours(target: str, passed: bool, name: bytes, pipeline: Any) -> None:
    """Some servers believe such a field, not the request line; without our key it is the client's own affair."""
    flow, _ = pipeline.send(target, headers=[(name, b"/admin/keys")])
    assert (name.decode() in flow.request.headers) is passed


def test_a_prefix_does_not_go_with_a_key_of_ours(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an operation's path, and of one model's; unless the server says `pass_through: true`."""
    rules = pipeline.runtime.rules.current
    for passes, prefix in [(None, ""), (True, "/some/tenant")]:
        keyed = dataclasses.replace(rules.servers["keyed"], pass_through=passes)
        monkeypatch.setattr(pipeline.runtime.rules, "current", dataclasses.replace(rules, default=keyed))
        for path, method in [("/v1/chat/completions", "POST"), ("/v1/models/x", "GET")]:
            flow, x = pipeline.read("one/m", path=f"/some/tenant{path}", method=method)
            x.reading = read(method, f"/some/tenant{path}")
            x.plan = Plan((Candidate(keyed, ""),), "default", "a")
            pipeline.rewriting.request(flow)
            assert flow.request.path == f"{prefix}{path}"
