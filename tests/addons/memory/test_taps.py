"""Taps: a connection is read on while nothing speaks against it."""

from __future__ import annotations

import asyncio

from mitmproxy.test import tflow

from switchman.addons.memory.taps import Tap, TappedReader, tap_of


def test_a_tap_has_several_reasons_to_be_shut() -> None:
    """It opens when the last of them is taken back."""
    tap = Tap()
    assert tap.is_open
    tap.shut("ahead")
    tap.shut("room")
    tap.open("room")
    assert not tap.is_open
    tap.open("ahead")
    tap.open("ahead")
    assert tap.is_open


def test_a_shut_tap_lets_nothing_through() -> None:
    """What has come stays in the reader until it is open."""
    asyncio.run(shut_and_open())


async def shut_and_open() -> None:
    reader, tap = asyncio.StreamReader(), Tap()
    reader.feed_data(b"one")
    tapped = TappedReader(reader, tap)
    assert await tapped.read(10) == b"one"
    tap.shut("room")
    reader.feed_data(b"two")
    reading = asyncio.create_task(tapped.read(10))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not reading.done() and not tapped.at_eof()
    tap.open("room")
    assert await reading == b"two"


def test_nothing_is_read_in_the_first_turn() -> None:
    """Whoever starts the reading is told first that it runs, also where all is here already, and tasks are eager."""
    asyncio.run(read_at_once())


async def read_at_once() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b"one")
    reader.feed_eof()
    tapped = TappedReader(reader, Tap())
    reading = asyncio.eager_task_factory(asyncio.get_running_loop(), tapped.read(10))
    assert not reading.done()
    assert await reading == b"one"
    assert asyncio.eager_task_factory(asyncio.get_running_loop(), tapped.read(10)).done()


def test_a_connection_has_one_tap() -> None:
    """Which mitmproxy does not save with it."""
    client = tflow.tclient_conn()
    assert tap_of(client) is tap_of(client) is not tap_of(tflow.tclient_conn())
    assert "switchman_tap" not in client.get_state()
