"""Whether a model is to think, and how each kind of server is told: as edits of the request's JSON.

    wish(strategy, endpoint, body, off_by_default) -> True, False, or None for "leave the request as it is"
    1. the rule says disabled                   -> False
    2. the rule says enabled                    -> True
    3. the request says something itself        -> None
    4. the model's default is not to think      -> False
    5. else                                     -> None

    thinking_edits(think, endpoint, body, model, traits) -> edits, in the dialect of the server

What a target understands, first of these that fits:
- Ollama: `think`. Anthropic: `thinking`, with a budget that leaves room for the answer.
- OpenAI: `reasoning_effort` (or `reasoning.effort`), where the request has it or the model's name is of a family that
  takes it; `chat_template_kwargs.enable_thinking` for Qwen on servers with a template (vLLM, SGLang, llama.cpp);
  and, to switch it off, Qwen's soft switch: two words after the last user message, harmless where they are not known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from switchman.addons.core.call import Endpoint
from switchman.addons.core.jsonedit import REMOVE
from switchman.addons.core.routes import Thinking

Edits = dict[tuple[str | int, ...], Any]

# effort -> tokens of thinking
BUDGETS: Final = {"low": 1024, "medium": 4096, "high": 8192}
DEFAULT_EFFORT: Final = "medium"
_LEAST_BUDGET: Final = 1024  # the Messages API's own minimum
_OFF_EFFORTS: Final = frozenset({"none", "minimal"})

# Families that take reasoning_effort -> the least that each takes (OpenAI's reasoning guide: gpt-5.1 and later know
# "none", gpt-5 knows "minimal", the o series and gpt-oss begin at "low"). The first that fits.
_LEAST_EFFORT: Final = (
    (re.compile(r"gpt-5\.\d"), "none"),
    (re.compile(r"gpt-5"), "minimal"),
    (re.compile(r"gpt-oss"), "low"),
    (re.compile(r"(?:^|/)o[134](?:-|$)"), "low"),
)
_QWEN: Final = re.compile(r"qwen-?3|qwq", re.IGNORECASE)
_SOFT: Final = re.compile(r"/(?:no_)?think\b")


@dataclass(frozen=True, slots=True)
class Traits:
    """What a server is known for. `templates`: it takes chat_template_kwargs. `effort_none`: it knows that effort."""

    templates: bool = False
    effort_none: bool = True


PLAIN: Final = Traits()


def wish(strategy: Thinking, endpoint: Endpoint, body: Mapping[str, Any], off_by_default: bool) -> bool | None:
    """What the rule, the request and the model's default come to. `endpoint` and `body` are the client's."""
    if strategy != "auto":
        return strategy == "enabled"
    if not off_by_default or stated(endpoint, body) is not None:
        return None
    return False


def stated(endpoint: Endpoint, body: Mapping[str, Any]) -> bool | None:
    """What a request says itself, in the dialect of `endpoint`; None where it says nothing."""
    match endpoint.dialect:
        case "ollama":
            think = body.get("think")
            return None if think is None else think not in (False, "")
        case "anthropic":
            thinking = body.get("thinking")
            return thinking.get("type") != "disabled" if isinstance(thinking, Mapping) else None
    effort = _effort(body)
    if isinstance(effort, str):
        return effort not in _OFF_EFFORTS
    template = body.get("chat_template_kwargs")
    enabled = template.get("enable_thinking") if isinstance(template, Mapping) else None
    if isinstance(enabled, bool):
        return enabled
    found = _SOFT.findall(_last_words(body))
    return found[-1] == "/think" if found else None


def _effort(body: Mapping[str, Any]) -> Any:
    reasoning = body.get("reasoning")
    return body.get("reasoning_effort") or (reasoning.get("effort") if isinstance(reasoning, Mapping) else None)


def thinking_edits(
    think: bool | None, endpoint: Endpoint, body: Mapping[str, Any], model: str, traits: Traits = PLAIN
) -> Edits:
    """The edits that tell it to a server. `endpoint` and `body` are as the server gets them, `model` its name there."""
    if think is None or endpoint.operation not in ("chat", "completion", "responses"):
        return {}
    if think and stated(endpoint, body):
        return {}  # the request's own way of asking for thoughts stands
    if endpoint.dialect == "ollama":
        return {("think",): think}  # Ollama's API: "should the model think before responding"
    if endpoint.dialect == "anthropic":
        return _anthropic(body) if think else {("thinking",): {"type": "disabled"}} if "thinking" in body else {}
    return _openai_on(endpoint, body, model, traits) if think else _openai_off(endpoint, body, model, traits)


def _anthropic(body: Mapping[str, Any]) -> Edits:
    """Thinking takes part of max_tokens, and the API takes neither a forced tool nor own sampling beside it."""
    most = body.get("max_tokens")
    choice = body.get("tool_choice")
    forced = isinstance(choice, Mapping) and choice.get("type") in ("any", "tool")
    if forced or not isinstance(most, int) or most <= _LEAST_BUDGET:
        return {}
    budget = max(_LEAST_BUDGET, min(BUDGETS[DEFAULT_EFFORT], most // 2))
    edits: Edits = {("thinking",): {"type": "enabled", "budget_tokens": budget}}
    return edits | {(name,): REMOVE for name in ("temperature", "top_p", "top_k") if name in body}


def _openai_on(endpoint: Endpoint, body: Mapping[str, Any], model: str, traits: Traits) -> Edits:
    path = _effort_path(endpoint)
    if _effort(body) is not None or _least_effort(model) is not None:
        return {path: DEFAULT_EFFORT}
    if endpoint.operation == "chat" and _QWEN.search(model):
        if traits.templates:
            return {("chat_template_kwargs", "enable_thinking"): True}
        return _appended(body, "/think")
    return {}


def _openai_off(endpoint: Endpoint, body: Mapping[str, Any], model: str, traits: Traits) -> Edits:
    least = _least_effort(model)
    if least is not None:
        return {_effort_path(endpoint): least}
    edits: Edits = {}
    if _effort(body) is not None:
        edits[_effort_path(endpoint)] = "none" if traits.effort_none else "low"
    if endpoint.operation == "chat" and traits.templates and _QWEN.search(model):
        edits["chat_template_kwargs", "enable_thinking"] = False
    return edits or ({} if endpoint.operation == "responses" else _appended(body, "/no_think"))


def _effort_path(endpoint: Endpoint) -> tuple[str | int, ...]:
    return ("reasoning", "effort") if endpoint.operation == "responses" else ("reasoning_effort",)


def _least_effort(model: str) -> str | None:
    return next((least for family, least in _LEAST_EFFORT if family.search(model)), None)


def _last_words(body: Mapping[str, Any]) -> str:
    """The text that a soft switch would stand in: the prompt, or the last user message's last text."""
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
