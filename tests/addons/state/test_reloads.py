"""The signal that other rules are in force: one looks at the file, and all who wait are told."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from switchman.addons.config.configuration import RulesFile
from switchman.addons.config.settings import Settings
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.state.reloads import POLL_SECONDS, Reloads

PATIENCE = 30.0
ONE, TWO, THREE = (f"servers: {{{name}: 'http://h'}}" for name in ("one", "two", "three"))


class CountingFile(RulesFile):
    """How often it was looked at, and by which threads."""

    looks = 0
    threads: frozenset[int] = frozenset()

    def poll(self, anyway: bool = False) -> bool:
        self.threads |= {threading.get_ident()}
        found = super().poll(anyway)
        self.looks += 1
        return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "routes.yaml"
    path.write_text(ONE)
    return path


@pytest.fixture
def rules(file: Path) -> CountingFile:
    return CountingFile(Settings(routes_config=str(file)))


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE):
            await work()

    asyncio.run(bounded())


def write(file: Path, text: str) -> None:
    file.write_text(text)


def names(rules: Ruleset) -> list[str]:
    return list(rules.servers)


async def looked(rules: CountingFile, times: int = 2) -> None:
    """Until the file was looked at so many times more: what was written before was seen by then."""
    until = rules.looks + times
    while rules.looks < until:
        await asyncio.sleep(0.005)


def test_all_who_wait_are_told_and_one_looks(rules: CountingFile, file: Path) -> None:
    """Several wait; a change wakes each of them with the rules it brought; nobody but the one polls."""

    async def work() -> None:
        reloads = Reloads(rules, every=0.01)
        reloads.start()
        waiting = [asyncio.create_task(reloads.after(rules.current)) for _ in range(3)]
        await looked(rules)
        assert not any(task.done() for task in waiting)
        write(file, TWO)
        assert [names(found) for found in await asyncio.gather(*waiting)] == [["two"]] * 3
        again = asyncio.create_task(reloads.after(rules.current))
        await looked(rules)
        assert not again.done()
        write(file, THREE)
        assert names(await again) == ["three"]
        reloads.stop()

    run(work)


def test_who_comes_late_is_told_at_once(rules: CountingFile, file: Path) -> None:
    """A change between two waits is not missed, and without known rules there is nothing to wait for."""

    async def work() -> None:
        reloads, before = Reloads(rules), rules.current
        assert await reloads.after(None) is before
        write(file, TWO)
        assert rules.poll()
        assert names(await reloads.after(before)) == ["two"]

    run(work)


def test_a_bad_file_wakes_nobody(rules: CountingFile, file: Path) -> None:
    """The last good rules stay in force, and the next good file is taken."""

    async def work() -> None:
        reloads = Reloads(rules, every=0.01)
        reloads.start()
        waiting = asyncio.create_task(reloads.after(rules.current))
        write(file, "servers: [broken\n")
        await looked(rules)
        assert rules.error is not None and not waiting.done()
        write(file, TWO)
        assert names(await waiting) == ["two"] and rules.error is None
        reloads.stop()

    run(work)


def test_the_file_is_looked_at_beside_the_event_loop(rules: CountingFile, file: Path) -> None:
    """A look may take as long as a file is being written: the loop goes on meanwhile."""
    may_go_on = threading.Event()
    in_time: list[bool] = []

    def slow_poll(anyway: bool = False) -> bool:
        in_time.append(may_go_on.wait(PATIENCE))  # on the loop's own thread nobody would ever set it
        return CountingFile.poll(rules)

    async def work() -> None:
        rules.poll = slow_poll  # type: ignore[method-assign]
        reloads = Reloads(rules, every=0.01)
        reloads.start()
        write(file, TWO)
        waiting = asyncio.create_task(reloads.after(rules.current))
        asyncio.get_running_loop().call_later(0.05, may_go_on.set)
        assert names(await waiting) == ["two"]
        assert all(in_time) and threading.get_ident() not in rules.threads
        reloads.stop()

    run(work)


def test_who_asks_need_not_wait_for_the_next_look(
    rules: CountingFile, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And is told that the file was read, though it says what it said before."""

    async def work() -> None:
        reloads = Reloads(rules, every=10 * PATIENCE)
        reloads.start()
        reloads.look_now()
        while "read again, and it says the same" not in caplog.text:
            await asyncio.sleep(0.005)
        write(file, TWO)
        reloads.look_now()
        assert names(await reloads.after(rules.current)) == ["two"] or names(rules.current) == ["two"]
        reloads.stop()

    with caplog.at_level(logging.INFO):
        run(work)


def test_a_change_is_in_force_within_a_second() -> None:
    """Two looks fit into it, so that one may be late."""
    assert POLL_SECONDS <= 0.5
