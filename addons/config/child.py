"""What each process under the supervisor does first: end with the supervisor, log, say that it is ready.

A child's stdin is a pipe that the supervisor holds open and never writes to: its end means that the supervisor is
gone, however it went. A child's stdout carries its status to the supervisor, one line each; all else goes to stderr.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from switchman.addons.core.texts.masking import mask_text

READY = "ready"
ORPHAN_GRACE = 10.0  # seconds a child without a supervisor has to stop by itself


def obey_supervisor(grace: float = ORPHAN_GRACE) -> None:
    """Stop (by SIGTERM to ourselves, then, after `grace` seconds, by force) when the supervisor is gone."""
    threading.Thread(target=_end_with_supervisor, args=(grace,), name="lifeline", daemon=True).start()


def _end_with_supervisor(grace: float) -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(grace)
    os._exit(1)  # it is stuck, and nothing may be left running


def ignore_stop_signals(loop: asyncio.AbstractEventLoop, *numbers: signal.Signals) -> None:
    """From here on the process ends by itself: call it when nothing more can be stopped, before the loop closes.

    A supervisor that ends sends SIGTERM and lets go of stdin, which sends another. A loop that closes lets go of the
    pipe for signals before it lets go of their handlers; one that comes between is reported as a defect.
    """
    for number in numbers:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def mistakes_told() -> Iterator[None]:
    """Report a fault of the configuration as a sentence, without a traceback, and end the process."""
    # Here, as a child without a configuration needs nothing of it: that is a second of its start.
    from switchman.addons.config.configuration import SettingsError
    from switchman.addons.core.rules.problems import RulesError

    try:
        yield
    except (SettingsError, RulesError) as e:
        sys.stderr.write(f"switchman: {mask_text(str(e))}\n")
        raise SystemExit(1) from None


def say_ready(details: Sequence[str] = ()) -> None:
    """Tell the supervisor that this process serves now. `details` are words without spaces."""
    sys.stdout.write(" ".join((READY, *details)) + "\n")
    sys.stdout.flush()


class OneLine(logging.Formatter):
    """Writes a message on one line. It may hold what clients and servers sent: that must not pass for a line of ours,
    nor move the cursor, and keys in it are masked.
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
