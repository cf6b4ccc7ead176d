"""How much a token was used."""

from __future__ import annotations

from collections.abc import Callable

from switchman.addons.store.opening import Store
from switchman.addons.store.reading import usage
from switchman.addons.store.reading.usage import Usage, usage_of
from switchman.addons.testing.samples import make_record


def test_a_tokens_requests_are_counted(store: Store, write: Callable[..., None]) -> None:
    """Those that began since, and the newest of all; another token that had its name is another."""
    mine = {"token": "ci", "token_id": "0123456789ab"}
    write(
        store,
        make_record(id="old", started_at=10.0, **mine),
        make_record(id="a", started_at=100.0, **mine),
        make_record(id="b", started_at=200.0, **mine),
        make_record(id="other", started_at=300.0, token="ci", token_id="ba9876543210"),
        make_record(id="nobody", started_at=300.0),
    )
    assert usage_of(store.engine, "0123456789ab", "ci", 50.0) == Usage(2, 200.0)
    assert usage_of(store.engine, "0123456789ab", "ci", 1000.0) == Usage(0, 200.0)
    assert usage_of(store.engine, "ffffffffffff", "ci", 0.0) == Usage(0, None)


def test_the_count_has_an_end(store: Store, write: Callable[..., None], monkeypatch) -> None:
    """A token with millions of requests does not hold up its page."""
    monkeypatch.setattr(usage, "MOST_COUNTED", 3)
    mine = {"token": "ci", "token_id": "0123456789ab"}
    write(store, *(make_record(id=f"r{number}", started_at=float(number + 1), **mine) for number in range(5)))
    assert usage_of(store.engine, "0123456789ab", "ci", 0.0) == Usage(3, 5.0)


def test_it_is_read_from_the_index_of_tokens(store: Store) -> None:
    """Not from all rows of the log."""
    if store.engine.dialect.name != "sqlite":
        return
    with store.engine.connect() as conn:
        plan = conn.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT 1 FROM requests WHERE token = 'ci' AND token_id = 'x' AND started_at > 1.0"
        ).all()
    assert "requests_by_token" in str(plan)
