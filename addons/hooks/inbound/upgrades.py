"""Upgrades: reads which WebSocket a request asks for, and refuses one that is not valid, or not at home at its path.

Another upgrade (h2c, TLS/1.0, ...) is not spoken here: such a request goes on as if it had not asked (Rewriting).
"""

from __future__ import annotations

from mitmproxy import http

from switchman.addons.core.access.admission import handshake
from switchman.addons.core.paths.websockets import takes_websockets
from switchman.addons.flow.exchange import exchange, reading_of
from switchman.addons.flow.refusal import refusal
from switchman.addons.state.runtime import Runtime


class Upgrades:
    """Reads the handshake of a WebSocket, before anything is asked of a server.

    Writes: handshake.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def request(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or flow.response or "upgrade" not in flow.request.headers:
            return
        request = flow.request
        try:
            asked = handshake.read(request.method, request.http_version, request.headers.fields)
        except handshake.BadHandshake as e:
            more = {"sec-websocket-version": handshake.VERSION} if e.status == 426 else {}
            flow.response = refusal(x, e.status, str(e), headers=more)
            return
        if asked is None or reading_of(x, request).kind == "malformed":  # Intake refuses the path
            return
        if not takes_websockets(request.path, self.runtime.settings.websocket_paths):
            flow.response = refusal(x, 404, _no_websocket(request.path.partition("?")[0]))
            return
        x.handshake = asked


def _no_websocket(path: str) -> str:
    shown = path[:200] if path.isprintable() else repr(path[:200])
    return (
        f"{shown} is not known as a path of WebSockets, as /v1/realtime, /v1/responses and Gemini's Live API are. "
        f"If the server behind the router has one there, set WEBSOCKET_PATHS={shown} and start the router again."
    )
