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
from switchman.addons.state.together.opening import open_elsewhere
from switchman.addons.store import Store
from switchman.addons.store.access.audit import Audit, at_the_terminal
from switchman.addons.store.access.tokens import TokenError
from switchman.addons.store.keeping.elsewhere import Elsewhere
from switchman.addons.store.keeping.forgetting import Forgotten, Wanted, count, forget

TELL_SECONDS = 1.0
_AGO = re.compile(r"([0-9]{1,6})\s*([smhdw])(?:\s+ago)?")
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
            elsewhere = open_elsewhere(settings)
            rows = count(store.engine, wanted) + elsewhere.count_waiting(wanted.holds)
            if not rows:
                _say_why(store, wanted)
            if not args.yes and not _confirmed(rows, wanted):
                return refuse("nothing was forgotten")
            return _forget(store, wanted, elsewhere, settings.audit_days)
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
    parser.add_argument(
        "--session",
        metavar="S",
        help="requests of a session, by the name its client gave it, or its digest: the page of a request shows it",
    )
    parser.add_argument(
        "--before", metavar="T", type=when, help="requests from before: 30d (ago), or 2026-11-30[T14:00]"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--data-dir", metavar="D", type=Path, help="the folder that `serve --data-dir` has")
    return parser


def when(text: str) -> float:
    """Epoch seconds: `30d` is so long ago, a date is of this machine's time zone. Raises ArgumentTypeError."""
    if found := _AGO.fullmatch(text.strip().lower()):
        return max(0.0, time.time() - int(found[1]) * _UNITS[found[2]])
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is no time: expected 30d, 12h, or 2026-11-30T14:00") from None


def _say_why(store: Store, wanted: Wanted) -> None:
    """Why nothing may be meant. It goes on all the same: a request may be on its way to the log."""
    if wanted.token is not None:
        try:
            store.access.tokens.get(wanted.token)
        except TokenError as error:
            say(f"{error}, and no request that is meant has it; names and ids are in `switchman token list`")
            return
    if wanted.session is not None:
        say("no request that is meant has this session; the page of a request shows which one it has")


def _confirmed(rows: int, wanted: Wanted) -> bool:
    if not sys.stdin.isatty():
        say(f"{rows} requests would be forgotten ({wanted}); with --yes they are")
        return False
    question = f"{rows} requests ({wanted}) are forgotten for good, with their bodies. Go on? [y/N] "
    print(question, end="", file=sys.stderr, flush=True)
    return input().strip().lower() in ("y", "yes")


def _forget(store: Store, wanted: Wanted, elsewhere: Elsewhere, audit_days: int) -> int:
    last = time.monotonic()

    def tell(sentence: str) -> None:
        nonlocal last
        if time.monotonic() - last >= TELL_SECONDS:
            last = time.monotonic()
            say(sentence)

    audit, who, target = Audit(store.engine, audit_days), at_the_terminal(), str(wanted)
    try:
        done = forget(store.engine, store.blobs, wanted, elsewhere, tell)
    except BaseException:  # whoever ends it halfway leaves a line all the same
        audit.record(who, "log.forget", target, None, {"stopped": "some of it may be forgotten"})
        raise
    audit.record(who, "log.forget", target, None, asdict(done))
    print(told(done))
    if done.leftover:
        say(f"not wholly overwritten yet: {done.leftover}")
        return 1
    return 0


def told(done: Forgotten) -> str:
    return f"forgotten: {done.rows} requests, {done.bodies} bodies, {done.elsewhere} answers and targets in the cache"
