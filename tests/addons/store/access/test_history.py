"""Versions of the rules file."""

from __future__ import annotations

import pytest

from switchman.addons.store.access import history as module
from switchman.addons.store.access.audit import Who
from switchman.addons.store.access.history import digest_of
from switchman.addons.store.opening import Store

ALICE = Who("alice", "page", "operator", "203.0.113.7")
FILE = "/etc/routes.yaml"


def test_a_version_says_who_when_why_and_what(store: Store) -> None:
    """The newest is first; a text that is there already is no new one; other files have their own."""
    history = store.access.rules
    assert history.newest(FILE) is None
    first = history.record(FILE, "routes: []\n", ALICE, " because \n of it ", 1000.5)
    assert first is not None
    assert (first.who, first.role, first.how, first.why, first.at) == (
        "alice",
        "operator",
        "page",
        "because of it",
        1000.5,
    )
    assert (first.size, first.digest) == (11, digest_of("routes: []\n"))
    assert history.record(FILE, "routes: []\n", ALICE, "again", 1001.0) is None
    second = history.record(FILE, "\ud800x-é: 1\n", ALICE, "", 1002.0)
    history.record("/other", "x-b: 1\n", ALICE, "", 1003.0)
    assert second is not None
    assert history.list(FILE).versions == (second, first) and history.newest(FILE) == second
    assert history.text(FILE, second.seq) == (second, "\ud800x-é: 1\n")
    assert history.text("/other", second.seq) is None and history.text(FILE, 99) is None


def test_pages_leave_nothing_out(store: Store) -> None:
    for number in range(7):
        store.access.rules.record(FILE, f"x-a: {number}\n", ALICE, str(number), float(number))
    pages, before = [], None
    while True:
        page = store.access.rules.list(FILE, before, 3)
        pages.append([one.why for one in page.versions])
        if (before := page.next) is None:
            break
    assert pages == [["6", "5", "4"], ["3", "2", "1"], ["0"]]


@pytest.mark.parametrize(("name", "bound"), [("MOST_ROWS", 3), ("MOST_BYTES", 100)])
def test_the_newest_are_kept(store: Store, monkeypatch: pytest.MonkeyPatch, name: str, bound: int) -> None:
    """By their number, and by what they take; the last one in any case."""
    monkeypatch.setattr(module, name, bound)
    for number in range(9):
        store.access.rules.record(FILE, f"x-a: {number}\n", ALICE, str(number), float(number))
    kept = [one.why for one in store.access.rules.list(FILE).versions]
    assert kept[0] == "8" and 1 <= len(kept) < 9
    monkeypatch.setattr(module, "MOST_BYTES", 1)
    store.access.rules.record(FILE, "x-b: 1\n", ALICE, "last", 10.0)
    assert [one.why for one in store.access.rules.list(FILE).versions] == ["last"]


def test_a_note_has_no_key(store: Store) -> None:
    made = store.access.rules.record(FILE, "x: 1\n", ALICE, "for sk-proj-abcdefghijklmnop1234567890", 1.0)
    assert made is not None and "sk-proj" not in made.why
