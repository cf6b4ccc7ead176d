"""The record of a request: the contract between the proxy, the store and the dashboard.

Durations are milliseconds, times are epoch seconds UTC (float), sizes are bytes, counts are tokens. None means
"not known", and is shown as such: never an estimate, never zero. Money is whole micro-dollars.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal[
    "ok",  # the client got a complete answer with a status below 400
    "upstream_error",  # an upstream's own error status was handed on
    "failed",  # no upstream answered: the router's own 502 or 504
    "refused",  # the router refused the request itself: 4xx
    "cancelled",  # the client left: 499
    "stream_error",  # the upstream died after the answer had begun
    "cached",  # answered from a cache
    "answered",  # the router answered itself: model lists, health
]


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One try at one candidate. `outcome` is "ok" or the failure's kind.

    Kinds: connect, tls, dns, timeout, status, error, reset, stream, cancelled.
    """

    number: int  # from 1
    server: str
    model: str
    url: str
    started_at: float
    duration_ms: float
    status: int | None
    outcome: str
    error: str | None = None
    first_byte_ms: float | None = None
    changes: tuple[str, ...] = ()  # changes of the client's request for this server, a sentence each
    cost: int | None = None  # micro-dollars; the least, where the answer broke off
    connect_ms: float | None = None  # until there was a connection to send it on; None: there never was
    reused: bool | None = None  # that connection was open before, for another request
    sent: str | None = None  # how its body differs from the client's: see core/dialects/passing/conveyed.py
    edits: tuple[tuple[Any, ...], ...] | None = None  # of the client's body, as conveyed.py writes them; None: unknown


@dataclass(frozen=True, slots=True)
class Running:
    """A request in progress: the facts known so far. `attempts`: how many have begun.

    `method` and `path` are "" while the request is still arriving.
    """

    id: str
    started_at: float  # epoch seconds
    method: str
    path: str
    client: str
    requested_model: str
    layer: str | None
    route: str | None
    server: str | None
    model: str | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Resting:
    """A target whose breaker is not closed, as a worker has it. `until`: epoch seconds, when it may be tried again."""

    target: str
    server: str
    state: Literal["open", "half_open"]
    until: float


@dataclass(frozen=True, slots=True)
class RulesInForce:
    """The rules that a worker has. `digest`: of the file's text, "" for no file. `written_at`: when the file was, 0
    where that is not known; `since`: when they came into force; epoch seconds.
    """

    worker: str
    digest: str
    written_at: float
    since: float


@dataclass(frozen=True, slots=True)
class Record:
    """One complete request, unmasked: the store masks credentials in headers and paths before it writes anything."""

    id: str
    started_at: float
    duration_ms: float
    method: str
    path: str
    client: str  # address of the caller
    dialect: str | None
    operation: str | None
    requested_model: str
    layer: str | None
    route: str | None
    server: str | None
    model: str | None
    status: int
    outcome: Outcome
    streamed: bool
    error: str | None = None
    overhead_ms: float | None = None  # the router's own time before the first attempt went out
    ttft_ms: float | None = None  # time to the first token, from the request's start
    tokens_per_second: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    finish_reason: str | None = None
    cache: str | None = None  # as x-switchman-cache says; None where no cache serves this model
    saved_ms: float | None = None  # how much faster the cached answer came than the first one
    token: str | None = None  # name of the token that the caller came with; None: with none of ours
    token_id: str | None = None  # its id, which no other token ever has
    cost: int | None = None  # micro-dollars, of all attempts; the least, where an answer broke off
    capture: Literal["full", "redacted", "metadata"] = "full"  # what is kept of it: the store takes out the rest
    capture_by: str | None = None  # what asked for that; None: the setting
    session: str | None = None  # digest of the session that the client named; from `b-` on: of how it begins
    agent: str | None = None  # which program sent it, as core/sessions/agents.py names it
    project: str | None = None  # the working directory that the prompt tells
    branch: str | None = None  # digest of the conversation within the session: the main one, a subagent's
    parent: str | None = None  # digest of the branch that this one came from, where the client tells it
    kept_as: str | None = None  # "SPACE/KEY ..." of what else is kept of it: its cached answer, its conversation
    error_class: str | None = None  # as core/decision/verdicts/errorclass.py says; None: no error
    modality: int | None = None  # the bits of core/texts/searching/asked.py KINDS; None: not known
    asked: str | None = None  # text of the prompt, by which it is found; None: it is not kept for that
    saved_cost: int | None = None  # micro-dollars: what the cached answer had cost when it was first given
    request_headers: tuple[tuple[str, str], ...] = ()
    response_headers: tuple[tuple[str, str], ...] = ()
    request_body: bytes | None = None
    response_body: bytes | None = None
    request_size: int | None = None  # size of the whole body where request_body holds only its beginning
    response_size: int | None = None  # likewise
    attempts: tuple[AttemptRecord, ...] = ()
    trace: tuple[dict[str, Any], ...] = field(default=())  # TraceLine as plain dicts
