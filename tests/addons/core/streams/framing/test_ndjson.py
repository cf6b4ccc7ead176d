import pytest

from switchman.addons.core.streams.events import Event
from switchman.addons.core.streams.framing.ndjson import NDJSONSplitter
from switchman.addons.testing import every_split


def split(parts: list[bytes]) -> list[Event]:
    splitter = NDJSONSplitter()
    return [event for part in parts for event in splitter.feed(part)] + splitter.end()


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("closed", [True, False])
def test_every_split_gives_the_same_lines(line_end: bytes, closed: bool) -> None:
    """One value per line, blank lines pass, and the last line needs no line end."""
    stream = '{"n": 1, "t": "é🚀"}\n\n{"n": 2}\nnot json\n{"n": 3}'.encode().replace(b"\n", line_end)
    stream += line_end if closed else b""
    for parts in every_split(stream):
        events = split(parts)
        assert b"".join(event.raw for event in events) == stream
        assert [event.data for event in events] == [{"n": 1, "t": "é🚀"}, None, {"n": 2}, None, {"n": 3}]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b" \r\n", b""])
def test_a_changed_line_keeps_its_end(line_end: bytes) -> None:
    """Only the value is written anew."""
    (event,) = split([b'{"n": 1}' + line_end])
    event.data["n"] = 2
    event.dirty = True
    assert event.encode() == b'{"n":2}' + line_end
