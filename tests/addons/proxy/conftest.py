"""A playbook for our HTTP layer, in the manner of mitmproxy's own (which its package does not bring along).

Events go in, commands come out; hooks are answered by the test's own addons, on a real Exchange; time stands still
until the test lets it pass. There is no socket and no clock, so a test says in which order things happen.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import pytest
from mitmproxy import http, options
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client, Connection, ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.mode_specs import ProxyMode

from switchman.addons.core.decision.verdicts.judge import Ending, judge
from switchman.addons.core.dialects.neutral.form import Stamp
from switchman.addons.core.dialects.rendering import Rendered, ServerProfile, render
from switchman.addons.core.request.call import Call
from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.servers.servers import KeepAlive, Server, Timeouts
from switchman.addons.core.servers.urls import parse
from switchman.addons.core.streams.pipe import Pipe
from switchman.addons.core.streams.reply import ReplyCollector
from switchman.addons.flow.exchange import Attempt, Exchange, begin, exchange
from switchman.addons.flow.labels import make_open_ended
from switchman.addons.proxy.attempt import UpstreamFailure
from switchman.addons.proxy.failover_layer import RoutedHttpLayer
from switchman.addons.testing import make_call

RETRY = frozenset({500, 502, 503})
LIMITS = Timeouts(connect=5.0, first_byte=60.0, idle=30.0, total=1000.0)


class Addons:
    """What the pipeline does with an Exchange, as far as the layer can tell: one attempt for each of `servers`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.call: Call | None = make_call(stream=True)
        self.deadline = 10_000.0  # seconds from the start of a request
        self.servers: list[Server] = [self.server("one")]
        self.rendered: Rendered | None = None
        self.failures: list[UpstreamFailure] = []
        self.flows: list[http.HTTPFlow] = []
        self.seen: list[str] = []  # hooks, in order
        self.ours = True  # False: requests get no Exchange
        self.after: Callable[[http.Request], Any] = lambda request: None  # what else it does to an attempt's request
        self.fresh = False  # ask for a connection that was not used before
        self.tail: list[bytes] | None = [b"data: {}\n\n"]

    def server(self, name: str, limits: Timeouts = LIMITS, ping_after: float = 0.0, early: bool = False) -> Server:
        """A server of the name, which is its host's, too."""
        return Server(name, parse(f"http://{name}:80"), timeout=limits, keepalive=KeepAlive(ping_after, early))

    @property
    def x(self) -> Exchange:
        """The Exchange of the last request."""
        found = exchange(self.flows[-1])
        assert found is not None
        return found

    def translate(self, dialect: Any) -> None:
        """Have all servers be of another dialect than the client."""
        assert self.call is not None
        candidate = Candidate(self.servers[0], "m")
        self.rendered = render(self.call, candidate, ServerProfile(dialect), Stamp("id", 0.0, "m", False))

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self.flows.append(flow)
        if not self.ours:
            return
        now = self.clock()
        begin(flow, Exchange("x", 0.0, now, "127.0.0.1", deadline=now + self.deadline, dialect="openai"))

    def request(self, flow: http.HTTPFlow) -> None:
        if not self.ours:
            return
        self.x.call = self.call
        self._attempt(flow)

    def _attempt(self, flow: http.HTTPFlow) -> None:
        number = len(self.x.attempts)
        server = self.servers[number]
        retries = RETRY if number + 1 < len(self.servers) else frozenset()
        self.x.attempts.append(
            Attempt(number + 1, Candidate(server, "m"), f"{server.name}/m", str(server.url), 0.0, self.clock())
        )
        attempt = self.x.attempts[-1]
        attempt.held_statuses = attempt.retry_statuses = retries
        attempt.rendered = self.rendered
        flow.request.host, flow.request.port = server.url.host, server.url.port
        flow.request.scheme = server.url.scheme
        self.after(flow.request)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        assert flow.response is not None
        if not self.ours:
            return
        x, sort = self.x, flow.response.headers.get("content-type", "")
        if x.attempt is None or x.attempt.ended is not None or sort != "text/event-stream":
            return
        x.reply = ReplyCollector()
        x.pipe = flow.response.stream = Pipe("sse", [], x.reply, 1000, _never, self.clock)
        make_open_ended(flow.response)

    def upstream_failed(self, failure: UpstreamFailure) -> None:
        self.failures.append(failure)
        x = self.x
        assert x.attempt is not None
        x.attempt.ended = self.clock()
        x.attempt.verdict = judge(
            Ending(server=x.attempt.candidate.server, how=failure.kind, status=x.attempt.status, reused=failure.reused)
        )
        if failure.begun:
            failure.tail = self.tail
            return
        x.pipe = x.reply = None
        if len(x.attempts) < len(self.servers):
            failure.retry, failure.fresh = True, self.fresh
            self._attempt(failure.flow)
        else:
            failure.flow.response = failure.response or http.Response.make(502, failure.message)


class Playbook:
    """One client connection. What it gives back are the commands of the layer, hooks and logs left out."""

    def __init__(self, head_timeout: float = inf, **limits: int) -> None:
        self.now = 1000.0
        self.client = Client(
            peername=("127.0.0.1", 50000),
            sockname=("127.0.0.1", 8080),
            timestamp_start=0.0,
            state=ConnectionState.OPEN,
            proxy_mode=ProxyMode.parse("reverse:http://default:80"),
        )
        opts = options.Options()
        Proxyserver().load(opts)
        opts.add_option("switchman_max_body_bytes", int, limits.get("body", 100_000), "")
        opts.add_option("switchman_max_header_bytes", int, limits.get("head", 10_000), "")
        opts.add_option("switchman_cors_origins", str, "local", "")
        opts.add_option("switchman_max_websocket_message", int, limits.get("message", 1000), "")
        opts.add_option("switchman_websocket_idle_timeout", int, 600, "")
        opts.update(keep_host_header=True)
        context = Context(self.client, opts)
        context.server.address = ("default", 80)
        self.layer = RoutedHttpLayer(
            context, HTTPMode.transparent, 30.0, clock=lambda: self.now, head_timeout=head_timeout
        )
        self.addons = Addons(lambda: self.now)
        self.opened: list[commands.OpenConnection] = []
        self.timers: list[tuple[float, commands.RequestWakeup]] = []
        self.to_client = b""
        self.to_server = b""  # the last one that was opened
        self.paused: Callable[[str], bool] = lambda hook: False  # hooks whose answer is to wait for resume()
        self.waiting: list[commands.StartHook] = []
        self.do(events.Start())

    # --- events

    def do(self, event: events.Event) -> list[commands.Command]:
        """Put an event in, and answer the hooks; the other commands that come out."""
        done: list[commands.Command] = []
        for command in list(self.layer.handle_event(event)):
            done += self._obey(command)
        return done

    def says(self, data: bytes) -> list[commands.Command]:
        """The client sends bytes."""
        return self.do(events.DataReceived(self.client, data))

    def asks(self, body: bytes = b"{}", path: bytes = b"/v1/chat/completions") -> list[commands.Command]:
        """The client sends a whole request."""
        head = b"POST %s HTTP/1.1\r\nHost: router\r\nContent-Length: %d\r\n\r\n" % (path, len(body))
        return self.says(head + body)

    def leaves(self) -> list[commands.Command]:
        """The client closes its connection."""
        self.client.state = ConnectionState.CLOSED
        return self.do(events.ConnectionClosed(self.client))

    def connects(self, error: str | None = None) -> list[commands.Command]:
        """The connection that was asked for last stands, or cannot be had."""
        command = self.opened[-1]
        if error is None:
            command.connection.state = ConnectionState.OPEN
        return self.do(events.OpenConnectionCompleted(command, error))

    @property
    def server(self) -> Connection:
        """The server's connection that was opened last."""
        return self.opened[-1].connection

    def answers(self, data: bytes) -> list[commands.Command]:
        """The server sends bytes."""
        return self.do(events.DataReceived(self.server, data))

    def hangs_up(self) -> list[commands.Command]:
        """The server closes its connection."""
        self.server.state = ConnectionState.CLOSED
        return self.do(events.ConnectionClosed(self.server))

    def passes(self, seconds: float) -> list[commands.Command]:
        """Time passes; the timers that are due ring, each at its time."""
        done: list[commands.Command] = []
        end = self.now + seconds
        rings = 0
        while (due := min(self.timers, key=lambda timer: timer[0], default=None)) and due[0] <= end:
            rings += 1
            assert rings < 1000, "a timer rings without end"
            self.timers.remove(due)
            self.now = max(self.now, due[0])
            done += self.do(events.Wakeup(due[1]))
        self.now = end
        return done

    def resume(self) -> list[commands.Command]:
        """Answer the hooks that were kept waiting."""
        self.paused = lambda hook: False
        waiting, self.waiting = self.waiting, []
        return [command for hook in waiting for command in self._answer(hook)]

    # --- commands

    def _obey(self, command: commands.Command) -> list[commands.Command]:
        if isinstance(command, commands.StartHook):
            if self.paused(command.name):
                self.waiting.append(command)
                return []
            return self._answer(command)
        if isinstance(command, commands.Log):
            return []
        if isinstance(command, commands.RequestWakeup):
            self.timers.append((self.now + command.delay, command))
        elif isinstance(command, commands.OpenConnection):
            self.opened.append(command)
            self.to_server = b""
        elif isinstance(command, commands.SendData):
            if command.connection is self.client:
                self.to_client += command.data
            else:
                self.to_server += command.data
        elif isinstance(command, commands.CloseTcpConnection) and command.half_close:
            command.connection.state &= ~ConnectionState.CAN_WRITE
        elif isinstance(command, commands.CloseConnection):
            command.connection.state = ConnectionState.CLOSED
        return [command]

    def _answer(self, hook: commands.StartHook) -> list[commands.Command]:
        self.addons.seen.append(hook.name)
        (argument,) = hook.args()
        if (handler := getattr(self.addons, hook.name, None)) is not None:
            handler(argument)
        return self.do(events.HookCompleted(hook)) if hook.blocking else []


def _never(error: Exception, what: Any) -> None:
    raise AssertionError(f"{what}: {error}")


@pytest.fixture
def play() -> Playbook:
    """A client that is connected, and one server that is to be asked."""
    return Playbook()


@pytest.fixture
def playbook() -> type[Playbook]:
    """To make one with other limits."""
    return Playbook
