"""Servers are tried, and what is wrong with them is said."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import ssl
from types import SimpleNamespace
from typing import Any

import pytest
import trustme
from pydantic import SecretStr

from switchman.addons.cli.messages import say
from switchman.addons.core.rules.ruleset import parse_ruleset
from switchman.addons.core.servers.reaching.egress import Denied
from switchman.addons.core.servers.reaching.reach import PemFile, Proxy, Reach, Tls
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.hooks.outbound.trying import trying
from switchman.addons.hooks.outbound.trying.trying import Finding, servers_of, try_all
from switchman.addons.testing import Behaviour, FakeUpstream, HttpProxy
from switchman.addons.testing.broken import full_backlog, refused

AUTHORITY = trustme.CA()
PATIENCE = 30.0  # seconds, of which each takes milliseconds


def tried(url: str, seconds: float = PATIENCE, **more: Any) -> Finding:
    server = Server("s", parse(url), **{"dialect": "openai", **more})
    return asyncio.run(try_all([server], seconds))[server]


def serving(*names: str, **more: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert(*names, **more).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Reach:
    file = tmp_path_factory.mktemp("pem") / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(file))
    return Reach(tls=Tls(PemFile(str(file), hashlib.sha256(file.read_bytes()).hexdigest())))


@pytest.mark.parametrize(
    ("dialect", "declared", "dialects"),
    [
        ("openai", True, None),
        ("ollama", True, None),
        ("anthropic", True, None),
        ("openai", False, ("openai",)),
        ("ollama", False, ("ollama", "openai")),
        ("anthropic", False, ("anthropic",)),
    ],
)
def test_all_is_well(dialect: Any, declared: bool, dialects: Any) -> None:
    """Whatever it speaks, declared or found out; nothing is inferred, so nothing costs anything."""
    with FakeUpstream(dialect, models=("a", "b")) as up:
        assert tried(up.url, dialect=dialect if declared else None) == Finding("", "answers, with 2 models", dialects)
        assert up.inferences == []


@pytest.mark.parametrize("dialect", ["openai", "ollama", "anthropic"])
def test_a_server_without_a_list_may_be_well_all_the_same(dialect: Any) -> None:
    """An operation with an empty body tells."""
    with FakeUpstream(dialect) as up:
        up.listing = Behaviour(status=404, body=b"")
        assert tried(up.url, dialect=dialect) == Finding("", "answers, but has no list of models")
        assert [request.body for request in up.inferences] == [b"{}"]


@pytest.mark.parametrize(
    ("given", "right"),
    [("/foo/bar", ""), ("/v1/chat/completions", "/v1"), ("/openai", ""), ("/v2", "")],
)
def test_a_wrong_base_url_is_told_with_the_right_one(given: str, right: str) -> None:
    """Which is looked for without the key: it belongs to the URL that the rules name."""
    with FakeUpstream("openai") as up:
        found = tried(up.url + given, api_key=SecretStr("right"))
        assert found.fault.startswith(f"404 for {up.url}{given}")
        assert found.fault.endswith(f"the base URL is likely wrong; {up.url}{right} would be right")
        paths = {request.path for request in up.requests if request.header("authorization")}
        assert all(path.startswith(given) for path in paths)


def test_where_every_path_is_refused_no_other_is_named() -> None:
    """A refusal for want of a key says nothing of a path then."""
    with FakeUpstream("openai", api_key="right") as up:
        assert tried(up.url + "/foo", api_key=SecretStr("right")).fault.endswith("so the base URL is likely wrong")


def test_where_nothing_is_the_sentence_ends_there() -> None:
    """No URL is better than a wrong one."""
    with FakeUpstream("openai", default=Behaviour(status=404, body=b"")) as up:
        up.listing = Behaviour(status=404, body=b"")
        assert tried(up.url + "/x").fault.endswith("so the base URL is likely wrong")


@pytest.mark.parametrize(
    ("style", "path", "asked"),
    [("azure", "", "/openai/models"), ("as_is", "/x", "/x/models"), ("join", "/x", "/x/v1/models")],
)
def test_what_was_asked_for_is_told_as_it_was_asked(style: Any, path: str, asked: str) -> None:
    """Each kind of server has paths of its own."""
    with FakeUpstream("openai", default=Behaviour(status=404, body=b"")) as up:
        up.listing = Behaviour(status=404, body=b"")
        assert tried(up.url + path, path=style).fault.startswith(f"404 for {up.url}{asked}: ")
        assert up.requests[0].path == asked


@pytest.mark.parametrize(("dialect", "wrong"), [("openai", "ollama"), ("ollama", "anthropic"), ("anthropic", "ollama")])
def test_a_wrong_dialect_is_told_with_the_right_one(dialect: Any, wrong: Any) -> None:
    """Whatever the two are."""
    with FakeUpstream(dialect) as up:
        fault = tried(up.url, dialect=wrong).fault
        assert fault.startswith(f"it does not speak {wrong}, but {dialect}") and fault.endswith(f"`dialect: {dialect}`")


def test_keys() -> None:
    """A wrong one is a fault; that a server wants the clients' own is none."""
    with FakeUpstream("openai", api_key="right") as up:
        assert tried(up.url, api_key=SecretStr("right")).note == "answers, with 1 model"
        assert tried(up.url, api_key=SecretStr("wrong")).fault.startswith("it refuses the key in api_key: 401")
        assert tried(up.url).note == "answers, and wants a key: the clients' own go to it"
        assert "as forward_auth is false" in tried(up.url, forward_auth=False).fault


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (Behaviour(body="<html><title>Sign in</title></html>"), "it answers with a web page ('Sign in') (200)"),
        (Behaviour(body={"hello": 1}), "with something that is no list of models: is it an LLM server?"),
        (Behaviour(body="hello"), "with something that is no list of models: is it an LLM server?"),
        (Behaviour(status=503, body={"error": {"message": "busy"}}), "it answers 503: busy"),
        (Behaviour(status=307, headers={"location": "/x"}, body=""), "it redirects (307) to /x"),
        (Behaviour(body=b"x" * (8 * 1024 * 1024 + 1)), "larger than any list"),
    ],
)
def test_what_is_no_llm_server_is_told(behaviour: Behaviour, told: str) -> None:
    """By what it answers."""
    with FakeUpstream("openai") as up:
        up.listing = behaviour
        assert told in tried(up.url).fault


def test_where_nothing_listens_nothing_is_waited_for() -> None:
    """A port that refuses, a name that is not known, and a place that never answers."""
    with refused() as dead:
        assert tried(dead).fault.startswith("nothing listens at 127.0.0.1:")
    assert "the name nobody-here.invalid is not known" in tried("https://nobody-here.invalid/v1").fault
    with full_backlog() as slow:
        assert " within 0.5 s: " in tried(slow, 0.5).fault


def test_certificates(trusted: Reach) -> None:
    """Not trusted, trusted, expired, of another name."""
    old: Any = {"not_before": datetime.datetime(2000, 1, 1), "not_after": datetime.datetime(2001, 1, 1)}
    with FakeUpstream("openai", tls=serving("127.0.0.1")) as up:
        assert "`tls: {ca: FILE}`" in tried(up.url).fault
        assert tried(up.url, reach=trusted).note == "answers, with 1 model"
    with FakeUpstream("openai", tls=serving("127.0.0.1", **old)) as up:
        assert tried(up.url, reach=trusted).fault == "the server's certificate has expired"
    with FakeUpstream("openai", tls=serving("b.example")) as up:
        assert "for another name" in tried(up.url, reach=trusted).fault


def test_http_and_https_mixed_up(trusted: Reach) -> None:
    """Either way."""
    with FakeUpstream("openai", tls=serving("127.0.0.1")) as up:
        fault = tried(up.url.replace("https", "http")).fault
        assert f"127.0.0.1:{up.port} speaks TLS: its URL begins with https://, not http://" in fault
    with FakeUpstream("openai") as up:
        fault = tried(up.url.replace("http", "https")).fault
        assert fault == f"127.0.0.1:{up.port} does not speak TLS: its URL begins with http://, not https://"


@pytest.mark.parametrize("url", ["https://far.example/v1", "http://far.example/v1"])
def test_proxies(url: str) -> None:
    """One that wants a password, one that is down, and one that does its work."""
    with FakeUpstream("openai") as up, HttpProxy("a:b", hosts={"far.example": ("127.0.0.1", up.port)}) as proxy:
        way = Proxy("http", "127.0.0.1", proxy.port)
        assert tried(url, reach=Reach(way)).fault == f"the proxy {way}: it wants a user name and password (407)"
        if url.startswith("http:"):
            own = Proxy("http", "127.0.0.1", proxy.port, SecretStr("a:b"))
            assert tried(url, reach=Reach(own)).note == "answers, with 1 model"
    with refused() as dead:
        down = Proxy("http", "127.0.0.1", parse(dead).port)
        assert tried(url, reach=Reach(down)).fault.startswith(f"the proxy {down}: nothing listens at 127.0.0.1:")


def test_who_keeps_a_person_waiting_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, on stderr; servers are tried at once, so the slowest says how long it takes."""
    monkeypatch.setattr(trying, "TOLD_AFTER", 0.2)
    with full_backlog() as slow:
        servers = [Server(f"s{n}", parse(f"{slow}/{n}"), dialect="openai") for n in range(7)]
        found = asyncio.run(try_all(servers, 1.0, say=say))
    assert len(found) == 7 and all("no answer from" in one.fault for one in found.values())
    assert capsys.readouterr().err == "switchman: waiting for s0, s1, s2, s3, s4 and others\n"


def test_no_server_is_nothing_to_wait_for() -> None:
    """And no fault."""
    assert asyncio.run(try_all([])) == {}


@pytest.mark.parametrize("is_set", [False, True])
def test_which_servers_are_tried(is_set: bool) -> None:
    """All that requests may go to, once; not the address that is assumed where nobody set DEFAULT_UPSTREAM."""
    defaults = SimpleNamespace(
        default_upstream="http://localhost:8000", default_upstream_set=is_set, model_map={}, request_timeout=1.0,
        strip_thinking=True, strip_json_markdown=False, disable_thinking=False,
    )  # fmt: skip

    def names(text: str) -> list[str]:
        return [server.name for server in servers_of(parse_ruleset(text, "r", defaults))]

    assert names("") == (["default"] if is_set else [])
    assert names("servers: {mine: 'http://localhost:8000'}") == ["mine"]
    text = "servers: {a: 'http://a'}\n"
    text += "aliases: {x: {instances: [a/m, {url: 'http://b', model: m}]}}\n"
    text += "arbiter: {url: 'http://c', model: m, targets: {coding: x}}\n"
    assert names(text) == ["a", "b", *(["default"] if is_set else []), "c"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_denied_address_is_not_tried(host: str) -> None:
    """By number or by name: nothing is connected to, and so no key goes there."""
    with FakeUpstream("openai") as upstream:
        server = Server("s", parse(f"http://{host}:{upstream.port}"), dialect="openai", api_key=SecretStr("k"))
        found = asyncio.run(try_all([server], PATIENCE, denied=Denied.parse("loopback")))[server]
        assert "EGRESS_DENY=loopback" in found.fault and upstream.connections == 0 and found.status is None


def test_what_a_server_lists_is_told() -> None:
    """The models by their names, with the status of its answer."""
    with FakeUpstream("openai", models=("a", "b")) as upstream:
        found = tried(upstream.url)
        assert [model.id for model in found.models] == ["a", "b"] and found.status == 200
        upstream.listing = Behaviour(status=500)
        assert tried(upstream.url).status == 500 and tried(upstream.url).models == ()
