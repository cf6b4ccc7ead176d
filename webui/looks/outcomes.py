"""How each outcome of a request (core/record.py) looks: a shape, a word and a tone. Pure."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from switchman.webui.looks.formats import duration, visible

Tone = Literal["good", "warn", "bad", "quiet"]


class Look(NamedTuple):
    """`word` is short, for lists; `meaning` is a sentence."""

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


def outcome_look(outcome: str) -> Look:
    """An outcome's look. An unknown one is shown by its own name."""
    return LOOKS.get(outcome) or Look("quiet", "dot", outcome, outcome)


def answered_by(row: Any) -> str | None:
    """`server/model` of what answered, as Candidate.target (core/routes/plan.py) has it; None where nothing did."""
    if not row.server:
        return None
    return f"{row.server}/{row.model}" if row.model else str(row.server)


class Tag(NamedTuple):
    """A word beside a row's outcome, and the sentence it stands for. `short` is for narrow lists, "" for not there."""

    word: str
    short: str
    meaning: str


def tags(row: Any) -> list[Tag]:
    """The tags of a request in a list, beside its outcome: more than one attempt, what the caches did, what people
    said."""
    found = []
    if (count := row.attempt_count) > 1:
        found.append(Tag(f"{count} attempts", f"{count}×", "the first one did not give the answer"))
    if row.cache == "shadow":
        found.append(Tag("shadow", "shadow", "the semantic cache would have served a kept answer"))
    if row.saved_ms is not None:
        found.append(Tag(f"saved {duration(row.saved_ms)}", "", "a kept answer, which took this much longer at first"))
    if row.feedback is not None:
        found.append(Tag(row.feedback, row.feedback, f"somebody said that this was {row.feedback}"))
    if row.again_of is not None:
        found.append(Tag("sent again", "again", "somebody sent an earlier request once more"))
    return found


def model_title(row: Any) -> str:
    """The model names in full, for a tooltip."""
    target = answered_by(row)
    requested = row.requested_model or "no model"
    return visible(f"{requested} → {target}" if target and target != requested else requested)
