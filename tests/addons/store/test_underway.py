"""Requests that are not over yet, as several workers tell them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from switchman.addons.core.keys.known import KnownKeys
from switchman.addons.core.record import Resting, RulesInForce, Running
from switchman.addons.store import Store, open_store
from switchman.addons.store.underway import FRESH, LAG, MOST, RULES_FRESH, lagging, read_resting

NOW = 1000.0
ONE = Running("a", 990.0, "POST", "/v1/chat/completions", "10.0.0.1", "auto", "route", "r", "s", "m", 1)


def ids(store: Store, now: float = NOW) -> list[str]:
    return [one.id for one in store.queries.underway(now)]


def test_each_worker_replaces_its_own(store: Store) -> None:
    """Newest first over all workers; what a worker no longer names is gone."""
    later = replace(ONE, id="b", started_at=995.0)
    assert store.write_underway("one", [ONE, replace(ONE, id="c")], NOW) is None
    store.write_underway("two", [later], NOW)
    assert store.queries.underway(NOW)[0] == later
    assert ids(store) == ["b", "a", "c"] or ids(store) == ["b", "c", "a"]
    store.write_underway("one", [ONE], NOW + 1)
    assert ids(store, NOW + 1) == ["b", "a"]
    store.write_underway("one", [], NOW + 2)
    assert ids(store, NOW + 2) == ["b"]


def test_a_dead_worker_is_not_believed_for_long(store: Store) -> None:
    """And the next one to write removes what it left."""
    store.write_underway("dead", [ONE], NOW)
    assert ids(store, NOW + FRESH) == ["a"] and ids(store, NOW + FRESH + 0.1) == []
    store.write_underway("alive", [], NOW + FRESH + 0.1)
    assert ids(store, NOW) == []


def test_what_no_table_holds_is_made_to_fit(store: Store) -> None:
    """Names too long or with a NUL in them, credentials in the path, more requests than a list shows."""
    odd = replace(ONE, requested_model="x\0" * 500, model="\ud800", path="/v1?api_key=sk-0123456789abcdefXYZ9")
    assert store.write_underway("one", [odd] * (MOST + 5), NOW) is None
    found = store.queries.underway(NOW)
    assert len(found) == MOST and len(found[0].requested_model) == 300 and "sk-0123" not in found[0].path


def test_a_key_of_the_configuration_is_written_nowhere(tmp_path: Path) -> None:
    """Whatever field it is in."""
    key = "an-own-key-1234567890"
    odd = replace(ONE, requested_model=key, path=f"/{key}/v1", client=key, route=f"for {key}")
    with open_store(db_path=tmp_path / "a.db", blob_path=tmp_path, keys=lambda: KnownKeys([key])) as opened:
        assert opened.write_underway("one", [odd], NOW) is None
        (found,) = opened.queries.underway(NOW)
    assert found == replace(ONE, requested_model="...7890", path="/...7890/v1", client="...7890", route="for ...7890")


def test_a_database_that_is_away_is_said_and_no_more(store: Store) -> None:
    """Nothing hangs on it."""
    with store.engine.begin() as conn:
        conn.exec_driver_sql("DROP TABLE underway")
    assert "underway" in (store.write_underway("one", [ONE], NOW) or "")


def test_what_rests_is_made_to_fit_and_hides_keys(tmp_path: Path) -> None:
    """Names of models come from clients."""
    key = "an-own-key-1234567890"
    odd = Resting("up/x\0" + "y" * 900 + key, "up", "open", NOW + 5)
    with open_store(db_path=tmp_path / "a.db", blob_path=tmp_path, keys=lambda: KnownKeys([key])) as opened:
        assert opened.write_resting("one", [odd] * (MOST + 3), NOW) is None
        (found,) = read_resting(opened.engine, NOW)
    assert key not in found.target and len(found.target) <= 620 and "\0" not in found.target


def have(store: Store, worker: str, digest: str, written_at: float, since: float, now: float) -> None:
    assert store.write_rules(worker, RulesInForce(worker, digest, written_at, since), now) is None


def test_a_worker_with_older_rules_than_the_others_lags(store: Store) -> None:
    """Once it had time to read the file that others have, and as long as it is heard of."""
    for worker in ("one", "two", "three"):
        have(store, worker, "a" * 64, 100.0, NOW, NOW)
    assert lagging(store.engine, NOW) == ()
    have(store, "one", "b" * 64, 200.0, NOW + 10, NOW + 10)
    have(store, "two", "b" * 64, 200.0, NOW + 12, NOW + 12)
    have(store, "three", "a" * 64, 100.0, NOW, NOW + 11)
    assert lagging(store.engine, NOW + 13) == ()
    have(store, "three", "a" * 64, 100.0, NOW, NOW + 10 + LAG)
    assert lagging(store.engine, NOW + 20) == (RulesInForce("three", "a" * 32, 100.0, NOW),)
    assert store.queries.lagging_rules(NOW + 20) == lagging(store.engine, NOW + 20)
    assert lagging(store.engine, NOW + 11 + LAG + RULES_FRESH) == ()
    assert store.write_rules("three", None, NOW + 20) is None
    assert lagging(store.engine, NOW + 20) == ()


def test_no_file_at_all_lags_and_a_restart_with_an_old_file_does_not_lead(store: Store) -> None:
    """What counts is when the file was written, not when a worker began."""
    have(store, "one", "b" * 64, 200.0, NOW, NOW + 60)
    have(store, "restarted", "a" * 64, 100.0, NOW + 30, NOW + 60)
    have(store, "x" * 90 + "-none", "", 0.0, NOW, NOW + 60)
    found = lagging(store.engine, NOW + 60)
    assert [(one.worker[-9:], one.digest) for one in found] == [("restarted", "a" * 32), ("xxxx-none", "")]


def test_rules_of_a_database_that_is_away_are_said_and_no_more(store: Store) -> None:
    """Nothing hangs on it."""
    with store.engine.begin() as conn:
        conn.exec_driver_sql("DROP TABLE leases")
    assert "leases" in (store.write_rules("one", None, NOW) or "")
