"""What breaks a provider's cache is found at its first byte, in every dialect; what does not, is not."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.core.sessions.prompts.breaks import LOOK_BACK, Break, find_break
from switchman.addons.core.sessions.prompts.reading import read_prompt

SYSTEM = "Du hilfst beim Bauen. It is 10:31:02. Be brief."
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}, "limit": {"type": "integer"}}}
MARK = {"type": "ephemeral"}


def chat() -> dict[str, Any]:
    def tool(name: str) -> dict[str, Any]:
        return {
            "type": "function",
            "function": {"name": name, "description": f"To {name} files.", "parameters": SCHEMA},
        }

    called = {"id": "c1", "type": "function", "function": {"name": "read", "arguments": '{"path": "ä.py", "limit": 3}'}}
    return {"model": "m", "tools": [tool("read"), tool("write"), tool("list")], "messages": [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": [{"type": "text", "text": "Lies „ä.py“ \"now\""}]},
        {"role": "assistant", "content": "I look.", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c1", "content": "1\tprint('ü')\n2\texit()"},
        {"role": "assistant", "content": "It prints."},
    ], "stream": True}  # fmt: skip


def responses() -> dict[str, Any]:
    def tool(name: str) -> dict[str, Any]:
        return {"type": "function", "name": name, "description": f"To {name} files.", "parameters": SCHEMA}

    return {"model": "m", "tools": [tool("read"), tool("write"), tool("list")], "instructions": SYSTEM, "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Lies „ä.py“ \"now\""}]},
        {"type": "message", "id": "m1", "status": "completed", "role": "assistant",
         "content": [{"type": "output_text", "text": "I look."}]},
        {"type": "function_call", "call_id": "c1", "name": "read", "arguments": '{"path": "ä.py", "limit": 3}'},
        {"type": "function_call_output", "call_id": "c1", "output": "1\tprint('ü')\n2\texit()"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "It prints."}]},
    ], "stream": True}  # fmt: skip


def anthropic() -> dict[str, Any]:
    tools = [
        {"name": name, "description": f"To {name} files.", "input_schema": SCHEMA} for name in ("read", "write", "list")
    ]
    system = [{"type": "text", "text": SYSTEM, "cache_control": MARK}]
    return {"model": "m", "tools": tools, "system": system, "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Lies „ä.py“ \"now\""}]},
        {"role": "assistant", "content": [
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "c1", "name": "read", "input": {"path": "ä.py", "limit": 3}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "c1", "content": "1\tprint('ü')\n2\texit()"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "It prints.", "cache_control": MARK}]},
    ], "stream": True}  # fmt: skip


FORMS = {"chat": chat, "responses": responses, "anthropic": anthropic}
NEXT = {
    "chat": [{"role": "user", "content": "Thanks. And b.py?"}],
    "responses": [{"role": "user", "content": [{"type": "input_text", "text": "Thanks. And b.py?"}]}],
    "anthropic": [{"role": "user", "content": [{"type": "text", "text": "Thanks. And b.py?", "cache_control": MARK}]}],
}


def replaced(old: str, new: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A breaker that writes another text wherever the old one stands."""

    def change(body: dict[str, Any]) -> dict[str, Any]:
        before = json.dumps(body, ensure_ascii=False)
        assert json.dumps(old, ensure_ascii=False)[1:-1] in before
        found: dict[str, Any] = json.loads(
            before.replace(json.dumps(old, ensure_ascii=False)[1:-1], json.dumps(new, ensure_ascii=False)[1:-1])
        )
        return found

    return change


def on_tools(change: Callable[[list[Any]], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def changed(body: dict[str, Any]) -> dict[str, Any]:
        change(body["tools"])
        return body

    return changed


def turned(value: Any, key: str) -> Any:
    """The same with the members of each object that is called `key` the other way round."""
    if isinstance(value, list):
        return [turned(one, key) for one in value]
    if isinstance(value, dict):
        return {
            name: dict(reversed(one.items())) if name == key and isinstance(one, dict) else turned(one, key)
            for name, one in value.items()
        }
    return value


def dropped(body: dict[str, Any]) -> dict[str, Any]:
    """A message of before is left out."""
    listed = body.get("messages") or body["input"]
    del listed[2]
    return body


def inserted(body: dict[str, Any]) -> dict[str, Any]:
    """A reminder comes in between messages of before."""
    listed = body.get("messages") or body["input"]
    listed.insert(2, {"role": "user", "content": "Remember to be brief."})
    return body


BREAKERS: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], str, str]] = {
    "a clock in the system prompt": (replaced("10:31:02", "10:31:09"), "system", "value"),
    "an old message edited": (replaced("Lies „ä.py“", "Lies „ö.py“"), "messages", "value"),
    "an old answer edited": (replaced("I look.", "I look"), "messages", "value"),
    "an old tool result cut": (replaced("\n2\texit()", ""), "messages", "value"),
    "a tool added": (on_tools(lambda tools: tools.append({**tools[0], "name": "grep"})), "tools", "longer"),
    "the last tool removed": (on_tools(lambda tools: tools.pop()), "tools", "shorter"),
    "a tool removed": (on_tools(lambda tools: tools.pop(1)), "tools", "value"),
    "tools in another order": (on_tools(lambda tools: tools.reverse()), "tools", "value"),
    "a tool described otherwise": (replaced("To write files.", "To write a file."), "tools", "value"),
    "keys of a schema in another order": (lambda body: turned(body, "properties"), "tools", "order"),
    "a message dropped": (dropped, "messages", ""),
    "a message inserted": (inserted, "messages", ""),
}


def turns(form: str, change: Callable[[dict[str, Any]], dict[str, Any]], ascii_only: bool) -> tuple[bytes, bytes]:
    """The bodies of a turn, and of the next one with a breaker in what was there before."""
    before, after = FORMS[form](), change(FORMS[form]())
    (after.get("messages") or after["input"]).extend(copy.deepcopy(NEXT[form]))
    return tuple(json.dumps(body, ensure_ascii=ascii_only).encode() for body in (before, after))  # type: ignore[return-value]


def first_differing(before: bytes, after: bytes) -> int:
    """By the bytes alone: here, bodies are written in the order of the prompt."""
    return next(at for at, (old, new) in enumerate(zip(before, after, strict=False)) if old != new)


def found(before: bytes, after: bytes, **told: Any) -> Break | None:
    return find_break(read_prompt(before), read_prompt(after), **told)


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("breaker", BREAKERS)
def test_each_breaker_is_found_at_its_first_byte(breaker: str, form: str, ascii_only: bool) -> None:
    """The part of the prompt, the byte in the body, and the texts on both sides of it."""
    change, part, why = BREAKERS[breaker]
    before, after = turns(form, change, ascii_only)
    broken = found(before, after)
    assert broken is not None
    at = first_differing(before, after)
    while at and (before[at] & 0xC0) == 0x80:
        at -= 1  # a character is shown whole
    if ascii_only and b"\\" in before[at - 5 : at]:
        assert broken.byte <= at < broken.byte + 6  # so is an escape
    else:
        assert (broken.byte, broken.byte_before) == (at, at)
    assert broken.part == part and (not why or broken.why == why)
    assert after[broken.byte :].decode().startswith(broken.after.other)
    assert before[: broken.byte_before].decode().endswith(broken.before.same)
    assert 0 <= broken.kept < broken.whole


@pytest.mark.parametrize("form", FORMS)
def test_the_place_says_which_message_it_is(form: str) -> None:
    """By its path in the body."""
    broken = found(*turns(form, BREAKERS["an old tool result cut"][0], False))
    assert broken is not None
    place, title = {
        "chat": ("messages[3].content", "tool"),
        "responses": ("input[3].output", "function_call_output"),
        "anthropic": ("messages[2].content[0].content", "user"),
    }[form]
    assert (broken.place, broken.title) == (place, title)
    assert (broken.before.other[:4], broken.after.other[:1]) == ("\\n2\\", '"')


def test_a_clock_is_told_from_another_text() -> None:
    """Where all that differs are digits."""
    clock = found(*turns("chat", BREAKERS["a clock in the system prompt"][0], False))
    edited = found(*turns("chat", BREAKERS["an old answer edited"][0], False))
    assert clock is not None and edited is not None
    assert (clock.only_digits, edited.only_digits) == (True, False)


def test_keys_of_a_calls_input_in_another_order_are_a_break() -> None:
    """Languages that shuffle keys break the cache with what a tool was asked."""
    before, after = turns("anthropic", lambda body: turned(body, "input"), False)
    broken = found(before, after)
    assert broken is not None and broken.why == "order"
    assert broken.byte == first_differing(before, after)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_appending_is_no_break(form: str, ascii_only: bool) -> None:
    """Nor are other white space and escapes, nor what is no part of a prompt, nor taking messages back."""
    before, after = turns(form, lambda body: body | {"temperature": 1, "metadata": {"user_id": "x"}}, ascii_only)
    assert found(before, after) is None
    assert found(json.dumps(json.loads(before), indent=1, ensure_ascii=not ascii_only).encode(), after) is None
    assert found(after, before) is None


def test_a_schema_of_the_answer_stands_before_the_messages() -> None:
    """Another one breaks all that comes behind it."""
    for form, key in (("chat", "response_format"), ("responses", "text")):
        schema: dict[str, Any] = {"type": "json_schema", "name": "a"}
        body = FORMS[form]() | {key: schema if form == "chat" else {"format": schema}}
        other = json.loads(json.dumps(body).replace('"name": "a"', '"name": "b"'))
        broken = found(json.dumps(body).encode(), json.dumps(other).encode())
        assert broken is not None and (broken.part, broken.kept < broken.whole) == ("settings", True)
        gone = found(json.dumps(body).encode(), json.dumps(FORMS[form]()).encode())
        assert gone is not None and (gone.why, gone.part) == ("shorter", "settings")


def test_tool_choice_and_thinking_break_anthropics_messages_only() -> None:
    """They stand behind its system prompt; OpenAI's cache does not know them."""
    before = anthropic()
    broken = found(json.dumps(before).encode(), json.dumps(before | {"tool_choice": {"type": "any"}}).encode())
    assert broken is not None and (broken.why, broken.part, broken.place) == ("longer", "settings", "tool_choice")
    assert found(json.dumps(chat()).encode(), json.dumps(chat() | {"tool_choice": "auto"}).encode()) is None


def test_marks_that_move_along_are_no_break() -> None:
    """Claude Code marks the last message of each turn, and takes the mark of the turn before away."""
    before = anthropic()
    after = json.loads(json.dumps(before))
    del after["messages"][3]["content"][0]["cache_control"]
    after["messages"] += NEXT["anthropic"]
    assert found(json.dumps(before).encode(), json.dumps(after).encode()) is None


@pytest.mark.parametrize("far", [False, True])
def test_marks_out_of_reach_are_a_break(far: bool) -> None:
    """A mark that moved back, or further on than the provider looks back, at the first byte that differs."""
    before = anthropic()
    after = json.loads(json.dumps(before))
    del after["messages"][3]["content"][0]["cache_control"]
    if far:
        after["messages"] += [{"role": "user", "content": [{"type": "text", "text": "x"}]}] * LOOK_BACK
        after["messages"] += NEXT["anthropic"]
    sent = json.dumps(before).encode(), json.dumps(after).encode()
    broken = found(*sent)
    assert broken is not None and (broken.why, broken.place) == ("marks", "messages[3].content[0]")
    assert broken.byte == first_differing(*sent)


def test_ids_of_responses_items_are_no_part_of_a_prompt() -> None:
    """Codex may name an item that the server had named otherwise."""
    after = json.loads(json.dumps(responses()))
    after["input"][1] |= {"id": "m2", "status": None}
    assert found(json.dumps(responses()).encode(), json.dumps(after).encode()) is None


def test_more_parts_of_the_last_message_are_no_break() -> None:
    """Of an earlier one they are."""
    before = {"messages": [{"role": "user", "content": "Hello"}]}
    after = {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": "More"}]}]
    }
    assert found(json.dumps(before).encode(), json.dumps(after).encode()) is None
    more = {"messages": [*before["messages"], {"role": "assistant", "content": "Hi"}]}
    broken = found(
        json.dumps(more).encode(), json.dumps({"messages": [*after["messages"], more["messages"][1]]}).encode()
    )
    assert broken is not None and (broken.why, broken.place) == ("longer", "messages[0].content")


def test_another_target_has_nothing_of_the_cache() -> None:
    """Whatever the prompts are."""
    before, after = turns("chat", lambda body: body, False)
    broken = found(before, after, targets=("a/m", "b/m"))
    assert broken is not None and (broken.why, broken.kept, broken.before.other) == ("target", 0, "a/m")
    assert found(before, after, targets=("a/m", "a/m")) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{", b'{"messages": [' + b"[" * 100_000])
def test_what_is_no_prompt_is_told(body: bytes) -> None:
    """By a ValueError."""
    with pytest.raises(ValueError, match=r"."):
        read_prompt(body)


@pytest.mark.parametrize("body", [
    {}, {"messages": 7, "tools": {}, "system": None}, {"messages": [None, 7, "x", []]}, {"input": "x"}, {"tools": [1]},
])  # fmt: skip
def test_whatever_is_sent_can_be_compared(body: dict[str, Any]) -> None:
    """With itself, it has no break; with another there may be one, and no error."""
    sent = json.dumps(body).encode()
    assert found(sent, sent) is None
    found(sent, json.dumps(chat()).encode())
    found(json.dumps(anthropic()).encode(), sent)
