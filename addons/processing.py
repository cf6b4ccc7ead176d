"""Processing: the same stages as on a stream, over a whole reply."""

from __future__ import annotations

import json
import logging

from mitmproxy import http

from switchman.addons.core.reply import ReplyCollector
from switchman.addons.core.slotstage import apply_whole
from switchman.addons.exchange import Exchange, exchange
from switchman.addons.runtime import Runtime
from switchman.addons.streaming import text_stages

logger = logging.getLogger(__name__)


class Processing:
    """Reads usage from, and strips thinking and fences in, what Streaming held back."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def response(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or x.call is None or x.pipe is not None:
            return
        if (attempt := x.attempt) is None or attempt.ended is not None or flow.response is None:
            return
        if flow.response.status_code < 400:
            self._process(x, flow.response)

    def _process(self, x: Exchange, response: http.Response) -> None:
        assert x.call is not None and x.candidate is not None
        try:
            content = response.get_content(strict=True)
            obj = json.loads(content) if content else None
        except ValueError as e:
            logger.warning("%s sent a reply that is not JSON, handed on as it is: %s", x.attempts[-1].target, e)
            return
        if not isinstance(obj, dict):
            return
        call = x.call
        x.reply = ReplyCollector()
        x.reply.feed_whole(obj)
        stages = text_stages(call, x.candidate, self.runtime, streamed=False)
        if stages and apply_whole(stages, obj):
            response.headers.pop("content-encoding", None)
            response.content = json.dumps(obj, ensure_ascii=False, separators=(",", ":")).encode(
                "utf-8", "surrogatepass"
            )
