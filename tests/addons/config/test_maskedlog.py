"""What is logged has no key in it, whichever handler writes it, at every level, and in tracebacks."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from switchman.addons.config.maskedlog import mask_log
from switchman.addons.core.keys.known import KnownKeys

KEY = "a-key-of-ours-1234567890"
keys = KnownKeys([KEY])


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a plain handler of the root logger writes, as that of mitmproxy's terminal is one."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    ours = logging.getLogger("switchman")  # a process of ours that a test has run in this one has set its level
    level_of_ours = ours.level
    ours.setLevel(logging.NOTSET)
    end = mask_log(lambda: keys)
    yield stream
    end()
    root.removeHandler(handler)
    root.setLevel(level)
    ours.setLevel(level_of_ours)


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR])
@pytest.mark.parametrize("logger", ["switchman.any", "mitmproxy.proxy.server", "waitress", "anything"])
def test_messages_and_their_arguments(level: int, logger: str, written: io.StringIO) -> None:
    """Whoever logs it, and however the key came into it."""
    log = logging.getLogger(logger)
    log.log(level, "bad header %r of %s", {"x-key": KEY}, "here")
    log.log(level, f"url http://h/?k={KEY}")
    log.log(level, "client's: %s", "sk-proj-0123456789abWXYZ")
    assert written.getvalue().splitlines() == [
        "bad header {'x-key': '...7890'} of here",
        "url http://h/?k=...7890",
        "client's: ...WXYZ",
    ]


def test_a_traceback(written: io.StringIO) -> None:
    """The exception's own words are masked, and the traceback is there."""
    try:
        raise ValueError(f"cannot use {KEY}")
    except ValueError:
        logging.getLogger("switchman").exception("oh")
    assert KEY not in written.getvalue()
    assert written.getvalue().splitlines()[-1] == "ValueError: cannot use ...7890"
    assert "Traceback" in written.getvalue()


def test_a_line_without_a_key_is_as_it_was(written: io.StringIO) -> None:
    """Its arguments stand where they belong."""
    logging.getLogger("switchman").info("%d of %s", 1, "two")
    assert written.getvalue() == "1 of two\n"


class Unshown:
    """An argument that raises whatever is asked of it."""

    def __repr__(self) -> str:
        raise RuntimeError(f"no {KEY}")


@pytest.mark.parametrize(
    ("message", "args", "told"),
    [
        ("%d of %s", (KEY, "two"), "'%d of %s' and ('...7890', 'two')"),
        ("%s", (KEY, 2), "'%s' and ('...7890', 2)"),
        (f"{KEY} %s %s", (1,), "'...7890 %s %s' and (1,)"),
        ("%(a)s of %(b)s", ({"a": KEY},), "'%(a)s of %(b)s' and {'a': '...7890'}"),
        ("%s", (Unshown(),), "RuntimeError('no ...7890') of '%s' and arguments that cannot be shown"),
    ],
)
def test_arguments_that_do_not_fit(
    message: str, args: tuple[object, ...], told: str, written: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are told with their place, masked, and in the log: Python would print them as they are."""
    logging.getLogger("switchman").warning(message, *args)
    assert KEY not in written.getvalue()
    assert written.getvalue().startswith(f"Logging error in {__file__}:")
    assert written.getvalue().endswith(f"{told}\n")
    assert capsys.readouterr() == ("", "")


def test_a_message_that_cannot_be_shown(written: io.StringIO) -> None:
    """It costs a line of the log, and never whoever logs it."""
    logging.getLogger("switchman").warning(Unshown())
    assert written.getvalue().endswith("RuntimeError('no ...7890') of a message that cannot be shown and ()\n")


def test_it_ends() -> None:
    """No handler keeps a filter for keys of a router that is gone."""
    before = [list(handler.filters) for handler in logging.getLogger().handlers]
    mask_log(lambda: keys)()
    assert [list(handler.filters) for handler in logging.getLogger().handlers] == before
