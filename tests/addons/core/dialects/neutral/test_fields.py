"""Careful reading: what has the expected type is taken, nothing of another type ever raises."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import strategies as st

from switchman.addons.core.dialects.neutral import fields
from switchman.addons.core.dialects.neutral.fields import (
    MOST_MARKS,
    arguments_object,
    arguments_text,
    count_of,
    epoch_of,
    is_count,
    is_number,
    is_object_list,
    is_text_list,
    object_of,
    objects_in,
    objects_of,
    present,
    text_of,
    without,
)
from switchman.addons.core.texts.largejson import WINDOWS

word = st.sampled_from(["alpha", "beta"])
text = st.text(alphabet='ab é😀\n\u2028{"', min_size=1, max_size=12)
arguments = st.one_of(st.just(""), st.dictionaries(word, st.integers() | text, max_size=2).map(json.dumps))


def objects_list(obj: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    return list(objects_of(obj, key))


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        pytest.param(text_of, "a", "a", id="text"),
        pytest.param(text_of, 5, "", id="text-a-number"),
        pytest.param(text_of, ["a"], "", id="text-a-list"),
        pytest.param(text_of, None, "", id="text-null"),
        pytest.param(object_of, {"a": 1}, {"a": 1}, id="object"),
        pytest.param(object_of, [{"a": 1}], {}, id="object-a-list"),
        pytest.param(object_of, "a", {}, id="object-a-text"),
        pytest.param(objects_list, [{"a": 1}, "b", None, {}], [{"a": 1}, {}], id="objects-among-others"),
        pytest.param(objects_list, {"a": 1}, [], id="objects-an-object"),
        pytest.param(objects_list, "ab", [], id="objects-a-text"),
        pytest.param(count_of, 0, 0, id="count-zero"),
        pytest.param(count_of, -3, -3, id="count-negative"),
        pytest.param(count_of, True, None, id="count-true"),
        pytest.param(count_of, 3.0, None, id="count-a-fraction"),
        pytest.param(count_of, "3", None, id="count-a-text"),
        pytest.param(epoch_of, 1_700_000_000, 1_700_000_000, id="epoch-whole"),
        pytest.param(epoch_of, 0.5, 0.5, id="epoch-fraction"),
        pytest.param(epoch_of, 1_700_000_000_000, None, id="epoch-milliseconds"),
        pytest.param(epoch_of, -1, None, id="epoch-before-1970"),
        pytest.param(epoch_of, float("nan"), None, id="epoch-not-a-number"),
        pytest.param(epoch_of, True, None, id="epoch-true"),
    ],
)
def test_a_member_is_read_if_it_has_the_type(read: Callable[..., Any], value: Any, expected: Any) -> None:
    """Of another type it is as if it were not there, and that it may be too."""
    found = read({"x": value}, "x")
    assert found == expected and type(found) is type(expected)
    absent = read({}, "x")
    assert absent in ("", {}, [], None)


def test_objects_are_read_from_a_list_only() -> None:
    """A tuple is never in JSON, and a number has no members."""
    assert list(objects_in([{}, 1])) == [{}] and list(objects_in(5)) == [] and list(objects_in(None)) == []


@pytest.mark.parametrize(
    ("check", "fitting", "others"),
    [
        pytest.param(is_number, [0, 1.5, -1], [True, "1", None], id="number"),
        pytest.param(is_count, [0, -1], [True, 1.0, "1", None], id="count"),
        pytest.param(is_text_list, [[], ["a"]], [["a", 1], "a", None, [["a"]]], id="texts"),
        pytest.param(is_object_list, [[], [{}]], [[{}, "a"], {}, None], id="objects"),
    ],
)
def test_a_check_tells_types_apart(check: Callable[[Any], bool], fitting: list[Any], others: list[Any]) -> None:
    """true is no number, a text is no list, and an empty list has no member of another type."""
    assert [check(value) for value in fitting] == [True] * len(fitting)
    assert [check(value) for value in others] == [False] * len(others)


def test_members_are_left_out_by_name_or_by_none() -> None:
    """false, 0 and "" say something; None does not."""
    assert without({"a": 1, "b": None, "c": 3}, "a", "d") == {"b": None, "c": 3}
    assert present(a=None, b=False, c=0, d="", e=[]) == {"b": False, "c": 0, "d": "", "e": []}


# ---- a tool call's arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param("", {}, id="nothing"),
        pytest.param(" \n", {}, id="blanks"),
        pytest.param('{"a": [1]}', {"a": [1]}, id="an-object"),
        pytest.param("[1]", {"raw_arguments": "[1]"}, id="a-list"),
        pytest.param("null", {"raw_arguments": "null"}, id="null"),
        pytest.param('"a"', {"raw_arguments": '"a"'}, id="a-quoted-text"),
        pytest.param('{"a": ', {"raw_arguments": '{"a": '}, id="cut-off"),
        pytest.param('{"a": 1} {"b": 2}', {"raw_arguments": '{"a": 1} {"b": 2}'}, id="two-objects"),
        pytest.param('{"a": "\\ud83d"}', {"a": "\ud83d"}, id="a-lone-surrogate"),
    ],
)
def test_arguments_are_an_object_whatever_the_model_wrote(written: str, expected: dict[str, Any]) -> None:
    """What is no JSON object is kept whole under `raw_arguments`."""
    assert arguments_object(written) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"a": "é", "b": [1, None]}, '{"a":"é","b":[1,null]}', id="an-object"),
        pytest.param(None, "{}", id="null"),
        pytest.param('{ "a" : 1 }', '{ "a" : 1 }', id="text-as-it-is"),
        pytest.param("", "", id="empty-text"),
        pytest.param([1], "[1]", id="a-list"),
    ],
)
def test_arguments_are_compact_text(value: Any, expected: str) -> None:
    """A text is the model's own, blanks and all; anything else is written as JSON."""
    assert arguments_text(value) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":NaN}', {"a": None}),
        ('{"a":[Infinity,-Infinity,1.5]}', {"a": [None, None, 1.5]}),
        ('{"a":1e999}', {"a": None}),
        ('{"a":"NaN"}', {"a": "NaN"}),
    ],
)
def test_numbers_that_json_does_not_have_are_null(text: str, value: Any) -> None:
    """Python's own encoder writes them, and no other decoder reads them."""
    assert arguments_object(text) == value
    assert json.loads(arguments_text(json.loads(text)), parse_constant=pytest.fail) == value


def test_many_values_in_a_text_are_read_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A JSON text within the body's JSON: the body's limit does not count what is in it."""
    decode, longest = fields._decode, 0

    def watched(text: str, at: int) -> tuple[Any, int]:
        nonlocal longest
        longest = max(longest, len(text) - at if text[at] in "{[" else 0)
        return decode(text, at)

    monkeypatch.setattr(fields, "_decode", watched)
    text = json.dumps({"a": [float("nan"), {}] * 40_000})
    assert arguments_object(text) == {"a": [None, {}] * 40_000}
    assert json.loads(arguments_text(json.loads(text))) == {"a": [None, {}] * 40_000}
    assert 0 < longest <= WINDOWS[-1]
    too_many = '{"a":[' + "1," * MOST_MARKS + "1]}"
    assert arguments_object(too_many) == {"raw_arguments": too_many}
