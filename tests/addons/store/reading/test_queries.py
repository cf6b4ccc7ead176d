"""Lists, details, menus and figures, the same on both databases."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from switchman.addons.core.record import AttemptRecord, Record
from switchman.addons.store import Filters, Store, open_store
from switchman.addons.store.reading.summaries import Percentiles
from switchman.addons.store.tables import requests
from switchman.addons.testing.samples import make_record

Write = Callable[..., None]
Heard = Callable[[Engine], list[tuple[str, Any]]]


def records(count: int, **changes: Any) -> list[Record]:
    return [make_record(id=f"r{n:04}", started_at=1000.0 + n, **changes) for n in range(count)]


def test_pages_meet_without_gap_or_overlap(store: Store, write: Write) -> None:
    """Following `next` from page to page shows every row once, newest first, also where times are equal."""
    shuffled = [make_record(id=f"r{n:02}", started_at=1000.0 + n // 5) for n in range(23)]
    random.Random(1).shuffle(shuffled)
    write(store, *shuffled)
    seen, cursor, pages = [], None, 0
    while True:
        page = store.queries.list_requests(before=cursor, limit=4)
        seen += [row.id for row in page.rows]
        pages += 1
        if (cursor := page.next) is None:
            break
    assert (seen, pages) == ([f"r{n:02}" for n in reversed(range(23))], 6)


def test_a_page_that_ends_exactly_has_no_next(store: Store, write: Write) -> None:
    """`next` is None where nothing follows."""
    write(store, *records(4))
    assert store.queries.list_requests(limit=4).next is None
    assert store.queries.list_requests(limit=3).next is not None


def test_new_rows_do_not_shift_pages(store: Store, write: Write) -> None:
    """A row that comes between two pages is on neither."""
    write(store, *records(6))
    first = store.queries.list_requests(limit=3)
    write(store, make_record(id="late", started_at=9999.0))
    second = store.queries.list_requests(before=first.next, limit=3)
    assert [row.id for row in (*first.rows, *second.rows)] == [f"r{n:04}" for n in reversed(range(6))]


def test_lists_are_bounded(store: Store, write: Write) -> None:
    """A limit beyond 500 is 500, one below 1 is 1."""
    write(store, *records(520))
    assert len(store.queries.list_requests(limit=10**9).rows) == 500
    assert len(store.queries.list_requests(limit=-1).rows) == 1
    assert len(store.queries.newer_than("0", limit=10**9).rows) == 500


def test_lists_touch_no_body_and_no_header(store: Store, write: Write, heard: Heard) -> None:
    """The list's statements name neither blobs nor headers nor trace."""
    write(store, *records(3))
    said = heard(store.engine)
    store.queries.list_requests()
    store.queries.newer_than("0")
    assert len(said) >= 4
    assert not [s for s, _ in said if any(word in s for word in ("blobs", "headers", "trace", "attempts"))]


@pytest.mark.parametrize("cursor", ["", "x", "1.5", "abc~r1", "5~" * 1000 + "x~"])
def test_bad_cursors(store: Store, cursor: str) -> None:
    """A cursor from a broken link is a ValueError with a sentence (or an empty page), not a crash."""
    try:
        assert store.queries.list_requests(before=cursor).rows == ()
    except ValueError as exc:
        assert "cursor" in str(exc)
    with pytest.raises(ValueError, match="live cursor"):
        store.queries.newer_than(cursor)


def test_live_rows(store: Store, write: Write) -> None:
    """From a page's live cursor on, each new row comes once, also one that began before all that is shown."""
    write(store, *records(3))
    page = store.queries.list_requests()
    assert store.queries.newer_than(page.live).rows == ()
    write(store, make_record(id="began-long-ago", started_at=1.0), make_record(id="new", started_at=5000.0))
    fresh = store.queries.newer_than(page.live)
    assert {row.id for row in fresh.rows} == {"began-long-ago", "new"}
    assert not fresh.more
    assert store.queries.newer_than(fresh.live).rows == ()


def test_live_rows_in_portions(store: Store, write: Write) -> None:
    """More rows than the limit come in several answers, oldest portion first; a filter does not stall it."""
    page = store.queries.list_requests()
    write(store, *records(7))
    seen, live, more = [], page.live, True
    while more:
        fresh = store.queries.newer_than(live, limit=3)
        seen += [row.id for row in reversed(fresh.rows)]
        live, more = fresh.live, fresh.more
    assert seen == [f"r{n:04}" for n in range(7)]
    assert store.queries.newer_than("0", Filters(model="none of these")).live == live


def test_a_live_list_starts_anew_when_the_log_was_emptied(store: Store, write: Write) -> None:
    """A cursor beyond the last row says so, and gives one from which the next row is seen."""
    write(store, *records(3))
    live = store.queries.list_requests().live
    with store.engine.begin() as conn:
        conn.execute(requests.delete())
    fresh = store.queries.newer_than(live)
    assert (fresh.rows, fresh.more, int(fresh.live) < int(live)) == ((), True, True)
    write(store, make_record(id="next", started_at=1.0))
    assert [row.id for row in store.queries.newer_than(fresh.live).rows] == ["next"]


FILTERED = {
    "a": {"model": "gpt", "server": "one", "status": 200, "outcome": "ok", "client": "10.0.0.1", "started_at": 100.0},
    "b": {
        "model": "gpt",
        "server": "two",
        "status": 404,
        "outcome": "upstream_error",
        "client": "::1",
        "started_at": 200.0,
    },
    "c": {"model": "100%_x", "server": "two", "status": 502, "outcome": "failed", "route": "r2", "started_at": 300.0},
    "d": {"model": None, "server": None, "status": 499, "outcome": "cancelled", "layer": "route", "started_at": 400.0},
}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), "dcba"),
        (Filters(start=200.0), "dcb"),
        (Filters(end=200.0), "a"),
        (Filters(start=200.0, end=300.0), "b"),
        (Filters(model="gpt"), "ba"),
        (Filters(server="two"), "cb"),
        (Filters(server="two", model="gpt"), "b"),
        (Filters(status="404"), "b"),
        (Filters(status="4xx"), "db"),
        (Filters(status="5xx"), "c"),
        (Filters(outcome="ok"), "a"),
        (Filters(outcome="error"), "cb"),
        (Filters(client="::1"), "b"),
        (Filters(route="r2"), "c"),
        (Filters(layer="route"), "d"),
        (Filters(text="GPT"), "ba"),
        (Filters(text="0%_"), "c"),
        (Filters(text="_"), "c"),
        (Filters(text="' OR 1=1 --"), ""),
        (Filters(model="gpt\0"), ""),
    ],
)
def test_filters(store: Store, write: Write, filters: Filters, expected: str) -> None:
    """Each filter, alone and with another; wildcards in the search text are ordinary characters."""
    write(store, *(make_record(id=f"id-{name}", requested_model="auto", **f) for name, f in FILTERED.items()))  # type: ignore[arg-type]
    assert [row.id for row in store.queries.list_requests(filters).rows] == [f"id-{name}" for name in expected]


TRIED = tuple(AttemptRecord(n, "s", "m", "http://s", 1.0, 1.0, 200, "ok") for n in (1, 2))
STORIES: dict[str, dict[str, Any]] = {
    "a": {"started_at": 100.0, "attempts": TRIED[:1], "cache": "miss", "layer": "route"},
    "b": {"started_at": 200.0, "attempts": TRIED, "cache": "shadow", "layer": "route"},
    "c": {"started_at": 300.0, "attempts": (), "cache": "hit", "layer": "exact_cache", "saved_ms": 900.0},
    "d": {"started_at": 400.0, "attempts": (), "layer": None, "outcome": "refused"},
    "e": {"started_at": 500.0, "attempts": (), "layer": None, "outcome": "answered"},
}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(cache="shadow"), "b"),
        (Filters(cache="hit"), "c"),
        (Filters(attempts="many"), "b"),
        (Filters(attempts="many", cache="miss"), ""),
        (Filters(layer="none"), "ed"),
    ],
)
def test_filters_on_the_story(store: Store, write: Write, filters: Filters, expected: str) -> None:
    """What the caches did, whether one attempt was enough, and requests that no layer decided."""
    write(store, *(make_record(id=name, **changes) for name, changes in STORIES.items()))
    assert [row.id for row in store.queries.list_requests(filters).rows] == list(expected)


def test_costs_are_in_the_list_and_in_the_story(store: Store, write: Write) -> None:
    """Micro-dollars; of each attempt, too."""
    write(store, make_record(id="r", attempts=(replace(TRIED[0], cost=0), replace(TRIED[1], cost=713)), cost=713))
    write(store, make_record(id="kept", attempts=(), cost=0, saved_cost=713))
    write(store, make_record(id="unknown"))
    rows = {row.id: (row.cost_microdollars, row.saved_microdollars) for row in store.queries.list_requests().rows}
    assert rows == {"r": (713, None), "kept": (0, 713), "unknown": (None, None)}
    detail = store.queries.get_request("r")
    assert detail is not None and [attempt.cost_microdollars for attempt in detail.attempts] == [0, 713]


def test_the_number_of_attempts_is_in_the_list(store: Store, write: Write) -> None:
    """So that a list tells failed-over requests without a look at their attempts; the story has what each changed."""
    changed = (replace(TRIED[0], changes=("model: auto → m",)), TRIED[1])
    write(store, make_record(id="r", attempts=changed, cache="shadow", saved_ms=1.5))
    (row,) = store.queries.list_requests().rows
    assert (row.attempt_count, row.cache, row.saved_ms) == (2, "shadow", 1.5)
    detail = store.queries.get_request("r")
    assert detail is not None
    assert [attempt.changes for attempt in detail.attempts] == [("model: auto → m",), ()]


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        (Filters(), "requests_by_time"),
        (Filters(layer="route"), "requests_by_layer"),
        (Filters(layer="none"), "requests_by_layer"),
        (Filters(cache="shadow"), "requests_by_cache"),
        (Filters(attempts="many"), "requests_failed_over"),
        (Filters(attempts="many", start=1.0), "requests_failed_over"),
    ],
)
def test_a_filtered_list_comes_from_an_index(tmp_path: Path, filters: Filters, index: str, heard: Heard) -> None:
    """In its order: nothing is sorted but rows of one moment, by their ids, and no other row is looked at."""
    with open_store(db_path=tmp_path / "log.db", blob_path=tmp_path) as store:
        asked = heard(store.engine)
        store.queries.list_requests(filters)
        with store.engine.connect() as conn:
            plan = " ".join(row[3] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked[-1][0]}", asked[-1][1]))
    assert index in plan and "B-TREE FOR ORDER BY" not in plan


def test_odd_ids_are_not_found(store: Store) -> None:
    """An id no database can hold is one that is not there."""
    for odd in ("a\0b", "\ud800", "x" * 100_000):
        assert store.queries.get_request(odd) is None
        assert store.queries.body(odd, "request") is None
        assert store.queries.list_requests(before=f"1.0~{odd}").rows == ()


def test_what_is_not_there(store: Store) -> None:
    """An empty log answers everything: no rows, no request, no figures."""
    queries = store.queries
    assert queries.list_requests().rows == ()
    assert queries.get_request("nothing") is None
    assert queries.body("nothing", "request") is None
    assert queries.latency_summary().overall.duration == Percentiles()
    assert queries.latency_summary().models == ()
    assert (queries.scatter().points, queries.scatter().sampled) == ((), False)
    assert queries.values("model") == ()
    assert queries.stored_bytes() == 0


def test_menus(store: Store, write: Write) -> None:
    """The distinct values of a column, sorted, without null."""
    write(store, *(make_record(id=name, **changes) for name, changes in FILTERED.items()))  # type: ignore[arg-type]
    assert set(store.queries.values("model")) == {"100%_x", "gpt"}
    assert store.queries.values("server") == ("one", "two")
    assert store.queries.values("status") == (200, 404, 499, 502)
    assert store.queries.values("route") == ("git-commit-model", "r2")
    assert store.queries.values("layer") == ("alias", "route")
    with pytest.raises(ValueError, match="has no menu"):
        store.queries.values("request_headers")
