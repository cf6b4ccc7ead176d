"""Turns: what is new in each, calls with their results, and branches as a tree."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from switchman.addons.core.sessions.prompts.reading import read_prompt
from switchman.addons.core.sessions.turns import Branch, Called, arranged, calls_since, words_since


@dataclass
class One:
    name: str
    branch: str | None
    parent: str | None
    started_at: float


def turns(*told: str) -> list[One]:
    """`name:branch` or `name:branch:parent`, one a second."""
    found = []
    for at, one in enumerate(told):
        name, branch, parent, *_ = (*one.split(":"), "")
        found.append(One(name, branch or None, parent or None, float(at)))
    return found


def drawn(branch: Branch[One]) -> Any:
    return [turn.name for turn in branch.turns], {
        at: [drawn(one) for one in below] for at, below in branch.below.items()
    }


@pytest.mark.parametrize(("told", "tree"), [
    (["1:m", "2:m"], (["1", "2"], {})),
    (["t:title", "1:m", "2:m"], (["1", "2"], {-1: [(["t"], {})]})),
    (["1:m", "a:s", "b:s", "2:m", "3:m"], (["1", "2", "3"], {0: [(["a", "b"], {})]})),
    (["1:m", "a:s:m", "x:n:s", "b:s:m"], (["1"], {0: [(["a", "b"], {0: [(["x"], {})]})]})),
    (["1:m", "a:s:gone", "2:m"], (["1", "2"], {0: [(["a"], {})]})),
    (["a:s:s", "1:m", "2:m"], (["1", "2"], {-1: [(["a"], {})]})),
    (["1:", "2:"], (["1", "2"], {})),
])  # fmt: skip
def test_subagents_are_a_tree(told: list[str], tree: Any) -> None:
    """Below the turn during which they began, of their parent or of the main conversation."""
    found = arranged(turns(*told))
    assert found is not None and drawn(found) == tree
    assert len(list(found.all_turns())) == len(told)


@pytest.mark.parametrize(
    "told", [["a:s:n", "b:n:s", "1:m", "2:m"], ["a:s:n", "b:n:s"], ["a:s:n", "b:n:o", "c:o:s", "d:x"]]
)
def test_no_request_is_lost_in_a_circle(told: list[str]) -> None:
    """Clients may say that two branches came from each other."""
    found = arranged(turns(*told))
    assert found is not None and len(list(found.all_turns())) == len(told)


def test_nothing_is_no_tree() -> None:
    """A session whose requests are gone."""
    assert arranged([]) is None


ASKED = '{"path": "a.py"}'
CHAT = {"messages": [
    {"role": "user", "content": "Read a.py"},
    {"role": "assistant", "content": "Ok", "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "read", "arguments": ASKED}},
        {"id": "c2", "type": "function", "function": {"name": "list", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "c2", "content": "b.py"},
    {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "exit()"}]},
]}  # fmt: skip
RESPONSES = {"input": [
    {"role": "user", "content": [{"type": "input_text", "text": "Read a.py"}]},
    {"type": "function_call", "call_id": "c1", "name": "read", "arguments": ASKED},
    {"type": "function_call", "call_id": "c2", "name": "list", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c2", "output": "b.py"},
    {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "exit()"}]},
]}  # fmt: skip
ANTHROPIC = {"messages": [
    {"role": "user", "content": "Read a.py"},
    {"role": "assistant", "content": [
        {"type": "text", "text": "Ok"}, {"type": "tool_use", "id": "c1", "name": "read", "input": {"path": "a.py"}},
        {"type": "tool_use", "id": "c2", "name": "list", "input": {}}]},
    {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "c2", "content": "b.py"},
        {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "exit()"}]}]},
]}  # fmt: skip
OLLAMA = {"messages": [
    {"role": "user", "content": "Read a.py"},
    {"role": "assistant", "content": "", "tool_calls": [
        {"function": {"name": "read", "arguments": {"path": "a.py"}}},
        {"function": {"name": "list", "arguments": {}}}]},
    {"role": "tool", "content": "exit()"}, {"role": "tool", "content": "b.py"},
]}  # fmt: skip


@pytest.mark.parametrize("body", [CHAT, RESPONSES, ANTHROPIC, OLLAMA])
def test_calls_are_paired_with_their_results(body: dict[str, Any]) -> None:
    """By their ids, or by their order where they have none."""
    found = calls_since(read_prompt(json.dumps(body).encode()), 1)
    assert [(call.name, call.arguments, call.result) for call in found] == [
        ("read", ASKED, "exit()"),
        ("list", "{}", "b.py"),
    ]
    assert calls_since(read_prompt(json.dumps(body).encode()), len(body.get("messages", body.get("input")))) == ()


def test_a_result_that_is_an_error_is_told() -> None:
    """And a call without a result has none."""
    body = {"messages": [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "a", "input": 7},
                                          {"type": "tool_use", "id": "c2", "name": "b"}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "is_error": True, "content": "no"}]},
    ]}  # fmt: skip
    assert calls_since(read_prompt(json.dumps(body).encode()), 0) == (
        Called("c1", "a", "7", "no", True), Called("c2", "b", "")
    )  # fmt: skip


@pytest.mark.parametrize("body", [CHAT, RESPONSES, ANTHROPIC, OLLAMA])
def test_words_are_the_persons(body: dict[str, Any]) -> None:
    """No tool's result is one's words."""
    prompt = read_prompt(json.dumps(body).encode())
    assert (words_since(prompt, 0), words_since(prompt, 1)) == ("Read a.py", "")


@pytest.mark.parametrize("body", [
    {"messages": [7, None, "x", {"role": "user"}, {"role": "tool"}, {"tool_calls": [{"function": 3}, 4]}]},
    {"input": [{"type": "function_call"}, {"type": "function_call_output", "output": {"a": 1}}]},
    {"messages": [{"role": "user", "content": [{"type": "tool_result"}, {"type": "tool_use"}, 5]}]},
])  # fmt: skip
def test_whatever_a_client_sends_is_read(body: dict[str, Any]) -> None:
    """What is of no known form is passed over."""
    prompt = read_prompt(json.dumps(body).encode())
    words_since(prompt, 0)
    assert all(isinstance(call.name, str) for call in calls_since(prompt, 0))
