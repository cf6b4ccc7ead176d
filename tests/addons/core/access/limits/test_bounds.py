"""What a request can come to at most, and about."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.access.limits.bounds import FAR, MOST, OUTPUT, OUTPUT_ESTIMATE, PICTURE, bound_of, passed
from switchman.addons.core.dialects.anthropic.body import BUDGETS, DEFAULT_MAX_TOKENS
from switchman.addons.core.request.call import Call, Endpoint


def call(operation: Any = "chat", dialect: Any = "openai", **body: Any) -> Call:
    text = json.dumps(body, ensure_ascii=False)
    return Call(Endpoint(dialect, operation, "/v1/x"), "", text, body, {}, "m", False)


def said(content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


def test_every_byte_may_be_a_token() -> None:
    """Of UTF-8, whatever the script; the estimate is far below."""
    for text in ("word " * 100, "漢字" * 100, "🙂" * 100):
        bound = bound_of(call(messages=said(text)))
        assert bound.most_in >= len(text.encode()) and bound.about_in < bound.most_in


@pytest.mark.parametrize(
    ("dialect", "operation", "body", "most"),
    [
        ("openai", "chat", {"max_tokens": 50}, 50),
        ("openai", "chat", {"max_completion_tokens": 60, "max_tokens": 50}, 60),
        ("openai", "responses", {"max_output_tokens": 70}, 70),
        ("openai", "infill", {"n_predict": 75}, 75),
        ("ollama", "chat", {"options": {"num_predict": 80}}, 80),
        ("ollama", "completion", {"options": {"num_predict": 80}}, 80),
        ("anthropic", "chat", {"max_tokens": 90}, 90),
        ("openai", "chat", {"max_tokens": 50, "n": 3}, 150),
        ("openai", "completion", {"max_tokens": 50, "n": 2, "best_of": 4}, 200),
        ("openai", "completion", {"max_tokens": 50, "prompt": ["a", "b"]}, 100),
        ("openai", "chat", {}, OUTPUT),
        ("openai", "chat", {"max_tokens": None}, OUTPUT),
        ("openai", "chat", {"max_tokens": True}, OUTPUT),
        ("openai", "chat", {"max_tokens": -1}, OUTPUT),
        ("ollama", "chat", {"options": {"num_predict": -2}}, OUTPUT),
        ("openai", "chat", {"max_tokens": 10**40}, MOST),
        ("openai", "chat", {"max_tokens": 10**400}, MOST),
        # Written as some servers take it as well.
        ("openai", "chat", {"max_tokens": 100_000.0}, 100_000),
        ("openai", "chat", {"max_tokens": "100000"}, 100_000),
        ("openai", "chat", {"max_tokens": "0" * 60 + "100000"}, MOST),
        ("openai", "chat", {"max_tokens": 50, "n": "3"}, 150),
        ("openai", "chat", {"max_tokens": 50, "n": 3.0}, 150),
        ("openai", "chat", {"max_tokens": 50, "max_completion_tokens": "none"}, OUTPUT),
        ("openai", "chat", {"max_tokens": float("nan"), "n": float("inf")}, OUTPUT * 10_000),
        # Another operation's name for it.
        ("openai", "responses", {"max_tokens": 1}, OUTPUT),
        ("openai", "chat", {"max_output_tokens": 1}, OUTPUT),
        ("openai", "chat", {"n_predict": 1}, OUTPUT),
        ("openai", "chat", {"options": {"num_predict": 1}}, OUTPUT),
        ("openai", "completion", {"max_completion_tokens": 1}, OUTPUT),
        ("ollama", "chat", {"max_tokens": 1}, OUTPUT),
        ("ollama", "chat", {"num_predict": 1}, OUTPUT),
        ("anthropic", "chat", {"max_completion_tokens": 1}, OUTPUT),
        ("openai", "responses", {"max_output_tokens": 1, "max_tokens": 500}, 500),
        ("openai", "responses", {"max_tokens": 10**6}, 10**6),
    ],
)
def test_an_answer_has_as_many_tokens_as_it_may(dialect: Any, operation: Any, body: dict[str, Any], most: int) -> None:
    """Those asked for where its server looks, however they are written, for each answer; else a bound of ours."""
    assert bound_of(call(operation, dialect, **body)).most_out == most


def test_what_translation_asks_of_a_server_is_within_the_bound() -> None:
    """Anthropic wants max_tokens: a client of another dialect that gives none gets some, and its thinking on top."""
    assert DEFAULT_MAX_TOKENS + max(BUDGETS.values()) <= OUTPUT


def test_without_a_bound_the_estimate_is_a_usual_answer() -> None:
    """Tokens a minute are not blocked by a limit that hardly any answer reaches."""
    assert bound_of(call(messages=said("hi"))).about_out == OUTPUT_ESTIMATE
    assert bound_of(call("embedding", input="hi")).most_out == 0


@pytest.mark.parametrize(
    ("body", "pictures"),
    [
        ({"messages": said([{"type": "image_url", "image_url": {"url": "http://a/b.png"}}] * 2)}, 2),
        ({"messages": said([{"type": "tool_result", "content": [{"type": "image", "source": {}}]}])}, 1),
        ({"input": [{"type": "message", "content": [{"type": "input_image", "image_url": "x"}]}]}, 1),
        ({"messages": [{"role": "user", "content": "hi", "images": ["aaaa"]}]}, 1),
        ({"prompt": "hi", "images": ["aaaa", "bbbb"]}, 2),
        ({"messages": said("an image")}, 0),
    ],
)
def test_pictures_are_not_in_the_bytes(body: dict[str, Any], pictures: int) -> None:
    """Each counts as the dearest way to count one."""
    assert bound_of(call(**body)).most_in // PICTURE == pictures


@pytest.mark.parametrize(
    "body",
    [
        {"previous_response_id": "resp_1", "input": "hi"},
        {"conversation": "conv_1", "input": "hi"},
        {"prompt": {"id": "pmpt_1"}},
        {"tools": [{"type": "web_search_20250305"}], "messages": said("hi")},
        {"web_search_options": {"x": 1}, "messages": said("hi")},
        {"messages": said([{"type": "document", "source": {"type": "url", "url": "http://a"}}])},
        {"input": [{"type": "message", "content": [{"type": "input_file", "file_id": "f"}]}]},
        {"tools": [{"type": ["odd"]}], "messages": said("hi")},
    ],
)
def test_what_is_only_named_is_bounded_by_the_context(body: dict[str, Any]) -> None:
    """An earlier conversation, files, what the provider's own tools bring."""
    bound = bound_of(call(**body))
    assert bound.most_in == FAR and bound.within(8_000) == 8_000 and bound.within(None) == FAR


@pytest.mark.parametrize(
    "body",
    [
        {"tools": [{"type": "function", "function": {"name": "document"}}], "messages": said("previous_response_id")},
        {"tools": [{"name": "x", "input_schema": {}}, {"type": "bash_20250124"}], "messages": said("hi")},
        {"messages": said([{"type": "text", "text": "video"}]), "conversation": None},
    ],
)
def test_words_and_the_clients_own_tools_are_in_the_bytes(body: dict[str, Any]) -> None:
    """Nothing more goes in than the request holds."""
    assert bound_of(call(**body)).most_in < 3_000


def test_a_stream_that_broke_off_had_about_so_many_tokens() -> None:
    """One for each event, more where events are longer than the shortest."""
    assert passed(0, 0, 0) == 0
    assert passed(10, 1000, 100) == 10
    assert passed(2, 100 + 500, 100) == 2 + 100
