"""The tables of callers and keys, beside those of the log. Nothing that ages out or makes room touches them.

provider_keys   the vault (vault.py): one row per key. `version` counts its values, `master` names the key that sealed
                it, `fingerprint` tells two values apart. `nonce` is new with each sealing, so that all nonces together
                tell one state of the vault from the next.
"""

from __future__ import annotations

from sqlalchemy import Column, Double, Integer, LargeBinary, String, Table

from switchman.addons.store.tables import metadata

provider_keys = Table(
    "provider_keys",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("master", String(32), nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("fingerprint", String(32), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("set_at", Double, nullable=False),
)
