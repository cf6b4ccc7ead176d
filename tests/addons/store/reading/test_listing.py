"""Pages of the list from indexes, whatever is filtered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from switchman.addons.store import Filters, Store, open_store
from switchman.addons.testing.samples import make_record

Write = Callable[..., None]
Heard = Callable[[Engine], list[tuple[str, Any]]]
IMAGE, TOOLS = 2, 16
ROWS: dict[str, dict[str, Any]] = {
    "a": {"error_class": "auth", "outcome": "upstream_error", "status": 401, "streamed": True, "modality": 1},
    "b": {"error_class": "timeout", "outcome": "failed", "status": 504, "modality": 1 | IMAGE, "agent": "codex"},
    "c": {"requested_model": "auto", "route": "small", "modality": 1 | IMAGE | TOOLS, "session": "s1", "token": "anna"},
    "d": {"requested_model": "auto", "status": 404, "outcome": "refused", "error_class": "refused", "agent": "codex"},
    "e": {"outcome": "cancelled", "status": 499, "error_class": "cancelled", "streamed": True},
}


FILTERS = [
    (Filters(error="auth"), "a"),
    (Filters(error="cancelled"), "e"),
    (Filters(asked="auto"), "dc"),
    (Filters(route="small"), "c"),
    (Filters(session="s1"), "c"),
    (Filters(agent="codex"), "db"),
    (Filters(token="anna"), "c"),
    (Filters(stream="yes"), "ea"),
    (Filters(stream="no", agent="codex"), "db"),
    (Filters(modality="image"), "cb"),
    (Filters(modality="tools"), "c"),
    (Filters(modality="text"), "cba"),
    (Filters(modality="audio"), ""),
    (Filters(outcome="error"), "dba"),
    (Filters(status="4xx"), "eda"),
    (Filters(status="4xx", outcome="error"), "da"),
    (Filters(status="4xx", outcome="error", start=101.0), "d"),
    (Filters(status="3xx"), ""),
]


def test_filters(store: Store, write: Write) -> None:
    """Each finds its rows, newest first, page by page; counts and live rows say the same."""
    for number, (name, values) in enumerate(ROWS.items()):
        write(store, make_record(id=name, **{"started_at": 100.0 + number, "route": None, **values}))
    for filters, expected in FILTERS:
        seen, before = "", None
        while True:
            page = store.queries.list_requests(filters, before, limit=2)
            seen += "".join(row.id for row in page.rows)
            if (before := page.next) is None:
                break
        assert seen == expected, filters
        assert store.queries.count_requests(filters) == len(expected), filters
        assert {row.id for row in store.queries.newer_than("0", filters).rows} == set(expected), filters


INDEXES = [
    (Filters(error="auth"), "requests_by_error"),
    (Filters(asked="m"), "requests_by_asked"),
    (Filters(route="r"), "requests_by_route"),
    (Filters(stream="yes"), "requests_by_stream"),
    (Filters(session="s"), "requests_by_session"),
    (Filters(agent="a"), "requests_by_agent"),
    (Filters(token="t"), "requests_by_token"),
    (Filters(modality="image"), "requests_with_image"),
    (Filters(modality="tools", start=1.0), "requests_with_tools"),
    (Filters(status="4xx"), "requests_by_status"),
    (Filters(outcome="error"), "requests_by_outcome"),
]


def plan_of(store: Store, asked: list[tuple[str, Any]]) -> list[str]:
    """How SQLite answers the last statement of those that were heard."""
    with store.engine.connect() as conn:
        return [row[3] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked[-1][0]}", asked[-1][1])]


def test_a_page_comes_from_an_index_in_its_order(tmp_path: Path, write: Write, heard: Heard) -> None:
    """Nothing but rows of one moment is sorted."""
    with open_store(db_path=tmp_path / "log.db", blob_path=tmp_path, max_age_days=None) as store:
        write(store, make_record(status=404))
        said = heard(store.engine)
        for filters, index in INDEXES:
            store.queries.list_requests(filters)
            plan = plan_of(store, said)
            assert index in " ".join(plan), (filters, plan)
            assert "USE TEMP B-TREE FOR ORDER BY" not in " ".join(plan), (filters, plan)


def test_menus_come_from_indexes(tmp_path: Path, heard: Heard) -> None:
    """One look-up for each value, however many rows there are."""
    columns = ("model", "requested_model", "server", "route", "token", "agent", "error_class", "cache", "layer")
    with open_store(db_path=tmp_path / "log.db", blob_path=tmp_path) as store:
        said = heard(store.engine)
        for column in columns:
            store.queries.values(column)
            plan = plan_of(store, said)
            assert not [line for line in plan if line.startswith("SCAN requests") and "INDEX" not in line], (
                column,
                plan,
            )
            assert [line for line in plan if line.startswith("SEARCH requests")], (column, plan)


def test_a_cursor_of_another_list_is_said_to_be_one(store: Store) -> None:
    """A list by words has its own order."""
    for cursor in ("#x", "5.0~a", "#", "#" + "9" * 30):
        with pytest.raises(ValueError, match="page cursor"):
            store.queries.list_requests(Filters(words="x"), cursor)
