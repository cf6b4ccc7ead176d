"""The proxy's connection to the semantic process, from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.hooks.routing import embedding as module
from switchman.addons.hooks.routing.embedding import Embedding
from switchman.addons.semantics import wire
from switchman.addons.state.runtime import Runtime


async def nothing() -> None:
    """No categories are handed over."""


@contextlib.asynccontextmanager
async def process(folder: Path) -> AsyncIterator[tuple[Path, list[str]]]:
    """Something that speaks as the semantic process does: where it listens, and what it was asked."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (message := await wire.read(reader)) is not None:
            asked.append(message["op"])
            hello = {"model": "m", "dimensions": 4, "languages": ["en"]}
            writer.write(wire.encode({"id": message["id"], "known": True, **hello}))
        writer.close()

    server = await asyncio.start_unix_server(serve, str(folder / "s"))
    try:
        yield folder / "s", asked
    finally:
        server.close()


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not what():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(("socket", "said"), [("off", False), (None, True)])
def test_without_a_process_it_says_so_once(
    socket: str | None, said: bool, make_runtime: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Under `switchman serve`, which has said so itself, not once more; requests find a client that is off."""
    caplog.set_level("INFO")
    runtime: Runtime = make_runtime("cache: {semantic: {mode: off}}", semantic_socket=socket)

    async def work() -> None:
        addon = Embedding(runtime, nothing)
        addon.running()
        assert runtime.semantics is not None and runtime.semantics.status().state == "off"
        assert addon._task is None
        await addon.done()

    asyncio.run(work())
    assert ("Embeddings are off" in caplog.text) is said


def test_the_connection_is_made_before_the_first_request_and_again_for_new_rules(
    make_runtime: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Categories are handed over each time; while nothing changes, nothing is asked."""
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.01)
    handed: list[Any] = []

    async def work(folder: Path) -> None:
        async with process(folder) as (socket, asked):
            runtime: Runtime = make_runtime(semantic_socket=str(socket))

            async def prepare() -> None:
                handed.append(runtime.rules.current)

            addon = Embedding(runtime, prepare)
            addon.running()
            await until(lambda: runtime.semantics is not None and runtime.semantics.prepared)
            assert asked == ["hello"] and runtime.semantics is not None
            first = runtime.rules.current
            await asyncio.sleep(0.05)
            assert handed == [first] and asked == ["hello"]
            runtime.rules.path.write_text("servers: {up: 'http://127.0.0.1:9'}")
            assert await asyncio.to_thread(runtime.rules.poll)
            await until(lambda: len(handed) == 2)
            assert handed[1] is runtime.rules.current is not first
            await addon.done()
            assert addon._task is not None and addon._task.done()
            assert not runtime.semantics.prepared

    with tempfile.TemporaryDirectory(prefix="sm-") as folder:
        asyncio.run(work(Path(folder)))


def test_a_process_that_comes_late_is_found(make_runtime: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked for until it is there."""
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.01)
    monkeypatch.setattr("switchman.addons.semantics.client.FIRST_PAUSE", 0.01)

    async def work(folder: Path) -> None:
        runtime: Runtime = make_runtime(semantic_socket=str(folder / "s"))
        addon = Embedding(runtime, nothing)
        addon.running()
        await until(lambda: runtime.semantics is not None and runtime.semantics.status().state == "down")
        async with process(folder):
            await until(lambda: runtime.semantics is not None and runtime.semantics.prepared)
            await addon.done()

    with tempfile.TemporaryDirectory(prefix="sm-") as folder:
        asyncio.run(work(Path(folder)))
