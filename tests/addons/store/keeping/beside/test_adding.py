"""What the writer adds beside a batch of rows."""

from __future__ import annotations

from switchman.addons.store import Store
from switchman.addons.store.reading.filters import Filters
from switchman.addons.testing import make_record


def test_a_written_request_is_counted_belongs_to_its_session_and_is_found_by_its_words(store: Store, write) -> None:
    """All three are there as soon as the row is."""
    write(store, make_record(id="one", started_at=100.0, session="s" * 32, asked="zebras in the library"))
    assert store.queries.latency_summary(Filters(start=60.0, end=180.0)).overall.count == 1
    found = store.queries.get_session("s" * 32)
    assert found is not None and found.requests == 1
    assert [row.id for row in store.queries.list_requests(Filters(words="zebras")).rows] == ["one"]
