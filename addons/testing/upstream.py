"""FakeUpstream: a real HTTP/1.1 server on a real socket. It speaks a dialect strictly, and fails on request.

with FakeUpstream("ollama", models=["llama3"]) as up:
    up.script([Behaviour(status=503), Behaviour(cut_after=2)])  # the next two inference requests, then `up.default`
    ... up.url ...
    assert up.requests[0].json()["model"] == "llama3"
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import ssl
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from threading import Condition, Thread
from typing import Any, Self
from weakref import WeakSet

from switchman.addons.testing import anthropic_side, ollama_side, openai_side
from switchman.addons.testing.behaviour import Answer, Behaviour, Dialect, Identity, ParsedRequest, Rejected, json_bytes
from switchman.addons.testing.wire import (
    HEAD_LIMIT,
    TURNS,
    Connection,
    HungUp,
    Received,
    Reply,
    note_departure,
    parse_head,
    read_body,
    read_head,
    reset,
    stop_accepting,
)  # fmt: skip

SIDES: dict[Dialect, Any] = {"openai": openai_side, "ollama": ollama_side, "anthropic": anthropic_side}
logger = logging.getLogger(__name__)


class FakeUpstream:
    """A fake LLM server; a context manager, or start() and stop(). Its knobs may be turned while it runs.

    `default` answers POST requests and `listing` all others; `paths` overrides both for one path. `script()` goes
    before all three. A model that is not listed is accepted unless `only_listed`.
    """

    def __init__(
        self,
        dialect: Dialect = "openai",
        default: Behaviour | None = None,
        *,
        name: str = "fake",
        models: Iterable[str] = ("fake-model",),
        only_listed: bool = False,
        missing: Iterable[str] = (),
        api_key: str | None = None,
        reject_unknown: bool = False,
        openai_compat: bool = False,
        fail_every: int = 0,
        failure: Behaviour | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        keep: bool = True,
    ):
        self.dialect, self.name, self.host, self.port, self.tls = dialect, name, host, port, tls
        self.default = default or Behaviour()
        self.listing = Behaviour()
        self.paths: dict[str, Behaviour] = {}
        self.models, self.only_listed, self.missing = tuple(models), only_listed, frozenset(missing)
        self.api_key, self.reject_unknown = api_key, reject_unknown
        self.openai_compat = openai_compat  # an Ollama that also serves /v1, as the real one does
        self.fail_every = fail_every  # every Nth inference request gets `failure`; 0: none
        self.failure = failure or Behaviour(status=500, message="this upstream fails now and then, on purpose")
        self.keep = keep  # False: requests are counted but not kept, for runs that last
        self.requests: list[Received] = []
        self.connections = 0  # opened so far
        self._scripts: dict[str | None, deque[Behaviour]] = {}
        self._asked = itertools.count(1)
        self._inferences = 0
        self._changed = Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._stopping: asyncio.Event | None = None

    # Life

    @property
    def url(self) -> str:
        """The base URL, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def start(self) -> Self:
        """Returns when the port is open; OSError if it cannot be. After stop() it starts again on the same port."""
        ready: list[OSError] = []
        self._thread = Thread(target=self._run, args=(ready,), name=f"upstream-{self.name}", daemon=True)
        with self._changed:
            self._thread.start()
            self._changed.wait_for(lambda: self._stopping is not None or bool(ready))
        if ready:
            self._thread.join()
            raise ready[0]
        return self

    def stop(self) -> None:
        """Ends all connections and closes the port."""
        if self._thread is None or self._loop is None or self._stopping is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = self._loop = self._stopping = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # Knobs and observations

    def script(self, behaviours: Iterable[Behaviour], path: str | None = None) -> None:
        """Queues behaviours for the next inference requests (POST), or for the next requests to `path`."""
        with self._changed:
            self._scripts.setdefault(path, deque()).extend(behaviours)

    def wait_for(self, condition: Callable[[], bool], timeout: float = 10.0) -> None:
        """Waits until the condition holds; looks whenever a request comes or goes. TimeoutError if it never does."""
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                seen = [f"{r.method} {r.target}" for r in self.requests]
                raise TimeoutError(f"not within {timeout} s; requests so far: {seen}")

    def wait_requests(self, count: int, timeout: float = 10.0) -> list[Received]:
        """Waits until so many requests have come (bodies read), and returns all there are."""
        self.wait_for(lambda: len(self.requests) >= count, timeout)
        return list(self.requests)

    @property
    def inferences(self) -> list[Received]:
        """The POST requests: all but model lists and other questions."""
        return [r for r in self.requests if r.method == "POST"]

    def heard(self, mark: str) -> list[Received]:
        """The requests with this text in their target or body. One that nobody else uses tells a test's own requests
        from those of others that come late: a browser's for an icon, the router's own for a list of models.
        """
        return [r for r in self.requests if mark in r.target or mark.encode() in r.body]

    # The server, in its own thread

    def _run(self, failed: list[OSError]) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            with self._changed:
                failed.append(error)
                self._changed.notify_all()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        handlers: set[asyncio.Task[None]] = set()
        transports: WeakSet[asyncio.WriteTransport] = WeakSet()

        def connected() -> Connection:
            reader = asyncio.StreamReader(limit=HEAD_LIMIT, loop=loop)
            protocol: Connection

            def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = loop.create_task(self._connection(reader, writer, protocol))
                handlers.add(task)
                transports.add(writer.transport)
                task.add_done_callback(handlers.discard)

            protocol = Connection(reader, begin, loop=loop)
            return protocol

        server = await loop.create_server(connected, self.host, self.port, ssl=self.tls, reuse_address=True)
        self.port = server.sockets[0].getsockname()[1]
        stopping = asyncio.Event()
        with self._changed:
            self._loop, self._stopping = loop, stopping
            self._changed.notify_all()
        await stopping.wait()
        await stop_accepting(server)
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        for transport in transports:  # a handler that had not begun has closed nothing
            transport.abort()
        if sys.version_info >= (3, 13):  # connections whose TLS handshake was not over: no handler knows of them
            server.abort_clients()
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def _connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, protocol: Connection
    ) -> None:
        self.connections += 1
        number, idle = self.connections, None
        hard = True
        try:
            while last := await self._request(reader, writer, protocol.gone, number, idle):
                idle = last.close_idle_after
            hard = False
        except HungUp as end:
            hard = end.reset
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            hard = False  # the client left, or was idle for too long
        except (asyncio.LimitOverrunError, ValueError) as error:
            hard = False
            logger.warning("%s: not an HTTP request: %r", self.name, error)
            writer.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        finally:
            if hard:
                reset(writer)
            else:
                writer.close()

    async def _request(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        gone: asyncio.Event,
        connection: int,
        idle: float | None,
    ) -> Behaviour | None:
        """Answers one request, which has to begin within `idle` seconds. None when the connection is to be closed."""
        async with asyncio.timeout(idle):
            head = await read_head(reader)
        if head is None:
            return None
        method, target, headers = parse_head(head)
        if any(name.lower() == b"expect" for name, _ in headers):
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await read_body(reader, headers)
        request = Received(method, target, headers, body, head, connection, next(self._asked), time.monotonic())
        how = self._choose(request)
        if self.keep:
            self.requests.append(request)
        self._notify()
        try:
            return how if await self._answer(writer, gone, request, how) else None
        except (HungUp, asyncio.CancelledError):
            request.finished.set()  # there will be no more of this reply, and it is not the client that ended it
            raise
        finally:
            if not request.finished.is_set():
                note_departure(request)
            self._notify()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _choose(self, request: Received) -> Behaviour:
        inference = request.method == "POST"
        self._inferences += inference
        with self._changed:
            for key in (request.path, None) if inference else (request.path,):
                if queue := self._scripts.get(key):
                    return queue.popleft()
        if inference and self.fail_every and self._inferences % self.fail_every == 0:
            return self.failure
        return self.paths.get(request.path) or (self.default if inference else self.listing)

    async def _answer(
        self, writer: asyncio.StreamWriter, gone: asyncio.Event, request: Received, how: Behaviour
    ) -> bool:
        """Sends the reply. False when the connection is to be closed after it."""
        reply = Reply(writer, gone, how, self._speak(request, how), request.method == "HEAD")
        if how.latency:
            await reply.pause(how.latency)
        if how.reset or how.hang_up:
            raise HungUp(how.reset)
        if how.never_answer:
            await reply.stall()
        await reply.send()
        request.finished.set()
        return not (reply.closes or how.close_after_reply or (request.header("connection") or "").lower() == "close")

    def _speak(self, request: Received, how: Behaviour) -> Answer:
        compat = self.dialect == "ollama" and self.openai_compat and request.path.startswith("/v1/")
        side = SIDES["openai" if compat else self.dialect]
        if how.body is not None:
            kind = "text/plain; charset=utf-8" if isinstance(how.body, str | bytes) else "application/json"
            body = how.body.encode() if isinstance(how.body, str) else how.body
            return Answer(how.status, kind, body if isinstance(body, bytes) else json_bytes(body))
        if how.status >= 400:
            message = how.message or f"{self.name} answers {how.status}, as it was told to"
            return Answer(how.status, body=side.error_body(how.status, message))
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers}
        parsed = ParsedRequest(request.method, request.path, request.query, headers, request.body, request.number)
        who = Identity(self.name, self.models, self.only_listed, self.missing, self.api_key, self.reject_unknown)
        try:
            answer: Answer = side.speak(parsed, how, who)
        except Rejected as no:
            body = side.error_body(no.status, no.message, type=no.type, param=no.param, code=no.code)
            return Answer(no.status, body=body)
        return _spoilt(answer, how, side.stream_error)


def _spoilt(answer: Answer, how: Behaviour, stream_error: Callable[[str, str], bytes]) -> Answer:
    """The answer with its events replaced, ended early by an error event, or made unreadable."""
    if answer.status >= 400:
        return answer
    if answer.events is None:
        return replace(
            answer, status=how.status, body=answer.body[: len(answer.body) // 2] if how.malformed else answer.body
        )
    events: Iterable[bytes] = how.events if how.events is not None else answer.events
    if how.error_after is not None:
        message = how.message or "the model has stopped, as it was told to"
        events = itertools.chain(itertools.islice(events, how.error_after), [stream_error(message, how.line_ending)])
    if how.malformed:
        events = (event[: len(event) // 2] + event.lstrip()[-2:] for event in events)
    return replace(answer, status=how.status, events=events)
