"""What the queries find: rows of lists, and all of one request.

Times are epoch seconds UTC, durations milliseconds, sizes bytes; None is "not known".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Which = Literal["request", "response"]
BodyState = Literal[
    "kept",
    "none",  # there was none
    "gone",  # no longer kept: too old, too much, or lost; or it was kept in another process's memory
    "uncaptured",  # never stored: CAPTURE says so
    "hidden",  # kept, and not for whoever asks: webui/access/viewing.py says so
]


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One line of the list; the fields of core.record.Record without headers, bodies, attempts and trace,
    costs by the names of their columns."""

    seq: int
    id: str
    started_at: float
    duration_ms: float
    method: str
    path: str
    client: str
    token: str | None
    token_id: str | None
    dialect: str | None
    operation: str | None
    requested_model: str
    layer: str | None
    route: str | None
    server: str | None
    model: str | None
    status: int
    outcome: str
    streamed: bool
    error: str | None
    overhead_ms: float | None
    ttft_ms: float | None
    tokens_per_second: float | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    finish_reason: str | None
    cache: str | None
    saved_ms: float | None
    cost_microdollars: int | None
    saved_microdollars: int | None
    attempt_count: int
    request_size: int | None
    response_size: int | None
    capture: str = "full"
    capture_by: str | None = None
    error_class: str | None = None
    modality: int | None = None
    agent: str | None = None
    session: str | None = None
    feedback: str | None = None  # the worst that was said of it: good or bad
    again_of: str | None = None  # the request that somebody sent once more by this one


@dataclass(frozen=True, slots=True)
class Page:
    """Newest first. `next`: the cursor of the following page, None on the last. `live`: where `newer_than` goes on."""

    rows: tuple[RequestRow, ...]
    next: str | None
    live: str


@dataclass(frozen=True, slots=True)
class Fresh:
    """Rows written since a live cursor, newest first. `more`: there were more than the limit; ask again at once."""

    rows: tuple[RequestRow, ...]
    live: str
    more: bool


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """As core.record.AttemptRecord."""

    number: int
    server: str
    model: str
    url: str
    started_at: float
    duration_ms: float
    status: int | None
    outcome: str
    error: str | None
    first_byte_ms: float | None
    changes: tuple[str, ...]
    cost_microdollars: int | None
    connect_ms: float | None = None
    reused: bool | None = None
    sent: str | None = None
    edits: tuple[tuple[Any, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class BodyInfo:
    """`size` is the whole body's, of which only the beginning is kept where `truncated`. `capture`: what was to be kept
    of it, and what asked for that, as `CAPTURE=metadata by token anna`; "" for all.
    """

    state: BodyState
    size: int | None
    truncated: bool
    capture: str = ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What of a head was too long to be kept: fields that are not here at all, and bytes, also of fields that are."""

    fields: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Detail:
    """All of one request but the bytes of its bodies. `trace`: core.routes.plan.TraceLine as mappings."""

    row: RequestRow
    request_headers: tuple[tuple[str, str], ...]
    response_headers: tuple[tuple[str, str], ...]
    trace: tuple[dict[str, Any], ...]
    attempts: tuple[AttemptRow, ...]
    request_body: BodyInfo
    response_body: BodyInfo
    request_left_out: LeftOut
    response_left_out: LeftOut
    session: str | None = None  # the digest of its name
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """A body's bytes; `data` is None unless `info.state` is "kept"."""

    data: bytes | None
    info: BodyInfo
