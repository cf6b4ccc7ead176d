"""An event and its bytes: read when asked, written anew only when changed; and what every splitter promises."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from switchman.addons.core.streams import events
from switchman.addons.core.streams.events import BOM, MOST_VALUES, Event, Splitter
from switchman.addons.core.streams.framing.ndjson import NDJSONSplitter
from switchman.addons.core.streams.framing.sse import SSESplitter


def sse(raw: bytes) -> Event:
    (event,) = SSESplitter().feed(raw)
    return event


def plain(payload: bytes) -> Event:
    return Event(payload + b"\n", "", payload, 0)


# ---- reading ------------------------------------------------------------------------------------------------------


def test_an_event_of_very_many_values_is_not_read() -> None:
    """It passes as it is; one of as many bytes in one text is read."""
    for filling in ("[]", '{"a":{}}', "0"):
        payload = f"[{filling}{f',{filling}' * MOST_VALUES}]".encode()
        event = sse(b"data: " + payload + b"\n\n")
        assert event.data is None and event.encode() == event.raw == b"data: " + payload + b"\n\n"
    assert len(sse(b"data: [1" + b",1" * (MOST_VALUES - 2) + b"]\n\n").data) == MOST_VALUES - 1
    assert plain(b'"' + b"[,{" * MOST_VALUES + b'"').data == "[,{" * MOST_VALUES


@pytest.mark.parametrize(
    ("payload", "data"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b' \t\r\n[1]\r\n ', [1]),
        (b"null", None),
        (b"0", 0),
        (b'"\\ud800"', "\ud800"),
        (b"[DONE]", None),
        (b"{} {}", None),
        (b"{", None),
        (b"", None),
        (b" ", None),
        (b"\xff", None),
        (b"\xef\xbb\xbf{}", None),
        (b"[" * 100_000, None),
        (b"9" * 5_000, None),
        (b"NaN1", None),
    ],
)  # fmt: skip
def test_data_is_the_payload_as_json_or_none(payload: bytes, data: object) -> None:
    """One value with blanks around it; what is broken, nested too deep or too long a number is None."""
    assert plain(payload).data == data


def test_data_is_parsed_once_and_read_gives_a_copy() -> None:
    """Stages share one object; read() shares nothing with it."""
    event = plain(b'{"a": [1]}')
    assert event.data is event.data
    copy = event.read()
    copy["a"].append(2)
    assert event.data == {"a": [1]}


def test_an_event_without_payload_has_no_data() -> None:
    """A comment, a blank line or a raw piece."""
    event = Event(b": ping\n\n")
    assert (event.data, event.read(), event.is_done, event.encode()) == (None, None, False, b": ping\n\n")


@pytest.mark.parametrize(
    ("payload", "done"),
    [(b"[DONE]", True), (b" [DONE]\r", True), (b"[done]", False), (b'"[DONE]"', False), (b"[DONE] ", True)],
)
def test_the_end_of_an_openai_stream(payload: bytes, done: bool) -> None:
    """[DONE] in capitals, with or without blanks, and not as JSON's string."""
    assert plain(payload).is_done is done


# ---- writing ------------------------------------------------------------------------------------------------------


def test_only_a_dirty_event_is_written_anew() -> None:
    """A change that no stage announced stays unsent: the bytes are those that came."""
    event = sse(b'event: x\ndata: {"a":  1}\n\n')
    event.data["a"] = 2
    assert event.encode() == b'event: x\ndata: {"a":  1}\n\n'
    event.dirty = True
    assert event.encode() == b'event: x\ndata: {"a":2}\n\n'
    assert "dirty" in repr(event)


def test_data_may_be_replaced_whole() -> None:
    """By another value, in the same frame."""
    event = sse(b"data: {}\r\n\r\n")
    event.data, event.dirty = [1, "é"], True
    assert event.encode() == b"data: " + '[1,"é"]'.encode() + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"data: {\ndata: }\n\n", b"data: []\n\n"),
        (b"id: 1\ndata: {\r\nretry: 2\r\ndata: }\r\n\r\n", b"id: 1\ndata: []\r\nretry: 2\r\n\r\n"),
        (BOM + b"data: {\ndata: }\n\n", BOM + b"data: []\n\n"),
        (b"data:{\rdata\rdata:}\r\r", b"data: []\r\r"),
        (b"database: 1\ndata: {\ndata: }\n\n", b"database: 1\ndata: []\n\n"),
    ],
)  # fmt: skip
def test_data_on_several_lines_becomes_one_line(raw: bytes, expected: bytes) -> None:
    """In the place and with the line end of the first; all other lines stay."""
    event = sse(raw)
    assert event.rewrite(b"[]") == expected
    event.set_payload(b"[]")
    assert (event.raw, event.payload, event.data) == (expected, b"[]", [])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'id: {"a": 1}\ndata: {\ndata: }\n\n', b'id: {"a": 1}\ndata: {"a": 1}\n\n'),
        (b'event: xdata: {"a": 1}\ndata: {\ndata: }\n\n', b'event: xdata: {"a": 1}\ndata: {"a": 1}\n\n'),
        (BOM + b': {"a": 1}\r\ndata: {\r\ndata: }\r\n\r\n', BOM + b': {"a": 1}\r\ndata: {"a": 1}\r\n\r\n'),
        (BOM + b"data: {\ndata: }\n\n", BOM + b'data: {"a": 1}\n\n'),
    ],
)
def test_a_payload_is_found_in_its_own_line(raw: bytes, expected: bytes) -> None:
    """Though another line before it holds the same text: the next change goes where the payload is."""
    event = sse(raw)
    event.set_payload(b'{"a": 1}')
    assert (event.raw, event.raw[event.at : event.at + 8]) == (expected, b'{"a": 1}')
    event.set_payload(b"[2]")
    assert event.raw == expected.replace(b'data: {"a": 1}', b"data: [2]").replace(b"xdata: [2]", b'xdata: {"a": 1}')


def test_settle_makes_changes_the_state_to_come_back_to() -> None:
    """restore() undoes what came after, and not what was settled; the data is still the same object."""
    event = sse(b'data: {"a": 1}\n\n')
    data = event.data
    data["a"] = 2
    event.dirty = True
    event.settle()
    assert event.data is data
    assert (event.dirty, event.raw) == (False, b'data: {"a":2}\n\n')
    data["a"] = 3
    event.dirty = True
    event.restore()
    assert (event.data, event.encode()) == ({"a": 2}, b'data: {"a":2}\n\n')


def test_restore_brings_the_very_bytes_back() -> None:
    """Blanks included: the event is not written anew any more."""
    event = sse(b'data: {"a":  1}\n\n')
    event.data["a"] = 2
    event.dirty = True
    event.restore()
    assert (event.dirty, event.encode()) == (False, b'data: {"a":  1}\n\n')


@pytest.mark.parametrize("payload", [b"[]", b'{"longer": [1, 2, 3]}'])
def test_a_payload_at_the_very_beginning(payload: bytes) -> None:
    """As of a line of NDJSON, whose event is nothing else."""
    event = plain(b'{"a": 1}')
    event.set_payload(payload)
    assert (event.raw, event.at) == (payload + b"\n", 0)


def test_settling_an_unchanged_event_changes_nothing() -> None:
    """Its bytes stay as they came, blanks and all."""
    event = sse(b'data:  {"a" : 1}\n\n')
    assert event.data == {"a": 1}
    event.settle()
    assert event.encode() == b'data:  {"a" : 1}\n\n'


def test_a_new_payload_is_read_anew() -> None:
    """Longer or shorter ones, one after the other, each in the place of the last."""
    event = sse(b'event: x\ndata: {"a": 1}\n\n')
    assert event.data == {"a": 1}
    for payload in (b'{"longer": [1, 2, 3]}', b"{}", b'{"b":2}'):
        event.set_payload(payload)
        assert event.encode() == b"event: x\ndata: " + payload + b"\n\n"
        assert event.data == event.read()


def test_like_makes_another_event_and_leaves_this_one() -> None:
    """The same name, the same framing, other data; neither is dirty."""
    event = sse(b'event: delta\r\ndata: {"a": 1}\r\n\r\n')
    other = event.like({"b": "ü"})
    assert other.encode() == b"event: delta\r\ndata: " + '{"b":"ü"}'.encode() + b"\r\n\r\n"
    assert (other.name, other.data, other.dirty) == ("delta", {"b": "ü"}, False)
    assert event.encode() == b'event: delta\r\ndata: {"a": 1}\r\n\r\n'


# ---- splitting ----------------------------------------------------------------------------------------------------


class Bars(Splitter):
    """Events that end with two bars."""

    overlap = 1

    def ends(self, buffer: bytes | bytearray, at: int) -> Iterator[int]:
        found = buffer.find(b"||", at)
        while found >= 0:
            yield found + 2
            found = buffer.find(b"||", found + 2)

    def event(self, raw: bytes) -> Event:
        return Event(raw, "read", raw.removesuffix(b"||"), 0)


def fed(splitter: Splitter, *parts: bytes) -> list[bytes]:
    return [event.raw for part in parts for event in splitter.feed(part)]


def test_a_boundary_may_be_cut_in_two() -> None:
    """The event is out with the boundary's last byte, and the rest waits."""
    bars = Bars()
    assert fed(bars, b"one|") == []
    assert fed(bars, b"|two||th") == [b"one||", b"two||"]
    assert fed(bars, b"") == []
    assert [event.raw for event in bars.end()] == [b"th"]
    assert bars.end() == []


@pytest.mark.parametrize(("size", "read"), [(10, True), (11, False)])
def test_the_limit_is_the_largest_event_that_is_read(size: int, read: bool) -> None:
    """Boundary included, and also where the event comes whole in one chunk, or last."""
    raw = b"x" * (size - 2) + b"||"
    (event,) = Bars(10).feed(raw)
    assert (event.raw, event.name == "read") == (raw, read)


def test_an_event_above_the_limit_is_passed_on_in_pieces() -> None:
    """Unread, what may be half a boundary held back; the next event is read again."""
    bars = Bars(10)
    assert fed(bars, b"x" * 10) == []
    assert not bars.in_pieces
    assert fed(bars, b"y|") == [b"x" * 10 + b"y"]
    assert bars.in_pieces
    assert fed(bars, b"") == []
    assert fed(bars, b"|ok||") == [b"||", b"ok||"]
    assert not bars.in_pieces
    assert [event.name for event in bars.feed(b"ok||")] == ["read"]


def test_the_end_of_an_event_in_pieces() -> None:
    """What is left comes out raw, and the splitter is whole again."""
    bars = Bars(4)
    assert fed(bars, b"x" * 9) == [b"x" * 8]
    (last,) = bars.end()
    assert (last.raw, last.payload, bars.in_pieces) == (b"x", None, False)


@given(st.lists(st.sampled_from([b"|", b"||", b"a", b"bcdefgh", b"ijk|"]), max_size=20), st.integers(1, 12))
def test_no_byte_is_lost_or_doubled(parts: list[bytes], limit: int) -> None:
    """However it is cut, and however small the limit."""
    bars = Bars(limit)
    out = fed(bars, *parts) + [event.raw for event in bars.end()]
    assert b"".join(out) == b"".join(parts)
    assert all(out)


PARTS = [b"data: ", b"data", b": ", b"{}", b'{"a": "%s"}' % (b"x" * 40), b"x" * 30, b"\n"]


@pytest.mark.parametrize("kind", [SSESplitter, NDJSONSplitter])
@given(parts=st.lists(st.sampled_from([*PARTS, b"\n\n", b"\r", b"\r\n"]), max_size=30))
@example(parts=[b'data: {"a": "%s"}' % (b"x" * 40), b"\n", b"data: ", b"{}"])  # a single line end, and what follows
@example(parts=[b'data: {"a": "%s"}\r\n' % (b"x" * 40), b"data", b": {}"])
def test_what_completes_a_large_event_is_heavy(kind: type[Splitter], parts: list[bytes]) -> None:
    """However it is cut: nobody has to read one without having been told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "LARGE", 40)
        splitter = kind()
        for part in [*parts, b""]:
            is_heavy = splitter.is_heavy(part)
            found = splitter.feed(part) if part else splitter.end()
            assert is_heavy or all(len(event.raw) <= 40 for event in found)


@pytest.mark.parametrize(
    ("data", "heavy"),
    [
        (b"data: {" + b"x" * 100_000 + b"}\n\n", False),
        (b"data: {" + b"x" * events.LARGE + b"}\n\n", True),
        (b"data: {" + b"x" * events.LARGE, False),  # its end is not here
        (b"data: [" + b"{}," * 2_100 + b"0]\n\n", True),
        (b"data: [" + b"{}," * 300 + b"0]\n\n", False),
        (b"data: {}\n\n" * 600, False),
        (b": \n\n" * 1_100, True),
        (b"\r" * 2_100, True),
    ],
)
def test_many_objects_or_lines_are_heavy_too(data: bytes, heavy: bool) -> None:
    """In a piece of any size: each costs some microseconds."""
    assert SSESplitter().is_heavy(data) is heavy
    splitter = SSESplitter()
    splitter.feed(data[:7])
    assert splitter.is_heavy(data[7:]) is heavy


@pytest.mark.parametrize("size", [100, events.LARGE])
def test_an_event_of_any_size_is_read_and_written_as_json(size: int) -> None:
    """Large ones in short steps, which makes no difference."""
    obj = {"t": "ü" * size, "n": [1.5, None, {"a": "\ud83d"}] * (size // 30)}
    text = json.dumps(obj, ensure_ascii=False).encode("utf-8", "surrogatepass")
    event = Event(b"data: " + json.dumps(obj).encode() + b"\n\n", "", json.dumps(obj).encode(), 6)
    assert event.data == obj and Event(text, "", text).data["t"] == obj["t"]
    event.data["t"] = "new"
    event.dirty = True
    assert json.loads(event.encode()[6:]) == obj | {"t": "new"}
    assert json.loads(event.like(obj).payload or b"") == obj
    for broken in (b"{" * size, json.dumps(obj).encode()[:-1], b'{"a":1,}' + b" " * size):
        assert Event(broken, "", broken).data is None
