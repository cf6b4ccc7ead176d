"""Exchange: the one record that travels with a flow through all addons.

It goes when the flow goes. Only plain values are put into `flow.metadata`: mitmproxy saves that with the flow, and a
dataclass there breaks saving.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from mitmproxy import http

from switchman.addons.core.access.admission.ending import Ending
from switchman.addons.core.access.admission.handshake import Handshake
from switchman.addons.core.access.caller import Caller
from switchman.addons.core.access.limits.asking import Ticket
from switchman.addons.core.access.prices.price import Usage
from switchman.addons.core.cache.fingerprint import Fingerprint
from switchman.addons.core.decision.balancing.moment import NO_MOMENT, Moment
from switchman.addons.core.decision.verdicts.judge import Verdict
from switchman.addons.core.dialects.neutral.form import Failed
from switchman.addons.core.dialects.rendering import Rendered
from switchman.addons.core.dialects.translate import Malformed, Translation, Untranslatable
from switchman.addons.core.paths.reading import Reading, read
from switchman.addons.core.record import Outcome
from switchman.addons.core.request.call import GENERATING, Call, DialectName
from switchman.addons.core.request.features import Features
from switchman.addons.core.routes.plan import Candidate, Earlier, Plan, TraceLine
from switchman.addons.core.servers.retry import FallbackOn
from switchman.addons.core.servers.servers import ServerKey
from switchman.addons.core.streams.pipe import Pipe
from switchman.addons.core.streams.reply import ReplyCollector
from switchman.addons.core.streams.think import ThinkStage
from switchman.addons.core.texts.redaction.redactor import Redact, Redactor
from switchman.addons.core.texts.redaction.restoring import Restorer

if TYPE_CHECKING:
    from switchman.addons.core.rules.ruleset import Ruleset
    from switchman.addons.semantics.client import SemanticAnswer
    from switchman.addons.state.queues.queues import Place
    from switchman.addons.state.together.flights import Flight


# Bytes of an answer that the caches keep.
MAX_REPLY = 1024 * 1024


@dataclass(slots=True)
class Attempt:
    """One try at one candidate. Times are `time.monotonic()` seconds unless the name says otherwise.

    Who writes which fields is in the comments here; each writer says so, too, and tests/addons/flow/test_exchange.py
    holds them to it.
    """

    # Rewriting, when it makes the attempt
    number: int
    candidate: Candidate
    target: str  # `server/model` as it is asked for there: the breaker's key
    url: str
    started_at: float  # epoch seconds
    started: float
    probe: bool = False  # the breaker let it pass: it may be the one that finds out whether the server is back
    rendered: Rendered | None = None  # how the server is spoken to; None for what is no LLM call
    held_statuses: frozenset[int] = frozenset()  # statuses that are worth another attempt
    retry_statuses: frozenset[int] = frozenset()  # those for which another server is asked; none if there is no other
    fallback_on: frozenset[FallbackOn] = frozenset()  # for what else it is, whatever the status
    withheld: bool = False  # the client's credentials are not for this server, and it has none of its own
    credential: str | None = None  # of the caller's own, as callerkeys.credential_of() has it
    key: ServerKey | None = None  # of the server's own

    # Streaming; of a whole answer: Processing, by Streaming's text_stages
    thoughts: ThinkStage | None = None  # what takes thoughts out of its text; None: nothing does

    # the proxy
    connected: float | None = None  # when there was a connection to send it on; None: there never was
    reused: bool | None = None  # that one was open before, for another request
    first_byte: float | None = None
    status: int | None = None
    location: str | None = None  # where its answer sends the request, with a key of ours that may be in there

    # Judging
    ended: float | None = None
    verdict: Verdict | None = None  # None while it runs
    usage: Usage | None = None  # what its answer told of what it took; None: nothing

    # Admitting
    asks_again: float | None = None  # from when on its server may be asked once more, as its Retry-After says

    # flow/costs.py
    costed: tuple[Usage, int | None] | None = None  # the usage whose cost was asked for last, and that cost

    @property
    def outcome(self) -> str | None:
        """As in core.record.AttemptRecord; None while it runs."""
        return self.verdict.recorded if self.verdict is not None else None

    @property
    def error(self) -> str | None:
        """What went wrong, for a person."""
        return self.verdict.error if self.verdict is not None else None

    @property
    def answer(self) -> Translation | None:
        """Translates the server's answer into the client's dialect; None if both speak the same."""
        return self.rendered.answer if self.rendered else None

    def name_for_client(self, model: str) -> str:
        """`server/model` as answers to `auto` name it; `model` is used where the candidate names none."""
        return Candidate(self.candidate.server, self.candidate.model or model).target


@dataclass(frozen=True, slots=True)
class Sent:
    """The request as it came in, to the byte; without tokens of our own."""

    method: str
    path: str  # with the query string
    fields: tuple[tuple[bytes, bytes], ...]
    content: bytes


@dataclass(frozen=True, slots=True)
class Redaction:
    """What leaves of a request has placeholders. `wanted`: by what. `call`: the client's, with these; None where it has
    none.

    `restorer`: puts the originals back; None where nothing was private. `changed`: `call` is not the client's own.
    `counts`: by kind, how often one stands in the request.
    """

    wanted: tuple[Redact, ...]
    redactor: Redactor
    call: Call | None
    restorer: Restorer | None
    changed: bool
    counts: Counter[str]


@dataclass(slots=True)
class CacheUse:
    """What the caches do for a request. `status` is said in x-switchman-cache. `ttl` is in seconds.

    `fingerprint` None: the request is not for a cache. `keeps`: its answer may be stored. `flight`: others wait for it.
    `earlier`: whose answer was served. `saved`: what that had cost, in micro-dollars; None where it is not known.
    """

    status: Literal["hit", "miss", "bypass", "refresh", "shadow"]
    fingerprint: Fingerprint | None = None
    keeps: bool = False
    ttl: float = 0.0
    rules: Ruleset | None = None  # in force when its key was made
    flight: Flight | None = None
    earlier: Earlier | None = None
    saved: int | None = None


class Crowded(NamedTuple):
    """No server has room: what the client is told. `retry_in`: seconds."""

    status: int
    message: str
    retry_in: int


LEFT: Final = Crowded(499, "The client left while it waited.", 0)  # nobody is told: nobody is there


@dataclass(slots=True)
class Exchange:
    """All that is known of one request, filled in from top to bottom as it goes through the pipeline.

    Who writes which fields is in the comments here; each writer says so, too, and tests/addons/flow/test_exchange.py
    holds them to it.
    """

    # Gate, when it makes the Exchange
    id: str
    started_at: float  # epoch seconds
    started: float  # monotonic seconds
    client: str  # the caller's address, through trusted proxies only
    deadline: float = inf  # monotonic seconds: when the request as a whole must be answered
    dialect: DialectName | None = None  # the dialect errors are written in
    reading: Reading | None = None  # what its method and path say

    # Callers
    caller: Caller | None = None  # by its token; None: it came with none that is ours
    leaves_row: bool = True  # False: one of many that are refused alike

    # Limits
    body_limit: int | None = None  # bytes of its body that its caller may send; None: as anybody
    ticket: Ticket | None = None  # what it has taken of its caller's limits; None: nothing

    # Upgrades
    handshake: Handshake | None = None  # the WebSocket that is asked for; None: none is, or none that is valid

    # Intake; `call` of /api/show: Facade
    sent: Sent | None = None  # as the client sent it; every attempt starts from this
    call: Call | None = None

    # Caching, SemanticCache; an answer of another model than was asked for is not kept: Limits
    cache: CacheUse | None = None  # None: the caches do not serve this model
    semantic: SemanticAnswer | None = None  # one embedding for the semantic cache and the semantic routes

    # Caching or Routing, whichever looks first, by hooks/seen.py
    auto: bool = False  # the router chooses the model, and names it in the answer
    features: Features | None = None  # None: nobody had to look

    # Routing
    moment: Moment = NO_MOMENT  # what strategies go by

    # Routing and its Chain; `plan` of what they answer or narrow down: Caching, Facade
    conversation: str | None = None  # the key under which its target is kept
    plan: Plan | None = None

    # Routing
    rules: Ruleset | None = None  # in force when the plan was made; later steps go by them, whatever is in force then

    # whoever has something to tell
    trace: list[TraceLine] = field(default_factory=list)

    # Redacting
    redaction: Redaction | None = None  # None: no rule has its request redacted

    # Balancing
    homes: tuple[str, ...] = ()  # the keys under which is kept where its conversation and its caller stay

    # Holding
    key_conversation: str | None = None  # what it is known by; None: no server of the plan has several keys
    held_keys: Mapping[str, str] = field(default_factory=dict)  # the labels of those that it was with, by server

    # Admitting; `leaves` is called by the proxy
    place: Place | None = None  # what it holds at the server that it is at; None: nothing
    crowded: Crowded | None = None  # no server has room; None: one has
    queued: float = 0.0  # seconds for which it waited before its first attempt
    waited_out: float = 0.0  # seconds for which it waited for servers that had asked for time
    leaves: Callable[[], None] | None = None  # tells that its client is gone, while it waits

    # Rewriting
    attempts: list[Attempt] = field(default_factory=list)
    next_candidate: int = 0  # index into plan.candidates of the next one to try
    untranslatable: Untranslatable | Malformed | None = None  # why the last candidate passed over cannot be asked
    routed: float | None = None  # when the first attempt was handed to the proxy: monotonic seconds

    # Failover
    last_answer: http.Response | None = None  # the last upstream error that was held back

    # the proxy; `failed`: Processing, too
    pinged: bool = False  # the client has the head of a stream, and pings, from before the answer began
    failed: Failed | None = None  # the error within an answer whose status was good

    ending: Ending | None = None  # how its WebSocket ended; None while it runs, and for a request that is none

    # Streaming; `reply` of a whole answer: Processing; Failover takes them back with an attempt that failed, the proxy
    # with a stream that is none
    pipe: Pipe | None = None
    reply: ReplyCollector | None = None

    # Judging; of what the router answers itself: flow/refusal.py; of what the proxy refuses: the proxy
    outcome: Outcome | None = None
    error: str | None = None

    # the proxy
    status: int | None = None  # where the client was answered without a response object

    # Recording
    recorded: bool = False

    @property
    def attempt(self) -> Attempt | None:
        """The attempt that runs now, or ran last."""
        return self.attempts[-1] if self.attempts else None

    @property
    def verdict(self) -> Verdict | None:
        """How the last attempt ended; None while it runs, or where there was none."""
        return self.attempts[-1].verdict if self.attempts else None

    @property
    def awaits_stream(self) -> bool:
        """Whether the server was asked for a stream of text."""
        call, attempt = self.call, self.attempt
        if call is None or attempt is None or attempt.rendered is None:
            return False
        streams = call.stream if attempt.answer is None else attempt.rendered.streams
        return streams and call.endpoint.operation in GENERATING

    @property
    def was_answered(self) -> bool:
        """Whether the client got a server's good answer, which may be cached, and to whose target one may stick."""
        verdict = self.verdict
        return self.outcome == "ok" and verdict is not None and verdict.is_answer

    @property
    def candidate(self) -> Candidate | None:
        """The candidate of the last attempt; for an answer from a cache, the one that gave it first."""
        if self.attempts:
            return self.attempts[-1].candidate
        return self.plan.candidates[0] if self.plan is not None and self.outcome == "cached" else None

    @property
    def target(self) -> str | None:
        """`server/model` of `candidate`."""
        if self.attempts:
            return self.attempts[-1].target
        return self.candidate.target if self.candidate is not None else None

    @property
    def outgoing(self) -> Call | None:
        """The call as servers get it: with placeholders where it is redacted."""
        return self.redaction.call if self.redaction is not None and self.redaction.call is not None else self.call

    def summary(self) -> dict[str, Any]:
        """Plain values for `flow.metadata`, so mitmweb shows why a flow went where it went."""
        plan = self.plan
        return {
            "switchman_id": self.id,
            "switchman_layer": plan.layer if plan else None,
            "switchman_route": plan.route if plan else None,
            "switchman_target": self.target,
            "switchman_attempts": len(self.attempts),
            "switchman_outcome": self.outcome,
            "switchman_token": self.caller.name if self.caller else None,
        }


def reading_of(x: Exchange, request: http.Request) -> Reading:
    """What the request's method and path say: read by Gate, and here for a request that came without it."""
    return x.reading or read(request.method, request.path)


def ms_since(started: float) -> float:
    """Milliseconds from a time of time.monotonic() until now."""
    return (time.monotonic() - started) * 1000


# Every hook asks for it, so it is an attribute of the flow: a WeakKeyDictionary took 2.5 % of a request. mitmproxy
# saves and copies a flow by the fields it knows, and so leaves this one out.
_ATTRIBUTE = "switchman_exchange"


def exchange(flow: http.HTTPFlow) -> Exchange | None:
    """The Exchange of a flow, or None for a flow that is not ours to touch."""
    return flow.__dict__.get(_ATTRIBUTE)


def begin(flow: http.HTTPFlow, x: Exchange) -> None:
    """Attach the Exchange to its flow, which from now on is ours."""
    flow.__dict__[_ATTRIBUTE] = x
