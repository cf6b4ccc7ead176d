"""One proxy process: `python -m switchman.addons.serving.worker --number 1`, started by the supervisor.

All settings come by environment, so that no secret stands on a command line.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from switchman.addons.assembly import assemble
from switchman.addons.config.child import (
    ORPHAN_GRACE,
    ignore_stop_signals,
    log_to_stderr,
    mistakes_told,
    obey_supervisor,
    say_ready,
)
from switchman.addons.config.configuration import load_settings
from switchman.addons.config.settings import Settings
from switchman.addons.serving.master import LeanMaster
from switchman.addons.serving.ports import SharedPortLoop

HANG_UP_PATIENCE = 2.0  # seconds for the last answers to requests that are cut off at the end, and for their last hooks
# Allocations between two collections. Most of what a request makes dies by its reference count; more of the rest at a
# time would keep the event loop busy for longer (20,000: 10 ms), fewer would cost more in all.
YOUNG_OBJECTS = 5_000
# How many of those it takes for the next older portion, and of these for all there is.
PORTIONS = (5, 80)

logger = logging.getLogger(__name__)


class SayReady:
    """The last addon: when its `running` is called, the port is open and all other addons have started."""

    def __init__(self) -> None:
        self.started = asyncio.Event()

    def running(self) -> None:
        self.started.set()
        gc.freeze()  # what is there now stays: no collection has to walk through it, which takes tens of milliseconds
        say_ready()


async def serve(settings: Settings, addons: Sequence[Any], confdir: Path | None) -> None:
    """Run the proxy until SIGTERM; a second one hurries the end. One that comes during the start waits for its end:
    mitmproxy would leave half of what has begun as it is, threads that write to the log among it.

    Raises SystemExit(1) where mitmproxy or an addon logs an error during the start.
    """
    master = LeanMaster([*addons], confdir=confdir)
    ready = SayReady()
    master.addons.add(ready)
    master.listen(settings.listen_host, settings.listen_port, settings.default_upstream)
    stopping, hurry = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: (hurry if stopping.is_set() else stopping).set())
    running = asyncio.create_task(master.run())
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait([running, stop], return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    started = asyncio.create_task(ready.started.wait())
    await asyncio.wait([running, started], return_when=asyncio.FIRST_COMPLETED)
    started.cancel()
    if not running.done():
        await master.wind_down(settings.shutdown_grace, hurry)
        await master.hang_up(HANG_UP_PATIENCE)
        master.shutdown()
    await running


async def _serve_alone(settings: Settings, confdir: Path | None) -> None:
    """As the one thing that this process does."""
    try:
        await serve(settings, assemble(), confdir)
    finally:
        ignore_stop_signals(asyncio.get_running_loop(), signal.SIGTERM)


def main(argv: Sequence[str] | None = None) -> None:
    arguments = argparse.ArgumentParser(prog="switchman worker")
    arguments.add_argument("--number", type=int, default=1)
    arguments.add_argument("--confdir", type=Path)
    args = arguments.parse_args(argv)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the rules can be read again
    log_to_stderr(f"worker-{args.number}")
    with mistakes_told():
        settings = load_settings()
        obey_supervisor(settings.shutdown_grace + ORPHAN_GRACE)
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS, *PORTIONS)
        asyncio.run(_serve_alone(settings, args.confdir), loop_factory=SharedPortLoop)


if __name__ == "__main__":
    main()
