"""Who may outlives the log: what ages out of that takes nothing of it."""

from __future__ import annotations

import time
from pathlib import Path

from switchman.addons.core.access.caller import Terms
from switchman.addons.store import Filters, Store, open_store
from switchman.addons.store.access.sealing import MasterKey
from switchman.addons.store.access.tables import provider_keys
from switchman.addons.store.access.vault import Vault
from switchman.addons.store.tables import metadata
from switchman.addons.testing.samples import make_record


def test_tokens_survive_retention_and_a_full_log(tmp_path: Path) -> None:
    """Rows go by age and by size, tokens do not."""
    with open_store(
        db_path=tmp_path / "log.db", blob_path=tmp_path / "blobs", max_age_days=1, max_log_size=1_000_000
    ) as store:
        token, _ = store.access.tokens.create(Terms("keeper"), 1.0)
        writer = store.writer()
        big = b"x" * 50
        for n in range(300):
            writer.put(
                make_record(f"r{n}", started_at=1000.0 + n, token="keeper", token_id=token.caller.id, request_body=big)
            )
        end = time.monotonic() + 60
        while writer.counts.written < 300:
            assert time.monotonic() < end
            time.sleep(0.01)
        (row,) = store.queries.list_requests(Filters(token="keeper"), limit=1).rows
        assert (row.token, row.token_id) == ("keeper", token.caller.id)
        assert not store.queries.list_requests(Filters(token="another")).rows
        while store.queries.list_requests().rows:
            assert time.monotonic() < end
            store.retention.run_once(time.time())
        assert store.access.tokens.list() == (token,)


def test_one_metadata() -> None:
    """So that one chain of migrations makes them all."""
    assert metadata.tables["provider_keys"] is provider_keys


def test_retention_leaves_them_alone(store: Store) -> None:
    """However old a key is."""
    vault = Vault(store.engine, [MasterKey(bytes(range(32)))])
    vault.set("old", "value-of-old", now=1.0)
    assert store.retention.run_once(time.time()) is not None
    assert vault.read("old") == "value-of-old"
