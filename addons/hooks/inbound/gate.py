"""Gate: decides which flows are ours, and starts their Exchange."""

from __future__ import annotations

import secrets
import time

from mitmproxy import http
from mitmproxy.proxy.mode_specs import ReverseMode

from switchman.addons.core.dialects import endpoint_of
from switchman.addons.core.paths.reading import read
from switchman.addons.core.request.clients import client_address
from switchman.addons.flow.exchange import Exchange, begin
from switchman.addons.flow.refusal import dialect_of
from switchman.addons.state.runtime import Runtime


class Gate:
    """Takes every flow in reverse mode; in other modes (regular, local, ...) only LLM calls, known by their path.

    Writes: id, started_at, started, client, deadline, dialect, reading.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        request, settings = flow.request, self.runtime.settings
        reading = read(request.method, request.path)
        if not isinstance(flow.client_conn.proxy_mode, ReverseMode):
            # Of other hosts' paths only those are taken that are an operation's as its own server has them.
            azure = reading.azure and request.method == "POST"
            if not azure and endpoint_of(request.method, request.path) is None:
                return
        # A client that takes the router for its HTTP proxy sends an absolute URL; servers expect the path alone.
        request.authority = ""
        now = time.monotonic()
        peer = flow.client_conn.peername
        trusted = settings.trusted_proxies
        forwarded = request.headers.get_all("x-forwarded-for") if trusted else ()
        x = Exchange(
            id=secrets.token_hex(10),
            started_at=time.time(),
            started=now,
            client=client_address(peer[0] if peer else "", forwarded, trusted),
            deadline=now + settings.request_timeout,
            dialect=dialect_of(request, reading),
            reading=reading,
        )
        begin(flow, x)
        self.runtime.underway[id(x)] = flow
