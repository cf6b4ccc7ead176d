"""The token by which the router knows the dashboard."""

from __future__ import annotations

import time

import pytest

from switchman.addons.core.access.apitoken import digest_of, is_token
from switchman.addons.core.access.caller import Terms
from switchman.addons.store.access.audit import Who
from switchman.addons.store.opening import Store
from switchman.webui.admin.asking.owntoken import SENDING_AGAIN, NoToken, OwnToken

NAME, _ = SENDING_AGAIN
ANNA = Who("anna", "page", "operator")


def test_it_is_made_once_and_used_again(store: Store) -> None:
    """Its text opens the token of that name, and no line of the audit has it."""
    own = OwnToken()
    text, is_new = own.text(store.access, ANNA)
    assert is_token(text) and is_new and own.text(store.access, ANNA) == (text, False)
    token = store.access.tokens.by_digest(digest_of(text))
    assert token is not None and token.caller.name == NAME
    (line,) = store.access.audit.list().lines
    assert (line.what, line.who, line.target) == ("token.create", "anna", NAME) and text not in str(line)


def test_another_process_makes_its_text_anew(store: Store) -> None:
    """The token stays one, with its limits and its budget; the first process's text holds for an hour, and then goes on
    with a new one."""
    first, second = OwnToken(), OwnToken()
    before, _ = first.text(store.access, ANNA)
    after, is_new = second.text(store.access, ANNA)
    assert is_new and before != after and len(store.access.tokens.list()) == 1
    assert first.text(store.access, ANNA) == (before, False)
    store.access.tokens.rotate(NAME, 0.0, time.time())
    assert first.text(store.access, ANNA)[1] is True


def test_an_admin_ends_it_and_allows_it_again(store: Store) -> None:
    """Once it is revoked nobody makes another one by sending; a new one by that name is taken."""
    own = OwnToken()
    own.text(store.access, ANNA)
    store.access.tokens.revoke(NAME, time.time())
    for one in (own, OwnToken()):
        with pytest.raises(NoToken, match="was ended"):
            one.text(store.access, ANNA)
    store.access.tokens.create(Terms(NAME), time.time())
    assert own.text(store.access, ANNA)[1] is True


def test_without_a_database_there_is_none() -> None:
    """It says so."""
    with pytest.raises(NoToken, match="no database"):
        OwnToken().text(None, ANNA)
