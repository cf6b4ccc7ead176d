"""Times every callback of a proxy worker's event loop, for scripts/bench/chain: that puts this folder on PYTHONPATH.

Python imports a module of this name when it starts; no code of the router knows of it. Each callback that took longer
than LEAST becomes a line of JSON in the file that LOOP_PROBE names: when it ended (monotonic seconds), how long the
loop could do nothing else, how much of that was its own CPU time (both ms), and what it was.
"""

from __future__ import annotations

import json
import os
import sys
import time
from asyncio import Handle, Task
from typing import Any

LEAST = 0.0005  # seconds
WORKER = "switchman.addons.serving.worker"


def name_of(handle: Any) -> str:
    """The function, or the coroutine whose task took a step."""
    callback = getattr(handle, "_callback", None)
    owner = getattr(callback, "__self__", None)
    named = owner.get_coro() if isinstance(owner, Task) else callback
    return str(getattr(named, "__qualname__", named))[:200]


def watch(path: str) -> None:
    """Put a clock around asyncio's own way to run a callback; the file stays open as long as the process lives."""
    log = open(path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115
    run = Handle._run
    wall, cpu = time.monotonic, time.thread_time

    def timed(handle: Any) -> None:
        began, worked = wall(), cpu()
        run(handle)
        ended = wall()
        if ended - began >= LEAST:
            line = {"ended": ended, "ms": (ended - began) * 1e3, "cpu_ms": (cpu() - worked) * 1e3}
            log.write(json.dumps(line | {"what": name_of(handle)}) + "\n")

    setattr(Handle, "_run", timed)  # noqa: B010 - a method, as far as types go


if (target := os.environ.get("LOOP_PROBE")) and WORKER in sys.orig_argv:
    watch(target)
