"""Features: all that is known of a request as one value, whatever JSON it is, in bounded time."""

from __future__ import annotations

import json
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.request.bodyfacts import BodyFacts, body_facts
from switchman.addons.core.request.features import Features, features_of
from switchman.addons.core.request.language import language_of
from switchman.addons.core.request.tasktype import TaskRules

ROOT = Path(__file__).parents[4]
RULES = TaskRules.of(json.loads((ROOT / "rules/tasktype.json").read_text(encoding="utf-8")))


def chat(*messages: tuple[str, Any], **more: Any) -> Features:
    body = {"messages": [{"role": role, "content": content} for role, content in messages], **more}
    return features_of(body, "openai", "chat", RULES)


def test_every_fact_of_the_body_is_carried_over() -> None:
    """Under the same name, but for the size of the prompt."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    tool = {"role": "tool", "content": "rain"}
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": ["Why?", picture]}, tool]
    body = {"messages": messages, "tools": [{"name": "f"}], "max_tokens": 5}
    facts, found = body_facts(body), features_of(body, "openai", "chat")
    names = {field.name for field in fields(BodyFacts)} - {"tokens"}
    assert {name: getattr(found, name) for name in names} == {name: getattr(facts, name) for name in names}
    assert found.input_tokens == facts.tokens > 0
    assert (found.dialect, found.operation) == ("openai", "chat")
    assert (facts.max_tokens, facts.tools, facts.tool_turn, facts.depth) == (5, True, True, 2)


def test_without_rules_no_task_is_guessed() -> None:
    """Every request is general, and nothing is sure about that."""
    found = features_of({"prompt": "Translate this into German: hello"})
    assert (found.task, found.task_confidence, dict(found.task_scores)) == ("general", 0.0, {})
    assert (found.dialect, found.operation) == (None, None)


@pytest.mark.parametrize("agent", ["claude_code", "codex"])
def test_a_real_agents_session(agent: str) -> None:
    """The last words of the person, not the reminders, rules and environment around them."""
    calls = json.loads((ROOT / f"tests/data/clients/{agent}.json").read_text(encoding="utf-8"))
    body = next(call["body"] for call in calls if call["name"] == "session")
    found = features_of(body, "openai", "chat", RULES)
    assert found.ask == "Refactor parse() in utils.py into a class and add pytest tests"
    assert (found.language, found.turns, found.tool_turn, found.tools) == ("en", 2, False, True)
    assert found.modalities == {"text", "vision"}


def test_claude_code_context_and_ask_in_one_message() -> None:
    """Reminder blocks before the ask leave the ask."""
    blocks = [
        {"type": "text", "text": "<system-reminder>\nctx\n</system-reminder>"},
        {"type": "text", "text": "translate the readme into German", "cache_control": {"type": "ephemeral"}},
    ]
    found = chat(("user", blocks))
    assert found.ask == "translate the readme into German"
    assert found.task == "translation"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is the time?", "en"),
        ("今天几点了？", "zh"),
        ("今何時ですか", "ja"),
        ("지금 몇 시예요?", "ko"),
        ("Сколько времени?", "ru"),
        ("كم الساعة؟", "ar"),
        ("Wie spät ist es?", "de"),
        ("¿Qué hora es?", "es"),
        ("Quelle heure est-il dans ce pays ?", "fr"),
        ("def f(a, b): return a or b", "en"),
        ("请修复这段代码：\n```python\n" + "for i in range(10): print(i)\n" * 30 + "```", "zh"),
        ("What does 谢谢 mean in English?", "en"),
        ("12345 + 678", "und"),
        ("", "und"),
    ],
)
def test_language(text: str, language: str) -> None:
    """By script, between Latin languages by small words; code does not count and a quoted word does not decide."""
    assert language_of(text) == language


# ---- never raises, always bounded --------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)
PART = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["text", "image_url", "tool_result", "tool_use", "input_text", "document"]) | JSON,
        "text": st.text(max_size=40) | JSON,
        "content": JSON,
        "source": JSON,
        "input": JSON,
    },
)
MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "assistant", "system", "developer", "tool"]) | JSON,
        "content": st.text(max_size=60) | st.lists(PART | JSON, max_size=3) | JSON,
        "images": JSON,
        "tool_calls": JSON,
        "type": JSON,
        "output": JSON,
    },
)
BODY = st.fixed_dictionaries(
    {},
    optional={
        "messages": st.lists(MESSAGE | JSON, max_size=4) | JSON,
        "input": st.lists(MESSAGE | JSON, max_size=3) | JSON,
        "prompt": JSON,
        "system": st.lists(PART, max_size=2) | JSON,
        "tools": JSON,
        "max_tokens": JSON,
        "options": JSON,
    },
)


@settings(max_examples=100, deadline=None)
@given(BODY)
def test_never_raises(body: dict[str, Any]) -> None:
    """Whatever JSON a client sends in the known places, there are features of it."""
    found = features_of(body, tasks=RULES)
    assert found.input_tokens >= 0
    assert found.modalities
    assert 0.0 <= found.task_confidence <= 1.0


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_an_ask(text: str) -> None:
    """Any text, lone surrogates and control characters included, can be asked."""
    found = chat(("user", text))
    assert found.task in RULES.guess("hello").scores
    assert isinstance(found.language, str)


@pytest.mark.parametrize(
    "unit",
    [
        "a", "<", "<task>", "<system-reminder>", '"', "“", "```", "$", "x_", "1.", "1,1", "\n", " ", "的", "一二",
        "'s ", "a.b(", "\t-", "not ",
    ],
)  # fmt: skip
def test_hostile_texts_take_linear_time(unit: str) -> None:
    """Ten times the text takes no more than some thirty times the time: nothing is quadratic."""

    def seconds(size: int) -> float:
        body = {"messages": [{"role": "user", "content": (unit * size)[:size]}]}
        best = 10.0
        for _ in range(3):
            before = time.process_time()
            features_of(body, tasks=RULES)
            best = min(best, time.process_time() - before)
        return best

    assert seconds(300_000) < max(0.5, 30 * seconds(30_000))


def test_a_huge_ask_is_read_by_head_and_tail() -> None:
    """A megabyte of text says so, keeps what was asked at its ends, and is estimated in full."""
    text = "Summarize the following log in three sentences.\n" + "lorem ipsum dolor " * 60_000 + "\nKeep it short."
    found = chat(("user", text))
    assert found.truncated
    assert found.ask.startswith("Summarize the following log")
    assert found.ask.endswith("Keep it short.")
    assert found.input_tokens > 150_000
    assert found.task == "summarization"
