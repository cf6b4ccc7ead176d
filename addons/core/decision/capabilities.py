"""Check whether a candidate can serve a request: pictures, sound, tools, and the length of the prompt; that also once
another one has said that the prompt is too long for it.

Only the rules file's facts about a model count. A fact that is missing never rules a model out.
"""

from __future__ import annotations

from collections.abc import Sequence

from switchman.addons.core.request.features import Features
from switchman.addons.core.routes.plan import Candidate, TraceLine
from switchman.addons.core.rules.ruleset import Ruleset


def usable(candidate: Candidate, features: Features | None, rules: Ruleset, requested_model: str = "") -> str | None:
    """The reason why a candidate cannot serve a request, in a few words; None if it can.

    `requested_model` is the model that the client named, for candidates that keep that name. A model that lists
    modalities has no others; `tools` counts as one where any model of the file lists it. The prompt's length is an
    estimate, to which the requested output size is added.
    """
    if features is None:
        return None
    facts = rules.facts(candidate.server, candidate.model or requested_model)
    if facts.modalities:
        if "vision" in features.modalities and "vision" not in facts.modalities:
            return "it cannot see pictures"
        if "audio" in features.modalities and "audio" not in facts.modalities:
            return "it cannot hear"
        if features.tools and "tools" not in facts.modalities and rules.lists_tools:
            return "it cannot use tools"
    if facts.context is not None:
        needed = features.input_tokens + (features.max_tokens or 0)
        if needed > facts.context:
            return f"its context holds {facts.context} tokens, and about {needed} are needed"
    return None


def no_larger(candidate: Candidate, window: int, rules: Ruleset, requested_model: str = "") -> str | None:
    """Why a candidate is not asked after one whose context of `window` tokens was too small; None if it may be.

    One whose context is not known may be.
    """
    context = rules.facts(candidate.server, candidate.model or requested_model).context
    if context is None or context > window:
        return None
    return f"its context holds {context} tokens, and one of {window} was too small"


def large_enough(
    candidates: Sequence[Candidate], window: int, rules: Ruleset, requested_model: str = ""
) -> tuple[list[Candidate], list[TraceLine]]:
    """Those of the candidates that may be asked after such a one, and a line of the trace for each of the others."""
    judged = [(one, no_larger(one, window, rules, requested_model)) for one in candidates]
    return (
        [one for one, why in judged if why is None],
        [TraceLine("overflow", "skip", f"{one.target} is passed over: {why}.") for one, why in judged if why],
    )
