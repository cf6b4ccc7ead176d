"""`switchman token`: prints a token that opens the dashboard."""

from __future__ import annotations

import argparse

from switchman.addons.cli.messages import refuse
from switchman.addons.config.configuration import SettingsError, load_settings
from switchman.webui.access.tokens import make_token


def run(arguments: list[str]) -> int:
    """Prints the token alone, so that it can be piped. Exit code 2 where JWT_SECRET is missing or bad."""
    parser = argparse.ArgumentParser(
        prog="switchman token", description="Print a token that opens the dashboard, signed with JWT_SECRET."
    )
    parser.add_argument("--hours", type=float, default=24.0, help="how long it is valid (default: %(default)g)")
    args = parser.parse_args(arguments)
    try:
        settings = load_settings()
        if settings.jwt_secret is None:
            return refuse("JWT_SECRET is not set, and the dashboard's tokens are signed with it")
        print(make_token(settings.jwt_secret.get_secret_value(), args.hours))
    except (SettingsError, ValueError) as e:
        return refuse(str(e))
    return 0
