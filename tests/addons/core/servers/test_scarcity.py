"""What the router itself lacks is told from what is wrong with a server."""

from __future__ import annotations

import errno
import os

import httpx
import pytest

from switchman.addons.core.servers.scarcity import is_scarcity

LACKS = [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM]
OTHERS = [errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.ECONNRESET]


def raised_from(cause: BaseException) -> BaseException:
    """An error of a library, raised because of another one."""
    try:
        try:
            raise cause
        except BaseException as error:
            raise httpx.ConnectError("All connection attempts failed") from error
    except httpx.ConnectError as error:
        return error


@pytest.mark.parametrize(("numbers", "expected"), [(LACKS, True), (OTHERS, False)])
def test_it_is_told_by_its_number(numbers: list[int], expected: bool) -> None:
    """As an error, as its text, and as the text of several, which is what asyncio gives for a name of two addresses."""
    for number in numbers:
        error = OSError(number, os.strerror(number))
        several = OSError(f"Multiple exceptions: {error}, {OSError(errno.ECONNREFUSED, 'refused')}")
        assert is_scarcity(error) is is_scarcity(str(error)) is is_scarcity(several) is expected


@pytest.mark.parametrize(("number", "expected"), [(errno.EMFILE, True), (errno.ECONNREFUSED, False)])
def test_what_it_was_raised_from_tells(number: int, expected: bool) -> None:
    """HTTP libraries raise errors of their own; some group those of several addresses."""
    cause = OSError(number, "x")
    assert is_scarcity(raised_from(cause)) is expected
    assert is_scarcity(raised_from(ExceptionGroup("tried", [OSError(errno.ECONNREFUSED, "y"), cause]))) is expected


def test_other_numbers_and_circles_are_none() -> None:
    """Port 24 is no errno 24; an error that is its own context ends the search."""
    assert not is_scarcity("cannot connect to host:24, [Errno 111] refused")
    circle = ValueError()
    circle.__cause__, circle.__context__ = (other := ValueError()), circle
    other.__cause__ = circle
    assert not is_scarcity(circle)
