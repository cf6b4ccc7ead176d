"""`switchman token jwt`: prints a token that opens the dashboard, for a role, a time and a name."""

from __future__ import annotations

import argparse
import math
import re

from switchman.addons.cli.messages import refuse
from switchman.addons.config.configuration import SettingsError, load_settings
from switchman.addons.core.access.roles import WORDS, Role, parse_role
from switchman.webui.access.tokens import LONGEST_NAME, make_token

HOURS = {"s": 1 / 3600, "m": 1 / 60, "h": 1.0, "d": 24.0, "w": 168.0}


def run(arguments: list[str]) -> int:
    """Prints the token alone, so that it can be piped. Exit code 2 where JWT_SECRET is missing or bad."""
    parser = argparse.ArgumentParser(
        prog="switchman token jwt",
        description="Print a token that opens the dashboard, signed with JWT_SECRET. Viewers read, operators change "
        "routing, admins manage tokens, keys and who did what.",
    )
    parser.add_argument("--role", default=Role.VIEWER.word, choices=WORDS, help="what it may (default: %(default)s)")
    parser.add_argument(
        "--ttl", type=hours_of, default=12.0, metavar="TIME", help="such as 30m, 12h or 7d (default: 12h)"
    )
    parser.add_argument("--name", type=a_name, help="whose it is, as the list of changes names them")
    args = parser.parse_args(arguments)
    try:
        settings = load_settings()
        if settings.jwt_secret is None:
            return refuse("JWT_SECRET is not set, and the dashboard's tokens are signed with it")
        print(make_token(settings.jwt_secret.get_secret_value(), args.ttl, role=parse_role(args.role), who=args.name))
    except (SettingsError, ValueError) as e:
        return refuse(str(e))
    return 0


def hours_of(text: str) -> float:
    """Hours of `90s`, `30m`, `12h`, `7d` or `2w`."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([smhdw])", text.strip().lower())
    hours = float(found[1]) * HOURS[found[2]] if found else 0.0
    if not 1 / 3600 <= hours < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no time that a token can be valid for: write 30m, 12h or 7d")
    return hours


def a_name(text: str) -> str:
    name = " ".join(text.split())
    if not name or not name.isprintable() or len(name) > LONGEST_NAME:
        raise argparse.ArgumentTypeError(f"expected one line of at most {LONGEST_NAME} characters")
    return name
