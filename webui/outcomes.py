"""How each outcome of a request (core/record.py) looks: a shape, a word and a tone. Pure."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

Tone = Literal["good", "warn", "bad", "quiet"]


class Look(NamedTuple):
    """`word` is short, for lists; `meaning` is a sentence's worth."""

    tone: Tone
    icon: str
    word: str
    meaning: str


LOOKS: dict[str, Look] = {
    "ok": Look("good", "check", "ok", "a complete answer"),
    "cached": Look("good", "stack", "cached", "answered from a cache"),
    "answered": Look("quiet", "dot", "answered", "answered by the router itself"),
    "cancelled": Look("warn", "minus", "cancelled", "the client left before the answer was complete"),
    "refused": Look("warn", "triangle", "refused", "refused by the router"),
    "upstream_error": Look("bad", "cross", "upstream error", "the upstream's own error, handed on"),
    "failed": Look("bad", "cross", "failed", "no upstream answered"),
    "stream_error": Look("bad", "cross", "stream error", "the upstream died after the answer had begun"),
}
FAILURES = frozenset(outcome for outcome, look in LOOKS.items() if look.tone == "bad")


def outcome_look(outcome: str) -> Look:
    """An outcome's look; one that is not known is shown by its own name."""
    return LOOKS.get(outcome) or Look("quiet", "dot", outcome, outcome)


def answered_by(row: Any) -> str | None:
    """`server/model` of what answered, as core/plan.py's Candidate.target writes it; None where nothing did."""
    if not row.server:
        return None
    return f"{row.server}/{row.model}" if row.model else str(row.server)


def model_title(row: Any) -> str:
    """The model names in full, for a tooltip."""
    target = answered_by(row)
    asked = row.requested_model or "no model"
    return f"{asked} → {target}" if target and target != asked else asked
