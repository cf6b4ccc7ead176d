"""Large JSON: counted before it is read, and read as json reads it, in short calls."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.texts import largejson
from switchman.addons.core.texts.largejson import RepeatedKey, count_values, encoded, loads, raw_decode, raw_decode_once

WINDOW = largejson.WINDOWS[-1]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """So small that every kind of value is cut by one."""
    monkeypatch.setattr(largejson, "WINDOWS", (3, 10))
    monkeypatch.setattr(largejson, "LARGE", 5)


def values_in(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(values_in, inner))


@settings(deadline=None)
@given(VALUES, st.sampled_from([None, 1]), st.booleans())
def test_it_reads_what_json_reads(value: Any, indent: int | None, ascii: bool) -> None:
    """Whatever a window cuts, the value is the same."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii)
    assert loads(f" {text}\n") == value
    assert raw_decode(f"xx{text}   more", 2) == (value, 2 + len(text))


@settings(deadline=None)
@given(VALUES, st.data())
def test_it_refuses_what_json_refuses(value: Any, data: st.DataObject) -> None:
    """A text that is cut, or has a wrong character in it, is as good or as broken for both."""
    text = json.dumps(value)
    at = data.draw(st.integers(0, len(text)))
    for broken in (text[:at], text[:at] + data.draw(st.sampled_from(list('{}[],:"\\x1'))) + text[at + 1 :]):
        try:
            expected = json.loads(broken)
        except ValueError:
            with pytest.raises(ValueError):
                loads(broken)
        else:
            assert loads(broken) == expected


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "[1" + "1" * 5000 + "]", "", "  ", "[1,]", '{"a":1,}']
)
def test_absurd_texts_are_errors(text: str) -> None:
    """Endless nesting and absurd numbers, whether a window cuts them or not."""
    with pytest.raises((ValueError, RecursionError)):
        loads(text)


@settings(deadline=None)
@given(VALUES)
def test_the_count_is_exact_where_it_matters(value: Any) -> None:
    """Marks within strings are not counted once the quick count is too high; keys never are."""
    body = json.dumps(value).encode()
    assert count_values(body, 0) >= 1
    quick = count_values(body, len(body) + 1)
    exact = largejson._count_outside_strings(body, len(body) + 1)
    # An empty container counts as one more.
    assert values_in(value) <= exact <= values_in(value) * 2
    assert quick >= exact


def test_the_count_stops_early() -> None:
    """It looks no further than it has to: a body of a million values is known to be too large after a few."""
    body = b"[" + b"{}," * 1_000_000 + b"{}]"
    assert 10 < count_values(body, 10) <= 10 + largejson._STEP


@pytest.mark.parametrize("text", ["a,b,[,{" * 1000, 'q"\\' * 1000, "\\" * 999, '\\"'])
def test_prose_is_one_value(text: str) -> None:
    """Commas, brackets, quotes and backslashes in a text do not count."""
    assert count_values(json.dumps({"k": text}).encode(), 5) == 2


def test_no_call_reads_more_than_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or one string: of a large text, nothing else is given to the decoder, which lets no other thread run."""
    monkeypatch.setattr(largejson, "WINDOWS", (1_000, 5_000))
    monkeypatch.setattr(largejson, "LARGE", 5_000)
    decode, longest = largejson._decode, 0

    def watched(text: str, at: int = 0) -> tuple[Any, int]:
        nonlocal longest
        if text[at] in "{[":
            longest = max(longest, len(text) - at)
        return decode(text, at)

    monkeypatch.setattr(largejson, "_decode", watched)
    value = {"a": {"b": [{"c": list(range(5_000))}] * 5}, "d": [{}] * 10_000, "e": "x" * 50_000}
    assert loads(json.dumps(value)) == value
    assert 0 < longest <= 5_000


@settings(deadline=None)
@given(VALUES, st.sampled_from([(",", ":"), (", ", ": ")]))
def test_it_writes_what_json_writes(value: Any, separators: tuple[str, str]) -> None:
    """Whatever falls into one portion."""
    encode = json.JSONEncoder(separators=separators).encode
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(largejson, "PORTION", 3)
        assert encoded(value, encode, separators[0]) == encode(value)


def test_no_call_writes_more_than_a_portion() -> None:
    """Wherever the many values are; a long text is one call."""
    longest = 0

    def watched(value: Any) -> str:
        nonlocal longest
        text = json.dumps(value)
        longest = max(longest, text.count(","))
        return text

    value = {"a": {"b": [{"c": list(range(50_000))}] * 2, "d": {str(n): n for n in range(50_000)}}, "e": "x" * 500_000}
    assert json.loads(encoded(value, watched, ", ")) == value
    assert 0 < longest <= largejson.PORTION


@pytest.mark.parametrize(
    "text", ["[1, 2, 3, 4, 5, ,6]", "[ ,1,2,3,4,5,6]", "[1,2,3,4,5,6,]", '{"a":1,"b":2,,"c":3}', "{,}"]
)
def test_a_run_is_no_laxer_than_json(text: str) -> None:
    """Commas without anything between them are errors, wherever a window ends."""
    with pytest.raises(ValueError):
        loads(text)


def test_a_repeated_key_is_found_across_runs() -> None:
    """The first time that a key comes again, as json's decoder with a hook finds it."""
    members = ",".join(f'"{letter}":1' for letter in "abcdefgha")
    with pytest.raises(RepeatedKey) as caught:
        raw_decode_once(f"{{{members}}}", 0)
    assert caught.value.key == "a"
    assert raw_decode_once(f"{{{members[:-6]}}}", 0)[0] == dict.fromkeys("abcdefgh", 1)


@pytest.mark.parametrize("member", ["-0.123456", "{}", '"a,b"', '{"a":[1,{"b":2}]}', "[[1],[2]]", '"x": -1'])
def test_many_small_members_are_few_calls(member: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies in one window is read at once: a million numbers one by one would take ten seconds."""
    monkeypatch.setattr(largejson, "WINDOWS", (1024, 64 * 1024))
    monkeypatch.setattr(largejson, "LARGE", 1024)
    decode, calls = largejson._decode, 0

    def counted(text: str, at: int = 0) -> tuple[Any, int]:
        nonlocal calls
        calls += 1
        return decode(text, at)

    monkeypatch.setattr(largejson, "_decode", counted)
    left, right = "{}" if ":" in member.partition("{")[0] else "[]"
    text = left + ",".join([member] * 50_000) + right
    assert loads(text) == json.loads(text)
    assert calls < 10 + 5 * len(text) / WINDOW


def test_a_deep_text_is_not_read_over_and_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each container that is larger than a window has the window read a few times, and the deep ones once."""
    monkeypatch.setattr(largejson, "WINDOWS", (1024, 64 * 1024))
    monkeypatch.setattr(largejson, "LARGE", 1024)
    decode, read = largejson._decode, 0

    def counted(text: str, at: int = 0) -> tuple[Any, int]:
        nonlocal read
        read += len(text) - at
        value, end = decode(text, at)
        read -= len(text) - end
        return value, end

    monkeypatch.setattr(largejson, "_decode", counted)
    depth = 95
    text = '[0,{"a":' * (depth // 2) + "[" + ",".join(["{}"] * 25_000) + "]" + "}]" * (depth // 2)
    assert loads(text) == json.loads(text)
    assert read < (8 * largejson.RUN_DEPTH + 1.5 * depth) * WINDOW
