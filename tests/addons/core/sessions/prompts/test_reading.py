"""The items of a prompt, in the order of the prefix that providers cache."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.sessions.prompts.reading import read_prompt


def parts(body: dict[str, Any]) -> list[tuple[str, str, str]]:
    prompt = read_prompt(json.dumps(body, ensure_ascii=False).encode())
    for item in prompt.items:
        held = json.loads(prompt.text[item.start : item.end])
        assert item.part == "settings" or held == item.value
    return [(item.part, ".".join(map(str, item.place)), item.title) for item in prompt.items]


@pytest.mark.parametrize(("body", "found"), [
    ({"messages": [{"role": "system", "content": "ä"}, {"role": "user", "content": "Hi"}],
      "tools": [{"type": "function", "function": {"name": "read"}}], "response_format": {"type": "json_object"}},
     [("tools", "tools.0", "read"), ("settings", "response_format", "response_format"),
      ("system", "messages.0", "system"), ("messages", "messages.1", "user")]),
    ({"messages": [{"role": "user", "content": "Hi"}, {"role": "system", "content": "late"}], "system": "S",
      "tools": [{"name": "read"}], "tool_choice": {"type": "auto"}, "thinking": {"type": "enabled"}},
     [("tools", "tools.0", "read"), ("system", "system", "system"), ("settings", "tool_choice", "tool_choice"),
      ("settings", "thinking", "thinking"), ("messages", "messages.0", "user"), ("messages", "messages.1", "system")]),
    ({"input": [{"role": "developer", "content": "D"}, {"type": "function_call", "name": "read"}], "instructions": "I",
      "text": {"format": {"type": "text"}, "verbosity": "low"}},
     [("settings", "text", "text"), ("system", "instructions", "instructions"), ("system", "input.0", "developer"),
      ("messages", "input.1", "function_call")]),
    ({"prompt": "Once", "system": None}, [("messages", "prompt", "user")]),
    ({"input": "Hello"}, [("messages", "input", "user")]),
])  # fmt: skip
def test_tools_come_first_then_the_system_prompt_then_messages(body: dict[str, Any], found: Any) -> None:
    """In each dialect, whatever the order in the body; each item knows where it stands."""
    assert parts(body) == found
    assert parts(dict(reversed(body.items()))) == found


def test_what_goes_on_elsewhere_is_told() -> None:
    """The provider has the beginning of such a prompt."""
    assert read_prompt(b'{"previous_response_id": "r1", "input": "Go on"}').elsewhere
    assert not read_prompt(b'{"input": "Go on"}').elsewhere
