"""Whether a candidate can serve a request, by what the rules file says of its model and nothing else."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from switchman.addons.core.decision.capabilities import no_larger, usable
from switchman.addons.core.request.features import Features
from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset

PLAIN = Features("openai", "chat", ask="Hello", system="", task="chat", task_confidence=0.7, input_tokens=100)


def rules(models: str) -> Ruleset:
    environment = SimpleNamespace(
        default_upstream="http://up:8000", default_upstream_set=True, model_map={}, request_timeout=1.0,
        strip_thinking=True, strip_json_markdown=False, disable_thinking=False,
    )  # fmt: skip
    return parse_ruleset(f"servers: {{s: 'http://s'}}\nmodels: {{{models}}}", "r", environment)


def reason(models: str, model: str = "m", requested: str = "", **features: Any) -> str | None:
    loaded = rules(models)
    return usable(Candidate(loaded.servers["s"], model), replace(PLAIN, **features), loaded, requested)


@pytest.mark.parametrize(
    ("listed", "features", "answer"),
    [
        ("[text]", {}, None),
        ("[text]", {"modalities": frozenset({"vision"})}, "it cannot see pictures"),
        ("[vision]", {"modalities": frozenset({"vision", "text"})}, None),
        ("[text, vision]", {"modalities": frozenset({"text", "audio"})}, "it cannot hear"),
        ("[audio]", {"modalities": frozenset({"audio"})}, None),
        ("[text]", {"modalities": frozenset({"vision", "audio"})}, "it cannot see pictures"),
        ("[]", {"modalities": frozenset({"vision", "audio"}), "tools": True}, None),
    ],
)
def test_modalities(listed: str, features: dict[str, Any], answer: str | None) -> None:
    """A model that lists some has no others; one that lists none is not held to any."""
    assert reason(f"s/m: {{modalities: {listed}}}", **features) == answer


def test_tools_count_only_where_some_model_lists_them() -> None:
    """A file that never speaks of tools says nothing about who has them."""
    assert reason("s/m: {modalities: [text]}", tools=True) is None
    both = "s/m: {modalities: [text]}, s/n: {modalities: [text, tools]}"
    assert reason(both, tools=True) == "it cannot use tools"
    assert reason(both, "n", tools=True) is None
    assert reason(both, tools=False) is None


@pytest.mark.parametrize(
    ("context", "most", "answer"),
    [
        (100, None, None),
        (99, None, "its context holds 99 tokens, and about 100 are needed"),
        (150, 50, None),
        (149, 50, "its context holds 149 tokens, and about 150 are needed"),
    ],
)
def test_the_prompt_and_the_answer_must_fit(context: int, most: int | None, answer: str | None) -> None:
    """What the client asked for as output comes on top of the prompt; exactly full is not too full."""
    assert reason(f"s/m: {{context: {context}}}", max_tokens=most) == answer


def test_a_candidate_that_keeps_the_name_is_judged_by_the_clients() -> None:
    """Its own name of the model counts where it has one."""
    small = "s/m: {context: 10}"
    assert reason(small, model="", requested="m") is not None
    assert reason(small, model="", requested="other") is None
    assert reason(small, model="other", requested="m") is None


def test_nothing_is_held_against_a_request_that_nobody_read() -> None:
    """Without features there is no figure to compare."""
    loaded = rules("s/m: {context: 1, modalities: [audio]}")
    assert usable(Candidate(loaded.servers["s"], "m"), None, loaded) is None


def test_after_an_overflow_only_a_context_that_may_be_larger() -> None:
    """One of the same size is none; one that is not known may be."""
    loaded = rules("s/small: {context: 8000}, s/large: {context: 8001}")
    server = loaded.servers["s"]
    assert no_larger(Candidate(server, "small"), 8000, loaded) == (
        "its context holds 8000 tokens, and one of 8000 was too small"
    )
    assert no_larger(Candidate(server, ""), 9000, loaded, "small") is not None
    assert no_larger(Candidate(server, "large"), 8000, loaded) is None
    assert no_larger(Candidate(server, "unknown"), 8000, loaded) is None
