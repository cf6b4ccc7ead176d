"""A plan: what candidates are called, and whom the rules name first."""

from __future__ import annotations

import pytest

from switchman.addons.core.routes.plan import LONGEST, Candidate, Plan
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse

BOX, LAPTOP = Server("box", parse("http://box")), Server("laptop", parse("http://laptop"))


@pytest.mark.parametrize(
    ("model", "requested", "target", "target_for"),
    [
        ("llama", "gpt", "box/llama", "box/llama"),
        ("", "gpt", "box", "box/gpt"),
        ("", "", "box", "box"),
        ("org/llama:7b", "", "box/org/llama:7b", "box/org/llama:7b"),
    ],
)
def test_a_candidates_target(model: str, requested: str, target: str, target_for: str) -> None:
    """Its own name of the model, else the client's where that is known, else the server alone."""
    candidate = Candidate(BOX, model)
    assert candidate.target == target
    assert candidate.target_for(requested) == target_for


def test_a_target_is_never_long() -> None:
    """It is a key in all that is remembered of targets: those that differ anywhere are others, and each is short."""
    long = "x" * 100_000
    names = ["x" * 299, "x" * 300, long, long + "y", "y" + long, long[:-1] + "y", "\ud800" + "é" * 400]
    targets = [Candidate(BOX, name).target for name in names]
    assert len(set(targets)) == len(names) and max(map(len, targets)) == LONGEST
    assert targets == [Candidate(BOX, "").target_for(name) for name in names]
    assert targets[2].startswith("box/xxx") and "..." in targets[2]
    others = [Candidate(LAPTOP, name).target for name in names]
    assert not set(targets) & set(others) and {one[-16:] for one in targets}.isdisjoint(one[-16:] for one in others)
    assert Candidate(BOX, "x" * 296).target == "box/" + "x" * 296


def test_the_first_choice_outlives_a_new_order() -> None:
    """It is the first candidate, unless the plan says who was first before some were moved back."""
    candidates = (Candidate(BOX, ""), Candidate(LAPTOP, ""))
    assert Plan(candidates, "alias", "a").first_choice is BOX
    assert Plan(candidates, "alias", "a", first=LAPTOP).first_choice is LAPTOP


def test_a_plan_that_says_nothing_more() -> None:
    """Whether to think is left to the request, and the conversation may go elsewhere next time."""
    plan = Plan((Candidate(BOX, ""),), "default", "default")
    assert (plan.thinking, plan.stick, plan.trace, plan.first) == ("auto", "", (), None)
