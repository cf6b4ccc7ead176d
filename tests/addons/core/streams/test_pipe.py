import json
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.dialects import text_slots
from switchman.addons.core.request.call import Endpoint
from switchman.addons.core.streams.events import EVENT_LIMIT, LARGE, Event
from switchman.addons.core.streams.fences import FenceStage
from switchman.addons.core.streams.hidingusage import HideUsage
from switchman.addons.core.streams.pipe import Framing, Pipe, Stage
from switchman.addons.core.streams.reply import ReplyCollector
from switchman.addons.core.streams.think import ThinkStage
from switchman.addons.testing import every_split

FIXTURES = Path(__file__).parents[3] / "data" / "streams"

CHAT = partial(text_slots, Endpoint("openai", "chat", "/v1/chat/completions"), streamed=True)
SLOTS = {
    ".sse": CHAT,
    ".completion": partial(text_slots, Endpoint("openai", "completion", "/v1/completions"), streamed=True),
    ".ndjson": partial(text_slots, Endpoint("ollama", "chat", "/api/chat"), streamed=True),
}


def no_error(error: Exception, what: object) -> None:
    raise AssertionError(f"{what!r} raised") from error


def make(
    stages: Sequence[Stage] = (),
    framing: Framing = "sse",
    reply: ReplyCollector | None = None,
    keep: int = 1 << 20,
    on_error: Callable[[Exception, Any], None] = no_error,
) -> Pipe:
    return Pipe(framing, stages, reply, keep, on_error, clock=lambda: 1.0)


def run(pipe: Pipe, parts: Iterable[bytes]) -> bytes:
    """All that comes out for `parts` and the end of the stream; no output is ever an empty piece."""
    out = [piece for part in parts for piece in pipe(part)] + pipe(b"")
    assert all(out)
    return b"".join(out)


def stages_of(path: Path) -> list[Stage]:
    slots = SLOTS[Path(path.stem).suffix]
    made: dict[str, Callable[[], list[Stage]]] = {
        "strip": lambda: [ThinkStage(slots)],
        "reasoning": lambda: [ThinkStage(slots, "reasoning")],
        "fence": lambda: [ThinkStage(slots), FenceStage(slots)],
        "hide": lambda: [HideUsage()],
    }
    return made[path.name.partition("-")[0]]()


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.in")), ids=lambda path: path.stem)
def test_recorded_shapes_at_every_split(path: Path) -> None:
    """Each fixture's input gives its output to the byte, cut in two anywhere, or byte by byte."""
    stream, expected = path.read_bytes(), path.with_suffix(".out").read_bytes()
    framing: Framing = "ndjson" if ".ndjson" in path.name else "sse"
    for parts in every_split(stream):
        assert run(make(stages_of(path), framing, ReplyCollector()), parts) == expected


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_chunking_gives_the_same_output(data: st.DataObject) -> None:
    """Any number of cuts, with all stages at once."""
    stream = b"".join(path.read_bytes() for path in sorted(FIXTURES.glob("*.sse.in")) if "open-end" not in path.name)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=40)))
    bounds = [0, *cuts, len(stream)]
    parts = [stream[a:b] for a, b in pairwise(bounds)]
    whole = run(make([ThinkStage(CHAT), FenceStage(CHAT), HideUsage()]), [stream])
    assert run(make([ThinkStage(CHAT), FenceStage(CHAT), HideUsage()]), parts) == whole


@pytest.mark.parametrize("framing", ["sse", "ndjson", "raw"])
@given(stream=st.binary(max_size=60), cut=st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_bytes_that_make_no_sense_pass_unchanged(framing: Framing, stream: bytes, cut: int) -> None:
    """Whatever an upstream sends comes out as it is."""
    parts = [part for part in (stream[:cut], stream[cut:]) if part]
    stages: list[Stage] = [ThinkStage(CHAT), FenceStage(CHAT), HideUsage()]
    assert run(make(stages, framing, ReplyCollector()), parts) == stream


def chunk(content: str, **choice: Any) -> bytes:
    data = {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": None, **choice}]}
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"


def test_each_event_leaves_at_once() -> None:
    """An event is on its way when its last byte is in; until then the answer is [], never an empty piece."""
    pipe = make([ThinkStage(CHAT)])
    assert pipe(chunk("a")[:-1]) == []
    assert pipe(chunk("a")[-1:] + chunk("b")) == [chunk("a") + chunk("b")]
    assert pipe(b"") == []


def test_the_end_is_the_end() -> None:
    """After the end, or an abort, nothing more comes out."""
    for end in (lambda pipe: pipe(b""), lambda pipe: pipe.abort()):
        for framing in ("sse", "raw"):
            pipe = make([], framing)
            end(pipe)
            assert (pipe(b"data: {}\n\n"), pipe(b""), pipe.abort()) == ([], [], [])


def test_released_text_is_framed_after_an_unclosed_event() -> None:
    """Where the last event lacks its blank line and held text follows, the blank line is put in."""
    first = chunk("<think>a")
    assert run(make([ThinkStage(CHAT)]), [first[:-2]]) == chunk("") + chunk("<think>a")
    assert run(make([ThinkStage(CHAT)]), [first, b": bye"]) == chunk("") + b": bye\n\n" + chunk("<think>a")


def test_abort_releases_and_ends_at_an_event_boundary() -> None:
    """Upstream died: what was held comes as it came, half an event is dropped, and an error event can be appended."""
    pipe = make([ThinkStage(CHAT), FenceStage(CHAT)])
    assert pipe(chunk("<think>x</think>```json\n{}\n```") + b'data: {"choi') == [chunk("")]
    assert pipe.abort() == [chunk("```json\n{}\n```")]
    pipe = make([ThinkStage(CHAT)])
    pipe(chunk("<think>a"))
    assert pipe.abort() == [chunk("<think>a")]
    pipe = make()
    pipe(chunk("a")[:-2])
    assert pipe.abort() == [chunk("a")]
    pipe = make(framing="ndjson")
    pipe(b'{"a": 1}\n{"b": 2}')
    assert pipe.abort() == [b'{"b": 2}\n']


def test_abort_inside_an_oversized_event_closes_it() -> None:
    """Pieces of an event that were passed on are followed by a blank line."""
    pipe = make()
    assert b"".join(pipe(b"data: " + b"x" * (17 << 20)) + pipe.abort()).endswith(b"xx\n\n")


class Breaks:
    """A stage that holds every event back by one, and raises at event number `at` (0: at the end)."""

    def __init__(self, at: int, *, gave_it: bool = False, changed_it: bool = False) -> None:
        self.at = at
        self.gave_it = gave_it
        self.changed_it = changed_it
        self.held: list[Event] = []
        self.count = 0

    def feed(self, event: Event) -> Iterable[Event]:
        self.count += 1
        if self.count != self.at:
            yield from self.held
            self.held = [event]
            return
        if self.gave_it:
            yield from self.held
            self.held = []
            yield event
        if self.changed_it:
            event.data["choices"][0]["delta"]["content"] = "lost"
            event.dirty = True
        raise ZeroDivisionError

    def end(self) -> Iterable[Event]:
        held, self.held = self.held, []
        yield from held
        if self.at == 0:
            raise ZeroDivisionError


@pytest.mark.parametrize("at", [0, 1, 2, 3])
@pytest.mark.parametrize("options", [{}, {"gave_it": True}, {"changed_it": True}])
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("aborted", [False, True])
def test_a_broken_stage_loses_and_doubles_nothing(at: int, options: dict[str, bool], place: int, aborted: bool) -> None:
    """What it held comes, then the event it failed on, as it was; on_error hears of it once."""
    errors: list[tuple[Exception, object]] = []
    broken = Breaks(at, **options)
    stages: list[Stage] = [ThinkStage(CHAT), FenceStage(CHAT)]
    stages.insert(place, broken)
    stream = chunk("<think>x</think>a") + chunk("b") + chunk("c") + chunk("d")
    pipe = make(stages, on_error=lambda error, what: errors.append((error, what)))
    out = b"".join([*pipe(stream), *(pipe.abort() if aborted else pipe(b""))])
    assert out == chunk("a") + chunk("b") + chunk("c") + chunk("d")
    # Nothing is reported of a stage that fails while a dead stream is being given up.
    assert [(type(error), what) for error, what in errors] == (
        [] if aborted and at == 0 else [(ZeroDivisionError, broken)]
    )


def test_a_failing_log_or_collector_costs_nothing() -> None:
    """Neither the error callback nor the collector can break the stream."""

    class BrokenCollector(ReplyCollector):
        def feed(self, event: Event, now: float) -> None:
            raise ZeroDivisionError

    def failing(error: Exception, what: object) -> None:
        heard.append(what)
        raise RuntimeError

    heard: list[object] = []
    reply = BrokenCollector()
    assert run(make([Breaks(2)], reply=reply, on_error=failing), [chunk("a"), chunk("b")]) == chunk("a") + chunk("b")
    assert heard[0] is reply
    assert len(heard) == 2


def test_a_ping_goes_between_whole_events_only() -> None:
    """In an SSE stream that runs: not in the middle of an event that passes in pieces, and not after the end."""
    pipe = make()
    assert pipe.aside(b": ping\n\n") == [b": ping\n\n"]
    assert pipe(b"data: half an ev") == []
    assert pipe.aside(b": ping\n\n") == [b": ping\n\n"]  # nothing of the event has gone out yet
    assert run(pipe, [b"ent\n\n"]) == b"data: half an event\n\n"
    assert pipe.aside(b": ping\n\n") == []
    assert pipe.kept == b"data: half an event\n\n"
    huge = make()
    assert huge(b"data: " + b"x" * (EVENT_LIMIT + 1))
    assert huge.aside(b": ping\n\n") == []


@pytest.mark.parametrize("framing", ["ndjson", "raw"])
def test_other_streams_have_no_place_for_a_ping(framing: Framing) -> None:
    """NDJSON has no comments, and bytes of no known form have nothing."""
    assert make(framing=framing).aside(b": ping\n\n") == []


def test_what_is_kept_is_what_was_sent() -> None:
    """`kept` has the first `keep` bytes of the output, `truncated` says that there was more."""
    for keep, truncated in ((1000, False), (len(chunk("a")), False), (10, True), (0, True)):
        pipe = make([ThinkStage(CHAT)], keep=keep)
        assert pipe(b"d") == []
        pipe(chunk("<think>x</think>a")[1:])
        assert (pipe.kept, pipe.truncated) == (chunk("a")[:keep], truncated)


def test_memory_does_not_grow_with_the_stream() -> None:
    """A stream of 40 MB through all stages leaves nothing behind but what is kept."""
    pipe = make([ThinkStage(CHAT), FenceStage(CHAT), HideUsage()], reply=ReplyCollector(), keep=1000)
    part = chunk("word " * 200) * 10
    pipe(part)
    tracemalloc.start()
    for _ in range(4000):
        pipe(part)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000


def test_only_a_call_that_may_take_long_is_heavy() -> None:
    """Small events, the pieces of a large one, and raw bytes are not; its end is."""
    pipe = make()
    large = chunk("x" * LARGE)
    assert pipe.is_light(chunk("a")) and not pipe.is_heavy(chunk("a") * 300)
    assert not pipe.is_heavy(large[:-2])
    pipe(large[:-2])
    assert pipe.held == len(large) - 2
    assert not pipe.is_light(b"\n") and pipe.is_heavy(b"\n\n") and pipe.is_heavy(b"")
    assert pipe(b"\n\n") == [large] and pipe.held == len(large)
    assert not make(framing="raw").is_heavy(b"\n" * LARGE)
    pipe(b"")
    assert not pipe.is_heavy(large)
