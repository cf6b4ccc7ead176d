"""Tokens as they are kept: made once, found by their digest, changed, rotated, revoked for good."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from switchman.addons.core.access.apitoken import digest_of, is_token
from switchman.addons.core.access.caller import Allowance, Budget, Terms
from switchman.addons.store import Store
from switchman.addons.store.access.tokens import KEPT, Token, TokenError

NOW = 1_800_000_000.0
ALL = Terms(
    "anna",
    frozenset({"team-a", "staff"}),
    ("gpt-*", "local/*"),
    ("local",),
    Allowance(60, 100_000, 4, 1_000_000, (Budget(20_000_000, "usd", "month", "small"), Budget(5, "tokens", "day"))),
    "metadata",
    NOW + 90,
)


def _opens(store: Store, secret: str) -> Token | None:
    return store.access.tokens.by_digest(digest_of(secret))


def test_what_is_made_is_what_is_read(store: Store) -> None:
    """All that a token is made for comes back, whichever way it is asked for."""
    token, secret = store.access.tokens.create(ALL, NOW)
    caller = token.caller
    assert is_token(secret)
    assert {name: getattr(caller, name) for name in ALL.__slots__} == {n: getattr(ALL, n) for n in ALL.__slots__}
    assert len(caller.id) == 12 and int(caller.id, 16) >= 0
    assert store.access.tokens.list() == (token,)
    assert store.access.tokens.get("anna") == store.access.tokens.get(caller.id) == _opens(store, secret) == token


def test_the_text_is_kept_nowhere(store: Store) -> None:
    """Of a token's text the database has its SHA-256 and its last four characters."""
    token, secret = store.access.tokens.create(ALL, NOW)
    assert [(one.digest, one.hint) for one in token.secrets] == [(digest_of(secret), secret[-4:])]
    with store.engine.connect() as conn:
        for table in ("access_tokens", "access_secrets", "access_generations"):
            assert secret[6:-4] not in repr(conn.execute(text(f"SELECT * FROM {table}")).all())


def test_a_name_is_one_token(store: Store) -> None:
    """A name is taken for as long as its token is not revoked, and is another token's after that."""
    first, _ = store.access.tokens.create(Terms("bo"), NOW)
    with pytest.raises(TokenError, match="named 'bo' already"):
        store.access.tokens.create(Terms("bo"), NOW)
    store.access.tokens.revoke("bo", NOW + 1)
    second, _ = store.access.tokens.create(Terms("bo"), NOW + 2)
    assert second.caller.id != first.caller.id
    assert store.access.tokens.get("bo") == second
    assert store.access.tokens.get(first.caller.id).revoked_at == NOW + 1


def test_states(store: Store) -> None:
    """A token is active until it expires, and revoked is more than expired."""
    token, secret = store.access.tokens.create(ALL, NOW)
    assert [token.state(NOW + after) for after in (0, 89.9, 90, 91)] == ["active", "active", "expired", "expired"]
    revoked = store.access.tokens.revoke("anna", NOW + 5)
    assert (revoked.state(NOW), revoked.revoked_at) == ("revoked", NOW + 5)
    assert store.access.tokens.revoke("anna", NOW + 9).revoked_at == NOW + 5
    assert _opens(store, secret) == revoked


def test_rotation(store: Store) -> None:
    """The token keeps its id; the old text holds for the grace time, the new one for as long as the token."""
    token, old = store.access.tokens.create(Terms("ci"), NOW)
    after, new = store.access.tokens.rotate("ci", 3600, NOW + 10)
    assert after.caller == token.caller
    assert [(one.digest, one.valid_until) for one in after.secrets] == [
        (digest_of(new), None),
        (digest_of(old), NOW + 3610),
    ]
    again, newest = store.access.tokens.rotate("ci", 60, NOW + 20)
    assert {one.digest: one.valid_until for one in again.secrets} == {
        digest_of(newest): None,
        digest_of(new): NOW + 80,
        digest_of(old): NOW + 80,  # a shorter grace time ends those of before, too
    }


def test_changing(store: Store) -> None:
    """What a token is for can be changed; its text stays good."""
    _, secret = store.access.tokens.create(Terms("dev"), NOW)
    before, after = store.access.tokens.update("dev", replace(ALL, name="dev2"))
    assert (before.caller.name, after.caller.name, after.caller.models) == ("dev", "dev2", ALL.models)
    assert _opens(store, secret) == after
    store.access.tokens.create(Terms("other"), NOW)
    with pytest.raises(TokenError, match="named 'other' already"):
        store.access.tokens.update("dev2", Terms("other"))


def test_two_changes_at_a_time_are_both_there(store: Store) -> None:
    """Each is of what the other one left, whoever comes first."""
    store.access.tokens.create(Terms("dev"), NOW)
    start = threading.Barrier(2)

    def change(**values: Any) -> None:
        start.wait(30)
        store.access.tokens.amend("dev", lambda terms: replace(terms, **values))

    threads = [threading.Thread(target=change, kwargs=one) for one in ({"models": ("m",)}, {"servers": ("s",)})]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    caller = store.access.tokens.get("dev").caller
    assert (caller.models, caller.servers) == (("m",), ("s",))


def test_a_change_of_nothing_is_none(store: Store) -> None:
    """Nobody is told of it, and what was there is returned twice."""
    store.access.tokens.create(Terms("dev"), NOW)
    seen = store.access.tokens.changes(None)
    before, after = store.access.tokens.amend("dev", lambda terms: terms)
    assert before is after and seen is not None and store.access.tokens.changes(seen.generation) is None


@pytest.mark.parametrize("which", ["nobody", "", "0123456789ab"])
def test_unknown(store: Store, which: str) -> None:
    """What names no token is said."""
    for ask in (store.access.tokens.get, lambda one: store.access.tokens.revoke(one, NOW)):
        with pytest.raises(TokenError, match="no token with the name or id"):
            ask(which)


def test_a_revoked_one_cannot_be_brought_back(store: Store) -> None:
    """Neither a rotation nor a change opens what was revoked."""
    store.access.tokens.create(Terms("gone"), NOW)
    store.access.tokens.revoke("gone", NOW)
    with pytest.raises(TokenError, match="for good"):
        store.access.tokens.rotate("gone", 0, NOW)
    with pytest.raises(TokenError, match="for good"):
        store.access.tokens.update("gone", Terms("gone"))


def test_changes_are_told_once(store: Store) -> None:
    """Who has seen a generation is told what came after it, and nothing where nothing came."""
    tokens = store.access.tokens
    empty = tokens.changes(None)
    assert empty is not None and (empty.tokens, empty.whole) == ((), True)
    assert tokens.changes(empty.generation) is None
    one, _ = tokens.create(Terms("one"), NOW)
    two, _ = tokens.create(Terms("two"), NOW)
    seen = tokens.changes(empty.generation)
    assert seen is not None and seen.whole and set(seen.tokens) == {one, two}
    revoked = tokens.revoke("two", NOW + 1)
    later = tokens.changes(seen.generation)
    assert later is not None and (later.tokens, later.whole) == ((revoked,), False)
    assert tokens.changes(later.generation) is None
    rotated, _ = tokens.rotate("one", 5, NOW)
    last = tokens.changes(later.generation)
    assert last is not None and last.tokens == (rotated,)


def test_another_database_is_read_anew(store: Store) -> None:
    """A generation of another database says nothing of this one, however high it is."""
    store.access.tokens.create(Terms("one"), NOW)
    seen = store.access.tokens.changes(None)
    assert seen is not None
    foreign = replace(seen.generation, origin="0" * 32, value=999)
    told = store.access.tokens.changes(foreign)
    assert told is not None and told.whole and len(told.tokens) == 1


def test_many(store: Store) -> None:
    """Each of many tokens has its own secret, whether they are read in one go or few of them."""
    made = {store.access.tokens.create(Terms(f"t{n}"), NOW)[0] for n in range(120)}
    assert set(store.access.tokens.list()) == made


def test_revoked_ones_go_in_the_end(store: Store) -> None:
    """A revoked token is listed for 90 days, and goes with its secrets when the next is made."""
    _, secret = store.access.tokens.create(Terms("old"), NOW)
    store.access.tokens.revoke("old", NOW)
    store.access.tokens.create(Terms("a"), NOW + KEPT - 1)
    assert _opens(store, secret) is not None
    store.access.tokens.create(Terms("b"), NOW + KEPT + 1)
    assert _opens(store, secret) is None
    assert [token.caller.name for token in store.access.tokens.list()] == ["a", "b"]
