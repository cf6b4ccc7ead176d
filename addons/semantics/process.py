"""The semantic process: `python -m switchman.addons.semantics.process --socket PATH --model FOLDER`.

One event loop serves the socket, one thread runs the model (engine.py). It says `ready` on stdout when it serves. With
--lifeline it ends when its stdin does, so that it never outlives the process that started it.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, TypeGuard

from switchman.addons.config.child import ignore_stop_signals, log_to_stderr, obey_supervisor, say_ready
from switchman.addons.semantics import wire
from switchman.addons.semantics.embedder import BACKENDS, open_embedder
from switchman.addons.semantics.engine import Busy, Engine, Late
from switchman.addons.semantics.manifest import NotPrepared

logger = logging.getLogger(__name__)

PATIENCE: Final = 10.0  # seconds for what has no deadline of its own: keeping and forgetting entries
BAD_START: Final = 2  # exit code
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

# What a message may hold: more than the router ever sends.
MOST_ID: Final = 2**63
MOST_SECONDS: Final = 1e12
MOST_NAME: Final = 256  # characters of a key, a scope, an entry, a digest
MOST_CHARACTERS: Final = 4 * wire.KEPT_CHARACTERS  # of a text
MOST_ENTRIES: Final = 100_000
MOST_CATEGORIES: Final = 1_000
MOST_UTTERANCES: Final = 20_000


class BadRequest(Exception):
    """The request lacks something that it needs."""


class Service:
    """Answers the requests of wire.py, for any number of connections."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connections: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it ends."""
        task = asyncio.current_task()
        assert task
        self._connections.add(task)
        try:
            if not wire.peer_is_ours(writer):
                raise wire.FrameError("another user is at its other end")
            while (message := await wire.read(reader)) is not None:
                self._take(message, writer)
                await writer.drain()  # who does not read its answers is not read from either
        except (OSError, wire.FrameError) as error:
            logger.info("A connection was given up: %s", error)
        except asyncio.CancelledError:
            pass  # the process ends
        finally:
            self._connections.discard(task)
            writer.close()

    async def hang_up(self) -> None:
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _take(self, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        number, arrived = message.get("id"), time.monotonic()
        if not wire.is_number(number, 0, MOST_ID):
            number = None

        def reply(answer: dict[str, Any]) -> None:
            if not writer.is_closing():
                writer.write(wire.encode({"id": number, **answer}))

        try:
            answer = self._answer(message, arrived)
        except BadRequest as error:
            reply({"error": str(error)})
        except Busy:
            reply({"error": "busy"})
        else:
            if isinstance(answer, dict):
                reply(answer)
            else:
                loop = asyncio.get_running_loop()
                answer.add_done_callback(lambda done: loop.call_soon_threadsafe(reply, _result(done)))

    def _answer(self, message: dict[str, Any], arrived: float) -> dict[str, Any] | Future[dict[str, Any]]:
        op = message.get("op")
        if op == "hello":
            embedder = self._engine.embedder
            return {"model": embedder.model, "dimensions": embedder.dimensions, "languages": list(embedder.languages)}
        if op == "categories":
            return {"known": self._engine.prepare(_text(message, "digest"), _categories(message))}
        if op == "ask":
            return self._ask(message, arrived)
        if op == "remember":
            key, scope, entry = (_text(message, name) for name in ("key", "scope", "entry"))
            return self._engine.submit(lambda: self._remember(key, scope, entry), arrived + PATIENCE)
        if op == "forget":
            entries = message.get("entries")
            if not isinstance(entries, list) or len(entries) > MOST_ENTRIES or not all(map(_is_name, entries)):
                raise BadRequest("entries: expected a list of ids")
            forget = self._engine.index.forget
            return self._engine.submit(lambda: {"forgotten": forget(entries)}, arrived + PATIENCE)
        raise BadRequest(f"unknown op {op!r}")

    def _ask(self, message: dict[str, Any], arrived: float) -> Future[dict[str, Any]]:
        text, until = _text(message, "text"), message.get("until")
        digest, scope = message.get("categories"), message.get("scope")
        if not wire.is_number(until, 0, MOST_SECONDS):
            raise BadRequest("until: expected monotonic seconds")
        if not all(name in (None, "") or _is_name(name) for name in (digest, scope)):
            raise BadRequest("categories, scope: expected text, or nothing")
        if len(text) > MOST_CHARACTERS:
            raise BadRequest(f"text: expected at most {MOST_CHARACTERS} characters")

        def work() -> dict[str, Any]:
            key, vector = self._engine.vector(text)
            index = self._engine.categories(digest) if digest else None
            return {
                "key": key,
                "routes": index.shares(vector) if index else [],
                "neighbours": self._engine.index.nearest(scope, vector) if scope else [],
                "ms": round((time.monotonic() - arrived) * 1000, 3),
            }

        return self._engine.submit(work, min(float(until), arrived + PATIENCE))

    def _remember(self, key: str, scope: str, entry: str) -> dict[str, Any]:
        vector = self._engine.kept(key)
        if vector is None:
            return {"kept": False}
        self._engine.index.add(scope, entry, vector)
        return {"kept": True}


def _result(done: Future[dict[str, Any]]) -> dict[str, Any]:
    if done.cancelled():
        return {"error": "stopping"}
    error = done.exception()
    if error is None:
        return done.result()
    return {"error": "late" if isinstance(error, Late) else type(error).__name__}


def _text(message: dict[str, Any], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str) or not value or (name != "text" and not _is_name(value)):
        raise BadRequest(f"{name}: expected text")
    return value


def _is_name(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= MOST_NAME


def _categories(message: dict[str, Any]) -> dict[str, list[str]]:
    value = message.get("categories")
    if not isinstance(value, dict):
        raise BadRequest("categories: expected names and utterances")
    for texts in value.values():
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise BadRequest("categories: expected names and utterances")
    if len(value) > MOST_CATEGORIES or sum(map(len, value.values())) > MOST_UTTERANCES:
        raise BadRequest(f"categories: at most {MOST_CATEGORIES}, with {MOST_UTTERANCES} utterances together")
    return value


async def _run(engine: Engine, socket: Path, ready: Callable[[], None]) -> None:
    service = Service(engine)
    server = await asyncio.start_unix_server(service.serve, str(socket))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    ready()
    await stop.wait()
    server.close()
    await service.hang_up()
    await asyncio.to_thread(engine.stop)  # while the loop is there: what the engine still does ends with a call of it
    ignore_stop_signals(loop, *STOP_SIGNALS)


def make_private(folder: Path) -> None:
    """Make the folder, for its owner only. Raises PermissionError where it is not ours alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    wire.check_private(folder)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(prog="switchman.addons.semantics.process", description=__doc__)
    arguments.add_argument("--socket", type=Path, required=True, help="where to listen, in a folder of mode 0700")
    arguments.add_argument("--model", required=True, help="folder of a prepared model; or as the backend wants it")
    arguments.add_argument("--backend", choices=BACKENDS, default="onnx")
    arguments.add_argument("--threads", type=int, default=1, help="threads of the model")
    arguments.add_argument("--state", type=Path, help="folder for what shall survive a restart")
    arguments.add_argument("--lifeline", action="store_true", help="end when stdin ends")
    args = arguments.parse_args(argv)
    log_to_stderr("semantics")
    if args.lifeline:
        obey_supervisor()
    try:
        make_private(args.socket.parent)
        if args.state is not None:
            make_private(args.state)
        embedder = open_embedder(args.backend, args.model, args.threads)
        embedder.embed(["ready"])  # the first one is slow: it lays out the memory
    except (NotPrepared, ImportError, OSError) as error:
        logger.error("The semantic process cannot start: %s", error)
        return BAD_START
    engine = Engine(embedder, args.state)
    try:
        asyncio.run(_run(engine, args.socket, say_ready))
    finally:
        engine.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
