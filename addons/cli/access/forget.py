"""`switchman forget`: removes requests from the log for good, with their bodies and what is kept of them elsewhere."""

from __future__ import annotations

import argparse
import re
import sys
import time
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from switchman.addons.cli.access.key import places
from switchman.addons.cli.messages import refuse, say
from switchman.addons.config.configuration import SettingsError, load_settings
from switchman.addons.config.log import open_log
from switchman.addons.store import Store
from switchman.addons.store.access.audit import Audit, at_the_terminal
from switchman.addons.store.keeping.elsewhere import Elsewhere
from switchman.addons.store.keeping.forgetting import Forgotten, Wanted, count, forget

TELL_SECONDS = 1.0
_AGO = re.compile(r"([0-9]{1,6})\s*([smhdw])")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}

DESCRIPTION = """\
Remove requests from the log for good: rows, attempts, bodies, cached answers. Of several conditions all must hold. A
body that other requests share stays. The router may run meanwhile; a request that still runs is written when it ends,
so revoke a token first. The change is noted in the list of changes."""


def run(arguments: list[str]) -> int:
    """Exit code 0; 1 where it was not done, or not wholly; 2 where the call or the settings are wrong."""
    args = _parser().parse_args(arguments)
    try:
        wanted = Wanted(args.token, args.session, args.before)
        settings = load_settings(**places(args.data_dir))
        with open_log(settings) as store:
            rows = count(store.engine, wanted)
            if not args.yes and not _confirmed(rows):
                return refuse("nothing was forgotten")
            return _forget(store, wanted, Elsewhere(settings.db_path), settings.audit_days)
    except (SettingsError, ValueError) as error:
        return refuse(str(error))
    except (KeyboardInterrupt, EOFError):
        say("stopped: some may be forgotten; the same command goes on")
        return 1
    except (DBAPIError, OSError) as error:
        why = error.orig if isinstance(error, DBAPIError) else error
        say(f"stopped, some may be forgotten; the same command goes on: {why!s:.300}")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="switchman forget", description=DESCRIPTION)
    parser.add_argument("--token", metavar="NAME|ID", help="requests that came with this token")
    parser.add_argument("--session", metavar="S", help="requests of a session, by the name its client gave it")
    parser.add_argument("--before", metavar="T", type=when, help="requests from before: 30d ago, or 2026-11-30[T14:00]")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--data-dir", metavar="D", type=Path, help="the folder that `serve --data-dir` has")
    return parser


def when(text: str) -> float:
    """Epoch seconds: `30d` is so long ago, a date is of this machine's time zone. Raises ArgumentTypeError."""
    if found := _AGO.fullmatch(text.strip().lower()):
        return time.time() - int(found[1]) * _UNITS[found[2]]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is no time: expected 30d, 12h, or 2026-11-30T14:00") from None


def _confirmed(rows: int) -> bool:
    if not sys.stdin.isatty():
        say(f"{rows} requests would be forgotten; with --yes they are")
        return False
    print(
        f"{rows} requests are forgotten for good, with their bodies. Go on? [y/N] ", end="", file=sys.stderr, flush=True
    )
    return input().strip().lower() in ("y", "yes")


def _forget(store: Store, wanted: Wanted, elsewhere: Elsewhere, audit_days: int) -> int:
    last = time.monotonic()

    def tell(sentence: str) -> None:
        nonlocal last
        if time.monotonic() - last >= TELL_SECONDS:
            last = time.monotonic()
            say(sentence)

    done = forget(store.engine, store.blobs, wanted, elsewhere, tell)
    Audit(store.engine, audit_days).record(at_the_terminal(), "log.forget", str(wanted), None, asdict(done))
    print(told(done))
    if done.leftover:
        say(f"not wholly overwritten yet: {done.leftover}")
        return 1
    return 0


def told(done: Forgotten) -> str:
    return f"forgotten: {done.rows} requests, {done.bodies} bodies, {done.elsewhere} answers and targets in the cache"
