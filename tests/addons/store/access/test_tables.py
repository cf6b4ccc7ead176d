"""The tables of keys are the log's neighbours, and nothing that bounds the log touches them."""

from __future__ import annotations

import time

from switchman.addons.store import Store
from switchman.addons.store.access.sealing import MasterKey
from switchman.addons.store.access.tables import provider_keys
from switchman.addons.store.access.vault import Vault
from switchman.addons.store.tables import metadata


def test_one_metadata() -> None:
    """So that one chain of migrations makes them all."""
    assert metadata.tables["provider_keys"] is provider_keys


def test_retention_leaves_them_alone(store: Store) -> None:
    """However old a key is."""
    vault = Vault(store.engine, [MasterKey(bytes(range(32)))])
    vault.set("old", "value-of-old", now=1.0)
    assert store.retention.run_once(time.time()) is not None
    assert vault.read("old") == "value-of-old"
