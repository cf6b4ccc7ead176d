"""Is it an answer? What is asked while nothing of it has gone to the client, so that another server may still be tried.

1. The head of a stream is held back until its first event is here. An error in its place, or an end, or silence past
   the first-byte deadline, lets another server be asked. Comments and pings before it go on at once, under the head,
   as the router's own pings would.
2. A whole answer is looked at for an error that comes with a good status.
3. An answer whose status is worth another attempt is kept, in case it is the best there is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from mitmproxy import http
from mitmproxy.proxy.utils import ReceiveBuffer

from switchman.addons.core.dialects.errors import decode_failure, failure_in
from switchman.addons.core.dialects.neutral.form import Failed
from switchman.addons.core.servers.retry import FailureKind
from switchman.addons.flow.exchange import Exchange
from switchman.addons.proxy.keepalive import ping_of

MAX_HELD: Final = 1024 * 1024  # bytes kept of an error body, to be handed on verbatim if nothing better comes
MAX_ERROR: Final = 64 * 1024  # bytes; an error object is smaller than this, and a larger answer is not looked at
# Bytes; a larger one is not held back for the stages, but streamed on as it is.
MAX_WHOLE_REPLY: Final = 64 * 1024 * 1024

TEXT: Final = ("chat", "completion", "responses")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed, as UpstreamFailure tells the addons."""

    kind: FailureKind
    message: str
    response: http.Response | None = None
    failed: Failed | None = None


TOO_LARGE: Final = Failure("reset", f"a reply of more than {MAX_WHOLE_REPLY} bytes that is no stream")


@dataclass(frozen=True, slots=True)
class Held:
    """What an answer is that is held back, as far as it has come: a `failure`, an answer that `begins`, or (neither) to
    be waited for. `chunks` are for the client in any case.
    """

    chunks: list[bytes]
    begins: bool = False
    failure: Failure | None = None


NOTHING: Final = Held([])


class HeldError:
    """An answer with a status that is worth another attempt: kept, up to MAX_HELD bytes, and always a failure."""

    def __init__(self, response: http.Response) -> None:
        self._response = response
        self._body = bytearray()

    def feed(self, data: bytes) -> Held:
        """The next piece of its body; b"" is its end."""
        self._body += data
        status = f"status {self._response.status_code}"
        if len(self._body) > MAX_HELD:
            return Held([], failure=Failure("status", f"{status} with an endless body"))
        if data:
            return NOTHING
        self._response.data.content = bytes(self._body)
        return Held([], failure=Failure("status", status, self._response))


class HeldStream:
    """A stream whose first event is awaited. Comments and pings before it are for a client that knows pings."""

    def __init__(self, x: Exchange, head: http.Response) -> None:
        self._x = x
        self._head = head

    def feed(self, data: bytes) -> Held:
        """Put the next piece of it through the pipe; b"" is its end."""
        x = self._x
        assert x.reply is not None and x.pipe is not None and x.attempt is not None
        chunks, retry_statuses = x.pipe(data), x.attempt.retry_statuses
        if x.reply.refused and x.reply.failure is not None:
            failed = decode_failure(x.reply.failure)
            if failed.status in retry_statuses:
                return Held([], failure=_refused(x, self._head, failed))
        elif not x.reply.begun:
            if not data and retry_statuses:
                return Held([], failure=Failure("reset", "the server's stream ended before its first event"))
            if data and (not chunks or ping_of(x)):
                return Held(chunks)
        return Held(chunks, begins=True)


def whole_failure(x: Exchange, head: http.Response | None, body: ReceiveBuffer | bytes) -> Failure | None:
    """Why a whole answer is none, and another server is to be asked. Writes `x.failed`, where another is not asked."""
    assert x.attempt is not None
    retry_statuses = x.attempt.retry_statuses
    if not body and retry_statuses and _wants_text(x, head):
        return Failure("reset", "the server's answer is empty")
    x.failed = failed = _error_in(x, head, body)
    if failed is None or failed.status not in retry_statuses:
        return None
    x.failed = None
    return _refused(x, head, failed)


def must_be_whole(x: Exchange | None) -> bool:
    """May this answer not be sent on as it comes, however large? The client has heard pings, or hears another dialect.

    Where it is too large to be held back, it is a failure.
    """
    return x is not None and (x.pinged or (x.attempt is not None and x.attempt.answer is not None))


def is_all_said(x: Exchange) -> bool:
    """Is a stream complete, with nothing of it held back? Ends its pipe, if the server has said its last word."""
    return x.reply is not None and x.reply.ended and x.pipe is not None and not x.pipe(b"")


def _refused(x: Exchange, head: http.Response | None, failed: Failed) -> Failure:
    status = x.attempt.status if x.attempt else 200
    return Failure("error", f"status {status} with an error for an answer: {failed.message}", head, failed)


def _wants_text(x: Exchange, head: http.Response | None) -> bool:
    good = head is not None and head.status_code < 300
    return good and x.call is not None and x.call.endpoint.operation in TEXT


def _error_in(x: Exchange, head: http.Response | None, body: ReceiveBuffer | bytes) -> Failed | None:
    """The error that a whole answer is in spite of its status."""
    if x.call is None or head is None or head.status_code >= 400 or len(body) > MAX_ERROR:
        return None
    data = bytes(body)
    if b'"error"' not in data:
        return None
    try:
        obj = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return failure_in(obj) if isinstance(obj, dict) else None
