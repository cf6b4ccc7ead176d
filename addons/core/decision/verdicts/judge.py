"""judge(): how an attempt ended, said once. Breaker, record, caches, stickiness and live figures read its Verdict.

The first line of this list that fits decides:
 1. A stream of a good status held an error event: it failed, whatever came after that. The status that the error
    stands for says whether the server failed, or refused.
 2. A stream of a good status said its last word: it is an answer, however its connection ended and whoever left after;
    but none where it said nothing else, neither text nor a call nor a reason for its end.
 3. The client left, or the router stopped: nothing is known of the server, unless it was answering its client.
 4. The server closed an idle connection as the request went out on it: nothing is known.
 5. The router itself had no means for a connection: nothing is known.
 6. No connection, no answer in time, a broken one: the server failed.
 7. A redirect: it is followed, or the server failed. An error status: the server lacks a feature, or wants credentials
    that it was not given, or failed (what `retry_on` names counts), or refused a request that is the client's own
    fault. That one of several keys of ours is refused or used up is no failure of the server either; that key rests.
    That the caller's own key is bad, or used up, is no failure of the server; that key rests for that caller,
    also where nobody else is asked this time.
 8. A good status with an error for an answer: the server failed, or refused, by the status that the error stands for.
    Whatever the status: who says that the prompt is too long, or refuses it for its content, has answered (causes.py).
    With nothing that can be read as the answer: the server failed.
 9. A stream of text that ended before its reply did: the server failed.
10. All else is an answer.
It does not matter which of mitmproxy's hooks told of the end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from switchman.addons.core.decision.verdicts.causes import Cause, cause_of_failure, cause_of_status
from switchman.addons.core.dialects.errors import decode_error, decode_failure
from switchman.addons.core.dialects.neutral.form import Failed
from switchman.addons.core.dialects.neutral.streams import CUT_SHORT
from switchman.addons.core.dialects.passing.thoughts import speaks_of_thoughts
from switchman.addons.core.dialects.rendering import Rendered
from switchman.addons.core.record import Outcome
from switchman.addons.core.request.call import GENERATING, Call
from switchman.addons.core.servers.callerkeys import blames_caller, refuses_key
from switchman.addons.core.servers.reaching.redirects import REDIRECTS, Hop, hop
from switchman.addons.core.servers.retry import OWN_KEY_STATUSES, FailureKind, retriable_statuses
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.streams.reply import ReplyCollector

# A server that rejects stream_options answers 400 (OpenAI's dialect) or 422 (FastAPI-based servers).
REJECTED: Final = frozenset({400, 422})
# A server without /v1/responses answers one of these.
NO_SUCH_PATH: Final = frozenset({404, 405, 501})
# "Item with id 'rs_1' not found": OpenAI's reasoning items can be missing too.
NO_SUCH_ITEM: Final = frozenset({404})
# What a server says that wants credentials, or others.
UNAUTHORIZED: Final = frozenset({401, 403})

Kind = Literal[
    "ok",
    "beside",  # a whole answer with an error beside it: passed on, but nothing is built on it
    "status",  # an error status that is the server's fault
    "refused",  # an error status that is the client's own fault
    "lacks",  # an error status by which the server says that it has no such feature
    "moved",  # a redirect that is followed
    "withheld",  # 401 or 403 of a server that was not given the client's credentials
    "error",  # a good status, and nothing but an error behind it
    "unreadable",  # a good status, and nothing that can be read as the answer
    "stream",  # it broke off after it had begun, or said so itself
    "connect",
    "dns",
    "tls",
    "timeout",
    "reset",
    "stale",  # an idle connection that the server had closed
    "local",  # the router has no descriptor for a connection
    "left",  # by its client
    "stopped",  # by the router
]
Feature = Literal["reasoning", "usage", "responses", "thoughts"]
How = FailureKind | Literal["complete", "left"]

# How the log calls an attempt's end, where it has another word for it.
_RECORDED: Final[dict[Kind, str]] = {
    "beside": "ok", "refused": "status", "lacks": "status", "withheld": "status", "stale": "reset",
    "moved": "status",
    "left": "cancelled", "stopped": "cancelled",
}  # fmt: skip
# What the request comes to, if this attempt's answer is the one that its client gets. Else an error was handed on.
_OUTCOMES: Final[dict[Kind, Outcome]] = {
    "ok": "ok", "beside": "ok", "stream": "stream_error", "left": "cancelled", "stopped": "stream_error",
}  # fmt: skip
# The member as the router sends it, in the text of an error; its quotes may be escaped.
_REPEATED: Final = re.compile(r"""(?<!\\)\\*["']stream_options\\*["']\s*:\s*\{[^{}]*\}?""")
LACKS: Final[dict[Feature, str]] = {
    "reasoning": "the model refused what it was told of thinking; sent again without",
    "usage": "the server rejected stream_options, which the router had added; sent again without",
    "responses": "the server has no Responses API; sent again as a chat completion",
    "thoughts": "the server refused thoughts that another one may have made; sent again without them",
}
VOID: Final = "the server's stream ended without text, call or finish reason"
STALE: Final = "the server had closed the idle connection; sent again on a fresh one"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an attempt ended, and what follows.

    `health`: what it says of the server; None for nothing. `error`: for a person. `feature`: what the server turned
    out to lack. `hop`: where it sends the request on to. `key`: the status by which it refused the caller's own key.
    `own_key`: that by which it refused one of several of ours. `cause`: why another one may still answer the request.
    """

    kind: Kind
    health: Literal["answered", "failed"] | None
    error: str | None = None
    feature: Feature | None = None
    hop: Hop | None = None
    key: int | None = None
    own_key: int | None = None
    cause: Cause | None = None

    @property
    def is_answer(self) -> bool:
        """Whether caches may store it and a conversation may stick to its target."""
        return self.kind == "ok"

    @property
    def recorded(self) -> str:
        """core.record.AttemptRecord.outcome."""
        return _RECORDED.get(self.kind, self.kind)

    @property
    def outcome(self) -> Outcome:
        """What the request comes to, if its client gets this attempt's answer."""
        return _OUTCOMES.get(self.kind, "upstream_error")

    @property
    def breaker(self) -> Literal["success", "failure", "release"]:
        """What the breaker is told. A release gives a probe's place back; so it matters for a probe only."""
        match self.health:
            case "answered":
                return "success"
            case "failed":
                return "failure"
            case None:
                return "release"

    @property
    def counts(self) -> Literal["answer", "failure"] | None:
        """What the live figures count. A refusal is quick, and says nothing of how long answers take."""
        if self.health == "failed":
            return "failure"
        return "answer" if self.kind in ("ok", "beside") else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What was seen of an attempt by its end.

    `how`: "complete" for a body that came to its end. "left": the client is gone. Else what went wrong, as the proxy
    says. `body`: of an error status, None where it was not kept. `failed`: the error that a whole answer is in spite
    of its status. `reply`: what was read of an answer, `streamed` or whole.
    """

    server: Server
    how: How
    status: int | None = None  # None: the answer never began
    message: str | None = None
    body: bytes | None = None
    failed: Failed | None = None
    reply: ReplyCollector | None = None
    streamed: bool = False
    reused: bool = False  # the connection had served before, and brought nothing of this answer
    url: str = ""  # what was asked, without a query
    location: str | None = None  # where an answer sends the request
    hops: int = 0  # how often this request has been sent on by then
    withheld: bool = False  # the client's credentials were not for this server, which has none of its own
    credential: str | None = None  # the caller's own that it was asked with: callerkeys.credential_of()
    shares_keys: bool = False  # it was asked with one of several keys of its own
    call: Call | None = None
    rendered: Rendered | None = None


def judge(end: Ending) -> Verdict:
    """The verdict on one attempt, the same whichever way its end came to be known."""
    if (found := _by_events(end)) is not None:  # 1, 2
        return found
    reply = end.reply
    match end.how:
        case "left" | "cancelled":  # 3
            answering = end.how == "left" and reply is not None and reply.first_token_at is not None
            return Verdict("left" if end.how == "left" else "stopped", "answered" if answering else None, end.message)
        case "reset" if end.reused:  # 4
            return Verdict("stale", None, STALE)
        case "local":  # 5
            return Verdict("local", None, end.message)
        case "connect" | "dns" | "tls" | "timeout" | "reset" | "stream":  # 6
            return Verdict(end.how, "failed", end.message)
        case "status":  # 7
            return _by_status(end, end.status)
        case "error":  # 8
            return _by_error(end)
        case "unreadable":
            return Verdict("unreadable", "failed", end.message)
        case "complete":
            return _complete(end)


def _by_events(end: Ending) -> Verdict | None:
    """What the events of a stream of a good status say by themselves; None where they say nothing."""
    reply = end.reply
    if reply is None or not end.streamed or (end.status is not None and end.status >= 400):
        return None
    if end.how == "error" and end.failed is not None:  # for which nothing of it was passed on
        return None
    if reply.error is not None:
        if end.how in ("error", "status"):
            return None
        error = f"the server reported an error during its answer: {reply.error}"
        failed = decode_failure(reply.failure or {})
        if (cause := cause_of_failure(failed)) is not None:
            return Verdict("stream", "answered", error, cause=cause)
        return _blaming("stream", end, failed.status, error)
    if not reply.ended:
        return None
    if not _is_void(end, reply):
        return Verdict("ok", "answered")
    return Verdict("stream", "failed", VOID) if end.how in ("complete", "left") else None


def outcome_of(
    last: Verdict | None, *, status: int | None, is_kept: bool = False, left: bool = False, message: str | None = None
) -> tuple[Outcome, str | None]:
    """What a request came to that the router did not answer itself, and what went wrong, for a person.

    `last`: the verdict on its last attempt, None where there was none. `status`: of the client's answer, None where it
    got none. `is_kept`: that answer is an error that was held back. `left`: the client is gone, or the router stops, as
    `message` says.
    """
    if is_kept:
        refused = last is not None and last.kind == "refused"
        return "upstream_error", None if refused else f"status {status} from the last server that answered"
    if last is not None and last.kind != "left":
        return last.outcome, last.error
    if left:
        return "cancelled", message
    # Another addon than ours has answered.
    return ("ok" if status is not None and status < 400 else "upstream_error"), None


def _complete(end: Ending) -> Verdict:
    """Judge an answer whose body came whole."""
    reply = end.reply
    if end.failed is not None:  # 8
        return _by_error(end)
    if end.status is not None and end.status >= 400:  # 7
        return _by_status(end, end.status)
    if reply is None:
        return Verdict("ok", "answered")
    if end.streamed:
        translated = end.rendered is not None and end.rendered.answer is not None
        told = translated or (end.call is not None and end.call.endpoint.operation in GENERATING)
        if told and reply.was_cut:  # 9: as the client was told
            return Verdict("stream", "failed", CUT_SHORT)
        if _is_void(end, reply):
            return Verdict("stream", "failed", VOID)
    elif reply.failure is not None:
        return _blaming("beside", end, decode_failure(reply.failure).status, None)
    return Verdict("ok", "answered")  # 10


def _is_void(end: Ending, reply: ReplyCollector) -> bool:
    return end.call is not None and end.call.endpoint.operation in GENERATING and reply.is_void


def _by_status(end: Ending, status: int | None) -> Verdict:
    if status is not None and status in REDIRECTS and end.body is not None:
        found = hop(status, end.location, end.url, end.hops)
        if isinstance(found, Hop):
            return Verdict("moved", None, f"status {status}, followed to {found.url}", hop=found)
        return Verdict("status", "failed", found)
    if feature := missing_feature(end):
        return Verdict("lacks", None, LACKS[feature], feature=feature)
    if end.withheld and status in UNAUTHORIZED:
        return Verdict("withheld", "answered", f"{end.message}; it was not given the client's credentials")
    cause = cause_of_status(status, end.body) if status is not None and end.body is not None else None
    if cause is not None:
        error = f"status {status}: {cause}" if end.how == "status" else end.message
        return Verdict("refused", "answered", error, cause=cause)
    if status is not None and (status in retriable_statuses(end.server) or _refuses_one_of_ours(end, status)):
        return _blaming("status", end, status, end.message)
    if end.how == "status" and end.body is None:
        return Verdict("status", "failed", end.message)
    return Verdict("refused", "answered", end.message, key=_refused_key(end, status))


def _by_error(end: Ending) -> Verdict:
    status = end.failed.status if end.failed is not None else 500
    error = end.message if end.message is not None else end.failed.message if end.failed is not None else None
    if end.failed is not None and (cause := cause_of_failure(end.failed)) is not None:
        return Verdict("error", "answered", error, cause=cause)
    return _blaming("error", end, status, error)


def _blaming(kind: Kind, end: Ending, status: int, error: str | None) -> Verdict:
    """The verdict on an error of this status: the fault is the request's, a key's, or the server's."""
    if _refuses_one_of_ours(end, status):
        return Verdict(kind, None, error, own_key=status)
    if status not in retriable_statuses(end.server):
        return Verdict(kind, "answered", error, key=_refused_key(end, status))
    if blames_caller(status, end.credential):
        return Verdict(kind, None, error, key=status)
    return Verdict(kind, "failed", error)


def _refuses_one_of_ours(end: Ending, status: int) -> bool:
    """Whether the key that we took is refused or used up, and others of ours may not be. What the caller has added to
    it (an organization, a project) may be why: then it is the caller's fault.
    """
    return end.shares_keys and status in OWN_KEY_STATUSES and not blames_caller(status, end.credential)


def _refused_key(end: Ending, status: int | None) -> int | None:
    """The status by which the server refused the caller's own key, where nobody else is asked for it."""
    return status if status is not None and refuses_key(status, end.credential) else None


# Features that servers may lack


def telling_statuses(call: Call | None, rendered: Rendered | None) -> frozenset[int]:
    """The statuses that may tell of something the server lacks, which it is then asked without."""
    statuses: frozenset[int] = frozenset()
    if rendered is not None and (rendered.injected or rendered.reasons or rendered.has_thoughts):
        statuses |= REJECTED
    if call is not None and call.endpoint.operation == "responses" and rendered and rendered.answer is None:
        statuses |= NO_SUCH_PATH
    return statuses


def missing_feature(end: Ending) -> Feature | None:
    """What an answer that was held back says the server lacks; None where it says no such thing."""
    rendered = end.rendered
    if end.how != "status" or rendered is None or end.call is None:
        return None
    if rendered.reasons and end.status in REJECTED and _is_about_thinking(end):
        return "reasoning"
    if rendered.has_thoughts and end.status in REJECTED | NO_SUCH_ITEM and _is_about_thoughts(end):
        return "thoughts"
    if rendered.injected and end.status in REJECTED and _is_about_usage(end):
        return "usage"
    asked_responses = end.call.endpoint.operation == "responses" and rendered.answer is None
    if asked_responses and end.status in NO_SUCH_PATH and not _is_about_model(end):
        return "responses"
    return None


def _is_about_usage(end: Ending) -> bool:
    """`Unrecognized request argument: stream_options`, or FastAPI's `"loc": ["body", "stream_options"]`.

    An error about something else may repeat the request, which has the member, too: that names nothing.
    """
    if end.body is None or end.status is None:
        return False
    error = decode_error(end.status, end.body)
    said = _REPEATED.sub("", f"{error.message} {error.param} {error.code}")
    return "stream_options" in said or "include_usage" in said


def _is_about_thinking(end: Ending) -> bool:
    """`"llama3" does not support thinking` (Ollama), `Unrecognized request argument: reasoning_effort` (OpenAI)."""
    if end.body is None or end.status is None:
        return False
    error = decode_error(end.status, end.body)
    return any(word in f"{error.message} {error.param}".lower() for word in ("think", "reasoning"))


def _is_about_thoughts(end: Ending) -> bool:
    """``Invalid `signature` in `thinking` block`` (Anthropic), `Extra inputs are not permitted` (Mistral, by place)."""
    if end.body is None or end.status is None:
        return False
    error = decode_error(end.status, end.body)
    return speaks_of_thoughts(f"{error.message} {error.param} {error.code}")


def _is_about_model(end: Ending) -> bool:
    """Whether a 404 says that the model is missing, not the path."""
    if end.body is None or end.status is None:
        return False
    error = decode_error(end.status, end.body)
    return error.code == "model_not_found" or "model" in error.message.lower()
