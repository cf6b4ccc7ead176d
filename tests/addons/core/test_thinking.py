"""Whether a model is to think: who has a say, in which order, and how each kind of server is told."""

from typing import Any

import pytest

from switchman.addons.core.call import Endpoint
from switchman.addons.core.jsonedit import REMOVE
from switchman.addons.core.thinking import Traits, stated, thinking_edits, wish

CHAT = Endpoint("openai", "chat", "/v1/chat/completions")
RESPONSES = Endpoint("openai", "responses", "/v1/responses")
COMPLETION = Endpoint("openai", "completion", "/v1/completions")
OLLAMA = Endpoint("ollama", "chat", "/api/chat")
CLAUDE = Endpoint("anthropic", "chat", "/v1/messages")
HI: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("strategy", "asked", "off", "expected"),
    [
        ("disabled", "high", False, False),
        ("enabled", "none", True, True),
        ("auto", "high", True, None),
        ("auto", None, True, False),
        ("auto", None, False, None),
    ],
)
def test_the_rule_goes_before_the_request_and_that_before_the_model(
    strategy: Any, asked: str | None, off: bool, expected: bool | None
) -> None:
    """None leaves the request as it is."""
    body = HI if asked is None else {**HI, "reasoning_effort": asked}
    assert wish(strategy, CHAT, body, off) is expected


@pytest.mark.parametrize(
    ("endpoint", "body", "expected"),
    [
        (CHAT, {"reasoning_effort": "low"}, True),
        (CHAT, {"reasoning_effort": "none"}, False),
        (CHAT, {"chat_template_kwargs": {"enable_thinking": False}}, False),
        (CHAT, {"messages": [{"role": "user", "content": "hi /no_think"}]}, False),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi /think"}]}]}, True),
        (CHAT, {"messages": [{"role": "user", "content": "see /thinking.md"}]}, None),
        (RESPONSES, {"reasoning": {"effort": "high"}}, True),
        (OLLAMA, {"think": "low"}, True),
        (OLLAMA, {"think": False}, False),
        (CLAUDE, {"thinking": {"type": "enabled", "budget_tokens": 2048}}, True),
        (CLAUDE, {"thinking": {"type": "disabled"}}, False),
        (CLAUDE, {}, None),
    ],
)
def test_what_a_request_says_is_read_in_its_dialect(endpoint: Endpoint, body: Any, expected: bool | None) -> None:
    """Native fields, templates' switches and soft switches."""
    assert stated(endpoint, body) is expected


@pytest.mark.parametrize(
    ("endpoint", "model", "body", "traits", "expected"),
    [
        (OLLAMA, "qwen3", HI, Traits(), {("think",): False}),
        (CLAUDE, "claude", HI, Traits(), {}),
        (CLAUDE, "claude", {"thinking": {"type": "enabled"}}, Traits(), {("thinking",): {"type": "disabled"}}),
        (CHAT, "o3-mini", HI, Traits(), {("reasoning_effort",): "low"}),
        (CHAT, "gpt-5-mini", HI, Traits(), {("reasoning_effort",): "minimal"}),
        (CHAT, "gpt-5.1", HI, Traits(), {("reasoning_effort",): "none"}),
        (RESPONSES, "gpt-5", {}, Traits(), {("reasoning", "effort"): "minimal"}),
        (RESPONSES, "other", {}, Traits(), {}),
        (CHAT, "m", {**HI, "reasoning_effort": "high"}, Traits(), {("reasoning_effort",): "none"}),
        (CHAT, "m", {**HI, "reasoning_effort": "high"}, Traits(effort_none=False), {("reasoning_effort",): "low"}),
        (CHAT, "Qwen/Qwen3-8B", HI, Traits(templates=True), {("chat_template_kwargs", "enable_thinking"): False}),
        (CHAT, "Qwen/Qwen3-8B", HI, Traits(), {("messages", 0, "content"): "hi /no_think"}),
        (CHAT, "m", HI, Traits(templates=True), {("messages", 0, "content"): "hi /no_think"}),
        (COMPLETION, "m", {"prompt": "hi"}, Traits(), {("prompt",): "hi /no_think"}),
        (CHAT, "m", {"messages": [{"role": "system", "content": "x"}]}, Traits(), {}),
    ],
)
def test_not_to_think_is_said_as_the_target_understands(
    endpoint: Endpoint, model: str, body: Any, traits: Traits, expected: Any
) -> None:
    """The dialect's own switch, the family's, the template's, and the soft switch as the last resort."""
    assert thinking_edits(False, endpoint, body, model, traits) == expected


@pytest.mark.parametrize(
    ("endpoint", "model", "body", "traits", "expected"),
    [
        (OLLAMA, "qwen3", HI, Traits(), {("think",): True}),
        (OLLAMA, "qwen3", {**HI, "think": "high"}, Traits(), {}),
        (OLLAMA, "qwen3", {**HI, "think": False}, Traits(), {("think",): True}),
        (CHAT, "o4-mini", HI, Traits(), {("reasoning_effort",): "medium"}),
        (CHAT, "m", {**HI, "reasoning_effort": "none"}, Traits(), {("reasoning_effort",): "medium"}),
        (CHAT, "m", {**HI, "reasoning_effort": "high"}, Traits(), {}),
        (CHAT, "qwen3:8b", HI, Traits(), {("messages", 0, "content"): "hi /think"}),
        (CHAT, "qwen3:8b", HI, Traits(templates=True), {("chat_template_kwargs", "enable_thinking"): True}),
        (CHAT, "llama3", HI, Traits(), {}),
        (CLAUDE, "c", {"max_tokens": 16000}, Traits(), {("thinking",): {"type": "enabled", "budget_tokens": 4096}}),
        (CLAUDE, "c", {"max_tokens": 1024}, Traits(), {}),
        (CLAUDE, "c", {"max_tokens": 9000, "tool_choice": {"type": "any"}}, Traits(), {}),
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
    assert thinking_edits(True, endpoint, body, model, traits) == expected


def test_other_operations_are_left_alone() -> None:
    """Embeddings do not think."""
    assert thinking_edits(False, Endpoint("openai", "embedding", "/v1/embeddings"), {"input": "x"}, "qwen3") == {}
