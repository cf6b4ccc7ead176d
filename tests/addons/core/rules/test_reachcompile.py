"""`proxy` and `tls` of servers, and what the environment says in their place."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from switchman.addons.core.rules.ruleset import RulesError, Ruleset, parse_ruleset
from switchman.addons.core.servers.reaching.reach import DIRECT, PemFile, Proxy, Reach, Tls

DEFAULTS = SimpleNamespace(
    default_upstream="https://up.example", default_upstream_set=True, model_map={}, request_timeout=1.0,
    strip_thinking=True, strip_json_markdown=False, disable_thinking=False,
)  # fmt: skip
PROXY = Proxy("http", "proxy.example", 3128)
WAY = "http://proxy.example:3128"


class Files:
    """Files whose digest is their name; what has `missing` in it is not there. `read`: what was asked for."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def _found(self, path: str) -> PemFile:
        self.read.append(path)
        if "missing" in path:
            raise ValueError(f"{path}: there is no such file")
        return PemFile(path, path)

    def authorities(self, path: str) -> PemFile:
        return self._found(path)

    def folder(self, path: str) -> str:
        return self._found(path).path

    def identity(self, certificate: str, key: str | None) -> tuple[PemFile, PemFile | None]:
        return self._found(certificate), self._found(key) if key else None


def rules(text: str, env: dict[str, str] | None = None, files: Files | None = None, own: int | None = 1234) -> Ruleset:
    return parse_ruleset(text, "r.yaml", DEFAULTS, env or {}, {}, files or Files(), own)


def reach(server: str, env: dict[str, str] | None = None, files: Files | None = None) -> Reach:
    return rules(f"servers:\n  s: {server}\n", env, files).servers["s"].reach


def faults(text: str, env: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(RulesError) as error:
        rules(text, env)
    return [str(problem) for problem in error.value.problems]


ENV = {"HTTPS_PROXY": WAY, "SSL_CERT_FILE": "/company.pem", "SSL_CERT_DIR": "/certs", "WAY": "http://anna:word@other:1"}
USUAL = Tls(PemFile("/company.pem", "/company.pem"), "/certs")


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("'https://a.example'", Reach(PROXY, USUAL)),
        ("'http://a.example'", Reach(None, USUAL)),  # for where it redirects to https
        ("'http://localhost:1'", DIRECT),
        ("{url: 'http://a.example', tls: {ca: c.pem}}", Reach(None, Tls(PemFile("c.pem", "c.pem")))),
        ("'https://localhost:1'", Reach(None, USUAL)),
        ("{url: 'https://a.example', proxy: none}", Reach(None, USUAL)),
        ("{url: 'https://a.example', proxy: ' None '}", Reach(None, USUAL)),
        ("{url: 'http://localhost:1', proxy: 'other:1'}", Reach(Proxy("http", "other", 1))),
        ("{url: 'https://a.example', proxy: 'https://other:1'}", Reach(Proxy("https", "other", 1), USUAL, USUAL)),
        ("{url: 'http://a.example', proxy: 'https://other:1'}", Reach(Proxy("https", "other", 1), USUAL, USUAL)),
        ("{url: 'https://a.example', tls: {ca: c.pem}}", Reach(PROXY, Tls(PemFile("c.pem", "c.pem")))),
        ("{url: 'https://a.example', tls: {verify: false}}", Reach(PROXY, Tls(USUAL.ca, "/certs", verify=False))),
        (
            "{url: 'https://a.example', proxy: none, tls: {client_cert: c, client_key: k}}",
            Reach(None, Tls(USUAL.ca, "/certs", PemFile("c", "c"), PemFile("k", "k"))),
        ),
    ],
)
def test_the_file_wins_over_the_environment(server: str, expected: Reach) -> None:
    """Which counts for whatever the file does not say."""
    assert reach(server, ENV) == expected


def test_without_either_a_server_is_reached_directly() -> None:
    """By the authorities that come with the program."""
    assert reach("'https://a.example'") == DIRECT


def test_servers_without_a_name_go_the_environments_way() -> None:
    """DEFAULT_UPSTREAM, an address in a route, an instance's, and the arbiter's."""
    found = rules(
        "routes: [{match: {model: m}, route: {upstream: 'https://b.example'}}]\n"
        "aliases: {a: {instances: [{url: 'https://c.example', model: m}]}}\n"
        "arbiter: {url: 'https://d.example', model: m, targets: {coding: a}}\n",
        ENV,
    )
    assert found.arbiter is not None
    servers = [*found.upstreams, found.default, found.arbiter.server]
    assert len({server.url.host for server in servers}) == 4
    assert {server.reach for server in servers} == {Reach(PROXY, USUAL)}


def test_a_proxy_may_be_named_by_a_variable() -> None:
    """So that the file holds no password; where it does, a warning says how to be rid of it, without repeating it."""
    found = rules("servers: {s: {url: 'https://a.example', proxy: 'env:WAY'}}", ENV)
    proxy = found.servers["s"].reach.proxy
    assert proxy is not None and proxy.credentials is not None and proxy.credentials.get_secret_value() == "anna:word"
    assert found.warnings == ()
    (told,) = rules("servers: {s: {url: 'https://a.example', proxy: 'http://anna:word@other:1'}}").warnings
    assert str(told).startswith("r.yaml:1:48: servers.s.proxy: the file holds the password itself: write env:NAME")
    assert "anna" not in str(told)


def test_every_fault_has_its_place_and_no_secret() -> None:
    """File, line, column and a sentence."""
    told = faults(
        "servers:\n"
        "  a: {url: 'https://a.example', proxy: 'socks5://anna:word@h'}\n"
        "  b: {url: 'https://b.example', proxy: 'env:NOBODY'}\n"
        "  c: {url: 'https://c.example', proxy: 'localhost:1234'}\n"
        "  d: {url: 'https://d.example', tls: {ca: missing.pem, client_cert: missing.key}}\n"
    )
    assert told == [
        "r.yaml:2:40: servers.a.proxy: a SOCKS proxy is not supported: expected an HTTP proxy, such as "
        "http://proxy.example:3128; or none, to go there directly",
        "r.yaml:3:40: servers.b.proxy: the environment variable NOBODY is not set, or empty",
        "r.yaml:4:40: servers.c.proxy: this is the router itself",
        "r.yaml:5:43: servers.d.tls.ca: missing.pem: there is no such file",
        "r.yaml:5:69: servers.d.tls.client_cert: missing.key: there is no such file",
    ]


@pytest.mark.parametrize(
    ("tls", "told"),
    [
        ("{client_key: k}", "client_key is the key of client_cert, which is missing"),
        ("{cert: c}", "unknown key. Known here: ca, client_cert, client_key, verify"),
        ("{verify: no thanks}", "expected true or false, not 'no thanks'"),
        ("false", "expected a mapping of keys to values, not false"),
    ],
)
def test_a_wrong_shape_is_told(tls: str, told: str) -> None:
    """As of every other key."""
    (found,) = faults(f"servers: {{s: {{url: 'https://a.example', tls: {tls}}}}}")
    assert told in found


def test_a_fault_of_the_environment_is_told_once_and_by_its_variable() -> None:
    """However many servers it is for."""
    text = "servers: {a: 'https://a.example', b: 'https://b.example'}"
    assert faults(text, {"HTTPS_PROXY": "socks5://anna:word@h", "SSL_CERT_FILE": "missing"}) == [
        "HTTPS_PROXY: a SOCKS proxy is not supported: expected an HTTP proxy, such as http://proxy.example:3128",
        "SSL_CERT_FILE: missing: there is no such file",
    ]


def test_what_no_server_needs_is_not_looked_at() -> None:
    """A bad variable that nothing depends on stops nobody."""
    env = {"HTTPS_PROXY": "socks5://h", "SSL_CERT_FILE": "missing", "ALL_PROXY": "socks5://h"}
    files = Files()
    DEFAULTS.default_upstream = "http://localhost:8000"
    try:
        found = rules("servers: {s: {url: 'https://a.example', proxy: none, tls: {ca: c.pem}}}", env, files)
    finally:
        DEFAULTS.default_upstream = "https://up.example"
    assert found.servers["s"].reach == Reach(None, Tls(PemFile("c.pem", "c.pem"))) and files.read == ["c.pem"]


def test_a_fault_of_the_environment_stops_no_server_of_http() -> None:
    """It needs certificates only where it redirects to https, and is then held to the usual authorities."""
    DEFAULTS.default_upstream = "http://up.example"
    try:
        found = rules("servers: {s: 'http://a.example'}", {"SSL_CERT_FILE": "missing"})
        told = faults("servers: {s: 'http://a.example', t: 'https://b.example'}", {"SSL_CERT_FILE": "missing"})
    finally:
        DEFAULTS.default_upstream = "https://up.example"
    assert found.servers["s"].reach == DIRECT and found.warnings == ()
    assert told == ["SSL_CERT_FILE: missing: there is no such file"]


def test_what_is_odd_is_a_warning() -> None:
    """A variable that names the router, a server that is not checked, TLS for a server without it."""
    text = "servers: {a: {url: 'https://a.example', tls: {verify: false}}, b: {url: 'http://b.example', tls: {ca: c}}}"
    told = [str(warning) for warning in rules(text, {"ALL_PROXY": "127.0.0.1:1234"}).warnings]
    assert told[0].startswith("ALL_PROXY: this is the router itself, so it is passed over")
    assert told[1].startswith("r.yaml:1:55: servers.a.tls.verify: the server's certificate is not checked")
    assert told[2].startswith("r.yaml:1:") and "servers.b.tls: this counts only where the server redirects" in told[2]
    assert len(told) == 3


def test_where_there_are_no_files_every_name_of_one_is_a_fault() -> None:
    """Nothing is taken for trusted without having been read."""
    with pytest.raises(RulesError) as error:
        parse_ruleset("servers: {a: {url: 'https://a.example', tls: {ca: c, client_cert: d}}}", "r", DEFAULTS)
    assert [problem.message for problem in error.value.problems] == ["c cannot be read here", "d cannot be read here"]


def keys(text: str, **env: str) -> list[tuple[str, str, int]]:
    rules = parse_ruleset(f"servers: {{s: {{url: 'https://up.example', {text}}}}}", "r.yaml", DEFAULTS, env)
    server = rules.servers["s"]
    assert server.api_key == (server.keys[0].value if server.keys else None)
    return [(key.label, key.value.get_secret_value(), key.weight) for key in server.keys]


def test_several_keys() -> None:
    """Each by what the file calls it, in its order; one key is a list of one."""
    env = {"A": "value-a", "B": "value-b"}
    assert keys("api_keys: [env:A, {key: 'env:B', weight: 3}, plain-key]", **env) == [
        ("env:A", "value-a", 1), ("env:B", "value-b", 3), ("key 3", "plain-key", 1),
    ]  # fmt: skip
    assert keys("api_key: env:A", **env) == [("env:A", "value-a", 1)]
    assert keys("api_key: plain-key") == [("api_key", "plain-key", 1)] and keys("dialect: openai") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("api_keys: [env:A, env:A2]", "api_keys[1]: this key is there twice: weight says how often it is used"),
        ("api_keys: [env:A, env:NONE]", "api_keys[1]: the environment variable NONE is not set, or empty"),
        (
            "api_keys: [env:A, env:OAT]",
            "api_keys[1]: this is an OAuth token of a Claude subscription: those of consumer",
        ),
        ("api_keys: [env:A, {key: 'env:B', weight: 0}]", "weight: "),
        ("api_keys: []", "api_keys: "),
        ("api_keys: [env:A], api_key: env:B", "expected either api_key or api_keys"),
        ("api_keys: [env:A, 'with blank']", "api_keys[1]: the key has a blank in it"),
    ],
)
def test_keys_that_are_refused(text: str, said: str) -> None:
    """By the place in the file; no message has a key, and a subscription is not pooled, but may be the only one."""
    env = {"A": "value-a", "A2": "value-a", "B": "value-b", "OAT": "sk-ant-oat01-value-of-it"}
    with pytest.raises(RulesError) as caught:
        keys(text, **env)
    told = str(caught.value)
    assert said in told and not [value for value in env.values() if value in told]
    assert keys("api_key: env:OAT", **env) == [("env:OAT", "sk-ant-oat01-value-of-it", 1)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{a: SECRET}", "servers.s.api_keys: expected a list"),
        ("SECRET", "servers.s.api_keys: expected a list"),
        (
            "[[SECRET]]",
            "servers.s.api_keys[0]: expected env:NAME, file:PATH or vault:NAME, or a mapping with key and weight",
        ),
        ("[{key: SECRET, wieght: 2}]", "servers.s.api_keys[0].wieght: unknown key; did you mean 'weight'?"),
        ("[{key: a, weight: SECRET}]", "servers.s.api_keys[0].weight: expected a whole number"),
        ("[{weight: 2}]", "servers.s.api_keys[0].key: this key is missing"),
    ],
)
def test_keys_in_another_form(text: str, said: str) -> None:
    """What was expected there is told, and nothing of what stands there."""
    secret = "sk-secret-value-123456"
    with pytest.raises(RulesError) as caught:
        keys(f"api_keys: {text.replace('SECRET', secret)}")
    assert said in str(caught.value) and secret not in str(caught.value)


@pytest.mark.parametrize(
    "secret", ["sk-secret-value-123456", "0123456789abcdef0123456789abcdef", "correct horse battery", "s3cr"]
)
@pytest.mark.parametrize(
    "text",
    [
        "api_keys: [{'SECRET': 3}]",
        "api_keys: [{key: 'env:A', 'SECRET': 3}]",
        "api_keys: [{key: {'SECRET': 3}}]",
        "api_keys: [{'SECRET': {weight: 3}}]",
        "api_keys: [{'SECRET': 3, 'SECRET': 4}]",
        "api_keys: {'SECRET': 3}",
        "api_key: {'SECRET': 3}",
        "api_key: {'SECRET': 3, 'SECRET': 4}",
        "proxy: {'SECRET': 3, 'SECRET': 4}",
        "headers: {'Bearer SECRET': 'x'}",
        "headers: {'x-key: SECRET': 'x'}",
    ],
)
def test_a_key_in_the_place_of_a_name(text: str, secret: str) -> None:
    """The fault has its place, and nothing of the key."""
    with pytest.raises(RulesError) as caught:
        keys(text.replace("SECRET", secret), A="value-a")
    told = str(caught.value)
    assert "r.yaml:1:" in told and "servers.s." in told and secret not in told


def test_what_looks_like_a_key_is_not_repeated_wherever_it_stands() -> None:
    """As a server's option, a server's name, or beneath anything else."""
    secret = "sk-secret-value-123456"
    for text in (f"{secret}: 1", f"quirks: {{{secret}: 1}}", f"tls: {{{secret}: 1}}"):
        with pytest.raises(RulesError, match=r"servers\.s\.") as caught:
            keys(text)
        assert secret not in str(caught.value)
    assert (
        "servers.s.quirks.developer: unknown key; did you mean 'developer_role'?"
        in faults("servers: {s: {url: 'http://h', quirks: {developer: true}}}")[0]
    )
