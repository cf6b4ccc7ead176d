"""Frames of JSON, as both sides read and write them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from switchman.addons.semantics import wire
from switchman.addons.testing import every_split


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(wire.HEADER, "big") + body


def read_all(parts: list[bytes]) -> list[dict[str, Any]]:
    """Every message that comes out when these parts come in, one after the other, and then the end."""

    async def work() -> list[dict[str, Any]]:
        reader = asyncio.StreamReader()

        async def feed() -> None:
            for part in parts:
                reader.feed_data(part)
                await asyncio.sleep(0)
            reader.feed_eof()

        feeding = asyncio.create_task(feed())
        found = []
        while (message := await wire.read(reader)) is not None:
            found.append(message)
        await feeding
        return found

    return asyncio.run(work())


def test_every_split_of_the_bytes_gives_the_same_messages() -> None:
    """Also within the length, and within a character."""
    messages = [{"id": 1, "text": "Grüße 🎉"}, {}]
    data = b"".join(wire.encode(message) for message in messages)
    for parts in every_split(data):
        assert read_all(parts) == messages


@pytest.mark.parametrize("cut", [1, 3, 4, 5])
def test_an_end_in_the_middle_is_an_end(cut: int) -> None:
    """A process that was killed leaves half a frame: nothing is made of it."""
    assert read_all([wire.encode({"id": 1})[:cut]]) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"no JSON", b"[1]", b"1", b'"text"', b"\xff", b"[" * 100_000, b'{"a":' * 100_000],
    ids=["empty", "no JSON", "list", "number", "text", "no UTF-8", "deep lists", "deep objects"],
)
def test_what_is_no_object_is_no_frame(body: bytes) -> None:
    """One kind of error, whatever is wrong: also for what would exhaust the stack."""
    with pytest.raises(wire.FrameError):
        read_all([frame(body)])


def test_a_length_beyond_the_limit_is_not_waited_for() -> None:
    """Bytes that are no frame begin with such a length; the other side would wait for ever."""
    with pytest.raises(wire.FrameError, match="bytes"):
        read_all([(wire.MAX_FRAME + 1).to_bytes(wire.HEADER, "big")])


def test_a_message_that_is_too_long_is_not_sent() -> None:
    """The longest one that is sent can be read."""
    empty = len(json.dumps({"t": ""}, separators=(",", ":")))
    longest = {"t": "x" * (wire.MAX_FRAME - empty)}
    assert read_all([wire.encode(longest)]) == [longest]
    with pytest.raises(wire.FrameError):
        wire.encode({"t": longest["t"] + "x"})


def test_half_a_character_survives() -> None:
    """A client may ask anything, and the frame is ASCII."""
    assert wire.encode({"text": "\ud83c"}).isascii()
    assert read_all([wire.encode({"text": "\ud83c"})]) == [{"text": "\ud83c"}]


def test_a_long_text_keeps_its_head_and_its_tail() -> None:
    """The middle goes, which the embedder would not look at."""
    kept = wire.KEPT_CHARACTERS
    assert wire.shorten("a" * 2 * kept) == "a" * 2 * kept
    assert wire.shorten("cut \ud83d") == "cut \ufffd"  # no tokenizer takes half a pair
    assert wire.shorten("\ud83d" * 3 * kept) == "\ufffd" * kept + " " + "\ufffd" * kept
    short = wire.shorten("a" * kept + "middle" + "z" * kept)
    assert short == "a" * kept + " " + "z" * kept
