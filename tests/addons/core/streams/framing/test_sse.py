import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.streams.events import Event
from switchman.addons.core.streams.framing.sse import SSESplitter
from switchman.addons.testing import every_split

STREAM = (
    '\ufeffdata: {"n": 1, "text": "grüße 🚀"}\n\n'
    ": ping\n\n"
    'event: delta\ndata: {"n": 2}\nid: 7\n\n'
    'data: {"n":\ndata: 3}\n\n'
    "data:{}\n\n"
    "retry: 5\n\n"
    "data\n\n"
    "data: broken {\n\n"
    "data: [DONE]\n\n"
).encode()


def split(parts: list[bytes], limit: int = 1 << 20) -> list[Event]:
    splitter = SSESplitter(limit)
    return [event for part in parts for event in splitter.feed(part)] + splitter.end()


def seen(events: list[Event]) -> list[tuple[bytes, str, object, bool]]:
    return [(event.raw, event.name, event.data, event.is_done) for event in events]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_every_split_gives_the_same_events(line_end: bytes) -> None:
    """Cut anywhere, in a CRLF, a multi-byte character or a blank line: the events are the same, and no byte is lost."""
    stream = STREAM.replace(b"\n", line_end)
    whole = split([stream])
    assert b"".join(event.raw for event in whole) == stream
    assert [event.data for event in whole] == [
        {"n": 1, "text": "grüße 🚀"}, None, {"n": 2}, {"n": 3}, {}, None, None, None, None,
    ]  # fmt: skip
    assert [event.name for event in whole if event.name] == ["delta"]
    assert whole[-1].is_done
    for parts in every_split(stream):
        assert seen(split(parts)) == seen(whole)


@given(
    lines=st.lists(st.sampled_from([b"data: {}", b": c", b"", b"", b"event: x", b"data: \xff"]), max_size=8),
    ends=st.lists(st.sampled_from([b"\n", b"\r\n", b"\r"]), min_size=8, max_size=8),
    cuts=st.sets(st.integers(0, 60), max_size=6),
)
@settings(max_examples=100, deadline=None)
def test_mixed_line_ends_in_any_chunks(lines: list[bytes], ends: list[bytes], cuts: set[int]) -> None:
    """Line ends may change from line to line."""
    stream = b"".join(line + end for line, end in zip(lines, ends, strict=False))
    marks = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    parts = [stream[a:b] for a, b in pairwise(marks)]
    assert seen(split(parts)) == seen(split([stream]))
    assert seen(split([stream[i : i + 1] for i in range(len(stream))])) == seen(split([stream]))


def test_an_event_is_out_as_soon_as_its_blank_line_is() -> None:
    """No event waits for the one behind it."""
    for line_end in (b"\n", b"\r\n", b"\r"):
        event = b"data: {}" + line_end * 2
        assert [made.raw for made in SSESplitter().feed(event)] == [event]


def test_last_event_without_blank_line() -> None:
    """A stream that ends without a blank line still has its last event."""
    for tail in (b'data: {"n": 1}', b'data: {"n": 1}\n', b'data: {"n": 1}\r'):
        (event,) = split([b"data: {}\n\n" + tail])[1:]
        assert (event.raw, event.data) == (tail, {"n": 1})


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'data: {"a": 1}\n\n', b'data: {"b":"\xc3\xa9"}\n\n'),
        (b'data:{"a": 1}\r\n\r\n', b'data:{"b":"\xc3\xa9"}\r\n\r\n'),
        (b'data: {"a": 1}\r\r', b'data: {"b":"\xc3\xa9"}\r\r'),
        (b'event: x\nid: 1\ndata: {"a": 1}\n: c\n\n', b'event: x\nid: 1\ndata: {"b":"\xc3\xa9"}\n: c\n\n'),
        (b'data: {"a":\nid: 1\ndata: 1}\n\n', b'data: {"b":"\xc3\xa9"}\nid: 1\n\n'),
        (b'data: {"a":\ndata: 1}', b'data: {"b":"\xc3\xa9"}\n'),
        (b'\xef\xbb\xbfdata: {"a":\ndata: 1}\n\n', b'\xef\xbb\xbfdata: {"b":"\xc3\xa9"}\n\n'),
        (b'data: {"a": 1}', b'data: {"b":"\xc3\xa9"}'),
        (b'\xef\xbb\xbfdata: {"a": 1}\n\n', b'\xef\xbb\xbfdata: {"b":"\xc3\xa9"}\n\n'),
    ],
)
def test_a_changed_event_keeps_its_framing(raw: bytes, expected: bytes) -> None:
    """Only the data is written anew: line ends, names and other lines stay."""
    (event,) = split([raw])
    assert event.encode() == raw
    assert event.data == {"a": 1}
    event.data = {"b": "é"}
    event.dirty = True
    assert event.encode() == expected
    event.settle()
    assert (event.raw, event.data, event.dirty) == (expected, {"b": "é"}, False)
    assert event.like({"c": 1}).encode() == expected.replace(b'{"b":"\xc3\xa9"}', b'{"c":1}')


def test_restore_undoes_what_a_stage_did() -> None:
    """An event can be put back to where it was when it was last settled."""
    (event,) = split([b'data: {"a": 1}\n\n'])
    event.data["a"] = 2
    event.dirty = True
    event.restore()
    assert (event.data, event.encode()) == ({"a": 1}, b'data: {"a": 1}\n\n')


def test_half_an_emoji_can_be_written() -> None:
    """Models cut characters in two; a lone surrogate stays an escape."""
    (event,) = split([b'data: {"a": "\\ud83d"}\n\n'])
    event.data["b"] = 1
    event.dirty = True
    assert event.encode() == b'data: {"a":"\\ud83d","b":1}\n\n'


@pytest.mark.parametrize("payload", [b'{"a": \xff}', b"[" * 100_000, b'{"a": 1} x', b"1" * 5000])
def test_unreadable_data_is_none(payload: bytes) -> None:
    """A stray byte, endless nesting, text behind the value, absurd numbers: passed on, not parsed, no error."""
    (event,) = split([b"data: " + payload + b"\n\n"])
    assert (event.data, event.raw) == (None, b"data: " + payload + b"\n\n")


def test_an_oversized_event_passes_unread_in_bounded_memory() -> None:
    """Above the limit an event goes on in raw pieces; the events around it are read as ever."""
    splitter = SSESplitter(limit=10_000)
    parts = [b'data: {"n": 1}\n\ndata: "', *[b"x" * 1000] * 20_000, b'"\n\ndata: {"n": 2}\n\n']
    tracemalloc.start()
    lengths, found = 0, []
    for part in parts:
        for event in splitter.feed(part):
            lengths += len(event.raw)
            found += [event.data] if event.data else []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [{"n": 1}, {"n": 2}]
    assert lengths == sum(map(len, parts))
    assert peak < 200_000


def test_the_limit_does_not_depend_on_the_split() -> None:
    """An event is read or not by its size alone."""
    stream = b'data: {"n": 1}\n\ndata: {"n": 123456}\r\n\r\ndata: {"n": 2}\n\n'
    for parts in every_split(stream):
        events = split(parts, limit=17)
        assert b"".join(event.raw for event in events) == stream
        assert [event.data for event in events if event.data] == [{"n": 1}, {"n": 2}]
