"""The rules file for the dashboard: read without its keys, looked over, saved and taken back, with its history.

All texts that come in and go out have words in place of keys (hidden.py), and line ends as a browser's form has them
(lineends.py). `digest` is that of such a text: it says which state of the file a change is for, and tells nothing of
its keys.

A save is refused where the file is another one by then (Changed), where the router would not take the text (Faulty),
where a key is hidden that is not known or would be shown, and where it touches SERVERS, leads elsewhere (leading.py) or
changes what protects others (protecting.py), and whoever saves may not.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from switchman.addons.config.configuration import MAX_FILE_BYTES, RulesFile, ruleset_of
from switchman.addons.config.editing.hidden import Hidden, UnknownKey
from switchman.addons.config.editing.leading import SERVERS, led_elsewhere, without_switches
from switchman.addons.config.editing.lineends import as_before, shown
from switchman.addons.config.editing.protecting import new_file, protection_changed
from switchman.addons.config.editing.replacing import replace_file
from switchman.addons.config.editing.rewriting import same
from switchman.addons.config.regular import Unreadable, read_file
from switchman.addons.config.secrets.redaction_key import redaction_key
from switchman.addons.config.settings import Settings
from switchman.addons.core.keys.known import KnownKeys
from switchman.addons.core.rules.problems import Problem, RulesError
from switchman.addons.core.rules.reading.yamltext import load
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.store.access.audit import Who
from switchman.addons.store.access.history import BY_HAND, RulesHistory, Version, digest_of

MOST_BYTES = 512 * 1024  # of a file that a page edits: some 4,000 rules

_OF_THIS_PROCESS = secrets.token_bytes(32)


class NotReadable(ValueError):
    """The file cannot be read as text; the message says why."""


class Refused(ValueError):
    """It is not saved; the message says why."""


class Faulty(Refused):
    """The router would not take the text. `problems`: all that is wrong, by line and column."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(str(problems[0]))
        self.problems = problems


class Changed(Refused):
    """The file is not any more what the change was made of. `now`: what it is."""

    def __init__(self, now: Reading) -> None:
        super().__init__("the rules file has changed since it was read")
        self.now = now


class NotForYou(Refused):
    """It touches what only admins may change."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The file as it is: its text for a page, and what tells this state of it from others. `large`: it has more than
    MOST_BYTES, so its text is not here.
    """

    text: str
    digest: str
    exists: bool
    large: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """`rules` None: the router would not take it. `problems`: errors, or else warnings."""

    rules: Ruleset | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Saved:
    """`digest`: of the file now. `version`: its line in the history, None where the file said so already or there is no
    history; `in_place`: why the file was written over in place of being replaced, "" where it was.
    """

    digest: str
    version: Version | None
    in_place: str


class RulesDesk:
    """One for a process. `history` None: there is no database, so none is kept."""

    def __init__(self, settings: Settings, rules: RulesFile, history: RulesHistory | None) -> None:
        self.settings, self.rules, self.history = settings, rules, history
        self.path: Path = rules.path
        self.hidden = Hidden(lambda: self._secret, lambda: rules.keys.current)
        self._saving = threading.Lock()
        self._last: tuple[tuple[str | None, KnownKeys], Reading] | None = None
        self._noted = ""  # digest of the state that is known to be in the history

    @cached_property
    def _secret(self) -> bytes:
        """The same after a restart, where it can be: else words of before are not known any more."""
        try:
            key = redaction_key(self.settings)
        except ValueError:
            key = _OF_THIS_PROCESS
        return hmac.new(key, b"keys that are hidden in rules", hashlib.sha256).digest()

    @property
    def name(self) -> str:
        """The file, as the history knows it."""
        return str(self.path.absolute())

    def read(self) -> Reading:
        """Raises NotReadable."""
        return self._reading(self._raw())

    def _reading(self, raw: str | None) -> Reading:
        key = (raw, self.rules.keys.current)
        if (last := self._last) is not None and last[0] == key:
            return last[1]
        if raw is not None and len(raw) > MOST_BYTES:
            found = Reading("", "", True, large=True)
        else:
            text = self.hidden.hide(shown(raw or ""))
            found = Reading(text, digest_of(text), raw is not None)
        self._last = (key, found)
        return found

    def _raw(self) -> str | None:
        try:
            content = read_file(self.path, MAX_FILE_BYTES)
        except FileNotFoundError:
            return None
        except Unreadable as error:
            raise NotReadable(f"{self.path} {error}") from None
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            raise NotReadable(f"{self.path} is not UTF-8 text") from None

    def check(self, text: str, *, may_files: bool = True) -> Checked:
        """What the router would say of a text that a page has. `may_files`: another file may be read by naming it."""
        try:
            if not may_files:
                look_for_files(self.read().text, text)
            rules = ruleset_of(self.settings, self._with_keys(shown(text)), self.path)
        except UnknownKey as error:
            return Checked(None, (Problem(str(self.path), error.line, 1, "", str(error)),))
        except RulesError as error:
            return Checked(None, error.problems)
        except (NotForYou, NotReadable) as error:
            return Checked(None, (Problem(str(self.path), 0, 0, "", str(error)),))
        return Checked(rules, rules.warnings)

    def _with_keys(self, text: str) -> str:
        """Raises RulesError for what is no YAML, which is told of the text without keys, and UnknownKey."""
        load(text, str(self.path))
        return self.hidden.put_back(text)

    def save(self, text: str, digest: str, who: Who, why: str, *, may_servers: bool = True) -> Saved:
        """Put `text` in the place of the state `digest`. `may_servers`: also what is more than routing.

        Raises Refused, NotReadable, and OSError of the disk.
        """
        with self._saving:
            raw = self._raw()
            now = self._reading(raw)
            if now.large:
                raise Refused(f"the rules file is larger than {MOST_BYTES} bytes: edit the file itself")
            if now.digest != digest:
                raise Changed(now)
            try:
                fresh = as_before(self._with_keys(shown(text)), raw or "")
            except UnknownKey as error:
                raise Faulty((Problem(str(self.path), error.line, 1, "", str(error)),)) from None
            except RulesError as error:
                raise Faulty(error.problems) from None
            if not may_servers:
                _keep_to_routing(raw or "", fresh, _values(now.text), _values(shown(text)))
            self._look_over(fresh, raw or "")
            if fresh == raw:
                return Saved(digest, None, "")
            self.note_by_hand(now)
            in_place = replace_file(self.path, fresh.encode())
            saved = self._reading(fresh)
            version = self._record(saved, who, why)
        self.rules.poll()
        return Saved(saved.digest, version, in_place)

    def _look_over(self, fresh: str, raw: str) -> None:
        if len(fresh.encode()) > MOST_BYTES:
            raise Refused(f"the text is larger than {MOST_BYTES} bytes: edit the file itself")
        if not fresh.strip() and raw.strip():
            raise Refused("the text is empty, which the router does not take for rules: `routes: []` are none")
        try:
            ruleset_of(self.settings, fresh, self.path)
        except RulesError as error:
            raise Faulty(error.problems) from None

    def _record(self, saved: Reading, who: Who, why: str) -> Version | None:
        if self.history is None:
            return None
        version = self.history.record(self.name, saved.text, who, why, time.time())
        self._noted = saved.digest
        return version

    def note_by_hand(self, now: Reading | None = None) -> None:
        """Write down a state of the file that nobody saved here, if it is one that the router takes."""
        if self.history is None:
            return
        now = now or self.read()
        if now.digest == self._noted or not now.exists or now.large:
            return
        if self.check(now.text).rules is not None:
            first = self.history.newest(self.name) is None
            why = "as it was found" if first else "changed outside of the dashboard"
            self.history.record(self.name, now.text, BY_HAND, why, self._changed_at())
        self._noted = now.digest

    def _changed_at(self) -> float:
        try:
            return min(self.path.stat().st_mtime, time.time())
        except OSError:
            return time.time()

    def is_in_force(self) -> bool:
        """Whether this process has taken what the file says. The router's own processes look every second, too."""
        self.rules.poll()
        try:
            raw = self._raw() or ""
        except NotReadable:
            return False
        digest = hashlib.sha256(raw.encode("utf-8", "surrogatepass")).hexdigest() if raw else ""
        return self.rules.error is None and self.rules.current.digest == digest


def look_for_files(now: str, text: str) -> None:
    """Raises NotForYou where a text names a file to be read that the one of now does not."""
    if named := new_file(_values(now), _values(shown(text))):
        raise NotForYou(named)


def _keep_to_routing(raw: str, fresh: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Raises NotForYou. `before`, `after`: the values of the two texts with words in place of keys."""
    if touched := touched_sections(raw, fresh, SERVERS):
        names = " and ".join(f"`{name}`" for name in touched)
        raise NotForYou(f"{names} decide where the router's keys go: only admins change them")
    if wrong := led_elsewhere(before, after) or new_file(before, after) or protection_changed(before, after):
        raise NotForYou(wrong)


def touched_sections(before: str, after: str, names: tuple[str, ...]) -> list[str]:
    """The sections, of these, that are not the same in both texts, but for which servers are on and off."""
    was, now = without_switches(_values(before)), without_switches(_values(after))
    return [name for name in names if not same(was.get(name), now.get(name))]


def _values(text: str) -> dict[str, Any]:
    try:
        found = load(text, "").data
    except RulesError:
        return {}
    return found if isinstance(found, dict) else {}
