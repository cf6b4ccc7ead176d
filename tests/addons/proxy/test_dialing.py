"""The way to a server: what goes out on the socket, and what is made of what comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from mitmproxy.proxy import commands
from mitmproxy.tls import TlsData
from OpenSSL import SSL
from pydantic import SecretStr

from switchman.addons.core.servers.reaching.proxies import is_failure
from switchman.addons.core.servers.reaching.reach import Proxy, Reach, Tls
from switchman.addons.core.servers.urls import parse
from switchman.addons.proxy.attempt import classify_connect_error
from switchman.addons.proxy.dialing import Securing, require_name

PROXY = Proxy("http", "proxy", 3128, SecretStr("anna:word"))
CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
SAID = b'{"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}'
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(SAID), SAID)


@pytest.fixture
def served(play: Any) -> Callable[..., Any]:
    """The playbook with servers at these URLs, reached so."""

    def make(*urls: str, reach: Reach) -> Any:
        play.addons.servers = [
            replace(play.addons.server(f"s{number}"), url=parse(url), reach=reach) for number, url in enumerate(urls)
        ]
        return play

    return make


def test_a_server_of_http_is_asked_for_by_its_whole_url(served: Any) -> None:
    """With the proxy's credentials, of which the flow's own request, which is kept, knows nothing."""
    play = served("http://far:81/v1", reach=Reach(PROXY))
    play.asks()
    assert play.server.address == ("proxy", 3128)
    play.connects()
    line, *fields = play.to_server.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert line == b"POST http://far:81/v1/chat/completions HTTP/1.1"
    assert b"proxy-authorization: Basic YW5uYTp3b3Jk" in fields
    assert play.to_server.endswith(b"\r\n\r\n{}")
    play.answers(OK)
    assert play.to_client.endswith(SAID)
    request = play.addons.flows[-1].request
    assert "proxy-authorization" not in request.headers and request.authority == ""


def test_a_connection_through_a_proxy_is_used_again(served: Any) -> None:
    """For the same server."""
    play = served("http://far:81/v1", reach=Reach(PROXY))
    for _ in range(2):
        play.asks()
        if not play.server.connected:
            play.connects()
        play.answers(OK)
        play.addons.servers = [*play.addons.servers]
    assert len(play.opened) == 1


@pytest.mark.parametrize(
    "other",
    [Reach(), Reach(replace(PROXY, credentials=None)), Reach(replace(PROXY, port=1)), Reach(PROXY, Tls(verify=False))],
)
def test_a_connection_that_went_another_way_is_not_used(served: Any, other: Reach) -> None:
    """Other proxy, other credentials, other certificates; nor is the proxy's own taken for a server's."""
    play = served("http://proxy:3128/v1", reach=Reach(PROXY))
    play.asks()
    play.connects()
    play.answers(OK)
    play.addons.servers = [replace(play.addons.servers[0], reach=other)]
    play.asks()
    assert len(play.opened) == 2


def test_the_whole_url_is_the_servers_whatever_the_host_is(served: Any) -> None:
    """The rules may set a Host for the server; the proxy has to go to the server's address."""
    play = served("http://far/v1", reach=Reach(PROXY))
    play.addons.after = lambda request: request.headers.update({"host": "other"})
    play.asks()
    play.connects()
    assert play.to_server.startswith(b"POST http://far/v1/chat/completions HTTP/1.1\r\n")
    assert b"\r\nHost: other\r\n" in play.to_server


def test_a_407_is_the_proxys(served: Any) -> None:
    """A failed attempt, and nothing of it goes to the client."""
    play = served("http://far/v1", reach=Reach(PROXY))
    play.asks()
    play.connects()
    play.answers(b'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n')
    assert [failure.message for failure in play.addons.failures] == [
        "the proxy http://proxy:3128: it refuses our user name and password (407)"
    ]
    assert b"Proxy-Authenticate" not in play.to_client and play.layer.streams == {}


def test_a_407_of_a_server_without_a_proxy_is_the_servers(served: Any) -> None:
    """An answer as any other."""
    play = served("http://far/v1", reach=Reach())
    play.asks()
    play.connects()
    play.answers(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
    assert play.addons.failures == [] and play.to_client.startswith(b"HTTP/1.1 407")


def tunnelled(served: Any) -> Any:
    """CONNECT is on its way."""
    play = served("https://far/v1", "http://next", reach=Reach(PROXY))
    play.addons.servers[1] = play.addons.server("next")
    play.asks()
    play.connects()
    return play


def test_a_server_of_https_is_reached_by_connect(served: Any) -> None:
    """With the proxy's credentials and nothing of the request; TLS begins when the proxy says so."""
    play = tunnelled(served)
    assert play.to_server == (
        b"CONNECT far:443 HTTP/1.1\r\nHost: far:443\r\nProxy-Authorization: Basic YW5uYTp3b3Jk\r\n\r\n"
    )
    assert "tls_start_server" not in play.addons.seen
    play.answers(CONNECTED)
    assert "tls_start_server" in play.addons.seen


@pytest.mark.parametrize("cut", range(1, len(CONNECTED)))
def test_the_proxys_answer_may_come_in_pieces(served: Any, cut: int) -> None:
    """Wherever it is cut; an interim answer before it is passed over."""
    play = tunnelled(served)
    play.answers(b"HTTP/1.1 100 Continue\r\n\r\n" + CONNECTED[:cut])
    assert "tls_start_server" not in play.addons.seen and play.addons.failures == []
    play.answers(CONNECTED[cut:])
    assert "tls_start_server" in play.addons.seen


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 407 \xff\r\n\r\n", "it refuses our user name and password (407)"),
        (b"HTTP/1.1 403 anna:word\r\nContent-Length: 5\r\n\r\n<html>", "it refuses the way to far:443 (403 Forbidden)"),
        (b"HTTP/1.0 502 x\r\n\r\n", "it could not reach far:443 (502 Bad Gateway)"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://x\r\n\r\n", "it refuses the way to far:443 (302 Found)"),
        (b"220 smtp\r\n", "it does not answer as an HTTP proxy does"),
        (b"SSH-2.0", "it does not answer as an HTTP proxy does"),
        (b"HTTP/1.1 abc\r\n\r\n", "it does not answer as an HTTP proxy does"),
        (b"HTTP/1.1 200 " + b"x" * 70_000, "it does not answer as an HTTP proxy does"),
        (CONNECTED + b"HTTP/1.1 200 OK\r\n\r\n", "it sends bytes that nobody asked for"),
        (None, "it hung up"),
    ],
)
def test_a_proxy_that_refuses_is_a_failed_attempt_that_names_it(served: Any, answer: bytes | None, told: str) -> None:
    """In a sentence without its own words or our credentials; the next candidate is asked, and the socket closed."""
    play = tunnelled(served)
    to_proxy = play.server
    if answer is None:
        play.hangs_up()
    else:
        done = play.answers(answer)
        assert any(isinstance(c, commands.CloseConnection) and c.connection is to_proxy for c in done)
    assert [failure.message for failure in play.addons.failures] == [f"the proxy http://proxy:3128: {told}"]
    assert [failure.kind for failure in play.addons.failures] == ["connect"]
    assert play.server.address == ("next", 80) and to_proxy not in play.layer.connections
    play.connects()
    play.answers(OK)
    assert play.to_client.endswith(SAID)


def test_a_proxy_that_cannot_be_reached_is_named(served: Any) -> None:
    """With the system's words."""
    play = served("https://far/v1", reach=Reach(PROXY))
    play.asks()
    play.connects("[Errno 111] Connect call failed")
    (failure,) = play.addons.failures
    assert failure.message == "the proxy http://proxy:3128: it cannot be reached: [Errno 111] Connect call failed"
    assert failure.kind == "connect"


def test_a_proxy_that_is_silent_is_given_up_and_its_socket_closed(served: Any) -> None:
    """By the connect deadline, which names it."""
    play = tunnelled(served)
    to_proxy = play.server
    done = play.passes(5.1)
    (failure,) = play.addons.failures
    assert failure.kind == "timeout" and failure.message.endswith("of 5 s through the proxy http://proxy:3128")
    assert any(isinstance(c, commands.CloseConnection) and c.connection is to_proxy for c in done)
    assert to_proxy not in play.layer.connections
    assert play.answers(CONNECTED) == []  # late: nobody listens


def test_a_closed_tunnel_leaves_nothing_behind(served: Any) -> None:
    """Neither the connection to the proxy nor the one within it."""
    play = served("http://far/v1", reach=Reach(PROXY))
    play.asks()
    play.connects()
    play.answers(OK)
    play.hangs_up()
    assert list(play.layer.connections) == [play.client] and play.layer.used == set()


def test_ways_through_one_proxy_are_few_at_a_time(served: Any) -> None:
    """The oldest idle one is closed before mitmproxy would wait for one."""
    play = served("http://far0/v1", reach=Reach(PROXY))
    first = play.addons.servers[0]
    for number in range(7):
        play.addons.servers = [replace(first, url=parse(f"http://far{number}/v1"))]
        play.asks()
        play.connects()
        play.answers(OK)
        assert sum(command.connection.connected for command in play.opened) <= 4
    assert [command.connection.connected for command in play.opened] == [False] * 3 + [True] * 4


@pytest.mark.parametrize("mine", [False, True])
def test_the_servers_name_is_its_urls_never_the_clients(play: Any, mine: bool) -> None:
    """Also where it is the address of the reverse proxy itself, where mitmproxy takes the name that the client said."""
    seen: list[TlsData] = []
    asked: list[Securing] = []
    play.client.sni, play.client.alpn_offers = "evil.example", [b"h2", b"evil"]
    play.layer.context.server.address = ("default", 443)
    play.addons.tls_start_server = seen.append
    play.addons.secure_upstream = lambda question: (asked.append(question), setattr(question, "context", CONTEXT))
    tls = Tls(verify=False) if mine else Tls()
    play.addons.servers = [replace(play.addons.server("s"), url=parse("https://default."), reach=Reach(tls=tls))]
    play.layer.context.server.address = ("default.", 443)
    play.asks()
    play.connects()
    connection = play.server
    assert (connection.sni, connection.alpn_offers) == ("default", (b"http/1.1",))
    assert (len(seen), len(asked)) == ((0, 1) if mine else (1, 0))
    if mine:
        assert b"default" in play.to_server and b"evil" not in play.to_server  # the ClientHello itself


CONTEXT = SSL.Context(SSL.TLS_CLIENT_METHOD)


def test_without_a_context_nothing_goes_out(play: Any) -> None:
    """The addon says why; one that crashed is told of in general words."""
    for error, told in [("TLS: gone", "TLS: gone"), ("", "TLS could not be set up for this server")]:
        play.addons.secure_upstream = lambda question, error=error: setattr(question, "error", error)
        server = replace(play.addons.server("s"), url=parse("https://far"), reach=Reach(tls=Tls(verify=False)))
        play.addons.servers = [server]
        play.asks()
        play.connects()
        assert (play.addons.failures[-1].message, play.addons.failures[-1].kind) == (told, "tls")
        assert play.to_server == b""


def test_a_name_that_cannot_be_held_to_is_refused() -> None:
    """Else any certificate would do."""
    for name in ("a.example", "127.0.0.1", "2001:db8::1"):
        require_name(SSL.Connection(CONTEXT), name)
    with pytest.raises((ValueError, TypeError)):
        require_name(SSL.Connection(CONTEXT), "a\0b.example")


def test_a_proxys_failure_is_one_of_connecting_whatever_its_name() -> None:
    """A host may be called tls or getaddrinfo."""
    message = "the proxy http://tls.getaddrinfo.example:1: it hung up"
    assert is_failure(message) and classify_connect_error(message) == "connect"
