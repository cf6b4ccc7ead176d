"""Pages: web pages that call the router. Which may is told by core/request/origins.py, from CORS_ORIGINS.

The proxy's own room writes what a browser wants to see into the head of each answer (proxy/client_connection.py).
"""

from __future__ import annotations

import logging

from mitmproxy import http
from mitmproxy.proxy.mode_specs import ReverseMode

from switchman.addons.core.request.origins import is_preflight, origins, preflight
from switchman.addons.flow.exchange import exchange
from switchman.addons.flow.refusal import own_answer, refusal
from switchman.addons.state.runtime import Runtime

logger = logging.getLogger(__name__)

TOLD_AT_MOST = 100  # origins: pages choose them


class Pages:
    """Answers the preflights of browsers, and refuses requests and WebSockets of pages that may not call the router.

    Writes: nothing.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._told: set[str] = set()  # refused origins that the log has named

    def request(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or flow.response or "origin" not in flow.request.headers:
            return
        if not isinstance(flow.client_conn.proxy_mode, ReverseMode):
            return  # the page calls a server of its own, through us
        request = flow.request
        origin: str = request.headers["origin"]
        allowed = origins(self.runtime.settings.cors_origins)
        if not allowed.allows(origin, request.headers.get("host", "")):
            self._tell(origin)
            flow.response = refusal(x, 403, _why(origin))
        elif is_preflight(request.method, request.headers.fields):
            fields = preflight(request.headers.fields, origin, allowed)
            response = http.Response.make(204, b"", http.Headers(fields))
            flow.response = own_answer(x, response)

    def _tell(self, origin: str) -> None:
        if origin not in self._told and len(self._told) < TOLD_AT_MOST:
            self._told.add(origin)
            logger.warning("%s", _why(origin))


def _why(origin: str) -> str:
    shown = repr(origin[:200])
    return (
        f"The web page at {shown} may not call this router. If it is yours, add its origin to CORS_ORIGINS and start "
        "the router again."
    )
