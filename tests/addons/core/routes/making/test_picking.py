"""Which model is for what, by price, size, context and name."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.routes.making.answers import Answers, Model, NotMakeable, ServerChoice, Use
from switchman.addons.core.routes.making.picking import billions_of, choose, is_for_code, may_answer, sees, strength

USES: frozenset[Use] = frozenset(["chat"])


def own(name: str, *models: Model | str) -> ServerChoice:
    return ServerChoice(name, {}, tuple(Model(one) if isinstance(one, str) else one for one in models), own=True)


def cloud(name: str, *models: Model, **more: Any) -> ServerChoice:
    return ServerChoice(name, {}, models, **more)


def chosen(use: Use, *servers: ServerChoice, **more: Any) -> list[str]:
    answers = Answers(USES, servers, **more)
    return [one.target for one in choose(use, may_answer(answers), answers)]


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("qwen3:32b", 32), ("llama3.1:8b-instruct-q4", 8), ("mixtral:8x7b", 56), ("gemma3:270m", 0.27),
        ("qwen3-30b-a3b", 30), ("phi-3.5b", 3.5), ("gpt-4o", None), ("llama3", None), ("model-1b2", None),
        ("x-" + "9" * 100 + "b", 999999),
    ],
)  # fmt: skip
def test_a_size_is_read_in_a_name(name: str, billions: float | None) -> None:
    """As models' files are called; of a number that is absurd the first digits."""
    assert billions_of(name) == billions


def test_what_a_name_says_a_model_is_for() -> None:
    """Code and pictures, by words and not by lists of models."""
    assert all(is_for_code(Model(one)) for one in ("qwen2.5-coder:7b", "codestral-latest", "gpt-9-codex", "starcoder2"))
    assert not any(is_for_code(Model(one)) for one in ("decoder-x", "qwen3:8b", "encode5", "opus"))
    assert sees(Model("qwen2.5-vl:7b")) and sees(Model("llava")) and sees(Model("llama3.2-vision"))
    assert sees(Model("qwen3:8b")) is None and sees(Model("llava", pictures=False)) is False


def test_strength_is_one_scale() -> None:
    """Dollars for providers' models, sizes for one's own, and words where there is neither."""
    at = lambda server: [round(strength(one), 3) for one in may_answer(Answers(USES, (server,)))]  # noqa: E731
    assert at(cloud("c", Model("big", 5_000_000, 25_000_000), Model("s", 1, 500_000))) == [25.0, 0.5]
    assert at(own("o", "a:70b", "b:1b", Model("told", billions=20), "plain", "plain-mini", "plain-large")) == [
        3.5, 0.05, 1.0, 0.5, 0.25, 1.0,
    ]  # fmt: skip


def test_what_counts_most_decides() -> None:
    """The strongest, the cheapest, or the smallest; background tasks have a small one everywhere."""
    dear, cheap = Model("dear", 5_000_000, 25_000_000), Model("cheap", 100_000, 500_000)
    middle = Model("middle", 1_000_000, 5_000_000)
    server = cloud("c", middle, cheap, dear)
    assert chosen("chat", server, priority="quality") == ["c/dear", "c/middle"]
    assert chosen("chat", server, priority="price") == ["c/cheap", "c/middle"]
    assert chosen("chat", server, priority="speed")[0] == "c/cheap"
    assert chosen("coding", server, priority="speed")[0] == "c/middle"
    assert chosen("translation", server, priority="quality")[0] == "c/middle"
    assert chosen("background", server, priority="quality")[0] == "c/cheap"
    assert chosen("coding", server, spending="cheapest")[0] == "c/cheap"


def test_what_is_too_small_or_made_for_something_else_comes_last() -> None:
    """It is asked where there is nothing else."""
    assert chosen("background", own("o", "gemma3:270m", "qwen3:8b"))[0] == "o/qwen3:8b"
    assert chosen("chat", own("o", "big-coder:70b", "llava:34b", "qwen3:8b"))[0] == "o/qwen3:8b"
    assert chosen("chat", own("o", "big-coder:70b")) == ["o/big-coder:70b"]


def test_the_longest_context_is_for_long_documents() -> None:
    """Where it is known."""
    short, long = Model("a:70b", context=8192), Model("b:8b", context=131072)
    assert chosen("long", own("o", short, long))[0] == "o/b:8b"


def test_only_who_sees_gets_pictures() -> None:
    """Of one's own those that are known to; of a provider's those that are not known not to."""
    assert chosen("pictures", own("o", "qwen3:8b")) == []
    assert chosen("pictures", own("o", "qwen3:8b", "llava:7b")) == ["o/llava:7b"]
    assert chosen("pictures", cloud("c", Model("x", 1, 1), Model("blind", 1, 9, pictures=False))) == ["c/x"]


def test_behind_the_first_stands_another_server() -> None:
    """Its best model; of one server alone its next best."""
    a, b, c = own("a", "x:70b", "y:34b"), own("b", "z:8b"), own("c", "w:7b", "v:9b")
    assert chosen("chat", a, b, c) == ["a/x:70b", "c/v:9b", "b/z:8b"]
    assert chosen("chat", a) == ["a/x:70b", "a/y:34b"]


def test_who_may_answer_at_all() -> None:
    """No key, no part in it where others have one; no price, none under a budget; no provider where all stays."""
    keyless, with_key = cloud("k", Model("m", 1, 1), has_key=False), cloud("c", Model("m", 1, 1), Model("n"))
    assert chosen("chat", keyless, with_key)[0].startswith("c/")
    assert chosen("chat", keyless) == ["k/m"]
    assert chosen("chat", with_key, spending="monthly", dollars=5) == ["c/m"]
    assert chosen("chat", with_key, own("o", "q:8b"), priority="privacy") == ["o/q:8b"]
    with pytest.raises(NotMakeable, match="of your own"):
        chosen("chat", with_key, spending="own")
    with pytest.raises(NotMakeable, match="at least one server"):
        chosen("chat", cloud("empty"))
