"""Families of models: what Mistral's and Gemini's want of a conversation with tools."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.dialects.neutral.form import Stamp
from switchman.addons.core.dialects.neutral.limits import Notes
from switchman.addons.core.dialects.openai.families import as_wanted
from switchman.addons.core.dialects.translate import translate_request
from switchman.addons.core.request.call import Endpoint

MESSAGES = Endpoint("anthropic", "chat", "/v1/messages")
STAMP = Stamp("x", 0.0, "m")
USE = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
HI = {"role": "user", "content": "Hi."}
SIGNED = {"extra_content": {"google": {"thought_signature": "skip_thought_signature_validator"}}}


def call(id: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}


def wanted(model: str, messages: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    notes = Notes("ollama.chat", "openai")
    return as_wanted(messages, model, notes), notes.warnings


CALLED = {"role": "assistant", "content": None, "tool_calls": [call("call_1"), call("abcDEF123")]}
RESULTS = [{"role": "tool", "tool_call_id": id, "content": "42"} for id in ("call_1", "abcDEF123")]


@pytest.mark.parametrize(
    "model",
    ["mistral-large", "Ministral-8B", "open-mixtral-8x7b", "magistral", "pixtral", "voxtral", "devstral", "codestral",
     "mistralai/leanstral"],
)  # fmt: skip
def test_every_model_of_mistrals_gets_short_ids(model: str) -> None:
    """Nine letters and digits; one that has them stays, and a call and its result keep the same one."""
    (said, *results), _ = wanted(model, [CALLED, *RESULTS])
    ids = [item["id"] for item in said["tool_calls"]]
    assert ids == [item["tool_call_id"] for item in results]
    assert ids[1] == "abcDEF123" and len(ids[0]) == 9 and ids[0].isalnum() and ids[0] != "call_1"


def test_a_lone_surrogate_in_an_id_is_no_obstacle() -> None:
    """Half an emoji has no UTF-8, and still gets an id."""
    (said,), _ = wanted("mistral", [{"role": "assistant", "tool_calls": [call("\ud83d")]}])
    assert len(said["tool_calls"][0]["id"]) == 9


def test_mistrals_assistant_speaks_between_a_result_and_a_user() -> None:
    """Only there, and with a warning."""
    talk, warnings = wanted("mistral", [CALLED, *RESULTS, HI, HI])
    assert [item["role"] for item in talk] == ["assistant", "tool", "tool", "assistant", "user", "user"]
    assert warnings == [
        "messages was changed for this model: no user speaks right after a tool's result; "
        "the assistant says OK in between"
    ]
    assert wanted("mistral", [HI, CALLED, *RESULTS])[1] == []


@pytest.mark.parametrize("model", ["gemini-3-pro", "models/gemini-3-flash", "gemini-flash-latest", "gemini-pro"])
def test_geminis_first_call_of_each_turn_says_that_it_is_unsigned(model: str) -> None:
    """Nothing else is added."""
    talk, warnings = wanted(model, [HI, CALLED, *RESULTS, CALLED])
    first, second = CALLED["tool_calls"]  # type: ignore[misc]
    signed = {**CALLED, "tool_calls": [{**first, **SIGNED}, second]}
    assert talk == [HI, signed, *RESULTS, signed] and warnings == []


@pytest.mark.parametrize("model", ["gpt-4o", "gemini-2.5-pro", "google/gemini-3-pro", "llama3", ""])
def test_other_models_get_the_messages_as_they_are(model: str) -> None:
    """Gemini before 3 wants no signature, and behind another vendor's name Google is not asked."""
    talk = [HI, CALLED, *RESULTS, HI]
    assert wanted(model, talk) == (talk, [])


def test_the_messages_themselves_are_not_changed() -> None:
    """The same conversation may go to another server next."""
    before = repr([CALLED, *RESULTS])
    wanted("mistral", [CALLED, *RESULTS])
    wanted("gemini-3", [CALLED, *RESULTS])
    assert repr([CALLED, *RESULTS]) == before


# ---- whole requests ----------------------------------------------------------------------------------------------


def test_mistral_gets_ids_and_turns_as_it_wants_them() -> None:
    """Its models refuse a call's id of another length, and a user right after a result (an interrupted call)."""
    asked = {"role": "assistant", "content": [{**USE, "id": "toolu_01A"}, {**USE, "id": "abcDEF123"}]}
    results = [{"type": "tool_result", "tool_use_id": id, "content": "42"} for id in ("toolu_01A", "abcDEF123")]
    messages = [HI, asked, {"role": "user", "content": [*results, {"type": "text", "text": "Stop."}]}]
    body = {"model": "x", "max_tokens": 9, "messages": messages}
    for model, roles in (
        ("mistral-large", ["tool", "tool", "assistant", "user"]),
        ("gpt-4o", ["tool", "tool", "user"]),
    ):
        out = translate_request(MESSAGES, body, "openai", STAMP, model)
        _, calls, *rest = out.body["messages"]
        assert [message["role"] for message in rest] == roles
        ids = [call["id"] for call in calls["tool_calls"]]
        assert ids == [message["tool_call_id"] for message in rest[:2]]
        assert ids[1] == "abcDEF123"
        assert (len(ids[0]) == 9 and ids[0].isalnum()) == (model == "mistral-large")
        assert any("right after a tool" in line for line in out.warnings) == (model == "mistral-large")


def test_gemini_is_told_that_a_calls_thought_is_unsigned() -> None:
    """It refuses a first call without a signature, for which no other dialect has a place; Google's own models only."""
    body = {
        "model": "x",
        "max_tokens": 9,
        "messages": [HI, {"role": "assistant", "content": [USE, {**USE, "id": "b"}]}],
    }
    for model, signed in (("gemini-3-pro-preview", [True, False]), ("google/gemini-3-pro", [False, False])):
        _, said, *_ = translate_request(MESSAGES, body, "openai", STAMP, model).body["messages"]
        assert ["extra_content" in call for call in said["tool_calls"]] == signed
