"""The proxy's side of the semantic process, against the real one, and against ones that are slow, mad or gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.semantics import wire
from switchman.addons.semantics.client import SemanticAnswer, SemanticClient

CATEGORIES = {
    "cooking": ["How do I bake bread?", "A recipe for lentil soup, please.", "How long do eggs have to boil?"],
    "travel": ["Which train goes to Vienna?", "Find me a cheap hotel in Porto.", "Do I need a visa for Japan?"],
}
PATIENCE = 30.0
LONG = 20.0  # seconds: a deadline that is not what is tested


async def eventually[T](what: Callable[[], Awaitable[T]]) -> T:
    """The first true answer."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await what()):
            await asyncio.sleep(0.02)
        return found


async def ask(client: SemanticClient, text: str, scope: str | None = None, route: bool = False) -> SemanticAnswer:
    async def once() -> SemanticAnswer | None:
        found = await client.ask(text, language="en", route=route, scope=scope, deadline=LONG)
        return found if found is not None and (found.routes or not route) else None

    found = await eventually(once)
    assert found is not None
    return found


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(2 * PATIENCE):
            await work()

    asyncio.run(bounded())


def test_an_ask_comes_back_with_the_nearest_category(start: Any) -> None:
    """The shares of the categories add up to 1, the likeliest first."""

    async def work() -> None:
        client = SemanticClient.at(start().socket)
        client.use_categories(CATEGORIES)
        answer = await ask(client, "What can I cook with potatoes and leek?", route=True)
        assert answer.routes[0][0] == "cooking"
        assert sum(share for _, share in answer.routes) == pytest.approx(1, abs=1e-3)
        assert client.status().state == "ready" and client.status().languages == ("en",)
        await client.close()

    run(work)


def test_categories_can_be_changed_at_any_time(start: Any) -> None:
    """New rules bring new categories: the old ones are not answered with."""

    async def work() -> None:
        client = SemanticClient.at(start().socket)
        client.use_categories(CATEGORIES)
        await ask(client, "a cake", route=True)
        client.use_categories({"dogs": ["My dog barks."], "cats": ["My cat purrs."]})
        answer = await ask(client, "The puppy does not eat.", route=True)
        assert [name for name, _ in answer.routes] == ["dogs", "cats"]
        await client.close()

    run(work)


def test_what_was_remembered_is_a_neighbour_in_its_scope_only(start: Any) -> None:
    """Scopes are callers and settings: one never sees the entries of another."""

    async def work() -> None:
        client = SemanticClient.at(start().socket)
        first = await ask(client, "How tall is the Eiffel tower?", scope="mine")
        assert first.neighbours == ()
        await client.remember(first.key, "mine", "entry-1")
        mine = await ask(client, "What is the height of the Eiffel tower?", scope="mine")
        assert mine.neighbours[0][0] == "entry-1" and mine.neighbours[0][1] > 0.9
        assert (await ask(client, "How tall is the Eiffel tower?", scope="yours")).neighbours == ()
        await client.forget(["entry-1"])
        assert (await ask(client, "How tall is the Eiffel tower?", scope="mine")).neighbours == ()
        await client.close()

    run(work)


def test_two_workers_share_one_process(start: Any) -> None:
    """What one proxy process puts into the index, another one finds."""

    async def work() -> None:
        socket = start().socket
        one, other = SemanticClient.at(socket), SemanticClient.at(socket)
        answer = await ask(one, "Who wrote Faust?", scope="all")
        await one.remember(answer.key, "all", "faust")
        answers = await asyncio.gather(*(ask(other, f"Who wrote Faust{'?' * n}", scope="all") for n in range(1, 9)))
        assert {found.neighbours[0][0] for found in answers} == {"faust"}
        await asyncio.gather(one.close(), other.close())

    run(work)


def test_a_language_the_model_does_not_know_is_not_asked_about(start: Any) -> None:
    """MiniLM has never seen Chinese: its vectors would be noise."""

    async def work() -> None:
        client = SemanticClient.at(start().socket)
        assert await client.ask("今天天气怎么样？", language="zh", route=False, scope="s", deadline=LONG) is None
        assert not client.speaks("zh") and client.speaks("en")
        await client.close()

    run(work)


def test_a_process_that_was_killed_is_none_and_is_found_again(start: Any, tmp_path: Path) -> None:
    """Down: None at once. Back: the same client, the same categories, and the index of before."""

    async def work() -> None:
        state = tmp_path / "state"
        state.mkdir(mode=0o700)
        running = start(state)
        client = SemanticClient.at(running.socket)
        client.use_categories(CATEGORIES)
        answer = await ask(client, "A room for two nights", scope="s", route=True)
        await client.remember(answer.key, "s", "room")
        running.lost()

        async def down() -> bool:
            return await client.ask("anything", language="en", route=True, scope="s", deadline=LONG) is None

        await eventually(down)
        assert client.status().state == "down"
        start(state)
        again = await ask(client, "A room for two nights", scope="s", route=True)
        assert again.routes[0][0] == "travel"
        assert again.neighbours[0][0] == "room"
        await client.close()

    run(work)


def test_a_router_without_embeddings_never_waits() -> None:
    """Off is None, and says why."""

    async def work() -> None:
        client = SemanticClient(None, "no prepared model")
        assert await client.ask("hello", language="en", route=True, scope="s") is None
        await client.remember("key", "s", "entry")
        await client.warm()
        assert str(client.status()) == "off: no prepared model"

    run(work)


Answer = Callable[[dict[str, Any]], bytes | None]


async def fake(socket: Path, answer: Answer) -> asyncio.Server:
    """A process that greets as it should, and answers asks as told: bytes, or not at all."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (message := await wire.read(reader)) is not None:
            if message["op"] == "hello":
                writer.write(wire.encode({"id": message["id"], "model": "fake", "languages": []}))
            elif (data := answer(message)) is not None:
                writer.write(data)
        writer.close()

    return await asyncio.start_unix_server(serve, str(socket))


def test_a_slow_process_costs_the_deadline_and_no_more(private: Path) -> None:
    """An answer that never comes is None; the next request is not held up by it."""

    async def work() -> None:
        server = await fake(private / "s", lambda message: None)
        client = SemanticClient.at(private / "s")
        await client.warm()
        before = time.monotonic()
        answers = await asyncio.gather(
            *(client.ask("x", language="en", route=False, scope=None, deadline=0.05) for _ in range(20))
        )
        assert answers == [None] * 20
        assert time.monotonic() - before < 5  # twenty in a row would be at least one second, and PATIENCE is far off
        await client.close()
        server.close()

    run(work)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"key": 7, "routes": [], "neighbours": [], "ms": 1},
        {"key": "k", "routes": [["coding", "very"]], "neighbours": [], "ms": 1},
        {"key": "k", "routes": [], "neighbours": [["entry", 40.0]], "ms": 1},
        {"key": "k", "routes": None, "neighbours": [], "ms": 1},
        {"error": "busy"},
    ],
)
def test_an_answer_in_another_form_is_none(private: Path, fields: dict[str, Any]) -> None:
    """Nonsense is not passed on, and does not break what comes after it."""

    async def work() -> None:
        replies: list[dict[str, Any]] = [fields, {"key": "k", "routes": [], "neighbours": [], "ms": 1.5}]
        server = await fake(private / "s", lambda message: wire.encode({"id": message["id"], **replies.pop(0)}))
        client = SemanticClient.at(private / "s")
        assert await client.ask("x", language="en", route=False, scope=None, deadline=LONG) is None
        good = await client.ask("x", language="en", route=False, scope=None, deadline=LONG)
        assert good == SemanticAnswer("k", (), (), 1.5)
        await client.close()
        server.close()

    run(work)


@pytest.mark.parametrize(
    "data", [b"\xff\xff\xff\xff", (5).to_bytes(4, "big") + b"hello", (2).to_bytes(4, "big") + b"[]", b""]
)
def test_bytes_that_are_no_frame_end_the_connection_and_are_none(private: Path, data: bytes) -> None:
    """The client hangs up, so that nothing of a broken stream is taken for an answer. No bytes: the other hung up."""

    async def work() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            hello = await wire.read(reader)
            assert hello
            writer.write(wire.encode({"id": hello["id"], "model": "mad", "languages": []}))
            await wire.read(reader)
            writer.write(data)
            writer.close()

        server = await asyncio.start_unix_server(serve, str(private / "s"))
        client = SemanticClient.at(private / "s")
        before = time.monotonic()
        assert await client.ask("x", language="en", route=False, scope=None, deadline=LONG) is None
        assert time.monotonic() - before < LONG
        await client.close()
        server.close()

    run(work)


def test_nobody_listens_is_none(private: Path) -> None:
    """A socket that is not there, as before the process has started."""

    async def work() -> None:
        client = SemanticClient.at(private / "nothing")
        assert await client.ask("x", language="en", route=False, scope=None, deadline=LONG) is None
        assert client.status().state == "down"
        await client.close()

    run(work)
