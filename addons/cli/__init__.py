"""The `switchman` command. Each subcommand's own module is imported when it is asked for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module, metadata
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 failed, 2 something about the call or the configuration is wrong."""
    args = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = args.run
    return run(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="switchman", description="Decides which model on which server answers, and shows why."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_serve(commands)
    check = commands.add_parser("check", help="validate a routes file", description="Validate a routes file.")
    check.add_argument("file", metavar="FILE", type=Path, help="YAML or JSON routes file")
    check.set_defaults(run=_lazily("check"))
    token = commands.add_parser(
        "token",
        help="make a token for the dashboard",
        description="Print a token that opens the dashboard, signed with JWT_SECRET.",
    )
    token.add_argument("--hours", type=float, default=24.0, help="how long it is valid (default: %(default)g)")
    token.set_defaults(run=_lazily("token"))
    version = commands.add_parser("version", help="print the version")
    version.set_defaults(run=_version)
    return parser


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    serve = commands.add_parser(
        "serve",
        help="run the proxy and the dashboard",
        description="Run the proxy workers and the dashboard. Options stand above environment variables.",
    )
    serve.add_argument("--config", metavar="F", type=Path, help="routes file (ROUTES_CONFIG, default routes.yaml)")
    serve.add_argument("--host", metavar="H", help="address to listen on (LISTEN_HOST, default 127.0.0.1)")
    serve.add_argument(
        "--port", metavar="N", type=_port, help="the proxy's port (LISTEN_PORT, default 1234); 0: any free one"
    )
    serve.add_argument(
        "--ui-port", metavar="N", type=_port, help="the dashboard's port (UI_PORT, default 1235); 0: any free one"
    )
    serve.add_argument(
        "--workers", metavar="N", type=_workers, default=1, help="proxy processes sharing the port (default 1)"
    )
    serve.add_argument(
        "--data-dir", metavar="D", type=Path, help="folder for the log, the bodies, certificates and routes.yaml"
    )
    serve.add_argument("--demo", action="store_true", help="with two demo upstreams and a routes file to try")
    serve.add_argument("--no-ui", action="store_true", help="without the dashboard")
    serve.set_defaults(run=_lazily("serve"))


def _lazily(name: str) -> Callable[[argparse.Namespace], int]:
    def run(args: argparse.Namespace) -> int:
        result: int = import_module(f"switchman.addons.cli.{name}").run(args)
        return result

    return run


def _version(_: argparse.Namespace) -> int:
    print(f"switchman {metadata.version('switchman')}")
    return 0


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, got {text!r}")
    return int(text)


def _workers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 256, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
