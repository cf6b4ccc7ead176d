"""Redirects: followed on the same server with method, body and key; any other is a failed attempt that says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import httpx
import openai
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.behaviour import Dialect

DIALECTS: Final[tuple[Dialect, ...]] = ("openai", "ollama", "anthropic")
PATHS: Final = {"openai": "/v1/chat/completions", "ollama": "/api/chat", "anthropic": "/v1/messages"}


@pytest.fixture(scope="module")
def moved(upstream_factory: Callable[..., FakeUpstream]) -> dict[Dialect, FakeUpstream]:
    return {dialect: upstream_factory(dialect, name=f"moved-{dialect}") for dialect in DIALECTS}


@pytest.fixture(scope="module")
def other(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    """Where nobody may be sent."""
    return upstream_factory("openai", name="other")


@pytest.fixture(scope="module")
def shared_proxy(
    start_shared: Any, moved: dict[Dialect, FakeUpstream], upstream_factory: Callable[..., FakeUpstream]
) -> Any:
    good = upstream_factory("openai", name="good")
    lines = [f"  good: {{url: '{good.url}', dialect: openai}}"]
    lines += [f"  {d}: {{url: '{moved[d].url}', dialect: {d}, api_key: its-own-key}}" for d in DIALECTS]
    aliases = [f"  {d}-{n}: {{instances: [{d}/m{n}, good/g]}}" for d in DIALECTS for n in range(20)]
    return start_shared("\n".join(["servers:", *lines, "aliases:", *aliases, ""]))


def ask(proxy: Any, client: Dialect, model: str, stream: bool = False) -> httpx.Response:
    asked = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream, "max_tokens": 9}
    response: httpx.Response = proxy.post(PATHS[client], asked, headers={"anthropic-version": "2023-06-01"})
    return response


def to(location: str, status: int = 307, body: Any = b"") -> Behaviour:
    return Behaviour(status=status, headers={"location": location}, body=body)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("server", DIALECTS)
@pytest.mark.parametrize("client", DIALECTS)
def test_the_same_server_is_asked_where_it_says(
    client: Dialect, server: Dialect, stream: bool, proxy: Any, moved: dict[Dialect, FakeUpstream]
) -> None:
    """By 307 and 308, absolute or relative: the same method, body, key, and one more attempt in the record."""
    upstream = moved[server]
    path = PATHS[server] + "?moved=1"
    status, location = (307, path) if stream else (308, upstream.url + path)
    upstream.script([to(location, status, b"over there")])
    response = ask(proxy, client, f"{server}/m", stream)
    assert response.status_code == 200 and f"moved-{server}" in response.text.replace('"', "").replace("\n", "")
    assert "over there" not in response.text and response.headers["x-switchman-attempts"] == "2"
    first, second = upstream.requests[-2:]
    assert (second.target, second.method, second.body) == (path, "POST", first.body)
    key = "x-api-key" if server == "anthropic" else "authorization"
    assert second.header(key) == first.header(key) and "its-own-key" in (second.header(key) or "")
    row = proxy.row_of(response)
    one, two = row["attempts"]
    assert (row["outcome"], one["outcome"], one["status"], two["outcome"]) == ("ok", "status", status, "ok")
    assert one["error"] == f"status {status}, followed to {upstream.url}{PATHS[server]}"
    assert two["url"] == f"{upstream.url}{PATHS[server]}"
    assert any(line["layer"] == "redirect" for line in row["trace"])


def test_a_redirect_that_is_followed_counts_against_nobody(proxy: Any, moved: dict[Dialect, FakeUpstream]) -> None:
    """Nor is the next candidate asked, however often it happens."""
    for _ in range(6):
        moved["openai"].script([to("/v1/chat/completions?x")])
        assert ask(proxy, "openai", "openai-1").headers["x-switchman-target"] == "openai/m1"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_another_host_is_not_asked(
    status: int, stream: bool, proxy: Any, moved: dict[Dialect, FakeUpstream], other: FakeUpstream
) -> None:
    """The next candidate is; alone, the client reads in its dialect where it leads, and what to do."""
    location = f"{other.url}/v1/chat/completions?token=abcdefghijklmnopqrst"
    moved["openai"].script([to(location, status), to(location, status)])
    response = ask(proxy, "anthropic", f"openai-{status % 17 + 2}", stream)
    assert response.status_code == 200 and "good" in response.text.replace('"', "").replace("\n", "")
    first, second = proxy.row_of(response)["attempts"]
    assert (first["outcome"], first["status"], second["outcome"]) == ("status", status, "ok")
    response = ask(proxy, "anthropic", f"openai/alone{status}", stream)
    message = response.json()["error"]["message"]
    assert response.status_code == 502 and "location" not in response.headers
    assert f"status {status}, a redirect to {other.url}/v1/chat/completions" in message
    assert f"set the server's `url:` to {other.url}" in message and "abcdefgh" not in message
    assert other.requests == []


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_post_does_not_become_a_get(status: int, proxy: Any, moved: dict[Dialect, FakeUpstream]) -> None:
    """Also on the same server these are not followed."""
    before = len(moved["openai"].requests)
    moved["openai"].script([to("/login?next=%2Fv1", status, b"<html>log in</html>")])
    response = ask(proxy, "openai", f"openai/same{status}")
    assert response.status_code == 502
    assert f"status {status}, a redirect to /login?next=%2Fv1: " in response.json()["error"]["message"]
    assert len(moved["openai"].requests) == before + 1


def test_a_loop_ends(proxy: Any, moved: dict[Dialect, FakeUpstream]) -> None:
    """After three hops; then the next candidate is asked."""
    loop = [to(f"/v1/chat/completions?{n % 2}") for n in range(9)]
    before = len(moved["openai"].requests)
    moved["openai"].script(loop[:4])
    response = ask(proxy, "openai", "openai-0")
    assert "good" in response.text and len(moved["openai"].requests) == before + 4
    row = proxy.row_of(response)
    assert [one["status"] for one in row["attempts"]] == [307, 307, 307, 307, 200]
    assert "it was followed 3 times" in row["attempts"][3]["error"]


def test_the_official_client_reads_what_to_do(
    proxy: Any, moved: dict[Dialect, FakeUpstream], other: FakeUpstream
) -> None:
    """openai-python would follow a redirect by itself, so it gets none."""
    moved["openai"].script([to(f"{other.url}/v1/chat/completions", 308)])
    with pytest.raises(openai.InternalServerError, match="set the server's `url:` to"):
        proxy.openai().chat.completions.create(model="openai/o", messages=[{"role": "user", "content": "hi"}])
    assert other.requests == []


def test_what_is_no_llm_call_is_passed_on(proxy: Any, start: Any) -> None:
    """A page that redirects a browser does so."""
    with FakeUpstream(name="site") as site:
        site.listing = to("/elsewhere", 302, b"moved")
        mine = start("", {"DEFAULT_UPSTREAM": site.url})
        response = httpx.get(f"{mine.url}/some/page", trust_env=False, follow_redirects=False)
        assert (response.status_code, response.headers["location"], response.content) == (302, "/elsewhere", b"moved")
