"""Pages: web pages that call the router. Which may is told by core/request/origins.py, from CORS_ORIGINS.

A page that was loaded from the router itself (a server's own, passed through) may call it, by any name that is known
to be the router's. A request without an origin is judged by Sec-Fetch-Site.

The proxy's own room writes what a browser wants to see into the head of each answer (proxy/client_connection.py).
"""

from __future__ import annotations

import logging
from functools import cached_property

from mitmproxy import http
from mitmproxy.proxy.mode_specs import ReverseMode

from switchman.addons.config.hosts import own_hosts
from switchman.addons.core.access.admission.fetches import foreign_fetch
from switchman.addons.core.access.admission.hosts import Hosts, is_same_place
from switchman.addons.core.request.origins import is_preflight, origins, preflight
from switchman.addons.flow.exchange import exchange, reading_of
from switchman.addons.flow.refusal import own_answer, refusal
from switchman.addons.state.runtime import Runtime

logger = logging.getLogger(__name__)

TOLD_AT_MOST = 100  # origins: pages choose them
# What the router answers itself, and what costs nobody anything: a link may lead there.
OWN_PAGES = frozenset({"root", "version", "healthz", "readyz", "models", "tags", "ps"})


class Pages:
    """Answers the preflights of browsers, and refuses requests and WebSockets of pages that may not call the router.

    Writes: nothing.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._told: set[str] = set()  # refused origins that the log has named

    @cached_property
    def own(self) -> Hosts:
        """The router's names."""
        return own_hosts(self.runtime.settings)

    def request(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or flow.response:
            return
        if not isinstance(flow.client_conn.proxy_mode, ReverseMode):
            return  # the page calls a server of its own, through us
        request = flow.request
        origin: str | None = request.headers.get("origin")
        host: str = request.headers.get("host", "")
        allowed = origins(self.runtime.settings.cors_origins)
        if origin is None:
            own_page = reading_of(x, request).kind in OWN_PAGES
            if why := foreign_fetch(request.method, request.headers, allowed, own_page=own_page):
                flow.response = refusal(x, 403, why)
        elif not (allowed.allows(origin, host) or (self.own.knows(host) and is_same_place(origin, host))):
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
