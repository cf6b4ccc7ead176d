"""The tokens in a worker's memory are those of the database, within a moment."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from switchman.addons.core.access.apitoken import digest_of
from switchman.addons.core.access.caller import Terms
from switchman.addons.state.access import tokens as module
from switchman.addons.state.access.tokens import LONGEST, WHOLE_EVERY, Tokens
from switchman.addons.store.access.opening import Access, open_access
from switchman.addons.store.database import writing

NOW = 1_800_000_000.0


@pytest.fixture
def access(tmp_path: Path) -> Iterator[Access]:
    opened = open_access(None, tmp_path / "requests.db")
    yield opened
    opened.close()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def until(what: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_is_changed_is_seen_at_the_next_look(access: Access) -> None:
    """Made, rotated, changed, revoked; the old text keeps the end that it was given."""
    known = Tokens(access.tokens)
    known.look()
    _, secret = access.tokens.create(Terms("a"), NOW)
    access.tokens.create(Terms("b"), NOW)
    assert known.find(digest_of(secret)) is None
    known.look()
    found = known.find(digest_of(secret))
    assert found is not None and found.caller.name == "a" and len(known) == 2
    _, newer = access.tokens.rotate("a", 60, NOW)
    access.tokens.update("a", Terms("a2"))
    known.look()
    old, new = known.find(digest_of(secret)), known.find(digest_of(newer))
    assert old is not None and new is not None and (old.valid_until, new.valid_until) == (NOW + 60, None)
    assert old.caller == new.caller and new.caller.name == "a2"
    access.tokens.revoke("a2", NOW + 1)
    known.look()
    ended = known.find(digest_of(newer))
    assert ended is not None and ended.revoked_at == NOW + 1


def test_a_look_that_finds_nothing_new_asks_for_one_number(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tokens there are; all are read again after a while, whatever the number says."""
    clock = Clock()
    known = Tokens(access.tokens, clock)
    _, secret = access.tokens.create(Terms("a"), NOW)
    known.look()
    asked: list[object] = []
    whole = access.tokens.changes
    monkeypatch.setattr(access.tokens, "changes", lambda since: asked.append(since) or whole(since))
    known.look()
    assert asked[-1] is not None and whole(asked[-1]) is None  # type: ignore[arg-type]
    with writing(access.engine) as conn:  # by hand, past our own counting
        conn.execute(text("DELETE FROM access_tokens"))
    known.look()
    assert known.find(digest_of(secret)) is not None
    clock.now += WHOLE_EVERY
    known.look()
    assert asked[-1] is None and known.find(digest_of(secret)) is None and len(known) == 0


def test_what_was_read_is_believed_for_a_minute(access: Access) -> None:
    """Then nobody knows what was revoked."""
    clock = Clock()
    known = Tokens(access.tokens, clock)
    assert not known.is_fresh
    known.look()
    clock.now += LONGEST
    assert known.is_fresh
    clock.now += 0.1
    assert not known.is_fresh
    known.look()
    assert known.is_fresh


def test_it_looks_by_itself(access: Access) -> None:
    """In a thread that ends when it is told to."""
    known = Tokens(access.tokens)
    known.look()
    known.start()
    _, secret = access.tokens.create(Terms("a"), NOW)
    until(lambda: known.find(digest_of(secret)))
    known.stop()
    assert not any(thread.name == "switchman tokens" for thread in threading.enumerate())


def test_a_database_that_fails_is_told_once(
    access: Access, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It goes on looking, and is right again as soon as the database is."""
    monkeypatch.setattr(module, "EVERY", 0.01)
    known = Tokens(access.tokens)
    known.look()
    looks: list[float] = []
    whole, failing = access.tokens.changes, True

    def changes(since: object) -> object:
        looks.append(0)
        if failing:
            raise module.SQLAlchemyError("secret words")
        return whole(since)  # type: ignore[arg-type]

    monkeypatch.setattr(access.tokens, "changes", changes)
    with caplog.at_level(logging.WARNING):
        known.start()
        until(lambda: len(looks) > 3)
        _, secret = access.tokens.create(Terms("a"), NOW)
        failing = False
        until(lambda: known.find(digest_of(secret)))
        known.stop()
    assert [record.levelname for record in caplog.records] == ["WARNING"] and "secret" not in caplog.text


def test_another_database_in_its_place_lets_nobody_in(
    access: Access, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that was deleted is made anew, empty: its tokens are refused, and the log says how many."""
    _, secret = access.tokens.create(Terms("a"), NOW)
    known = Tokens(access.tokens)
    known.look()
    for file in tmp_path.glob("requests.db*"):
        file.unlink()
    known.look()
    assert known.find(digest_of(secret)) is None
    assert "1 tokens that it does not have are refused" in caplog.text
    _, other = access.tokens.create(Terms("b"), NOW)
    known.look()
    assert known.find(digest_of(other)) is not None
