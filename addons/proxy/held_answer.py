"""Hold an answer back while another server may still be asked; core/decision/verdicts/held.py says whether it is one.

1. The head of a stream is held back until its first event is here, or the first after a greeting that may still be
   followed by a refusal (`fallback_on`). Comments and pings before it go on at once, under the head, as the router's
   own pings would. Where a stream was asked for, its first bytes say whether it is one.
2. A whole answer is held back until its end, or until it is too large for that.
3. An answer whose status is worth another attempt is kept, in case it is the best there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mitmproxy import http
from mitmproxy.proxy.utils import ReceiveBuffer

from switchman.addons.core.decision.verdicts.held import NoAnswer, judge_oversized, judge_start, judge_whole
from switchman.addons.core.decision.verdicts.sniffing import LONGEST, Found, framing_in
from switchman.addons.core.dialects import WIRES, framing_of
from switchman.addons.core.dialects.codecs import JSON, NDJSON, SSE
from switchman.addons.core.dialects.neutral.form import Failed
from switchman.addons.core.request.call import GENERATING
from switchman.addons.core.servers.retry import FailureKind
from switchman.addons.core.streams.framing.reframing import Reframing
from switchman.addons.flow.exchange import Exchange
from switchman.addons.flow.labels import label
from switchman.addons.proxy.keepalive import ping_of

MAX_HELD: Final = 1024 * 1024  # bytes kept of an error body, to be handed on verbatim if nothing better comes
# Bytes; a larger one is not held back for the stages, but streamed on as it is.
MAX_WHOLE_REPLY: Final = 64 * 1024 * 1024
LARGE: Final = 256 * 1024  # bytes of a whole answer from which on it is judged off the event loop
NO_ROOM: Final = "there is no room to hold its answer back beside those of others (MAX_BODY_MEMORY)"
MAX_GREETING: Final = 64 * 1024  # bytes of a stream without content that are held back
MAX_QUOTED: Final = 1024  # bytes of an answer that are looked at for what a message quotes


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed, as UpstreamFailure tells the addons."""

    kind: FailureKind
    message: str
    response: http.Response | None = None
    failed: Failed | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """State of a held answer: `failure`, `begins`, or neither (wait). Send `chunks` in any case.

    `whole`: it is no stream, and this is what has come of it.
    """

    chunks: list[bytes]
    begins: bool = False
    failure: Failure | None = None
    whole: bytes | None = None


NOTHING: Final = Held([])


class HeldError:
    """An answer with a status that is worth another attempt: kept, up to MAX_HELD bytes, and always a failure."""

    def __init__(self, response: http.Response) -> None:
        self._response = response
        self._body = bytearray()

    def is_heavy(self, data: bytes) -> bool:
        return False

    def feed(self, data: bytes) -> Held:
        """Take the next piece of its body; b"" is its end."""
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

    def __init__(self, x: Exchange, head: http.Response, declared: str = "") -> None:
        """`declared`: the content type as the server has sent it."""
        self._x = x
        self._head = head
        self._declared = framing_of(declared)
        self._fallback_on = x.attempt.fallback_on if x.attempt is not None and _is_text(x) else frozenset()
        self._greeting: list[bytes] = []  # what it begins with, for the client, before it has any content
        self._sniffed: bytearray | None = bytearray() if _is_text(x) and head.status_code < 300 else None

    def feed(self, data: bytes) -> Held:
        """Put the next piece of it through the pipe; b"" is its end."""
        x, ended = self._x, not data
        assert x.reply is not None and x.pipe is not None and x.attempt is not None
        if self._sniffed is not None:
            self._sniffed += data
            data, sort = bytes(self._sniffed), self._sniff(self._sniffed, ended)
            if sort is None:
                return NOTHING
            if sort == "whole" and data:
                return Held([], whole=data)
            self._sniffed = None
        chunks = x.pipe(data)
        if ended and data:
            chunks += x.pipe(b"")
        found = judge_start(
            x.reply,
            ended=ended,
            has_output=bool(chunks),
            knows_pings=bool(ping_of(x)),
            status=x.attempt.status,
            retry_statuses=x.attempt.retry_statuses,
            fallback_on=self._fallback_on,
        )
        if isinstance(found, NoAnswer):
            return Held([], failure=_failure(found, self._head))
        if found == "waits" and not self._greeting:
            return Held(chunks)
        self._greeting += chunks
        if found != "begins" and sum(map(len, self._greeting)) <= MAX_GREETING:
            return NOTHING
        return Held(self._greeting, begins=True)

    def is_heavy(self, data: bytes) -> bool:
        """Whether feed() may take more than some milliseconds."""
        pipe = self._x.pipe
        return pipe is not None and pipe.is_heavy(bytes(self._sniffed) + data if self._sniffed else data)

    def _sniff(self, start: bytearray, ended: bool) -> Found | None:
        """What it is, as far as its first bytes tell; the pipe is then made for it."""
        x = self._x
        assert x.pipe is not None and x.attempt is not None and x.attempt.rendered is not None and x.call is not None
        spoken = WIRES[x.attempt.rendered.endpoint.dialect].framing
        found = framing_in(start, ended=ended, declared=self._declared, expected=spoken)
        if found in ("sse", "ndjson") and found != x.pipe.framing:
            endpoint = x.call.endpoint
            foreign = x.attempt.answer is None and found != WIRES[endpoint.dialect].framing
            says_done = endpoint.dialect == "openai" and endpoint.operation != "responses"
            x.pipe.reframe(found, Reframing(WIRES[endpoint.dialect].framing, says_done) if foreign else None)
        return found


def restore_head(x: Exchange, flow: http.HTTPFlow, fields: tuple[tuple[bytes, bytes], ...]) -> None:
    """Undo what was written on the head of a stream that is none: `fields` are its own."""
    assert flow.response is not None
    x.pipe = x.reply = None
    flow.response.stream = False
    flow.response.headers = http.Headers(fields)
    if framing_of(flow.response.headers.get("content-type", "")) is not None:
        flow.response.headers["content-type"] = JSON
    label(flow.response, x, flow.request)


def whole_failure(x: Exchange, head: http.Response | None, body: ReceiveBuffer | bytes) -> Failure | None:
    """Why another server should be asked after this whole answer; None passes it on, with any error in `x.failed`.

    Joins the pieces of `body`, once: that of a large one takes some 30 ms, and so does reading one of a megabyte.
    """
    assert x.attempt is not None
    data = bytes(body)
    if isinstance(body, ReceiveBuffer):
        body.clear()
        body += data
    found = judge_whole(
        x.call,
        head.status_code if head is not None else None,
        data,
        x.attempt.retry_statuses,
        is_plain=head is not None and _is_plain(x, head, data),
        secrets=_secrets(x),
        fallback_on=x.attempt.fallback_on,
    )
    x.failed = found if isinstance(found, Failed) else None
    return _failure(found, head) if isinstance(found, NoAnswer) else None


def oversized_failure(
    x: Exchange | None, body: ReceiveBuffer | bytes = b"{", most: int | None = None
) -> Failure | None:
    """Why a whole answer of more than `most` bytes cannot be passed on; None streams it on as it is.

    `most`: less than MAX_WHOLE_REPLY where there is no room for more beside other answers.
    """
    if x is None:
        return None
    translated = x.attempt is not None and x.attempt.answer is not None
    start = bytes(body)[:MAX_QUOTED]
    found = judge_oversized(MAX_WHOLE_REPLY, pinged=x.pinged, translated=translated, call=x.call, start=start)
    if found is not None and found.kind != "unreadable" and (most or MAX_WHOLE_REPLY) < MAX_WHOLE_REPLY:
        return Failure("local", NO_ROOM)
    return _failure(found, None) if found is not None else None


def take_all(buffer: ReceiveBuffer) -> bytes:
    data = bytes(buffer)
    buffer.clear()
    return data


def _is_text(x: Exchange) -> bool:
    """Is it the answer to a request for text, of which it is known what it looks like?"""
    generates = x.call is not None and x.call.endpoint.operation in GENERATING
    return generates and x.attempt is not None and x.attempt.rendered is not None


def _is_plain(x: Exchange, head: http.Response, body: bytes) -> bool:
    """Is the body neither compressed nor a stream that nobody asked for? Has its head say which of them it is."""
    if "content-encoding" in head.headers:
        return False
    declared = framing_of(head.headers.get("content-type", ""))
    translated = x.attempt is not None and x.attempt.answer is not None
    if not _is_text(x) or (declared is None and not translated):
        return declared is None
    # Of Ollama's, too, one line is a whole answer, as none but such was asked for.
    found = framing_in(body[:LONGEST], ended=True, declared=declared, expected="sse")
    if found == "whole" and declared is not None:
        head.headers["content-type"] = JSON
    elif found != "whole" and found != declared:
        head.headers["content-type"] = SSE if found == "sse" else NDJSON
    return found == "whole"


def _secrets(x: Exchange) -> tuple[str, ...]:
    """What a server may repeat of the request, and no message may quote: the keys that the rules give it."""
    if x.attempt is None:
        return ()
    server = x.attempt.candidate.server
    keys = [key.value for key in server.keys] or ([server.api_key] if server.api_key is not None else [])
    return tuple(key.get_secret_value() for key in keys)


def is_all_said(x: Exchange) -> bool:
    """Is a stream complete, with nothing of it held back? Ends its pipe, if the server has said its last word."""
    if x.pipe is not None and x.pipe.is_heavy(b""):
        return False  # a large event was under way
    return x.reply is not None and x.reply.ended and x.pipe is not None and not x.pipe(b"")


def _failure(found: NoAnswer, head: http.Response | None) -> Failure:
    return Failure(found.kind, found.message, head if found.failed is not None else None, found.failed)
