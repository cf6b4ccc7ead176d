"""What the caches did, and the pairs of prompts that the semantic one found alike."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import event

from switchman.addons.core.record import Record
from switchman.addons.store import Store
from switchman.addons.store.reading.cacheuse import MOST_READ, Use, prompt_of
from switchman.addons.store.reading.filters import Filters
from switchman.addons.testing import make_record

EARLIER = {"request_id": "first", "asked": "capital of France?", "took_ms": 900.0}


def line(outcome: str, earlier: dict[str, Any] | None = EARLIER, score: float | None = 0.97) -> dict[str, Any]:
    return {
        "layer": "semantic_cache", "outcome": outcome, "detail": "", "score": score, "elapsed_ms": 1.0,
        "earlier": earlier,
    }  # fmt: skip


def request(number: int, cache: str | None, layer: str = "rules", **fields: Any) -> Record:
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": f"What is the capital? {number}"}]})
    values = {"started_at": 100.0 + number, "cache": cache, "layer": layer, "request_body": body.encode()} | fields
    return make_record(id=f"r{number}", **values)


@pytest.fixture
def log(store: Store, write) -> Store:
    write(
        store,
        request(1, "miss"),
        request(2, "hit", "exact_cache", outcome="cached", saved_ms=100.0, saved_cost=300),
        request(3, "hit", "semantic_cache", outcome="cached", saved_ms=50.5, trace=(line("hit"),)),
        request(4, "shadow", trace=(line("miss", score=0.5), line("skip"))),
        request(5, "shadow", trace=(line("skip"),), request_body=b"not json"),
        request(6, "bypass"),
        request(7, None),
        request(8, "shadow", trace=()),
    )
    return store


def test_each_request_counts_as_one_thing(log: Store) -> None:
    """Models that no cache serves do not count; what is not known of savings is not a nought."""
    use = log.queries.cache_use()
    assert use == Use(exact=1, semantic=1, shadow=3, missed=1, others=1, saved_ms=150.5, saved_cost=300)
    assert (use.looked, use.hit_rate) == (6, 2 / 6)
    assert log.queries.cache_use(Filters(start=103.0, end=104.0)).saved_cost is None
    assert log.queries.cache_use(Filters(start=1e6)).hit_rate is None


def test_figures_and_rows_agree(log: Store) -> None:
    """What figures know is not summed up from all rows: that took two seconds of a million."""
    said: list[str] = []
    event.listen(log.engine, "before_cursor_execute", lambda conn, cursor, statement, *rest: said.append(statement))
    use = log.queries.cache_use()
    assert said
    assert not [one for one in said if "sum(requests." in one]
    assert log.queries.cache_use(Filters(status="2xx")) == use
    assert [one for one in said if "sum(requests." in one]


def test_pairs_that_would_have_been_served(log: Store) -> None:
    """Newest first, with both prompts, as far as they are kept; one whose trace is gone is left out."""
    found = log.queries.cache_pairs("shadow")
    assert [(pair.id, pair.earlier_id, pair.score, pair.then, pair.now) for pair in found.pairs] == [
        ("r5", "first", 0.97, EARLIER["asked"], None),
        ("r4", "first", 0.97, EARLIER["asked"], "What is the capital? 4"),
    ]
    assert found.next is None


def test_pairs_that_were_served(log: Store) -> None:
    assert [pair.id for pair in log.queries.cache_pairs("served").pairs] == ["r3"]
    assert log.queries.cache_pairs("served", Filters(end=103.0)).pairs == ()


def test_pages_of_pairs_follow_each_other(log: Store) -> None:
    """Each pair is on one of them, whatever was left out of a page."""
    seen, cursor = [], None
    for _ in range(3):
        page = log.queries.cache_pairs("shadow", before=cursor, limit=1)
        seen += [pair.id for pair in page.pairs]
        cursor = page.next
    assert seen == ["r5", "r4"] and cursor is None
    with pytest.raises(ValueError, match="not a page cursor"):
        log.queries.cache_pairs("shadow", before="x")


@pytest.mark.parametrize(
    "body",
    [None, b"", b"[1]", b"{", b'{"messages": 5}', b"\xff", b"[" * 100_000, b" " * (MOST_READ + 1)],
    ids=["none", "empty", "list", "cut", "odd", "bytes", "deep", "long"],
)
def test_a_body_that_asks_nothing_readable_has_no_prompt(body: bytes | None) -> None:
    assert prompt_of(body) is None
