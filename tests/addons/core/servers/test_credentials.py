"""Who gets the client's own credentials, as a table."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from switchman.addons.config.settings import Settings
from switchman.addons.core.decision.decide import RoutingQuery, decide
from switchman.addons.core.request.features import Features
from switchman.addons.core.rules.ruleset import parse_ruleset
from switchman.addons.core.servers import urls
from switchman.addons.core.servers.credentials import (
    forwards,
    has_own_key,
    header_for,
    is_keyed_by_header,
    is_on_own_network,
    key_in,
    passes_through,
    secrets_of,
    source,
    strangers,
    without_secrets,
)
from switchman.addons.core.servers.servers import Server

CLOUD, OTHER = "https://api.openai.com/v1", "https://api.example.com/v1"
LOCAL, NEIGHBOUR = "http://127.0.0.1:8000", "http://192.168.1.7:8000"


def server(url: str, forward_auth: bool | None = None) -> Server:
    return Server(url, urls.parse(url), forward_auth=forward_auth)


@pytest.mark.parametrize(
    ("first", "candidate", "expected"),
    [
        (CLOUD, OTHER, False),
        (CLOUD, "https://api.openai.com/v2", True),
        (CLOUD, "https://api.openai.com:443", True),
        (CLOUD, "https://api.openai.com:8443/v1", False),
        (CLOUD, "http://api.openai.com:443/v1", False),
        (CLOUD, "https://eu.api.openai.com/v1", False),
        (CLOUD, "https://api.openai.com.evil.example/v1", False),
        (LOCAL, NEIGHBOUR, True),
        (LOCAL, "http://gpu-box:9000", True),
        (LOCAL, CLOUD, False),
        (CLOUD, LOCAL, False),
    ],
)
def test_later_candidates(first: str, candidate: str, expected: bool) -> None:
    """Not said: those of the first choice's origin, and neighbours where the first is one too."""
    assert forwards(server(candidate), server(first)) is expected


@pytest.mark.parametrize("url", [CLOUD, LOCAL])
def test_the_first_choice_gets_them(url: str) -> None:
    """Drop-in: whom the rules name first gets what the client sent."""
    first = server(url)
    assert forwards(first, first)


@pytest.mark.parametrize("said", [True, False])
@pytest.mark.parametrize("first", [CLOUD, OTHER, LOCAL])
def test_what_is_said_holds(said: bool, first: str) -> None:
    """`forward_auth: true` is always, `false` is never, whoever is first."""
    assert forwards(server(CLOUD, said), server(first)) is said


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True), ("localhost.", True), ("sub.localhost", True), ("notlocalhost.com", False),
        ("127.0.0.1", True), ("127.8.8.8", True), ("0.0.0.0", True), ("::1", True), ("::", True),
        ("10.1.2.3", True), ("172.16.0.1", True), ("172.32.0.1", False), ("192.168.0.9", True), ("192.169.0.9", False),
        ("169.254.3.4", True), ("fe80::1", True), ("fe80::1%eth0", True), ("fd12::9", True), ("fc00::1", True),
        ("2001:db8::1", False), ("8.8.8.8", False), ("100.64.0.1", False), ("203.0.113.1", False),
        ("::ffff:10.0.0.1", True), ("::ffff:8.8.8.8", False),
        ("gpu-box", True), ("ollama", True), ("ai.", False), ("nas.local", True), ("nas.lan", True),
        ("llm.internal", True), ("x.home.arpa", True), ("x.home.arpa.", True), ("home.arpa", False),
        ("api.notlocal", False), ("x.mylan", False), ("x.notinternal", False), ("x.yhome.arpa", False),
        ("api.openai.com", False), ("local.example.com", False), ("a.local.example", False),
        ("134744072", False), ("0x8080808", False), ("8.8.2056", False), ("127.1", False), ("8.0x80808", False),
    ],
)  # fmt: skip
def test_own_network(host: str, expected: bool) -> None:
    """Loopback, private and link-local addresses, and names that no public server has; in doubt it is a stranger."""
    assert is_on_own_network(host) is expected


def test_whose_credentials() -> None:
    """A key of the server's own wins; one in its headers stands where the client's may not go."""
    first = server(LOCAL)
    keyed = Server("k", urls.parse(CLOUD), api_key=SecretStr("k"), forward_auth=True)
    by_header = Server("h", urls.parse(CLOUD), headers={"X-Api-Key": "k"})
    assert [source(one, first) for one in (keyed, by_header, server(CLOUD), first)] == ["own", "own", "none", "client"]
    assert source(by_header, by_header) == "client"
    assert source(server(LOCAL, False), first) == "none"


def test_strangers() -> None:
    """Only public servers that nobody said anything about: a neighbour often wants no key."""
    told = server("https://told.example", False)
    listed = [server(LOCAL), server(CLOUD), server(CLOUD), told, server(OTHER, True)]
    assert strangers(listed, server(NEIGHBOUR)) == [server(CLOUD)]
    assert strangers([server(LOCAL)], server(CLOUD)) == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/messages?beta=true", "/v1/messages?beta=true"),
        ("/v1/x?key=abc&beta=true", "/v1/x?beta=true"),
        ("/v1/x?api%5Fkey=abc", "/v1/x"),
        ("/v1/x?code=abc&api-version=1&SID=d&c%6Fde=e", "/v1/x?api-version=1"),
        ("/v1/x", "/v1/x"),
        ("/v1/x?a=1&a=2&b", "/v1/x?a=1&a=2&b"),
    ],
)
def test_keys_in_the_query(path: str, expected: str) -> None:
    """A parameter that carries a key goes no further than a header that does."""
    assert without_secrets(path) == expected


def test_by_what_a_caller_is_known() -> None:
    """By every secret in the headers and in the query, and by nothing else."""
    headers = {"x-api-key": "b", "authorization": "Bearer a", "cookie": "c", "user-agent": "d"}
    assert secrets_of(headers, "/v1/x?beta=true&key=e") == "authorization=Bearer a\0x-api-key=b\0key=e"
    assert secrets_of({"x-goog-api-key": "a"}, "/v1/x") == "x-goog-api-key=a"
    assert secrets_of({}, "/v1/x?api%5Fkey=a&x=1") == "api%5Fkey=a"
    assert secrets_of({"cookie": "c"}, "/v1/x?beta=true") == ""


def test_the_key_in_the_header_of_a_dialect() -> None:
    """x-api-key for Anthropic's servers, a bearer token for all others."""
    assert [key_in({"x-api-key": "a", "authorization": "Bearer b"}), key_in({"authorization": "Bearer b"})] == [
        "a",
        "b",
    ]
    assert [key_in({"api-key": "c"}), key_in({"accept": "*/*"})] == ["c", ""]
    assert header_for("k", "anthropic") == ("x-api-key", "k")
    assert header_for("k", "ollama") == header_for("k", None) == ("authorization", "Bearer k")
    assert header_for("k", "openai", azure=True) == ("api-key", "k")
    assert header_for("ey.J.x", "openai", azure=True) == ("authorization", "Bearer ey.J.x")  # a token of Entra


def test_the_first_choice_of_a_plan() -> None:
    """The order is the rules': neither an open breaker nor a lack of abilities makes a fallback the first choice."""
    rules = parse_ruleset(
        """
servers: {one: "http://one.example", two: "http://two.example"}
models: {one/m: {modalities: [text]}}
aliases: {a: {instances: [one/m, two/m]}}
""",
        "routes.yaml",
        Settings(),
    )
    plan = decide(RoutingQuery("a"), rules, is_open=lambda candidate: candidate.server.name == "one")
    assert [candidate.server.name for candidate in plan.candidates] == ["two", "one"]
    assert plan.first_choice.name == "one"
    seeing = Features("openai", "chat", "", "", "chat", 1.0, modalities=frozenset({"text", "vision"}))
    plan = decide(RoutingQuery("a", features=seeing), rules)
    assert [candidate.server.name for candidate in plan.candidates] == ["two"]
    assert plan.first_choice.name == "one"
    assert decide(RoutingQuery("two/m"), rules).first_choice.name == "two"


def test_where_a_key_of_ours_goes_beside_an_operation() -> None:
    """Nowhere, unless the file says so; what has no key of ours gets all, unless the file says that it does not."""

    def with_key(pass_through: bool | None, **more: Any) -> Server:
        return Server("s", urls.parse(CLOUD), pass_through=pass_through, **more)

    keys: list[dict[str, Any]] = [{"api_key": SecretStr("k")}, {"headers": {"X-Team-Token": "k"}}]
    for more in keys:
        assert [passes_through(with_key(said, **more)) for said in (None, False, True)] == [False, False, True]
        assert has_own_key(with_key(None, **more))
    assert [passes_through(with_key(said)) for said in (None, False, True)] == [True, False, True]
    assert not has_own_key(with_key(None, headers={"x-team": "k"}))
    assert not passes_through(with_key(None, headers={"x-team": "Bearer k"}))
    for query, passes in (("code=k", False), ("api-version=1", True)):
        assert passes_through(Server("s", urls.parse(f"{CLOUD}?{query}", query=True))) is passes


def test_a_key_in_a_header_has_none_beside_it() -> None:
    """In one where clients have theirs; unless the client's are to go there all the same."""
    headers = {"Authorization": "k"}
    found = [is_keyed_by_header(Server("s", urls.parse(CLOUD), headers=headers, forward_auth=said)) for said in
             (None, False, True)]  # fmt: skip
    assert found == [True, True, False]
    assert not is_keyed_by_header(Server("s", urls.parse(CLOUD), headers={"X-Team-Token": "k"}))
    for name in ("X_Api_Key", "x-goog-api-key", "Api_Key"):
        assert is_keyed_by_header(Server("s", urls.parse(CLOUD), headers={name: "k"}))
