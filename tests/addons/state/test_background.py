"""Background: long work beside the event loop."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from switchman.addons.state.background import THREADS, Background


def test_the_loop_goes_on_while_it_works() -> None:
    """The work waits for something that only the event loop can do, and gets it."""
    background, done = Background(), threading.Event()

    async def story() -> tuple[bool, int]:
        asyncio.get_running_loop().call_later(0.01, done.set)
        return await background.run(done.wait, 60), await background.run(max, 1, 2)

    assert asyncio.run(story()) == (True, 2)
    background.close()


def test_the_collector_rests_while_it_works() -> None:
    """And works again once all is done, also after an error."""
    background, both = Background(), threading.Barrier(2)

    def look() -> bool:
        both.wait(60)
        return gc.isenabled()

    async def story() -> list[bool]:
        return list(await asyncio.gather(background.run(look), background.run(look)))

    assert asyncio.run(story()) == [False, False] and gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        asyncio.run(background.run(lambda: 1 // 0))
    assert gc.isenabled()
    background.close()


def test_an_error_reaches_the_caller() -> None:
    """As if the function had been called in place."""
    background = Background()
    with pytest.raises(ZeroDivisionError):
        asyncio.run(background.run(lambda: 1 // 0))
    background.close()


def test_a_step_of_a_stream_waits_for_no_long_work() -> None:
    """Both threads of the long work are busy; the step lets them go on."""
    background, done = Background(), threading.Event()

    async def story() -> None:
        long = [asyncio.ensure_future(background.run(done.wait, 60)) for _ in range(THREADS)]
        await background.step(done.set)
        assert all(await asyncio.gather(*long))

    asyncio.run(story())
    background.close()
