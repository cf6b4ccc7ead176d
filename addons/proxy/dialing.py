"""How a connection to an upstream is built: the layers between its socket and HTTP, by the server's Reach.

    socket -- [TLS to the proxy] -- [the proxy: CONNECT, or nothing] -- [TLS to the server] -- HTTP

1. Through a proxy, a server of https is reached by CONNECT, so that the proxy sees nothing of the request. One of http
   is asked for by its whole URL (absolute-form, RFC 9112 section 3.2.2; upstream_connection.py): proxies commonly allow
   CONNECT to port 443 only (Squid and tinyproxy do as they are installed), and curl and Python ask likewise.
2. The name in the server's certificate is the host of the configuration: never what a client said (its SNI, its Host).
3. What fails at the proxy is told in a sentence that names the proxy, without its credentials.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

from h11._receivebuffer import ReceiveBuffer
from mitmproxy.addons.tlsconfig import DEFAULT_HOSTFLAGS
from mitmproxy.connection import Connection, ConnectionState, Server
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events, layer, tunnel
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.tls import ServerTLSLayer
from OpenSSL import SSL

from switchman.addons.core.servers.reaching import proxies, tlsfaults
from switchman.addons.core.servers.reaching.reach import DIRECT, USUAL, Proxy, Reach, Tls
from switchman.addons.core.servers.scarcity import is_scarcity

ALPN = (b"http/1.1",)
MAX_HEAD = 64 * 1024  # bytes of a proxy's answer to CONNECT; they have a few hundred


class Dialled(Server):
    """A connection that we open: to a server, or to a proxy.

    `alert`: why the other end of TLS gave the connection up; it may say so only after the handshake.
    """

    tls_settings: Tls = USUAL
    alert: str = ""


class Upstream(Dialled):
    """A connection to a server, and the way it goes. `tunnel`: the one to the proxy, which has the socket."""

    reach: Reach = DIRECT
    tunnel: Dialled | None = None


@dataclass(eq=False)
class Securing:
    """What the `secure_upstream` hook is given, and what it fills in: `context`, or `error` with a sentence."""

    tls: Tls
    context: SSL.Context | None = None
    error: str = ""


@dataclass
class SecureUpstreamHook(commands.StartHook):
    """A TLS connection with settings of its own is about to begin."""

    securing: Securing


class UpstreamTls(ServerTLSLayer):
    """TLS to a server, or to a proxy. Without settings of its own it is set up by mitmproxy's addon, by its options."""

    conn: Dialled

    def start_handshake(self) -> layer.CommandGenerator[None]:
        if self.conn.tls_settings == USUAL:
            yield from super().start_handshake()
            return
        asked = Securing(self.conn.tls_settings)
        yield SecureUpstreamHook(asked)
        if asked.context is None:
            error = asked.error or "TLS could not be set up for this server"  # the addon crashed
            for command in self.on_handshake_error(error):
                if not (isinstance(command, commands.Log) and is_scarcity(error)):  # the addons tell that
                    yield command
            yield from self._handshake_finished(error)
            return
        assert self.conn.sni
        self.tls = SSL.Connection(asked.context)
        require_name(self.tls, self.conn.sni)
        self.tls.set_alpn_protos(list(ALPN))
        self.tls.set_connect_state()
        yield from self.receive_handshake_data(b"")

    def receive_handshake_data(self, data: bytes) -> layer.CommandGenerator[tuple[bool, str | None]]:
        done, error = yield from super().receive_handshake_data(data)
        return done, error and tlsfaults.explained(error)

    def receive_data(self, data: bytes) -> layer.CommandGenerator[None]:
        broken = ""
        for command in super().receive_data(data):
            if isinstance(command, commands.Log) and command.message.startswith("TLS Error"):
                broken = tlsfaults.explained(command.message)
            yield command
        if broken and not self.conn.alert:
            # mitmproxy takes a fatal alert for an end that was told already, and would wait for an answer for ever.
            self.conn.alert = broken
            self.conn.state &= ~ConnectionState.CAN_READ
            yield from self.event_to_child(events.ConnectionClosed(self.conn))


def require_name(connection: SSL.Connection, name: str) -> None:
    """Have the other end's certificate be for this name or address. As mitmproxy's TlsConfig does it."""
    lib: Any = vars(SSL)["_lib"]  # pyOpenSSL has no door for this
    param = lib.SSL_get0_param(connection._ssl)
    lib.X509_VERIFY_PARAM_set_hostflags(param, DEFAULT_HOSTFLAGS)
    try:
        address = ipaddress.ip_address(name).packed
    except ValueError:
        connection.set_tlsext_host_name(name.encode())
        done = lib.X509_VERIFY_PARAM_set1_host(param, name.encode(), len(name))
    else:
        done = lib.X509_VERIFY_PARAM_set1_ip(param, address, len(address))
    if done != 1:  # without it any certificate would do
        raise ValueError(f"no certificate can be checked for {name!r}")


class ProxyTunnel(tunnel.TunnelLayer):
    """The way through an HTTP proxy. `connect`: ask it for a tunnel; else what is sent is meant for itself."""

    conn: Server

    def __init__(self, context: Context, proxy: Proxy, to_proxy: Server, connect: bool) -> None:
        super().__init__(context, tunnel_connection=to_proxy, conn=context.server)
        self.proxy, self.connect = proxy, connect
        self.buf = ReceiveBuffer()
        self.stood = False  # the connection to the proxy
        self.said = False  # the failure is told already

    @property
    def target(self) -> str:
        """Host and port as CONNECT wants them."""
        assert self.conn.address
        host, port = self.conn.address[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def start_handshake(self) -> layer.CommandGenerator[None]:
        self.stood = True
        if not self.connect:
            yield from super().start_handshake()
            return
        head = f"CONNECT {self.target} HTTP/1.1\r\nHost: {self.target}\r\n"
        if authorization := self.proxy.authorization:
            head += f"Proxy-Authorization: {authorization}\r\n"
        yield commands.SendData(self.tunnel_connection, f"{head}\r\n".encode())

    def receive_handshake_data(self, data: bytes) -> layer.CommandGenerator[tuple[bool, str | None]]:
        if not self.connect:
            return (yield from super().receive_handshake_data(data))
        self.buf += data
        head = self.buf.maybe_extract_lines()
        if not head:
            if len(self.buf) > MAX_HEAD or not b"HTTP/".startswith(bytes(self.buf)[:5]):
                return False, self._failed("it does not answer as an HTTP proxy does")
            return False, None
        try:
            status = http1.read_response_head([bytes(line) for line in head]).status_code
        except ValueError:
            return False, self._failed("it does not answer as an HTTP proxy does")
        if 100 <= status < 200:
            return (yield from self.receive_handshake_data(b"")) if self.buf else (False, None)
        if not 200 <= status < 300:
            self.said = True
            return False, proxies.refusal(self.proxy, status, self.target)
        if self.buf:  # no server says anything before it is asked, neither in TLS nor in HTTP
            return False, self._failed("it sends bytes that nobody asked for")
        return True, None

    def _failed(self, reason: str) -> str:
        self.said = True
        return proxies.failure(self.proxy, reason)

    def event_to_child(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.OpenConnectionCompleted) and event.reply and not self.said:
            reason = "it hung up" if self.stood else f"it cannot be reached: {event.reply}"
            event = events.OpenConnectionCompleted(event.command, proxies.failure(self.proxy, reason))
        yield from super().event_to_child(event)


def stack_for(context: Context, address: tuple[str, int], tls: bool, reach: Reach) -> tunnel.LayerStack:
    """The layers of a new connection, without HTTP; `context.server` becomes that connection."""
    server = context.server = Upstream(address=address)
    server.reach, server.tls_settings = reach, reach.tls
    stack = tunnel.LayerStack()
    if (proxy := reach.proxy) is not None:
        server.tunnel = to_proxy = Dialled(address=(proxy.host, proxy.port))
        server.via = (proxy.scheme, to_proxy.address)  # type: ignore[assignment]
        if proxy.scheme == "https":
            to_proxy.tls_settings = reach.proxy_tls
            stack /= _tls(context, to_proxy)
        stack /= ProxyTunnel(context, proxy, to_proxy, connect=tls)
    if tls:
        stack /= _tls(context, server)
    return stack


def _tls(context: Context, connection: Dialled) -> UpstreamTls:
    assert connection.address
    # A name may end in a dot, but not in a certificate (RFC 6066 section 3).
    connection.sni, connection.alpn_offers = connection.address[0].removesuffix("."), ALPN
    return UpstreamTls(context, connection)


def socket_of(connection: Connection) -> Connection:
    """The connection that has the socket: itself, or that to its proxy."""
    return connection.tunnel or connection if isinstance(connection, Upstream) else connection
