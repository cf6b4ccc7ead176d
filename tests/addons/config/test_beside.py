"""Long work beside an event loop: turns are short, and nobody waits for a full garbage collection."""

import asyncio
import gc
import sys
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.config.beside import SWITCH, beside_the_loop
from switchman.addons.config.configuration import LARGE, RulesFile
from switchman.addons.config.settings import Settings


def test_what_is_set_for_the_work_is_taken_back() -> None:
    """Also where it fails."""
    before = (sys.getswitchinterval(), gc.get_threshold())
    with pytest.raises(ZeroDivisionError), beside_the_loop():
        assert sys.getswitchinterval() == pytest.approx(SWITCH)
        assert gc.get_threshold()[:2] == before[1][:2]
        assert gc.get_threshold()[2] > before[1][2]
        raise ZeroDivisionError
    assert (sys.getswitchinterval(), gc.get_threshold()) == (pytest.approx(before[0]), before[1])


def test_no_collection_walks_through_large_rules_afterwards(tmp_path: Path) -> None:
    """They are frozen, and no part of them is in a cycle, so that they go when others come."""
    file = tmp_path / "routes.yaml"
    file.write_text("servers: {}\n")
    rules = RulesFile(Settings(routes_config=str(file)))

    def reload(host: str) -> int:
        """Objects that are frozen afterwards."""
        lines = [
            "servers:",
            *(f"  a-server-with-a-long-name-{n}: http://{host}:{n + 1}/{'v' * 240}" for n in range(240)),
        ]
        file.write_text("\n".join(lines))
        assert file.stat().st_size > LARGE
        assert rules.poll(anyway=True)
        return gc.get_freeze_count()

    collects = gc.isenabled()
    gc.disable()
    try:
        reload("10.0.0.1")
        before = reload("10.0.0.2")
        assert before > 1000
        assert not any(gc.is_tracked(rules.current) and rules.current is one for one in gc.get_objects())
        for last in range(3, 6):
            assert reload(f"10.0.0.{last}") - before < 240 * (last - 2)
    finally:
        gc.unfreeze()
        if collects:
            gc.enable()


@pytest.mark.soak
def test_a_large_reload_lets_the_loop_run(tmp_path: Path, full: bool) -> None:
    """The loop has a turn all along, and no collection goes through all objects."""
    servers, aliases = (3000, 20_000) if full else (60, 400)
    file = tmp_path / "routes.yaml"
    file.write_text("servers: {}\n")
    rules = RulesFile(Settings(routes_config=str(file)))
    lines = ["servers:", *(f"  s{n}: http://10.0.{n // 250}.{n % 250}:80" for n in range(servers)), "aliases:"]
    lines += [f"  a{n}: {{instances: [s{n % servers}/m, s{(n + 1) % servers}/m]}}" for n in range(aliases)]
    file.write_text("\n".join(lines))
    collected: list[int] = []

    def note(phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            collected.append(info["generation"])

    async def reload() -> int:
        turns = 0
        gc.callbacks.append(note)
        try:
            work = asyncio.create_task(asyncio.to_thread(rules.poll))
            while not work.done():
                await asyncio.sleep(0.001)
                turns += 1
            assert await work
        finally:
            gc.callbacks.remove(note)
        return turns

    turns = asyncio.run(reload())
    assert len(rules.current.aliases) == aliases
    assert turns > 20  # it takes a fifth of a second, on a machine that does nothing else
    assert 0 in collected and 2 not in collected
