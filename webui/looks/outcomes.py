"""How each outcome of a request (core/record.py) looks: a shape, a word and a tone. Pure."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from switchman.webui.looks.formats import duration, visible
from switchman.webui.looks.marked import N_, Say, in_english

Tone = Literal["good", "warn", "bad", "quiet"]


class Look(NamedTuple):
    """`word` is short, for lists; `meaning` is a sentence."""

    tone: Tone
    icon: str
    word: str
    meaning: str


LOOKS: dict[str, Look] = {
    "ok": Look("good", "check", N_("ok"), N_("a complete answer")),
    "cached": Look("good", "stack", N_("cached"), N_("answered from a cache")),
    "answered": Look("quiet", "dot", N_("answered"), N_("answered by the router itself")),
    "cancelled": Look("warn", "minus", N_("cancelled"), N_("the client left before the answer was complete")),
    "refused": Look("warn", "triangle", N_("refused"), N_("refused by the router")),
    "upstream_error": Look("bad", "cross", N_("upstream error"), N_("the upstream's own error, handed on")),
    "failed": Look("bad", "cross", N_("failed"), N_("no upstream answered")),
    "stream_error": Look("bad", "cross", N_("stream error"), N_("the upstream died after the answer had begun")),
}


# What people say of an answer.
VERDICTS = {"good": N_("good"), "bad": N_("bad")}


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


def tags(row: Any, say: Say = in_english) -> list[Tag]:
    """The tags of a request in a list, beside its outcome: more than one attempt, what the caches did, what people
    said. `say` translates them."""
    found = []
    if (count := row.attempt_count) > 1:
        words = say(N_("%(count)s attempts"), count=count)
        found.append(Tag(words, f"{count}×", say(N_("the first one did not give the answer"))))
    if row.cache == "shadow":
        word = say(N_("shadow"))
        found.append(Tag(word, word, say(N_("the semantic cache would have served a kept answer"))))
    if row.saved_ms is not None:
        words = say(N_("saved %(duration)s"), duration=duration(row.saved_ms, say))
        found.append(Tag(words, "", say(N_("a kept answer, which took this much longer at first"))))
    if row.feedback is not None:
        word = say(VERDICTS[row.feedback]) if row.feedback in VERDICTS else str(row.feedback)
        found.append(Tag(word, word, say(N_("somebody said that this was %(verdict)s"), verdict=word)))
    if row.again_of is not None:
        meaning = say(N_("somebody sent an earlier request once more"))
        found.append(Tag(say(N_("sent again")), say(N_("again")), meaning))
    return found


def model_title(row: Any, say: Say = in_english) -> str:
    """The model names in full, for a tooltip."""
    target = answered_by(row)
    requested = row.requested_model or say(N_("no model"))
    return visible(f"{requested} → {target}" if target and target != requested else requested)
