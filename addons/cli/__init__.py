"""The `switchman` command.

In it: a module for each subcommand, with `run(arguments)`, imported when it is asked for.
Door: `main`.
May not import: pipeline. Nothing imports it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

COMMANDS = {
    "serve": "run the proxy and the dashboard",
    "check": "validate a routes file",
    "explain": "show where a request would go, and why",
    "backtest": "what other rules would have done with the requests of the log",
    "rules": "take rules from another router's JSON, or give them to it",
    "forget": "remove requests from the log for good: of a token, a session, before a time",
    "key": "keep providers' keys, encrypted: set, list, rotate, rekey, delete",
    "token": "make tokens: for callers, and for the dashboard",
    "semantic": "prepare the embedding model",
    "version": "print the version",
}

_ELSEWHERE = {"key": "access.key", "forget": "access.forget"}  # than in a module of its own name, here


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 failed, 2 something about the call or the configuration is wrong.

    As of other commands it is 141 where whoever read the output (`| head`) went before the end.
    """
    try:
        try:
            return _run(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Else the rest of the buffer would be written at the end of the process, with an error message.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


def _run(arguments: Sequence[str] | None) -> int:
    listed = "\n".join(f"  {name:<10}{what}" for name, what in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="switchman",
        description="Decides which model on which server answers, and shows why.",
        epilog=f"commands:\n{listed}\n\n`switchman COMMAND --help` tells more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...")
    parsed = parser.parse_args(arguments)
    module = _ELSEWHERE.get(parsed.command, parsed.command)
    exit_code: int = import_module(f"switchman.addons.cli.{module}").run(parsed.arguments)
    return exit_code
