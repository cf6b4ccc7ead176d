"""Whether a model is to think: who has a say, in which order, and how each kind of server is told."""

from typing import Any

import pytest

from switchman.addons.core.request.call import Endpoint
from switchman.addons.core.request.jsonedit import REMOVE
from switchman.addons.core.servers.models.thinking import ThinkingChoice, Traits, instruct, requested, resolve

CHAT = Endpoint("openai", "chat", "/v1/chat/completions")
RESPONSES = Endpoint("openai", "responses", "/v1/responses")
COMPLETION = Endpoint("openai", "completion", "/v1/completions")
OLLAMA = Endpoint("ollama", "chat", "/api/chat")
CLAUDE = Endpoint("anthropic", "chat", "/v1/messages")
HI: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("strategy", "asked", "off", "expected"),
    [
        ("disabled", "high", False, ThinkingChoice(False)),
        ("enabled", "none", True, ThinkingChoice(True)),
        ("auto", "high", True, None),
        ("auto", None, True, ThinkingChoice(False, by_rule=False)),
        ("auto", None, False, None),
    ],
)
def test_the_rule_goes_before_the_request_and_that_before_the_model(
    strategy: Any, asked: str | None, off: bool, expected: ThinkingChoice | None
) -> None:
    """None leaves the request as it is."""
    body = HI if asked is None else {**HI, "reasoning_effort": asked}
    assert resolve(strategy, CHAT, body, off) == expected


@pytest.mark.parametrize(
    ("endpoint", "body", "expected"),
    [
        (CHAT, {"reasoning_effort": "low"}, True),
        (CHAT, {"reasoning_effort": "none"}, False),
        (CHAT, {"reasoning_effort": "minimal"}, False),
        (CHAT, {"chat_template_kwargs": {"enable_thinking": False}}, False),
        (CHAT, {"messages": [{"role": "user", "content": "hi /no_think"}]}, False),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi /think"}]}]}, True),
        (CHAT, {"messages": [{"role": "user", "content": "see /thinking.md"}]}, None),
        (CHAT, {"messages": [{"role": "user", "content": "/think? no: /no_think"}]}, False),
        (CHAT, {"messages": [{"role": "user", "content": "/no_think? yes: /think"}]}, True),
        (CHAT, {"chat_template_kwargs": {"thinking": True}}, True),
        (CHAT, {"reasoning": {"enabled": False}}, False),
        (CHAT, {"thinking": {"type": "disabled"}}, False),
        (CHAT, {"enable_thinking": True}, True),
        (RESPONSES, {"reasoning": {"effort": "high"}}, True),
        (OLLAMA, {"think": "low"}, True),
        (OLLAMA, {"think": False}, False),
        (OLLAMA, {"think": ""}, False),
        (OLLAMA, {"think": None}, None),
        (CLAUDE, {"thinking": {"type": "enabled", "budget_tokens": 2048}}, True),
        (CLAUDE, {"thinking": {"type": "disabled"}}, False),
        (CLAUDE, {}, None),
    ],
)
def test_what_a_request_says_is_read_in_its_dialect(endpoint: Endpoint, body: Any, expected: bool | None) -> None:
    """Native fields, templates' switches and soft switches."""
    assert requested(endpoint, body) is expected


TEMPLATES = Traits(templates=True, effort_none=False)
ROUTER, DEEP, GROQ, STUDIO = (
    Traits(switch="reasoning"),
    Traits(switch="thinking"),
    Traits(False, False, "effort"),
    Traits(True, switch="words"),
)
NO_THINK = {("messages", 0, "content"): "hi /no_think"}
ENABLED = "chat_template_kwargs", "enable_thinking"
HIGH = {**HI, "reasoning_effort": "high"}
TWICE = {
    "messages": [
        {"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "more"}, {"role": "assistant", "content": "as you"},
    ]
}  # fmt: skip


@pytest.mark.parametrize(
    ("endpoint", "model", "body", "traits", "expected"),
    [
        (OLLAMA, "qwen3", HI, Traits(), {("think",): False}),
        (OLLAMA, "gpt-oss:20b", HI, Traits(), {("think",): "low"}),
        (CLAUDE, "claude", HI, Traits(), {}),
        (CLAUDE, "claude", {"thinking": {"type": "enabled"}}, Traits(), {("thinking",): {"type": "disabled"}}),
        (CLAUDE, "claude-opus-4-7", {"thinking": {"type": "adaptive"}}, Traits(), {("thinking",): REMOVE}),
        (CHAT, "o3-mini", HI, Traits(), {("reasoning_effort",): "low"}),
        (CHAT, "gpt-5-mini", HI, Traits(), {("reasoning_effort",): "minimal"}),
        (CHAT, "gpt-5.1", HI, Traits(), {("reasoning_effort",): "none"}),
        (CHAT, "openai/gpt-5.1-codex-max", HI, Traits(), {("reasoning_effort",): "low"}),
        (CHAT, "gpt-5-pro", HI, Traits(), None),
        (CHAT, "gemini-2.5-flash-lite", HI, Traits(effort_none=False), {("reasoning_effort",): "none"}),
        (CHAT, "gemini-2.5-pro", HI, Traits(effort_none=False), {("reasoning_effort",): "low"}),
        (CHAT, "gemini-3-flash-preview", HI, Traits(effort_none=False), {("reasoning_effort",): "minimal"}),
        (CHAT, "gpt-4o", HI, Traits(), None),
        (RESPONSES, "gpt-5", {}, Traits(), {("reasoning", "effort"): "minimal"}),
        (RESPONSES, "other", {}, Traits(), None),
        (CHAT, "m", HIGH, Traits(), {("reasoning_effort",): "none"}),
        (CHAT, "m", HIGH, Traits(effort_none=False), {("reasoning_effort",): "low"}),
        (CHAT, "Qwen/Qwen3-8B", HI, TEMPLATES, {ENABLED: False}),
        (CHAT, "Qwen/Qwen3-8B", HIGH, TEMPLATES, {ENABLED: False, ("reasoning_effort",): "low"}),
        (CHAT, "deepseek-ai/DeepSeek-V3.1", HI, TEMPLATES, {("chat_template_kwargs", "thinking"): False}),
        (CHAT, "zai-org/GLM-4.6", HI, TEMPLATES, {ENABLED: False}),
        (CHAT, "openai/gpt-oss-120b", HI, TEMPLATES, {("reasoning_effort",): "low"}),
        (CHAT, "Qwen/Qwen3-8B", HI, Traits(), NO_THINK),
        (CHAT, "Qwen/Qwen3-8B", HI, STUDIO, NO_THINK),
        (CHAT, "qwen3.5-9b", HI, Traits(), None),
        (CHAT, "Qwen3-30B-A3B-Instruct-2507", HI, TEMPLATES, None),
        (CHAT, "mistral-large", HI, TEMPLATES, None),
        (CHAT, "qwen/qwen3-32b", HI, GROQ, {("reasoning_effort",): "none"}),
        (CHAT, "llama-3.3-70b", HI, GROQ, None),
        (CHAT, "deepseek-chat", HI, DEEP, {("thinking",): {"type": "disabled"}}),
        (CHAT, "anthropic/claude-sonnet-4", HI, ROUTER, {("reasoning",): {"enabled": False}}),
        (CHAT, "openai/gpt-5", HIGH, ROUTER, {("reasoning",): {"effort": "minimal"}, ("reasoning_effort",): REMOVE}),
        (COMPLETION, "qwen3", {"prompt": "hi"}, Traits(), {("prompt",): "hi /no_think"}),
        (CHAT, "gpt-5-pro", HIGH, Traits(), None),
        (CHAT, "deepseek-chat", HIGH, DEEP, {("thinking",): {"type": "disabled"}, ("reasoning_effort",): REMOVE}),
        (CHAT, "qwen3", TWICE, Traits(), {("messages", 2, "content"): "more /no_think"}),
        (CHAT, "qwen3", {"messages": [{"role": "system", "content": "x"}]}, Traits(), None),
    ],
)
def test_not_to_think_is_said_as_the_target_understands(
    endpoint: Endpoint, model: str, body: Any, traits: Traits, expected: Any
) -> None:
    """The dialect's own switch, the server's, the family's, the template's, Qwen3's words; or nothing, and it is said
    that there is no way."""
    out = instruct(ThinkingChoice(False), endpoint, body, model, traits)
    assert (out.edits, out.understood) == (expected or {}, expected is not None)
    assert out.how


@pytest.mark.parametrize(
    ("endpoint", "model", "body", "traits", "expected"),
    [
        (OLLAMA, "qwen3", HI, Traits(), {("think",): True}),
        (OLLAMA, "qwen3", {**HI, "think": "high"}, Traits(), {}),
        (OLLAMA, "qwen3", {**HI, "think": False}, Traits(), {("think",): True}),
        (CHAT, "o4-mini", HI, Traits(), {("reasoning_effort",): "medium"}),
        (CHAT, "grok-3-mini", HI, Traits(), {("reasoning_effort",): "high"}),
        (CHAT, "m", {**HI, "reasoning_effort": "none"}, Traits(), {("reasoning_effort",): "medium"}),
        (CHAT, "m", HIGH, Traits(), {}),
        (CHAT, "qwen3:8b", HI, Traits(), {("messages", 0, "content"): "hi /think"}),
        (CHAT, "qwen3:8b", HI, TEMPLATES, {ENABLED: True}),
        (CHAT, "deepseek-chat", HI, DEEP, {("thinking",): {"type": "enabled"}}),
        (CHAT, "anthropic/claude-sonnet-4", HI, ROUTER, {("reasoning",): {"enabled": True}}),
        (CHAT, "llama3", HI, Traits(), None),
        (CLAUDE, "c", {"max_tokens": 16000}, Traits(), {("thinking",): {"type": "enabled", "budget_tokens": 4096}}),
        (CLAUDE, "claude-sonnet-5", {"max_tokens": 16000}, Traits(), {("thinking",): {"type": "adaptive"}}),
        (CLAUDE, "claude-3-haiku", {"max_tokens": 16000}, Traits(), None),
        (CLAUDE, "c", {"max_tokens": 1024}, Traits(), None),
        (
            CLAUDE,
            "c",
            {"max_tokens": 9000, "top_p": 0.9, "top_k": 5},
            Traits(),
            {("thinking",): {"type": "enabled", "budget_tokens": 4096}, ("top_p",): REMOVE, ("top_k",): REMOVE},
        ),
        (CLAUDE, "c", {"max_tokens": 9000, "tool_choice": {"type": "any"}}, Traits(), None),
        (
            CLAUDE,
            "c",
            {"max_tokens": 4000, "temperature": 0.3},
            Traits(),
            {("thinking",): {"type": "enabled", "budget_tokens": 2000}, ("temperature",): REMOVE},
        ),
    ],
)
def test_to_think_is_said_as_the_target_understands(
    endpoint: Endpoint, model: str, body: Any, traits: Traits, expected: Any
) -> None:
    """A request that asks for thoughts in its own way keeps its way; a model that knows none is left alone."""
    out = instruct(ThinkingChoice(True), endpoint, body, model, traits)
    assert (out.edits, out.understood) == (expected or {}, expected is not None)
    assert out.how


@pytest.mark.parametrize(
    ("model", "by_rule", "expected"),
    [
        ("m", True, {}),
        ("m", False, NO_THINK),
        ("gpt-5-pro", False, {}),
        ("gpt-5", False, {("reasoning_effort",): "minimal"}),
    ],
)
def test_disable_thinking_has_words_for_models_that_nobody_knows(model: str, by_rule: bool, expected: Any) -> None:
    """DISABLE_THINKING is a contract: /no_think after the user's words. A rule adds none where none is understood."""
    assert instruct(ThinkingChoice(False, by_rule), CHAT, HI, model).edits == expected


@pytest.mark.parametrize(
    ("model", "traits", "how"),
    [
        ("gpt-5.1", Traits(), "Told not to think by reasoning_effort: none."),
        ("qwen3", Traits(), "Told not to think by a soft switch after the user's words."),
        ("deepseek-chat", DEEP, "Told not to think by thinking: type disabled."),
        ("qwen3", TEMPLATES, "Told not to think by chat_template_kwargs.enable_thinking: false."),
        ("llama3", Traits(), "There is no way to tell llama3 not to think: nothing is changed."),
    ],
)
def test_the_trace_says_how(model: str, traits: Traits, how: str) -> None:
    """A person reads what was sent, or that nothing could be."""
    assert instruct(ThinkingChoice(False), CHAT, HI, model, traits).how == how


def test_other_operations_are_left_alone() -> None:
    """Embeddings do not think, and nobody is told."""
    out = instruct(ThinkingChoice(False), Endpoint("openai", "embedding", "/v1/embeddings"), {"input": "x"}, "qwen3")
    assert (out.edits, out.how) == ({}, "")
