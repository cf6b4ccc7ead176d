"""Callers: who asks, by the token that a request came with. CLIENT_AUTH=TOKENS lets nobody else in.

It looks at the head of a request, so that the body of one that is refused is not read. Whoever sends a token, it goes
no further than this: it is taken out of head and query before anything else sees them, also where nobody is asked for
one (CLIENT_AUTH=NONE). In a path's segments it cannot be taken out: that is a 400.

Open to all are `/healthz`, `/` and the short form of `/readyz`, which tell nothing of the configuration, and the
preflights of browsers, which carry no credentials and which Pages answers. Through a forward proxy nothing is.
"""

from __future__ import annotations

import time

from mitmproxy import http
from mitmproxy.proxy.mode_specs import ReverseMode

from switchman.addons.core.access.presented import Refused, check, presented
from switchman.addons.core.keys.owntoken import in_path, without_tokens
from switchman.addons.core.request.origins import is_preflight
from switchman.addons.flow.exchange import Exchange, exchange, reading_of
from switchman.addons.flow.refusal import refusal
from switchman.addons.state.access.failures import Failures
from switchman.addons.state.runtime import Runtime

OPEN = frozenset({"healthz", "readyz", "root"})
TOKEN_IN_PATH = "The path has a token of this router in it. Send it as Authorization: Bearer TOKEN."  # noqa: S105
NOT_FRESH = "The router cannot tell who asks: the database that has its tokens does not answer. Try again in a moment."
TOO_MANY = "Too many requests of your address came without a token that holds; those with one are answered as ever."
CHALLENGE = {"www-authenticate": 'Bearer realm="switchman"'}  # RFC 9110 section 11.6.1


class Callers:
    """Sets the caller, or refuses the request.

    Writes: caller, leaves_row.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.failures = Failures(time.monotonic)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or flow.response:
            return
        self._look(flow, x)
        if flow.response is not None and flow.request.method == "HEAD":
            flow.response.raw_content = b""  # and the content-length of what GET would have got

    def _look(self, flow: http.HTTPFlow, x: Exchange) -> None:
        request = flow.request
        known = self.runtime.tokens
        tokens = presented(request.headers.fields, request.path) if known is not None else ()
        self._take_out(request)
        if in_path(request.path):
            flow.response = refusal(x, 400, TOKEN_IN_PATH)
            return
        if known is None:  # CLIENT_AUTH=NONE
            return
        if not known.is_fresh:
            if not _is_open(flow, x):
                flow.response = refusal(x, 503, NOT_FRESH, headers={"retry-after": "5"})
            return
        try:
            x.caller = check(tokens, known.find, time.time())
        except Refused as refused:
            if not _is_open(flow, x):
                flow.response = self._refuse(x, str(refused))

    def done(self) -> None:
        self.failures.tell()

    def _take_out(self, request: http.Request) -> None:
        fields, path = without_tokens(request.headers.fields, request.path)
        if fields is not request.headers.fields:
            request.headers.fields = fields
        if path != request.path:
            request.path = path

    def _refuse(self, x: Exchange, why: str) -> http.Response:
        if self.failures.count(x.client):
            return refusal(x, 401, why, headers=CHALLENGE)
        x.leaves_row = False
        return refusal(x, 429, f"{TOO_MANY} {why}", headers={"retry-after": "60"})


def _is_open(flow: http.HTTPFlow, x: Exchange) -> bool:
    """Whether a request is answered whoever asks, and by the router itself."""
    request = flow.request
    if not isinstance(flow.client_conn.proxy_mode, ReverseMode) or "upgrade" in request.headers:
        return False
    if is_preflight(request.method, request.headers.fields) and "origin" in request.headers:
        return True
    return request.method in ("GET", "HEAD") and reading_of(x, request).kind in OPEN
