"""The knobs of a reply, as plain values."""

from __future__ import annotations

import json

import pytest

from switchman.addons.testing import Behaviour, ToolCall
from switchman.addons.testing.behaviour import Identity, cut_words, json_bytes, ndjson, sse


@pytest.mark.parametrize("text", ["", "a", " a  b\n", "<think>\nhm\n</think>\n\nHi", "   "])
def test_words_joined_are_the_text(text: str) -> None:
    """A stream's pieces lose nothing, blanks included."""
    assert "".join(cut_words(text)) == text


@pytest.mark.parametrize(
    ("how", "content"),
    [
        (Behaviour(), "Hello from up."),
        (Behaviour(text=""), ""),
        (Behaviour(text="Hi.", think="hm"), "<think>\nhm\n</think>\n\nHi."),
        (Behaviour(pieces=["a", "b"], think="not looked at", text="nor this"), "ab"),
        (Behaviour(text="ü", huge=5), "üxxx"),
        (Behaviour(text="longer", huge=3), "longer"),
    ],
)
def test_the_whole_content_is_its_pieces(how: Behaviour, content: str) -> None:
    """Verbatim pieces stand above all else; `huge` counts bytes, and cuts nothing."""
    assert how.content("up") == content
    assert "".join(how.content_pieces("up")) == content


def test_tool_calls_get_ids_by_their_position() -> None:
    """An id that is given stays."""
    how = Behaviour(tool_calls=[ToolCall("f"), ToolCall("g", {"a": 1}, "mine"), ToolCall("h")])
    assert [(call.id, call.name) for call in how.calls()] == [("call_0", "f"), ("mine", "g"), ("call_2", "h")]


def test_headers_may_be_pairs_or_a_mapping() -> None:
    """Only pairs can name one header twice."""
    twice = [("set-cookie", "a"), ("set-cookie", "b")]
    assert Behaviour(headers=twice).header_list == twice
    assert Behaviour(headers={"a": "b"}).header_list == [("a", "b")]
    assert Behaviour().header_list == []


@pytest.mark.parametrize(("model", "only_listed", "there"), [("a", True, True), ("b", True, False), ("b", False, True)])
def test_a_missing_model_is_missing_though_it_is_listed(model: str, only_listed: bool, there: bool) -> None:
    """Others are there, unless only those of the list are."""
    who = Identity("up", ("a", "gone"), only_listed, frozenset({"gone"}), None, False)
    assert who.has(model) is there
    assert not who.has("gone")


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_an_event_is_one_line_of_data_in_either_ending(ending: str) -> None:
    """UTF-8 goes out as it is; a str is no JSON string but the data itself."""
    assert sse({"a": "ü"}, "name", ending) == f'event: name{ending}data: {{"a":"ü"}}{ending}{ending}'.encode()
    assert sse("[DONE]", ending=ending) == f"data: [DONE]{ending}{ending}".encode()
    assert ndjson({"a": "x\ny"}, ending) == b'{"a":"x\\ny"}' + ending.encode()
    assert json.loads(json_bytes({"a": "ü"})) == {"a": "ü"}
