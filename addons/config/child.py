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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from switchman.addons.config.configuration import SettingsError
from switchman.addons.core.masking import mask_text
from switchman.addons.core.rules.problems import RulesError

READY = "ready"
ORPHAN_GRACE = 10.0  # seconds a child without a supervisor has to stop by itself


def obey_supervisor(grace: float = ORPHAN_GRACE) -> None:
    """Stop (by SIGTERM to ourselves, then, after `grace` seconds, by force) when the supervisor is gone."""
    threading.Thread(target=_outlive_nobody, args=(grace,), name="lifeline", daemon=True).start()


def _outlive_nobody(grace: float) -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(grace)
    os._exit(1)  # stuck: nothing may be left running


@contextmanager
def mistakes_told() -> Iterator[None]:
    """What is wrong with the configuration is told in its own sentence, without a traceback, and ends the process."""
    try:
        yield
    except (SettingsError, RulesError) as e:
        sys.stderr.write(f"switchman: {e}\n")
        raise SystemExit(1) from None


def say_ready(details: Sequence[str] = ()) -> None:
    """Tell the supervisor that this process serves now. `details` are words without spaces."""
    sys.stdout.write(" ".join((READY, *details)) + "\n")
    sys.stdout.flush()


class OneLine(logging.Formatter):
    """Messages hold what clients and servers sent: no line of theirs may pass for one of ours, or move the cursor, and
    no key in it stays.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = mask_text(record.message)
        if not record.message.isprintable():
            record.message = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in record.message)
        return super().formatMessage(record)


def log_to_stderr(process: str) -> None:
    """Our own messages from INFO, everybody else's from WARNING: mitmproxy logs each connection at INFO."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine(f"%(asctime)s {process} %(levelname)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("switchman").setLevel(logging.INFO)
