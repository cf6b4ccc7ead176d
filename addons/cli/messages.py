"""Messages of the command: its own lines go to stderr, so that what was asked for can be piped from stdout."""

from __future__ import annotations

import sys
from contextlib import suppress


def say(message: str) -> None:
    with suppress(BrokenPipeError):  # a proxy goes on though nobody reads its messages any more
        print(f"switchman: {message}", file=sys.stderr, flush=True)


def show(text: str) -> None:
    print(text, flush=True)


def refuse(message: str) -> int:
    """Say why, and return the exit code for a wrong call or configuration."""
    say(message)
    return 2
