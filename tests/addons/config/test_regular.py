"""Files of the configuration: only a regular file is read, and only so much of it."""

import os
import socket
import threading
from pathlib import Path

import pytest

from switchman.addons.config.regular import Unreadable, read_file


def test_a_file_is_read_whole_and_links_are_followed(tmp_path: Path) -> None:
    """Up to the very last byte that is allowed."""
    (tmp_path / "a").write_bytes(b"x" * 100)
    (tmp_path / "link").symlink_to("a")
    assert read_file(tmp_path / "a", 100) == read_file(tmp_path / "link", 100) == b"x" * 100
    (tmp_path / "empty").touch()
    assert read_file(tmp_path / "empty", 0) == b""


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize(
    ("kind", "why"),
    [("pipe", "is a pipe"), ("folder", "is a folder"), ("socket", "is a socket"), ("zero", "is a device")],
)
def test_nothing_else_is_opened_to_be_read(tmp_path: Path, kind: str, why: str, linked: bool) -> None:
    """By its own name or by a link, at once and with what it is."""
    place = tmp_path / kind
    with socket.socket(socket.AF_UNIX) as listener:
        if kind == "pipe":
            os.mkfifo(place)
        elif kind == "folder":
            place.mkdir()
        elif kind == "socket":
            listener.bind(str(place))
        else:
            place = Path("/dev/zero")
        if linked:
            (tmp_path / "link").symlink_to(place)
            place = tmp_path / "link"
        with pytest.raises(Unreadable, match=why):
            read_file(place, 100)


def test_a_pipe_that_is_written_to_is_not_read(tmp_path: Path) -> None:
    """Even where a writer waits."""
    os.mkfifo(tmp_path / "pipe")
    descriptor = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        os.write(descriptor, b"servers: {}")
        with pytest.raises(Unreadable, match="is a pipe"):
            read_file(tmp_path / "pipe", 100)
    finally:
        os.close(descriptor)


def test_what_is_too_large_is_refused(tmp_path: Path) -> None:
    """By its size, before a byte is read; a file with a hole takes no room either."""
    with (tmp_path / "large").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(Unreadable, match="larger than 100 bytes"):
        read_file(tmp_path / "large", 100)


def test_a_file_that_grows_without_end_is_left(tmp_path: Path) -> None:
    """What is written while it is read counts too."""
    place, stop = tmp_path / "growing", threading.Event()
    place.write_bytes(b"x" * 1000)

    def grow() -> None:
        with place.open("ab", buffering=0) as stream:
            while not stop.is_set():
                stream.write(b"x" * 65536)
                if stream.tell() > 1 << 26:
                    stream.truncate(1000)

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        for _ in range(50):
            try:
                assert len(read_file(place, 2_000_000)) <= 2_000_000
            except Unreadable as error:
                assert str(error) == "larger than 2000000 bytes"
    finally:
        stop.set()
        thread.join()


def test_what_is_not_there_or_has_no_name_says_so(tmp_path: Path) -> None:
    """A missing file is for the caller to judge; a broken link, and a name with NUL, are no traceback."""
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "nothing", 100)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(Unreadable, match="cannot be read"):
        read_file(tmp_path / "loop", 100)
    with pytest.raises(Unreadable, match="NUL character"):
        read_file(tmp_path / "a\0b", 100)


def test_proc_files_that_say_they_are_empty_are_read() -> None:
    """Their size is 0, and yet they have a content."""
    assert b"Name:" in read_file(Path("/proc/self/status"), 100_000)
