"""Why a request that a server refused may still be answered elsewhere: a longer context, another content filter.

Where it may is said by `fallback_on` (servers, routes, or the whole rules file): `context` unless something is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from switchman.addons.core.decision.verdicts import contentfilter, overflow
from switchman.addons.core.decision.verdicts.overflow import Overflow
from switchman.addons.core.dialects.errors import decode_error
from switchman.addons.core.dialects.neutral.form import Failed
from switchman.addons.core.servers.retry import FallbackOn

_STATUSES: Final[dict[FallbackOn, frozenset[int]]] = {
    "context": overflow.STATUSES,
    "content_filter": contentfilter.STATUSES,
}


@dataclass(frozen=True, slots=True)
class Cause:
    """`overflow`: of a `context` that was too small."""

    on: FallbackOn
    overflow: Overflow | None = None

    def __str__(self) -> str:
        return str(self.overflow) if self.overflow is not None else contentfilter.FILTERED


def cause_of_status(status: int, body: bytes) -> Cause | None:
    """What an answer of this error status says."""
    if status == 413 and not body.strip():  # Cerebras and Mistral: pi-mono, packages/ai/src/utils/overflow.ts
        return Cause("context", Overflow())
    if status not in overflow.STATUSES | contentfilter.STATUSES | {424, 429, 500}:
        return None
    error = decode_error(status, body)
    return _cause(status, error.message, error.type, error.code)


def cause_of_failure(failed: Failed) -> Cause | None:
    """What an error within a stream, or behind a good status, says."""
    return _cause(None, failed.message, failed.type, failed.code)


def held_for(fallback_on: frozenset[FallbackOn]) -> frozenset[int]:
    """The statuses of answers that are held back until they have said why."""
    return frozenset().union(*(_STATUSES[on] for on in fallback_on))


def _cause(status: int | None, message: str, *codes: str | None) -> Cause | None:
    if (found := overflow.overflow_in(status, message, *codes)) is not None:
        return Cause("context", found)
    return Cause("content_filter") if contentfilter.filtered_in(status, message, *codes) else None
