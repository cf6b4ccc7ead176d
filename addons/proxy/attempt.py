"""What the stream of a request tells the addons and the layer, and hears from them; how failures are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

from mitmproxy import http
from mitmproxy.connection import Connection
from mitmproxy.net.http.validate import validate_headers
from mitmproxy.proxy import commands
from mitmproxy.proxy.layers.http import GetHttpConnection
from mitmproxy.proxy.layers.http._events import HttpEvent

from switchman.addons.core.access.admission import handshake
from switchman.addons.core.dialects.neutral.form import Failed
from switchman.addons.core.servers.deadlines import NOT_CONNECTED
from switchman.addons.core.servers.reaching.proxies import is_failure
from switchman.addons.core.servers.reaching.reach import DIRECT, Reach
from switchman.addons.core.servers.retry import FailureKind
from switchman.addons.core.servers.scarcity import is_scarcity
from switchman.addons.core.streams.heads import passing, reason_of
from switchman.addons.proxy.dialing import Upstream


@dataclass(eq=False)
class UpstreamFailure:
    """What the `upstream_failed` hook is given, and what it answers.

    In: `flow`, `kind`, `message` (for a person), `response` for kind "status" (None where its body was too large to
    keep), and `failed` for kind "error", where `response` is only its head. Out: `retry` (the flow's request is the
    next attempt; `fresh` asks for a new connection), or `flow.response` set to the final answer; where the answer had
    `begun`, `tail` is what still goes to the client, None if a clean end is impossible.
    """

    flow: http.HTTPFlow
    kind: FailureKind
    message: str
    response: http.Response | None = None
    failed: Failed | None = None
    begun: bool = False  # the client has the head of the answer, so only `tail` can follow
    reused: bool = False  # the connection had served before, and closed before any byte of this answer
    retry: bool = False
    fresh: bool = False
    tail: list[bytes] | None = None


@dataclass
class UpstreamFailedHook(commands.StartHook):
    """An attempt failed. The addon says what comes next by filling in the UpstreamFailure."""

    failure: UpstreamFailure


@dataclass(eq=False)
class LongStep:
    """What the `long_step` hook is given: `do()` is to be called in another thread, once; its stream waits for it."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    result: Any = None
    is_done: bool = False

    def do(self) -> None:
        self.result = self.function(*self.args)
        self.is_done = True


@dataclass
class LongStepHook(commands.StartHook):
    """A step of an answer takes long. The addon has it done off the event loop."""

    step: LongStep


@dataclass
class DeadlineExpired(HttpEvent):
    """The time is over at which the stream wanted to be woken."""


@dataclass
class RouterIsFull(HttpEvent):
    """Another connection is wanted, and this request has not come in yet."""


@dataclass
class RouterStops(HttpEvent):
    """The router stops, and this request's time to end by itself is over."""


INTERRUPTIONS = (DeadlineExpired, RouterIsFull, RouterStops)


@dataclass(eq=False)
class Connect(GetHttpConnection):
    """GetHttpConnection with a deadline, `timeout` seconds from now. `fresh`: take none that was used before.

    `reach` is the way to the server: a connection that went another way, or is held to other certificates, will not do.
    """

    timeout: float = inf
    fresh: bool = False
    reach: Reach = DIRECT

    def __hash__(self) -> int:
        return id(self)

    def connection_spec_matches(self, connection: Connection) -> bool:
        return (
            isinstance(connection, Upstream)
            and self.address == connection.address
            and self.tls == connection.tls
            and self.reach == connection.reach
        )


def classify_connect_error(message: str) -> FailureKind:
    """The kind of failure that a message tells of. It is our own, the operating system's, or OpenSSL's."""
    if is_scarcity(message):
        return "local"
    if NOT_CONNECTED in message:
        return "timeout"
    if is_failure(message):
        return "connect"
    text = message.lower()
    if any(sign in text for sign in ("tls", "ssl", "certificate", "handshake")):
        return "tls"
    if any(
        sign in text
        for sign in ("name or service", "nodename nor", "getaddrinfo", "name resolution", "no address associated")
    ):
        return "dns"
    return "connect"


def answer_begun(message: str) -> bool:
    """Whether a connection that broke had brought some of its answer."""
    # mitmproxy tells "server closed connection" (no byte) from "unexpected server response: ..." (some bytes).
    return "unexpected server response" in message


def invalid_head(asked: handshake.Handshake | None, response: http.Response) -> str | None:
    """Why a response cannot be relayed (its headers would allow response smuggling, or its status is none), or None.

    `asked`: the WebSocket that the request asked for; only that makes a 101 an answer.
    """
    if response.status_code == 101:
        if problem := handshake.problem_of(asked, response.headers.fields):
            return problem
    elif response.status_code < 200:
        return f"the server's answer has the status {response.status_code}, for which nobody had asked"
    if response.status_code > 599:
        return f"the server's answer has the status {response.status_code}, which there is not"
    try:
        validate_headers(response)
    except ValueError as e:
        return f"the server's headers are invalid: {e}"
    for name, value in response.data.headers.fields:
        if b"\r" in value or b"\n" in value or b"\0" in value:  # RFC 9110 section 5.5: a client may read two headers
            return f"the server's headers are invalid: a line break or NUL in {name.decode('ascii', 'replace')!r}"
    coding = response.headers.get("transfer-encoding", "chunked").lower()
    if coding != "chunked":
        return f"the server's answer has the transfer coding {coding!r}, for which nobody had asked"
    return None


def clean_head(response: http.Response, is_call: bool) -> None:
    """Take out of a server's head what is not for the client, nor for those between. `is_call`: an LLM operation's."""
    data = response.data
    data.reason = reason_of(response.status_code, data.reason)
    if (kept := passing(data.headers.fields, is_call)) is not data.headers.fields:
        response.headers = http.Headers(kept)
    if response.status_code == 204:  # RFC 9110 section 8.6
        response.headers.pop("content-length", None)
