"""Whose key a server judges, and how long a caller's own rests."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from switchman.addons.core.servers.breaker import MAX_TARGETS
from switchman.addons.core.servers.callerkeys import REST, CallerKeys, blames_caller, credential_of, refuses_key
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse

BOB = {"authorization": "Bearer bob"}


def server(**more: Any) -> Server:
    return Server("s", parse("http://s:1"), **more)


PLAIN = server()
KEYED = server(api_key=SecretStr("own"))
BY_HEADER = server(headers={"Authorization": "Bearer own"})


def test_a_callers_credential_is_what_goes_to_the_server() -> None:
    """Any header or parameter that carries one, in whatever order; no cookie, and nothing else."""
    given = [BOB, {"x-api-key": "bob"}, {"x-goog-api-key": "bob"}, {"authorization": "Bearer eve"}]
    digests = [credential_of(PLAIN, headers, "/v1") for headers in given]
    digests += [credential_of(PLAIN, {}, f"/v1?{name}=bob") for name in ("key", "code", "sid")]
    digests += [credential_of(PLAIN, BOB, "/v1?api%5Fkey=bob")]
    assert len(set(digests)) == len(digests) and all(digest and len(digest) == 64 for digest in digests)
    assert credential_of(PLAIN, {"a-key": "1", **BOB}, "/v1") == credential_of(PLAIN, {**BOB, "a-key": "1"}, "/v1")
    assert credential_of(PLAIN, {**BOB, "cookie": "a", "x-a": "1"}, "/v1?x=1") == digests[0]
    assert "bob" not in str(digests)


def test_without_any_it_is_nobodys_and_with_ours_it_is_ours() -> None:
    """Also where what the caller brought does not go there."""
    assert credential_of(PLAIN, {}, "/v1") == "" == credential_of(PLAIN, BOB, "/v1", forwarded=False)
    for of_ours in (KEYED, BY_HEADER):
        assert credential_of(of_ours, {}, "/v1") is None is credential_of(of_ours, BOB, "/v1", forwarded=False)
    assert credential_of(KEYED, BOB, "/v1?key=bob") is None
    assert credential_of(BY_HEADER, BOB, "/v1") is None is credential_of(BY_HEADER, {"x-api-key": "bob"}, "/v1")
    beside = server(headers={"Authorization": "Bearer own"}, forward_auth=True)
    assert credential_of(beside, BOB, "/v1") is None  # it is replaced
    assert credential_of(beside, {"x-api-key": "bob"}, "/v1")  # it goes there beside ours
    assert credential_of(server(headers={"X-Team-Token": "own"}), BOB, "/v1")
    assert credential_of(BY_HEADER, {"x-team-token": "bob"}, "/v1")  # it goes there, too
    for name in ("x-goog-api-key", "x_api_key", "api_key"):
        assert credential_of(BY_HEADER, {name: "bob"}, "/v1") is None  # it does not


@pytest.mark.parametrize("name", ["openai-organization", "openai-project", "x-goog-user-project"])
def test_an_account_that_the_caller_names_is_its_own_doing(name: str) -> None:
    """With our key, too, unless the rules name it."""
    one, other = ({name: value} for value in ("a", "b"))
    assert credential_of(KEYED, one, "/v1") != credential_of(KEYED, other, "/v1") != credential_of(PLAIN, {}, "/v1")
    assert credential_of(server(api_key=SecretStr("own"), headers={name.title(): "ours"}), one, "/v1") is None


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 429, 500, 503, 529])
def test_what_blames_the_caller(status: int) -> None:
    """429 without a key is the server's."""
    assert blames_caller(status, "k") is (status in (401, 402, 403, 429))
    assert blames_caller(status, "") is (status in (401, 402, 403))
    assert not blames_caller(status, None)
    assert refuses_key(status, "k") is (status in (401, 402))
    assert not refuses_key(status, "") and not refuses_key(status, None)


@pytest.mark.parametrize("status", [401, 402])
def test_a_refused_key_rests_at_once_at_the_whole_server(status: int) -> None:
    """For its caller; then it is tried again, and rests for longer each time that it is refused."""
    keys = CallerKeys()
    keys.refused("bob", "s", "s/m", status, 100.0)
    for model in ("s/m", "s/other"):
        assert keys.rests("bob", "s", model, 100.0 + REST - 1) and not keys.rests("bob", "s", model, 100.0 + REST)
        assert not keys.rests("alice", "s", model, 101.0) and not keys.rests("", "s", model, 101.0)
    assert not keys.rests("bob", "other", "other/m", 101.0) and not keys.rests(None, "s", "s/m", 101.0)
    keys.refused("bob", "s", "s/m", status, 131.0)
    keys.refused("bob", "s", "s/m", status, 162.0)
    assert keys.rests("bob", "s", "s/m", 162.0 + REST) and not keys.rests("bob", "s", "s/m", 162.0 + 2 * REST)


@pytest.mark.parametrize("status", [403, 429])
def test_one_that_asks_too_often_rests_at_the_model(status: int) -> None:
    """After five, or as long as Retry-After says."""
    keys = CallerKeys()
    for second in range(5):
        assert not keys.rests("bob", "s", "s/m", 100.0 + second)
        keys.refused("bob", "s", "s/m", status, 100.0 + second)
    assert keys.rests("bob", "s", "s/m", 105.0) and not keys.rests("bob", "s", "s/other", 105.0)
    keys.refused("eve", "s", "s/m", status, 100.0, retry_after=60.0)
    assert keys.rests("eve", "s", "s/m", 159.0) and not keys.rests("eve", "s", "s/m", 160.0)


def test_retry_after_of_a_refused_key_is_obeyed() -> None:
    """In place of our own time."""
    keys = CallerKeys()
    keys.refused("bob", "s", "s/m", 401, 100.0, retry_after=600.0)
    assert keys.rests("bob", "s", "s/m", 699.0) and not keys.rests("bob", "s", "s/m", 700.0)


def test_a_key_that_is_taken_again_rests_no_longer() -> None:
    """And what was never refused is not kept."""
    keys = CallerKeys()
    keys.accepted("alice", "s", "s/m", 100.0)
    assert not keys.any
    keys.refused("bob", "s", "s/m", 401, 100.0)
    keys.accepted("bob", "s", "s/m", 101.0)
    keys.accepted("alice", "s", "s/m", 101.0)
    keys.accepted(None, "s", "s/m", 101.0)
    assert not keys.rests("bob", "s", "s/m", 102.0)
    assert len(keys._resting._breakers) == 1


def test_memory_is_bounded() -> None:
    """However many keys a caller makes up, of whatever length."""
    keys = CallerKeys()
    for number in range(2 * MAX_TARGETS):
        keys.refused(str(number), "s", "s/" + "m" * 1000, 401, float(number))
    assert len(keys._resting._breakers) <= MAX_TARGETS
    assert all(len(name) == 64 for name in keys._resting._breakers)
