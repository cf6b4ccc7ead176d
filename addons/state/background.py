"""Background: what takes long, off the event loop. The loop keeps its turns as long as no single call into C is long.

Reading and translating a request of thousands of messages takes up to seconds of Python. In a thread, Python gives the
event loop its turn every few milliseconds (sys.getswitchinterval), so other requests and streams only get slower.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

# As few threads as let a short one pass a long one: they share one interpreter, and each delays the event loop's turns.
THREADS = 2
STEPS = 2  # threads for single steps of streams, which must not wait for what takes seconds


type Run = Callable[..., Awaitable[Any]]
"""Runs a function with its arguments, somewhere: Background.run, or in_place."""


async def in_place[T](function: Callable[..., T], *args: object) -> T:
    """A Run that waits for nothing."""
    return function(*args)


def at_once[T](coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing, as one whose Run is in_place."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("the coroutine waits for something")


class Background:
    """Its threads are started when they are first needed."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="switchman large")
        self._steps = ThreadPoolExecutor(STEPS, thread_name_prefix="switchman step")
        self._lock = Lock()
        self._working = 0
        self._collects = False

    async def run[T](self, function: Callable[..., T], *args: object) -> T:
        """What `function(*args)` returns or raises. It must touch nothing that the event loop changes meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._work, function, *args)

    async def step[T](self, function: Callable[..., T], *args: object) -> T:
        """run() for a step of a stream."""
        return await asyncio.get_running_loop().run_in_executor(self._steps, self._work, function, *args)

    def _work[T](self, function: Callable[..., T], *args: object) -> T:
        """Work without Python's cycle collector, which looks at all objects of a large request again and again, and
        lets no thread run meanwhile: 0.4 s at a time for 100,000 messages. They are in no cycle.
        """
        with self._lock:
            self._working += 1
            if self._working == 1:
                self._collects = gc.isenabled()
                gc.disable()
        try:
            return function(*args)
        finally:
            with self._lock:
                self._working -= 1
                if self._working == 0 and self._collects:
                    gc.enable()

    def close(self) -> None:
        """Take nothing new; what runs comes to its end by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._steps.shutdown(wait=False, cancel_futures=True)
