"""Each worker acts once on each reset that came after its start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from switchman.addons.state.reaching.resets import Resetting
from switchman.addons.store.access.opening import open_access


def test_each_worker_acts_once_on_what_is_reset(tmp_path: Path) -> None:
    """Not on what was reset before it started; on each new one, of the server that it names alone."""
    asyncio.run(_each_worker_acts_once_on_what_is_reset(tmp_path))


async def _each_worker_acts_once_on_what_is_reset(tmp_path: Path) -> None:
    access = open_access(None, tmp_path / "requests.db")
    access.resets.ask("a")
    done: list[list[str]] = [[], []]

    def reset(worker: int) -> Callable[[Callable[[str], bool]], None]:
        return lambda wanted: done[worker].extend(name for name in ("a", "b", "c") if wanted(name))

    workers = [Resetting(access.resets, reset(number)) for number in (0, 1)]
    for one in workers:
        await one.look()
    assert done == [[], []]
    access.resets.ask("b")
    for one in workers:
        await one.look()
        await one.look()
    assert done == [["b"], ["b"]]
    access.resets.ask("b")
    access.resets.ask("a")
    await workers[0].look()
    assert done == [["b", "a", "b"], ["b"]]
    access.close()


def test_it_looks_by_itself_and_goes_on_after_a_failure(tmp_path: Path) -> None:
    """A reset that fails once is not the last one that is looked for."""
    asyncio.run(_it_looks_by_itself_and_goes_on_after_a_failure(tmp_path))


async def _it_looks_by_itself_and_goes_on_after_a_failure(tmp_path: Path) -> None:
    access = open_access(None, tmp_path / "requests.db")
    calls: list[int] = []
    twice = asyncio.Event()

    def reset(wanted: Callable[[str], bool]) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("not this time")
        twice.set()

    watcher = Resetting(access.resets, reset)
    await watcher.look()
    access.resets.ask("a")
    watcher.start()
    await asyncio.wait_for(twice.wait(), 30)
    watcher.stop()
    access.close()
