"""Is it an answer? Asked of an answer that is held back, while another server may still be asked instead.

judge() says how an attempt ended; these functions say whether it has to end before its client gets a part of it:
- A stream has begun with its first event. An error in its place, an end, or what is no JSON, is no answer.
- A whole answer is none where it is empty although text was asked for, where its shape is not that of the answer
  (readable.py), or where it is an error that comes with a good status.
- An answer that is too large to be held back is none where it cannot be passed on as it comes.
`retry_statuses` are those for which another server is asked; none where there is no other. An error is then passed on;
what cannot be read never is. `fallback_on`: for what else another one is asked, whatever the status (causes.py). What a
stream begins with before it has any content is then held back, too: of OpenAI's Responses two events, after which it
says that a prompt is too long; for content filters all, as they may say so by the reason for the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from switchman.addons.core.decision.verdicts.causes import cause_of_failure
from switchman.addons.core.decision.verdicts.contentfilter import FILTERED, filtered_answer, is_filters
from switchman.addons.core.decision.verdicts.readable import is_object, quote, read_object, why_unreadable
from switchman.addons.core.dialects.errors import decode_failure, failure_in
from switchman.addons.core.dialects.neutral.form import Failed
from switchman.addons.core.request.call import Call
from switchman.addons.core.servers.retry import FailureKind, FallbackOn
from switchman.addons.core.streams.reply import ReplyCollector

NOWHERE: Final[frozenset[FallbackOn]] = frozenset()
_HELLOS: Final = 2  # of a stream of Responses: response.created, response.in_progress

MAX_ERROR: Final = 64 * 1024  # bytes; an error object is smaller than this, and a larger answer is not looked at


class Body(Protocol):
    """Bytes, or a buffer of them that is copied only where it has to be."""

    def __len__(self) -> int: ...
    def __bytes__(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why another server should be asked. `message` is for a person; `failed`: the error behind a good status."""

    kind: FailureKind
    message: str
    failed: Failed | None = None


def judge_start(
    reply: ReplyCollector,
    *,
    ended: bool,
    has_output: bool,
    knows_pings: bool,
    status: int | None,
    retry_statuses: frozenset[int],
    fallback_on: frozenset[FallbackOn] = NOWHERE,
) -> NoAnswer | Literal["begins", "waits", "greets"]:
    """Judge a stream by what `reply` has read of it so far. "greets": nothing of it is content, and it is held back.

    `has_output`: some of what came last is for the client. Before the first event it can only be comments and pings:
    a client that `knows_pings` gets those while it waits, for any other one the answer begins with them.
    """
    is_unsaid = bool(fallback_on) and reply.first_token_at is None
    if (reply.refused or is_unsaid) and reply.failure is not None:
        failed = decode_failure(reply.failure)
        return _error(status, failed) if _moves_on(failed, retry_statuses, fallback_on) else "begins"
    if is_unsaid and "content_filter" in fallback_on and is_filters(reply.finish_reason):
        return _filtered(status, reply.finish_reason or "")
    if reply.begun:
        return "greets" if is_unsaid and not ended and _greets(reply, fallback_on) else "begins"
    if reply.garbled is not None:
        return NoAnswer("unreadable", f"status {status}, but its stream begins with no JSON: {quote(reply.garbled)}")
    if ended or reply.ended:
        is_answer = status is not None and status >= 400 and not retry_statuses
        return "begins" if is_answer else NoAnswer("reset", "the server's stream ended before its first event")
    return "waits" if knows_pings or not has_output else "begins"


def judge_whole(
    call: Call | None,
    status: int | None,
    body: Body,
    retry_statuses: frozenset[int],
    *,
    is_plain: bool = True,
    secrets: Sequence[str] = (),
    fallback_on: frozenset[FallbackOn] = NOWHERE,
) -> NoAnswer | Failed | None:
    """Judge a whole answer. Failed: an error with a good status that is passed on. None: an answer.

    `call`: None for what is no LLM call. `status`: of its head, None where there is none. `is_plain`: the body is not
    compressed, nor a stream. `secrets`: texts that no message may quote.
    """
    if call is None or status is None or status >= 400:
        return None
    if status < 300 and is_object(call):
        if len(body) <= MAX_ERROR and not bytes(body).strip():
            return NoAnswer("reset", "the server's answer is empty")
        if "content_filter" in fallback_on and is_plain and (reason := _filter_in(body)) is not None:
            return _filtered(status, reason)
        if is_plain and (why := why_unreadable(call, bytes(body), secrets)) is not None:
            return NoAnswer("unreadable", f"status {status}, but {why}")
    failed = _error_in(body)
    return _error(status, failed) if failed and _moves_on(failed, retry_statuses, fallback_on) else failed


def judge_oversized(
    limit: int, *, pinged: bool, translated: bool, call: Call | None = None, start: bytes = b"{"
) -> NoAnswer | None:
    """Judge a whole answer of more than `limit` bytes, which cannot be held back until its end.

    It may be passed on as it comes, unless its client has the head of a stream already (`pinged`), or hears another
    dialect than the server's (`translated`), or it does not even begin (`start`) as an answer would.
    """
    if is_object(call) and not start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return NoAnswer("unreadable", f"its answer is no JSON, and has no end: {quote(start)}")
    if pinged or translated:
        return NoAnswer("reset", f"a reply of more than {limit} bytes that is no stream")
    return None


def _moves_on(failed: Failed, retry_statuses: frozenset[int], fallback_on: frozenset[FallbackOn]) -> bool:
    if fallback_on and (cause := cause_of_failure(failed)) is not None:
        return cause.on in fallback_on
    return failed.status in retry_statuses


def _greets(reply: ReplyCollector, fallback_on: frozenset[FallbackOn]) -> bool:
    """Whether a stream may still be refused: it has said neither anything nor that it is over."""
    if reply.concluded or reply.ended:
        return False
    return "content_filter" in fallback_on or (reply.response_id is not None and reply.payloads <= _HELLOS)


def _filtered(status: int | None, reason: str) -> NoAnswer:
    failed = Failed(f"{FILTERED} ({reason})", "content_filter", "content_filter", 400)
    return NoAnswer("error", f"status {status}, but {failed.message}", failed)


def _filter_in(body: Body) -> str | None:
    """The reason by which a whole answer says that a content filter took its place."""
    if len(body) > MAX_ERROR:
        return None
    obj = read_object(bytes(body))
    return filtered_answer(obj) if obj is not None else None


def _error(status: int | None, failed: Failed) -> NoAnswer:
    return NoAnswer("error", f"status {status} with an error for an answer: {failed.message}", failed)


def _error_in(body: Body) -> Failed | None:
    """The error that a whole answer is in spite of its status."""
    if len(body) > MAX_ERROR:
        return None
    data = bytes(body)
    if b'"error"' not in data:
        return None
    return failure_in(obj) if (obj := read_object(data)) is not None else None
