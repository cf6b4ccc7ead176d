"""Events separated by single line ends: each is one event, in any chunks, and leaves as its reader wants it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.streams.events import Event
from switchman.addons.core.streams.framing.singly import closed, has_single_end, is_whole, line_ends
from switchman.addons.core.streams.framing.sse import SSESplitter
from switchman.addons.testing import every_split

A, B = b'data: {"a": 1}', b'data:{"b": [2]}'
DONE = b"data: [DONE]"


def split(parts: list[bytes]) -> list[Event]:
    splitter = SSESplitter()
    return [*(event for part in parts for event in splitter.feed(part)), *splitter.end()]


def read(parts: list[bytes]) -> list[tuple[str, bytes]]:
    """Name and payload of each event that has one."""
    return [(event.name, event.payload) for event in split(parts) if event.payload is not None]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "without its last line end"])
def test_each_line_of_data_is_an_event(end: bytes, last: bool) -> None:
    """With and without a space behind the colon, and the last word; the client gets the blank lines that it wants."""
    stream = end.join([A, B, DONE]) + (end if last else b"")
    for parts in every_split(stream):
        found = split(list(parts))
        assert [event.payload for event in found] == [b'{"a": 1}', b'{"b": [2]}', b"[DONE]"]
        whole = b"".join(event.raw for event in found)
        assert whole.startswith(A + end * 2 + B + end * 2) and closed(whole) == whole


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_names_stay_with_their_data(end: bytes) -> None:
    """Anthropic's events have a name each."""
    stream = end.join([b"event: one", A, b"event: two", B]) + end
    for parts in every_split(stream):
        assert read(list(parts)) == [("one", b'{"a": 1}'), ("two", b'{"b": [2]}')]


def test_an_event_goes_out_when_the_next_begins_and_then_with_its_own_line_end() -> None:
    """Only the first has to wait: by then it is known how the server separates them."""
    splitter = SSESplitter()
    assert splitter.feed(A + b"\n") == []
    assert [event.payload for event in splitter.feed(B[:5])] == [b'{"a": 1}']
    assert [event.payload for event in splitter.feed(B[5:] + b"\n")] == [b'{"b": [2]}']


@pytest.mark.parametrize(
    "stream",
    [
        b'data: {"a":\ndata: 1}\n\n',
        b'data: {\ndata: "a": {}\ndata: }\n\n',
        b"data: one\ndata: two\n\n",
        b'data: 1\ndata: {"a": 1}\n\n',
        b'data: {"a": 1}\nevent: late\n\n',
        b'id: 1\ndata: {"a": 1}\nid: 2\nretry: 3\n\n',
    ],
)
def test_one_event_over_several_lines_stays_one(stream: bytes) -> None:
    """To the byte; a name or an id may follow its data."""
    for parts in every_split(stream):
        (event,) = split(list(parts))
        assert event.raw == stream


def test_an_object_over_several_lines_among_single_ones() -> None:
    """A blank line ends it."""
    stream = A + b"\n" + b'data: {"c":\ndata: 3}\n\n' + B + b"\n"
    for parts in every_split(stream):
        assert read(list(parts)) == [("", b'{"a": 1}'), ("", b'{"c":\n3}'), ("", b'{"b": [2]}')]


LINES = [A, B, DONE, b": c", b"", b"event: x", b"data: \xff", b'data: {"a":', b"data:1}", b"id: 3"]


@given(
    lines=st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=8),
    cuts=st.sets(st.integers(0, 90), max_size=6),
)
@settings(max_examples=300, deadline=None)
def test_any_lines_in_any_chunks(lines: list[tuple[bytes, bytes]], cuts: set[int]) -> None:
    """However the bytes are cut, the events are the same."""
    stream = b"".join(line + end for line, end in lines)
    marks = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    expected = [(event.raw, event.name, event.payload) for event in split([stream])]
    for parts in ([stream[a:b] for a, b in pairwise(marks)], [bytes([byte]) for byte in stream]):
        assert [(event.raw, event.name, event.payload) for event in split(parts)] == expected


@pytest.mark.parametrize(
    ("line", "whole"),
    [
        (A, True), (B, True), (DONE, True), (b"\xef\xbb\xbf" + A, True), (b'data: {"a": "\xff"}', True),
        (b"data: {", False), (b"data: {}}", False), (b"data: 1", False), (b"data", False), (b"id: {}", False),
        (b"data:" + b'{"a":' * 100_000 + b"}", False),
    ],
)  # fmt: skip
def test_a_whole_line_of_data(line: bytes, whole: bool) -> None:
    """A JSON object by itself, or the last word; nothing else ends an event."""
    assert is_whole(line) is whole


def test_where_a_single_line_end_ends_an_event() -> None:
    """Between the bounds that are asked about; the lines before `at` are not read again."""
    buffer = A + b"\n" + B + b"\n"
    assert has_single_end(buffer, 0, 0, len(buffer))
    assert not has_single_end(buffer, 0, 0, len(A) + 3)
    assert list(line_ends(buffer, 0)) == [len(A) + 1, len(buffer)]
    assert list(line_ends(buffer, 0, len(A) + 4)) == [len(buffer)]


def test_closing() -> None:
    """In the event's own line ends; what is closed or blank stays."""
    for raw, made in (
        (A, A + b"\n\n"),
        (A + b"\n", A + b"\n\n"),
        (A + b"\r\n", A + b"\r\n\r\n"),
        (A + b"\r", A + b"\r\r"),
    ):
        assert closed(raw) == made and closed(made) == made
    assert closed(b"\n") == b"\n" and closed(b"") == b""
