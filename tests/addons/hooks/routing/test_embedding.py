"""The way to the semantic process is kept warm: the categories are there before a request needs them."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from switchman.addons.config.configuration import RulesFile
from switchman.addons.config.settings import Settings
from switchman.addons.hooks.routing.embedding import Embedding
from switchman.addons.semantics import wire
from switchman.addons.state.reloads import Reloads

PATIENCE = 30.0
ROUTES = "semantic_routes: {categories: {code: {target: 'up/m', utterances: [%s]}}}\nservers: {up: 'http://h'}\n"


class Process:
    """A semantic process that knows every category it is told of. `heard`: their digests, in order."""

    def __init__(self, socket: Path) -> None:
        self.socket, self.heard = socket, list[str]()
        self.connections = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, str(self.socket))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        while (message := await wire.read(reader)) is not None:
            answer: dict[str, Any] = {"id": message["id"]}
            if message["op"] == "hello":
                answer |= {"model": "fake", "languages": ["en"]}
            elif message["op"] == "categories":
                self.heard.append(message["digest"])
                answer |= {"known": True}
            writer.write(wire.encode(answer))
        writer.close()

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.hang_up()
        self.socket.unlink(missing_ok=True)


@pytest.fixture
def private() -> Iterator[Path]:
    """A folder whose name is short enough for a socket in it."""
    with tempfile.TemporaryDirectory(prefix="sm-") as name:
        yield Path(name)


def write(file: Path, text: str) -> None:
    file.write_text(text)


async def until(what: Callable[[], object]) -> None:
    while not what():
        await asyncio.sleep(0.01)


@pytest.fixture
def with_embedding(private: Path, tmp_path: Path) -> Callable[..., None]:
    """Runs `work(process, file, prepared)` beside an Embedding whose rules file is `file`; `prepared` counts."""
    file = tmp_path / "routes.yaml"
    file.write_text(ROUTES % "one")

    def run(work: Callable[[Process, Path, list[int]], Awaitable[None]]) -> None:
        async def bounded() -> None:
            process = Process(private / "s")
            settings = Settings(routes_config=str(file), semantic_socket=str(process.socket))
            rules = RulesFile(settings)
            reloads = Reloads(rules, every=0.01)
            runtime: Any = SimpleNamespace(settings=settings, rules=rules, reloads=reloads, semantics=None)
            prepared: list[int] = []
            number = itertools.count()

            async def prepare() -> None:
                prepared.append(next(number))
                routes = rules.current.semantic_routes
                assert routes is not None
                runtime.semantics.use_categories({name: one.utterances for name, one in routes.categories.items()})

            with ExitStack() as held:
                held.callback(reloads.stop)
                async with asyncio.timeout(PATIENCE):
                    embedding = Embedding(runtime, prepare)
                    await process.start()
                    embedding.running()
                    reloads.start()
                    await work(process, file, prepared)
                    await embedding.done()
                    process.stop()

        asyncio.run(bounded())

    return run


def test_categories_are_handed_over_at_the_start_and_with_other_rules(with_embedding: Any) -> None:
    """Each set of rules once: between two of them nothing is asked."""

    async def work(process: Process, file: Path, prepared: list[int]) -> None:
        await until(lambda: len(process.heard) == 1)
        write(file, ROUTES % "two")
        await until(lambda: len(process.heard) == 2)
        assert process.heard[0] != process.heard[1]
        assert prepared == [0, 1] and process.connections == 1

    with_embedding(work)


def test_a_connection_that_was_lost_is_made_again(with_embedding: Any) -> None:
    """And the categories are handed over again: it may be another process."""

    async def work(process: Process, file: Path, prepared: list[int]) -> None:
        await until(lambda: len(process.heard) == 1)
        process.hang_up()
        await until(lambda: len(process.heard) == 2)
        assert process.heard[0] == process.heard[1] and process.connections == 2

    with_embedding(work)


def test_a_process_that_was_away_is_found_when_it_is_back(with_embedding: Any) -> None:
    """It is tried again, without a request that needs it."""

    async def work(process: Process, file: Path, prepared: list[int]) -> None:
        await until(lambda: len(process.heard) == 1)
        process.stop()
        await until(lambda: len(prepared) >= 2)  # it was tried in vain
        await process.start()
        await until(lambda: len(process.heard) == 2)

    with_embedding(work)
