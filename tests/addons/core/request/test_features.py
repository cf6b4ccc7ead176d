"""Features: the person's last ask in every dialect and harness, sizes, languages, and never an exception."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.request.boilerplate import has_own_words, own_words
from switchman.addons.core.request.features import Features, features_of
from switchman.addons.core.request.language import language_of
from switchman.addons.core.request.tasktype import TaskRules
from switchman.addons.core.request.tokens import COUNTED, PER_IMAGE, estimated_tokens, estimated_total

ROOT = Path(__file__).parents[4]
RULES = TaskRules.of(json.loads((ROOT / "rules/tasktype.json").read_text(encoding="utf-8")))


def chat(*messages: tuple[str, Any], **more: Any) -> Features:
    body = {"messages": [{"role": role, "content": content} for role, content in messages], **more}
    return features_of(body, "openai", "chat", RULES)


# ---- the ask, dialect by dialect ---------------------------------------------------------------------------------


def test_the_ask_is_the_last_user_message() -> None:
    """Earlier messages, answers and system texts are not what is asked now."""
    found = chat(("system", "Be short."), ("user", "first"), ("assistant", "answer"), ("user", "second"))
    assert (found.ask, found.system, found.turns, found.depth) == ("second", "Be short.", 2, 3)
    assert not found.single_turn


def test_content_parts_are_joined() -> None:
    """Text parts of one message make one ask; a picture beside them makes it vision."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    found = chat(("user", [{"type": "text", "text": "What is"}, picture, {"type": "text", "text": "this?"}]))
    assert found.ask == "What is\nthis?"
    assert found.modalities == {"text", "vision"}
    assert found.single_turn


def test_developer_messages_are_system_text() -> None:
    """OpenAI's role developer is a system text, never a person's."""
    found = chat(("user", "hello"), ("developer", "be rude"))
    assert (found.ask, found.system, found.single_turn) == ("hello", "be rude", True)


def test_tool_messages_are_not_asks() -> None:
    """In a tool loop the ask is still what the person said before it, and the loop is seen."""
    found = chat(("user", "weather in Oslo?"), ("assistant", None), ("tool", "rain, 4 degrees"), tools=[{"type": "x"}])
    assert found.ask == "weather in Oslo?"
    assert found.tools
    assert found.tool_turn


def test_anthropic_tool_results_are_not_asks() -> None:
    """A user message of tool results has no person's words; text beside a result has."""
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "42 files"}]}
    asked = ("user", [{"type": "text", "text": "count the files"}])
    call = ("assistant", [{"type": "tool_use", "id": "t", "name": "ls", "input": {}}])
    found = chat(asked, call, ("user", [result]))
    assert (found.ask, found.turns, found.tool_turn) == ("count the files", 1, True)
    found = chat(asked, call, ("user", [result, {"type": "text", "text": "and the folders?"}]))
    assert (found.ask, found.turns, found.tool_turn) == ("and the folders?", 2, False)


def test_anthropic_system_blocks() -> None:
    """Anthropic's system may be a string or blocks."""
    for system in (
        "You are kind.",
        [{"type": "text", "text": "You are kind.", "cache_control": {"type": "ephemeral"}}],
    ):
        assert chat(("user", "hi"), system=system).system == "You are kind."


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "Why?", "system": "s"},
        {"input": "Why?", "instructions": "s"},
        {"input": [{"role": "developer", "content": "s"}, {"role": "user", "content": "Why?"}]},
        {"instructions": "s", "input": [{"role": "user", "content": [{"type": "input_text", "text": "Why?"}]}]},
        {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "Why?"}]},
    ],
    ids=["generate", "responses, string", "responses, items", "responses, parts", "chat"],
)  # fmt: skip
def test_every_shape_says_the_same(body: dict[str, Any]) -> None:
    """Ollama's generate, the responses API and chat give the same ask and system text."""
    found = features_of(body)
    assert (found.ask, found.system, found.single_turn) == ("Why?", "s", True)


def test_responses_function_output_is_not_an_ask() -> None:
    """A function's output in the responses API is a tool's word."""
    items = [
        {"type": "message", "role": "user", "content": "sum these"},
        {"type": "function_call", "name": "add", "arguments": "{}", "call_id": "c"},
        {"type": "function_call_output", "call_id": "c", "output": "7"},
    ]
    found = features_of({"input": items}, "openai", "responses")
    assert (found.ask, found.tool_turn) == ("sum these", True)


@pytest.mark.parametrize("agent", ["claude_code", "codex"])
def test_a_real_agents_session(agent: str) -> None:
    """The last words of the person, not the reminders, rules and environment around them."""
    calls = json.loads((ROOT / f"tests/data/clients/{agent}.json").read_text(encoding="utf-8"))
    body = next(call["body"] for call in calls if call["name"] == "session")
    found = features_of(body, "openai", "chat", RULES)
    assert found.ask == "Refactor parse() in utils.py into a class and add pytest tests"
    assert (found.language, found.turns, found.tool_turn, found.tools) == ("en", 2, False, True)
    assert found.modalities == {"text", "vision"}


def test_a_picture_in_a_tools_result_is_seen() -> None:
    """Codex CLI's view_image: the request needs a model that sees, and its base64 is no text to be counted."""
    picture = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 400_000}
    items = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "what is on it?"}]},
        {"type": "function_call", "call_id": "c", "name": "view_image", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": [picture]},
    ]
    found = features_of({"input": items}, "openai", "responses", RULES)
    assert (found.ask, found.modalities, found.tool_turn) == ("what is on it?", {"text", "vision"}, True)
    assert found.input_tokens < 2 * PER_IMAGE


def test_ollama_images_are_vision() -> None:
    """Ollama keeps pictures beside the text, in chat and in generate."""
    assert "vision" in features_of({"messages": [{"role": "user", "content": "?", "images": ["AAAA"]}]}).modalities
    assert "vision" in features_of({"prompt": "?", "images": ["AAAA"]}).modalities


def test_audio_is_seen() -> None:
    """Sound in a message makes it audio; sound alone is not text."""
    part = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    assert chat(("user", [part])).modalities == {"audio"}


@pytest.mark.parametrize(
    ("body", "size"),
    [
        ({"max_tokens": 50}, 50),
        ({"max_completion_tokens": 60}, 60),
        ({"max_output_tokens": 70}, 70),
        ({"options": {"num_predict": 80}}, 80),
        ({"options": {"num_predict": -1}}, None),
        ({"max_tokens": True}, None),
        ({}, None),
    ],
)
def test_requested_output_size(body: dict[str, Any], size: int | None) -> None:
    """The output size by each dialect's name; -1 (no limit) and nonsense are none."""
    assert features_of(body).max_tokens == size


# ---- harnesses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<system-reminder>\nCLAUDE.md says: never\n</system-reminder>\nfix the login", "fix the login"),
        ("add a test<system-reminder>todo list is empty</system-reminder>", "add a test"),
        ("<system-reminder>only this</system-reminder>", ""),
        ("<local-command-stdout>ok</local-command-stdout>", ""),
        ("<command-name>/review</command-name>\n<command-args>the last commit</command-args>", "the last commit"),
        ("<task>\nrename foo\n</task>\n<environment_details>\n# Visible Files\n</environment_details>", "rename foo"),
        ("[read_file for 'a.py'] Result:\n1 | import os\n<environment_details>x</environment_details>", ""),
        ("<additional_data>a.ts</additional_data>\n<user_query>\nwhy is it red?\n</user_query>", "why is it red?"),
        ("<attachments><attachment>x</attachment></attachments>\n<userRequest>explain</userRequest>", "explain"),
        ("<environment_context>\n  <cwd>/src</cwd>\n</environment_context>", ""),
        ("<feedback>use tabs</feedback>", "use tabs"),
        ("[Request interrupted by user for tool use]", ""),
        ("Caveat: The messages below were generated by the user while running local commands. DO NOT", ""),
    ],
)  # fmt: skip
def test_harness_boilerplate_is_taken_off(text: str, words: str) -> None:
    """What coding agents wrap around a person's words is not asked by the person."""
    assert own_words(text) == words
    assert has_own_words(text) is (words != "")


@pytest.mark.parametrize(
    "text",
    [
        "what does <system-reminder> mean in a prompt?",
        "How do I style <task> elements with CSS?",
        "if a < b and c > d then stop",
        "<div>why is this empty</div>",
        "</system-reminder> stray",
    ],
)
def test_people_may_write_tags(text: str) -> None:
    """A tag without its partner, or one that no harness uses, stays as it was written."""
    assert own_words(text) == text


def test_boilerplate_after_the_ask_is_skipped() -> None:
    """A reminder in a message of its own does not hide the ask before it, nor count as a turn."""
    found = chat(("user", "refactor parse()"), ("user", "<system-reminder>be careful</system-reminder>"))
    assert (found.ask, found.turns) == ("refactor parse()", 1)


def test_claude_code_context_and_ask_in_one_message() -> None:
    """Reminder blocks before the ask leave the ask."""
    blocks = [
        {"type": "text", "text": "<system-reminder>\nctx\n</system-reminder>"},
        {"type": "text", "text": "translate the readme into German", "cache_control": {"type": "ephemeral"}},
    ]
    found = chat(("user", blocks))
    assert found.ask == "translate the readme into German"
    assert found.task == "translation"


# ---- sizes, languages --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("", 0, 0),
        ("The quick brown fox jumps over the lazy dog.", 8, 13),
        ("人工智能正在改变我们的生活方式。" * 10, 96, 200),
        ("これは日本語のテストです。" * 10, 80, 150),
        ("안녕하세요 반갑습니다 " * 10, 70, 150),
        ("Это предложение на русском языке. " * 10, 60, 150),
        ("def area(w, h):\n    return w * h\n", 10, 25),
        ("🎉" * 10, 10, 30),
    ],
)
def test_tokens_of_every_script(text: str, least: int, most: int) -> None:
    """A Han character is about a token, an English word a little over one."""
    assert least <= estimated_tokens(text) <= most


class Looked(str):
    """A text that notes how much of it is taken out."""

    taken = 0

    def __getitem__(self, key: Any) -> str:
        part = super().__getitem__(key)
        Looked.taken += len(part)
        return part


@pytest.mark.parametrize("size", [40, 900, 5_000, 2_000_000])
def test_tokens_of_a_long_conversation_are_estimated_from_samples(size: int) -> None:
    """Of two million characters at most COUNTED are looked at, and the sum is right to a twentieth."""
    kinds = (
        "The quick brown fox jumps over the lazy dog. ",
        "请比较这两个图书馆的建设方案。",
        "x = f(a[0], 'b')\n    ",
    )
    texts = [(kinds[number % 3] * (size // 10))[:size] for number in range(2_000_000 // size)]
    Looked.taken = 0
    found = estimated_total([Looked(text) for text in texts])
    assert found == pytest.approx(sum(estimated_tokens(text) for text in texts), rel=0.05)
    assert Looked.taken <= COUNTED


def test_tokens_of_a_request() -> None:
    """System text, tools, tool results and pictures count; the base64 of a picture does not."""
    plain = chat(("user", "hi")).input_tokens
    assert chat(("system", "word " * 100), ("user", "hi")).input_tokens > plain + 80
    assert chat(("user", "hi"), tools=[{"name": "f", "description": "word " * 100}]).input_tokens > plain + 80
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 200_000}}
    assert chat(("user", ["hi", picture])).input_tokens < plain + PER_IMAGE + 20


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
