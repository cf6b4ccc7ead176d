"""Replies recorded from real providers, replayed. The folder is named by the environment variable RECORDED_STREAMS."""

import json
import os
import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.core.dialects import text_slots
from switchman.addons.core.request.call import Endpoint
from switchman.addons.core.streams.fences import FenceStage
from switchman.addons.core.streams.framing.sse import SSESplitter
from switchman.addons.core.streams.hidingusage import HideUsage
from switchman.addons.core.streams.pipe import Pipe
from switchman.addons.core.streams.reply import ReplyCollector
from switchman.addons.core.streams.slots import SlotFinder
from switchman.addons.core.streams.slotstage import apply_whole
from switchman.addons.core.streams.think import ThinkStage

FOLDER = Path(os.environ.get("RECORDED_STREAMS") or "/nonexistent")
STREAMS = sorted(FOLDER.glob("*/*.chunks.txt"))
WHOLES = sorted(FOLDER.glob("*/*.json"))

pytestmark = pytest.mark.skipif(not STREAMS, reason="RECORDED_STREAMS names no folder of recordings")


def endpoint_of(path: Path) -> Endpoint:
    if path.parent.name == "anthropic":
        return Endpoint("anthropic", "chat", "/v1/messages")
    if path.parent.name == "responses":
        return Endpoint("openai", "responses", "/v1/responses")
    if "completion" in path.name:
        return Endpoint("openai", "completion", "/v1/completions")
    return Endpoint("openai", "chat", "/v1/chat/completions")


def slots_of(path: Path, streamed: bool) -> SlotFinder:
    return partial(text_slots, endpoint_of(path), streamed=streamed)


def stream_of(path: Path) -> bytes:
    """The stream as the provider framed it."""
    out = []
    for line in path.read_text().splitlines():
        named = path.parent.name != "openai"
        out.append((f"event: {json.loads(line)['type']}\n" if named else "") + f"data: {line}\n\n")
    return ("".join(out) + ("data: [DONE]\n\n" if path.parent.name == "openai" else "")).encode()


def think(path: Path) -> ThinkStage:
    return ThinkStage(slots_of(path, True))


def run(path: Path, stages: list[Any], parts: list[bytes]) -> tuple[bytes, ReplyCollector]:
    """The output, and the collector, whose clock counts its readings."""
    ticks = iter(range(1, 1 << 30))
    reply = ReplyCollector()

    def raised(error: Exception, what: object) -> None:
        raise AssertionError(f"{what!r} raised") from error

    pipe = Pipe("sse", stages, reply, 0, raised, lambda: float(next(ticks)))
    return b"".join([piece for part in parts for piece in pipe(part)] + pipe(b"")), reply


def chunkings(stream: bytes, seed: str) -> list[list[bytes]]:
    """Whole, in single bytes, and in random pieces."""
    chance = random.Random(seed)
    lists = [[stream], [stream[i : i + 1] for i in range(len(stream))]]
    for most in (7, 300, 5000):
        parts, at = [], 0
        while at < len(stream):
            step = chance.randint(1, most)
            parts.append(stream[at : at + step])
            at += step
        lists.append(parts)
    return lists


def text_of(path: Path, stream: bytes) -> dict[Any, str]:
    """Text by choice."""
    out: dict[Any, str] = {}
    for event in SSESplitter().feed(stream):
        if isinstance(event.data, dict):
            for slot in slots_of(path, True)(event.data):
                if slot.field:
                    out[slot.key] = out.get(slot.key, "") + (slot.holder.get(slot.field) or "")
    return out


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.name)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_replies_without_think_tags_pass_to_the_byte(path: Path, line_end: bytes) -> None:
    """No stage changes them, at any chunking."""
    stream = stream_of(path).replace(b"\n", line_end)
    for parts in chunkings(stream, path.name):
        assert run(path, [think(path), FenceStage(slots_of(path, True))], parts)[0] == stream


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.name)
def test_an_injected_block_is_stripped(path: Path) -> None:
    """With a thinking block, in pieces, before each choice's first text, the client's text is the recording's."""
    stream, seen, lines = stream_of(path), set(), []
    for event in SSESplitter().feed(stream):
        made = [event]
        for slot in slots_of(path, True)(event.data) if isinstance(event.data, dict) else ():
            if slot.field and slot.holder.get(slot.field) and slot.key not in seen:
                seen.add(slot.key)
                text = slot.holder[slot.field]
                made = []
                for piece in ("<thi", "nk>hm 🚀", " < no", "</think", ">\n", "\n" + text):
                    slot.holder[slot.field] = piece
                    made.append(event.like(event.data))
        lines += [part.encode() for part in made]
    injected = b"".join(lines)
    expected = text_of(path, stream)
    assert (injected != stream) == any(expected.values())
    outputs = {run(path, [think(path)], parts)[0] for parts in chunkings(injected, path.name)}
    assert len(outputs) == 1
    assert text_of(path, outputs.pop()) == expected


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.name)
def test_the_collector_finds_what_parsing_every_event_finds(path: Path) -> None:
    """Skipping events after the first token loses nothing; the usage is that of the recording."""
    stream = stream_of(path)
    _, fast = run(path, [], [stream])
    slow = ReplyCollector()
    for event in SSESplitter().feed(stream):
        slow.feed(event, 1.0)
        slow.first_token_at = None  # so that the next event is parsed as well
    for name in (
        "model", "finish_reason", "finished", "error", "tool_calls",
        "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens",
    ):  # fmt: skip
        assert getattr(fast, name) == getattr(slow, name), name
    assert fast.finished
    assert fast.model
    assert fast.finish_reason
    assert fast.output_tokens or fast.error
    assert fast.first_token_at or fast.error or "refusal" in path.name


@pytest.mark.parametrize("path", WHOLES, ids=lambda path: path.name)
def test_whole_replies(path: Path) -> None:
    """A whole reply without thinking tags passes unchanged, and its figures are of the same kind as its stream's."""
    text = path.read_text()
    obj = json.loads(text)
    slots = slots_of(path, False)
    assert apply_whole([ThinkStage(slots), FenceStage(slots)], obj) == ('"text": "<thinking>' in text)
    whole = ReplyCollector()
    whole.feed_whole(obj)
    if obj.get("error"):
        assert whole.error
        return
    assert (whole.error, whole.finished) == (None, True)
    twin = path.with_name(path.name.replace(".json", ".chunks.txt"))
    if not twin.exists():
        return
    _, streamed = run(twin, [], [stream_of(twin)])
    # Two runs of one request: the answers' lengths differ, but not what is known of them.
    for name in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"):
        assert (getattr(whole, name) is None) == (getattr(streamed, name) is None), name
    assert whole.finish_reason == streamed.finish_reason
    if "tool" in path.name:
        assert whole.tool_calls
        assert streamed.tool_calls


@pytest.mark.parametrize("path", [path for path in STREAMS if path.parent.name == "openai"], ids=lambda path: path.name)
def test_hiding_usage_hides_only_that(path: Path) -> None:
    """Without the extra chunk and the nulls, the events are the recording's."""
    stream = stream_of(path)
    out = run(path, [HideUsage()], [stream])[0]
    expected = []
    for event in SSESplitter().feed(stream):
        data = event.data
        if isinstance(data, dict) and data["choices"] == [] and data.get("usage"):
            continue
        if isinstance(data, dict) and data.get("usage", 0) is None:
            del data["usage"]
        expected.append(data)
    assert [event.data for event in SSESplitter().feed(out)] == expected
