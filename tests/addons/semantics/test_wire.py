"""Frames of JSON, as both sides read and write them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from pathlib import Path
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


@pytest.mark.parametrize("value", [True, "1", None, [], -0.1, 1.1, 1e400, -1e400, float("nan"), 10**400])
def test_what_is_no_number_of_a_range_is_told(value: Any) -> None:
    """Both ends are in it; NaN and infinities never are."""
    assert not wire.is_number(value, 0, 0.9)
    assert wire.is_number(0, 0, 1) and wire.is_number(1.0, 0, 1)


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity"])
def test_a_frame_with_no_number_in_it_is_none(word: bytes) -> None:
    """Python's JSON would take it."""
    with pytest.raises(wire.FrameError):
        read_all([frame(b'{"until": ' + word + b"}")])


def test_the_folder_of_the_socket_is_ours_alone(tmp_path: Path) -> None:
    """Owner, mode, and no link: else somebody else's socket could be in its place."""
    tmp_path.chmod(0o700)
    wire.check_private(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").touch(0o600)
    for name in ("link", "file"):
        with pytest.raises(PermissionError, match="no link"):
            wire.check_private(tmp_path / name)
    for mode in (0o750, 0o701, 0o777, 0o1777):
        tmp_path.chmod(mode)
        with pytest.raises(PermissionError, match="mode 0700"):
            wire.check_private(tmp_path)
    tmp_path.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(tmp_path, 65534, -1)
        with pytest.raises(PermissionError, match="another user"):
            wire.check_private(tmp_path)
        os.chown(tmp_path, 0, -1)


def test_the_other_end_is_asked_who_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the system, not by what it says: this process is its own peer, and for another user it is a stranger."""

    async def told() -> list[bool]:
        found: list[bool] = []

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        async with await asyncio.start_unix_server(connected, str(tmp_path / "s")):
            _, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
            found.append(wire.peer_is_ours(writer))
            ours = os.geteuid()
            monkeypatch.setattr(wire, "ROOT", ours + 1)
            monkeypatch.setattr(os, "geteuid", lambda: ours + 1)
            found.append(wire.peer_is_ours(writer))
            writer.close()
            await writer.wait_closed()
        return found

    assert asyncio.run(told()) == [True, not hasattr(socket, "SO_PEERCRED")]
