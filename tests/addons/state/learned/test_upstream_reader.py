"""Small questions to upstreams on the router's own account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from switchman.addons.core.servers.reaching.reach import Proxy, Reach
from switchman.addons.core.servers.servers import Server, ServerKey
from switchman.addons.core.servers.urls import parse
from switchman.addons.state.learned import upstream_reader
from switchman.addons.state.learned.upstream_reader import UNREACHABLE, TooLong, UpstreamReader
from switchman.addons.testing import Behaviour, FakeUpstream, HttpProxy
from switchman.addons.testing.broken import refused, says


def read(url: str, path: str = "/v1/models", timeout: float = 30, **more: Any) -> tuple[int, bytes]:
    asking = {name: more.pop(name) for name in ("dialect", "credentials") if name in more}

    async def work() -> tuple[int, bytes]:
        reader = UpstreamReader(timeout)
        try:
            more["path"] = more.pop("path_style", "join")
            return await reader.get(Server("s", parse(url), **more), path, **{"dialect": None, **asking})
        finally:
            await reader.close()

    return asyncio.run(work())


def test_status_and_body_come_as_they_are() -> None:
    """An error is an answer, and a redirect is not followed: it might lead to somebody else."""
    with FakeUpstream() as up:
        up.listing = Behaviour(status=302, headers={"location": f"{up.url}/elsewhere"}, body="moved")
        assert read(up.url) == (302, b"moved")
        up.listing = Behaviour(status=503, body="busy")
        assert read(up.url) == (503, b"busy")
    assert [request.path for request in up.requests] == ["/v1/models"] * 2


def test_a_base_url_keeps_its_path() -> None:
    """As for every other request to that server."""
    with FakeUpstream() as up:
        read(f"{up.url}/openai/v1")
    assert up.requests[0].path == "/openai/v1/models"


def test_a_server_of_azures_is_asked_as_azure_has_it() -> None:
    """With its key in its own header, and a version."""
    with FakeUpstream() as up:
        read(up.url, path_style="azure", api_key=SecretStr("own"))
    assert up.requests[0].target.startswith("/openai/models?api-version=20")
    assert (up.requests[0].header("api-key"), up.requests[0].header("authorization")) == ("own", None)


@pytest.mark.parametrize(
    ("dialect", "found"),
    [
        ("openai", {"authorization": "Bearer own"}),
        ("ollama", {"authorization": "Bearer own"}),
        (None, {"authorization": "Bearer own"}),
        ("anthropic", {"x-api-key": "own", "anthropic-version": upstream_reader.ANTHROPIC_VERSION}),
    ],
)
def test_the_servers_own_key_stands_where_its_dialect_looks(dialect: Any, found: dict[str, str]) -> None:
    """And in the place of the client's; headers of the rules stand above all."""
    with FakeUpstream() as up:
        read(up.url, dialect=dialect, api_key=SecretStr("own"), headers={"X-Team": "blue", "Accept": "text/html"})
    request = up.requests[0]
    names = ("authorization", "x-api-key", "anthropic-version")
    assert {name: request.header(name) for name in names if request.header(name)} == found
    assert (request.header("x-team"), request.header("accept")) == ("blue", "text/html")


@pytest.mark.parametrize("key", ["Bearer schlüssel", "Bearer \udcfc"], ids=["utf-8", "latin-1"])
def test_a_key_that_is_not_ascii_goes_out_as_it_came(key: str) -> None:
    """A client's header, in the form in which mitmproxy gives it, or one of the rules: no reason to crash."""
    raw = key.encode("utf-8", "surrogateescape")
    with FakeUpstream() as up:
        assert read(up.url, credentials=(("authorization", key),))[0] == 200
        assert read(up.url, headers={"authorization": key})[0] == 200
    assert [dict(request.headers)[b"authorization"] for request in up.requests] == [raw] * 2


def test_credentials_that_no_header_can_hold_are_a_fault_of_the_question() -> None:
    """One that callers know."""
    with FakeUpstream() as up, pytest.raises(UNREACHABLE):
        read(up.url, credentials=(("authorization", "Bearer a\nx-evil: 1"),))
    assert not up.requests


def test_the_environment_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY may well name this very router."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with FakeUpstream() as up:
        assert read(up.url)[0] == 200


def test_what_no_question_has_for_an_answer_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read to its end; what is exactly as long as allowed is."""
    monkeypatch.setattr(upstream_reader, "MAX_BYTES", 1000)
    with FakeUpstream() as up:
        up.listing = Behaviour(body=b"x" * 1000)
        assert read(up.url) == (200, b"x" * 1000)
        up.listing = Behaviour(body=b"x" * 1001)
        with pytest.raises(TooLong):
            read(up.url)


def _refused(ask: Callable[[str], object]) -> None:
    with refused() as url:
        ask(url)


def _no_http(ask: Callable[[str], object]) -> None:
    with says(b"220 mail.example ESMTP\r\n") as url:
        ask(url)


def _cut(ask: Callable[[str], object]) -> None:
    with FakeUpstream() as up:
        up.listing = Behaviour(cut_after=0)
        ask(up.url)


def _mute(ask: Callable[[str], object]) -> None:
    with FakeUpstream() as up:
        up.listing = Behaviour(never_answer=True)
        ask(up.url)


def _spoilt(ask: Callable[[str], object]) -> None:
    with FakeUpstream() as up:
        up.listing = Behaviour(body=b"not zipped", headers={"content-encoding": "gzip"})
        ask(up.url)


@pytest.mark.parametrize("place", [_refused, _no_http, _cut, _mute, _spoilt])
def test_every_way_to_fail_is_one_that_callers_know(place: Callable[[Callable[[str], object]], None]) -> None:
    """UNREACHABLE names them all, so that one dead server costs nobody else anything."""
    with pytest.raises(UNREACHABLE):
        place(lambda url: read(url, timeout=0.3))


def test_a_server_is_asked_the_way_that_it_is_reached() -> None:
    """Through its proxy; ways that differ have clients of their own, and the oldest is let go when there are many."""

    async def work() -> list[int]:
        reader = UpstreamReader(30)
        try:
            ways = [Reach(), *(Reach(Proxy("http", "127.0.0.1", proxy.port, SecretStr(f"a:{n}"))) for n in range(3))]
            servers = [Server("s", parse(up.url), reach=way) for way in ways]
            found = [(await reader.get(server, "/v1/models", None))[0] for server in (*servers, servers[0])]
            assert len(reader._clients) == 2
            return found
        finally:
            await reader.close()

    with FakeUpstream() as up, HttpProxy("a:1") as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setattr(upstream_reader, "MAX_CLIENTS", 2)
        assert asyncio.run(work()) == [200, 407, 200, 407, 200]
        assert proxy.lines == [f"GET {up.url}/v1/models"] * 3


def test_one_client_is_opened_for_all_and_can_be_opened_again() -> None:
    """Reading the certificates takes long; after close() the next question opens anew."""

    async def work() -> None:
        reader = UpstreamReader(30)
        server = Server("s", parse(up.url))
        await asyncio.gather(*(reader.get(server, "/", None) for _ in range(5)))
        (client,) = reader._clients.values()
        await reader.get(server, "/", None)
        assert [*reader._clients.values()] == [client]
        await reader.close()
        await reader.close()
        assert (await reader.get(server, "/", None))[0] == 404
        await reader.close()

    with FakeUpstream() as up:
        asyncio.run(work())


def test_a_server_of_several_keys_is_asked_with_each() -> None:
    """While it refuses them: a key that is revoked must not hide the server's models. An answer is an answer."""
    keys = tuple(ServerKey(SecretStr(label), label) for label in ("one", "two", "three"))
    with FakeUpstream(api_key="two") as up:
        assert read(up.url, api_key=keys[0].value, keys=keys)[0] == 200
        assert [request.header("authorization") for request in up.requests] == ["Bearer one", "Bearer two"]
    with FakeUpstream(api_key="none of them") as up:
        assert read(up.url, api_key=keys[0].value, keys=keys)[0] == 401
        assert len(up.requests) == 3
