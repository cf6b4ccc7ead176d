"""`switchman token create|list|show|update|revoke|rotate`: the API tokens of callers (CLIENT_AUTH=TOKENS).

A token is printed alone on stdout, once; everything that is said about it goes to stderr.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from switchman.addons.cli.access.terms import add_changes, add_terms, changed_terms, terms_of
from switchman.addons.cli.access.usage import usage_of
from switchman.addons.cli.messages import refuse, say
from switchman.addons.config.configuration import SettingsError, load_settings
from switchman.addons.config.log import open_access
from switchman.addons.config.settings import Settings
from switchman.addons.core.access.written import budget_text, parse_duration
from switchman.addons.core.texts.unicode import dumps
from switchman.addons.store.access.audit import at_the_terminal, token_facts
from switchman.addons.store.access.opening import Access
from switchman.addons.store.access.tokens import Token, TokenError

GRACE = "1h"


def run(arguments: list[str]) -> int:
    """Exit code 0; 1 where the database does not answer; 2 for a wrong call, and what cannot be done."""
    args = _parser().parse_args(arguments)
    if args.data_dir is not None:
        os.environ["DB_PATH"] = str(args.data_dir.absolute() / "requests.db")
    try:
        settings = load_settings()
        if args.command != "create" and settings.database_url is None and not Path(settings.db_path).exists():
            return refuse(f"there is no database at {_where(settings)}: --data-dir, DB_PATH or DATABASE_URL says where")
        access = open_access(settings)
    except SettingsError as error:
        return refuse(str(error))
    try:
        args.work(args, access, settings)
    except (TokenError, ValueError) as error:
        return refuse(str(error))
    except DBAPIError as error:
        say(f"the database does not answer: {error.orig!s:.300}")
        return 1
    finally:
        access.close()
    return 0


def _create(args: argparse.Namespace, access: Access, settings: Settings) -> None:
    now = time.time()
    token, text = access.tokens.create(terms_of(args, now), now)
    _changed(access, "create", None, token)
    print(text)
    say(f"this is the token of {token.caller.name}, and it cannot be shown again")
    say(f"it is kept as a digest, in {_where(settings)}")
    if not settings.wants_tokens:
        say("CLIENT_AUTH is not TOKENS here: a router with these settings asks nobody for one")


def _update(args: argparse.Namespace, access: Access, settings: Settings) -> None:
    now = time.time()
    before, after = access.tokens.amend(args.token, lambda terms: changed_terms(terms, args, now))
    if after is before:
        say(f"{after.caller.name} was for that already: nothing was changed")
        return
    _changed(access, "change", before, after)
    say(f"{after.caller.name} is changed: within a second every router that uses {_where(settings)} goes by it")


def _list(args: argparse.Namespace, access: Access, settings: Settings) -> None:
    now, tokens = time.time(), access.tokens.list()
    if args.json:
        print(dumps([_as_json(token, now) for token in tokens], indent=2))
        return
    rows = [("NAME", "ID", "STATE", "ENDS WITH", "EXPIRES", "MODELS", "SERVERS", "GROUPS")]
    for token in tokens:
        caller = token.caller
        ends = ", ".join(one.hint for one in token.secrets if one.valid_until is None or one.valid_until > now)
        expires = _moment(caller.expires_at) or "never"
        rest = (",".join(caller.models) or "any", ",".join(caller.servers) or "any", ",".join(sorted(caller.groups)))
        rows.append((caller.name, caller.id, token.state(now), ends, expires, *rest))
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _show(args: argparse.Namespace, access: Access, settings: Settings) -> None:
    token = access.tokens.get(args.token)
    told = _as_json(token, time.time()) | usage_of(settings, token.caller)
    if args.json:
        print(dumps(told, indent=2))
        return
    for name, value in told.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        print(f"{name:<20} {'-' if shown in (None, '') else shown}")


def _revoke(args: argparse.Namespace, access: Access, settings: Settings) -> None:
    before = access.tokens.get(args.token)
    token = access.tokens.revoke(args.token, time.time())
    if before.revoked_at is None:
        _changed(access, "revoke", before, token)
    say(f"{token.caller.name} is revoked: within a second no router that uses {_where(settings)} takes it")


def _rotate(args: argparse.Namespace, access: Access, settings: Settings) -> None:
    now, grace = time.time(), 0.0 if args.grace == "0" else parse_duration(args.grace)
    token, text = access.tokens.rotate(args.token, grace, now)
    _note(access, "rotate", token, None, {"id": token.caller.id, "grace_seconds": grace})
    print(text)
    say(f"this is the new token of {token.caller.name}; the old one holds until {_moment(now + grace)}")
    if token.state(now) == "expired":
        say(f"{token.caller.name} has expired, which a new text does not change: make another token")


def _changed(access: Access, what: str, before: Token | None, after: Token) -> None:
    was, now = (token_facts(token) if token is not None else None for token in (before, after))
    _note(access, what, after, was, None if what == "revoke" else now)


def _note(access: Access, what: str, token: Token, before: Any, after: Any) -> None:
    """The one place that every change of a token comes through: here it goes into the audit table."""
    access.audit.record(at_the_terminal(), f"token.{what}", token.caller.name, before, after)


def _as_json(token: Token, now: float) -> dict[str, Any]:
    caller, allowance = token.caller, token.caller.allowance
    return {
        "name": caller.name,
        "id": caller.id,
        "state": token.state(now),
        "ends_with": [one.hint for one in token.secrets if one.valid_until is None or one.valid_until > now],
        "created": _moment(token.created_at),
        "expires": _moment(caller.expires_at),
        "revoked": _moment(token.revoked_at),
        "groups": sorted(caller.groups),
        "models": list(caller.models),
        "servers": list(caller.servers),
        "requests_per_minute": allowance.requests_per_minute,
        "tokens_per_minute": allowance.tokens_per_minute,
        "concurrent": allowance.concurrent,
        "max_body": allowance.body_bytes,
        "budgets": [budget_text(one) for one in allowance.budgets],
        "downgrade": next((one.downgrade for one in allowance.budgets if one.downgrade), None),
        "capture": caller.capture,
    }


def _moment(moment: float | None) -> str | None:
    if moment is None:
        return None
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):  # a year that no calendar has
        return f"{moment:.0f}"


def _where(settings: Settings) -> str:
    return "DATABASE_URL" if settings.database_url else str(Path(settings.db_path).absolute())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="switchman token", description="The tokens of callers (CLIENT_AUTH=TOKENS).")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, what: str, work: Callable[..., None], *, of_one: bool = True) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=what, description=what)
        made.set_defaults(work=work)
        made.add_argument(
            "--data-dir", metavar="D", type=Path, help="of `serve --data-dir`, where that was given (default: DB_PATH)"
        )
        if of_one:
            made.add_argument("token", metavar="NAME", help="name or id of the token")
        return made

    add_terms(command("create", "Make a token, and print it, once.", _create, of_one=False))
    add_changes(command("update", "Change what a token is for; its text stays as it is.", _update))
    for name, what, work, of_one in (
        ("list", "List the tokens; none is shown in full.", _list, False),
        ("show", "Show what a token is for.", _show, True),
    ):
        command(name, what, work, of_one=of_one).add_argument("--json", action="store_true", help="print JSON")
    command("revoke", "End a token at once, for good.", _revoke)
    rotate = command("rotate", "Print a new text for a token; the old one holds for a while.", _rotate)
    rotate.add_argument(
        "--grace", default=GRACE, metavar="TIME", help="how long the old one holds: 1h, 30m, 0 (default: %(default)s)"
    )
    return parser
