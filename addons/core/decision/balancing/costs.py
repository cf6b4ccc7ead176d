"""What a request would cost at a candidate, as far as that can be told before it is answered: for `cheapest`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from switchman.addons.core.access.prices import cost
from switchman.addons.core.access.prices.price import Usage
from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.rules.ruleset import Ruleset

if TYPE_CHECKING:
    from switchman.addons.core.decision.decide import RoutingQuery

# Tokens of an answer, at most: what clients allow for is mostly far more than what they get.
ANSWER: Final = 500
# What is not known of a request is taken for one like this: the figures only have to compare candidates.
PROMPT: Final = 1000
ANSWERED_IN_TEXT: Final = (None, "chat", "completion", "responses")


def cost_of(candidate: Candidate, query: RoutingQuery, rules: Ruleset) -> float | None:
    """In micro-dollars, by the estimated size of the prompt, and an answer of as many tokens as the request allows, but
    no more than ANSWER. None where the price of either is not known.
    """
    price = rules.price_for(candidate.server, candidate.model or query.model)
    features = query.features
    asked = features.input_tokens if features is not None else PROMPT
    answer = min((features.max_tokens if features is not None else None) or ANSWER, ANSWER)
    if query.operation not in ANSWERED_IN_TEXT:
        answer = 0
    known = cost.cost_of(Usage(input=asked, output=answer), price)
    return None if known is None else float(known)
