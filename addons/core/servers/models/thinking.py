"""Decide whether a model is to think, and tell each kind of server: as edits of the request's JSON.

    resolve(strategy, endpoint, body, off_by_default) -> ThinkingChoice, or None for "leave the request as it is"
    1. the rule says disabled                   -> not to think
    2. the rule says enabled                    -> think
    3. the request says something itself        -> None
    4. the model's default is not to think      -> not to think
    5. else                                     -> None

    instruct(choice, endpoint, body, model, traits) -> Instruction: the edits, in its dialect, and how, in words

What a target understands, first of these that fits:
- Ollama: `think`. Anthropic: `thinking`, with a budget that leaves room for the answer, or adaptive.
- OpenAI: the switch that the server is known for (Traits.switch); `chat_template_kwargs` on servers with templates
  (vLLM, SGLang, llama.cpp), for families whose template has a switch; `reasoning_effort` (or `reasoning.effort`), where
  the request has it or the model's name is of a family that takes it (thinkers.py); Qwen's soft switch, two words after
  the last user message, for Qwen3.
- The soft switch goes to models of unknown families too where DISABLE_THINKING asks for it: that is its contract.
- Nothing else is guessed. Where the target has no way to be told, nothing is sent, and Instruction says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from switchman.addons.core.request.call import GENERATING, Endpoint
from switchman.addons.core.request.jsonedit import REMOVE
from switchman.addons.core.servers.models.thinkers import UNKNOWN, Family, Thinking, ThinkingSwitch, family_of

Edits = dict[tuple[str | int, ...], Any]

# effort -> tokens of thinking
BUDGETS: Final = {"low": 1024, "medium": 4096, "high": 8192}
DEFAULT_EFFORT: Final = "medium"
_LEAST_BUDGET: Final = 1024  # the Messages API's own minimum
_OFF_EFFORTS: Final = frozenset({"none", "minimal"})
_SOFT: Final = re.compile(r"/(?:no_)?think\b")


@dataclass(frozen=True, slots=True)
class ThinkingChoice:
    """`by_rule`: a rule decided; else DISABLE_THINKING, or the server's or model's own setting did."""

    think: bool
    by_rule: bool = True


@dataclass(frozen=True, slots=True)
class Traits:
    """What a server takes. `templates`: chat_template_kwargs. `effort_none`: the effort "none". `switch`: a parameter
    of its own for thinking.
    """

    templates: bool = False
    effort_none: bool = True
    switch: ThinkingSwitch | None = None


@dataclass(frozen=True, slots=True)
class Instruction:
    """`how`: a sentence for a person, "" where nothing had to be sent. `understood`: the target can be told."""

    how: str = ""
    edits: Edits = field(default_factory=dict)
    understood: bool = True


PLAIN: Final = Traits()
NOTHING: Final = Instruction()


def resolve(
    strategy: Thinking, endpoint: Endpoint, body: Mapping[str, Any], off_by_default: bool
) -> ThinkingChoice | None:
    """Decide by the rule, the request and the model's default. `endpoint` and `body` are the client's."""
    if strategy != "auto":
        return ThinkingChoice(strategy == "enabled")
    if not off_by_default or requested(endpoint, body) is not None:
        return None
    return ThinkingChoice(False, by_rule=False)


def requested(endpoint: Endpoint, body: Mapping[str, Any]) -> bool | None:
    """The request's own wish, in the dialect of `endpoint`: True to think; None where it has none."""
    if endpoint.dialect == "ollama":
        think = body.get("think")
        return None if think is None else think not in (False, "")
    kind = _member(body, "thinking", "type")  # Anthropic's, and DeepSeek's among others
    if endpoint.dialect == "anthropic" or isinstance(kind, str):
        return kind != "disabled" if "thinking" in body else None
    effort = _effort(body)
    if isinstance(effort, str):
        return effort not in _OFF_EFFORTS
    kwargs = "chat_template_kwargs"
    for switch in (_member(body, "reasoning", "enabled"), _member(body, kwargs, "enable_thinking"),
                   _member(body, kwargs, "thinking"), body.get("enable_thinking")):  # fmt: skip
        if isinstance(switch, bool):
            return switch
    found = _SOFT.findall(_last_words(body))
    return found[-1] == "/think" if found else None


def _member(body: Mapping[str, Any], name: str, key: str) -> Any:
    value = body.get(name)
    return value.get(key) if isinstance(value, Mapping) else None


def _effort(body: Mapping[str, Any]) -> Any:
    return body.get("reasoning_effort") or _member(body, "reasoning", "effort")


def instruct(
    choice: ThinkingChoice | None, endpoint: Endpoint, body: Mapping[str, Any], model: str, traits: Traits = PLAIN
) -> Instruction:
    """The edits that tell a server. `endpoint` and `body` are as the server gets them, `model` is the name it uses."""
    if choice is None or endpoint.operation not in GENERATING:
        return NOTHING
    what = "to think" if choice.think else "not to think"
    if choice.think and requested(endpoint, body):
        return Instruction("The request asks for thinking itself, and its own way stands.")
    edits = _edits(choice, endpoint, body, model, traits)
    if edits is None:
        return Instruction(f"There is no way to tell {model or 'it'} {what}: nothing is changed.", understood=False)
    if not edits:
        return Instruction("It does not think unless it is asked to, so nothing had to be said.")
    return Instruction(f"Told {what} by {_in_words(edits)}.", edits)


def _in_words(edits: Edits) -> str:
    """The edits in words: what is set, not what is taken away."""
    parts = [
        "a soft switch after the user's words"
        if path[0] in ("messages", "prompt")
        else f"{_path(path)}: {_brief(value)}"
        for path, value in edits.items()
        if value is not REMOVE
    ]
    return ", ".join(parts) or f"leaving out {', '.join(_path(path) for path in edits)}"


def _path(path: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in path)


def _brief(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_brief(one)}" for key, one in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)


def _edits(
    choice: ThinkingChoice, endpoint: Endpoint, body: Mapping[str, Any], model: str, traits: Traits
) -> Edits | None:
    """The edits for this target; None where it has no way to be told."""
    family = family_of(model)
    if endpoint.dialect == "ollama":  # its API: "should the model think before responding"; gpt-oss takes levels only
        return {("think",): choice.think if choice.think or family.least != "low" else "low"}
    if endpoint.dialect == "anthropic":
        return _anthropic_on(body, family) if choice.think else _anthropic_off(body, family)
    if endpoint.operation == "chat" and traits.switch in _SWITCHES and not family.settled:
        return _SWITCHES[traits.switch](choice.think, body, family)
    templates = traits.switch == "template" or (traits.templates and traits.switch is None)
    if endpoint.operation == "chat" and templates and family.template:
        return _by_template(choice.think, body, family, traits)
    return _by_effort(choice.think, endpoint, body, family, traits) or _by_words(choice, endpoint, body, family)


def _anthropic_on(body: Mapping[str, Any], family: Family) -> Edits | None:
    """Thinking takes part of max_tokens, and the API takes neither a forced tool nor own sampling beside it."""
    most = body.get("max_tokens")
    forced = _member(body, "tool_choice", "type") in ("any", "tool")
    if family.settled or forced or not isinstance(most, int) or most <= _LEAST_BUDGET:
        return None
    budget = max(_LEAST_BUDGET, min(BUDGETS[DEFAULT_EFFORT], most // 2))
    how = {"type": "adaptive"} if family.adaptive else {"type": "enabled", "budget_tokens": budget}
    edits: Edits = {("thinking",): how}
    return edits | {(name,): REMOVE for name in ("temperature", "top_p", "top_k") if name in body}


def _anthropic_off(body: Mapping[str, Any], family: Family) -> Edits:
    """Without `thinking` it does not think; the newest models refuse the type "disabled"."""
    if "thinking" not in body:
        return {}
    return {("thinking",): REMOVE if family.adaptive else {"type": "disabled"}}


def _reasoning(think: bool, body: Mapping[str, Any], family: Family) -> Edits:
    """OpenRouter's unified parameter, which it maps to each vendor's own."""
    effort = family.effort if think else family.least
    edits: Edits = {("reasoning",): {"effort": effort} if effort else {"enabled": think}}
    return edits | ({("reasoning_effort",): REMOVE} if "reasoning_effort" in body else {})


def _typed(think: bool, body: Mapping[str, Any], family: Family) -> Edits:
    """DeepSeek's switch, which other Chinese vendors have taken over."""
    edits: Edits = {("thinking",): {"type": "enabled" if think else "disabled"}}
    return edits | ({("reasoning_effort",): REMOVE} if "reasoning_effort" in body and not think else {})


_SWITCHES: Final = {"reasoning": _reasoning, "thinking": _typed}


def _by_template(think: bool, body: Mapping[str, Any], family: Family, traits: Traits) -> Edits:
    """Only for families whose template is known to have a switch: vLLM refuses any for Mistral's tokenizers."""
    edits: Edits = {("chat_template_kwargs", family.template): think}
    if not think and body.get("reasoning_effort") is not None:
        edits["reasoning_effort",] = "none" if traits.effort_none else "low"
    return edits


def _by_effort(think: bool, endpoint: Endpoint, body: Mapping[str, Any], family: Family, traits: Traits) -> Edits:
    path = ("reasoning", "effort") if endpoint.operation == "responses" else ("reasoning_effort",)
    if endpoint.operation == "completion" or family.settled:
        return {}
    if family.least:
        return {path: family.effort if think else family.least}
    if traits.switch == "effort" and family.template and not think:
        return {path: "none"}
    if _effort(body) is not None:
        return {path: DEFAULT_EFFORT if think else "none" if traits.effort_none else "low"}
    return {}


def _by_words(choice: ThinkingChoice, endpoint: Endpoint, body: Mapping[str, Any], family: Family) -> Edits | None:
    if endpoint.operation == "responses":
        return None
    if family.soft or (family is UNKNOWN and not choice.think and not choice.by_rule):
        return _appended(body, "/think" if choice.think else "/no_think") or None
    return None


def _last_words(body: Mapping[str, Any]) -> str:
    """The text that a soft switch is appended to: the prompt, or the last user message's last text."""
    path = _last_text(body)
    if path is None:
        return ""
    value: Any = body
    for part in path:
        value = value[part]
    return str(value)


def _appended(body: Mapping[str, Any], switch: str) -> Edits:
    path = _last_text(body)
    return {path: f"{_last_words(body)} {switch}"} if path else {}


def _last_text(body: Mapping[str, Any]) -> tuple[str | int, ...] | None:
    if isinstance(body.get("prompt"), str):
        return ("prompt",)
    messages = body.get("messages")
    if not isinstance(messages, list):
        return None
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if isinstance(message, Mapping) and message.get("role") == "user":
            return _text_in(index, message.get("content"))
    return None


def _text_in(index: int, content: object) -> tuple[str | int, ...] | None:
    if isinstance(content, str):
        return ("messages", index, "content")
    if isinstance(content, list):
        for part in range(len(content) - 1, -1, -1):
            piece = content[part]
            if isinstance(piece, Mapping) and isinstance(piece.get("text"), str):
                return ("messages", index, "content", part, "text")
    return None
