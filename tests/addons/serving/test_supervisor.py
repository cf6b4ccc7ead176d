"""The supervisor with real processes: small scripts that speak its protocol."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.serving.supervisor import how_it_ended

PATIENCE = 60.0

GOOD = """
import os, signal, sys, threading
from switchman.addons.config.child import obey_supervisor, say_ready
obey_supervisor()
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
print(f"pid {os.getpid()}", file=sys.stderr, flush=True)
say_ready(["one", "two"])
stop.wait()
print("stopped gently", file=sys.stderr, flush=True)
"""
STUBBORN = GOOD.replace("lambda *_: stop.set()", "signal.SIG_IGN")
DEAF = GOOD.replace("lambda *_: stop.set()", "lambda *_: print('asked to stop', file=sys.stderr, flush=True)")
BAD = "import sys; print('no such thing as a flux capacitor', file=sys.stderr); sys.exit(3)"
SHORT = GOOD.replace("stop.wait()", "sys.exit(4)")

# A supervisor's process: starts the modules it is told to, and prints what is said.
MAIN = """
import asyncio, sys
from switchman.addons.serving import restarts, supervisor

restarts.FIRST_PAUSE = 0.05
supervisor.STOP_PATIENCE = {stop_patience}

async def launch(s):
    for name in {modules!r}:
        details = await s.start(name, lambda last, name=name: [name], essential=name not in {optional!r},
                                reloads=name in {reloading!r})
        print("started", name, *details, flush=True)
    print("all started", flush=True)

s = supervisor.Supervisor(lambda text: print(text, flush=True))
sys.exit(asyncio.run(s.run(launch(s))))
"""

Start = Callable[..., "Run"]


class Run:
    """A supervisor that runs; its output and its children's in one file."""

    def __init__(
        self,
        folder: Path,
        modules: dict[str, str],
        *,
        optional: tuple[str, ...] = (),
        reloading: tuple[str, ...] = (),
        stop_patience: float = PATIENCE,
        terminal: bool = False,
        nohup: bool = False,
    ) -> None:
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(text)
        main = folder / "supervise.py"
        main.write_text(
            textwrap.dedent(MAIN).format(
                modules=list(modules), optional=optional, reloading=reloading, stop_patience=stop_patience
            )
        )
        self.log = folder / "log"
        self._master, slave = pty.openpty() if terminal else (None, None)

        def prepare() -> None:
            if slave is not None:
                fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)  # whatever the tests run under

        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(main)],
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONPATH": str(folder)},
                start_new_session=terminal,
                preexec_fn=prepare,
            )
        if slave is not None:
            os.close(slave)

    def close_terminal(self) -> None:
        if self._master is not None:
            os.close(self._master)
            self._master = None

    def wait_for(self, text: str, times: int = 1) -> str:
        """The log, once `text` is in it so many times."""
        deadline = time.monotonic() + PATIENCE
        while (log := self.log.read_text()).count(text) < times:
            assert time.monotonic() < deadline, f"no {text!r} in:\n{log}"
            time.sleep(0.02)
        return log

    def pids(self) -> list[int]:
        """The children's process ids, in the order they started."""
        lines = self.log.read_text().splitlines()
        return [int(line.split()[1]) for line in lines if line.startswith("pid ")]

    def end(self) -> tuple[int, str]:
        """The exit code and the whole log."""
        return self.process.wait(PATIENCE), self.log.read_text()


@pytest.fixture
def start(tmp_path: Path) -> Start:
    runs: list[Run] = []

    def begin(**given: Any) -> Run:
        modules = {name: text for name, text in given.items() if isinstance(text, str)}
        runs.append(Run(tmp_path, modules, **{name: value for name, value in given.items() if name not in modules}))
        return runs[-1]

    yield begin  # type: ignore[misc]
    for run in runs:
        run.close_terminal()
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()


def wait_gone(pid: int) -> None:
    """Until no such process runs (an orphan that ended may stay in the table as a zombie)."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_in_order(start: Start, number: signal.Signals) -> None:
    """Each child gets its time to end by itself; the exit code is 0 and nothing is left."""
    run = start(alpha=GOOD, beta=GOOD)
    log = run.wait_for("all started")
    assert "started alpha one two" in log
    run.process.send_signal(number)
    code, log = run.end()
    assert code == 0
    assert log.count("stopped gently") == 2
    for pid in run.pids():
        wait_gone(pid)


def test_a_hang_up_signal_goes_to_those_that_reload_and_stops_nothing(start: Start) -> None:
    """The others would end by it."""
    hears = GOOD.replace("stop = ", "signal.signal(signal.SIGHUP, lambda *_: print('reads', file=sys.stderr))\nstop = ")
    run = start(reloading=("alpha",), alpha=hears, beta=GOOD)
    run.wait_for("all started")
    run.process.send_signal(signal.SIGHUP)
    run.wait_for("reads")
    run.process.send_signal(signal.SIGTERM)
    code, log = run.end()
    assert code == 0
    assert log.count("stopped gently") == 2 and log.count("reads") == 1 and "restarting" not in log


@pytest.mark.parametrize("nohup", [False, True])
def test_a_closed_terminal_stops_everything(start: Start, nohup: bool) -> None:
    """As it did before; but not where it was started so as to outlive its terminal."""
    run = start(terminal=True, nohup=nohup, alpha=GOOD)
    run.wait_for("all started")
    run.close_terminal()
    if nohup:
        run.process.send_signal(signal.SIGHUP)
        run.process.send_signal(signal.SIGTERM)
    code, log = run.end()
    assert code == 0
    assert log.count("stopped gently") == 1


def test_a_child_that_died_is_restarted_with_a_line_that_says_so(start: Start) -> None:
    """Killed from outside, it comes back under its name with a new process."""
    run = start(alpha=GOOD)
    run.wait_for("all started")
    os.kill(run.pids()[0], signal.SIGKILL)
    log = run.wait_for("alpha is back")
    assert "alpha died by signal 9 (SIGKILL); restarting it" in log
    assert len(set(run.pids())) == 2


def test_a_child_that_cannot_start_ends_everything(start: Start) -> None:
    """A mistake shows at once: its own message, one line of ours, exit code 1, and what ran already is stopped."""
    run = start(alpha=GOOD, beta=BAD)
    code, log = run.end()
    assert code == 1
    assert log.count("no such thing as a flux capacitor") == 1
    assert "beta could not start: it exited with code 3. Its own message is above." in log
    assert "Traceback" not in log
    wait_gone(run.pids()[0])


def test_a_child_that_dies_again_and_again_is_given_up(start: Start) -> None:
    """Five quick deaths of an essential child end everything with exit code 1."""
    run = start(alpha=SHORT)
    code, log = run.end()
    assert code == 1
    assert log.count("restarting it") == 4
    assert "alpha exited with code 4, again and again; giving it up" in log


def test_what_is_not_essential_is_left_out(start: Start) -> None:
    """The others go on when it is given up."""
    run = start(optional=("beta",), alpha=GOOD, beta=SHORT)
    run.wait_for("beta exited with code 4, again and again; giving it up")
    assert run.process.poll() is None
    run.process.send_signal(signal.SIGTERM)
    code, log = run.end()
    assert (code, log.count("stopped gently")) == (0, 1)


def test_a_child_that_does_not_stop_is_killed(start: Start) -> None:
    """Patience ends; the line names it."""
    run = start(stop_patience=0.3, alpha=STUBBORN)
    run.wait_for("all started")
    run.process.send_signal(signal.SIGTERM)
    code, log = run.end()
    assert code == 0
    assert "alpha did not stop within 0 s and was killed" in log
    wait_gone(run.pids()[0])


def test_workers_stop_first(start: Start) -> None:
    """What they still answer may need the others, which are told only when the workers have ended."""
    slow = GOOD.replace("stop.wait()\n", "stop.wait()\nimport time; time.sleep(1.5)\n").replace("gently", "slowly")
    run = start(optional=("beta",), alpha=slow, beta=GOOD)
    run.wait_for("all started")
    run.process.send_signal(signal.SIGTERM)
    code, log = run.end()
    assert code == 0
    assert log.index("stopped slowly") < log.index("stopped gently")


def test_a_second_signal_is_passed_on(start: Start) -> None:
    """A child that takes its time for running requests hears that nobody wants to wait; it is not killed."""
    patient = GOOD.replace(
        "stop.wait()\n", "stop.wait()\nstop.clear()\nprint('once', file=sys.stderr, flush=True)\nstop.wait()\n"
    )
    run = start(alpha=patient)
    run.wait_for("all started")
    run.process.send_signal(signal.SIGINT)
    run.wait_for("once")
    run.process.send_signal(signal.SIGINT)
    code, log = run.end()
    assert (code, log.count("stopped gently"), "killed" in log) == (0, 1, False)


def test_a_third_signal_stops_at_once(start: Start) -> None:
    """A child that takes no notice of being asked twice is killed by the next one, however much time it still had."""
    run = start(stop_patience=3600, alpha=DEAF)
    run.wait_for("all started")
    for asked in (1, 2):
        run.process.send_signal(signal.SIGINT)
        run.wait_for("asked to stop", times=asked)  # two signals at once would be merged into one
    run.process.send_signal(signal.SIGINT)
    assert run.end()[0] == 0
    wait_gone(run.pids()[0])


def test_nothing_is_left_when_the_supervisor_is_killed(start: Start) -> None:
    """SIGKILL cannot be caught, but the children notice that nobody holds their stdin any more, and end gently."""
    run = start(alpha=GOOD, beta=GOOD)
    run.wait_for("all started")
    run.process.kill()
    run.process.wait()
    pids = run.pids()
    for pid in pids:
        wait_gone(pid)
    assert len(pids) == run.wait_for("stopped gently", times=2).count("stopped gently") == 2


def test_a_signal_during_the_start_stops_what_has_started(start: Start) -> None:
    """Ctrl-C while a child is still starting leaves neither it nor the ones before."""
    slow = "import sys, time; print('starting slowly', file=sys.stderr, flush=True); time.sleep(3600)"
    run = start(alpha=GOOD, beta=slow)
    run.wait_for("starting slowly")
    run.process.send_signal(signal.SIGINT)
    code, log = run.end()
    assert code == 0
    assert "stopped gently" in log and "all started" not in log
    assert "Traceback" not in log


def test_an_end_is_told_in_words() -> None:
    """Exit codes by number, signals by name."""
    assert how_it_ended(3) == "exited with code 3"
    assert how_it_ended(-9) == "died by signal 9 (SIGKILL)"
    assert how_it_ended(-1234) == "died by signal 1234"


def test_a_stopped_loop_has_no_leftover_tasks() -> None:
    """A launch that starts nothing ends as soon as it is asked to, without pending work."""
    from switchman.addons.serving.supervisor import Supervisor

    async def main() -> int:
        supervisor = Supervisor(print)

        async def launch() -> None:
            os.kill(os.getpid(), signal.SIGTERM)

        return await supervisor.run(launch())

    assert asyncio.run(main()) == 0
