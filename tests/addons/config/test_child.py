"""What the processes under the supervisor have in common."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys

import pytest

from switchman.addons.config.child import READY, OneLine, mistakes_told, say_ready
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


@pytest.mark.parametrize(
    ("error", "said"),
    [(SettingsError(["A is bad", "B is bad"]), "switchman: A is bad\nB is bad\n"), (KeyError("x"), None)],
)
def test_only_mistakes_of_the_configuration_are_told_so(
    error: Exception, said: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of them at once; what is a defect of ours keeps its traceback."""
    with pytest.raises(SystemExit if said else KeyError), mistakes_told():
        raise error
    assert capsys.readouterr().err == (said or "")


def test_ready_is_one_line_with_its_details(capsys: pytest.CaptureFixture[str]) -> None:
    """The first word is what the supervisor waits for."""
    say_ready(["8000", "8001"])
    say_ready()
    assert capsys.readouterr().out == f"{READY} 8000 8001\n{READY}\n"


LIVES_ON = """
import signal, sys, threading
from switchman.addons.config.child import obey_supervisor, say_ready
if sys.argv[1] == "stuck":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
obey_supervisor(grace=0.05)
say_ready()
threading.Event().wait(60)
"""


@pytest.mark.parametrize(("how", "code"), [("plain", -signal.SIGTERM), ("stuck", 1)])
def test_a_process_without_its_supervisor_ends(how: str, code: int) -> None:
    """By SIGTERM, so that it can write what it has; one that does not stop by that, by force."""
    with subprocess.Popen(
        [sys.executable, "-c", LIVES_ON, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout
        assert process.stdout.readline().split() == [READY.encode()]
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(60) == code


ENDS = """
import asyncio, os, signal
from switchman.addons.config.child import ignore_stop_signals
loop = asyncio.new_event_loop()
loop.add_signal_handler(signal.SIGTERM, print, "told")
ignore_stop_signals(loop, signal.SIGTERM)
os.kill(os.getpid(), signal.SIGTERM)
loop.close()
os.kill(os.getpid(), signal.SIGTERM)
print("ended by itself")
"""


def test_who_ends_is_told_so_in_vain() -> None:
    """Before its loop closes and after, without a word of a defect."""
    done = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended by itself\n", "")


def test_our_own_words_from_info_and_others_from_warning() -> None:
    """mitmproxy logs each connection at INFO; the process's name stands on every line."""
    code = (
        "import logging; from switchman.addons.config.child import log_to_stderr; log_to_stderr('worker-1')\n"
        "logging.getLogger('switchman.addons').info('ours'); logging.getLogger('switchman').debug('too much')\n"
        "logging.getLogger('mitmproxy').info('theirs'); logging.getLogger('mitmproxy').warning('their trouble')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert [line.split(" ", 1)[1] for line in done.stderr.splitlines()] == [
        "worker-1 INFO ours",
        "worker-1 WARNING their trouble",
    ]
