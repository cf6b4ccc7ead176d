"""What the processes under the supervisor have in common."""

from __future__ import annotations

import logging

import pytest

from switchman.addons.config.child import OneLine, mistakes_told
from switchman.addons.config.configuration import SettingsError


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("up/llama3 failed: 模型", "up/llama3 failed: 模型"),
        ("up/a\n12:00:00 worker-1 INFO all is well", r"up/a\n12:00:00 worker-1 INFO all is well"),
        ("up/m failed: bad key sk-0123456789abcdWXYZ", "up/m failed: bad key ...WXYZ"),
        ("up/\x1b[2J\r\x00\u2028\ud800", r"up/\x1b[2J\r\x00\u2028\ud800"),
    ],
)
def test_a_message_is_one_line(said: str, written: str) -> None:
    """A model's name with line breaks or terminal commands in it forges no line of the log; a key in it is masked."""
    record = logging.LogRecord("switchman", logging.WARNING, __file__, 1, "%s", (said,), None)
    assert OneLine("%(levelname)s %(message)s").format(record) == f"WARNING {written}"


def test_a_traceback_keeps_its_lines() -> None:
    """Only the message is escaped."""
    try:
        raise ValueError("here")
    except ValueError as e:
        record = logging.LogRecord("switchman", logging.ERROR, __file__, 1, "oh", (), (type(e), e, e.__traceback__))
    assert OneLine("%(message)s").format(record).splitlines()[-1] == "ValueError: here"


def test_a_mistake_is_told_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong with the configuration ends the process with its own sentence."""
    with pytest.raises(SystemExit) as caught, mistakes_told():
        raise SettingsError(["LISTEN_PORT is no number"])
    assert caught.value.code == 1
    assert capsys.readouterr().err == "switchman: LISTEN_PORT is no number\n"
