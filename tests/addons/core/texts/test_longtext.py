"""Long texts in steps: whatever a step cuts, the result is that of one call."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.texts import longtext
from switchman.addons.core.texts.longtext import decode_utf8, encode_utf8, read_string, write_string

TEXTS = st.text(st.sampled_from('ab"\\/\n\x7fé€😀')) | st.text()
decode = json.JSONDecoder().raw_decode


@pytest.fixture(autouse=True, params=[13, 16, 25])
def small_steps(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """So small that every kind of character and escape is cut by one."""
    monkeypatch.setattr(longtext, "STEP", request.param)


@settings(deadline=None)
@given(TEXTS, st.booleans(), st.text(max_size=3))
def test_a_string_is_read_as_json_reads_it(text: str, ascii: bool, rest: str) -> None:
    """With escapes, and where it ends."""
    written = json.dumps(text, ensure_ascii=ascii)
    assert read_string(f"xx{written}{rest}", 2, decode) == (text, 2 + len(written))


@settings(deadline=None)
@given(TEXTS, st.data())
def test_a_broken_string_is_refused_as_json_refuses_it(text: str, data: st.DataObject) -> None:
    """Cut off, or with a character that may not be there; with the same words."""
    written = json.dumps(text)
    at = data.draw(st.integers(1, len(written)))
    for broken in (
        written[:at],
        written[:at] + data.draw(st.sampled_from(["\n", "\\x", "\\u12", "\\"])) + written[at:],
    ):
        try:
            expected = decode(broken, 0)
        except json.JSONDecodeError as error:
            with pytest.raises(json.JSONDecodeError) as found:
                read_string(broken, 0, decode)
            assert found.value.msg.partition(" at")[0] == error.msg.partition(" at")[0]
        else:
            assert read_string(broken, 0, decode) == expected


@settings(deadline=None)
@given(TEXTS)
def test_a_string_is_written_as_json_reads_it(text: str) -> None:
    """In its own characters, or in escapes."""
    assert "".join(write_string(text, json.dumps)) == json.dumps(text)
    assert json.loads("".join(write_string(text, lambda value: json.dumps(value, ensure_ascii=False)))) == text


@settings(deadline=None)
@given(TEXTS)
def test_utf8_is_that_of_one_call(text: str) -> None:
    """Both ways."""
    assert encode_utf8(text) == text.encode() and decode_utf8(text.encode()) == text


@settings(deadline=None)
@given(st.binary(max_size=60) | TEXTS.map(lambda text: text.encode() + b"\xff" + text.encode()))
def test_what_is_no_utf8_is_told_by_its_byte(data: bytes) -> None:
    """Or replaced, as one call replaces it."""
    assert decode_utf8(data, "replace") == data.decode("utf-8", "replace")
    try:
        expected = data.decode()
    except UnicodeDecodeError as error:
        with pytest.raises(UnicodeDecodeError) as found:
            decode_utf8(data)
        assert (found.value.start, found.value.reason) == (error.start, error.reason)
    else:
        assert decode_utf8(data) == expected


def test_many_backslashes_are_told_apart() -> None:
    """Whether the last one begins an escape hangs on how many there are."""
    for count in range(60):
        text = "\\" * count + '"'
        written = json.dumps(text)
        assert read_string(written, 0, decode) == (text, len(written))


@pytest.mark.parametrize(("value", "text"), [("a", "a"), (7, "7"), (None, ""), ({"a": 1}, ""), ([], "")])
def test_a_word_is_a_text_or_a_number(value: object, text: str) -> None:
    """Nothing else is made one."""
    assert longtext.word(value) == text
