"""What is expected of an answer: whether its text begins in a block that the model's template has opened."""

from __future__ import annotations

from switchman.addons.core.dialects.rendering import Rendered, applies_template, is_silenced
from switchman.addons.core.request.call import Call
from switchman.addons.core.routes.plan import Candidate, TraceLine
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.servers.models.opening import Opening, in_words, opening


def expected_opening(
    call: Call, rendered: Rendered, candidate: Candidate, rules: Ruleset, learned: bool | None
) -> Opening:
    """What to expect of this candidate's answer. `learned`: what its earlier ones showed, None for nothing."""
    return opening(
        rules.thinking_opens_for(candidate, call.model),
        learned,
        candidate.model or call.model,
        templated=applies_template(rendered.endpoint, call),
        silenced=is_silenced(call, rendered),
    )


def why_held(found: Opening, candidate: Candidate, call: Call, rules: Ruleset) -> TraceLine | None:
    """The line of the trace that says why a stream's text is held; None where it is not."""
    mode = rules.thinking_for(candidate, call.model)
    if mode == "keep" or not found.opens:
        return None
    return TraceLine("thinking", "hit", in_words(found, candidate.target_for(call.model), moved=mode == "reasoning"))
