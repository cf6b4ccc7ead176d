"""Calls and their results: together, in order and complete, from every client to every server."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.core.dialects.neutral.fitting.rounds import in_rounds
from switchman.addons.core.dialects.neutral.form import Message, Request, Text, ToolCall, ToolResult
from switchman.addons.core.dialects.neutral.limits import Notes
from switchman.addons.core.dialects.translate import Outbound
from switchman.addons.core.request.call import DialectName

Translate = Callable[..., Outbound]
TOWNS = {"a": "Oslo", "b": "Rome", "c": "Bonn"}
SAID = {id: f"{town}: 1 degree" for id, town in TOWNS.items()}
SERVERS: tuple[DialectName, ...] = ("openai", "ollama", "anthropic")

# A conversation as a list of words: "a", "b", "c" are results of calls, all else is said by the user.


def chat(calls: str, then: list[str]) -> tuple[str, dict[str, Any]]:
    made = [
        {"id": id, "type": "function", "function": {"name": "w", "arguments": json.dumps({"t": TOWNS[id]})}}
        for id in calls
    ]
    rest = [
        {"role": "tool", "tool_call_id": word, "content": SAID[word]}
        if word in TOWNS
        else {"role": "user", "content": word}
        for word in then
    ]
    asked = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": None, "tool_calls": made}]
    return "/v1/chat/completions", {"messages": [*asked, *rest]}


def responses(calls: str, then: list[str]) -> tuple[str, dict[str, Any]]:
    made = [
        {"type": "function_call", "call_id": id, "name": "w", "arguments": json.dumps({"t": TOWNS[id]})} for id in calls
    ]
    rest = [
        {"type": "function_call_output", "call_id": word, "output": SAID[word]}
        if word in TOWNS
        else {"role": "user", "content": word}
        for word in then
    ]
    return "/v1/responses", {"input": [{"role": "user", "content": "Hi."}, *made, *rest]}


def messages(calls: str, then: list[str]) -> tuple[str, dict[str, Any]]:
    made = [{"type": "tool_use", "id": id, "name": "w", "input": {"t": TOWNS[id]}} for id in calls]
    rest = [
        {"type": "tool_result", "tool_use_id": word, "content": SAID[word]}
        if word in TOWNS
        else {"type": "text", "text": word}
        for word in then
    ]
    asked = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": made}]
    return "/v1/messages", {
        "max_tokens": 9,
        "messages": [*asked, *({"role": "user", "content": [one]} for one in rest)],
    }


def ollama(calls: str, then: list[str]) -> tuple[str, dict[str, Any]]:
    made = [{"id": id, "function": {"name": "w", "arguments": {"t": TOWNS[id]}}} for id in calls]
    rest = [
        {"role": "tool", "tool_name": "w", "tool_call_id": word, "content": SAID[word]}
        if word in TOWNS
        else {"role": "user", "content": word}
        for word in then
    ]
    asked = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "", "tool_calls": made}]
    return "/api/chat", {"messages": [*asked, *rest]}


CLIENTS = (chat, responses, messages, ollama)
PAIRS = [
    pytest.param(client, server, id=f"{client.__name__}-{server}")
    for client in CLIENTS
    for server in SERVERS
    if (client.__name__, server) not in (("chat", "openai"), ("messages", "anthropic"), ("ollama", "ollama"))
]


def told(out: Outbound, server: DialectName) -> list[str]:
    """What stands behind the calls: the results, and what the user says. A result is told with its call's id, or for
    Ollama, which knows none, with the id of the call at its place in the order."""
    after = [m for m in out.body["messages"] if m["role"] != "system"][2:]
    ids = iter("abc")
    seen = []
    for message in after:
        if server == "anthropic":
            blocks = message["content"] if isinstance(message["content"], list) else [{"text": message["content"]}]
            seen += [f"{b['tool_use_id']} {b.get('content', '')}" if "tool_use_id" in b else b["text"] for b in blocks]
        elif message["role"] == "tool":
            seen.append(f"{message.get('tool_call_id') or next(ids)} {message['content']}")
        else:
            seen.append(message["content"])
    return seen


def results(*ids: str) -> list[str]:
    return [f"{id} {SAID[id]}" for id in ids]


@pytest.mark.parametrize(("client", "server"), PAIRS)
def test_results_in_any_order_are_each_told_as_its_own_call_gave_them(
    client: Callable[..., Any], server: DialectName, translate: Translate
) -> None:
    """Three calls of one tool, in each order in which their results can come."""
    for order in itertools.permutations("abc"):
        path, body = client("abc", list(order))
        out = translate(path, {"model": "m", **body}, server)
        assert told(out, server) == results("a", "b", "c")
        assert not any("results" in warning for warning in out.warnings)


@pytest.mark.parametrize(("client", "server"), PAIRS)
def test_what_the_user_says_in_between_comes_behind_the_results(
    client: Callable[..., Any], server: DialectName, translate: Translate
) -> None:
    """With a line in the trace; OpenAI and Anthropic refuse it where it was."""
    path, body = client("ab", ["Wait.", "b", "And?", "a"])
    out = translate(path, {"model": "m", **body}, server)
    said = ["Wait.", "And?"] if server == "anthropic" else ["Wait.\n\nAnd?"]
    assert told(out, server) == [*results("a", "b"), *said]
    (line,) = [warning for warning in out.warnings if "nothing may stand" in warning]
    assert line.startswith("messages[" if client is not responses else "input[")


@pytest.mark.parametrize(("client", "server"), PAIRS)
@pytest.mark.parametrize("then", [["b"], ["b", "Stop."], ["Stop."], []], ids=["one", "one-and-a-user", "none", "last"])
def test_a_call_without_a_result_gets_an_empty_one(
    client: Callable[..., Any], server: DialectName, then: list[str], translate: Translate
) -> None:
    """At its place, also at the end; Ollama needs none, and gets none."""
    path, body = client("ab", then)
    out = translate(path, {"model": "m", **body}, server)
    found = [word for word in then if word in TOWNS]
    said = [word for word in then if word not in TOWNS]
    if server == "ollama":
        assert [one.partition(" ")[2] or one for one in told(out, server)] == [*(SAID[id] for id in found), *said]
        return
    assert told(out, server) == ["a ", *(results("b") if found else ["b "]), *said]
    assert any("a call without a result gets an empty one" in warning for warning in out.warnings)


def rounds(*messages: Message, target: DialectName = "openai") -> tuple[Request, list[str]]:
    notes = Notes("openai.chat", target)
    return in_rounds(Request("openai.chat", "m", messages), notes), notes.warnings


def calls(*ids: str) -> Message:
    return Message("assistant", tuple(ToolCall(id, "f", "{}") for id in ids))


def found(*ids: str) -> Message:
    return Message("tool", tuple(ToolResult(id, "f", (Text("1"),)) for id in ids))


def test_what_is_right_stays_as_it_is() -> None:
    """The very request, so that nothing of it can have changed."""
    user = Message("user", (Text("Hi."),))
    request = Request("openai.chat", "m", (user, calls("a", "b"), found("a"), found("b"), user, calls("a"), found("a")))
    assert in_rounds(request, Notes("openai.chat", "openai")) is request


def test_an_id_that_is_used_again_names_the_call_before_the_result() -> None:
    """Some servers count their calls anew in each reply. Anthropic refuses an id that is used twice."""
    late = Message("user", (Text("So?"),))
    request, _ = rounds(calls("a"), found("a"), calls("a", "b"), late, found("b"), found("a"))
    assert [[getattr(p, "id", "") for p in message.parts] for message in request.messages] == [
        ["a"], ["a"], ["a_2", "b"], ["a_2"], ["b"], [""]
    ]  # fmt: skip


def test_a_result_that_comes_after_another_answer_goes_back_to_its_call() -> None:
    """A client ran it in the background."""
    answer = Message("assistant", (Text("Meanwhile."),))
    request, warnings = rounds(calls("a"), answer, found("a"))
    assert request.messages == (calls("a"), found("a"), answer)
    assert len(warnings) == 1


def test_a_conversation_only_grows_at_its_end() -> None:
    """Each turn that is sent again is the same, so the server's prompt cache holds."""
    user = Message("user", (Text("So?"),))
    turns = [user, calls("a", "b"), found("b"), found("a"), calls("c"), user, found("c"), user]
    shorter, _ = rounds(*turns[:4])
    longer, _ = rounds(*turns)
    assert longer.messages[: len(shorter.messages)] == shorter.messages
