"""What a page shows of a conversation: everything in its order, bounded, and nothing that runs or is fetched."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from switchman.addons.core.dialects.passing.conversation import answered, asked
from switchman.webui.pages.story.said.turns import (
    LEAST,
    MOST_OF_PAGE,
    MOST_TEXT,
    PAGE,
    Page,
    page_of,
    plain,
    replies_of,
)

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(90)).decode()


def page(*messages: Any, first: int | None = None) -> Page:
    request = asked("openai", "chat", json.dumps({"model": "m", "messages": messages}).encode())
    assert request is not None
    return page_of(request, first)


def said(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def image(url: str) -> dict[str, Any]:
    return said("user", [{"type": "image_url", "image_url": {"url": url}}])


def call(id: str, arguments: str = "{}") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": "look", "arguments": arguments}}


def test_results_stand_with_their_calls() -> None:
    """Two calls of one message, answered the other way round; one call without a result says so."""
    found = page(
        said("user", "go"),
        said("assistant", None, tool_calls=[call("a", '{"n":1}'), call("b"), call("c")]),
        said("tool", "of b", tool_call_id="b"),
        said("tool", "of a", tool_call_id="a"),
        said("user", "well?"),
    )
    assert [one.role for one in found.messages] == ["user", "assistant", "user"]
    calls = found.messages[1].turns
    assert [[result.text for result in one.results] for one in calls] == [["of a"], ["of b"], []]
    assert [one.answered for one in calls] == [True, True, False]
    assert calls[0].text == '{\n  "n": 1\n}' and calls[0].title == "look"


def test_a_result_without_its_call_stands_by_itself() -> None:
    """Of a history that was cut."""
    (message,) = page(said("tool", "lost", tool_call_id="gone")).messages
    assert [(one.kind, one.text) for one in message.turns] == [("result", "lost")]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x.png",
        "data:text/html;base64,PHNjcmlwdD4=",
        "data:image/svg+xml;base64,PHN2Zz4=",
        f'data:image/png;base64,{PNG}" onerror="alert(1)',
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "data:image/png;base64," + "iVBORw0KGgo" + "A" * 3_000_000,
        "",
    ],
    ids=lambda url: url[:30],
)
def test_no_picture_is_shown_but_those_that_run_nothing(url: str) -> None:
    """Not what is elsewhere, no document, no SVG, nothing with more in it than base64, and nothing too large."""
    (message,) = page(image(url)).messages
    assert [one.src for one in message.turns] == [""]


@pytest.mark.parametrize("head", ["png", "jpeg", "octet-stream"])
def test_a_picture_of_a_known_type_is_shown(head: str) -> None:
    """By its bytes, whatever it is called."""
    (message,) = page(image(f"data:image/{head};base64,{PNG}")).messages
    assert message.turns[0].src == f"data:image/png;base64,{PNG}"


def test_long_texts_are_cut_and_say_so() -> None:
    """Each, and all of a page together; the download has the whole."""
    long = "x" * (MOST_TEXT + 5)
    found = page(*[said("user", long) for _ in range(PAGE)])
    shown = [message.turns[0] for message in found.messages]
    assert (len(shown[0].text), shown[0].cut) == (MOST_TEXT, 5)
    assert len(shown[-1].text) == LEAST and sum(len(one.text) for one in shown) < MOST_OF_PAGE + PAGE * MOST_TEXT
    request = asked("openai", "chat", json.dumps({"model": "m", "messages": [said("user", long)]}).encode())
    assert request is not None and plain(request.messages[0].parts) == long


def test_a_long_conversation_has_pages() -> None:
    """The last one first; each message on one of them, with its number."""
    messages = [said("user", f"message {number}") for number in range(2 * PAGE + 5)]
    last = page(*messages)
    assert (last.first, last.total, last.newer) == (PAGE + 5, 2 * PAGE + 5, None)
    seen: list[int | None] = []
    at: int | None = 0
    while at is not None:
        one = page(*messages, first=at)
        seen += [message.number for message in one.messages]
        at = one.newer
    assert seen == list(range(2 * PAGE + 5))
    assert page(*messages, first=10_000).messages and page(*messages, first=-5).first == 0


def test_credentials_in_arguments_are_masked() -> None:
    """And in results that are JSON."""
    secret = "sk-0123456789abcdef"
    found = page(
        said("assistant", None, tool_calls=[call("a", json.dumps({"api_key": secret}))]),
        said("tool", json.dumps({"password": secret}), tool_call_id="a"),
    )
    (one,) = found.messages[0].turns
    assert secret not in one.text and secret not in one.results[0].text


def test_thoughts_and_every_choice_of_an_answer() -> None:
    """Thoughts are a part of their own; several choices are told apart."""
    message = {"role": "assistant", "content": "yes", "reasoning_content": "Hm."}
    choices = [{"index": number, "message": message, "finish_reason": "stop"} for number in range(2)]
    answer = answered("openai", "chat", json.dumps({"choices": choices}).encode())
    assert answer is not None
    replies = replies_of(answer)
    assert [one.role for one in replies] == ["assistant, choice 0", "assistant, choice 1"]
    assert [(one.kind, one.text) for one in replies[0].turns] == [("thinking", "Hm."), ("text", "yes")]
