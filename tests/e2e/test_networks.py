"""Company networks: a proxy on the way to the servers, certificates of the company's own, and client certificates."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from switchman.addons.testing import Behaviour, FakeUpstream, HttpProxy
from switchman.addons.testing.broken import refused

NAME = "llm.company.test"  # no resolver knows it but the proxy
USER = "anna:s3cret%20word"
SAID = "anna:s3cret word"


def serving(authority: trustme.CA, *names: str, wants: trustme.CA | None = None) -> ssl.SSLContext:
    """A server's side of TLS; `wants`: clients need a certificate of this authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    if wants is not None:
        wants.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Path:
    """ca.pem, and the router's own client.pem (with its key), cert.pem and key.pem."""
    folder = tmp_path_factory.mktemp("pem")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    own = authority.issue_cert("router.company.test")
    own.private_key_and_cert_chain_pem.write_to_path(str(folder / "client.pem"))
    own.private_key_pem.write_to_path(str(folder / "key.pem"))
    (folder / "cert.pem").write_bytes(own.cert_chain_pems[0].bytes())
    return folder


@pytest.fixture(scope="module")
def plain(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory("openai", name="plain", default=Behaviour(text="Plain."), models=("m",))


@pytest.fixture(scope="module")
def secure(upstream_factory: Callable[..., FakeUpstream], authority: trustme.CA) -> FakeUpstream:
    tls = serving(authority, NAME, "127.0.0.1")
    return upstream_factory("openai", name="secure", tls=tls, default=Behaviour(text="Secure."), models=("m",))


@pytest.fixture(scope="module")
def mutual(upstream_factory: Callable[..., FakeUpstream], authority: trustme.CA) -> FakeUpstream:
    """It wants a client certificate."""
    tls = serving(authority, NAME, "127.0.0.1", wants=authority)
    return upstream_factory("openai", name="mutual", tls=tls, default=Behaviour(text="Mutual."), models=("m",))


@pytest.fixture(scope="module")
def hosts(plain: FakeUpstream, secure: FakeUpstream) -> dict[str, tuple[str, int]]:
    return {NAME: ("127.0.0.1", secure.port), "plain.company.test": ("127.0.0.1", plain.port)}


@pytest.fixture(scope="module")
def company(hosts: dict[str, tuple[str, int]]) -> Iterator[HttpProxy]:
    """A proxy that wants a password, and allows CONNECT to 443 only, as Squid does as it is installed."""
    with HttpProxy(SAID, hosts=hosts, connect_ports=frozenset({443})) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def shared_proxy(
    start_shared: Any, company: HttpProxy, files: Path, secure: FakeUpstream, mutual: FakeUpstream, plain: FakeUpstream
) -> Any:
    ca, client = files / "ca.pem", files / "client.pem"
    way = f"http://{USER}@127.0.0.1:{company.port}"
    routes = f"""\
servers:
  tunnelled: {{url: "https://{NAME}/v1", dialect: openai, tls: {{ca: "{ca}"}}}}
  forwarded: {{url: "http://plain.company.test/v1", dialect: openai}}
  near: {{url: "{plain.url}/v1", dialect: openai}}
  named: {{url: "https://{NAME}:443/v1", dialect: openai, proxy: "env:WAY", tls: {{ca: "{ca}"}}}}
  alone: {{url: "http://plain.company.test/v1", dialect: openai, proxy: none}}
  trusted: {{url: "{secure.url}/v1", dialect: openai, tls: {{ca: "{ca}"}}}}
  untrusted: {{url: "{secure.url}/v1", dialect: openai}}
  careless: {{url: "{secure.url}/v1", dialect: openai, tls: {{verify: false}}}}
  mutual: {{url: "{mutual.url}/v1", dialect: openai, tls: {{ca: "{ca}", client_cert: "{client}"}}}}
  split: {{url: "{mutual.url}/v1", dialect: openai,
           tls: {{ca: "{ca}", client_cert: "{files / "cert.pem"}", client_key: "{files / "key.pem"}"}}}}
  uncertified: {{url: "{mutual.url}/v1", dialect: openai, tls: {{ca: "{ca}"}}}}
"""
    env = {"HTTPS_PROXY": way, "http_proxy": way, "HTTP_PROXY": "http://wrong.invalid:1", "WAY": way}
    return start_shared(routes, {**env, "ALL_PROXY": "socks5://unused.invalid:1080"})


def content(proxy: Any, model: str, stream: bool = False) -> str:
    client = proxy.openai()
    asked: Any = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    if not stream:
        return str(client.chat.completions.create(**asked).choices[0].message.content)
    pieces = client.chat.completions.create(**asked, stream=True)
    return "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("server", ["tunnelled", "named"])
def test_a_server_of_https_is_reached_by_connect(proxy: Any, company: HttpProxy, server: str, stream: bool) -> None:
    """As HTTPS_PROXY says, or `proxy` of the server; the proxy is told its password, and no more than host and port."""
    before = len(company.asked)
    assert content(proxy, f"{server}/m", stream) == "Secure."
    asked = company.asked[before:]
    assert [f"{one.method} {one.target}" for one in asked] == [f"CONNECT {NAME}:443"]
    assert asked[0].authorization == "Basic YW5uYTpzM2NyZXQgd29yZA=="  # anna:s3cret word
    assert not any(b"client-key" in value for _, value in asked[0].headers)


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_of_http_is_asked_for_by_its_whole_url(
    proxy: Any, company: HttpProxy, plain: FakeUpstream, stream: bool
) -> None:
    """As http_proxy says, in small letters before capitals; the server gets no credentials of the proxy."""
    before, had = len(company.asked), len(plain.requests)
    assert content(proxy, "forwarded/m", stream) == "Plain."
    assert [f"{one.method} {one.target}" for one in company.asked[before:]] == [
        "POST http://plain.company.test/v1/chat/completions"
    ]
    request = plain.requests[had]
    assert (request.header("host"), request.header("via")) == ("plain.company.test", "1.1 strict")
    assert request.header("proxy-authorization") is None and request.header("authorization") == "Bearer client-key"


def test_this_machine_is_reached_without_a_proxy(proxy: Any, company: HttpProxy) -> None:
    """NO_PROXY or not."""
    before = len(company.asked)
    assert content(proxy, "near/m") == "Plain."
    assert len(company.asked) == before


def test_a_server_may_be_kept_off_the_proxy(proxy: Any, company: HttpProxy) -> None:
    """`proxy: none`: the name is then one that nobody can resolve."""
    before = len(company.asked)
    answer = proxy.chat("alone/m")
    assert answer.status_code == 502 and "proxy" not in answer.json()["error"]["message"]
    assert len(company.asked) == before


def test_one_client_connection_reaches_many_servers_by_one_proxy(start: Any, plain: FakeUpstream) -> None:
    """mitmproxy opens five connections to one address and waits for one of them to end, which here is a proxy's."""
    names = [f"box{number}.company.test" for number in range(8)]
    with HttpProxy(hosts=dict.fromkeys(names, ("127.0.0.1", plain.port))) as company:
        servers = "".join(f"  s{n}: {{url: 'http://{name}', dialect: openai}}\n" for n, name in enumerate(names))
        proxy = start(f"servers:\n{servers}", {"http_proxy": company.url})
        with httpx.Client(base_url=proxy.url, trust_env=False, timeout=30) as client:
            body: Any = {"messages": [{"role": "user", "content": "hi"}]}
            for number in [*range(8), *range(8)]:
                answer = client.post("/v1/chat/completions", json={**body, "model": f"s{number}/m"})
                assert answer.status_code == 200, answer.text
    assert plain.requests[-1].header("host") == "box7.company.test"


@pytest.mark.parametrize(
    ("server", "text"), [("trusted", "Secure."), ("careless", "Secure."), ("mutual", "Mutual."), ("split", "Mutual.")]
)
@pytest.mark.parametrize("stream", [False, True])
def test_certificates_are_as_the_rules_say(proxy: Any, server: str, text: str, stream: bool) -> None:
    """An authority of the company's own, none at all, and a client certificate, with its key or beside it."""
    assert content(proxy, f"{server}/m", stream) == text


def test_a_certificate_nobody_trusts_is_a_failed_attempt_that_says_what_to_set(proxy: Any) -> None:
    """Also where another server has the same address and is trusted or not checked, just before, on this connection."""
    with httpx.Client(base_url=proxy.url, trust_env=False, timeout=30) as client:
        body: Any = {"messages": [{"role": "user", "content": "hi"}]}
        for server, status in [("trusted", 200), ("careless", 200), ("untrusted", 502), ("trusted", 200)]:
            answer = client.post("/v1/chat/completions", json={**body, "model": f"{server}/m"})
            assert answer.status_code == status, answer.text
            if status == 502:
                assert "`tls: {ca: FILE}`" in answer.json()["error"]["message"]


@pytest.mark.parametrize("by", ["the rules", "SSL_CERT_FILE"])
def test_a_redirect_to_https_goes_the_servers_way_and_is_held_to_its_certificates(
    start: Any, plain: FakeUpstream, secure: FakeUpstream, files: Path, by: str
) -> None:
    """By the same proxy, now by CONNECT; a certificate that nobody trusts ends it."""
    hosts = {f"{NAME}:80": ("127.0.0.1", plain.port), f"{NAME}:443": ("127.0.0.1", secure.port)}
    tls = f", tls: {{ca: '{files / 'ca.pem'}'}}" if by == "the rules" else ""
    with HttpProxy(SAID, hosts=hosts) as company:
        way = company.url.replace("://", f"://{USER}@")
        env = {"WAY": way} | ({"SSL_CERT_FILE": str(files / "ca.pem")} if by == "SSL_CERT_FILE" else {})
        there = f"url: 'http://{NAME}/v1', dialect: openai, proxy: 'env:WAY'"
        proxy = start(f"servers: {{s: {{{there}{tls}}}, untrusted: {{{there}, tls: {{verify: true}}}}}}\n", env)
        location = f"https://{NAME}/v1/chat/completions"
        for stream in (False, True):
            plain.script([Behaviour(status=308, headers={"location": location}, body=b"")])
            assert content(proxy, "s/m", stream) == "Secure."
        asked = [line for line in company.lines if line.split()[0] in ("POST", "CONNECT")]
        assert asked == [f"POST http://{NAME}/v1/chat/completions", f"CONNECT {NAME}:443"] * 2
        assert secure.requests[-1].header("authorization") == "Bearer client-key"
        assert secure.requests[-1].header("proxy-authorization") is None
        if by == "the rules":
            plain.script([Behaviour(status=308, headers={"location": location}, body=b"")])
            answer = proxy.chat("untrusted/m")
            assert answer.status_code == 502 and "not trusted here" in answer.json()["error"]["message"]


@contextlib.contextmanager
def demanding(authority: trustme.CA, version: ssl.TLSVersion) -> Iterator[str]:
    """A server that wants a client certificate and, unlike asyncio's, tells its clients so: with an alert."""
    context = serving(authority, "127.0.0.1", wants=authority)
    context.maximum_version = version
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            # By memory, as a socket that is closed with something unread would reset, and the alert could be lost.
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(incoming, outgoing, server_side=True)
            with connection, contextlib.suppress(OSError):
                while data := connection.recv(65536):
                    incoming.write(data)
                    with contextlib.suppress(ssl.SSLError):
                        tls.do_handshake()
                    connection.sendall(outgoing.read())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_missing_client_certificate_is_said(
    start: Any, authority: trustme.CA, files: Path, version: ssl.TLSVersion
) -> None:
    """TLS 1.3 tells it only after the handshake, and 1.2 in fewer words."""
    with demanding(authority, version) as url:
        proxy = start(f"servers: {{s: {{url: '{url}', dialect: openai, tls: {{ca: '{files / 'ca.pem'}'}}}}}}\n")
        answer = proxy.chat("s/m")
    assert answer.status_code == 502 and "want" in answer.text
    assert "a client certificate" in answer.text and "`tls: {client_cert: FILE}`" in answer.text


def test_a_server_that_hangs_up_for_want_of_a_certificate_fails_its_attempt(proxy: Any) -> None:
    """Without telling why."""
    answer = proxy.chat("uncertified/m")
    assert answer.status_code == 502 and "server closed connection" in answer.text


def test_what_is_not_checked_is_said_once_in_the_log(proxy: Any) -> None:
    """With its place in the file."""
    told = [line for line in proxy.output.splitlines() if "servers.careless.tls.verify" in line]
    assert len(told) == 1 and "the server's certificate is not checked" in told[0]


def test_no_secret_of_the_proxy_is_ever_told(proxy: Any) -> None:
    """Neither in the log nor in what is kept of requests."""
    proxy.wait_output("careless")
    kept = repr(proxy.rows())
    for secret in ("s3cret", "YW5uYTpzM2NyZXQgd29yZA"):
        assert secret not in proxy.output and secret not in kept


@pytest.mark.parametrize(
    ("user", "answer", "given", "told"),
    [
        (SAID, None, "", "it wants a user name and password (407)"),
        (SAID, None, "anna:wrong@", "it refuses our user name and password (407)"),
        (None, 403, "", f"it refuses the way to {NAME}:443 (403 Forbidden)"),
        (None, 502, "", f"it could not reach {NAME}:443 (502 Bad Gateway)"),
    ],
)
def test_a_proxy_that_refuses_is_a_failed_attempt_that_names_it(
    start: Any, plain: FakeUpstream, user: str | None, answer: int | None, given: str, told: str
) -> None:
    """The next candidate answers; the sentence has the proxy's address, and no credentials."""
    with HttpProxy(user, answer=answer) as company:
        way = company.url.replace("://", f"://{given}")
        proxy = start(
            f"servers:\n  far: {{url: 'https://{NAME}', dialect: openai, proxy: '{way}'}}\n  near: '{plain.url}'\n"
            "aliases: {both: {instances: [far/m, near/m]}}\n"
        )
        assert content(proxy, "both") == "Plain."
        alone = proxy.chat("far/m")
    sentence = f"the proxy {company.url}: {told}"
    assert alone.status_code == 502 and sentence in alone.json()["error"]["message"]
    row = proxy.row(requested_model="both")
    assert row["attempts"][0]["error"] == sentence
    assert "wrong" not in alone.text.replace(sentence, "") and "anna" not in proxy.output


def test_a_407_for_a_whole_url_is_the_proxys_and_not_passed_on(start: Any, plain: FakeUpstream) -> None:
    """The client could do nothing with it."""
    with HttpProxy(SAID) as company:
        servers = f"{{far: {{url: 'http://{NAME}', dialect: openai, proxy: '{company.url}'}}, near: '{plain.url}'}}"
        proxy = start(f"servers: {servers}\naliases: {{both: {{instances: [far/m, near/m]}}}}\n")
        assert content(proxy, "both") == "Plain."
        alone = proxy.chat("far/m")
    assert alone.status_code == 502 and "it wants a user name and password (407)" in alone.text
    assert "proxy-authenticate" not in alone.headers


def test_a_proxy_that_is_down_is_a_failed_attempt(start: Any, plain: FakeUpstream) -> None:
    """And so is one that hangs up."""
    with refused() as dead:
        servers = f"{{far: {{url: 'https://{NAME}', dialect: openai, proxy: '{dead}'}}, near: '{plain.url}'}}"
        proxy = start(f"servers: {servers}\naliases: {{both: {{instances: [far/m, near/m]}}}}\n")
        assert content(proxy, "both") == "Plain."
        alone = proxy.chat("far/m")
    assert f"the proxy {dead}: it cannot be reached: " in alone.json()["error"]["message"]


def test_model_lists_and_probes_go_the_same_way(start: Any, secure: FakeUpstream, files: Path) -> None:
    """Same proxy, same authority: SSL_CERT_FILE, and SSL_CERT_DIR beside it, count for all servers."""
    with HttpProxy(hosts={NAME: ("127.0.0.1", secure.port)}) as company:
        env = {"HTTPS_PROXY": company.url, "SSL_CERT_FILE": str(files / "ca.pem"), "SSL_CERT_DIR": str(files)}
        proxy = start(f"servers: {{far: 'https://{NAME}'}}\n", env)
        proxy.wait_output("far speaks openai")
        assert "far/m" in [model.id for model in proxy.openai().models.list()]
        assert content(proxy, "far/m") == "Secure."
        assert set(company.lines) == {f"CONNECT {NAME}:443"}


def test_a_proxy_may_speak_tls_itself(
    start: Any, hosts: dict[str, tuple[str, int]], files: Path, authority: trustme.CA
) -> None:
    """TLS within TLS, and plain requests within TLS; the proxy's certificate is held to what SSL_CERT_FILE says."""
    with HttpProxy(SAID, hosts=hosts, tls=serving(authority, "127.0.0.1")) as company:
        way = company.url.replace("://", f"://{USER}@")
        env = {"ALL_PROXY": way, "SSL_CERT_FILE": str(files / "ca.pem")}
        proxy = start(f"servers: {{far: 'https://{NAME}', plain: 'http://plain.company.test'}}\n", env)
        assert content(proxy, "far/m") == content(proxy, "far/m", stream=True) == "Secure."
        assert content(proxy, "plain/m") == content(proxy, "plain/m", stream=True) == "Plain."
        proxy.wait_output("far speaks openai")
        asked = {f"CONNECT {NAME}:443", "POST http://plain.company.test/v1/chat/completions"}
        assert {line for line in company.lines if not line.startswith("GET ")} == asked


def test_the_servers_name_is_the_configurations_not_the_clients(
    start: Any, upstream_factory: Callable[..., FakeUpstream], authority: trustme.CA, files: Path
) -> None:
    """A client that speaks TLS to the router says a name (SNI); a certificate for that name alone is refused."""
    upstream = upstream_factory("openai", name="evil", tls=serving(authority, "evil.example"))
    proxy = start("", {"DEFAULT_UPSTREAM": upstream.url, "SSL_CERT_FILE": str(files / "ca.pem")})
    with httpx.Client(verify=False, trust_env=False, timeout=30) as client:
        answer = client.post(
            f"https://127.0.0.1:{proxy.port}/v1/chat/completions",
            json={"model": "m", "messages": [{"role": "user", "content": "hi"}]},
            headers={"authorization": "Bearer secret"},
            extensions={"sni_hostname": "evil.example"},
        )
    assert answer.status_code == 502 and "for another name" in answer.json()["error"]["message"]
    assert upstream.requests == []


def test_a_reload_changes_the_way_of_new_connections(
    start: Any, secure: FakeUpstream, files: Path, tmp_path: Path, authority: trustme.CA
) -> None:
    """Other rules, and another certificate in the same file; a fault leaves what is in force, and says where it is."""
    other, ca = trustme.CA(), tmp_path / "ca.pem"
    other.cert_pem.write_to_path(str(ca))
    rules = f"servers: {{s: {{url: '{secure.url}', dialect: openai, tls: {{ca: '{ca}'}}}}}}\n"
    proxy = start(rules)
    assert proxy.chat("s/m").status_code == 502
    authority.cert_pem.write_to_path(str(ca))
    proxy.wait_output("loaded, 1 server")
    assert content(proxy, "s/m") == "Secure."
    ca.unlink()
    proxy.wait_output(f"routes.yaml:1:{rules.index(str(ca))}: servers.s.tls.ca: {ca}: there is no such file")
    assert content(proxy, "s/m") == "Secure."
    authority.cert_pem.write_to_path(str(ca))
    with contextlib.suppress(httpx.TransportError):
        proxy.until(lambda: httpx.get(f"{proxy.url}/healthz", trust_env=False).json().get("rules_error") is None)
    assert content(proxy, "s/m") == "Secure."
