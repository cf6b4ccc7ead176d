"""`switchman token`: a token that opens the dashboard."""

from __future__ import annotations

import argparse

from switchman.addons.cli.messages import refuse
from switchman.addons.configuration import load_settings
from switchman.addons.settings import SettingsError
from switchman.webui.auth import make_token


def run(args: argparse.Namespace) -> int:
    """Prints the token alone, so that it can be piped. Exit code 2 where JWT_SECRET is missing or bad."""
    try:
        settings = load_settings()
        if settings.jwt_secret is None:
            return refuse("JWT_SECRET is not set, and the dashboard's tokens are signed with it")
        print(make_token(settings.jwt_secret.get_secret_value(), args.hours))
    except (SettingsError, ValueError) as e:
        return refuse(str(e))
    return 0
