"""The limit on open files: raised at the start, and what is said when it is reached."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import subprocess
import sys

import pytest

from switchman.addons.state.descriptors import TELL_EVERY, Shortage, any_left

LIMITS = "import resource; from switchman.addons.state.descriptors import raise_limit, any_left; "


def in_a_process(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", LIMITS + code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_soft_limit_becomes_the_hard_one() -> None:
    """The hard one stays."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    expected = hard if hard != resource.RLIM_INFINITY else 1 << 20
    code = (
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard})); "
        "print(raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    assert in_a_process(code) == f"{expected} {expected} {hard}"


def test_a_limit_that_is_high_enough_stays() -> None:
    """It is never lowered."""
    code = "resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300)); print(raise_limit(), raise_limit())"
    assert in_a_process(code) == "300 300"


def test_whether_any_is_left() -> None:
    """Told by trying."""
    assert any_left()
    code = (
        "import os; resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)); files = []\n"
        "try:\n"
        "    while True: files.append(os.open('/dev/null', os.O_RDONLY))\n"
        "except OSError: print(any_left())\n"
        "os.close(files.pop()); print(any_left())"
    )
    assert in_a_process(code).split() == ["False", "True"]


def test_it_is_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """With the limit, and how to raise it."""
    now = 1000.0
    shortage = Shortage(lambda: now)
    with caplog.at_level(logging.WARNING):
        for later in (0.0, 1.0, TELL_EVERY - 0.1, TELL_EVERY + 1):
            now = 1000.0 + later
            shortage.tell(OSError(errno.EMFILE, "Too many open files"))
    assert len(caplog.records) == 2
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert f"may have {limit} open" in caplog.text and "ulimit -n" in caplog.text


def test_a_loop_that_cannot_accept_writes_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """Other errors still reach the handler that was there."""
    others: list[object] = []
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _, context: others.append(context["exception"]))
    shortage = Shortage()
    shortage.watch(loop)
    other = ValueError("another")
    with caplog.at_level(logging.WARNING):
        for error in (OSError(errno.EMFILE, "Too many open files"), OSError(errno.ENFILE, "x"), other):
            loop.call_exception_handler({"message": "socket.accept() out of system resource", "exception": error})
    loop.close()
    assert others == [other]
    assert len(caplog.records) == 1 and caplog.records[0].exc_info is None
