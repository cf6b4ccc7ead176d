"""Which model is for what, by its price, its size, its context and its name. No list of models is kept here.

1. Who may answer at all: servers of one's own where nothing is to leave the house; under a budget, models whose price
   is known; servers without a key only where there is no other.
2. For each use, the models that can do it, in the order of what counts most.
3. The first one answers. Behind it stands the best one of each other server; where there is one server, its next best.

How much a model can do is guessed on one scale, `strength`: dollars per million tokens of output for providers'
models, as they charge more for better ones; for one's own a dollar for 20 billion parameters, by the list's word or
that of the name (`qwen3:32b`, `mixtral-8x7b`). It only puts models in an order.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import log
from statistics import median_low
from typing import Final, Literal

from switchman.addons.core.routes.making.answers import Answers, Model, NotMakeable, ServerChoice, Use

MOST_BEHIND = 2  # models behind the first one
MICRO: Final = 1_000_000
USUAL_STRENGTH: Final = 0.5  # of a model that nothing is known of
BILLIONS_TO_A_DOLLAR: Final = 20
LEAST_STRENGTH: Final = 0.05  # a billion parameters; what is smaller is asked where there is nothing else

_TIMES = re.compile(r"(?<![a-z0-9.])(\d+)x(\d+(?:\.\d+)?)b(?![a-z0-9])")
_BILLIONS = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)b(?![a-z0-9])")
_MILLIONS = re.compile(r"(?<![a-z0-9.])(\d+)m(?![a-z0-9])")
_SMALL = re.compile(r"(?:^|[-_.:/])(?:mini|nano|tiny|small|lite|flash|haiku|instant)(?:$|[-_.:/0-9])")
_LARGE = re.compile(r"(?:^|[-_.:/])(?:large|pro|max|ultra|opus)(?:$|[-_.:/0-9])")
_CODE = re.compile(r"(?:^|[^a-z])(?:cod(?:e|ing)|devstral)|(?:star|deep|open)coder")
_SEES = re.compile(r"(?:^|[-_.:/0-9])(?:vl|vision|llava|multimodal|omni|pixtral)(?![a-z])")

Level = Literal["strong", "middle", "small", "cheap"]
# How strong a model is wanted, by what counts most; what is not named is strong.
_LEVELS: Final[dict[str, dict[Use, Level]]] = {
    "quality": {"background": "small", "translation": "middle"},
    "privacy": {"background": "small", "translation": "middle"},
    "price": dict.fromkeys(("chat", "coding", "long", "pictures", "translation", "background"), "cheap"),
    "speed": {
        **dict.fromkeys(("chat", "long", "pictures", "translation", "background"), "small"),
        "coding": "middle",
    },
}


@dataclass(frozen=True, slots=True)
class Pick:
    """A model on its server."""

    server: ServerChoice
    model: Model

    @property
    def target(self) -> str:
        return f"{self.server.name}/{self.model.name}"

    @property
    def cost(self) -> int | None:
        """Micro-dollars of a million tokens in and a million out; None: not known."""
        if self.model.input_cost is None or self.model.output_cost is None:
            return 0 if self.server.own else None
        return self.model.input_cost + self.model.output_cost


def may_answer(answers: Answers) -> list[Pick]:
    """All that the rules may lead to. Raises NotMakeable."""
    servers = [one for one in answers.servers if one.models]
    if not servers:
        raise NotMakeable("no_model")
    if answers.stays:
        servers = [one for one in servers if one.own]
        if not servers:
            raise NotMakeable("no_own")
    with_key = [one for one in servers if one.own or one.has_key]
    servers = with_key or servers[:1]  # a client's own key is good at one of them
    found = [Pick(server, model) for server in servers for model in server.models]
    if answers.spending == "monthly":
        found = [one for one in found if one.cost is not None] or found
    return found


def choose(use: Use, picks: list[Pick], answers: Answers) -> list[Pick]:
    """The models for a use, the first of which answers; none where none is known to be able to."""
    able = [one for one in picks if is_able(use, one)]
    if not able:
        return []
    ordered = sorted(able, key=_order(use, able, level_of(use, answers)))
    first = ordered[0]
    behind, seen = list[Pick](), {first.server.name}
    for one in ordered[1:]:
        if one.server.name not in seen and len(behind) < MOST_BEHIND:
            behind.append(one)
            seen.add(one.server.name)
    return [first, *(behind or ([] if len({one.server.name for one in picks}) > 1 else ordered[1:2]))]


def level_of(use: Use, answers: Answers) -> Level:
    if answers.spending == "cheapest":
        return "cheap"
    return _LEVELS[answers.priority].get(use, "strong")


def is_able(use: Use, pick: Pick) -> bool:
    """Whether a model is known or, of a provider's, may be taken to be able to."""
    if use == "pictures":
        known = sees(pick.model)
        return not pick.server.own if known is None else known
    return True


def sees(model: Model) -> bool | None:
    if model.pictures is None and _SEES.search(model.name.lower()):
        return True
    return model.pictures


def is_for_code(model: Model) -> bool:
    return _CODE.search(model.name.lower()) is not None


def is_for_else(use: Use, model: Model) -> bool:
    """Whether a model's name says that it was made for something else: code, or pictures."""
    is_seer = _SEES.search(model.name.lower()) is not None
    return (is_for_code(model) and use != "coding") or (is_seer and use != "pictures")


def strength(pick: Pick) -> float:
    """How much a model can do, as far as price, size and name tell; above 0."""
    model, name = pick.model, pick.model.name.lower()
    if not pick.server.own and model.output_cost:
        return model.output_cost / MICRO
    if (size := model.billions or billions_of(name)) is not None:
        return max(size, 0.01) / BILLIONS_TO_A_DOLLAR
    if _SMALL.search(name):
        return USUAL_STRENGTH / 2
    return USUAL_STRENGTH * 2 if _LARGE.search(name) else USUAL_STRENGTH


def billions_of(name: str) -> float | None:
    """The parameters that a name tells: `qwen3:32b`, `mixtral:8x7b`, `gemma3:270m`."""
    if found := _TIMES.search(name):
        return int(found[1][:6]) * float(found[2][:6])
    if found := _BILLIONS.search(name):
        return float(found[1][:6])
    return int(found[1][:6]) / 1000 if (found := _MILLIONS.search(name)) else None


def _order(use: Use, able: list[Pick], level: Level) -> Callable[[Pick], tuple[float, ...]]:
    """A key to sort by. Equal ones stay in the order of the answers."""
    fits = {one: _fit(use, one) for one in able}
    middle = median_low(fits.values())

    def key(one: Pick) -> tuple[float, ...]:
        fit, is_code = fits[one], is_for_code(one.model)
        odd = float(strength(one) < LEAST_STRENGTH or is_for_else(use, one.model))
        context = -float(one.model.context or 0) if use == "long" else 0.0
        if level == "strong":
            return (odd, context, -fit)
        meant = 0.0 if is_code and use == "coding" else 1.0
        if level == "cheap":
            cost = float("inf") if one.cost is None else float(one.cost)
            return (odd, cost, context, meant, fit if use == "background" else -fit)
        return (odd, context, meant, fit if level == "small" else abs(log(fit / middle)), -fit)

    return key


def _fit(use: Use, pick: Pick) -> float:
    """The strength for a use: a model that was made for code is better at it than others of its size."""
    found = strength(pick)
    return found * 2 if use == "coding" and is_for_code(pick.model) else found
