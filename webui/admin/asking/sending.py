"""What the dashboard sends to the router: a thread for each, which drains the answer and can be cancelled.

Nothing of it is needed to see an answer later: the router records it as any other. Here is only how far it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Literal

import httpx

MOST_AT_ONCE: Final = 8
MOST_KEPT: Final = 65_536  # bytes of an answer, to show how it begins
KEPT_SECONDS: Final = 600.0  # that what has ended is remembered
CONNECT_SECONDS: Final = 10.0
GET_SECONDS: Final = 10.0  # for what is only asked by the way
MOST_LISTED: Final = 4_000_000  # bytes of such an answer
SILENCE_SECONDS: Final = 1_800.0  # the router has deadlines of its own
KNOWN_WITHIN: Final = 0.4  # seconds until the router knows a new token, about
TRIES: Final = 25
STOP_SECONDS: Final = 5.0  # for those that run when the dashboard stops
REQUEST_ID: Final = "x-switchman-request-id"
ATTEMPTS: Final = "x-switchman-attempts"  # of an answer that a server gave

State = Literal["sending", "answering", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Method, path, head and body of a request to the router."""

    method: str
    path: str
    fields: tuple[tuple[str, str], ...]
    body: bytes


Get = Callable[[str], Awaitable[bytes | None]]
Prepares = Callable[[Get], Awaitable[Outgoing]]


class Full(Exception):
    """As many run as there may be."""


@dataclass(slots=True)
class Job:
    """One request. Times are monotonic seconds. `note` writes down what becomes of it; `then` is run once the answer is
    there, before it is over. `kind`: as its thread is called. `most_kept`: bytes of the answer; `deadline`: seconds for
    all of it, None for none.
    """

    id: str
    dialect: str | None
    operation: str | None
    note: Callable[..., None]
    then: Callable[[], None] = lambda: None
    kind: str = "again"
    most_kept: int = MOST_KEPT
    deadline: float | None = None
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    state: State = "sending"
    status: int | None = None
    received: int = 0
    kept: bytearray = field(default_factory=bytearray)
    request_id: str | None = None
    error: str | None = None
    cancel: Callable[[], object] | None = None
    stopping: bool = False
    ready: threading.Event = field(default_factory=threading.Event)  # it can be cancelled, or is over

    @property
    def is_over(self) -> bool:
        return self.ended is not None

    @property
    def seconds(self) -> float:
        return (self.ended or time.monotonic()) - self.began


class Sending:
    """The jobs of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._stopped = False

    def find(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    def start(self, job: Job, base: str, request: Outgoing | Prepares, token: tuple[str, bool] | None) -> None:
        """Send it. `base`: the router's address. `request`: or what makes it, with answers of the router to GET, None
        for none. `token`: to send with, and whether it is new. Raises Full.
        """
        with self._lock:
            now = time.monotonic()
            self._jobs = {
                name: one for name, one in self._jobs.items() if one.ended is None or now - one.ended < KEPT_SECONDS
            }
            self._threads = {name: one for name, one in self._threads.items() if one.is_alive()}
            if self._stopped or sum(not one.is_over for one in self._jobs.values()) >= MOST_AT_ONCE:
                raise Full
            self._jobs[job.id] = job
            run = threading.Thread(
                target=_run, args=(job, base, request, token), name=f"switchman {job.kind} {job.id}", daemon=True
            )
            run.start()
            self._threads[job.id] = run

    def cancel(self, job_id: str) -> bool:
        """Stop one that runs. False where none of that id does."""
        job = self._jobs.get(job_id)
        if job is None or job.is_over or job.cancel is None:
            return False
        job.cancel()
        return True

    def stop(self, patience: float = STOP_SECONDS) -> None:
        """End all that run, and wait until what became of them is written down: the database closes next."""
        end = time.monotonic() + patience
        with self._lock:
            self._stopped = True
            running = [(self._jobs[name], run) for name, run in self._threads.items() if run.is_alive()]
        for job, _ in running:
            if job.ready.wait(max(0.0, end - time.monotonic())) and not job.is_over and job.cancel is not None:
                job.stopping = True
                with contextlib.suppress(RuntimeError):  # its loop has just closed
                    job.cancel()
        for _, run in running:
            run.join(max(0.0, end - time.monotonic()))


def _run(job: Job, base: str, request: Outgoing | Prepares, token: tuple[str, bool] | None) -> None:
    try:
        asyncio.run(_main(job, base, request, token))
        job.then()
    except asyncio.CancelledError:
        job.state = "cancelled"
        job.error = "The dashboard stopped before all of it had come." if job.stopping else "It was cancelled."
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        what = str(error) or type(error).__name__
        job.state, job.error = "failed", f"The router did not answer to the end: {what[:300]}"
        if isinstance(error, TimeoutError) and job.deadline is not None:
            job.error = f"There was no whole answer within {job.deadline:g} seconds: it was given up."
    else:
        job.state = "done"
    try:
        if job.error is not None:
            job.note(error=job.error)
    finally:
        job.ended = time.monotonic()
        job.ready.set()


async def _main(job: Job, base: str, request: Outgoing | Prepares, token: tuple[str, bool] | None) -> None:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    job.cancel = lambda: loop.call_soon_threadsafe(task.cancel)
    job.ready.set()
    timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
    async with (
        asyncio.timeout(job.deadline),
        httpx.AsyncClient(trust_env=False, timeout=timeout, follow_redirects=False) as client,
    ):
        is_new = token is not None and token[1]
        if not isinstance(request, Outgoing):
            request = await request(lambda path: _get(client, _request(base, _getting(path), token), is_new))
        for left in reversed(range(TRIES)):
            if await _send(job, client, _request(base, request, token), may_be_unknown=is_new and left > 0):
                return
            await asyncio.sleep(KNOWN_WITHIN)


def _getting(path: str) -> Outgoing:
    return Outgoing("GET", path, (), b"")


async def _get(client: httpx.AsyncClient, request: httpx.Request, is_new: bool) -> bytes | None:
    """What the router answers, MOST_LISTED bytes at most; None where it does not, as soon as it should."""
    try:
        async with asyncio.timeout(GET_SECONDS):
            while True:
                answer = await client.send(request, stream=True)
                try:
                    if answer.status_code == 200:
                        return await _whole(answer)
                finally:
                    await answer.aclose()
                if not is_new or answer.status_code != 401:
                    return None
                await asyncio.sleep(KNOWN_WITHIN)
    except (httpx.HTTPError, OSError):
        return None


async def _whole(answer: httpx.Response) -> bytes | None:
    kept = bytearray()
    async for piece in answer.aiter_bytes():
        kept += piece
        if len(kept) > MOST_LISTED:
            return None
    return bytes(kept)


def _request(base: str, request: Outgoing, token: tuple[str, bool] | None) -> httpx.Request:
    fields = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in request.fields]
    if token is not None:
        fields.append((b"authorization", f"Bearer {token[0]}".encode()))
    url = httpx.URL(base).copy_with(raw_path=request.path.encode("utf-8", "surrogateescape"))
    return httpx.Request(request.method, url, headers=fields, content=request.body)


async def _send(job: Job, client: httpx.AsyncClient, request: httpx.Request, *, may_be_unknown: bool) -> bool:
    """Send it and drain the answer. False, and nothing told of it, where the router does not know our token yet: its
    refusal, by which no server was asked, is no answer. The last one is."""
    answer = await client.send(request, stream=True)
    try:
        if may_be_unknown and answer.status_code == 401 and ATTEMPTS not in answer.headers:
            return False
        job.status = answer.status_code
        if (given := answer.headers.get(REQUEST_ID)) is not None:
            job.request_id = given
            job.note(request_id=given)
        job.state = "answering"
        async for piece in answer.aiter_raw():
            job.received += len(piece)
            job.kept += piece[: job.most_kept - len(job.kept)]
    finally:
        await answer.aclose()
    return True
