"""Sealing: one value of the vault to bytes that only the master key opens, and back.

AES-256-GCM (NIST SP 800-38D) with a random nonce of 96 bits for each sealing. The name and the version of a value are
its associated data: a value that was put under another name, or beside another version, does not open. Of the
master key itself nothing is used directly: HMAC-SHA256 makes of it the key that seals, the one that makes fingerprints,
and the id by which a row says what sealed it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MASTER_BYTES: Final = 32
NONCE_BYTES: Final = 12


class Unopened(ValueError):
    """The master key does not open it: it is another one, or the row was changed."""


@dataclass(frozen=True, slots=True)
class MasterKey:
    """32 random bytes. `source`: where it came from, for people."""

    key: bytes = field(repr=False)
    source: str = "ENCRYPTION_KEY"

    def __post_init__(self) -> None:
        if len(self.key) != MASTER_BYTES:
            raise ValueError(f"a master key has {MASTER_BYTES} bytes")

    @property
    def id(self) -> str:
        """16 hex digits, which tell nothing of the key."""
        return self._derived("id").hex()[:16]

    def fingerprint(self, value: str) -> str:
        """12 hex digits: the same for the same value, under this master key. Nobody can try values without it."""
        made = hmac.new(self._derived("fingerprint"), value.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return made.hexdigest()[:12]

    def seal(self, name: str, version: int, value: str) -> tuple[bytes, bytes]:
        """(nonce, sealed value)."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        data = value.encode("utf-8", "surrogatepass")
        return nonce, AESGCM(self._derived("seal")).encrypt(nonce, data, _about(name, version))

    def open(self, name: str, version: int, nonce: bytes, sealed: bytes) -> str:
        """The value. Raises Unopened."""
        try:
            data = AESGCM(self._derived("seal")).decrypt(nonce, sealed, _about(name, version))
        except (InvalidTag, ValueError):
            raise Unopened(name) from None
        return data.decode("utf-8", "surrogatepass")

    def _derived(self, what: str) -> bytes:
        return hmac.new(self.key, f"switchman vault: {what}".encode(), hashlib.sha256).digest()


def new_master(source: str) -> MasterKey:
    return MasterKey(secrets.token_bytes(MASTER_BYTES), source)


def _about(name: str, version: int) -> bytes:
    return f"switchman provider key\0{name}\0{version}".encode()
