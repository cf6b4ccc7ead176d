"""Verdict: what an answer that came whole says of its server.

The status is known from the head on, but only the end tells whether an answer was one: servers send errors in the
middle of streams, and with a status of 200. Attempts that failed have had their verdict in Failover.
"""

from __future__ import annotations

import time

from mitmproxy import http

from switchman.addons.core.dialects.errors import decode_failure
from switchman.addons.core.servers.retry import RETRIABLE_STATUSES, parse_retry_after
from switchman.addons.flow.exchange import exchange
from switchman.addons.state.runtime import Runtime


class Verdict:
    """After Processing, which may find an error within an answer, and before anybody keeps it."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def response(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or (attempt := x.attempt) is None or attempt.ended is not None:
            return
        assert flow.response is not None
        now, failed = time.monotonic(), x.failed
        if x.pipe is None and failed is not None:
            attempt.ended, attempt.outcome, attempt.error = now, "error", failed.message
            x.outcome, x.error = "upstream_error", x.error or failed.message
        elif x.reply is not None and x.reply.failure is not None:
            failed = decode_failure(x.reply.failure)
        if (failed.status if failed is not None else flow.response.status_code) in RETRIABLE_STATUSES:
            retry_after = parse_retry_after(flow.response.headers, time.time())
            self.runtime.breakers.failure(attempt.target, now, retry_after)
        else:
            self.runtime.breakers.success(attempt.target, now)
