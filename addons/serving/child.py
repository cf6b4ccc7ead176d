"""What each process under the supervisor does first, and how it says that it is ready.

A child's stdin is a pipe that the supervisor holds open and never writes to: its end means that the supervisor is
gone, however it went. A child's stdout carries its status to the supervisor, one line each; all else goes to stderr.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence

READY = "ready"
ORPHAN_GRACE = 10.0  # seconds a child without a supervisor has to stop by itself


def obey_supervisor() -> None:
    """Stop (by SIGTERM to ourselves, then by force) when the supervisor is gone."""
    threading.Thread(target=_outlive_nobody, name="lifeline", daemon=True).start()


def _outlive_nobody() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(ORPHAN_GRACE)
    os._exit(1)  # stuck: nothing may be left running


def say_ready(details: Sequence[str] = ()) -> None:
    """Tell the supervisor that this process serves now. `details` are words without spaces."""
    sys.stdout.write(" ".join((READY, *details)) + "\n")
    sys.stdout.flush()


def log_to_stderr(process: str) -> None:
    """Our own messages from INFO, everybody else's from WARNING: mitmproxy logs each connection at INFO."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.WARNING,
        format=f"%(asctime)s {process} %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
    )
    logging.getLogger("switchman").setLevel(logging.INFO)
