"""The facts of a body: one walk for all dialects, and never an exception."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.request.bodyfacts import LONGEST, BodyFacts, body_facts
from switchman.addons.core.request.tokens import PER_IMAGE, PER_MESSAGE, estimated_tokens


def chat(*messages: tuple[str, Any], **more: Any) -> BodyFacts:
    return body_facts({"messages": [{"role": role, "content": content} for role, content in messages], **more})


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
    found = body_facts(body)
    assert (found.ask, found.system, found.single_turn) == ("Why?", "s", True)


def test_responses_function_output_is_not_an_ask() -> None:
    """A function's output in the responses API is a tool's word."""
    items = [
        {"type": "message", "role": "user", "content": "sum these"},
        {"type": "function_call", "name": "add", "arguments": "{}", "call_id": "c"},
        {"type": "function_call_output", "call_id": "c", "output": "7"},
    ]
    found = body_facts({"input": items})
    assert (found.ask, found.tool_turn) == ("sum these", True)


def test_a_picture_in_a_tools_result_is_seen() -> None:
    """Codex CLI's view_image: the request needs a model that sees, and its base64 is no text to be counted."""
    picture = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 400_000}
    items = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "what is on it?"}]},
        {"type": "function_call", "call_id": "c", "name": "view_image", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": [picture]},
    ]
    found = body_facts({"input": items})
    assert (found.ask, found.modalities, found.tool_turn) == ("what is on it?", {"text", "vision"}, True)
    assert found.tokens < 2 * PER_IMAGE


def test_ollama_images_are_vision() -> None:
    """Ollama keeps pictures beside the text, in chat and in generate."""
    assert "vision" in body_facts({"messages": [{"role": "user", "content": "?", "images": ["AAAA"]}]}).modalities
    assert "vision" in body_facts({"prompt": "?", "images": ["AAAA"]}).modalities


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
    assert body_facts(body).max_tokens == size


def test_boilerplate_after_the_ask_is_skipped() -> None:
    """A reminder in a message of its own does not hide the ask before it, nor count as a turn."""
    found = chat(("user", "refactor parse()"), ("user", "<system-reminder>be careful</system-reminder>"))
    assert (found.ask, found.turns) == ("refactor parse()", 1)


def test_tokens_of_a_request() -> None:
    """System text, tools, tool results and pictures count; the base64 of a picture does not."""
    plain = chat(("user", "hi")).tokens
    assert chat(("system", "word " * 100), ("user", "hi")).tokens > plain + 80
    assert chat(("user", "hi"), tools=[{"name": "f", "description": "word " * 100}]).tokens > plain + 80
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 200_000}}
    assert chat(("user", ["hi", picture])).tokens < plain + PER_IMAGE + 20


@pytest.mark.parametrize(
    "body",
    [
        {"messages": None, "input": 3, "prompt": {}},
        {"messages": [None, 3, [], {"role": ["user"], "content": "x"}]},
        {"messages": [{"role": "user", "content": [None, 3, {"type": ["text"], "text": "x"}, {"text": 4}]}]},
        {"messages": [{"role": "user", "content": {"type": "tool_result", "content": 7}}], "tools": {"a": 1}},
        {"messages": [{"role": "user", "content": [{"type": "document", "source": "x"}]}], "options": [1]},
        {"messages": [{"role": "user", "images": {"a": 1}, "tool_calls": "x"}]},
        {"prompt": [1, None], "system": 5, "instructions": {}},
    ],
)
def test_what_is_not_of_the_expected_type_is_passed_over(body: dict[str, Any]) -> None:
    """No exception, no ask, and no figure made of it."""
    found = body_facts(body)
    assert (found.ask, found.system, found.turns, found.tools, found.max_tokens) == ("", "", 0, False, None)
    assert found.modalities == {"text"}


def test_an_empty_body_says_nothing() -> None:
    """It has no message, no tokens, and counts as text."""
    assert body_facts({}) == BodyFacts(
        ask="", system="", turns=0, depth=0, tokens=0, single_turn=False, truncated=False,
        modalities=frozenset({"text"}), tools=False, tool_turn=False, max_tokens=None,
    )  # fmt: skip


def test_prompts_may_be_lists() -> None:
    """Of completions: the texts are joined, and tokens (numbers) are no words."""
    assert body_facts({"prompt": ["one", "two"]}).ask == "one\ntwo"
    assert body_facts({"prompt": [1, 2, 3]}).depth == 0
    assert body_facts({"prompt": ""}).depth == 0


def test_input_may_be_a_list_of_texts() -> None:
    """Of embeddings: each is an ask of its own, and the last one counts."""
    found = body_facts({"input": ["one", "two"]})
    assert (found.ask, found.turns, found.depth, found.single_turn) == ("two", 2, 2, False)


def test_who_does_not_say_a_role_is_no_person() -> None:
    """Only role user is one; the message counts all the same."""
    found = body_facts({"messages": [{"content": "hi"}, {"role": "User", "content": "hi"}]})
    assert (found.ask, found.turns, found.depth) == ("", 0, 2)


def test_single_turn_is_one_message_by_a_person() -> None:
    """System texts beside it do not count, an answer or a prefill after it does."""
    assert chat(("system", "a"), ("user", "b"), ("developer", "c")).single_turn
    assert not chat(("user", "b"), ("assistant", "c")).single_turn
    assert not chat(("assistant", "c")).single_turn
    assert not chat(("user", "a"), ("user", "<system-reminder>x</system-reminder>")).single_turn


@pytest.mark.parametrize(
    ("last", "looping"),
    [
        ({"role": "tool", "content": "4"}, True),
        ({"role": "function", "name": "f", "content": "4"}, True),
        ({"role": "user", "content": [{"type": "tool_result", "content": "4"}]}, True),
        ({"type": "function_call_output", "output": "4"}, True),
        ({"type": "custom_tool_call_output", "output": "4"}, True),
        ({"role": "assistant", "content": "4"}, False),
        ({"type": "function_call", "arguments": "{}"}, False),
        ({"role": "user", "content": "thanks"}, False),
        ({"role": "user", "content": "<system-reminder>x</system-reminder>"}, False),
        ({"role": "system", "content": "x"}, True),  # stands beside the conversation: the tool's result is last in it
    ],
)
def test_a_tool_turn_ends_with_a_tools_result(last: dict[str, Any], looping: bool) -> None:
    """In whatever dialect it is written."""
    before = [{"role": "user", "content": "go"}, {"role": "tool", "content": "3"}]
    assert body_facts({"messages": [*before, last]}).tool_turn is looping


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"role": "assistant", "tool_calls": [{"f": "word " * 50}]}, "word " * 50),
        ({"type": "function_call", "arguments": "word " * 50}, "word " * 50),
        ({"type": "custom_tool_call", "input": "word " * 50}, "word " * 50),
        ({"type": "function_call_output", "output": "word " * 50}, "word " * 50),
        ({"type": "function_call_output", "output": [{"type": "input_text", "text": "word " * 50}]}, "word " * 50),
        ({"role": "assistant", "content": [{"type": "tool_use", "input": {"a": "word " * 50}}]}, "word " * 50),
        ({"role": "user", "content": [{"type": "tool_result", "content": "word " * 50}]}, "word " * 50),
        (
            {"role": "user", "content": [{"type": "document", "source": {"type": "text", "data": "word " * 50}}]},
            "word " * 50,
        ),
        (
            {"role": "user", "content": [{"type": "document", "source": {"type": "base64", "data": "word " * 50}}]},
            "",
        ),
        ({"role": "user", "content": [{"type": "image_url", "image_url": "word " * 50}]}, "z" * 5 * PER_IMAGE),
    ],
)  # fmt: skip
def test_all_that_a_model_reads_is_counted(message: dict[str, Any], text: str) -> None:
    """Arguments, results and documents as text, a picture as a picture, and no base64."""
    found = body_facts({"messages": [message]}).tokens
    assert found == pytest.approx(estimated_tokens(text) + PER_MESSAGE, rel=0.1, abs=12)


def test_tools_by_their_old_name() -> None:
    """`functions` are tools too; an empty list offers none."""
    assert body_facts({"functions": [{"name": "f"}]}).tools
    assert not body_facts({"tools": [], "functions": []}).tools


def test_what_is_nested_too_deep_to_write_is_not_counted() -> None:
    """A tool's schema of ten thousand levels raises nothing."""
    deep: Any = {}
    for _ in range(10_000):
        deep = {"a": deep}
    assert body_facts({"tools": [deep]}).tokens < 10


def test_results_within_results_are_read_to_a_depth() -> None:
    """Nobody nests them, so that nobody can make the walk overflow the stack."""
    part: dict[str, Any] = {"type": "text", "text": "word"}
    for _ in range(5_000):
        part = {"type": "tool_result", "content": [part]}
    assert body_facts({"messages": [{"role": "user", "content": [part]}]}).tool_turn


@pytest.mark.parametrize("over", [0, 1])
def test_a_long_ask_is_cut_in_the_middle(over: int) -> None:
    """LONGEST characters are read whole; of one more, head and tail."""
    text = "a" + "b" * (LONGEST - 2 + over) + "c"
    found = chat(("user", text))
    assert found.truncated is bool(over)
    assert found.ask == (text if not over else text[: LONGEST // 2] + "\n" + text[-LONGEST // 2 :])


def test_a_long_text_that_is_not_the_last_ask_cuts_nothing() -> None:
    """`truncated` is about the ask."""
    assert not chat(("user", "a" * (LONGEST + 1)), ("user", "b")).truncated


def test_the_first_size_that_is_one_counts() -> None:
    """In the order of the names: the newer name of the same thing before the older."""
    assert body_facts({"max_tokens": 5, "max_completion_tokens": 6}).max_tokens == 6
    assert body_facts({"max_tokens": 5, "max_completion_tokens": 0}).max_tokens == 5
    assert body_facts({"max_tokens": 5.0, "options": {"num_predict": 7}}).max_tokens == 7
    assert body_facts({"max_tokens": 1}).max_tokens == 1


def test_a_plain_conversation_is_counted_to_the_token() -> None:
    """Each message costs its text and PER_MESSAGE, a system text likewise, each picture PER_IMAGE."""
    assert chat(("user", "hi")).tokens == estimated_tokens("hi") + PER_MESSAGE
    assert chat(("user", "hi"), ("assistant", "ho")).tokens == estimated_tokens("hi ho") + 2 * PER_MESSAGE
    assert chat(("system", "hi")).tokens == body_facts({"system": "hi"}).tokens == estimated_tokens("hi") + PER_MESSAGE
    pictures = body_facts({"messages": [{"role": "user", "content": "hi", "images": ["AAAA", "AAAA"]}]})
    assert pictures.tokens == estimated_tokens("hi") + PER_MESSAGE + 2 * PER_IMAGE
    calls = body_facts({"messages": [{"role": "assistant", "content": "hi", "tool_calls": "word " * 50}]})
    assert calls.tokens == estimated_tokens("hi") + PER_MESSAGE


def test_content_may_be_a_list_of_texts() -> None:
    """Some clients leave the objects around them out."""
    assert chat(("user", ["What is", "this?"])).ask == "What is\nthis?"


@pytest.mark.parametrize(("levels", "counted"), [(1, True), (4, True), (5, False)])
def test_results_within_results_are_counted_to_the_fourth(levels: int, counted: bool) -> None:
    """Real ones are not nested at all."""
    part: dict[str, Any] = {"type": "text", "text": "word " * 50}
    for _ in range(levels):
        part = {"type": "tool_result", "content": [part]}
    assert (chat(("user", [part])).tokens > 50) is counted
