"""Nothing leaves a server's base path or passes a rule by, and a server's own key goes with operations only."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anthropic
import ollama
import openai
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.rawclient import RawClient, request_bytes

MESSAGES: Any = [{"role": "user", "content": "hi"}]
OWN = "our-own-key-0123456789"
ASKED = {"model": "small", "messages": MESSAGES}
REPLY = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hm"}, "finish_reason": "stop"}]}

LEAVING = [
    "/../admin/keys", "/x/../../admin/keys", "/%2e%2e/admin/keys", "/..%2fadmin/keys", "/%2E%2E%2Fadmin/keys",
    "/\\..\\admin/keys", "/..\\admin/keys", "/%5c..%5cadmin/keys", "/..;x/admin/keys", "/./../admin/keys",
    "/%252e%252e/admin/keys", "/%25252e%25252e/admin/keys", "/%c0%ae%c0%ae/admin/keys", "/\xc0\xae\xc0\xae/admin/keys",
    "/%e0%80%ae%e0%80%ae/admin/keys", "/%ef%bc%8e%ef%bc%8e/admin/keys", "/\xef\xbc\x8e\xef\xbc\x8e/admin/keys",
    "/..%ef%bc%8fadmin/keys", "/%u002e%u002e/admin/keys", "/%00/../admin/keys", "/v1/models/..%2f..%2fadmin/keys",
    "/v1/chat/completions/../../../admin/keys", "/v1/chat/completions/..", "/..%20/admin/keys", "/x/..%3fx",
    "/%20../admin/keys", "/x/..%23/admin/keys", "/openai/deployments/../admin/keys",
]  # fmt: skip
OTHERWISE = [
    "/v1/%63hat/completions", "/v1/chat%2fcompletions", "/v1/./chat/completions", "/v1/x/../chat/completions",
    "/V1/Chat/Completions", "/v1/CHAT/completions", "/v1/chat/completions;x", "/v1;x=1/chat/completions",
    "/v1/chat/completions%20", "/v1/chat/completions%00", "/v1/chat/completions%09", "/v1/chat/completions%0d%0a",
    "/v1/chat/completions#x", "/v1/chat/completions%23x", "/v1/chat/completions%3fx", "/v1/chat/completions%253fx",
    "/v1/%2563hat/completions", "/v1/%ef%bd%83hat/completions", "/v1/chat/completions.", "/api/%63hat", "/API/chat",
    "/v1/mess%61ges", "/v1/messages%20/", "/v1/embeddings;", "/v1/responses%23",
]  # fmt: skip


@pytest.fixture(scope="module")
def up(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    """The default upstream, behind a base path, with a key of ours."""
    upstream = upstream_factory(name="up")
    upstream.paths["/tenant/x/v1/chat/completions"] = Behaviour(body=REPLY)
    return upstream


@pytest.fixture(scope="module")
def other(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="other")


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, up: FakeUpstream, other: FakeUpstream) -> Any:
    base = f"{up.url}/tenant/x"
    return start_shared(f"""
servers:
  up: {{url: "{base}", dialect: openai, api_key: env:OWN}}
  by-header: {{url: "{up.url}/header", dialect: openai, headers: {{X-Api-Key: {OWN}}}}}
  open: {{url: "{other.url}/open", dialect: openai, api_key: env:OWN, pass_through: true}}
  closed: {{url: "{other.url}/closed", dialect: openai, pass_through: false}}
  plain: {{url: "{other.url}", dialect: openai}}
aliases:
  small: {{instances: [up/small]}}
  up-then-plain: {{instances: [up/m, plain/m]}}
  keyed-in-a-header: {{instances: [by-header/m]}}
  passed: {{instances: [open/m]}}
  not-passed: {{instances: [closed/m]}}
""", {"OWN": OWN, "DEFAULT_UPSTREAM": base})  # fmt: skip


def passed(upstream: FakeUpstream) -> list[Any]:
    """What came from clients; the router's own questions, for lists and dialects, come when they come."""
    return [one for one in upstream.requests if "python-httpx" not in (one.header("user-agent") or "")]


def raw(proxy: Any, method: str, target: str, body: Any = None) -> Any:
    """The answer to a request line that no client's library has written anew."""
    content = json.dumps(ASKED if body is None else body).encode() if method != "GET" else b""
    with RawClient(proxy.port) as client:
        client.send(request_bytes(target, content, method=method))
        return client.reply()


@pytest.mark.parametrize("form", ["origin", "absolute", "foreign"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_leaves_a_base_path(proxy: Any, up: FakeUpstream, method: str, form: str) -> None:
    """In whatever spelling, and in either form of a request's target: 400, and no server is asked."""
    before = len(passed(up))
    start = {"origin": "", "absolute": proxy.url, "foreign": "http://evil.example"}[form]
    for path in LEAVING:
        for query in ("", "?x=1"):
            answer = raw(proxy, method, start + path + query)
            assert answer.status == 400, path
            assert b"error" in answer.body, path
    assert len(passed(up)) == before


def test_an_operation_has_one_spelling(proxy: Any, up: FakeUpstream) -> None:
    """Any other would pass the rules by: 400, with the path that is meant where there is one."""
    before = len(passed(up))
    for path in OTHERWISE:
        answer = raw(proxy, "POST", path)
        assert answer.status == 400, path
    told = json.loads(raw(proxy, "POST", "/v1/%63hat/completions").body)["error"]["message"]
    assert told.endswith("did you mean /v1/chat/completions?")
    assert len(passed(up)) == before
    # Empty segments change nothing, and are not passed on.
    for path in ("//v1//chat/completions", "/v1/chat/completions//", "http://other.example/v1/chat/completions"):
        assert raw(proxy, "POST", path).status == 200, path
        assert up.inferences[-1].target == "/tenant/x/v1/chat/completions"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "PURGE", "PROPFIND", "QUERY"])
def test_an_operation_has_one_method(proxy: Any, up: FakeUpstream, method: str) -> None:
    """Of all dialects: 405, with the one that it has."""
    before = len(passed(up))
    for path in ("/v1/chat/completions", "/v1/messages", "/api/chat", "/v1/responses", "/v1/embeddings", "/rerank"):
        answer = raw(proxy, method, path)
        assert (answer.status, answer.header("allow")) == (405, "POST"), path
    assert len(passed(up)) == before


PASSED = [
    ("GET", "/v1/files"), ("POST", "/v1/batches"), ("GET", "/admin/keys"), ("DELETE", "/v1/models/m"),
    ("POST", "/v1/organization/admin_api_keys"), ("GET", "/v1/chat/completions"), ("GET", "/v1/chat/completions/id"),
    ("POST", "/admin/v1/responses/compact"), ("OPTIONS", "/v1/chat/completions"), ("GET", "/metrics"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), PASSED)
def test_our_key_goes_with_operations_only(
    proxy: Any, up: FakeUpstream, other: FakeUpstream, method: str, path: str
) -> None:
    """What is none is refused with the setting to set, whether it names a model or not; no server is asked."""
    before = len(passed(up)), len(passed(other))
    queries = [("", {"x": 1}, "up"), ("?model=up/m", {}, "up"), ("?model=keyed-in-a-header", {}, "by-header")]
    for query, body, server in [*queries, ("?model=not-passed", {}, "closed")]:
        answer = raw(proxy, method, path + query, body)
        message = json.loads(answer.body)["error"]["message"] if method != "HEAD" else ""
        assert (answer.status, answer.reason) == (403, "Forbidden"), query
        assert server in message and "pass_through" in message
    if method == "POST":
        assert raw(proxy, method, path, {"model": "up/m"}).status == 403
    assert (len(passed(up)), len(passed(other))) == before
    other.paths[f"/open{path}"] = Behaviour(body={"ok": 1})
    assert json.loads(raw(proxy, method, f"{path}?model=passed", {}).body) == {"ok": 1}  # pass_through: true
    assert passed(other)[-1].header("authorization") == f"Bearer {OWN}"


def test_each_client_is_told_so(proxy: Any) -> None:
    """As an error of its own."""
    with pytest.raises(openai.PermissionDeniedError, match="pass_through: true"):
        proxy.openai().files.list()
    with (
        anthropic.Anthropic(base_url=proxy.url, api_key="k", max_retries=0) as client,
        pytest.raises(anthropic.PermissionDeniedError, match="pass_through: true"),
    ):
        client.messages.batches.list()
    with pytest.raises(ollama.ResponseError) as caught:
        proxy.ollama().delete("m")
    assert caught.value.status_code in (403, 501)
    row = proxy.row(path="/api/delete")
    assert row["status"] == caught.value.status_code and row["attempts"] == []


def test_where_one_server_is_left_it_is_asked(proxy: Any, up: FakeUpstream, other: FakeUpstream) -> None:
    """The one with a key is passed over, and the trace says why."""
    other.paths["/v1/never"] = Behaviour(body={"ok": 1})
    answer = proxy.post("/v1/never", {"model": "up-then-plain"})
    assert answer.json() == {"ok": 1} and not up.heard("/v1/never")
    assert "pass_through: true" in json.dumps(proxy.row_of(answer)["trace"])


def test_what_agents_need_goes_on(proxy: Any, up: FakeUpstream) -> None:
    """Operations, lists, one model, health, Codex's compaction: with our key, and without a prefix of the client's."""
    for path in ("/v1/responses/compact", "/v1/fim/completions"):
        up.paths[f"/tenant/x{path}"] = Behaviour(body=REPLY)
        assert raw(proxy, "POST", path).status == 200
        assert up.inferences[-1].header("authorization") == f"Bearer {OWN}"
        for base in ("/openai", "/openai/v1"):  # what base URLs have before it does not go there
            assert raw(proxy, "POST", base + path.removeprefix("/v1"), {"model": "up/m"}).status == 200
            assert up.inferences[-1].target == f"/tenant/x{path}"
            assert up.inferences[-1].header("authorization") == f"Bearer {OWN}"
    up.paths["/tenant/x/health"] = Behaviour(body={"ok": 1})
    assert raw(proxy, "GET", "/health").status == 200
    assert proxy.openai().models.list().data
    assert raw(proxy, "POST", "/admin/secret/v1/chat/completions").status == 200
    assert up.inferences[-1].target == "/tenant/x/v1/chat/completions"
    raw(proxy, "GET", "/admin/secret/v1/models/unlisted")
    assert all("/admin" not in one.target for one in up.requests)


def test_no_header_stands_for_another_path(proxy: Any, up: FakeUpstream) -> None:
    """Servers behind some reverse proxies believe these: none goes where our key does."""
    names = ["X-Original-URL", "X-Rewrite-Url", "X-HTTP-Method-Override", "x-http-method", "X-Method-Override"]
    headers = dict.fromkeys(names, "/admin/keys")
    assert proxy.chat("small", headers={**headers, "x-kept": "1"}).status_code == 200
    sent = up.inferences[-1]
    assert sent.header("x-kept") == "1" and all(sent.header(name) is None for name in names)
