"""Learning: remembers, of each server and model, whether a reply began inside a thinking block nobody saw opened.

core/servers/models/opening.py says what a reply teaches, and what follows from it for the next one.
"""

from __future__ import annotations

from mitmproxy import http

from switchman.addons.core.request.call import GENERATING
from switchman.addons.core.servers.models.opening import lesson
from switchman.addons.flow.exchange import Exchange, exchange
from switchman.addons.state.runtime import Runtime

STOP_WORDS = ("stop", "stop_sequences")  # a reply that ends at one may have ended before its closer


class Learning:
    """Runs after Rewriting, as it has to know the server, and after Judging, as only a good answer teaches.

    Writes: nothing.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def request(self, flow: http.HTTPFlow) -> None:
        """While the server works, what the other workers know arrives."""
        if (x := exchange(flow)) is None or flow.response or (attempt := x.attempt) is None:
            return
        if attempt.rendered is not None and attempt.rendered.endpoint.operation in GENERATING:
            self.runtime.openings.look(attempt.target, attempt.rendered.endpoint.path)

    async def response(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is not None:
            self._learn(x)

    async def error(self, flow: http.HTTPFlow) -> None:
        """The client left: a closer that it has seen is one all the same."""
        if (x := exchange(flow)) is not None:
            self._learn(x)

    def _learn(self, x: Exchange) -> None:
        if (attempt := x.attempt) is None or (thoughts := attempt.thoughts) is None or thoughts.settled:
            return
        assert x.call is not None and attempt.rendered is not None
        called = x.reply is not None and x.reply.tool_calls > 0  # not every server's reason says so: Ollama's is "stop"
        taught = lesson(
            orphan=thoughts.found_orphan,
            expected=thoughts.opens,
            finish=x.reply.finish_reason if x.reply is not None else None,
            whole=x.was_answered and not called and not any(x.call.body.get(name) for name in STOP_WORDS),
        )
        if taught is not None:
            self.runtime.openings.learn(attempt.target, attempt.rendered.endpoint.path, taught)
