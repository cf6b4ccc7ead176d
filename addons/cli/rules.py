"""`switchman rules import|export`: rules as the JSON that other routers exchange, to and from a rules file."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from switchman.addons.cli.messages import refuse, say
from switchman.addons.config.configuration import SettingsError, load_ruleset, load_settings
from switchman.addons.config.settings import Settings
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.core.rules.routerjson import KEPT, Imported, routes_from, rules_from
from switchman.addons.core.rules.yamltext import load

WIDTH = 120


def run(arguments: list[str]) -> int:
    """Exit code 0, 1 where a rule could not be taken over, 2 where a file or the call is wrong."""
    parser = argparse.ArgumentParser(prog="switchman rules", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    taken = commands.add_parser("import", help="JSON -> routes, printed, or merged into a rules file")
    taken.add_argument("file", type=Path, help="the JSON file")
    taken.add_argument("--into", type=Path, metavar="ROUTES", help="merge into this rules file, comments kept")
    given = commands.add_parser("export", help="rules file -> JSON; what it cannot say is listed")
    given.add_argument("file", type=Path, nargs="?", help="the rules file (default: ROUTES_CONFIG, routes.yaml)")
    given.add_argument("--to", type=Path, metavar="JSON", help="write to this file (default: standard output)")
    options = parser.parse_args(arguments)
    try:
        settings = load_settings()
        if options.command == "export":
            return _export(settings, options.file or Path(settings.routes_config), options.to)
        return _import(settings, options.file, options.into)
    except (SettingsError, RulesError) as error:
        return refuse("\n".join(map(str, error.problems)))
    except (OSError, UnicodeDecodeError) as error:
        name = error.filename if isinstance(error, OSError) and error.filename else options.file
        return refuse(f"{name}: {error.strerror if isinstance(error, OSError) else error}")


def _export(settings: Settings, file: Path, to: Path | None) -> int:
    load_ruleset(settings, file)  # what does not load is not exported in part
    exported = rules_from(load(file.read_text("utf-8"), str(file)).data or {})
    text = json.dumps(exported.data, indent=2, ensure_ascii=False) + "\n"
    if to is None:
        sys.stdout.write(text)
    else:
        _write(to, text)
    for sentence in exported.lost:
        say(sentence)
    return 1 if exported.lost else 0


def _import(settings: Settings, file: Path, into: Path | None) -> int:
    try:
        imported = routes_from(json.loads(file.read_text("utf-8")))
    except RecursionError:
        return refuse(f"{file}: nested too deeply")
    except ValueError as error:  # of the JSON, or of a rule in it
        return refuse(f"{file}: {error}")
    if into is None:
        sys.stdout.write(_merged("", imported)[0])
        return 0
    try:
        text, replaced = _merged(into.read_text("utf-8") if into.exists() else "", imported)
    except YAMLError as error:
        return refuse(f"{into}: {error}")
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / into.name
        trial.write_text(text, "utf-8")
        for warning in load_ruleset(settings, trial).warnings:
            say(f"{warning} (warning)")
    _write(into, text)
    added = len(imported.routes) - replaced
    say(f"{into}: {added} routes added, {replaced} of the same name replaced")
    return 0


def _merged(text: str, imported: Imported) -> tuple[str, int]:
    """The rules file with the routes in it, and how many of them replaced one of the same name."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(text) or {}
    routes: list[Any] = document.get("routes") or []
    places = {route.get("name"): index for index, route in enumerate(routes) if route.get("name")}
    replaced = 0
    for route in imported.routes:
        if (place := places.get(route.get("name"))) is not None:
            routes[place] = route
            replaced += 1
        else:
            routes.append(route)
    document["routes"] = routes
    if imported.kept:
        document[KEPT] = imported.kept
    out = StringIO()
    yaml.dump(document, out)
    return out.getvalue(), replaced


def _write(file: Path, text: str) -> None:
    """Write the file whole or not at all, as the proxy may be reading it."""
    handle, name = tempfile.mkstemp(dir=file.absolute().parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        if file.exists():
            os.chmod(name, file.stat().st_mode & 0o777)
        else:
            os.chmod(name, 0o644)
        os.replace(name, file)
    except BaseException:
        os.unlink(name)
        raise
