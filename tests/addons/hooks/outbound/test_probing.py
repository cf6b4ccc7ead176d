"""Finding out what servers speak: real servers on real sockets, asked in the background."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from switchman.addons.config.configuration import RulesFile
from switchman.addons.config.settings import Settings
from switchman.addons.core.keys.known import NO_KEYS
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.hooks.outbound.probing import Probing, probe
from switchman.addons.state.learned.server_dialects import ServerDialects
from switchman.addons.state.learned.upstream_reader import AT_ONCE, UpstreamReader
from switchman.addons.state.reloads import Reloads
from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.broken import refused

PATIENCE = 20.0


def server(url: str, name: str = "s", **more: Any) -> Server:
    return Server(name, parse(url), **more)


def rules_of(*servers: Server) -> Any:
    return SimpleNamespace(upstreams=servers, default=servers[0])


def asked(*servers: Server, seconds: float = PATIENCE) -> Mapping[Server, Any]:
    async def run() -> Mapping[Server, Any]:
        reader = UpstreamReader(PATIENCE)
        try:
            return await probe(servers, reader, seconds)
        finally:
            await reader.close()

    return asyncio.run(run())


async def until(what: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("dialect", "found"),
    [("openai", ("openai",)), ("ollama", ("ollama", "openai")), ("anthropic", ("anthropic",))],
)
def test_each_dialect_is_known_by_its_answers(dialect: Any, found: tuple[str, ...]) -> None:
    """With a key that it wants, and without one: an error tells as much as a list."""
    with FakeUpstream(dialect) as upstream:
        s = server(upstream.url)
        assert asked(s) == {s: found}
    if dialect != "ollama":
        with FakeUpstream(dialect, api_key="secret") as upstream:
            s = server(upstream.url)
            assert asked(s) == {s: found}


def test_who_does_not_tell_in_time_is_not_known() -> None:
    """A dead server, one that never answers, one that is something else."""
    mute, page = FakeUpstream(), FakeUpstream()
    mute.listing, page.listing = Behaviour(never_answer=True), Behaviour(body="<html>It works!</html>")
    with mute, page, refused() as dead:
        servers = [server(mute.url, "mute"), server(page.url, "page"), server(dead, "dead")]
        assert asked(*servers, seconds=0.5) == dict.fromkeys(servers)


def test_a_server_that_was_down_is_asked_again() -> None:
    """And one that left the rules is forgotten."""

    async def run() -> None:
        with FakeUpstream("ollama") as upstream:
            upstream.listing = Behaviour(status=503)
            late, gone = server(upstream.url, "late"), server("http://127.0.0.1:9", "gone")
            dialects = ServerDialects()
            dialects.found = {gone: ("openai",)}
            rules: Any = SimpleNamespace(current=rules_of(late))
            runtime: Any = SimpleNamespace(dialects=dialects, rules=rules, reloads=Reloads(rules), keys=lambda: NO_KEYS)
            probing = Probing(runtime, retry=0.1)
            probing.running()
            await until(lambda: upstream.requests)
            assert late not in dialects.found
            upstream.listing = Behaviour()
            await until(lambda: dialects.found == {late: ("ollama", "openai")})
            await probing.done()

    asyncio.run(run())


def test_servers_of_other_rules_are_asked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal of a reload is enough: the next round of questions is far off."""
    with FakeUpstream("ollama") as first, FakeUpstream("anthropic") as second:
        file = tmp_path / "routes.yaml"
        file.write_text(f"servers: {{one: '{first.url}'}}")
        rules = RulesFile(Settings(routes_config=str(file), default_upstream=first.url))
        dialects, reloads = ServerDialects(), Reloads(rules, every=0.01)
        runtime: Any = SimpleNamespace(dialects=dialects, rules=rules, reloads=reloads, keys=lambda: NO_KEYS)

        def found() -> dict[str, tuple[str, ...]]:
            return {known.name: spoken for known, spoken in dialects.found.items()}

        async def run() -> None:
            probing = Probing(runtime, retry=3600)
            probing.running()
            reloads.start()
            await until(lambda: found().get("one") == ("ollama", "openai"))
            file.write_text(f"servers: {{two: '{second.url}'}}")
            await until(lambda: found().get("two") == ("anthropic",))
            assert "one" not in found()
            await probing.done()
            reloads.stop()

        asyncio.run(run())


def test_thousands_of_servers_are_asked_a_few_at_a_time() -> None:
    """Else each that waits for its turn would be looked at again and again; the loop gets its turns meanwhile."""
    servers = [server(f"http://127.0.0.1:9/{number}", f"s{number}") for number in range(1000)]
    now, most, turns = 0, 0, 0

    class Reader:
        async def get(self, *_: object) -> tuple[int, bytes]:
            nonlocal now, most
            now, most = now + 1, max(most, now + 1)
            await asyncio.sleep(0)
            now -= 1
            return 404, b""

    async def tick() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def run() -> Mapping[Server, Any]:
        ticker = asyncio.create_task(tick())
        told = await probe(servers, Reader())  # type: ignore[arg-type]
        ticker.cancel()
        return told

    assert set(asyncio.run(run())) == set(servers)
    assert most == AT_ONCE and turns > len(servers) // AT_ONCE
