"""What `file:PATH` and `vault:NAME` of the rules stand for, and whether any of it has changed since.

`Sources` is what core/servers/reaching/references.py calls SecretSources, for one reading of the rules. `VaultWatch` is
a process's own look at the vault: which state of it the rules were read from.
"""

from __future__ import annotations

import logging
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from switchman.addons.config.regular import Unreadable, read_file
from switchman.addons.config.secrets.opening import engine_of, has_database, opened, told
from switchman.addons.config.settings import Settings
from switchman.addons.core.servers.reaching.references import Secret

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from switchman.addons.store.access.vault import Vault

logger = logging.getLogger(__name__)

MAX_FILE_BYTES = 64 * 1024

Identity = tuple[int, int]  # device and inode


class VaultWatch:
    """The vault as this process last read it. Looked at only once the rules have named a key of it.

    A database file that is deleted under a running router (store/revival.py) takes the vault with it: each process
    still has the rows, sealed, and puts them into the file that takes its place.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._rows: list[dict[str, Any]] | None = None  # None: the rules have named no key so far
        self._engine: Engine | None = None
        self._opened: Identity | None = None  # the file that it is of

    def take(self) -> Callable[[str], str]:
        """All of the vault as it is now: what gives the value of a key of it by name. Both raise Unusable."""
        from switchman.addons.config.secrets.masterkey import masters
        from switchman.addons.store.access.vault import Vault

        self._rows = self._rows or []
        with opened(self._settings) as engine:
            # Before the master keys: where those are what is wrong, that is told once, not at every look.
            rows = self._rows = Vault(engine).rows()
            vault = Vault(engine, masters(self._settings))

        def value(name: str) -> str:
            with told(self._settings):
                return vault.read_in(rows, name)

        return value

    def changed(self) -> bool:
        """Whether the vault is another one than `take` has seen. False while the database does not answer."""
        if self._rows is None or not (has_database(self._settings) or not self._settings.enable_logging):
            return False
        from switchman.addons.store import StoreError
        from switchman.addons.store.access.vault import Vault, state_of

        try:
            vault = Vault(self._open())
            rows = vault.rows()
            if not rows and self._rows and not vault.has_begun():
                self._restore(vault)
                return False
            return state_of(rows) != state_of(self._rows)
        except (StoreError, OSError):
            return False
        finally:
            if self._engine is not None and self._opened is not None:
                self._engine.dispose()  # a file is opened anew each time: it may be another one by then

    def _restore(self, vault: Vault) -> None:
        from switchman.addons.store.database import upgrade

        upgrade(vault.engine)
        vault.restore(self._rows or [])
        logger.warning("the vault was gone with its database file: its keys are in the new one, still encrypted")

    def _open(self) -> Engine:
        identity = self._identity()
        if self._engine is None or self._opened != identity:
            self._engine = engine_of(self._settings)
            self._opened = self._identity()
        return self._engine

    def _identity(self) -> Identity | None:
        """None for a database that is no file, or not there."""
        path = Path(self._settings.db_path)
        if self._settings.database_url is not None or not path.exists():
            return None
        found = path.stat()
        return found.st_dev, found.st_ino


class Sources:
    """For one reading of the rules. Paths are taken from `folder` on, the rules file's own; `~` is the user's home."""

    def __init__(self, folder: Path, vault: VaultWatch) -> None:
        self._folder, self._vault = folder, vault
        self._taken: Callable[[str], str] | None = None
        self.looked_at: set[Path] = set()  # also those that were not there

    def file(self, path: str) -> Secret:
        try:
            place = self._folder.absolute() / Path(path).expanduser()
        except RuntimeError:  # ~nobody
            raise ValueError(f"{path}: there is no such home folder") from None
        self.looked_at.add(place)
        try:
            content = read_file(place, MAX_FILE_BYTES)
            mode = place.stat().st_mode
        except FileNotFoundError:
            raise ValueError(f"{place}: there is no such file") from None
        except (Unreadable, OSError) as error:
            raise ValueError(f"{place} {error}") from None
        if mode & stat.S_IWOTH:
            raise ValueError(f"{place} may be written to by everybody (mode {mode & 0o7777:04o}): chmod 600 {place}")
        try:
            value = content.decode("utf-8").strip()
        except UnicodeDecodeError:
            raise ValueError(f"{place} is no UTF-8 text") from None
        if not value:
            raise ValueError(f"{place} is empty")
        readable = mode & (stat.S_IRGRP | stat.S_IROTH)
        return Secret(
            value, f"{place} may be read by others (mode {mode & 0o7777:04o}): 0600 is enough" if readable else ""
        )

    def vault(self, name: str) -> Secret:
        if self._taken is None:  # once: what is changed meanwhile is changed for the next look, for all names
            self._taken = self._vault.take()
        return Secret(self._taken(name))
