"""An Exchange as the pure core sees it."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import pytest

from switchman.addons.flow.exchange import Exchange, Sent
from switchman.addons.hooks import seen

CHAT = "/v1/chat/completions"


def sent(*fields: tuple[bytes, bytes], path: str = "/") -> Exchange:
    return Exchange("id", 0.0, 0.0, "10.0.0.1", sent=Sent("POST", path, fields, b""))


@pytest.mark.parametrize(
    ("path", "body", "auto"),
    [
        (CHAT, {"model": "auto"}, True),
        (CHAT, {}, True),
        (CHAT, {"model": "mapped"}, True),
        (CHAT, {"model": "gpt-4o"}, False),
        ("/api/chat", {"model": "auto"}, True),
        ("/v1/messages", {}, True),
        ("/v1/embeddings", {"model": "auto"}, False),
        ("/v1/images/generations", {}, False),
        ("/login", None, False),
    ],
)
def test_the_router_chooses_for_text_that_names_no_model(
    path: str, body: Any, auto: bool, make_runtime: Any, make_exchange: Any
) -> None:
    """After MODEL_MAP; a picture or a vector is not asked of whatever model is there."""
    runtime = make_runtime(model_map={"mapped": "auto"})
    _, x = make_exchange(runtime, path, body)
    assert seen.is_auto(x, runtime.rules.current) is auto


def test_features_are_found_out_once(make_runtime: Any, make_exchange: Any) -> None:
    """Looking at a long conversation takes time, and several layers ask."""
    runtime = make_runtime()
    _, x = make_exchange(runtime, CHAT, {"model": "auto", "messages": [{"role": "user", "content": "Fix my code"}]})
    assert x.features is None
    found = seen.features(x, runtime.tasks)
    assert seen.features(x, runtime.tasks) is found is x.features
    assert found.ask == "Fix my code"


def test_fields_of_one_name_are_joined_as_http_joins_them() -> None:
    """In their order, whatever the case of their name; bytes that are no UTF-8 are kept apart."""
    x = sent((b"X-A", b"1"), (b"x-b", b"\xff"), (b"x-a", b"2"))
    assert seen.headers(x) == {"x-a": "1, 2", "x-b": "\xff"}
    assert seen.headers(Exchange("id", 0.0, 0.0, "")) == {}


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        (((b"Authorization", b"Bearer k"),), "k"),
        (((b"x-api-key", b"k"), (b"authorization", b"Bearer other")), "k"),
        (((b"api-key", b"k"),), "k"),
        (((b"authorization", b"Bearer \xfc"),), "\xfc"),
        (((b"authorization", b"k"),), ""),
        ((), ""),
    ],
)
def test_a_token_is_named_by_its_digest(fields: Any, key: str) -> None:
    """The one that counts where there are several; without a scheme there is none in Authorization."""
    expected = hashlib.sha256(key.encode("latin-1")).hexdigest() if key else ""
    assert seen.token(sent(*fields)) == expected


def test_fields_of_the_clients_connection_do_not_count() -> None:
    """A server does not see them: an answer to a request without the organization is none to one with it."""
    organization = (b"OpenAI-Organization", b"o1")
    hidden = sent(organization, (b"connection", b"close, openai-organization"))
    assert seen.headers(hidden) == {}
    assert len({seen.caller(hidden), seen.caller(sent()), seen.caller(sent(organization, (b"x-a", b"1")))}) == 3


def test_callers_differ_by_what_they_authenticate_themselves_with() -> None:
    """Any credential, also in the query; who has none is named by the address."""
    anonymous, bearer = sent(), sent((b"authorization", b"Bearer a"))
    others = [sent((b"authorization", b"Bearer b")), sent((b"x-api-key", b"a")), sent(path="/v1?key=a")]
    digests = {seen.caller(x) for x in (anonymous, bearer, *others)}
    assert len(digests) == 5
    bearer.client = "10.9.9.9"
    assert seen.caller(bearer) in digests
    anonymous.client = "10.9.9.9"
    assert seen.caller(anonymous) not in digests
    assert seen.credentials(Exchange("id", 0.0, 0.0, "")) == ""


@pytest.mark.parametrize(
    "name",
    [b"OpenAI-Organization", b"openai-project", b"openai-beta", b"anthropic-beta", b"Cookie", b"x-forwarded-user"],
)
def test_accounts_and_betas_tell_answers_apart(name: bytes) -> None:
    """One person's two accounts do not share a cache, nor do two people behind one sign-in; the program counts not."""
    assert seen.caller(sent((name, b"a"))) != seen.caller(sent((name, b"b")))
    assert seen.caller(sent((b"user-agent", b"a"))) == seen.caller(sent((b"user-agent", b"b"))) == seen.caller(sent())


def test_people_of_one_application_are_told_apart(make_runtime: Any, make_exchange: Any) -> None:
    """Whom the body names; but not where answers are shared."""
    runtime = make_runtime()
    found = [make_exchange(runtime, CHAT, {"model": "m", "user": user})[1] for user in ("alice", "bob")]
    assert seen.caller(found[0]) != seen.caller(found[1])
    assert seen.caller(found[0], shared=True) == seen.caller(found[1], shared=True)


def test_the_question_has_no_more_in_it_than_somebody_looks_at(make_runtime: Any, make_exchange: Any) -> None:
    """Headers and token as a rule only where the features are; a rule on the caller alone may ask for them."""
    runtime = make_runtime()
    _, x = make_exchange(runtime, CHAT, {"model": "m"}, headers={"X-Api-Key": "k", "X-A": "1"})
    plain = seen.routing_query(x, None)
    assert (plain.model, plain.source, plain.dialect, plain.operation) == ("m", "127.0.0.1", "openai", "chat")
    assert (plain.features, plain.headers, plain.token) == (None, {}, "")
    known = seen.features(x, runtime.tasks)
    for query in (seen.routing_query(x, known), seen.routing_query(x, None, outside=True)):
        assert query.headers["x-a"] == "1" and len(query.token) == 64
    assert seen.routing_query(x, known, outside=False).headers == {}


def test_the_question_has_the_local_time(
    make_runtime: Any, make_exchange: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Minutes since midnight and the weekday, as rules for the night name them."""
    _, x = make_exchange(make_runtime(), CHAT, {"model": "m"})
    sunday = time.struct_time((2026, 11, 29, 23, 59, 30, 6, 333, 0))
    monkeypatch.setattr(seen.time, "localtime", lambda: sunday)
    now = seen.routing_query(x, None).now
    assert now is not None and (now.minute, now.weekday) == (23 * 60 + 59, 6)


@pytest.mark.parametrize("name", [b"authorization", b"x-api-key", b"x-goog-api-key"])
def test_a_credential_that_comes_twice_is_another_caller(name: bytes) -> None:
    """A server may believe either of them, so neither may be left out."""
    one, other = (name, b"Bearer a"), (name.upper(), b"Bearer b")
    callers = [seen.caller(sent(*fields)) for fields in ([one], [other], [one, other], [other, one])]
    assert len(set(callers)) == 4
    assert "Bearer a" in seen.credentials(sent(one, other))
    assert "Bearer b" in seen.credentials(sent(one, other))


ACCOUNT = ("openai-organization", "openai-project", "openai-beta", "anthropic-beta", "cookie")


@pytest.mark.parametrize("name", ACCOUNT)
def test_what_an_account_has_twice_is_another_account(name: str) -> None:
    """Betas come in several fields, for one."""
    one, other = (name.encode(), b"a"), (name.title().encode(), b"b")
    accounts = [seen.caller(sent(*fields)) for fields in ([], [one], [other], [one, other])]
    assert len(set(accounts)) == 4


def test_an_account_goes_by_the_fields_name_too() -> None:
    """The same value in another field is another account; several fields of one name all count."""
    assert seen.caller(sent((b"openai-organization", b"a"))) != seen.caller(sent((b"openai-project", b"a")))
    both = sent((b"anthropic-beta", b"one"), (b"Anthropic-Beta", b"two"))
    assert seen.caller(both) == seen.caller(sent((b"ANTHROPIC-BETA", b"one"), (b"anthropic-beta", b"two")))
    assert seen.caller(both) != seen.caller(sent((b"anthropic-beta", b"two")))
