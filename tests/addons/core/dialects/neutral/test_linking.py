"""Calls and results: which answers which, across formats that tie them by id or by name."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from switchman.addons.core.dialects import endpoint_of
from switchman.addons.core.dialects.codecs import CODECS, FORMATS
from switchman.addons.core.dialects.neutral.form import (
    FormatName,
    Image,
    Message,
    Request,
    Stamp,
    Text,
    ToolCall,
    ToolResult,
)
from switchman.addons.core.dialects.neutral.limits import Notes
from switchman.addons.core.dialects.neutral.linking import link, place, with_places, without_orphans
from switchman.addons.core.dialects.translate import translate_request
from switchman.addons.core.request.call import DialectName, Endpoint

MESSAGES = Endpoint("anthropic", "chat", "/v1/messages")
STAMP = Stamp("x", 0.0, "m")
USE = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "42"}]}
HI = {"role": "user", "content": "Hi."}


def calls(*named: tuple[str, str]) -> Message:
    return Message("assistant", tuple(ToolCall(id, name, "{}") for id, name in named))


def results(*named: tuple[str, str]) -> Message:
    return Message("tool", tuple(ToolResult(id, name, (Text("42"),)) for id, name in named))


def tied(*messages: Message) -> list[tuple[str, str]]:
    parts = [part for message in link(messages) for part in message.parts]
    return [(part.id, part.name) for part in parts if isinstance(part, ToolResult)]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param([calls(("a", "f")), results(("a", ""))], [("a", "f")], id="a-name-by-the-id"),
        pytest.param([calls(("", "f")), results(("", "f"))], [("call00001", "f")], id="an-id-by-the-name"),
        pytest.param(
            [calls(("", "f"), ("", "g")), results(("", "g"), ("", "f"))],
            [("call00002", "g"), ("call00001", "f")],
            id="names-in-another-order",
        ),
        pytest.param(
            [calls(("", "f"), ("", "f")), results(("", "f"), ("", "f"))],
            [("call00001", "f"), ("call00002", "f")],
            id="the-oldest-of-the-same-name",
        ),
        pytest.param(
            [calls(("", "f"), ("", "g")), results(("", ""), ("", ""))],
            [("call00001", "f"), ("call00002", "g")],
            id="no-names-at-all",
        ),
        pytest.param([calls(("a", "f")), results(("", "other"))], [("a", "other")], id="a-name-that-nothing-called"),
        pytest.param([calls(("a", "f")), results(("z", ""))], [("z", "")], id="an-id-that-nothing-has"),
        pytest.param([results(("", "f"))], [("call00000", "f")], id="no-call-at-all"),
        pytest.param(
            [calls(("a", "f")), results(("a", "")), calls(("", "f")), results(("", "f"))],
            [("a", "f"), ("call00002", "f")],
            id="an-answered-call-is-not-open",
        ),
    ],
)
def test_a_result_is_tied_to_its_call(messages: list[Message], expected: list[tuple[str, str]]) -> None:
    """By id, else by name, else by order; each open call is answered once."""
    assert tied(*messages) == expected


def test_linking_is_the_same_each_time_and_leaves_the_rest() -> None:
    """A longer conversation begins as the shorter one did, so a provider's prompt cache still fits."""
    first = (Message("user", (Text("hi"),)), calls(("", "f"), ("b", "g")), results(("", "g")))
    longer = (*first, calls(("", "f")))
    assert link(longer)[: len(first)] == link(first)
    assert link(first)[0] == first[0]
    assert [call.id for call in link(first)[1].calls()] == ["call00001", "b"]
    assert link(()) == ()


def test_a_made_id_is_nobody_elses() -> None:
    """A client may have such ids itself, from another router or from this one."""
    conversation = (calls(("call00002", "f")), results(("call00002", "f")), calls(("", "g"), ("", "h")))
    linked = link(conversation)
    assert [call.id for message in linked for call in message.calls()] == ["call00002", "call00003", "call00004"]


def test_calls_that_have_one_id_get_ids_of_their_own() -> None:
    """A server that counts its calls anew in each answer; Anthropic: "`tool_use` ids must be unique"."""
    said = [calls(("a", "f")), results(("a", "")), calls(("a", "g"), ("a", "h")), results(("a", ""), ("a", ""))]
    linked = link(tuple(said))
    assert [call.id for message in linked for call in message.calls()] == ["a", "a_2", "a_3"]
    assert tied(*said) == [("a", "f"), ("a_2", "g"), ("a_3", "h")]
    assert link(linked) == linked and link(tuple(said[:2])) == linked[:2]
    assert tied(calls(("a", "f")), calls(("a", "g")), results(("a", ""))) == [("a_2", "g")]
    assert tied(*said[:3], results(("a_2", ""))) == [("a", "f"), ("a_2", "")]
    long = [call.id for message in link((calls(("x" * 40, "f")),) * 2) for call in message.calls()]
    assert long == ["x" * 40, "x" * 30 + "_2"]


@pytest.mark.parametrize("server", ["ollama", "anthropic"])
def test_ids_that_repeat_are_refused_by_nobody(server: DialectName) -> None:
    """Each result stands with its call, whatever the target."""
    call = {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turn = [{"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "tool_call_id": "call_0"}]
    body = {"messages": [HI, *turn, *turn]}
    out = translate_request(Endpoint("openai", "chat", "/v1/chat/completions"), body, server, STAMP).body
    ids = re.findall(r'"(?:id|tool_use_id|tool_call_id)": "(.*?)"', json.dumps(out["messages"]))
    assert ids == ([] if server == "ollama" else ["call_0", "call_0", "call_0_2", "call_0_2"])


# ---- results without calls ---------------------------------------------------------------------------------------


def kept(*messages: Message, target: DialectName = "openai") -> tuple[Request, list[str]]:
    notes = Notes("ollama.chat", target)
    return without_orphans(Request("ollama.chat", "m", messages), notes), notes.warnings


@pytest.mark.parametrize("target", ["openai", "anthropic"])
def test_an_orphan_is_said_by_the_user(target: DialectName) -> None:
    """With the tool's name in front, and its pictures; the warning says so once."""
    orphan = Message("tool", (ToolResult("", "f", (Text("42"), Image("AA"))), ToolResult("x", "", ())))
    request, warnings = kept(orphan, target=target)
    (message,) = request.messages
    assert (message.role, message.shape) == ("user", "parts")
    assert message.parts == (Text("Result of f:"), Text("42"), Image("AA"), Text("Result of a tool:"))
    assert warnings == [
        f"messages.tool_result was changed for the {target} dialect: a result without a call is said by the user"
    ]


def test_an_orphan_beside_a_good_result_leaves_the_message_a_tools() -> None:
    """Only a message that has no result left becomes the user's."""
    request, _ = kept(calls(("a", "f")), Message("tool", (ToolResult("a", "f", ()), ToolResult("b", "g", ()))))
    assert request.messages[1].role == "tool"
    assert request.messages[1].parts == (ToolResult("a", "f", ()), Text("Result of g:"))


def test_ollama_takes_results_without_calls() -> None:
    """Nothing is changed for it, and nothing is said to be lost."""
    orphan = results(("", "f"))
    assert kept(orphan, target="ollama") == (Request("ollama.chat", "m", (orphan,)), [])


def test_a_second_result_without_an_id_is_an_orphan_and_one_with_an_id_is_not() -> None:
    """A server that refuses to hear of a call twice says so itself; without an id there is nothing to hear of."""
    twice, warnings = kept(calls(("a", "f")), results(("a", ""), ("a", "")))
    assert len(twice.messages[1].parts) == 2 and warnings == []
    _, warnings = kept(calls(("", "f")), results(("", "f"), ("", "f")))
    assert len(warnings) == 1


# ---- places ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "roles", "places"),
    [
        pytest.param("openai.chat", ["system", "user"], ["messages[0]", "messages[1]"], id="chat"),
        pytest.param("ollama.chat", ["system", "user"], ["messages[0]", "messages[1]"], id="ollama"),
        pytest.param("ollama.generate", ["system", "user"], ["system", "prompt"], id="generate"),
        pytest.param("openai.completion", ["user"], ["prompt"], id="completion"),
        pytest.param("openai.responses", ["user", "user"], ["input[0]", "input[1]"], id="responses"),
        pytest.param(
            "anthropic.messages", ["system", "user", "user"], ["system", "messages[0]", "messages[1]"], id="with-system"
        ),
        pytest.param("anthropic.messages", ["user", "user"], ["messages[0]", "messages[1]"], id="without-system"),
    ],
)
def test_a_place_has_the_clients_own_name(origin: FormatName, roles: list[Any], places: list[str]) -> None:
    """What is lost is named where the client wrote it."""
    request = Request(origin, "m", tuple(Message(role, ()) for role in roles))
    assert [place(request, index) for index in range(len(roles))] == places


def test_a_message_that_was_moved_keeps_its_place() -> None:
    """turns.py writes it down before it changes the order."""
    request = Request("openai.chat", "m", (replace(Message("user", ()), place="messages[7]"),))
    assert place(request, 0) == "messages[7]"


def placed(path: str, body: dict[str, Any]) -> list[str]:
    endpoint = endpoint_of("POST", path)
    assert endpoint is not None
    request = CODECS[FORMATS[endpoint.dialect, endpoint.operation]].decode_request(body)
    return [message.place for message in with_places(request).messages]


def test_places_are_counted_as_the_client_counts_them() -> None:
    """Instructions are no item, hosted items and thoughts are; a system message within is no system prompt."""
    search, hm = {"type": "web_search_call", "id": "w"}, {"type": "reasoning", "summary": []}
    items = [HI, search, hm, {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}, HI]
    assert placed("/v1/responses", {"instructions": "s", "input": items}) == [
        "instructions", "input[0]", "input[2]", "input[4]"
    ]  # fmt: skip
    said = [{"role": "system", "content": "s"}, HI]
    assert placed("/v1/messages", {"messages": said}) == ["messages[0]", "messages[1]"]
    assert placed("/v1/messages", {"system": "s", "messages": said}) == ["system", "messages[0]", "messages[1]"]
    assert placed("/v1/chat/completions", {"messages": said}) == ["messages[0]", "messages[1]"]


# ---- whole requests ----------------------------------------------------------------------------------------------


def test_a_result_without_its_call_is_said_by_the_user() -> None:
    """Some clients lose the calls, or cut them off; OpenAI and Anthropic refuse a result alone, Ollama does not."""
    orphan = {"role": "tool", "tool_name": "f", "content": "42"}
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}
    chat = Endpoint("ollama", "chat", "/api/chat")
    for messages, lost in (([HI, orphan, call, orphan], 1), ([HI, call, orphan, orphan], 1), ([HI, call, orphan], 0)):
        for server in ("openai", "anthropic"):
            out = translate_request(chat, {"model": "m", "messages": messages}, server, STAMP)  # type: ignore[arg-type]
            text = json.dumps(out.body)
            assert text.count("Result of f:") == lost
            assert text.count("tool_call_id" if server == "openai" else "tool_use_id") == 1
    native = translate_request(MESSAGES, {"model": "m", "max_tokens": 9, "messages": [HI, RESULT]}, "ollama", STAMP)
    assert native.body["messages"][-1]["role"] == "tool"


def test_a_result_that_names_only_the_tool_answers_a_call_with_an_id() -> None:
    """Ollama's own calls have ids, and its tool messages only a tool_name: clients send both back as they are."""
    calls = [{"id": f"call_{n}", "function": {"index": i, "name": n, "arguments": {}}} for i, n in enumerate("fg")]
    asked = {"role": "assistant", "content": "", "tool_calls": calls}
    results = [{"role": "tool", "tool_name": name, "content": f"{name} says."} for name in "gf"]
    body = {"model": "m", "messages": [HI, asked, *results]}
    chat = Endpoint("ollama", "chat", "/api/chat")
    out = translate_request(chat, body, "openai", STAMP)
    told = {item["tool_call_id"]: item["content"] for item in out.body["messages"] if item["role"] == "tool"}
    assert told == {"call_f": "f says.", "call_g": "g says."}
    (*_, said) = translate_request(chat, body, "anthropic", STAMP).body["messages"]
    assert {block.get("tool_use_id"): block.get("content") for block in said["content"]} == told
