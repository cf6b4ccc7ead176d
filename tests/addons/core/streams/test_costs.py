"""What a stream costs, whatever is in it: no more than an honest one of as many events and as many bytes, a few times.

Each is measured beside an honest stream, in CPU time of this thread, so that nothing hangs on how fast a machine is.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, Final

import pytest

from switchman.addons.core.dialects import text_slots
from switchman.addons.core.dialects.codecs import CODECS
from switchman.addons.core.dialects.neutral.form import Stamp
from switchman.addons.core.dialects.translate import TranslationStage
from switchman.addons.core.request.call import Endpoint
from switchman.addons.core.streams.fences import FenceStage
from switchman.addons.core.streams.framing.ndjson import NDJSONSplitter
from switchman.addons.core.streams.framing.reframing import Reframing
from switchman.addons.core.streams.framing.sse import SSESplitter
from switchman.addons.core.streams.hidingusage import HideUsage
from switchman.addons.core.streams.naming import NameStage
from switchman.addons.core.streams.pipe import Pipe, Stage
from switchman.addons.core.streams.reply import ReplyCollector
from switchman.addons.core.streams.think import ThinkStage

FORMATS: Final[dict[Any, Endpoint]] = {
    "openai.chat": Endpoint("openai", "chat", "/v1/chat/completions"),
    "openai.responses": Endpoint("openai", "responses", "/v1/responses"),
    "ollama.chat": Endpoint("ollama", "chat", "/api/chat"),
    "anthropic.messages": Endpoint("anthropic", "chat", "/v1/messages"),
}
STAMP: Final = Stamp("id", 0.0, "m", False)
PIECE: Final = 16_384  # bytes that are fed at a time
FACTOR: Final = 8.0  # that a hostile stream may cost more than an honest one
# Seconds that nobody counts: 16 kB of what is measured here take one millisecond.
FREE: Final = 0.02

Make = Callable[[], Pipe]


def framing_of(name: Any) -> Any:
    return "ndjson" if name.startswith("ollama") else "sse"


def broke(error: Exception, what: object) -> None:
    raise AssertionError(f"{what!r} raised") from error


def pipes(name: Any) -> Iterator[tuple[str, Make]]:
    """Every stage, the collector, and the decoder of this format with every encoder."""
    framing, slots = framing_of(name), partial(text_slots, FORMATS[name], streamed=True)
    other: Any = "ndjson" if framing == "sse" else "sse"

    def made(*stages: Stage, reply: bool = False, output: Any = None) -> Pipe:
        return Pipe(framing, stages, ReplyCollector() if reply else None, 0, broke, lambda: 0.0, output)

    yield "collector", lambda: made(reply=True)
    yield "think", lambda: made(ThinkStage(slots))
    yield "thoughts", lambda: made(ThinkStage(slots, "reasoning", opens=True))
    yield "fence", lambda: made(FenceStage(slots))
    yield "figures", lambda: made(HideUsage(), NameStage(lambda model: "x"))
    yield "reframing", lambda: made(Reframing(other, True), output=other)
    for to in FORMATS:
        if to != name:
            yield to, partial(_translated, name, to, made)


def _translated(name: Any, to: Any, made: Callable[..., Pipe]) -> Pipe:
    stage = TranslationStage(CODECS[name].decoder(()), CODECS[to].encoder(STAMP))  # type: ignore[arg-type]
    return made(stage, output=framing_of(to))


def event(name: Any, value: Any) -> bytes:
    """A value as one event; a string is its JSON."""
    text = value if isinstance(value, str) else json.dumps(value)
    if framing_of(name) == "ndjson":
        return f"{text}\n".encode()
    head = f"event: {value['type']}\n" if isinstance(value, dict) and "type" in value else ""
    return f"{head}data: {text}\n\n".encode()


def says(name: Any, text: str) -> bytes:
    """An event with a piece of text."""
    if name == "openai.chat":
        return event(name, {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})
    if name == "ollama.chat":
        return event(name, {"model": "m", "message": {"role": "assistant", "content": text}, "done": False})
    if name == "anthropic.messages":
        delta = {"type": "text_delta", "text": text}
        return event(name, {"type": "content_block_delta", "index": 0, "delta": delta})
    return event(name, {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": text})


def fill(unit: bytes, size: int) -> bytes:
    return unit * (size // len(unit) + 1)


def calls(count: int) -> list[dict[str, Any]]:
    return [{"index": at, "id": f"c{at}", "function": {"name": "f", "arguments": "{}"}} for at in range(count)]


def hostile(name: Any, size: int) -> dict[str, bytes]:
    """Streams of about `size` bytes."""
    say, choice = partial(says, name), {"index": 0, "delta": {"content": "x"}}
    texts = ["", "<", "<think>", "<think></think>", "</think>", " ", "\n", "`", "```json\n", "\ud83d", "\ude00"]
    return {
        "CR": b"\r" * size,
        "LF": b"\n" * size,
        "CRLF": fill(b"\r\n", size),
        "LF CR": fill(b"\n\r", size),
        "blanks": b" " * size,
        "NULs": b"\0" * size,
        "one line": b"x" * size,
        "one comment": b": " + b"x" * size,
        "one line of data": b"data: " + b"x" * size,
        "lines of data": fill(b"data: x\n", size),
        "braces": fill(b"data: {\n", size),
        "a line after single ends": b"data: {}\ndata: {}\ndata: " + b"x" * size,
        "comments": fill(b": ping\n\n", size),
        "names": fill(b"event: x\n", size),
        "empty events": fill(b"data:\n\n", size),
        "deep lists": fill(event(name, "[" * 900 + "]" * 900), size),
        "an open list": event(name, "[" * size),
        "deep objects": fill(event(name, '{"a":' * 900 + "1" + "}" * 900), size),
        "blanks in JSON": event(name, "{" + " " * size + "}"),
        "one text": say("x" * size),
        "an open thought": say("<think>") + fill(say("</thin"), size),
        "many thoughts in one": fill(say("<think>a</think>" * 60), size),
        "an open fence": say("```json\n{") + fill(say("\n```"), size),
        "many choices": event(name, {"choices": [choice | {"index": at} for at in range(size // 45)]}),
        "new choices": b"".join(event(name, {"choices": [choice | {"index": at}]}) for at in range(size // 55)),
        "many calls": event(name, {"choices": [{"index": 0, "delta": {"tool_calls": calls(size // 75)}}]}),
        "nested arguments": fill(
            event(name, {"choices": [{"index": 0, "delta": {"tool_calls": [{"function": {"arguments": "["}}]}}]}), size
        ),
        **{f"texts of {text!r}": fill(say(text), size) for text in texts},
    }  # fmt: skip


def cost(make: Make, data: bytes, piece: int = PIECE) -> float:
    """CPU seconds of this thread."""
    pipe = make()
    began = time.thread_time()
    for at in range(0, len(data), piece):
        pipe(data[at : at + piece])
    pipe(b"")
    return time.thread_time() - began


@cache
def loads(name: Any, data: bytes) -> int:
    """How many events with something in them there are; each choice, call or thought in one of them counts as one."""
    splitter = NDJSONSplitter() if framing_of(name) == "ndjson" else SSESplitter()
    events = [*splitter.feed(data), *splitter.end()]
    return sum(max(1, *(one.raw.count(sign) for sign in (b'"index"', b"<think>"))) for one in events if one.raw.strip())


def allowed(make: Make, name: Any, data: bytes) -> float:
    """What an honest stream costs of as many events, and of as many bytes."""
    honest = fill(says(name, "a"), 8_000)
    per_event = cost(make, honest) / loads(name, honest)
    return FREE + FACTOR * (per_event * loads(name, data) + cost(make, fill(says(name, "word " * 20), len(data))))


@pytest.mark.soak
@pytest.mark.parametrize("name", FORMATS)
def test_no_stream_costs_far_more_than_an_honest_one(name: Any, full: bool) -> None:
    """Every stage and decoder, on every kind of hostile stream."""
    size = 400_000 if full else 8_000
    streams = hostile(name, size)
    for stage, make in pipes(name):
        for what, data in streams.items():
            spent, most = cost(make, data), allowed(make, name, data)
            if spent > most:  # once more: a machine does other things, too
                spent, most = cost(make, data), allowed(make, name, data)
            assert spent <= most, f"{what} through {stage}: {spent:.3f} s, of {most:.3f} s"


@pytest.mark.soak
@pytest.mark.parametrize("name", ["openai.chat", "ollama.chat"])
def test_small_pieces_cost_no_more_for_what_came_before_them(name: Any, full: bool) -> None:
    """A byte at a time: twice the bytes cost about twice as much, not four times."""
    size = 30_000 if full else 1_500
    make = dict(pipes(name))["think"]
    longer = hostile(name, 4 * size)
    for what, data in hostile(name, size).items():
        once, again = cost(make, data, 1), cost(make, longer[what], 1)
        if again > 8 * once + FREE:
            once, again = cost(make, data, 1), cost(make, longer[what], 1)
        assert again <= 8 * once + FREE, f"{what}: {once:.3f} s, and of four times as much {again:.3f} s"


def test_blank_lines_cost_a_tenth_of_a_second_a_megabyte() -> None:
    """They are one event, however many they are; a stream of CRs alone took a second a megabyte."""
    for name in ("openai.chat", "ollama.chat"):
        for unit in (b"\r", b"\n", b"\r\n", b"\n\r"):
            pipe = dict(pipes(name))["think"]()
            data = fill(unit, 500_000)
            began = time.thread_time()
            out = b"".join(piece for at in range(0, len(data), PIECE) for piece in pipe(data[at : at + PIECE]))
            assert time.thread_time() - began < 0.5
            assert data.startswith(out) and out + b"".join(pipe(b"")) == data
