"""Calls: each call by itself, with its name, however its server sends it in pieces."""

from __future__ import annotations

import json
import time
from collections.abc import Hashable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.streams.calls import Calls, ObjectScan, objects_apart

Sent = tuple[Hashable, str, str, str]  # index, id, name, arguments
OSLO, ROME = '{"city":"Oslo"}', '{"city":"Rome {}, \\"} {\\""}'
TOOLS = ("get", "get_weather", "set_weather", "tell")


def read(*pieces: Sent, offered: tuple[str, ...] = TOOLS) -> list[tuple[str, str, str]]:
    """Id, name and arguments of each call, in order; the name has to be whole in the first piece of each."""
    calls = Calls(offered)
    out = [item for piece in pieces for item in calls.feed(*piece)]
    out += calls.settle()
    found: list[list[str]] = []
    for item in out:
        if item.number < 0:
            assert item.name == ""
            found.append([item.id, "", item.arguments])
        elif item.name:
            assert item.number == sum(bool(call[1]) for call in found), "calls are numbered as they go out"
            found.append([item.id, item.name, item.arguments])
        else:
            named = [call for call in found if call[1]]
            named[item.number][2] += item.arguments
    return [(id, name, arguments) for id, name, arguments in found]


WHOLE = [("a", "get_weather", OSLO), ("b", "tell", ROME)]
BARE = [("", name, arguments) for _, name, arguments in WHOLE]


@pytest.mark.parametrize("offered", [TOOLS, ()], ids=["tools-known", "tools-unknown"])
@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        pytest.param([(0, "a", "get_weather", OSLO), (1, "b", "tell", ROME)], WHOLE, id="as-it-should-be"),
        pytest.param([(0, "a", "get_weather", OSLO), (0, "b", "tell", ROME)], WHOLE, id="index-always-0"),
        pytest.param([(None, "a", "get_weather", OSLO), (None, "b", "tell", ROME)], WHOLE, id="no-index"),
        pytest.param([(0, "", "get_weather", OSLO), (0, "", "tell", ROME)], BARE, id="index-0-and-no-id"),
        pytest.param([(None, "", "get_weather", OSLO), (None, "", "tell", ROME)], BARE, id="neither"),
        pytest.param(
            [(0, "", "tell", OSLO), (0, "", "tell", ROME)], [("", "tell", OSLO), ("", "tell", ROME)], id="same-name"
        ),
        pytest.param(
            [(0, "", "tell", "{}"), (0, "", "tell", "{}")], [("", "tell", "{}")] * 2, id="twice-without-arguments"
        ),
        pytest.param([(0, "", "tell", "{}"), (0, "", "", "{}")], [("", "tell", "{}")] * 2, id="the-name-only-once"),
        pytest.param(
            [(0, "x", "tell", OSLO), (0, "x", "tell", ROME)],
            [("x", "tell", OSLO), ("", "tell", ROME)],
            id="the-same-id",
        ),
        pytest.param([(0, "", "tell", OSLO + ROME)], [("", "tell", OSLO), ("", "tell", ROME)], id="both-in-one-piece"),
        pytest.param(
            [(0, "a", "tell", OSLO + "\n"), (0, "", "tell", " " + ROME)],
            [("a", "tell", OSLO + "\n"), ("", "tell", " " + ROME)],
            id="blanks-between",
        ),
        pytest.param(
            [(0, "", "tell", OSLO), (0, "", "set_weather", ""), (0, "", "", ROME)],
            [("", "tell", OSLO), ("", "set_weather", ROME)],
            id="name-then-arguments",
        ),
        pytest.param(
            [(0, "a", "tell", OSLO), (0, "b", "", ""), (0, "", "set_weather", ROME)],
            [("a", "tell", OSLO), ("b", "set_weather", ROME)],
            id="id-then-name",
        ),
        pytest.param(
            [(0, "", "tell", ""), (0, "", "set_weather", "")],
            [("", "tell", ""), ("", "set_weather", "")],
            id="names-alone",
        ),
        pytest.param(
            [(0, "", "tell", '{"a"'), (0, "", "tell", ":"), (0, "", "tell", "1}"), (0, "", "tell", "")],
            [("", "tell", '{"a":1}')],
            id="name-in-each-piece",
        ),
        pytest.param(
            [(0, "r1", "tell", '{"a"'), (0, "r2", "tell", ":"), (0, "r3", "tell", "1}")],
            [("r1", "tell", '{"a":1}')],
            id="another-id-in-each-piece",
        ),
        pytest.param(
            [
                (None, "", "tell", '{"a"'),
                (None, "", "tell", ":1}"),
                (None, "", "tell", ""),
                (None, "", "tell", '{"b"'),
                (None, "", "tell", ":2}"),
            ],
            [("", "tell", '{"a":1}'), ("", "tell", '{"b":2}')],
            id="name-in-each-piece-of-two",
        ),
        pytest.param(
            [
                (0, "a", "tell", ""),
                (1, "b", "get_weather", ""),
                (0, "a", "", '{"a"'),
                (1, "b", "", '{"b"'),
                (0, "a", "", ":1}"),
                (1, "b", "", ":2}"),
            ],
            [("a", "tell", '{"a":1}'), ("b", "get_weather", '{"b":2}')],
            id="mixed",
        ),
        pytest.param(
            [
                (0, "a", "tell", ""),
                (0, "b", "get_weather", ""),
                (0, "a", "", '{"a"'),
                (0, "b", "", '{"b"'),
                (0, "a", "", ":1}"),
                (0, "b", "", ":2}"),
            ],
            [("a", "tell", '{"a":1}'), ("b", "get_weather", '{"b":2}')],
            id="mixed-by-id-alone",
        ),
        pytest.param(
            [
                (None, "a", "tell", ""),
                (None, "b", "get_weather", ""),
                (None, "a", "", '{"a":1}'),
                (None, "b", "", '{"b":2}'),
            ],
            [("a", "tell", '{"a":1}'), ("b", "get_weather", '{"b":2}')],
            id="mixed-without-an-index",
        ),
        pytest.param(
            [(0, "a", "", ""), (0, "", "tell", ""), (0, "", "", OSLO)], [("a", "tell", OSLO)], id="name-after-id"
        ),
        pytest.param([(0, "a", "", OSLO), (0, "", "tell", "")], [("a", "tell", OSLO)], id="name-after-arguments"),
        pytest.param(
            [(0, "a", "", OSLO), (1, "b", "tell", ROME), (0, "", "get_weather", "")],
            [("a", "get_weather", OSLO), ("b", "tell", ROME)],
            id="name-after-another-call",
        ),
        pytest.param(
            [(0, "a", "get_", ""), (0, "", "weather", ""), (0, "", "", OSLO)],
            [("a", "get_weather", OSLO)],
            id="name-in-pieces",
        ),
        pytest.param(
            [(0, "a", "get_", ""), (0, "a", "get_weather", ""), (0, "", "", OSLO)],
            [("a", "get_weather", OSLO)],
            id="more-of-the-name-each-time",
        ),
        pytest.param(
            [(0, "a", "tell", ""), (1, "b", "get_weather", OSLO)],
            [("a", "tell", ""), ("b", "get_weather", OSLO)],
            id="one-without-arguments",
        ),
        pytest.param([(0, "", "tell", ""), (0, "a", "", OSLO)], [("a", "tell", OSLO)], id="id-after-name"),
        pytest.param(
            [(0, "a", "tell", "not {json"), (0, "", "", "} at all")], [("a", "tell", "not {json} at all")], id="no-json"
        ),
        pytest.param([(0, "a", "", OSLO)], [("a", "", OSLO)], id="never-a-name"),
        pytest.param(
            [(0, "a", "", OSLO), (0, "b", "", ROME)], [("a", "", OSLO), ("b", "", ROME)], id="never-two-names"
        ),
        pytest.param([(0, "a", "", "")], [], id="nothing-but-an-id"),
    ],
)
def test_calls_are_told_apart(pieces: list[Sent], calls: list[tuple[str, str, str]], offered: tuple[str, ...]) -> None:
    """By id and index where they are right, else by a new name, or by an object that follows a whole one."""
    assert read(*pieces, offered=offered) == calls


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        pytest.param(
            [(0, "", "get_", ""), (0, "", "weather", ""), (0, "", "", OSLO)], [("", "get_weather", OSLO)], id="no-id"
        ),
        pytest.param(
            [(0, "a", "get", ""), (0, "a", "_weather", OSLO)], [("a", "get_weather", OSLO)], id="a-tool-by-itself"
        ),
        pytest.param([(0, "a", "get", ""), (0, "", "tell", "")], [("a", "get", ""), ("", "tell", "")], id="two-tools"),
        pytest.param(
            [(0, "a", "", OSLO), (0, "", "get_", ""), (0, "", "weather", "")],
            [("a", "get_weather", OSLO)],
            id="behind-the-arguments",
        ),
        pytest.param(
            [(0, "a", "get_", '{"city"'), (0, "", "weather", ':"Oslo"}')],
            [("a", "get_weather", OSLO)],
            id="beside-the-arguments",
        ),
    ],
)
def test_the_tools_that_were_offered_tell_whether_a_name_is_whole(
    pieces: list[Sent], calls: list[tuple[str, str, str]]
) -> None:
    """A piece that only begins one of them is held, and goes on where that gives one of them."""
    assert read(*pieces) == calls


@pytest.mark.parametrize("index", [0, None])
@pytest.mark.parametrize("repeats", [False, True], ids=["name-once", "name-in-each-piece"])
def test_arguments_may_be_cut_anywhere(index: int | None, repeats: bool) -> None:
    """Two calls of one tool, without ids: the pieces of each find their own, whatever is in their strings."""
    for cut in range(1, len(ROME)):
        pieces: list[Sent] = []
        for text in (ROME, OSLO):
            pieces.append((index, "", "tell", text[:cut]))
            if text[cut:]:
                pieces.append((index, "", "tell" if repeats else "", text[cut:]))
        assert read(*pieces) == [("", "tell", ROME), ("", "tell", OSLO)], cut


def test_a_name_that_can_only_be_whole_goes_out_at_once() -> None:
    """The client sees which tool is called before the arguments are there; arguments then go out as they come."""
    calls = Calls(TOOLS)
    assert [piece.name for piece in calls.feed(0, "a", "tell", "")] == ["tell"]
    assert [piece.arguments for piece in calls.feed(0, "", "", '{"a"')] == ['{"a"']
    assert calls.feed(1, "b", "get", "") == []  # it may become get_weather
    assert [piece.name for piece in calls.feed(1, "", "", "{")] == ["get"]
    assert len(calls) == 2


def test_formats_with_whole_names_need_no_arguments() -> None:
    """A block that begins says its name; its end may say once more what it was."""
    calls = Calls()
    assert [piece.name for piece in calls.begin(3, "a", "tell")] == ["tell"]
    assert calls.begin(4, "b", "") == []
    assert calls.feed(4, "", "", OSLO) == []
    assert [(p.number, p.name, p.arguments) for p in calls.complete(4, "b", "get", OSLO)] == [(1, "get", OSLO)]
    assert [p.arguments for p in calls.complete(3, "a", "tell", ROME)] == [ROME]
    assert calls.settle() == []


def test_many_calls_are_read_in_time() -> None:
    """A hostile server: a hundred thousand in one piece, behind one that never gets a name."""
    began = time.perf_counter()
    calls = Calls(TOOLS)
    calls.feed(0, "a", "", "{")
    calls.feed(1, "b", "tell", "{}" * 100_000)
    assert len(calls.settle()) == 100_001
    assert time.perf_counter() - began < 20  # measured: 0.4 s; quadratic it would be minutes


@given(
    st.lists(st.dictionaries(st.text(max_size=4), st.text(alphabet='{}[]"\\ a', max_size=6), max_size=3), min_size=1)
)
@settings(max_examples=50, deadline=None)
def test_objects_are_taken_apart_again(objects: list[dict[str, str]]) -> None:
    """What was joined comes apart where it was joined, and not one character is lost."""
    texts = [json.dumps(value) for value in objects]
    assert objects_apart("".join(texts)) == texts


@pytest.mark.parametrize("text", ["", "{", "words", '{"a":1} ', '"{}{"', "[{},{}]"])
def test_what_is_one_stays_one(text: str) -> None:
    """An unfinished object, an array, a string, blanks at the end."""
    assert objects_apart(text) == [text]


word = st.sampled_from(["alpha", "beta"])
text = st.text(alphabet='ab é😀\n\u2028{"', min_size=1, max_size=12)
arguments = st.one_of(st.just(""), st.dictionaries(word, st.integers() | text, max_size=2).map(json.dumps))


@given(pieces=st.lists(st.text(alphabet='{}[]"\\\\a ', min_size=1, max_size=6), max_size=6), value=arguments)
@settings(max_examples=100, deadline=None)
def test_an_object_in_pieces_is_whole_at_its_last_brace(pieces: list[str], value: str) -> None:
    """Braces, quotes and backslashes within its strings end nothing, wherever it is cut."""
    text = json.dumps({"a": pieces, "b": {"c": value}})
    for cut in range(len(text)):
        scan = ObjectScan()
        scan.feed(text[:cut])
        assert not scan.whole
        scan.feed(text[cut:])
        assert scan.whole
    scan = ObjectScan()
    assert [(scan.feed(sign), scan.whole)[1] for sign in text] == [False] * (len(text) - 1) + [True]


@pytest.mark.parametrize(
    "written",
    [pytest.param("", id="nothing"), pytest.param('{"a":"}', id="quoted-brace"), pytest.param("a b", id="words")],
)
def test_what_is_no_whole_object_is_not_whole(written: str) -> None:
    """A brace within a string closes nothing, and a word opens nothing."""
    scan = ObjectScan()
    scan.feed(written)
    assert not scan.whole


def test_a_backslash_at_the_end_of_a_piece_escapes_the_next_one() -> None:
    """The quote that follows it in another piece does not end the string."""
    scan = ObjectScan()
    for piece in ('{"a":"\\', "", '"}', '"'):
        scan.feed(piece)
        assert not scan.whole
    scan.feed("}")
    assert scan.whole
