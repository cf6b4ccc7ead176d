"""The key that placeholders are made with: the same in all workers, and after a restart.

It comes of ENCRYPTION_KEY where that is set, so that machines behind one address agree; else from a file of its own
beside the database, which is made at the first use, for its owner only. With a database in memory alone it lasts as
long as the process does.
"""

from __future__ import annotations

import hashlib
import secrets

from switchman.addons.config.secrets.masterkey import from_environment, make_key_file, read_key_file
from switchman.addons.config.secrets.opening import key_file
from switchman.addons.config.settings import Settings
from switchman.addons.store.access.vault import VaultError

_OF_THIS_PROCESS = secrets.token_bytes(32)


def redaction_key(settings: Settings) -> bytes:
    """32 bytes. Raises ValueError where the file cannot be used."""
    if (master := from_environment(settings)) is not None:
        return _derived(master.key)
    if settings.db_path == ":memory:":
        return _OF_THIS_PROCESS
    file = key_file(settings).with_suffix(".redaction.key")
    try:
        return _derived((read_key_file(file) or make_key_file(file)).key)
    except VaultError as error:
        raise ValueError(f"Nothing can be redacted: {error}".replace("the vault's master key", "the key")) from None


def _derived(master: bytes) -> bytes:
    return hashlib.blake2b(b"placeholders", key=master, digest_size=32, person=b"switchman").digest()
