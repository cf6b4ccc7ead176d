"""How the command talks: its own lines go to stderr, so that what is asked for can be piped from stdout."""

from __future__ import annotations

import sys


def say(message: str) -> None:
    print(f"switchman: {message}", file=sys.stderr, flush=True)


def show(text: str) -> None:
    print(text, flush=True)


def refuse(message: str) -> int:
    """Say why, and return the exit code for a call or a configuration that is wrong."""
    say(message)
    return 2
