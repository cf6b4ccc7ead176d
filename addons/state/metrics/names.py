"""The names that labels may have. Models' names come from clients: without a bound, each would be a series for ever.

A name of the rules file always has its own. Of others, the first ones that a server has answered to have theirs, so
many over all workers; the rest is `other`. What does not look like a name is `other`, too: it may be a prompt or a key
that was put into the wrong field.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.texts.masking import mask_text
from switchman.addons.state.metrics.catalogue import OTHER

Label = Literal["server", "model"]
FILE: Final = "names"
_NAME: Final = re.compile(r"[\w.:/@+\-\[\]]+")
LONGEST: Final = 128  # characters


class Names:
    """`folder`: where the workers write down for each other which names are taken; None: each has its own. `most`: of
    each label.
    """

    def __init__(self, folder: Path | None, most: int) -> None:
        self._most = most
        self._path = folder / FILE if folder is not None else None
        self._read = 0  # bytes of the file
        self.version = 0  # another one as soon as a name is taken
        self._taken: dict[Label, set[str]] = {"server": set(), "model": set()}
        self._ruled: dict[Label, frozenset[str]] = {"server": frozenset(), "model": frozenset()}

    def obey(self, rules: Ruleset) -> None:
        """These rules are in force now."""
        self._ruled = {"server": frozenset(server_names(rules)), "model": frozenset(model_names(rules))}

    def of(self, label: Label, name: str, answered: bool) -> str:
        """The value of a label. `answered`: a server has answered to this name."""
        if not name or name in self._ruled[label] or name in self._taken[label]:
            return name
        if not answered or len(self._taken[label]) >= self._most or not is_name(name):
            return OTHER
        return name if self._claimed(label, name) else OTHER

    def look(self) -> None:
        """Read what other workers have written since."""
        if self._path is None:
            return
        try:
            if self._path.stat().st_size > self._read:
                with self._path.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_SH)  # no line is half written
                    self._take(file.fileno())
        except OSError:
            return

    def _claimed(self, label: Label, name: str) -> bool:
        """Whether there is room for it. At most as often as there are names: the file is ours, small and in memory."""
        if self._path is None:
            self._taken[label].add(name)
            self.version += 1
            return True
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._take(file)
            taken = self._taken[label]
            if name not in taken and len(taken) < self._most:
                line = json.dumps([label, name]).encode() + b"\n"
                self._read += os.write(file, line)
                taken.add(name)
                self.version += 1
        except OSError:
            return False
        finally:
            os.close(file)
        return name in self._taken[label]

    def _take(self, file: int) -> None:
        text = os.pread(file, os.fstat(file).st_size - self._read, self._read)
        self._read += len(text)
        self.version += 1
        for line in text.splitlines():
            try:
                label, name = json.loads(line)
                self._taken[label].add(name)
            except (ValueError, KeyError, TypeError):
                continue


def is_name(text: str) -> bool:
    """Whether a text looks like the name of a model, and like no key."""
    return len(text) <= LONGEST and _looks_like_one(text)


@lru_cache(maxsize=1024)
def _looks_like_one(text: str) -> bool:
    return _NAME.fullmatch(text) is not None and mask_text(text) == text


def server_names(rules: Ruleset) -> set[str]:
    """All servers that the rules name."""
    return {*rules.servers, rules.default.name, *(server.name for server in rules.upstreams)}


def model_names(rules: Ruleset) -> set[str]:
    """All models that the rules name, as their servers know them."""
    instances = [*rules.auto_default, *rules.fallbacks]
    for alias in rules.aliases.values():
        instances += alias.instances
    for route in rules.routes:
        instances += route.fallbacks
    found = {one.model or "" for one in instances} | {route.model or "" for route in rules.routes}
    written = [*rules.models]
    if rules.arbiter is not None:
        written += rules.arbiter.targets.values()
    if rules.semantic_routes is not None:
        written += [one.target or "" for one in rules.semantic_routes.categories.values()]
    for name in [*written, *found]:
        server, _, model = name.partition("/")
        found |= {name, model} if server in rules.servers else {name}
    return found - {""}
