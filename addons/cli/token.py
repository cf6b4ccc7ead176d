"""`switchman token`: the tokens of callers by subcommands; without one, a token that opens the dashboard."""

from __future__ import annotations

import argparse

from switchman.addons.cli.access import dashboard_token, tokens
from switchman.addons.cli.messages import refuse
from switchman.addons.config.configuration import SettingsError, load_settings
from switchman.webui.access.tokens import make_token

# The first word of the arguments -> what runs with all of them.
COMMANDS = {
    **dict.fromkeys(("create", "list", "show", "update", "revoke", "rotate"), tokens.run),
    "jwt": lambda arguments: dashboard_token.run(arguments[1:]),
}


def run(arguments: list[str]) -> int:
    """Prints the token alone, so that it can be piped. Exit code 2 where JWT_SECRET is missing or bad."""
    if arguments and (command := COMMANDS.get(arguments[0])) is not None:
        return command(arguments)
    parser = argparse.ArgumentParser(
        prog="switchman token",
        description="Print an admin's token that opens the dashboard, signed with JWT_SECRET.",
        epilog=f"Tokens of callers, and of other roles: `switchman token {'|'.join(COMMANDS)}`, each with --help.",
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
