"""`switchman serve`: checks the configuration once, then lets the supervisor start the processes."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from switchman.addons.cli.messages import refuse, say, show
from switchman.addons.config.configuration import LAST_GOOD, SettingsError, load_ruleset, load_settings
from switchman.addons.config.folders import check_folders
from switchman.addons.config.hosts import check_listening
from switchman.addons.config.inforce import ORIGINS, noted
from switchman.addons.config.settings import Settings
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.serving.bodies import hold_bodies, hold_folder
from switchman.addons.serving.launch import Launch
from switchman.addons.serving.ports import CannotListen, NoSuchAddress, PortForbidden, reserve
from switchman.addons.serving.supervisor import Supervisor
from switchman.addons.state.metrics.sheet import FOLDER

DEMO_DATA = Path(".demo")
MOST_WORKERS = 256


def run(arguments: list[str]) -> int:
    """Exit code 0 after a stop by signal, 1 where a process could not be kept running, 2 for a bad configuration."""
    args = _parser().parse_args(arguments)
    if args.demo and args.config:
        return refuse("--demo brings its own routes file: leave out --demo or --config")
    data = data_dir(args)
    try:
        if data is not None:
            data.mkdir(parents=True, exist_ok=True)
        # For load_settings() here and in the children, so that no secret stands on a command line.
        given = overrides(args, data, os.environ)
        os.environ[ORIGINS] = noted(os.environ, {name: option_of(name, args) for name in given})
        os.environ.update(given)
        settings = load_settings()
        check_listening(settings)
        check_folders(settings)
        if not args.demo:
            for warning in load_ruleset(settings, args.config).warnings:
                say(f"warning: {warning}")
    except (SettingsError, RulesError) as e:
        return refuse(str(e))
    except OSError as e:
        return refuse(f"cannot use {e.filename or data}: {e.strerror or e}")
    with ExitStack() as held:
        with suppress(OSError):  # without it, a process cannot be started again while the rules file is bad
            folder = held.enter_context(TemporaryDirectory(prefix="switchman-rules-"))
            os.environ[LAST_GOOD] = str(Path(folder) / "routes.yaml")
        try:
            if settings.enable_logging and settings.blob_storage_type == "memory":
                bodies = hold_bodies(settings.max_total_storage_size, held)
                os.environ.update(bodies.settings())
                settings = load_settings()
                say(f"bodies     {bodies}")
            if settings.metrics and settings.enable_logging and not args.no_ui:
                os.environ[FOLDER] = str(hold_folder("switchman-metrics-", held))
            launch = _launch(args, settings, data, held)
        except CannotListen as e:
            return refuse(str(e))
        except OSError as e:
            return refuse(f"cannot make a folder for what the processes share: {e}")
        supervisor = Supervisor(say, settings.shutdown_grace)
        return asyncio.run(supervisor.run(launch.start(supervisor)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="switchman serve",
        description="Run the proxy workers and the dashboard. Options stand above environment variables.",
    )
    parser.add_argument("--config", metavar="F", type=Path, help="routes file (ROUTES_CONFIG, default routes.yaml)")
    parser.add_argument("--host", metavar="H", help="address to listen on (LISTEN_HOST, default 127.0.0.1)")
    parser.add_argument(
        "--port", metavar="N", type=_port, help="the proxy's (LISTEN_PORT, default 1234); 0: any free one"
    )
    parser.add_argument(
        "--ui-port", metavar="N", type=_port, help="the dashboard's (UI_PORT, default 1235); 0: any free one"
    )
    parser.add_argument(
        "--workers", metavar="N", type=_workers, default=1, help="proxy processes (default %(default)s)"
    )
    parser.add_argument(
        "--data-dir", metavar="D", type=Path, help="folder of the log, bodies, certificates, routes.yaml"
    )
    parser.add_argument("--demo", action="store_true", help="with two demo upstreams and routes to try")
    parser.add_argument("--no-ui", action="store_true", help="without the dashboard")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, got {text!r}")
    return int(text)


def _workers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {MOST_WORKERS}, got {text!r}")
    return int(text)


def data_dir(args: argparse.Namespace) -> Path | None:
    """The folder for everything that is written. None: each file goes where its own setting says."""
    if args.data_dir is None:
        return DEMO_DATA.absolute() if args.demo else None
    given: Path = args.data_dir
    return given.absolute()


def overrides(args: argparse.Namespace, data: Path | None, environment: Mapping[str, str]) -> dict[str, str]:
    """The options as environment variables, which replace those of the environment."""
    found: dict[str, str] = {}
    if args.config is not None:
        found["ROUTES_CONFIG"] = str(args.config)
    if args.host is not None:
        found["LISTEN_HOST"] = args.host
    if args.port is not None:
        found["LISTEN_PORT"] = str(args.port)
    if args.ui_port is not None:
        found["UI_PORT"] = str(args.ui_port)
    if data is not None:
        found["DB_PATH"] = str(data / "requests.db")
        found["BLOB_STORAGE_PATH"] = str(data / "blob_storage")
        if args.config is None and "ROUTES_CONFIG" not in environment:
            found["ROUTES_CONFIG"] = str(data / "routes.yaml")
    if args.demo and data is not None:
        found["ROUTES_CONFIG"] = str(data / "routes.yaml")
        found["MODEL_MAP"] = "{}"  # the demo shows its own aliases, whatever this machine maps
    return found


def option_of(variable: str, args: argparse.Namespace) -> str:
    """The option that set a variable of `overrides`."""
    own = {"ROUTES_CONFIG": ("--config", args.config), "LISTEN_HOST": ("--host", args.host)}
    own |= {"LISTEN_PORT": ("--port", args.port), "UI_PORT": ("--ui-port", args.ui_port)}
    option, value = own.get(variable, ("", None))
    return option if value is not None else "--data-dir" if args.data_dir is not None else "--demo"


def _launch(args: argparse.Namespace, settings: Settings, data: Path | None, held: ExitStack) -> Launch:
    """Raises CannotListen. The ports stay ours until `held` is closed."""
    port, keeping = _reserve(settings.listen_host, settings.listen_port, "--port")
    held.enter_context(keeping)
    ui_port = None
    if settings.enable_logging and not args.no_ui:
        if settings.ui_port == port:
            raise CannotListen(f"proxy and dashboard cannot both have port {port}: choose another one with --ui-port")
        ui_port, probe = _reserve(settings.listen_host, settings.ui_port, "--ui-port")
        probe.close()  # the dashboard is one process: it listens by itself, and shares with nobody
    os.environ["LISTEN_PORT"] = str(port)
    return Launch(settings, port, ui_port, args.workers, data, args.demo, say, show)


def _reserve(host: str, port: int, option: str) -> tuple[int, ExitStack]:
    try:
        return reserve(host, port)
    except NoSuchAddress as e:
        advice = "For --host (LISTEN_HOST) use 127.0.0.1 for this machine only, 0.0.0.0 or :: for the network"
        raise CannotListen(f"{e}. {advice}") from e
    except PortForbidden as e:
        raise CannotListen(f"{e}. Choose a port from 1024 with {option}") from e
    except CannotListen as e:
        raise CannotListen(f"{e}. Stop what runs there, or choose another port with {option}") from e
