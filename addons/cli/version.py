"""`switchman version`: prints the version."""

from __future__ import annotations

import argparse
from importlib import metadata


def run(arguments: list[str]) -> int:
    """Prints `switchman 1.2.3`."""
    argparse.ArgumentParser(prog="switchman version", description="Print the version.").parse_args(arguments)
    print(f"switchman {metadata.version('switchman')}")
    return 0
