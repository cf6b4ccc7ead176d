"""Sessions as the pages ask for them, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.core.access.session import session_digest
from switchman.addons.store import Store
from switchman.addons.store.reading.sessions import SessionFilters
from switchman.addons.testing.samples import make_record

Write = Callable[..., None]


def asked(number: int, session: str, **fields: Any) -> Any:
    return make_record(f"r{number:03}", **{
        "session": session_digest(session), "agent": "codex", "project": f"/srv/{session}",
        "started_at": 1_000.0 + number, "duration_ms": 0.0, **fields,
    })  # fmt: skip


@pytest.fixture
def filled(store: Store, write: Write) -> Store:
    """Four sessions: a (two requests, one failed), b, c and d."""
    write(
        store, asked(1, "a"), asked(2, "b", agent="claude-code"), asked(3, "c"), asked(4, "a", outcome="failed"),
        asked(5, "d", agent=None, project=None),
    )  # fmt: skip
    return store


@pytest.mark.parametrize(("address", "names"), [
    ({}, "dacb"),
    ({"agent": "codex"}, "ac"),
    ({"project": "/srv/b"}, "b"),
    ({"kind": "several"}, "a"),
    ({"kind": "errors"}, "a"),
    ({"from": "1003", "to": "1004"}, "ac"),
    ({"from": "1003", "agent": "claude-code"}, ""),
])  # fmt: skip
def test_the_list_is_by_last_activity_and_filtered(filled: Store, address: dict[str, str], names: str) -> None:
    """Each filter alone, and with a range of time, which begins and ends exactly where it says."""
    page = filled.queries.list_sessions(SessionFilters.parse(address))
    assert [row.session for row in page.rows] == [session_digest(name) for name in names]


def test_pages_go_on_where_the_last_one_ended(filled: Store, write: Write) -> None:
    """Whatever comes meanwhile."""
    first = filled.queries.list_sessions(limit=2)
    write(filled, asked(9, "e"))
    assert first.next is not None
    second = filled.queries.list_sessions(before=first.next, limit=2)
    found = [row.session for page in (first, second) for row in page.rows]
    assert found == [session_digest(name) for name in "dacb"] and second.next is None


def test_turns_are_in_the_order_of_time(store: Store, write: Write) -> None:
    """A page knows how many come before it, and the last of these."""
    write(store, *(asked(number, "a", branch="b" * 32) for number in (5, 3, 1, 4, 2)), asked(6, "z"))
    name = session_digest("a")
    first = store.queries.turns(name, limit=3)
    assert [turn.id for turn in first.turns] == ["r001", "r002", "r003"]
    assert (first.before, first.earlier, first.turns[0].branch) == (0, (), "b" * 32)
    rest = store.queries.turns(name, after=first.next, limit=3)
    assert [turn.id for turn in rest.turns] == ["r004", "r005"] and rest.next is None
    assert (rest.before, [turn.id for turn in rest.earlier]) == (3, ["r001", "r002", "r003"])


def test_menus_have_what_the_range_has(filled: Store) -> None:
    """Agents and projects, sorted."""
    assert filled.queries.session_menu("agent") == ("claude-code", "codex")
    assert filled.queries.session_menu("project", SessionFilters(start=1_003.0)) == ("/srv/a", "/srv/c")


@pytest.mark.parametrize("cursor", ["x", "1~", "~", "nan", "1"])
def test_a_bad_cursor_is_told(filled: Store, cursor: str) -> None:
    """As a ValueError, or it is past the end."""
    if cursor == "1~":
        assert filled.queries.list_sessions(before=cursor).rows == ()
        return
    with pytest.raises(ValueError, match="not a page cursor"):
        filled.queries.list_sessions(before=cursor)
    with pytest.raises(ValueError, match="not a page cursor"):
        filled.queries.turns("s", after=cursor)


def test_a_bad_kind_is_told() -> None:
    """With those there are."""
    with pytest.raises(ValueError, match="expected several or errors"):
        SessionFilters.parse({"kind": "odd"})


def test_what_is_not_there_is_none(store: Store) -> None:
    """A session without rows has no page."""
    assert store.queries.get_session("\0") is None and store.queries.turns("x").turns == ()
