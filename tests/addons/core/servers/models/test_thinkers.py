"""Families of models by their names, as vendors, hubs and local servers write them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchman.addons.core.servers.models.thinkers import FAMILIES, LONGEST_NAME, OPENERS, UNKNOWN, family_of, opener_of


@pytest.mark.parametrize(
    ("model", "least", "effort"),
    [
        ("gpt-5", "minimal", "medium"),
        ("gpt-5-mini", "minimal", "medium"),
        ("openai/gpt-5-2025-08-07", "minimal", "medium"),
        ("GPT-5", "minimal", "medium"),
        ("gpt-5.1", "none", "medium"),
        ("gpt-5.2-mini", "none", "medium"),
        ("gpt-5-codex", "low", "medium"),
        ("gpt-5.1-codex-max", "low", "medium"),
        ("gpt-oss:20b", "low", "medium"),
        ("o1", "low", "medium"),
        ("o3-mini", "low", "medium"),
        ("openai/o4-mini", "low", "medium"),
        ("gemini-2.5-flash", "none", "medium"),
        ("gemini-2.5-flash-lite", "none", "medium"),
        ("gemini-2.5-pro", "low", "high"),
        ("gemini-3-flash-preview", "minimal", "medium"),
        ("gemini-3-pro-preview", "low", "high"),
        ("grok-3-mini-beta", "low", "high"),
    ],
)
def test_words_of_effort(model: str, least: str, effort: str) -> None:
    """The word for as little thought as it can, and for thought; a dated or routed name is the same family."""
    family = family_of(model)
    assert (family.least, family.effort, family.settled) == (least, effort, False)


@pytest.mark.parametrize(
    ("model", "template", "soft"),
    [
        ("qwen3", "enable_thinking", True),
        ("qwen3:8b", "enable_thinking", True),
        ("Qwen/Qwen3-32B", "enable_thinking", True),
        ("qwen-3-32b", "enable_thinking", True),
        ("qwen3.5-plus", "enable_thinking", False),  # from here on it does not obey /no_think
        ("glm-4.5-air", "enable_thinking", False),
        ("glm5", "enable_thinking", False),
        ("SmolLM3-3B", "enable_thinking", False),
        ("gemma-4-27b", "enable_thinking", False),
        ("deepseek-v3.1", "thinking", False),
        ("deepseek-ai/DeepSeek-V4", "thinking", False),
        ("kimi-k2.5", "thinking", False),
        ("granite-3.2-8b", "thinking", False),
    ],
)
def test_switches_of_templates(model: str, template: str, soft: bool) -> None:
    """The name of the switch among chat_template_kwargs, and whether /think and /no_think are obeyed."""
    family = family_of(model)
    assert (family.template, family.soft, family.settled) == (template, soft, False)


@pytest.mark.parametrize(
    "model",
    [
        "gpt-5-chat-latest", "gpt-5-pro", "gpt-5.2-pro", "o1-mini", "openai/o1-preview", "o4-mini-deep-research",
        "qwq:32b", "qwen3-4b-instruct-2507", "qwen3-coder", "qwen3-30b-a3b-thinking-2507", "deepseek-r1:8b",
        "deepseek-r1-distill-qwen3-8b", "claude-3-5-sonnet-latest", "claude-3.5-haiku", "claude-3-opus-20240229",
        "claude-2.1", "claude-instant-1.2",
    ],
)  # fmt: skip
def test_some_are_told_nothing(model: str) -> None:
    """They always think, or never do: not even where their name begins as another family's does."""
    assert family_of(model).settled


@pytest.mark.parametrize(
    ("model", "adaptive"),
    [
        ("claude-opus-4-6", True),
        ("claude-sonnet-4.6", True),
        ("claude-opus-4-10", True),
        ("claude-sonnet-5", True),
        ("claude-mythos-preview", True),
        ("claude-opus-4-5", False),
        ("claude-sonnet-4-20250514", False),
        ("claude-opus-4-1-20250805", False),
        ("claude-3-7-sonnet-latest", False),
    ],
)
def test_claude_thinks_with_a_budget_or_as_it_sees_fit(model: str, adaptive: bool) -> None:
    """A date is no version, and 3.7 is neither settled nor adaptive."""
    family = family_of(model)
    assert (family.adaptive, family.settled) == (adaptive, False)


@pytest.mark.parametrize(
    "model",
    ["", "llama3", "gpt-4o", "mistral", "foo1", "solo3", "o10", "qwen2.5", "deepseek-chat", "kimi-k2", "grok-4",
     "glm-4-9b", "gemini-1.5-pro", "x" * 100_000],
)  # fmt: skip
def test_other_names_say_nothing(model: str) -> None:
    """What is not listed is not known, though a part of its name may look like one."""
    assert family_of(model) is UNKNOWN


def test_every_family_says_one_way() -> None:
    """Words of effort come in pairs; who is settled has no words at all."""
    for family in FAMILIES:
        assert bool(family.least) == bool(family.effort)
        said = bool(family.effort) + bool(family.template) + family.adaptive
        assert said == (0 if family.settled else 1)
        assert family.template or not family.soft


@given(st.text(max_size=60))
def test_any_name_has_a_family(model: str) -> None:
    """Names come from clients."""
    assert family_of(model) in (*FAMILIES, UNKNOWN)


@pytest.mark.parametrize("unit", ["gpt-5", "qwen3", "deepseek", "claude-", "gemini-3", "o1"])
def test_long_names_take_no_time(unit: str) -> None:
    """A client's name of a million characters is looked up by its beginning: read whole, it would take minutes."""
    began = time.process_time()
    family_of(unit * 200_000)
    assert time.process_time() - began < 1


def test_a_name_is_read_to_its_longest() -> None:
    """A family that is named within LONGEST_NAME characters is found, and one behind them is not."""
    assert family_of("x" * (LONGEST_NAME - 4) + "qwq-").settled
    assert family_of("x" * (LONGEST_NAME - 2) + "qwq") is UNKNOWN


@pytest.mark.parametrize(
    ("model", "always"),
    [
        ("deepseek-r1", True),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", True),
        ("deepseek-r1:8b", True),
        ("perplexity/r1-1776", True),
        ("qwq", True),
        ("Qwen/QwQ-32B-AWQ", True),
        ("qwen3-235b-a22b-thinking-2507", True),
        ("Qwen/Qwen3-Next-80B-A3B-Thinking-FP8", True),
        ("qwen-3-235b-a22b-thinking-2507", True),
        ("qwen3-vl-8b-thinking", True),
        ("MiniMaxAI/MiniMax-M2.5", True),
        ("allenai/Olmo-3-7B-Think", True),
        ("LGAI-EXAONE/EXAONE-Deep-7.8B", True),
        ("baidu/ERNIE-4.5-21B-A3B-Thinking", True),
        ("Qwen/Qwen3.5-27B", False),
        ("qwen3.6:35b", False),
        ("zai-org/GLM-4.7-Flash", False),
        ("glm-5", False),
        ("moonshotai/Kimi-K2.5", False),
        ("nvidia/NVIDIA-Nemotron-Nano-9B-v2", False),
        ("nemotron-3-nano", False),
    ],
)
def test_families_whose_template_opens_the_block(model: str, always: bool) -> None:
    """As vendors, hubs and local servers write their names; some of them can be told not to think."""
    opener = opener_of(model)
    assert opener is not None and opener.always is always


@pytest.mark.parametrize(
    "model",
    ["", "llama3", "qwen3:8b", "Qwen/Qwen3-32B", "Qwen3-Coder-30B", "qwen3-30b-a3b-instruct-2507", "QwQ-32B-Preview",
     "glm-4.5-air", "glm-4.6", "deepseek-v3.1", "deepseek-chat", "deepseek-reasoner", "kimi-k2-thinking", "gpt-oss:20b",
     "phi-4-reasoning", "minimax-m1", "olmo-3-7b-instruct", "exaone-4.0", "claude-sonnet-4-5", "gpt-5", "gemma-3"],
)  # fmt: skip
def test_others_write_the_opening_tag_themselves(model: str) -> None:
    """Or have none: their streams are never held for their name."""
    assert opener_of(model) is None


def test_looking_an_opener_up_takes_no_time_on_a_long_name() -> None:
    """Only a name's beginning counts, and each pattern is quick on it."""
    began = time.process_time()
    for _ in range(100):
        for word in ("qwq", "qwen3.5", "qwen3", "olmo3", "ernie-4.5"):
            assert opener_of("z" * LONGEST_NAME + "deepseek-r1") is None
            opener_of(word * 200_000)
    assert time.process_time() - began < 20
    assert len({opener.name.pattern for opener in OPENERS}) == len(OPENERS)
