"""Which rules a worker has is written down: from its start, when they change, now and then, until it ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from switchman.addons.hooks.recording.reporting import Reporting
from switchman.addons.state.reloads import Reloads
from switchman.addons.store import Store, open_store
from switchman.addons.store.tables import leases


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(db_path=tmp_path / "log.db", blob_path=tmp_path / "blobs") as opened:
        yield opened


def told(store: Store) -> list[tuple[str, float]]:
    """Digest, and when the file was written, of each worker."""
    with store.engine.connect() as conn:
        found = [str(row.holder).split(" ") for row in conn.execute(select(leases))]
    return [(digest, float(written)) for digest, written, _ in found]


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not what():
            await asyncio.sleep(0.01)


def test_it_tells_what_is_in_force(make_runtime: Callable[..., Any], store: Store) -> None:
    """A file that is faulty leaves the rules of before, which are then older than any file."""
    runtime = make_runtime("servers: {a: http://127.0.0.1:9}\n")
    runtime.store, runtime.reloads = store, Reloads(runtime.rules, every=0.02)
    file = runtime.rules.path
    os.utime(file, (1000, 1000))

    async def story() -> None:
        reporting = Reporting(runtime)
        runtime.reloads.start()
        reporting.running()
        first = runtime.rules.current.digest[:32]
        await until(lambda: told(store) == [(first, 1000.0)])
        file.write_text("servers: {a: http://127.0.0.1:8}\n")
        os.utime(file, (2000, 2000))
        await until(lambda: told(store) == [(runtime.rules.current.digest[:32], 2000.0)])
        assert runtime.rules.current.digest[:32] != first
        await reporting.done()
        assert told(store) == []
        file.write_text("servers: [\n")
        os.utime(file, (3000, 3000))
        await until(lambda: runtime.rules.error is not None)
        again = Reporting(runtime)
        again.running()
        await until(lambda: told(store) == [(runtime.rules.current.digest[:32], 0.0)])
        await again.done()
        runtime.reloads.stop()

    asyncio.run(story())


def test_without_a_log_nobody_is_told(make_runtime: Callable[..., Any]) -> None:
    """There is no dashboard."""

    async def story() -> None:
        reporting = Reporting(make_runtime())
        reporting.running()
        assert reporting.task is None
        await reporting.done()

    asyncio.run(story())
