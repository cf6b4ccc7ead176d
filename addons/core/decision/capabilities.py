"""Whether a candidate can serve a request at all: pictures, sound, tools, and the length of the prompt.

Only what the rules file says of a model counts. What it does not say is not held against the model.
"""

from __future__ import annotations

from switchman.addons.core.request.features import Features
from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.rules.ruleset import Ruleset


def usable(candidate: Candidate, features: Features | None, rules: Ruleset, requested_model: str = "") -> str | None:
    """Why a candidate cannot serve a request, in a few words; None where nothing speaks against it.

    `requested_model` is the model that the client named, for candidates that leave it as it is. A model that lists
    modalities has no others; `tools` counts as one where any model of the file lists it. The prompt's length is an
    estimate, and what the client asked for as output comes on top.
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
