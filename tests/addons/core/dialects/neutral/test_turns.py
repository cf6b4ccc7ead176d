"""System messages further down, and neighbours of one role: what a strict chat template is sent of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.dialects.neutral.form import Image, Message, Request, Stamp, Text, ToolCall, ToolResult
from switchman.addons.core.dialects.neutral.limits import Notes
from switchman.addons.core.dialects.neutral.sampling import Quirks
from switchman.addons.core.dialects.neutral.turns import in_turns, merged, results_together, without_billing
from switchman.addons.core.dialects.translate import Outbound, translate_request
from switchman.addons.core.request.call import Endpoint

MESSAGES = Endpoint("anthropic", "chat", "/v1/messages")
CHAT = Endpoint("openai", "chat", "/v1/chat/completions")
STAMP = Stamp("x", 0.0, "m")
SKILLS = {"role": "system", "content": "Two skills."}
REMINDER = "<system-reminder>\nTwo skills.\n</system-reminder>"
USE = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
ASSISTANT = {"role": "assistant", "content": [USE]}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "42"}]}
HI = {"role": "user", "content": "Hi."}


def sent(messages: list[Any], server: Any = "openai", **more: Any) -> Outbound:
    return translate_request(MESSAGES, {"model": "m", "max_tokens": 9, "messages": messages, **more}, server, STAMP)


def said(out: Outbound) -> list[tuple[str, Any]]:
    return [(message["role"], message["content"]) for message in out.body["messages"]]


@pytest.mark.parametrize("server", ["openai", "ollama"])
@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([HI, SKILLS], [("user", f"Hi.\n\n{REMINDER}")]),
        ([HI, SKILLS, SKILLS], [("user", f"Hi.\n\n{REMINDER}\n\n{REMINDER}")]),
        ([HI, ASSISTANT, RESULT, SKILLS], [("user", "Hi."), ("assistant", None), ("tool", f"42\n\n{REMINDER}")]),
        ([HI, ASSISTANT, SKILLS, RESULT], [("user", "Hi."), ("assistant", None), ("tool", f"42\n\n{REMINDER}")]),
        (
            [HI, {"role": "assistant", "content": "Yes?"}, SKILLS, HI],
            [("user", "Hi."), ("assistant", "Yes?"), ("user", f"{REMINDER}\n\nHi.")],
        ),
        ([HI, HI], [("user", "Hi.\n\nHi.")]),
    ],
)
def test_system_messages_further_down_are_said_in_the_turn_before(server: Any, messages: Any, expected: Any) -> None:
    """Where they stand, so that what was sent before stays the same; the trace has one line for all of them."""
    out = sent(messages, server)
    assert [(role, content or None) for role, content in said(out)] == expected
    told = [line for line in out.warnings if "messages (system) was changed" in line]
    assert len(told) == (1 if SKILLS in messages else 0)


def test_a_conversation_only_grows_at_its_end() -> None:
    """The server's prompt cache holds: a turn more changes nothing of what was sent before."""
    turns = [HI, SKILLS, ASSISTANT, RESULT, SKILLS, {"role": "assistant", "content": "42."}, HI, SKILLS]
    before: list[Any] = []
    for count in (2, 5, 8):
        now = said(sent(turns[:count], system="Be brief."))
        assert now[: len(before)] == before
        before = now


def test_openai_itself_gets_system_messages_where_they_are() -> None:
    """It is known to take them anywhere, as it knows developers."""
    body = {"model": "m", "max_tokens": 9, "messages": [HI, SKILLS]}
    out = translate_request(MESSAGES, body, "openai", STAMP, quirks=Quirks(developer_role=True))
    assert said(out) == [("user", "Hi."), ("system", "Two skills.")]


def test_anthropic_gets_other_clients_system_messages_in_turns() -> None:
    """Those at the start are its system prompt."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "developer", "content": "Be kind."}, HI, SKILLS]
    out = translate_request(CHAT, {"model": "m", "max_tokens": 9, "messages": messages}, "anthropic", STAMP)
    assert [block["text"] for block in out.body["system"]] == ["Be brief.", "Be kind."]
    (parts,) = [content for _, content in said(out)]
    assert [part["text"] for part in parts] == ["Hi.", REMINDER]


def test_pictures_of_neighbours_stay_with_their_texts() -> None:
    """Parts follow each other; Ollama's are a list of their own."""
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "This?"}, picture]}, SKILLS]
    (parts,) = [content for _, content in said(sent(messages))]
    assert [part.get("text", "picture") for part in parts] == ["This?", "picture", REMINDER]
    (message,) = sent(messages, "ollama").body["messages"]
    assert (message["content"], message["images"]) == (f"This?\n\n{REMINDER}", ["AAAA"])


def test_places_are_the_clients_own() -> None:
    """A part that cannot be said is named by its place in the request, though messages before it were moved."""
    document = {"role": "user", "content": [{"type": "document", "source": {}}]}
    with pytest.raises(ValueError, match=r"messages\[4\].content\[0\] \(document\)"):
        sent([HI, ASSISTANT, RESULT, SKILLS, document])


def test_the_note_for_the_bill_is_left_out() -> None:
    """It changes between conversations, in front of everything else: no prompt cache would ever hold."""
    system = [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1; cch=1;"},
        {"type": "text", "text": "A."},
    ]
    body = {"model": "m", "max_tokens": 9, "messages": [HI], "system": system}
    for quirks in (Quirks(), Quirks(developer_role=True)):
        out = translate_request(MESSAGES, body, "openai", STAMP, quirks=quirks)
        assert said(out) == [("system", "A."), ("user", "Hi.")]
        assert any("x-anthropic-billing-header was dropped" in line for line in out.warnings)


# ---- the functions themselves ------------------------------------------------------------------------------------


def turns(*messages: Message) -> list[tuple[str, str, str]]:
    notes = Notes("openai.chat", "openai")
    return [
        (item.role, item.text(), item.place) for item in in_turns(Request("openai.chat", "m", messages), notes).messages
    ]


def test_system_messages_at_the_start_stay_there() -> None:
    """All of them, developers too, with nothing to warn of; a request without messages is none."""
    start = (Message("system", (Text("a"),)), Message("developer", (Text("b"),)), Message("user", (Text("c"),)))
    notes = Notes("openai.chat", "openai")
    told = in_turns(Request("openai.chat", "m", start), notes)
    assert [(item.role, item.text()) for item in told.messages] == [("system", "a"), ("developer", "b"), ("user", "c")]
    assert notes.warnings == [] and turns() == []


def test_a_moved_message_keeps_its_place() -> None:
    """What is told of it later names where the client wrote it."""
    late, user = Message("system", (Text("s"),)), Message("user", (Text("u"),))
    assert turns(user, late) == [
        ("user", "u", "messages[0]"),
        ("user", "<system-reminder>\ns\n</system-reminder>", "messages[1]"),
    ]


def test_a_reminder_with_a_picture_is_a_turn_of_its_own() -> None:
    """A tool's result has a place for its text only."""
    result = Message("tool", (ToolResult("i", "f", (Text("42"),)),))
    late = Message("system", (Text("s"), Image("AA")))
    request = Request("openai.chat", "m", (Message("user", ()), result, late))
    *_, last = in_turns(request, Notes("openai.chat", "openai")).messages
    assert last.role == "user" and last.parts[1] == Image("AA")


def test_a_reminder_is_a_paragraph_of_the_results_last_text() -> None:
    """A result of pictures only gets a text before them."""
    late = Message("system", (Text("Two skills."),))
    for content, expected in (
        ((Text("a"), Text("b"), Image("AA")), (Text("a"), Text(f"b\n\n{REMINDER}"), Image("AA"))),
        ((Image("AA"),), (Text(REMINDER), Image("AA"))),
        ((), (Text(REMINDER),)),
    ):
        result = Message("tool", (ToolResult("i", "f", content),))
        request = Request("openai.chat", "m", (Message("assistant", (ToolCall("i", "f", ""),)), result, late))
        (part,) = in_turns(request, Notes("openai.chat", "openai")).messages[1].parts
        assert isinstance(part, ToolResult) and part.content == expected


def test_only_a_system_message_has_the_note_for_the_bill() -> None:
    """A user who writes the same words wrote them."""
    note = Text("x-anthropic-billing-header: cc_version=2.1;")
    notes = Notes("anthropic.messages", "openai")
    request = Request("anthropic.messages", "m", (Message("system", (note, Text("A."))), Message("user", (note,))))
    system, user = without_billing(request, notes).messages
    assert (system.parts, user.parts) == ((Text("A."),), (note,)) and len(notes.warnings) == 1
    longer = Request(
        "anthropic.messages", "m", (Message("system", (Text(f"{note.text}\nA."),)), Message("system", (note,)))
    )
    assert without_billing(longer, notes).messages == (Message("system", (Text("A."),)),)
    plain = Request("anthropic.messages", "m", (Message("system", (Text("A."),)),))
    assert without_billing(plain, Notes("anthropic.messages", "openai")) == plain


USER, PARTS = {"role": "user", "content": "a"}, {"role": "user", "content": [{"type": "text", "text": "b"}]}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param([], [], id="none"),
        pytest.param([USER, USER], [{"role": "user", "content": "a\n\na"}], id="texts-are-paragraphs"),
        pytest.param([USER, {"role": "user", "content": ""}], [USER], id="an-empty-one-adds-nothing"),
        pytest.param(
            [USER, PARTS],
            [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
            id="a-text-before-parts",
        ),
        pytest.param(
            [PARTS, {"role": "user", "content": None}], [{"role": "user", "content": PARTS["content"]}], id="null"
        ),
        pytest.param(
            [{**USER, "images": ["1"]}, USER, {**USER, "images": ["2"]}],
            [{"role": "user", "content": "a\n\na\n\na", "images": ["1", "2"]}],
            id="pictures-in-order",
        ),
        pytest.param(
            [{"role": "system", "content": "s"}, {"role": "system", "content": "t"}, USER],
            [{"role": "system", "content": "s\n\nt"}, USER],
            id="one-system-message",
        ),
        pytest.param(
            [{"role": "assistant", "content": "x"}] * 2,
            [{"role": "assistant", "content": "x"}] * 2,
            id="assistants-stay",
        ),
        pytest.param([{"role": "tool", "content": "x"}] * 2, [{"role": "tool", "content": "x"}] * 2, id="tools-stay"),
    ],
)
def test_neighbours_of_one_role_are_one_message(messages: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """System and user only; the messages given are not changed."""
    before = json.dumps(messages)
    assert merged(messages) == expected
    assert json.dumps(messages) == before


def test_results_of_parallel_calls_stand_together() -> None:
    """What a user said between two of them follows the last; what was said before them stays."""
    order = "u a t1 u1 t2 u2 a t3 u3"
    said = [{"role": {"u": "user", "a": "assistant", "t": "tool"}[word[0]], "content": word} for word in order.split()]
    assert " ".join(item["content"] for item in results_together(said)) == "u a t1 t2 u1 u2 a t3 u3"
