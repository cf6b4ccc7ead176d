"""What the caches and layers are asked with: who a caller is, and what else an answer hangs on."""

from __future__ import annotations

import hashlib

import pytest

from switchman.addons.flow.exchange import Exchange, Sent
from switchman.addons.hooks import seen


def sent(*fields: tuple[str, str], path: str = "/v1/chat/completions", client: str = "10.0.0.1") -> Exchange:
    raw = tuple((name.encode(), value.encode()) for name, value in fields)
    return Exchange("id", 0.0, 0.0, client, sent=Sent("POST", path, raw, b"{}"))


@pytest.mark.parametrize(
    "name", ["openai-organization", "openai-project", "openai-beta", "anthropic-beta", "cookie", "Anthropic-Beta"]
)
def test_accounts_sessions_and_betas_tell_answers_apart(name: str) -> None:
    """With the field, without it, and with another value of it: three kinds of answer."""
    kinds = {seen.account(sent(*fields)) for fields in ((), ((name, "a"),), ((name, "b"),))}
    assert len(kinds) == 3


def test_an_account_goes_by_the_fields_name_too() -> None:
    """The same value in another field is another account; a field that says nothing of one is not looked at."""
    assert seen.account(sent(("openai-organization", "a"))) != seen.account(sent(("openai-project", "a")))
    assert seen.account(sent(("user-agent", "a"), ("x-request-id", "1"))) == seen.account(sent())


def test_several_fields_of_one_name_all_count() -> None:
    """Two betas in two fields are as many as two in one."""
    both = sent(("anthropic-beta", "one"), ("Anthropic-Beta", "two"))
    assert seen.account(both) == seen.account(sent(("anthropic-beta", "one, two")))
    assert seen.account(both) != seen.account(sent(("anthropic-beta", "two")))


def test_callers_are_known_by_their_secrets_else_by_their_address() -> None:
    """A key in a header or in the query; without one, the address alone."""
    path = "/v1/chat/completions?key=k"
    callers = [sent(), sent(client="10.0.0.2"), sent(("x-api-key", "a")), sent(("x-api-key", "b")), sent(path=path)]
    assert len({seen.caller(x) for x in callers}) == len(callers)
    assert seen.caller(sent(("x-api-key", "a"), client="10.0.0.2")) == seen.caller(sent(("x-api-key", "a")))


@pytest.mark.parametrize(
    "field",
    [("x-api-key", "secret"), ("api-key", "secret"), ("authorization", "Bearer secret"), ("X-Api-Key", "secret")],
)
def test_a_token_is_one_wherever_it_stands(field: tuple[str, str]) -> None:
    """Rules name it by its SHA-256, whichever header brings it; without one there is no name."""
    assert seen.token(sent(field)) == hashlib.sha256(b"secret").hexdigest()
    assert seen.token(sent(("accept", "*/*"))) == ""
