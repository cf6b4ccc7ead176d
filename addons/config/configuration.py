"""Configuration at the edge: where the environment and the rules file are read, and the file is watched.

1. `load_settings` reads the environment, `load_ruleset` the file. Both raise with every fault, for a person to read.
2. `RulesFile` keeps the rules that are in force. `poll` looks at the file, and takes what is new if it is good.
3. At the start a bad file is refused; later on the last good rules stay, and `error` says what is wrong: also for a
   process that is started again (LAST_GOOD).
"""

from __future__ import annotations

import gc
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from switchman.addons.config.beside import beside_the_loop
from switchman.addons.config.certificates import Certificates
from switchman.addons.config.regular import Unreadable, read_file
from switchman.addons.config.secrets.opening import Unusable, check_vault
from switchman.addons.config.secrets.ownkeys import OwnKeys
from switchman.addons.config.secrets.references import Sources, VaultWatch
from switchman.addons.config.settings import Settings
from switchman.addons.core.access.prices.table import Prices, parse_prices
from switchman.addons.core.request.tasktype import TaskRules
from switchman.addons.core.rules.presets import Presets, parse_presets
from switchman.addons.core.rules.problems import Problem, RulesError, told
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset
from switchman.addons.core.servers.reaching.egress import Denied

logger = logging.getLogger(__name__)

MAX_FILE_BYTES = 4 * 1024 * 1024  # a server or an alias takes some hundred bytes, and a millisecond to read

# Characters of rules from which on their objects stay out of later collections: some 70,000 objects, 50 ms.
LARGE = 64 * 1024

# A file that was written to less than this ago may still be written to: look again before reading it. Seconds.
SETTLE = 0.05
_SETTLE_ROUNDS = 4

# Set by `switchman serve` for its processes: the file in which they keep the rules last in force for each other.
LAST_GOOD = "SWITCHMAN_LAST_GOOD_RULES"

CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")

_SECRET_FIELDS = frozenset(
    {
        "jwt_secret",
        "jwt_public_key",
        "encryption_key",
        "database_url",
        "default_upstream",
        "redis_url",
        "alert_webhook",
        "alert_webhook_secret",
    }
)  # a URL may hold a password

Signature = tuple[int, int, int, int]  # mtime_ns, ctime_ns, size, inode


class SettingsError(ValueError):
    """Environment variables that cannot be used. `problems` has one sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


def load_settings(**overrides: Any) -> Settings:
    """The environment's settings; `overrides` (lower-case names, from a command line) win. Raises SettingsError."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        raise SettingsError([_settings_problem(dict(problem)) for problem in found]) from None


def _settings_problem(problem: dict[str, Any]) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:  # of several settings together, which the message names
        return str(message)
    name, *inside = problem["loc"]
    message = message[:1].lower() + message[1:]
    given = problem.get("input")
    shown = ""
    if isinstance(given, str | int | float) and name not in _SECRET_FIELDS and not inside:
        shown = f"={_shown(given)}"
    where = "".join(f"[{part!r}]" for part in inside)
    return f"{str(name).upper()}{where}{shown}: {message}"


def _shown(given: str | float) -> str:
    """A number may have thousands of digits, more than Python writes."""
    return repr(given[:200]) if isinstance(given, str) else f"{float(given):g}" if abs(given) < 1e300 else "(too large)"


@cache
def well_known() -> Presets:
    """The presets that come with the program, read once."""
    return parse_presets(files("switchman.rules").joinpath("presets.yaml").read_text(encoding="utf-8"), "presets.yaml")


@cache
def shipped_prices() -> Prices:
    """The table of prices that comes with the program, read once."""
    return parse_prices(files("switchman.rules").joinpath("prices.json").read_text(encoding="utf-8"))


def load_task_rules() -> TaskRules:
    """The shipped cues and weights of the task types. Some ten milliseconds: for the start."""
    text = files("switchman.rules").joinpath("tasktype.json").read_text(encoding="utf-8")
    return TaskRules.of(json.loads(text))


def load_ruleset(settings: Settings, path: str | Path | None = None) -> Ruleset:
    """The rules of `path`, which must be there, or of ROUTES_CONFIG, which may be missing. Raises RulesError."""
    file = Path(settings.routes_config if path is None else path)
    _check_vault(settings)
    text = _first_text(file, must_exist=path is not None)
    return _parse(text, file, settings, Certificates(file.parent), Sources(file.parent, VaultWatch(settings)))


def ruleset_of(settings: Settings, text: str, file: Path | None = None) -> Ruleset:
    """The rules of a text that stands for `file`'s, or ROUTES_CONFIG's, as the router reads it. Raises RulesError."""
    file = file or Path(settings.routes_config)
    return _parse(text, file, settings, Certificates(file.parent), Sources(file.parent, VaultWatch(settings)))


def _check_vault(settings: Settings) -> None:
    """Raises SettingsError where the vault's master key is none, or another one than its keys were sealed by."""
    try:
        check_vault(settings)
    except Unusable as error:
        raise SettingsError([str(error)]) from None


def _first_text(file: Path, must_exist: bool) -> str:
    text = _read(file)
    if text is None and must_exist:
        raise RulesError([Problem(str(file), 0, 0, "", "there is no such file")])
    return text or ""


def _parse(text: str, file: Path, settings: Settings, certificates: Certificates, sources: Sources) -> Ruleset:
    # In the environment a name is taken from where we are, in the file from where that is.
    named = {name: os.path.abspath(path) for name in CERTIFICATES if (path := os.environ.get(name, "").strip())}
    env = {**os.environ, **named}
    port, tokens = settings.listen_port, settings.wants_tokens
    rules = parse_ruleset(
        text, str(file), settings, env, well_known(), certificates, port, sources, shipped_prices(), wants_tokens=tokens
    )
    if denied := list(_denied(rules, settings)):
        raise RulesError(denied)
    return rules


def _denied(rules: Ruleset, settings: Settings) -> Iterator[Problem]:
    """Servers, and proxies, that are given by an address to which no connection goes. Names are looked at later."""
    denied = Denied.parse(settings.egress_deny)
    for server in {*rules.upstreams, *((rules.arbiter.server,) if rules.arbiter else ())}:
        proxy = server.reach.proxy
        for key, host in (("url", server.url.host), ("proxy", proxy.host if proxy is not None else "")):
            if word := denied.word_for_host(host):
                message = f"no request is sent to {host}: EGRESS_DENY={settings.egress_deny} has it in {word}"
                yield Problem(rules.file, 0, 0, f"servers.{server.name}.{key}", message)


def _read(file: Path) -> str | None:
    """The file's text; None where there is no file. Raises RulesError for a file that cannot be read as text."""
    try:
        content = read_file(file, MAX_FILE_BYTES)
    except FileNotFoundError:
        return None
    except Unreadable as error:
        raise RulesError([Problem(str(file), 0, 0, "", str(error))]) from None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise RulesError([Problem(str(file), line, 1, "", "not UTF-8 text")]) from None


class RulesFile:
    """The rules in force, and the file they come from.

    Readers of any thread take `current`, one attribute that is replaced whole. `error` is None while `current` is what
    the file says; otherwise the first fault as `file:line:column: key: message`, and `problems` has all of them.
    `keys` are those of the settings and the rules, which must not be written, shown or sent anywhere else.
    """

    current: Ruleset
    keys: OwnKeys
    error: str | None
    problems: tuple[Problem, ...]

    def __init__(self, settings: Settings) -> None:
        """Load for the first time; a missing file is no rules. Raises RulesError for a bad one.

        Where another process has left rules in LAST_GOOD, a bad file is no error here: those are in force instead.
        """
        self._settings = settings
        self.keys = OwnKeys(settings)
        self.path = Path(settings.routes_config)
        self._copy = Path(copy) if (copy := os.environ.get(LAST_GOOD)) else None
        self._polling = threading.Lock()
        self._beside: dict[Path, Signature | None] = {}  # the files of certificates and keys that the rules name
        self._vault = VaultWatch(settings)
        _check_vault(settings)
        self._seen = self._signature()  # before reading: what is written meanwhile is seen as new by the next poll
        self.error, self.problems = None, ()
        kept = _read(self._copy) if self._copy is not None else None
        text = _first_text(self.path, must_exist=False) if kept is None else kept
        self.current = self._parse(text)
        self.keys.take(self.current)
        if kept is None:
            self._keep(text)
        elif (self._seen is not None or kept) and self._reload(self._seen, logging.WARNING):
            return  # a mere warning, as mitmproxy ends a process that logs an error while it starts
        if self._copy is None:  # else `serve` has said them, once for all of its processes
            for warning in told(self.current.warnings):
                logger.warning("%s", warning)

    def poll(self, anyway: bool = False) -> bool:
        """Look at the file, and load it if it, a file that it names or the vault changed, or `anyway`. True when
        `current` was replaced.

        Takes up to a fifth of a second while a file is being written, so it does not belong on an event loop.
        Never raises: what is wrong goes to `error` and to the log, once for each state of the file.
        """
        if not self._polling.acquire(blocking=False):
            return False  # another thread is at it
        try:
            self.keys.forget()
            signature = self._signature()
            same = signature == self._seen and all(_signature(file) == seen for file, seen in self._beside.items())
            if same and not anyway and not self._vault.changed():
                return False
            signature = self._settled(signature)
            self._seen = signature
            with beside_the_loop():
                changed = self._reload(signature)
            if changed:
                return True
            if self.error is None:
                logger.info("%s: read again, and it says the same", self.path)
            return False
        finally:
            self._polling.release()

    def _reload(self, signature: Signature | None, level: int = logging.ERROR) -> bool:
        try:
            text = None if signature is None else _read(self.path)
            if text is None:
                raise RulesError([Problem(str(self.path), 0, 0, "", "the file is gone")])
            if not text.strip() and self.current.digest:
                # An editor that truncates before it writes looks like this; nobody empties a file to be rid of rules.
                raise RulesError([Problem(str(self.path), 0, 0, "", "the file is empty")])
            fresh = self._parse(text)
        except RulesError as error:
            self._refuse(error, level)
            return False
        same = fresh.digest == self.current.digest and _from_elsewhere(fresh) == _from_elsewhere(self.current)
        self.error, self.problems = None, ()
        if same:
            return False
        self.keys.take(fresh)  # before any request can be sent with one of them
        self.current = fresh
        if len(text) >= LARGE:
            gc.freeze()  # else the next full collection walks through a million objects: a second for all threads
        self._keep(text)
        logger.info("%s: loaded, %s", self.path, summary(fresh))
        for warning in told(fresh.warnings):
            logger.warning("%s", warning)
        return True

    def _parse(self, text: str) -> Ruleset:
        certificates, sources = Certificates(self.path.parent), Sources(self.path.parent, self._vault)
        before = {file: _signature(file) for file in self._beside}
        try:
            return _parse(text, self.path, self._settings, certificates, sources)
        finally:
            # As they were before they were read, where that is known: what is written meanwhile is seen as new.
            looked_at = certificates.looked_at | sources.looked_at
            self._beside = {file: before.get(file, _signature(file)) for file in looked_at}

    def _keep(self, text: str) -> None:
        """Leave the rules in force for a process that is started while the file is bad."""
        if self._copy is None:
            return
        fresh = self._copy.with_name(f"{self._copy.name}.{os.getpid()}")
        try:
            fresh.write_bytes(text.encode())
            fresh.replace(self._copy)
        except OSError as error:
            logger.warning("the rules in force cannot be kept for a restart: %s", error.strerror)

    def _refuse(self, error: RulesError, level: int) -> None:
        self.problems = error.problems
        self.error = str(error.problems[0])
        for line in told(error.problems):
            logger.log(level, "%s", line)
        logger.log(level, "%s: the last good rules stay in force", self.path)

    def _settled(self, signature: Signature | None) -> Signature | None:
        """The signature once the file has been left alone for a moment, or after a few looks anyway."""
        for _ in range(_SETTLE_ROUNDS):
            if signature is not None and time.time() - signature[1] / 1e9 > SETTLE:
                return signature
            time.sleep(SETTLE)
            later = self._signature()
            if later == signature:
                return signature
            signature = later
        return signature

    def _signature(self) -> Signature | None:
        return _signature(self.path)


def _signature(file: Path) -> Signature | None:
    """What tells one state of a file from the next, also within one second and at the same size."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def _from_elsewhere(rules: Ruleset) -> dict[str, tuple[Any, ...]]:
    """What the file only names: files of certificates and words by their content, keys by their value."""
    arbiter = (rules.arbiter.server,) if rules.arbiter else ()
    servers = (*rules.upstreams, rules.default, *arbiter)
    words = tuple(one.words.digest for one in rules.redactions() if one.words is not None)
    return {"": words} | {server.name: (server.reach, server.keys, server.headers) for server in servers}


def summary(rules: Ruleset) -> str:
    """`2 servers, 1 alias, 3 routes`."""
    counts = [
        ("server", "s", len(rules.servers)),
        ("alias", "es", len(rules.aliases)),
        ("route", "s", len(rules.routes)),
    ]
    return ", ".join(f"{count} {word}{'' if count == 1 else plural}" for word, plural, count in counts)
