"""Long work of Python's in a thread beside an event loop, so that the loop hardly notices."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SWITCH: Final = 0.0005  # seconds that the loop waits for a thread that computes, a tenth of Python's own
_NEVER: Final = 1_000_000_000

_lock = threading.Lock()  # what is set here is the process's own


@contextmanager
def beside_the_loop() -> Iterator[None]:
    """While it holds, threads take turns often, and the oldest objects are not searched for garbage: with the millions
    that are made of a large file, that would stop all threads for a second, each time their number has grown by a
    quarter. Younger ones are.
    """
    with _lock:
        interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
        sys.setswitchinterval(min(SWITCH, interval))
        gc.set_threshold(*thresholds[:2], _NEVER)
        try:
            yield
        finally:
            sys.setswitchinterval(interval)
            gc.set_threshold(*thresholds)
