"""Families of models by name, and the parameters that switch each family's thinking. Data, and one look-up.

The name decides where the server only passes requests on: a family takes the same parameters behind OpenAI's own
address, Azure's, or a proxy's. A name that is not listed is unknown, and gets no parameter of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

# A rule's setting for thinking; "auto" leaves it to the request and the model's default.
Thinking = Literal["auto", "enabled", "disabled"]

# The parameter by which a server of OpenAI's dialect switches thinking, where it is known for one:
#   effort      reasoning_effort, "none" included (Groq, Ollama's own /v1)
#   reasoning   `reasoning: {enabled or effort}` (OpenRouter)
#   thinking    `thinking: {type: enabled or disabled}` (DeepSeek, Z.AI, Moonshot)
#   template    chat_template_kwargs (vLLM, SGLang, llama.cpp)
#   words       none: only a switch within the messages (LM Studio)
ThinkingSwitch = Literal["effort", "reasoning", "thinking", "template", "words"]


@dataclass(frozen=True, slots=True)
class Family:
    """One family. `least`, `effort`: values of reasoning_effort for as little thinking as possible, and for thinking;
    "" where the family takes none. `template`: the switch among chat_template_kwargs. `soft`: it obeys /think and
    /no_think in a user's message. `adaptive`: it takes the Messages API's newer form, without a budget. `settled`: it
    always thinks or never does, so it gets no parameter.
    """

    name: re.Pattern[str]
    least: str = ""
    effort: str = ""
    template: str = ""
    soft: bool = False
    adaptive: bool = False
    settled: bool = False


def _family(name: str, least: str = "", effort: str = "", **more: bool | str) -> Family:
    return Family(re.compile(name, re.IGNORECASE), least, effort, **more)  # type: ignore[arg-type]


UNKNOWN: Final = _family("")

# Names come from clients, and the patterns below take time by the square of a name's length.
LONGEST_NAME: Final = 256

# The first that fits. Sources: OpenAI's reasoning guide and the errors of its API (gpt-5.1 and later know "none", gpt-5
# "minimal", Codex, the o series and gpt-oss begin at "low"); Google's page on OpenAI compatibility; xAI's reasoning
# guide; Qwen's and DeepSeek's model cards; Anthropic's guides to extended and to adaptive thinking.
FAMILIES: Final = (
    _family(r"gpt-5[^/]*-(?:chat|pro)|(?:^|/)o1-(?:preview|mini)|deep-research", settled=True),
    _family(r"gpt-5[^/]*-codex", "low", "medium"),
    _family(r"gpt-5\.\d", "none", "medium"),
    _family(r"gpt-5", "minimal", "medium"),
    _family(r"gpt-oss", "low", "medium"),
    _family(r"(?:^|/)o[134](?:-|$)", "low", "medium"),
    _family(r"gemini-2\.5-flash", "none", "medium"),
    _family(r"gemini-3[^/]*flash", "minimal", "medium"),
    _family(r"gemini-(?:2\.5|[3-9])", "low", "high"),
    _family(r"grok-3-mini", "low", "high"),
    _family(r"qwq|qwen-?3[^/]*(?:instruct|coder|thinking)|deepseek-r1", settled=True),
    _family(r"qwen-?3\.\d", template="enable_thinking"),
    _family(r"qwen-?3", template="enable_thinking", soft=True),
    _family(r"glm-?(?:4\.[5-9]|[5-9])|smollm-?3|gemma-?4", template="enable_thinking"),
    _family(r"deepseek[^/]*v(?:3\.[1-9]|[4-9])|kimi-k2\.[5-9]|granite-?3\.[2-9]", template="thinking"),
    _family(r"claude-(?:instant|2|3[-.](?:opus|sonnet|haiku|5))", settled=True),
    _family(r"claude-(?:(?:opus|sonnet|haiku)-4[-.](?:[6-9]|\d\d)(?!\d)|[a-z]+-[5-9](?!\d)|mythos)", adaptive=True),
)


@dataclass(frozen=True, slots=True)
class Opener:
    """A family whose chat template ends in an opening tag, so that replies begin inside the thought. `always`: it
    cannot be told not to think; else the template closes the block itself where it was told.
    """

    name: re.Pattern[str]
    always: bool = False


def _opener(name: str, always: bool = False) -> Opener:
    return Opener(re.compile(name, re.IGNORECASE), always)


# The first that fits. Sources: `chat_template` of the models on Hugging Face, as of November 2026: what stands in it
# under `add_generation_prompt`, with no option given. Replies are only so where the server leaves them as they are:
# vLLM and SGLang without a reasoning parser, llama.cpp with --reasoning-format none, LM Studio, MLX.
# Not here: Qwen3 of April 2025, GLM-4.5, gpt-oss, Phi-4, SmolLM3, Kimi K2 Thinking write the opening tag themselves;
# DeepSeek V3.1 and Granite open the block only where a request asks them to think, which is learned.
OPENERS: Final = (
    _opener(r"deepseek-r1|(?:^|/)r1-1776", always=True),
    _opener(r"qwq(?!.*preview)", always=True),
    _opener(r"qwen-?3[^/]*thinking", always=True),
    _opener(r"qwen-?3\.[5-9](?![^/]*(?:instruct|coder))"),
    _opener(r"glm-?(?:4\.[7-9]|[5-9])"),
    _opener(r"kimi-k2\.[5-9]"),
    _opener(r"minimax-?m[2-9]", always=True),
    _opener(r"nemotron-(?:nano-(?:9b|12b)-v2|nano-v2|3-)"),
    _opener(r"olmo-?3[^/]*think", always=True),
    _opener(r"exaone-deep", always=True),
    _opener(r"ernie-4\.5[^/]*thinking", always=True),
)


def opener_of(model: str) -> Opener | None:
    """The family whose template opens the thinking block, by a model's name; None where none is known to."""
    return next((opener for opener in OPENERS if opener.name.search(model, 0, LONGEST_NAME)), None)


def family_of(model: str) -> Family:
    """Look a model's name up, by its first LONGEST_NAME characters. UNKNOWN where none fits."""
    return next((family for family in FAMILIES if family.name.search(model, 0, LONGEST_NAME)), UNKNOWN)
