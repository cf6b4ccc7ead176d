"""What people say of the semantic cache's answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from switchman.addons.store import Store
from switchman.addons.store.keeping.beside.cacheverdicts import CacheVerdicts, Counts, Judged
from switchman.addons.store.keeping.elsewhere import Elsewhere
from switchman.addons.store.keeping.forgetting import Wanted, forget
from switchman.addons.testing import make_record


@pytest.fixture
def put(write) -> Callable[..., CacheVerdicts]:
    """Write requests of these ids; the verdicts of the same log."""

    def put(store: Store, *ids: str) -> CacheVerdicts:
        write(store, *(make_record(id=one, started_at=100.0 + number) for number, one in enumerate(ids)))
        return store.queries.verdicts

    return put


def test_the_last_verdict_holds_and_can_be_taken_back(store: Store, put) -> None:
    verdicts = put(store, "a", "b")
    assert verdicts.judge("a", "right", "anna", 1.0) and verdicts.judge("b", "wrong", "anna", 2.0)
    assert verdicts.judge("a", "wrong", "bob", 3.0)
    assert verdicts.of(["a", "b", "none"]) == {"a": Judged("wrong", "bob", 3.0), "b": Judged("wrong", "anna", 2.0)}
    assert verdicts.counts() == Counts(right=0, wrong=2)
    assert verdicts.judge("a", None, "bob", 4.0) and verdicts.counts() == Counts(right=0, wrong=1)


def test_there_is_none_of_a_request_that_is_not_there(store: Store, put) -> None:
    """Whatever an address says: no table holds a NUL or half a character."""
    verdicts = put(store, "a")
    assert not verdicts.judge("none", "right", "anna", 1.0) and not verdicts.judge("\0\ud800", "right", "anna", 1.0)
    assert verdicts.counts() == Counts()


def test_a_verdict_goes_with_its_request(store: Store, put, tmp_path: Path) -> None:
    verdicts = put(store, "a", "b")
    verdicts.judge("a", "right", "anna", 1.0)
    verdicts.judge("b", "right", "anna", 1.0)
    forget(store.engine, store.blobs, Wanted(before=100.5), Elsewhere(tmp_path / "log.db"))
    assert verdicts.of(["a", "b"]).keys() == {"b"} and verdicts.counts() == Counts(right=1)
