"""`switchman key`: keeps providers' keys, encrypted, in the database (store/access/vault.py).

A value is read from standard input, or asked for: on a command line every user of the machine could read it. Nothing
prints one; what is shown of it is a fingerprint.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from switchman.addons.cli.messages import refuse, say
from switchman.addons.config.configuration import SettingsError, load_settings
from switchman.addons.config.secrets.masterkey import VARIABLE, from_environment, make_key_file, parse_master, settle
from switchman.addons.config.secrets.opening import advice, coming, has_database, key_file, reading, writing
from switchman.addons.config.settings import Settings
from switchman.addons.store.access.audit import Audit, at_the_terminal
from switchman.addons.store.access.sealing import MasterKey
from switchman.addons.store.access.vault import KeyEntry, Vault, WrongMaster
from switchman.addons.store.database import StoreError

MOST = 64 * 1024  # characters of a value that are read

DESCRIPTION = """\
Keep providers' keys in the vault: encrypted in the log's database, by the master key in ENCRYPTION_KEY, or in a file
beside the database, which is made when the first key is set. The rules name them as vault:NAME. A running router takes
a change within a second."""


def run(arguments: list[str]) -> int:
    """Exit code 0, or 2 where the call, the settings or the vault is wrong."""
    args = _parser().parse_args(arguments)
    does: Callable[[Settings, argparse.Namespace], int] = args.does
    try:
        settings = load_settings(**places(args.data_dir))
        try:
            return does(settings, args)
        except WrongMaster as error:
            return refuse(f"{error}. {advice(settings)}")
    except (SettingsError, StoreError, ValueError) as error:
        return refuse(str(error))
    except (KeyboardInterrupt, EOFError):
        return refuse("nothing was changed")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="switchman key", description=DESCRIPTION)
    folder = "the folder that `serve --data-dir` has: of requests.db, routes.yaml"
    parser.add_argument("--data-dir", metavar="D", type=Path, help=folder)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, does: Callable[[Settings, argparse.Namespace], int], what: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        made.set_defaults(does=does)
        # Behind the command too, as `switchman token` has it; not given there, the one before it stays.
        made.add_argument("--data-dir", metavar="D", type=Path, default=argparse.SUPPRESS, help=folder)
        return made

    where = "its value is read from standard input, or asked for"
    command("set", _set, f"add a key; {where}").add_argument("name", metavar="NAME")
    command("rotate", _rotate, f"give a key another value; {where}").add_argument("name", metavar="NAME")
    listing = command("list", _list, "list the keys: name, version, when it was set, fingerprint")
    listing.add_argument("--json", action="store_true", help="as JSON")
    command("rekey", _rekey, "encrypt all keys by another master key: all of them, or none")
    deleting = command("delete", _delete, "remove a key")
    deleting.add_argument("name", metavar="NAME")
    deleting.add_argument("--force", action="store_true", help="also if the rules name it, or it cannot be opened")
    return parser


def places(folder: Path | None) -> dict[str, str]:
    """What `serve --data-dir` makes of a folder."""
    if folder is None:
        return {}
    found = {"db_path": str(folder.absolute() / "requests.db")}
    if "ROUTES_CONFIG" not in os.environ:
        found["routes_config"] = str(folder.absolute() / "routes.yaml")
    return found


def _set(settings: Settings, args: argparse.Namespace) -> int:
    with writing(settings) as vault:
        vault.check()  # before somebody types a secret in vain
        entry = vault.set(args.name, _value(f"Value of {args.name}: "))
        _note(settings, vault, "set", args.name, None, entry)
    say(f"key {_shown(entry)} is set. The rules name it as vault:{entry.name}")
    return 0


def _rotate(settings: Settings, args: argparse.Namespace) -> int:
    with writing(settings) as vault:
        vault.check()
        before = _entry(vault, args.name)
        entry = vault.rotate(args.name, _value(f"New value of {args.name}: "))
        _note(settings, vault, "rotate", args.name, before, entry)
    say(f"key {_shown(entry)} is set. A running router uses it within a second")
    return 0


def _list(settings: Settings, args: argparse.Namespace) -> int:
    entries: list[KeyEntry] = []
    if has_database(settings):  # listing makes none, and no master key either
        with reading(settings) as vault:
            vault.check()
            entries = vault.entries()
    if args.json:
        print(json.dumps([_as_json(entry) for entry in entries], indent=2))
        return 0
    width = max((len(entry.name) for entry in entries), default=0)
    for entry in entries:
        print(f"{entry.name:<{width}}  version {entry.version}  set {_time(entry.set_at)}  {entry.fingerprint}")
    if not entries:
        say("no key is in the vault: `switchman key set NAME` puts one there")
    return 0


def _as_json(entry: KeyEntry) -> dict[str, object]:
    return {
        "name": entry.name, "version": entry.version, "fingerprint": entry.fingerprint,
        "created_at": entry.created_at, "set_at": entry.set_at,
    }  # fmt: skip


def _delete(settings: Settings, args: argparse.Namespace) -> int:
    with writing(settings) as vault:
        if not args.force:
            vault.check()
            if where := _named_at(settings, args.name):
                return refuse(f"{where} names vault:{args.name}: take it out there first, or use --force")
        before = _entry(vault, args.name)
        vault.delete(args.name)
        _note(settings, vault, "delete", args.name, before, None)
    say(f"key {args.name} is deleted")
    return 0


def _named_at(settings: Settings, name: str) -> str | None:
    """The first place of the rules file that names a key, as `file:line`. By its text: it may have other faults."""
    file = Path(settings.routes_config)
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for number, line in enumerate(lines, 1):
        found = line.partition("#")[0] if line.lstrip().startswith("#") else line
        rest = found.split("vault:")[1:]
        if any(one.strip(" ").split(maxsplit=1)[:1] and _word(one) == name for one in rest):
            return f"{file}:{number}"
    return None


def _word(text: str) -> str:
    """The name that a text begins with."""
    text = text.lstrip()
    end = next((at for at, sign in enumerate(text) if not (sign.isalnum() or sign in "._-")), len(text))
    return text[:end]


def _rekey(settings: Settings, args: argparse.Namespace) -> int:
    with writing(settings, changing=True) as vault:
        used = _masters(vault)
        vault.check()
        given = from_environment(settings)
        if given is not None and used and used != {given.id}:
            count = vault.rekey(given)  # ENCRYPTION_KEY takes the place of the key file
            say(f"{_count(count)} sealed by {VARIABLE} now; {key_file(settings)} is not needed any more")
        elif given is not None:
            new = parse_master(_value(f"The new {VARIABLE} (32 random bytes, hex or base64): "))
            count = vault.rekey(new)
            say(f"{_count(count)} sealed by the new master key. Set {VARIABLE} to it, and start the router again:")
            say("until then the keys that are in use stay in use, but no process can be started")
        else:
            count = _rekey_file(vault, key_file(settings))
            say(f"{_count(count)} sealed by a new master key, in {key_file(settings)}")
        Audit(vault.engine, settings.audit_days).record(
            at_the_terminal(), "key.rekey", "all keys", used, _masters(vault)
        )
    return 0


def _masters(vault: Vault) -> set[str]:
    return {entry.master for entry in vault.entries()}


def _entry(vault: Vault, name: str) -> KeyEntry | None:
    return next((entry for entry in vault.entries() if entry.name == name), None)


def _note(
    settings: Settings, vault: Vault, what: str, name: str, before: KeyEntry | None, after: KeyEntry | None
) -> None:
    """Write a change down, for who looks later. A KeyEntry has nothing of a value."""
    was, now = (asdict(entry) if entry is not None else None for entry in (before, after))
    Audit(vault.engine, settings.audit_days).record(at_the_terminal(), f"key.{what}", name, was, now)


def _rekey_file(vault: Vault, file: Path) -> int:
    """See masterkey.py for the order."""
    new: MasterKey = make_key_file(coming(file))
    count = vault.rekey(new)
    if count:
        settle(file, {new.id})
    else:
        os.replace(coming(file), file)
    return count


def _count(count: int) -> str:
    return "1 key is" if count == 1 else f"{count} keys are"


def _value(prompt: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(prompt)
    value = sys.stdin.read(MOST + 1)
    if len(value) > MOST:
        raise ValueError(f"the value is longer than {MOST} characters")
    return value


def _shown(entry: KeyEntry) -> str:
    return f"{entry.name} (version {entry.version}, fingerprint {entry.fingerprint})"


def _time(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
