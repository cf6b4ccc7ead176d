"""`switchman rules import|export`: rules as the JSON that other routers exchange, to and from a rules file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from switchman.addons.cli.messages import refuse, say
from switchman.addons.config.configuration import SettingsError, load_ruleset, load_settings, ruleset_of
from switchman.addons.config.editing.merging import as_json, exported, merged, read_rules
from switchman.addons.config.editing.replacing import replace_file
from switchman.addons.config.editing.rewriting import NotEditable
from switchman.addons.config.log import open_access
from switchman.addons.config.settings import Settings
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.store.access.audit import at_the_terminal


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
    found = exported(file.read_text("utf-8"), str(file))
    text = as_json(found.data)
    if to is None:
        sys.stdout.write(text)
    else:
        replace_file(to, text.encode())
    for sentence in found.lost:
        say(sentence)
    return 1 if found.lost else 0


def _import(settings: Settings, file: Path, into: Path | None) -> int:
    try:
        imported = read_rules(file.read_text("utf-8"))
    except ValueError as error:  # of the JSON, or of a rule in it
        return refuse(f"{file}: {error}")
    if into is None:
        sys.stdout.write(merged("", imported).text)
        return 0
    try:
        before = into.read_bytes().decode("utf-8") if into.exists() else ""  # with its own line ends
        made = merged(before, imported)
    except NotEditable as error:
        return refuse(f"{into}: {error}")
    for warning in ruleset_of(settings, made.text, into).warnings:
        say(f"{warning} (warning)")
    if why := replace_file(into, made.text.encode()):
        say(f"{into}: written over, as {why}")
    _note(settings, into, {"from": file.name, "added": made.added, "replaced": made.replaced})
    say(f"{into}: {made.added} routes added, {made.replaced} of the same name replaced")
    return 0


def _note(settings: Settings, into: Path, what: dict[str, Any]) -> None:
    """The line in the list of changes. Where no router has run yet there is no list, and none is begun by this."""
    if settings.database_url is None and not Path(settings.db_path).exists():
        return
    try:
        access = open_access(settings)
        try:
            access.audit.record(at_the_terminal(), "rules.import", str(into.absolute()), None, what)
        finally:
            access.close()
    except (SettingsError, DBAPIError) as error:
        reason = error.problems[0] if isinstance(error, SettingsError) else error.orig
        say(f"the import is not in the list of changes: {reason!s:.300}")
