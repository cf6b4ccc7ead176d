"""How the command talks: one line each on stderr, so that what a command prints on stdout can be piped."""

from __future__ import annotations

import sys


def say(message: str) -> None:
    print(f"switchman: {message}", file=sys.stderr, flush=True)


def refuse(message: str) -> int:
    """Say why, and return the exit code for a call or a configuration that is wrong."""
    say(message)
    return 2
