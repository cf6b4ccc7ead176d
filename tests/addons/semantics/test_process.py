"""The semantic process itself: privacy, order, deadlines, bad requests, and its end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.semantics import wire
from switchman.addons.semantics.process import main, make_private
from switchman.addons.semantics.service import MODULE


class Peer:
    """A plain socket that speaks frames."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(str(path))

    def say(self, **message: Any) -> dict[str, Any]:
        self.socket.sendall(wire.encode({"id": 1, **message}))
        return self.hear()

    def hear(self) -> dict[str, Any]:
        import json

        size = int.from_bytes(self._exactly(4), "big")
        found: dict[str, Any] = json.loads(self._exactly(size))
        return found

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            assert more, "the process hung up"
            data += more
        return data


def test_requests_that_make_no_sense_are_refused_and_the_rest_is_served(start: Any) -> None:
    """Each with a reason; the connection lives on."""
    peer = Peer(start().socket)
    for message in (
        {"op": "fly"},
        {"op": "ask", "text": ""},
        {"op": "ask", "text": "x", "until": "soon"},
        {"op": "ask", "text": "x", "until": 1.0, "scope": 4},
        {"op": "ask", "text": "x", "until": True},
        {"op": "ask", "text": "x", "until": -1},
        {"op": "ask", "text": "x", "until": 10**400},
        {"op": "ask", "text": "x" * 6001, "until": 1.0},
        {"op": "ask", "text": "x", "until": 1.0, "scope": "s" * 257},
        {"op": "categories", "digest": "d" * 257, "categories": {"x": ["y"]}},
        {"op": "categories", "digest": "d", "categories": {str(n): [] for n in range(1001)}},
        {"op": "categories", "digest": "d", "categories": {"x": ["y"] * 20_001}},
        {"op": "forget", "entries": ["e" * 257]},
        {"op": "remember", "key": "k" * 257, "scope": "s", "entry": "e"},
        {"op": "categories", "digest": "d", "categories": ["x"]},
        {"op": "categories", "digest": "d", "categories": {"x": [1]}},
        {"op": "forget", "entries": "all"},
        {"op": "remember", "key": "k"},
    ):
        assert "error" in peer.say(**message), message
    assert peer.say(op="hello")["dimensions"] == 384
    assert peer.say(op="remember", key="never seen", scope="s", entry="e") == {"id": 1, "kept": False}
    peer.socket.close()


def test_a_request_past_its_deadline_is_dropped_unserved(start: Any) -> None:
    """Nobody waits for it any more, so the model does not run for it."""
    peer = Peer(start().socket)
    assert peer.say(op="ask", text="x", until=time.monotonic() - 1) == {"id": 1, "error": "late"}
    peer.socket.close()


def test_bytes_that_are_no_frame_end_that_connection_only(start: Any) -> None:
    """Others are served on."""
    running = start()
    mad, sane = Peer(running.socket), Peer(running.socket)
    mad.socket.sendall(b"\xff" * 64)
    assert mad.socket.recv(1) == b""
    assert sane.say(op="hello")["model"]
    for peer in (mad, sane):
        peer.socket.close()


def test_no_one_else_may_reach_the_socket(start: Any, tmp_path: Path, prepared_model: Path) -> None:
    """Its folder has the mode 0700; a folder that others can read is refused."""
    assert os.stat(start().socket.parent).st_mode & 0o077 == 0
    open_folder = tmp_path / "open"
    open_folder.mkdir(mode=0o755)
    with pytest.raises(PermissionError, match="0700"):
        make_private(open_folder)
    (tmp_path / "link").symlink_to(start().socket.parent)
    with pytest.raises(PermissionError, match="no link"):
        make_private(tmp_path / "link")
    assert main(["--socket", str(open_folder / "s"), "--model", str(prepared_model)]) == 2


def test_without_a_model_the_process_ends_with_a_reason(private: Path, tmp_path: Path) -> None:
    """The last line on stderr is the sentence that the start shows."""
    ended = subprocess.run(
        [sys.executable, "-m", MODULE, "--socket", str(private / "s"), "--model", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2 and "switchman semantic prepare" in ended.stderr


def test_the_process_ends_with_who_started_it(start: Any) -> None:
    """Its stdin is a pipe from there: an end is an end."""
    running = start()
    running.process.stdin.close()
    assert running.process.wait(timeout=30) == 0
    running.process.stdin = None


def test_it_ends_in_silence_in_the_midst_of_work(start: Any, tmp_path: Path) -> None:
    """What its model works at has nobody to go to, and a second signal finds nothing to stop: neither is a defect."""
    with (tmp_path / "stderr").open("w+") as said:
        running = start(stderr=said)
        peer = Peer(running.socket)
        for number in range(8):
            peer.socket.sendall(
                wire.encode(
                    {"id": number, "op": "ask", "text": f"word {number} " * 400, "until": time.monotonic() + 60}
                )
            )
        peer.hear()  # so the model is at the next one
        running.process.terminate()
        running.process.stdin.close()
        assert running.process.wait(timeout=30) == 0
        running.process.stdin = None
        peer.socket.close()
        said.seek(0)
        assert said.read() == ""
