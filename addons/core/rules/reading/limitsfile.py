"""How much a server is asked: the keys of `servers: NAME:` for it, as they are written."""

from __future__ import annotations

from typing import Annotated, Protocol

from pydantic import BeforeValidator, Field

from switchman.addons.core.rules.layersfile import seconds
from switchman.addons.core.rules.matchfile import Written
from switchman.addons.core.servers.pacing.limits import ServerLimits

_MOST = 1_000_000_000
_Wait = Annotated[
    float,
    Field(ge=0, le=3_600, allow_inf_nan=False),
    BeforeValidator(seconds, json_schema_input_type=str | float),
]


class QueueFile(Written):
    """Who waits for a server that is asked as much as it may be."""

    size: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=100, description="requests that wait; 0: none does; those that are too many go to the next candidate"
    )
    wait: _Wait = Field(default=30.0, description="how long each of them does: seconds, or 30s, 2m")


MaxConcurrent = Annotated[
    Annotated[int, Field(ge=1, le=1_000_000)] | None,
    Field(description="requests that it works on at once, over all workers; more of them wait, or go elsewhere"),
]
Rpm = Annotated[
    Annotated[int, Field(ge=1, le=_MOST)] | None, Field(description="requests that it gets in a minute, likewise")
]
Tpm = Annotated[
    Annotated[int, Field(ge=1, le=_MOST)] | None,
    Field(description="tokens that it gets and gives in a minute, likewise; by an estimate until an answer tells"),
]
Queue = Annotated[
    QueueFile | None,
    Field(description="who waits while it is asked as much as it may be; also heeds the limits that its answers tell"),
]
WaitUpTo = Annotated[
    _Wait | None,
    Field(
        description="the longest Retry-After, in seconds, that is waited out where nobody else can answer (default 0)"
    ),
]


class _Server(Protocol):
    max_concurrent: int | None
    rpm: int | None
    tpm: int | None
    queue: QueueFile | None
    wait_up_to: float | None


def limits_of(written: _Server) -> ServerLimits | None:
    """None where nothing of it is said: then nothing is counted, and nobody waits."""
    queue = written.queue
    if all(one is None for one in (written.max_concurrent, written.rpm, written.tpm, queue, written.wait_up_to)):
        return None
    queue = queue or QueueFile()
    return ServerLimits(
        written.max_concurrent, written.rpm, written.tpm, queue.size, queue.wait, written.wait_up_to or 0.0
    )
