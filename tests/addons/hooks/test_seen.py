"""An Exchange, as the layers and the caches see it."""

from __future__ import annotations

import hashlib

import pytest

from switchman.addons.flow.exchange import Exchange, Sent
from switchman.addons.hooks import seen

Fields = tuple[tuple[bytes, bytes], ...]


def with_headers(*fields: tuple[bytes, bytes], path: str = "/v1/chat/completions") -> Exchange:
    return Exchange("id", 0.0, 0.0, "10.0.0.1", sent=Sent("POST", path, fields, b""))


def test_of_several_headers_by_one_name_all_count() -> None:
    """In their order, whatever their case, joined as HTTP joins them (RFC 9110 section 5.3)."""
    x = with_headers((b"X-A", b"1"), (b"x-b", b"2"), (b"x-a", b"3"))
    assert seen.headers(x) == {"x-a": "1, 3", "x-b": "2"}
    assert seen.headers(Exchange("id", 0.0, 0.0, "c")) == {}


@pytest.mark.parametrize("name", [b"authorization", b"x-api-key", b"x-goog-api-key"])
def test_a_credential_that_comes_twice_is_another_caller(name: bytes) -> None:
    """A server may believe either of them, so neither may be left out."""
    one, other = (name, b"Bearer a"), (name.upper(), b"Bearer b")
    callers = [seen.caller(with_headers(*fields)) for fields in ([one], [other], [one, other], [other, one])]
    assert len(set(callers)) == 4
    assert "Bearer a" in seen.credentials(with_headers(one, other))
    assert "Bearer b" in seen.credentials(with_headers(one, other))


@pytest.mark.parametrize("name", seen.ACCOUNT)
def test_what_an_account_has_twice_is_another_account(name: str) -> None:
    """Betas come in several fields, for one."""
    one, other = (name.encode(), b"a"), (name.title().encode(), b"b")
    accounts = [seen.account(with_headers(*fields)) for fields in ([], [one], [other], [one, other])]
    assert len(set(accounts)) == 4


def test_who_has_no_key_is_told_by_the_address() -> None:
    """And a key in the query is one."""
    keyless, other = with_headers(), with_headers()
    other.client = "10.0.0.2"
    assert seen.caller(keyless) != seen.caller(other)
    assert seen.credentials(with_headers(path="/v1/chat/completions?key=k&x=1")) == "key=k"


@pytest.mark.parametrize(
    "given", [(b"authorization", b"Bearer tok"), (b"x-api-key", b"tok"), (b"Api-Key", b"tok")], ids=str
)
def test_rules_name_a_caller_by_the_digest_of_its_token(given: tuple[bytes, bytes]) -> None:
    """Wherever it put it; nothing for one that has none."""
    assert seen.token(with_headers(given)) == hashlib.sha256(b"tok").hexdigest()
    assert seen.token(with_headers((b"authorization", b"Bearer"))) == ""
