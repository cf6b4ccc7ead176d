"""Names: refuses requests that ask for the router by a name that is not its own (DNS rebinding).

Which names are its own is told by core/access/admission/hosts.py, from ALLOWED_HOSTS. Only in reverse mode: through a
forward proxy Host is the server that a client wants. What counts is the Host field: it is the one that a browser
writes. A URL in its place is written only by who takes the router for a proxy, which no page can bring about.
"""

from __future__ import annotations

import logging
from functools import cached_property

from mitmproxy import ctx, http
from mitmproxy.proxy.mode_specs import ReverseMode

from switchman.addons.config.hosts import own_hosts
from switchman.addons.core.access.admission.hosts import Hosts, host_name
from switchman.addons.core.access.admission.hosts import refusal as why
from switchman.addons.flow.exchange import exchange
from switchman.addons.flow.refusal import refusal
from switchman.addons.state.runtime import Runtime

logger = logging.getLogger(__name__)

TOLD_AT_MOST = 100  # names: whoever asks chooses them


class Names:
    """Answers 421 to whoever asks for the router by another's name, before anything is asked of a server.

    Writes: nothing.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._told: set[str] = set()  # refused names that the log has told of

    @cached_property
    def own(self) -> Hosts:
        """Made once: settings do not change."""
        return own_hosts(self.runtime.settings)

    def request(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or flow.response or not isinstance(flow.client_conn.proxy_mode, ReverseMode):
            return
        host: str | None = flow.request.headers.get("host")
        if host is None:
            # No browser leaves it out. RFC 9112 section 3.2: HTTP/1.0 may, later versions must not.
            if flow.request.http_version != "HTTP/1.0":
                flow.response = refusal(x, 400, "The request has no Host field.")
        elif not self.own.has(host) and not self._are_callers_known():
            self._tell(host)
            flow.response = refusal(x, 421, why(host, "ALLOWED_HOSTS"))

    def _are_callers_known(self) -> bool:
        """Whether a request gets here only with a token, which a page under a foreign name has none of."""
        return self.runtime.settings.wants_tokens or bool(getattr(ctx.options, "proxyauth", None))

    def _tell(self, host: str) -> None:
        name = host_name(host)
        if name and name not in self._told and len(self._told) < TOLD_AT_MOST:
            self._told.add(name)
            logger.warning("%s", why(host, "ALLOWED_HOSTS"))
