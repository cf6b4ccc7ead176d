"""Who is one caller in the caches, and who is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchman.addons.core.cache.callers import (
    IDENTITIES,
    IDENTITY_PREFIXES,
    NEUTRAL,
    NEUTRAL_PREFIXES,
    caller_digest,
    is_neutral,
    people_in,
)

ADDRESS = "10.0.0.1"
KEY = (b"authorization", b"Bearer a")
# What sign-ins, gateways and applications say of who asks, and of what is asked for.
TELLING = [
    "x-forwarded-user", "x-openwebui-user-id", "x-goog-authenticated-user-email", "x-session-id",
    "tailscale-user-login",
    "x-portkey-config", "openai-organization", "cookie", "accept-language", "anthropic-beta", "origin",
    "baggage", "x-api-key",
    "x-forwarded-for", "proxy-authorization", "x-never-heard-of", "anthropic-version", "session-id",
    "cf-access-jwt-assertion",
]  # fmt: skip


def caller(*fields: tuple[bytes, bytes], query: str = "", address: str = ADDRESS, shared: bool = False) -> str:
    return caller_digest(fields, query, address, shared=shared)


@pytest.mark.parametrize("key", [(), (KEY,)], ids=["without a key", "with one"])
@pytest.mark.parametrize("name", TELLING)
def test_a_header_tells_callers_apart(name: str, key: tuple[tuple[bytes, bytes], ...]) -> None:
    """Its value, its absence and its emptiness; and several of one name, in their order."""
    field = name.encode()
    one, other, empty = (field, b"alice"), (field.title(), b"bob"), (field, b"")
    kinds = [[], [one], [other], [empty], [one, other], [other, one], [one, one], [(field, b"alice, bob")]]
    assert len({caller(*key, *fields) for fields in kinds}) == len(kinds)


def test_names_and_order_are_read_as_http_has_them() -> None:
    """The case of names, blanks around values, and the order of fields of several names do not count."""
    a, b = (b"x-a", b"1"), (b"x-b", b"2")
    assert caller(a, b) == caller(b, a) == caller((b"X-A", b" 1"), (b"X-b", b"2 "))
    assert caller((b"x-a", b"1\0x-b=2")) != caller(a, b) != caller((b"x-b", b"1"), (b"x-a", b"2"))


@pytest.mark.parametrize("name", [*NEUTRAL, *(f"{prefix}any" for prefix in NEUTRAL_PREFIXES)])
def test_a_neutral_header_does_not(name: str) -> None:
    """Whatever its value, and in either scope."""
    for shared in (False, True):
        for value in (b"", b"1", b"2"):
            assert caller(KEY, (name.title().encode(), value), shared=shared) == caller(KEY, shared=shared)
    assert is_neutral(name) and not is_neutral(f"not-{name}")


def test_each_neutral_header_has_its_reason() -> None:
    """The list stays short enough to be read, and no credential is on it."""
    assert len(NEUTRAL) < 40 and all(why.endswith(".") for why in [*NEUTRAL.values(), *NEUTRAL_PREFIXES.values()])
    assert not {"authorization", "cookie", "x-api-key", "x-forwarded-host", "baggage"} & NEUTRAL.keys()


def test_fields_of_one_connection_do_not_count() -> None:
    """Nobody passes them on. But who has Connection take a field out has not become somebody else."""
    for name in (b"connection", b"keep-alive", b"te", b"upgrade", b"proxy-connection"):
        assert caller((name, b"x")) == caller()
    user = (b"x-forwarded-user", b"bob")
    assert caller(user, (b"connection", b"x-forwarded-user")) == caller(user) != caller()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("code=a", "code=b", False), ("code=a", "", False), ("api-version=1", "api-version=2", False),
        ("a=1&b=2", "b=2&a=1", True), ("a=1&a=2", "a=2&a=1", False), ("a", "a=", False), ("a=1", "a=1&", True),
        ("a=%31", "a=1", False), ("a=1&b=2", "a=1%26b=2", False), ("key=a", "key=b", False),
    ],
)  # fmt: skip
def test_the_query_tells_callers_apart(one: str, other: str, same: bool) -> None:
    """All of it, but for the order of parameters of several names."""
    assert (caller(query=one) == caller(query=other)) is same
    assert (caller(KEY, query=one) == caller(KEY, query=other)) is same


def test_the_address_counts_where_there_is_no_credential() -> None:
    """A token names its bearer wherever they are; without one, the address does. A cookie is none."""
    for fields, query in [((KEY,), ""), (((b"x-goog-api-key", b"k"),), ""), ((), "key=k"), ((), "api%5Fkey=k")]:
        assert caller(*fields, query=query) == caller(*fields, query=query, address="10.0.0.2")
    for fields in ((), ((b"cookie", b"a=b"),), ((b"x-session-id", b"1"),)):
        assert caller(*fields) != caller(*fields, address="10.0.0.2")


def test_a_digest_tells_nothing() -> None:
    """An address is not taken for a token; no credential can be read."""
    assert caller((b"authorization", ADDRESS.encode()), address="") != caller()
    assert "Bearer" not in caller(KEY) and len(caller(KEY)) == 64


def test_a_token_of_ours_is_the_caller() -> None:
    """From any address; all else counts beside it, and no id is taken for a credential of another kind."""

    def of(token: str, *fields: tuple[bytes, bytes], address: str = ADDRESS, shared: bool = False) -> str:
        return caller_digest(fields, "", address, token=token, shared=shared)

    assert of("a") == of("a", address="10.9.9.9") != of("b")
    assert len({of("a"), of("a", KEY), of("a", (b"x-team", b"x")), of(""), of("", (b"token", b"a"))}) == 5
    assert of("a", shared=True) == of("b", shared=True) == of("", shared=True)


def test_people_behind_one_application() -> None:
    """Whom the body names in each dialect; what is no name is one all the same."""
    assert people_in({}) == people_in({"metadata": "x"}) == []
    bodies = [{"user": "a"}, {"user": "b"}, {"safety_identifier": "a"}, {"metadata": {"user_id": "a"}}, {"user": 1}, {}]
    found = [caller_digest((KEY,), "", ADDRESS, people_in(body)) for body in bodies]
    assert len(set(found)) == len(bodies)
    assert people_in({"metadata": {"trace": "1"}}) == []


def test_shared_is_among_all_who_ask_in_the_same_way() -> None:
    """Keys, addresses and identities do not count; a gateway's own header does, and so cannot poison an answer."""
    plain = caller(shared=True)
    identities = [*IDENTITIES, *(f"{prefix}x" for prefix in IDENTITY_PREFIXES), "authorization", "x-api-key"]
    for name in identities:
        assert caller((name.encode(), b"alice"), address="10.0.0.2", shared=True) == plain
    assert caller_digest((), "key=a", ADDRESS, [("user", "a")], shared=True) == plain
    for name in (b"x-portkey-config", b"cookie", b"openai-organization", b"x-session-id", b"x-never-heard-of"):
        assert caller((name, b"a"), shared=True) != plain
    assert caller(query="api-version=1", shared=True) != plain != caller()


NAMES = st.sampled_from([b"x-a", b"X-A", b"x-b", b"cookie", b"authorization"])
FIELDS = st.lists(st.tuples(NAMES, st.binary(max_size=6)), max_size=4).map(tuple)


@given(FIELDS, FIELDS)
def test_two_callers_are_one_only_with_the_same_fields(
    one: tuple[tuple[bytes, bytes], ...], other: tuple[tuple[bytes, bytes], ...]
) -> None:
    """Name by name, in the order of each name."""

    def by_name(fields: tuple[tuple[bytes, bytes], ...]) -> dict[bytes, list[str]]:
        found: dict[bytes, list[str]] = {}
        for name, value in fields:
            found.setdefault(name.lower(), []).append(value.decode("latin-1").strip())
        return found

    assert (caller(*one) == caller(*other)) is (by_name(one) == by_name(other))


@pytest.mark.parametrize(
    "name",
    [
        "x-stainless-retry-count", "x-stainless-timeout", "X-Stainless-Helper-Method", "idempotency-key", "traceparent",
        "x-request-id", "x-client-request-id", "User-Agent", "accept", "sec-ch-ua", "content-length",
        "x-codex-turn-metadata",
    ],
)  # fmt: skip
def test_what_official_clients_send_anew_each_time_does_not_count(name: str) -> None:
    """They would never share an answer with themselves."""
    assert caller(KEY, (name.encode(), b"1")) == caller(KEY, (name.encode(), b"2")) == caller(KEY)
