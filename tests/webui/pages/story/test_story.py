"""Reading stored bodies of every dialect, and of none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.webui.pages.story.story import LONGEST_TEXT, answered, read_prompt


def body(value) -> bytes:
    return json.dumps(value).encode()


def sse(*events) -> bytes:
    return b"".join(b"event: x\r\ndata: " + body(event) + b"\r\n\r\n" for event in events) + b"data: [DONE]\n\n"


def ndjson(*events) -> bytes:
    return b"".join(body(event) + b"\n" for event in events)


@pytest.mark.parametrize(
    ("request_body", "said"),
    [
        (
            {"messages": [{"role": "developer", "content": "d"}, {"role": "user", "content": "u"}]},
            [("developer", "d"), ("user", "u")],
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "image_url"}]}]},
            [("user", "look\n[image_url]")],
        ),
        (
            {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f"}}]}]},
            [("assistant", "[calls f]")],
        ),
        (
            {
                "system": [{"type": "text", "text": "s"}],
                "messages": [{"role": "user", "content": [{"type": "tool_result", "content": "42"}]}],
            },
            [("system", "s"), ("user", "[tool_result] 42")],
        ),
        ({"prompt": "once", "system": "s"}, [("system", "s"), ("user", "once")]),
        ({"input": ["a", "b"]}, [("user", "a\nb")]),
        ({"instructions": "i", "input": [{"role": "user", "content": "u"}]}, [("system", "i"), ("user", "u")]),
        ({"messages": [{"role": "user", "content": "see", "images": ["aa"]}]}, [("user", "see\n[1 image]")]),
    ],
)
def test_messages_of_every_dialect(request_body, said) -> None:
    """Chat, completions, responses, embeddings, Ollama and Anthropic, with content as text, parts or nothing."""
    found = read_prompt(body(request_body))
    assert found is not None
    assert [(message.role, message.text) for message in found.messages] == said


def test_parameters_and_tools_are_named() -> None:
    """Whatever else the request sets, known or not, is shown; tools by their names."""
    found = read_prompt(
        body(
            {"model": "m", "temperature": 0.5, "x_new": {"a": 1}, "tools": [{"function": {"name": "f"}}, {"name": "g"}]}
        )
    )
    assert found is not None
    assert found.parameters == (("temperature", "0.5"), ("x_new", '{"a": 1}'))
    assert found.tools == ("f", "g")


@pytest.mark.parametrize(
    ("reply", "text", "reasoning"),
    [
        (body({"choices": [{"message": {"content": "hi", "reasoning_content": "hm"}}]}), "hi", "hm"),
        (
            sse(
                {"choices": [{"index": 0, "delta": {"content": "h"}}]},
                {"choices": [{"index": 0, "delta": {"content": "i"}}]},
            ),
            "hi",
            None,
        ),
        (sse({"choices": [{"index": 0, "text": "hi"}]}), "hi", None),
        (
            ndjson({"message": {"content": "h", "thinking": "hm"}}, {"message": {"content": "i"}, "done": True}),
            "hi",
            "hm",
        ),
        (ndjson({"response": "h"}, {"response": "i", "done": True}), "hi", None),
        (body({"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "hi"}]}), "hi", "hm"),
        (
            sse(
                {"type": "message_start", "message": {"content": []}},
                {"type": "content_block_delta", "delta": {"text": "hi"}},
            ),
            "hi",
            None,
        ),
        (body({"output": [{"content": [{"type": "output_text", "text": "hi"}]}]}), "hi", None),
        (
            sse(
                {"type": "response.output_text.delta", "delta": "hi"},
                {"type": "response.completed", "response": {"output": []}},
            ),
            "hi",
            None,
        ),
    ],
)
def test_answers_of_every_dialect(reply: bytes, text: str, reasoning: str | None) -> None:
    """Whole and streamed, the text and what was thought come out the same."""
    found = answered(reply)
    assert found is not None and found.text is not None
    assert found.text.text == text
    assert (found.reasoning.text if found.reasoning else None) == reasoning


def test_tool_calls_are_put_together_from_their_pieces() -> None:
    """A streamed call's arguments come in fragments."""
    first = {"choices": [{"index": 0, "delta": {"tool_calls": [{"function": {"name": "f", "arguments": '{"a"'}}]}}]}
    second = {"choices": [{"index": 0, "delta": {"tool_calls": [{"function": {"arguments": ": 1}"}}]}}]}
    found = answered(sse(first, second))
    assert found is not None and found.tool_calls == ('f {"a": 1}',)


def test_calls_of_a_stream_are_shown_one_by_one() -> None:
    """Two whole ones with one index and no id, and one whose name is in each of its pieces."""
    pieces = [("f", '{"a":1}'), ("g", "{}"), ("h", '{"b"'), ("h", ":2}")]
    calls = [{"index": 0, "function": {"name": name, "arguments": text}} for name, text in pieces]
    found = answered(sse(*[{"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]} for call in calls]))
    assert found is not None and found.tool_calls == ('f {"a":1}', "g {}", 'h {"b":2}')


def test_only_the_first_choice_is_told_and_all_are_counted() -> None:
    """Interleaved choices would be a salad."""
    found = answered(
        sse(*({"choices": [{"index": index, "delta": {"content": str(index)}}]} for index in (0, 1, 0, 2)))
    )
    assert found is not None and found.text is not None
    assert (found.text.text, found.choices) == ("00", 3)


@pytest.mark.parametrize(
    "error", [{"error": {"message": "no"}}, {"error": "no"}, {"type": "error", "error": {"message": "no"}}]
)
def test_the_servers_own_error_is_told(error) -> None:
    """In each dialect's shape."""
    found = answered(body(error))
    assert found is not None and found.error == "no"


def test_a_key_in_an_error_is_masked() -> None:
    """Servers repeat the key that they refuse."""
    found = answered(body({"error": {"message": "Incorrect key sk-0123456789abcdWXYZ."}}))
    assert found is not None and found.error == "Incorrect key ...WXYZ."


def test_long_text_is_cut_and_says_by_how_much() -> None:
    """A page is not a megabyte long."""
    found = read_prompt(body({"prompt": "x" * (LONGEST_TEXT + 5)}))
    assert found is not None and (len(found.messages[0].text), found.messages[0].cut) == (LONGEST_TEXT, 5)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "messages",
                    "content",
                    "role",
                    "choices",
                    "delta",
                    "message",
                    "index",
                    "tool_calls",
                    "function",
                    "name",
                    "arguments",
                    "error",
                    "output",
                    "type",
                    "tools",
                    "images",
                    "input",
                    "system",
                    "text",
                    "content_block",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=60)
    | JSON.map(lambda value: json.dumps(value).encode())
    | JSON.map(lambda value: sse(value, value))
)
def test_no_body_breaks_the_page(data: bytes) -> None:
    """Whatever a client or a server sends, reading it raises nothing."""
    read_prompt(data)
    answered(data)


def test_what_is_no_json_is_not_told() -> None:
    """None means: look at the bytes."""
    assert (
        read_prompt(None)
        is read_prompt(b"\xff")
        is read_prompt(b"[1]")
        is answered(None)
        is answered(b"plain text")
        is None
    )
    assert read_prompt(b"[" * 100_000) is None
