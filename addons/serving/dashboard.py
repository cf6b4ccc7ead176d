"""The dashboard's process: `python -m switchman.addons.serving.dashboard --port 1235`, started by the supervisor."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Sequence

from switchman.addons.configuration import load_settings
from switchman.addons.serving.child import log_to_stderr, obey_supervisor, say_ready
from switchman.webui import create_app
from switchman.webui.server import DashboardServer


def main(argv: Sequence[str] | None = None) -> None:
    arguments = argparse.ArgumentParser(prog="switchman dashboard")
    arguments.add_argument("--port", type=int, required=True)
    args = arguments.parse_args(argv)
    obey_supervisor()
    log_to_stderr("dashboard")
    settings = load_settings()
    server = DashboardServer(create_app(settings), settings.listen_host, args.port)
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    say_ready([str(server.port)])
    server.run()


if __name__ == "__main__":
    main()
