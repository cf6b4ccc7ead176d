"""What is written down of the body that an attempt sent, in the words of core/dialects/passing/conveyed.py."""

from __future__ import annotations

from switchman.addons.core.dialects.passing.conveyed import (
    AS_IT_CAME,
    BY_EDITS,
    MOST_HASHED,
    OTHERWISE,
    WITH_REDACTION,
    Written,
    digest_of,
    written,
)
from switchman.addons.core.dialects.rendering import Rendered
from switchman.addons.flow.exchange import Attempt, Exchange


def how_sent(x: Exchange, attempt: Attempt) -> tuple[str | None, Written | None]:
    """`sent` and `edits` of the attempt's record."""
    if x.redaction is not None and x.redaction.changed:
        return WITH_REDACTION, None
    return _of(attempt.rendered)


def _of(rendered: Rendered | None) -> tuple[str | None, Written | None]:
    if rendered is None or not rendered.edited:  # None: what is no LLM call
        return AS_IT_CAME, ()
    if rendered.answer is not None:
        return (digest_of(rendered.data) if len(rendered.content) <= MOST_HASHED else None), None
    if rendered.edits is None:
        return OTHERWISE, None
    return BY_EDITS, written(rendered.edits)
