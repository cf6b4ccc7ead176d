"""The supervisor: starts processes, waits until each serves, restarts what dies, and leaves nothing behind.

A process is ready when it says so (child.py). One that cannot start for the first time stops everything: a mistake
is to be seen at once. Later deaths are restarted with a line that says so, slower and slower, and given up after
several quick ones; an essential one then stops everything, any other is left out.

SIGHUP has the workers read the rules file again. Where it comes because the terminal is gone it stops everything, as
somebody who closes a window expects, unless it was ignored when we started (nohup).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from switchman.addons.config.child import READY
from switchman.addons.serving.restarts import Restarts

START_PATIENCE = 120.0  # seconds a process may take until it is ready
STOP_PATIENCE = 10.0  # seconds it may take to flush and end before it is killed, beside the grace of running requests
QUIET = 0.5  # seconds of stopping after which it is said what is waited for
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

Command = Callable[[Sequence[str]], Sequence[str]]  # details of the last start (or none) -> arguments of the next
Say = Callable[[str], None]


class StartFailed(Exception):
    """A process ended, or took too long, before it was ready. The message names it and says how it ended."""


class Child:
    """One process: started again and again by the same `command`, a Python module's arguments."""

    def __init__(self, name: str, command: Command, essential: bool = True, reloads: bool = False) -> None:
        self.name = name
        self.reloads = reloads  # by SIGHUP
        self.essential = essential
        self.details: Sequence[str] = ()
        self.started = 0.0
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._relay: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> Sequence[str]:
        """Returns the words the process said with its `ready`; raises StartFailed."""
        self.started = time.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-O",  # mitmproxy checks each message's fields in asserts, which is an eighth of a request's time
            "-P",  # no module of the current folder may stand in for one of ours
            "-m",
            *self._command(self.details),
            stdin=asyncio.subprocess.PIPE,  # its end tells the child that we are gone
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches the supervisor only, which then stops its children in order
        )
        try:
            async with asyncio.timeout(START_PATIENCE):
                self.details = await self._read_until_ready(self._process)
        except TimeoutError:
            self.kill()
            raise StartFailed(f"{self.name} was not ready after {START_PATIENCE:.0f} seconds") from None
        self._relay = asyncio.create_task(self._pass_on(self._process))
        return self.details

    async def _read_until_ready(self, process: asyncio.subprocess.Process) -> Sequence[str]:
        assert process.stdout
        while line := (await process.stdout.readline()).decode(errors="replace"):
            word, *details = line.split() or [""]
            if word == READY:
                return details
            sys.stderr.write(line)
        raise StartFailed(f"{self.name} could not start: it {how_it_ended(await process.wait())}")

    async def _pass_on(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout
        while line := await process.stdout.readline():
            sys.stderr.write(line.decode(errors="replace"))

    async def ended(self) -> int:
        """The exit code, negative for a signal."""
        assert self._process
        return await self._process.wait()

    def kill(self) -> None:
        self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def stop(self, patience: float) -> bool:
        """Ask the process to end; kill it after `patience` seconds. False where it had to be killed."""
        if self._process is None:
            return True
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(patience):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
            return False
        return True


class Supervisor:
    """Runs children until a signal, or until one that is essential is lost. `grace`: seconds for running requests."""

    def __init__(self, say: Say, grace: float = 0.0) -> None:
        self._say = say
        self._grace = grace
        self._children: list[Child] = []
        self._keepers: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._exit_code = 0
        self._hurry = False
        self._had_terminal = has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
        self._last: list[Callable[[], None]] = []

    async def run(self, launch: Coroutine[Any, Any, None]) -> int:
        """Await `launch`, which starts children by `start`, then wait for the end. Returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._on_signal)
        loop.add_signal_handler(signal.SIGHUP, self._on_hang_up)
        launching = asyncio.create_task(launch)
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([launching, stopping], return_when=asyncio.FIRST_COMPLETED)
            if launching.done():
                launching.result()
                await stopping
        except StartFailed as e:
            self._say(f"{e}. Its own message is above.")
            self._exit_code = 1
        finally:
            self._stop.set()
            stopping.cancel()
            launching.cancel()
            await asyncio.gather(launching, return_exceptions=True)
            await self._stop_all()
            for work in self._last:
                work()
        return self._exit_code

    def at_end(self, work: Callable[[], None]) -> None:
        """Have `work` called when every process has ended."""
        self._last.append(work)

    async def start(
        self, name: str, command: Command, *, essential: bool = True, reloads: bool = False
    ) -> Sequence[str]:
        """Start a process and keep it running. Returns what it said with its `ready`; raises StartFailed.

        `reloads`: it is sent SIGHUP where we get one.
        """
        child = Child(name, command, essential, reloads)
        self._children.append(child)
        details = await child.start()
        keeper = asyncio.create_task(self._keep(child))
        self._keepers.add(keeper)
        keeper.add_done_callback(self._keepers.discard)
        return details

    async def _keep(self, child: Child) -> None:
        restarts = Restarts()
        while True:
            how = how_it_ended(await child.ended())
            if self._stop.is_set():
                return
            pause = restarts.pause(time.monotonic() - child.started)
            if pause is None:
                self._give_up(child, how)
                return
            self._say(f"{child.name} {how}; restarting it" + (f" in {pause:g} s" if pause else ""))
            await asyncio.sleep(pause)
            try:
                await child.start()
                self._say(f"{child.name} is back (pid {child.pid})")
            except StartFailed:
                pass  # the top of the loop handles its end

    def _give_up(self, child: Child, how: str) -> None:
        self._say(f"{child.name} {how}, again and again; giving it up. Its own message is above.")
        if child.essential:
            self._exit_code = 1
            self._stop.set()

    def _on_signal(self) -> None:
        if self._hurry:  # the third signal
            self._kill_all()
        elif self._stop.is_set():  # the second signal: end what runs now, and kill it if that takes long
            self._hurry = True
            for child in self._children:
                child.signal(signal.SIGTERM)
            asyncio.get_running_loop().call_later(STOP_PATIENCE, self._kill_all)
        self._stop.set()

    def _on_hang_up(self) -> None:
        if self._had_terminal and not has_terminal():
            self._on_signal()
            return
        for child in self._children:
            if child.reloads:
                child.signal(signal.SIGHUP)

    def _kill_all(self) -> None:
        for child in self._children:
            child.kill()

    async def _stop_all(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        # Workers first: their running requests may need the others.
        for essential in (True, False):
            stops = [asyncio.create_task(self._end(c)) for c in self._children if c.essential is essential]
            if not stops:
                continue
            _, waiting = await asyncio.wait(stops, timeout=QUIET)
            if waiting and essential and self._grace and not self._hurry:
                self._say(f"waiting up to {self._grace:g} s for running requests; Ctrl-C again ends them at once")
            await asyncio.gather(*stops)

    async def _end(self, child: Child) -> None:
        patience = STOP_PATIENCE + (self._grace if child.essential else 0.0)
        if not await child.stop(patience):
            self._say(f"{child.name} did not stop within {patience:.0f} s and was killed")


def has_terminal() -> bool:
    """Whether this process has a terminal that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def how_it_ended(code: int) -> str:
    """`exited with code 3`, or `died by signal 9 (SIGKILL)`."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"died by signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"died by signal {-code}"
