"""Opens the log as the settings say: the one place where their names meet the store's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from switchman.addons.config.configuration import SettingsError
from switchman.addons.config.settings import Settings
from switchman.addons.core.keys.known import NO_KEYS, KnownKeys
from switchman.addons.core.texts.redaction.atrest import Redactor
from switchman.addons.store import Store, StoreError, open_store
from switchman.addons.store.access import opening


def open_access(settings: Settings) -> opening.Access:
    """Who may, without the log: its tables lie in the same database. Raises SettingsError with what to do."""
    url = settings.database_url.get_secret_value() if settings.database_url else None
    try:
        return opening.open_access(url, settings.db_path, settings.audit_days)
    except StoreError as e:
        raise SettingsError([str(e)]) from None


def open_log(
    settings: Settings,
    keys: Callable[[], KnownKeys] = lambda: NO_KEYS,
    redactor: Callable[[], Redactor] = Redactor,
) -> Store:
    """The log of this process, its schema up to date; starts no thread. Raises SettingsError with what to do.

    `keys`: those that must not be written into it, as far as they are known when a record is. `redactor`: for records
    that are captured `redacted`.
    """
    try:
        return open_store(
            url=settings.database_url.get_secret_value() if settings.database_url else None,
            db_path=settings.db_path,
            blob_type=settings.blob_storage_type,
            blob_path=settings.blob_storage_path,
            max_blob_size=settings.max_blob_size,
            max_total_size=settings.max_total_storage_size,
            max_age_days=settings.max_log_age_days,
            max_log_size=settings.max_log_size,
            spool_path=Path(settings.db_path).with_suffix(".spool.db"),
            max_spool_size=settings.max_spool_size,
            keys=keys,
            redactor=redactor,
            full_text=settings.full_text,
        )
    except StoreError as e:
        raise SettingsError([str(e)]) from None
