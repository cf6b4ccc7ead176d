"""Who may outlives the log: what ages out of that takes nothing of it."""

from __future__ import annotations

import time
from pathlib import Path

from switchman.addons.core.access.caller import Terms
from switchman.addons.store import Filters, open_store
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
        assert [row.id for row in store.queries.list_requests(Filters(token="keeper"), limit=1).rows]
        assert not store.queries.list_requests(Filters(token="another")).rows
        while store.queries.list_requests().rows:
            assert time.monotonic() < end
            store.retention.run_once(time.time())
        assert store.access.tokens.list() == (token,)
