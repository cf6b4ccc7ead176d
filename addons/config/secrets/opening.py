"""The vault of these settings: opened for reading by every process, for writing by `switchman key` and the dashboard.

It lies in the log's database (DATABASE_URL, or the file DB_PATH), and is there with ENABLE_LOGGING=false, too. Who only
reads makes neither a database nor a master key. Database code is loaded only where there is something to look for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from switchman.addons.config.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from switchman.addons.store.access.vault import Vault


def key_file(settings: Settings) -> Path:
    """Where the master key is where ENCRYPTION_KEY is not set: beside DB_PATH, also where DATABASE_URL is used."""
    return Path(settings.db_path).absolute().with_suffix(".key")


def coming(file: Path) -> Path:
    """The name of a key file that is about to take the place of `file`."""
    return file.with_name(f"{file.name}.new")


def advice(settings: Settings) -> str:
    """How to go on where the master key is a wrong one."""
    file, other = key_file(settings), ""
    if settings.encryption_key is not None and file.exists():
        other = f"{file} has another one: if it opens them, `switchman key rekey` seals the keys by ENCRYPTION_KEY. "
    return (
        f"{other}Set ENCRYPTION_KEY to the one that was in use, or put its key file back; where it is lost, so are the "
        "keys: `switchman key delete NAME --force`, then `switchman key set NAME`"
    )


class Unusable(ValueError):
    """The vault cannot be opened; the message says what to do."""


def check_vault(settings: Settings) -> None:
    """Open every key of the vault, if there is one. Raises Unusable."""
    if not may_have_vault(settings) or not has_database(settings):
        return
    try:
        _check(settings)
    except Unusable:  # `switchman key rekey` may have been at it between two looks
        _check(settings)


def _check(settings: Settings) -> None:
    with reading(settings) as vault:
        vault.check()


def may_have_vault(settings: Settings) -> bool:
    """Whether anything says that there is a vault: a master key, or its file. No database is looked at."""
    file = key_file(settings)
    return settings.encryption_key is not None or file.exists() or coming(file).exists()


def has_database(settings: Settings) -> bool:
    return settings.database_url is not None or Path(settings.db_path).is_file()


@contextmanager
def reading(settings: Settings) -> Iterator[Vault]:
    """The vault, for who only reads. Raises Unusable for whatever is wrong, then and later."""
    from switchman.addons.config.secrets.masterkey import masters
    from switchman.addons.store.access.vault import Vault

    with opened(settings) as engine:
        yield Vault(engine, masters(settings))


@contextmanager
def opened(settings: Settings) -> Iterator[Engine]:
    """The vault's database, for who only reads. Raises Unusable, as `reading` does."""
    from switchman.addons.store.database import StoreError

    engine: Engine | None = None
    with told(settings):
        try:
            if not has_database(settings):
                where = Path(settings.db_path).absolute()
                raise StoreError(
                    f"the vault is empty: there is no database {where} yet. `switchman key set NAME` makes it"
                )
            engine = engine_of(settings)
            yield engine
        finally:
            if engine is not None:
                engine.dispose()


@contextmanager
def told(settings: Settings) -> Iterator[None]:
    """Whatever is wrong with a vault is Unusable, and says what to do."""
    from switchman.addons.store.access.vault import WrongMaster
    from switchman.addons.store.database import StoreError

    try:
        yield
    except WrongMaster as error:
        raise Unusable(f"{error}. {advice(settings)}") from None
    except StoreError as error:
        raise Unusable(str(error)) from None


@contextmanager
def writing(settings: Settings, *, changing: bool = False) -> Iterator[Vault]:
    """The vault, with its tables, and with a master key where there was none. Raises StoreError. `changing`: as for
    masters().
    """
    from switchman.addons.config.secrets.masterkey import make_key_file, masters, settle
    from switchman.addons.store.access.vault import Vault
    from switchman.addons.store.database import upgrade

    engine = engine_of(settings)
    try:
        upgrade(engine)
        used = {entry.master for entry in Vault(engine).entries()}
        if settings.encryption_key is None:
            settle(key_file(settings), used)
            if not used and not masters(settings):
                make_key_file(key_file(settings))
        yield Vault(engine, masters(settings, changing=changing))
    finally:
        engine.dispose()


def engine_of(settings: Settings) -> Engine:
    from switchman.addons.store.database import database_url, make_engine

    url = settings.database_url.get_secret_value() if settings.database_url is not None else None
    return make_engine(database_url(url, settings.db_path))
