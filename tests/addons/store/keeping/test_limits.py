"""What a writer does for the sizes, with each batch."""

from __future__ import annotations

import random

from switchman.addons.store import Store
from switchman.addons.store.keeping.limits import Limits
from switchman.addons.store.rows import prepare
from switchman.addons.testing.samples import make_record


def test_room_is_made_before_a_batch_is_written(store: Store, write) -> None:
    """As much as it will take; a body that is stored already takes none."""
    for number in range(60):
        letters = random.Random(number).choices("abcdefghijklmnopqrstuvwxyz", k=10_000)  # hardly to be packed
        head = tuple(("x", " ".join(letters[at : at + 1000])) for at in range(0, 10_000, 1000))
        write(store, make_record(id=f"r{number}", started_at=float(number), request_headers=head))
    warned: list[str] = []
    limits = Limits(store.engine, store.blobs, 10**9, store.log_bytes() * 10 // 8, lambda _, text: warned.append(text))
    small, large = (prepare(make_record(request_body=b"%d" % n * n), 10**6) for n in (1, 90_000))
    limits.make_room([small], (), None)
    assert len(store.queries.list_requests(limit=500).rows) == 60
    large.row["stored_size"] = store.log_bytes() // 3
    limits.make_room([large], (), None)
    assert 2 < len(store.queries.list_requests(limit=500).rows) < 60
    assert warned == []


def test_a_database_that_is_away_is_a_warning(store: Store) -> None:
    """The batch is tried all the same, and goes to the spool."""
    warned: list[str] = []
    limits = Limits(store.engine, store.blobs, 0, 0, lambda problem, text: warned.append(problem))
    store.engine.dispose()
    with store.engine.begin() as conn:
        conn.exec_driver_sql("DROP TABLE totals")
    limits.make_room([prepare(make_record(), 10)], (), None)
    limits.prune()
    assert warned == ["log size", "size"]
