"""The keys of a JSON body that decide: each once, and written in one way."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.request.unambiguous.keys import DECISIVE, MODEL, check_keys, repeated
from switchman.addons.core.request.unambiguous.names import Ambiguous

HI = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize("key", sorted(DECISIVE))
def test_a_decisive_key_in_another_case_is_refused(key: str) -> None:
    """Beside the key itself, and alone: one server reads it, and the rules do not."""
    for body in ({key: 1, key.title(): 1}, {key.upper(): 1}, {f"{key}\u200b": 1}):
        with pytest.raises(Ambiguous, match="write `") as error:
            check_keys(body, DECISIVE)
        assert error.value.param == key


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"Role": "user", "content": "hi"}]},
        {"messages": [*HI, {"role": "user", "content": "hi", "Content": "no"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "Text": "hi"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}], "ſ": 1, "Images": ["x"]}]},
        {"messages": [{"role": "assistant", "Tool_Calls": []}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"Function": {}}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"Name": "f"}}]}]},
        {"input": [{"type": "message", "Role": "user"}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": [{"Text": "hi"}]}]}]},
        {"input": [{"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "Text": "x"}]}]},
        {"system": [{"type": "text", "Text": "hi"}]},
        {"contents": [{"Parts": []}]},
        {"contents": [{"parts": [{"TEXT": "hi"}]}]},
        {"tools": [{"type": "function", "Function": {}}]},
        {"tools": [{"type": "function", "function": {"Name": "f"}}]},
        {"tools": [{"name": "f", "Input_Schema": {}}]},
        {"functions": [{"NAME": "f"}]},
    ],
)
def test_so_is_one_within_messages_and_tools(body: dict[str, Any]) -> None:
    """Where Go's structures have it, at any of their levels."""
    with pytest.raises(Ambiguous):
        check_keys(body, DECISIVE)


@pytest.mark.parametrize(
    "body",
    [
        {"model": "m", "messages": HI, "Temperature": 1, "X-Model": "a", "models": ["b"], "stream": True},
        {"metadata": {"Model": 1}, "options": {"Num_Predict": 1}, "chat_template_kwargs": {"Messages": 1}},
        {"tools": [{"function": {"name": "f", "parameters": {"properties": {"Name": {}, "name": {}}}}}]},
        {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "input": {"Role": 1, "role": 2}}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": {"Name": 1}}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": [1, {"content": "x"}]}]}]},
        {"messages": [None, 1, "x", {"content": None}, {"tool_calls": "x"}], "tools": "x", "input": "x"},
    ],
)
def test_all_else_may_have_any_keys(body: dict[str, Any]) -> None:
    """A schema, the arguments of a call, members that decide nothing, and what no server could read."""
    check_keys(body, DECISIVE)


def test_of_an_unknown_operation_only_the_model_decides() -> None:
    """Its other members are its own."""
    check_keys({"Messages": [], "Stream": 1, "messages": [{"Role": 1}]}, MODEL)
    with pytest.raises(Ambiguous):
        check_keys({"MODEL": "m"}, MODEL)


def test_an_error_says_the_key_and_where() -> None:
    """And names the parameter as clients show it."""
    assert str(repeated("model")).startswith("The key `model` occurs twice in the body")
    assert "`role` occurs twice in an object of `messages`" in str(repeated("role", "messages"))
    assert repeated("role", "messages").param == "messages"
    with pytest.raises(Ambiguous, match=r"the key `mo\\u200bdel` as `model`"):
        check_keys({"mo\u200bdel": 1}, MODEL)
