"""The lines of who changed what."""

from __future__ import annotations

import json
import os

import pytest
from sqlalchemy import func, select

from switchman.addons.store.access import audit as module
from switchman.addons.store.access.audit import Audit, Who, at_the_terminal, without_secrets
from switchman.addons.store.access.tables import audit as table
from switchman.addons.store.opening import Store

ALICE = Who("alice", "page", "admin", "203.0.113.7")
DAY = 86_400.0


def test_a_line_says_who_did_what_when_and_how(store: Store) -> None:
    """What was there and what is, as it was given."""
    audit = store.access.audit
    before, after = {"models": ["a*"], "limits": {"rpm": 3}}, {"models": [], "limits": {"rpm": None}}
    audit.record(ALICE, "token.change", "ci", before, after, now=1000.5)
    (line,) = audit.list().lines
    told = (line.who, line.role, line.address, line.how, line.what, line.target, line.at)
    assert told == ("alice", "admin", "203.0.113.7", "page", "token.change", "ci", 1000.5)
    assert (line.before, line.after) == (before, after)


def test_lines_come_newest_first_and_in_pages(store: Store) -> None:
    """No line is on two pages, and none is left out."""
    for number in range(7):
        store.access.audit.record(ALICE, "token.create", f"t{number}", now=1000.0 + number)
    pages, before = [], None
    while True:
        page = store.access.audit.list(before, limit=3)
        pages.append([line.target for line in page.lines])
        if (before := page.next) is None:
            break
    assert pages == [["t6", "t5", "t4"], ["t3", "t2", "t1"], ["t0"]]


def test_no_line_has_a_secret(store: Store) -> None:
    """Neither by a name that says so, at any depth, nor by its look in any text."""
    key = "sk-proj-abcdefghijklmnopqrstuvwxyz0123"
    given = {"api_key": "word-of-mine-12", "list": [{"password": "hunter2hunter2"}], "note": f"was {key}", key: 1}
    store.access.audit.record(Who(f"x {key}", "api"), "key.set", f"name {key}", given, {"value": [key]}, now=1.0)
    with store.engine.connect() as conn:
        row = conn.execute(select(table)).mappings().one()
    told = json.dumps(dict(row))
    assert "word-of-mine" not in told and "hunter2" not in told and "abcdefghijklmnopqrstuvwxyz" not in told


def test_any_value_becomes_json() -> None:
    """Sets in an order, and texts that no table can hold."""
    assert without_secrets({"groups": frozenset("ba"), "n": 1.5, "ok": True, "none": None, 3: ("x",)}) == {
        "groups": ["a", "b"], "n": 1.5, "ok": True, "none": None, "3": ["x"],
    }  # fmt: skip
    assert "\0" not in without_secrets("a\0b")


def test_a_long_value_is_left_out(store: Store) -> None:
    """The line is there all the same."""
    store.access.audit.record(ALICE, "rules.change", "routes.yaml", {"texts": ["long " * 20] * 100}, now=1.0)
    (line,) = store.access.audit.list().lines
    assert line.before == {"left out": "10411 characters"}


def test_lines_are_kept_for_their_days_and_no_more_than_there_may_be(store: Store, monkeypatch) -> None:
    """Each new one takes the old ones with it; the start does, too."""
    monkeypatch.setattr(module, "MOST_ROWS", 3)
    audit = Audit(store.engine, days=2)
    audit.record(ALICE, "a", "old", now=0.0)
    audit.record(ALICE, "a", "kept", now=1.5 * DAY)
    assert [line.target for line in audit.list().lines] == ["kept", "old"]
    audit.record(ALICE, "a", "new", now=2.5 * DAY)
    assert [line.target for line in audit.list().lines] == ["new", "kept"]
    for number in range(4):
        audit.record(ALICE, "a", f"n{number}", now=2.6 * DAY)
    assert [line.target for line in audit.list().lines] == ["n3", "n2", "n1"]
    audit.prune(9 * DAY)
    assert audit.list().lines == ()


def test_the_logs_retention_takes_no_line(store: Store) -> None:
    """Neither its age nor its size is that of the log."""
    store.access.audit.record(ALICE, "token.create", "ci", now=1.0)
    store.retention._max_age, store.retention._max_log = 1.0, 1
    store.retention.run_once(10 * DAY)
    with store.engine.connect() as conn:
        assert conn.scalar(select(func.count()).select_from(table)) == 1


def test_the_terminals_user_is_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says."""
    monkeypatch.setenv("LOGNAME", "somebody-else")
    monkeypatch.setenv("USER", "somebody-else")
    who = at_the_terminal()
    assert who.name.startswith("cli:") and "@" in who.name and "somebody-else" not in who.name and who.how == "cli"
    monkeypatch.setattr(os, "getuid", lambda: 54_321)
    assert at_the_terminal().name.startswith("cli:54321@")
