"""Processing: the same stages as on a stream, over a whole reply."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

from mitmproxy import http

from switchman.addons.core.dialects import framing_of
from switchman.addons.core.dialects.codecs import CODECS, FORMATS
from switchman.addons.core.dialects.endings import reasons_without_calls
from switchman.addons.core.dialects.errors import decode_failure
from switchman.addons.core.dialects.neutral.form import Failed, Stamp
from switchman.addons.core.dialects.rendering import TRANSLATED
from switchman.addons.core.dialects.translate import StreamFailed, Translation, as_stream
from switchman.addons.core.request import jsonedit
from switchman.addons.core.request.call import GENERATING
from switchman.addons.core.streams.naming import name_whole
from switchman.addons.core.streams.reply import ReplyCollector
from switchman.addons.core.streams.slotstage import apply_whole
from switchman.addons.core.texts.largejson import count_values
from switchman.addons.core.texts.unicode import dump, dump_large, read_json
from switchman.addons.flow.exchange import Attempt, Exchange, exchange
from switchman.addons.flow.labels import label
from switchman.addons.flow.refusal import error_response, refusal, translate_error
from switchman.addons.hooks.outbound.streaming import text_stages
from switchman.addons.state.runtime import Runtime

logger = logging.getLogger(__name__)

LARGE = 256 * 1024  # bytes of an answer from which on it is processed off the event loop
MOST_VALUES = 1_000_000  # in the JSON of a text's answer: each takes some 4 us to read; embeddings may have more


class Processing:
    """Reads the usage, strips thinking and fences, and translates, in what Streaming held back.

    Writes: failed, reply.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def response(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """An awaitable where the answer is large, and processed off the event loop."""
        if (x := exchange(flow)) is None or x.call is None or x.pipe is not None:
            return None
        if (attempt := x.attempt) is None or attempt.verdict is not None or flow.response is None:
            return None
        if flow.response.status_code < 400:
            if len(flow.response.raw_content or b"") > LARGE:
                return self.runtime.background.run(self._process, x, attempt, flow)
            self._process(x, attempt, flow)
        elif attempt.answer is not None:
            translate_error(flow.response, attempt.answer)
        return None

    def _process(self, x: Exchange, attempt: Attempt, flow: http.HTTPFlow) -> None:
        assert flow.response is not None
        try:
            obj = None if _has_too_many(x, flow.response) else _read(flow.response, attempt.answer)
        except StreamFailed as e:
            logger.warning("%s failed within its answer: %s", attempt.target, self.runtime.capturing.told(x, str(e)))
            x.failed = e.failed
            flow.response = error_response(x, e.failed.status, f"{attempt.target} failed during its answer: {e}")
            label(flow.response, x, flow.request)
            return
        if obj is None:
            assert x.call is not None
            if x.call.endpoint.operation in TRANSLATED:  # others answer with lists, too
                logger.warning("%s sent a reply that is no JSON object, or has too many values", attempt.target)
            if attempt.answer is not None:
                x.failed = Failed("the server sent a reply that cannot be read", status=502)
                flow.response = refusal(x, 502, f"{attempt.target} sent a reply that cannot be read.")
                label(flow.response, x, flow.request)
            return
        x.reply = ReplyCollector()
        x.reply.feed_whole(obj)
        stages = text_stages(x, attempt, self.runtime, streamed=False)
        changed = bool(stages) and apply_whole(stages, obj)
        if x.redaction is not None and x.redaction.restorer is not None:
            before = x.redaction.restorer.restored
            x.redaction.restorer.value(obj)
            changed = changed or x.redaction.restorer.restored != before
        if x.auto:
            changed = name_whole(obj, attempt.name_for_client) or changed
        if attempt.answer is not None:
            _translate(flow.response, attempt, obj)
        elif x.awaits_stream and x.failed is None:
            _tell(flow.response, x, obj)
        else:
            _settle_reasons(flow.response, obj, changed)


def _has_too_many(x: Exchange, response: http.Response) -> bool:
    """Whether a text has more values in it than any reply with a text, so that reading it would take many seconds."""
    assert x.call is not None
    content = response.raw_content or b""
    is_text = x.call.endpoint.operation in GENERATING and len(content) > MOST_VALUES
    return is_text and count_values(content, MOST_VALUES) > MOST_VALUES


def _read(response: http.Response, answer: Translation | None) -> dict[str, Any] | None:
    """The reply, None if it is not a JSON object. A stream that nobody asked for is put together first.

    Raises StreamFailed for an answer to be translated that is an error in spite of its status.
    """
    framing = framing_of(response.headers.get("content-type", ""))
    try:
        content = response.get_content(strict=True) if "content-encoding" in response.headers else response.raw_content
        if content and framing is not None and answer is not None:
            return answer.gather(content, framing)
        obj = read_json(content) if content else None
    except ValueError:
        return None
    if not isinstance(obj, dict):
        return None
    if answer is not None and obj.get("error"):
        raise StreamFailed(decode_failure(obj))  # with status 200, as OpenRouter does
    return obj


def _translate(response: http.Response, attempt: Attempt, obj: dict[str, Any]) -> None:
    assert attempt.answer is not None and attempt.rendered is not None
    if attempt.rendered.streams:
        # Asked for a stream, the server answered in one piece: the client still gets what it asked for.
        response.headers["content-type"] = attempt.answer.content_type
        _replace(response, attempt.answer.whole_as_stream(obj))
    else:
        response.headers["content-type"] = "application/json"
        _replace(response, _dump(response, attempt.answer.whole(obj)))


def _dump(response: http.Response, obj: dict[str, Any]) -> bytes:
    """The reply `obj` made of `response`, which in a thread may take one short call after the other."""
    return dump_large(obj) if len(response.raw_content or b"") > LARGE else dump(obj)


def _settle_reasons(response: http.Response, obj: dict[str, Any], changed: bool) -> None:
    """Write the reply as it is by now. Only a reason that is wrong changes in one that is otherwise left as it came."""
    edits = reasons_without_calls(obj)
    content = _dump(response, obj) if changed else response.get_content(strict=False) or b""
    if edits:
        with suppress(ValueError):  # JSON in UTF-16, which a client may read or not
            content = jsonedit.edit(content.decode("utf-8", "surrogateescape"), edits).encode(
                "utf-8", "surrogateescape"
            )
    if changed or edits:
        _replace(response, content)


def _tell(response: http.Response, x: Exchange, obj: dict[str, Any]) -> None:
    """Give an answer in one piece as the stream that was asked for: the client waits for events."""
    assert x.call is not None
    format = FORMATS[x.call.dialect, x.call.endpoint.operation]
    stamp = Stamp(x.id, x.started_at, x.call.model, x.call.wants_usage)
    response.headers["content-type"] = CODECS[format].stream_type
    _replace(response, as_stream(CODECS[format].decode_reply(obj), format, stamp))


def _replace(response: http.Response, content: bytes) -> None:
    headers = response.headers
    headers.pop("content-encoding", None)
    response.raw_content = content
    if "transfer-encoding" not in headers:
        headers["content-length"] = str(len(content))
