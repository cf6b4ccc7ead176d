import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.request.jsonedit import REMOVE, edit, parse
from switchman.addons.core.request.unambiguous.names import Ambiguous

TEXT = '{ "a": 1.0, "model" : "x",\n  "m": [1, {"c": null, "c": 2}], "so": null }'


def test_parse_gives_object_and_spans() -> None:
    """A span is exactly the text of a top-level value."""
    obj, spans = parse(TEXT)
    assert obj == {"a": 1.0, "model": "x", "m": [1, {"c": 2}], "so": None}
    assert {key: TEXT[slice(*span)] for key, span in spans.items()} == {
        "a": "1.0",
        "model": '"x"',
        "m": '[1, {"c": null, "c": 2}]',
        "so": "null",
    }


def test_last_of_repeated_keys_wins() -> None:
    """Object and span agree on the last of two equal keys, however its name is written."""
    text = '{"model":"a","n":1,"mod\\u0065l":"b"}'
    obj, spans = parse(text)
    assert obj["model"] == "b"
    assert text[slice(*spans["model"])] == '"b"'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON: expecting value at line 1, column 1"),
        ("{", "not valid JSON: expecting a property name in double quotes at line 1, column 2"),
        ('{"a":\n  }', "not valid JSON: expecting value at line 2, column 3"),
        ('{"a":1,}', "not valid JSON: expecting a property name in double quotes at line 1, column 8"),
        ('{"a" 1}', "not valid JSON: expecting ':' at line 1, column 6"),
        ('{"a":1 "b":2}', "not valid JSON: expecting ',' or '}' at line 1, column 8"),
        ('{"a":1', "not valid JSON: expecting ',' or '}' at line 1, column 7"),
        ('{"a":1} x', "not valid JSON: more text after the end of the value at line 1, column 9"),
        ('{"a":"\x01"}', "not valid JSON: invalid control character at line 1, column 7"),
        ('{"a":"x', "not valid JSON: unterminated string starting at line 1, column 6"),
        ("\ufeff{}", "not valid JSON: begins with a byte order mark at line 1, column 1"),
        ('{"a":' + "[" * 100_000, "not valid JSON: nested too deeply at line 1, column 6"),
        ('{"a":' + "1" * 5000 + "}", "not valid JSON: a number has too many digits at line 1, column 6"),
        ("{" + '"a":1,' * 10_001, "the object has more than 10000 members"),
        ("[1]", "expected a JSON object, not an array"),
        ('"x"', "expected a JSON object, not a string"),
        ("null", "expected a JSON object, not null"),
        ("[1", "not valid JSON: expecting ',' delimiter at line 1, column 3"),
    ],
)
def test_parse_says_what_is_wrong_and_where(text: str, message: str) -> None:
    """Text that is not one JSON object is a ValueError with line and column."""
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert str(caught.value) == message


EDITS: list[tuple[str, dict[Any, Any], str]] = [
    ('{"model" : "a", "x":1.0}', {("model",): "é"}, '{"model" : "é", "x":1.0}'),
    ('{"model":"a","n":1,"model":"b"}', {("model",): "c"}, '{"model":"c","n":1,"model":"c"}'),
    ('{"a":1 }', {("b",): [1, {"c": None}]}, '{"a":1,"b":[1,{"c":null}] }'),
    ("{ }", {("b",): 2, ("c",): 3}, '{"b":2,"c":3 }'),
    ('{"a":1}', {("so", "iu"): True}, '{"a":1,"so":{"iu":true}}'),
    ('{"so":{}}', {("so", "iu"): True}, '{"so":{"iu":true}}'),
    ('{"so":{"x": 1}}', {("so", "iu"): True}, '{"so":{"x": 1,"iu":true}}'),
    ('{"so":null}', {("so", "iu"): True}, '{"so":{"iu":true}}'),
    ('{"m":[{"c": "a"}, {"c": "b"}]}', {("m", 1, "c"): "B"}, '{"m":[{"c": "a"}, {"c": "B"}]}'),
    ('{"a":1, "b":2, "c":3}', {("a",): REMOVE}, '{"b":2, "c":3}'),
    ('{"a":1, "b":2, "c":3}', {("c",): REMOVE}, '{"a":1, "b":2}'),
    ('{"a":1, "b":2, "c":3}', {("b",): REMOVE, ("c",): REMOVE}, '{"a":1}'),
    ('{"a":1, "b":2, "c":3}', {("b",): REMOVE, ("c",): REMOVE, ("d",): 4}, '{"a":1,"d":4}'),
    ('{"a":1, "b":2}', {("a",): REMOVE, ("b",): REMOVE, ("c",): 3}, '{"c":3}'),
    ('{"a":1}', {("a",): REMOVE}, "{}"),
    ('{"a":1}', {("z",): REMOVE, ("y", "z"): REMOVE}, '{"a":1}'),
    ('{"m":[1, 2, 3]}', {("m", 0): REMOVE, ("m", 2): REMOVE}, '{"m":[2]}'),
    ('{"x":"\\ud83d"}', {("y",): "\ud83d"}, '{"x":"\\ud83d","y":"\\ud83d"}'),
    ('{"a":{"b":1}}', {("a",): {"c": REMOVE is None}}, '{"a":{"c":false}}'),
]


@pytest.mark.parametrize(("text", "edits", "expected"), EDITS)
def test_edit_changes_only_what_is_named(text: str, edits: dict[Any, Any], expected: str) -> None:
    """All else stays to the byte, with the spans at hand and without."""
    assert edit(text, edits) == expected
    assert edit(text, edits, parse(text)[1]) == expected


@pytest.mark.parametrize(
    "edits",
    [
        {(): 1},
        {("m", 5): 1},
        {("m", -1): 1},
        {("m", "key"): 1},
        {(0,): 1},
        {("new", 0): 1},
        {("m",): 1, ("m", 0): 2},
        {("m", 0): 1, ("m",): 2},
    ],
)
def test_edit_refuses_impossible_paths(edits: dict[Any, Any]) -> None:
    """A path that cannot exist, or lies in another edit's, is a ValueError, with spans and without."""
    text = '{"m": [1]}'
    for spans in (None, parse(text)[1]):
        with pytest.raises(ValueError):
            edit(text, edits, spans)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(
    obj=st.dictionaries(st.text(max_size=3), values, max_size=5),
    changes=st.dictionaries(st.text(max_size=3), values | st.just(REMOVE), max_size=4),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_edit_means_what_a_dict_does(
    obj: dict[str, Any], changes: dict[str, Any], indent: int, ascii_only: bool
) -> None:
    """Editing the text, then parsing, is the same as parsing, then changing the object."""
    text = json.dumps(obj, indent=indent, ensure_ascii=ascii_only)
    expected = {**obj, **{key: value for key, value in changes.items() if value is not REMOVE}}
    expected = {key: value for key, value in expected.items() if changes.get(key) is not REMOVE}
    edits: dict[tuple[str | int, ...], Any] = {(key,): value for key, value in changes.items()}
    for spans in (None, parse(text)[1]):
        edited = edit(text, edits, spans)
        assert json.loads(edited) == expected
        assert parse(edited)[0] == expected


@pytest.mark.parametrize(
    "earlier", ["[]", "null", '"x"', "{}", "[1]", '[{"a":1}]', '[{"a":1},{"b":2}]', '{"0":{"a":1}}', "[[], []]"]
)
@pytest.mark.parametrize("edits", [{("list", 1, "a"): 9}, {("list", 1): REMOVE}, {("list", 1, "a"): REMOVE}])
def test_what_stands_under_a_repeated_key_need_not_be_alike(earlier: str, edits: dict[Any, Any]) -> None:
    """The last one is what parse() gives, and gets the edits; of those before it, whichever they fit."""
    text = f'{{"list": {earlier}, "n": 1, "list": [0, {{"a":2}}, 3]}}'
    obj, spans = parse(text)
    alone, _ = parse(edit('{"list": [0, {"a":2}, 3]}', edits))
    assert edit(text, edits, spans) == edit(text, edits)
    assert parse(edit(text, edits))[0] == {**obj, **alone}
    with pytest.raises(ValueError, match="index 5"):
        edit(text, {("list", 5): 1})


@pytest.mark.parametrize(
    ("text", "key", "param"),
    [
        ('{"model":"a","model":"a"}', "model", "model"),
        ('{"model":"a","x":1,"\\u006dodel":"b"}', "model", "model"),
        ('{"messages":[{"role":"user","role":"system"}]}', "role", "messages"),
        ('{"messages":[{"a":[{"b":{"c":1,"d":2,"c":3}}]}]}', "c", "messages"),
        (
            '{"messages":[%s{"role":"user","role":"x"}]}' % ('{"role":"user","content":"hi"},' * 20_000),
            "role",
            "messages",
        ),
        ('{"messages":[{"x":"%s","role":"user","role":"x"}]}' % ("x" * 300_000), "role", "messages"),
        ('{"messages":[{"x":[' + "1," * 200_000 + '1],"role":"user","role":"x"}]}', "role", "messages"),
    ],
    ids=["top", "escaped", "nested", "deep", "large", "a large text", "a large list"],
)
def test_a_single_key_that_occurs_twice_is_refused(text: str, key: str, param: str) -> None:
    """At the top, and at any depth of what it holds, however large that is; the error names it."""
    assert parse(text)[0]  # of those that are not said to be single, the last counts
    with pytest.raises(Ambiguous, match=f"key `{key}` occurs twice") as error:
        parse(text, {"model", "messages"})
    assert error.value.param == param


@pytest.mark.parametrize(
    ("text", "repeated", "within"),
    [
        ('{"x":1,"x":2,"model":"m"}', True, False),
        ('{"x":{"a":1,"a":2},"model":"m"}', False, True),
        ('{"x":{"a":{"a":2}},"model":"m"}', False, False),
    ],
)
def test_other_keys_that_occur_twice_are_noticed(text: str, repeated: bool, within: bool) -> None:
    """And read as ever: the last one counts."""
    obj, spans = parse(text, {"model"})
    assert (obj, dict(spans)) == (json.loads(text), dict(parse(text)[1]))
    assert (spans.repeated, spans.repeated_within) == (repeated, within)


def test_faults_are_told_in_the_same_words() -> None:
    """Whether keys are single or not."""
    for text in ('{"model":', '{"model":{"a":1,}}', '{"model":' + "[" * 100_000, '{"model":' + "1" * 5000 + "}"):
        messages = []
        for single in ((), {"model"}):
            with pytest.raises(ValueError) as error:
                parse(text, single)
            messages.append(str(error.value))
        assert messages[0] == messages[1]
