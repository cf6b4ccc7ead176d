"""SemanticClient: the proxy's side of the semantic process. Every failure is None, in time.

One connection per proxy process, made on first use and again after it broke. Nothing here waits longer than the
deadline it was given, and while the process is known to be down nothing waits at all. No numpy, no model.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from switchman.addons.semantics import wire

logger = logging.getLogger(__name__)

DEADLINE: Final = 0.055  # seconds: DESIGN section 7
CONNECT_PATIENCE: Final = 10.0  # seconds for a process that may have to be started first
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds between two tries to connect
MAX_TEXT: Final = 500  # characters of a name that the process gives
MOST_PAIRS: Final = 2_000  # categories or entries of an answer
MOST_MS: Final = 1e9
CATEGORIES_PATIENCE: Final = 0.25  # seconds until vectors that were not ready are asked for again

Find = Callable[[], Awaitable[Path | None]]  # where the process listens (it may be started for this); None: nowhere
End = Callable[[], Awaitable[None]]
State = Literal["off", "idle", "ready", "down"]


@dataclass(frozen=True, slots=True)
class SemanticAnswer:
    """What the process says of one text.

    `key` names the text's vector, which the process keeps for an hour at most, for `remember`. `routes`: category and
    score (0 to 1, best first), empty unless asked for, or while the categories' vectors are being made. `neighbours`:
    the entries of the scope and their cosine (best first). `elapsed_ms`: the process's own time, queueing included.
    """

    key: str
    routes: tuple[tuple[str, float], ...]
    neighbours: tuple[tuple[str, float], ...]
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class SemanticStatus:
    """`off`: there is no model to run. `idle`: not asked for yet. `languages`: ISO 639-1 codes; () means any."""

    state: State
    detail: str
    model: str = ""
    languages: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.state}: {self.detail}" if self.detail else self.state


@dataclass(frozen=True, slots=True)
class CategorySet:
    """Utterances by category, with the digest that names them on the wire."""

    utterances: Mapping[str, Sequence[str]]
    digest: str

    @classmethod
    def of(cls, utterances: Mapping[str, Sequence[str]]) -> CategorySet:
        text = json.dumps({name: list(said) for name, said in utterances.items()}, ensure_ascii=True, sort_keys=True)
        return cls(utterances, hashlib.sha256(text.encode("ascii")).hexdigest())


class SemanticClient:
    """Asks the semantic process. All methods belong to one event loop; none of them raises.

    `find` None stands for a router without embeddings: every answer is None, and `why_off` says why. `end` is awaited
    by `close`: it ends a process that `find` started.
    """

    def __init__(self, find: Find | None, why_off: str = "", end: End | None = None) -> None:
        self._find = find
        self._end = end
        self._why = why_off
        self._link: _Link | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._pause = FIRST_PAUSE
        self._retry_at = 0.0  # monotonic seconds; before that the process counts as down
        self._categories: CategorySet | None = None
        self._ask_again_at = 0.0
        self._categories_known = False

    @classmethod
    def at(cls, socket: Path) -> SemanticClient:
        """A client of the process that listens on `socket`."""

        async def find() -> Path:
            return socket

        return cls(find)

    def use_categories(self, utterances: Mapping[str, Sequence[str]]) -> None:
        """The categories that `route=True` asks about from now on; their vectors are made in the background."""
        chosen = CategorySet.of(utterances) if utterances else None
        if (chosen and chosen.digest) != (self._categories and self._categories.digest):
            self._categories, self._categories_known, self._ask_again_at = chosen, False, 0.0

    def speaks(self, language: str) -> bool:
        """Whether the model knows a language, as far as it has said what it knows; "und" counts as known."""
        languages = self._link.languages if self._link else ()
        return not languages or language == "und" or language in languages

    @property
    def prepared(self) -> bool:
        """Connected, and with the categories' vectors ready, as far as there are categories."""
        return self._link is not None and self._link.alive and (self._categories_known or self._categories is None)

    async def lost(self) -> None:
        """Return when the connection there is now is lost; at once where there is none."""
        if self._link is not None:
            await self._link.lost()

    async def warm(self) -> None:
        """Connect, hand over the categories, and wait until their vectors are ready, so that the first request need
        not; but not for ever.
        """
        if self._find is None:
            return
        try:
            async with asyncio.timeout(CONNECT_PATIENCE):
                while (link := await self._connected()) is not None:
                    await self._hand_over(link)
                    if self.prepared:
                        return
                    await asyncio.sleep(CATEGORIES_PATIENCE)
        except (TimeoutError, OSError) as error:
            logger.info("The semantic process is not ready yet: %s", str(error) or "too slow")

    async def ask(
        self, text: str, *, language: str, route: bool, scope: str | None, deadline: float = DEADLINE
    ) -> SemanticAnswer | None:
        """The nearest categories (`route`) and cache entries (`scope`) to a text. None: off, slow, down, or a
        language that the model does not know. `deadline` is in seconds from now.
        """
        if self._find is None or not text or text.isspace() or not self.speaks(language):
            return None
        until = time.monotonic() + deadline
        try:
            async with asyncio.timeout(deadline):
                link = await self._connected()
                if link is None or not self.speaks(language):
                    return None
                digest = await self._hand_over(link) if route else None
                reply = await link.call("ask", text=wire.shorten(text), until=until, categories=digest, scope=scope)
                return _answer(reply)
        except (TimeoutError, OSError):
            return None

    async def remember(self, key: str, scope: str, entry_id: str) -> None:
        """Put the vector that `key` names into a scope's index as `entry_id`. Lost if the process has forgotten it."""
        await self._tell("remember", key=key, scope=scope, entry=entry_id)

    async def forget(self, entry_ids: Iterable[str]) -> None:
        """Take entries out of the index."""
        if entries := list(entry_ids):
            await self._tell("forget", entries=entries)

    def status(self) -> SemanticStatus:
        """The state of the connection, for /readyz and the line at the start."""
        if self._find is None:
            return SemanticStatus("off", self._why)
        if self._link is not None:
            if self._link.alive:
                return SemanticStatus("ready", "", self._link.model, self._link.languages)
            return SemanticStatus("down", self._why or "the connection to the semantic process was lost")
        return SemanticStatus("down" if self._why else "idle", self._why)

    async def close(self) -> None:
        """Close the connection. The client may be used again, and then connects anew."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self._link is not None:
            link, self._link = self._link, None
            await link.close()
        if self._end is not None:
            await self._end()

    async def _tell(self, op: str, **said: Any) -> None:
        if self._find is None:
            return
        try:
            async with asyncio.timeout(CONNECT_PATIENCE):
                if (link := await self._connected()) is not None:
                    await link.call(op, **said)
        except (TimeoutError, OSError) as error:
            logger.debug("The semantic process was not told to %s: %s", op, error)

    async def _connected(self) -> _Link | None:
        """The connection, waiting for one that is being made. None while the process counts as down."""
        if self._link is not None and self._link.alive:
            return self._link
        self._link = None
        if self._connecting is None or self._connecting.done():
            if time.monotonic() < self._retry_at:
                return None
            self._connecting = asyncio.create_task(self._connect(), name="switchman semantics")
        await asyncio.shield(self._connecting)  # a request that gives up does not stop the others' connection
        return self._link

    async def _connect(self) -> None:
        assert self._find is not None
        try:
            async with asyncio.timeout(CONNECT_PATIENCE):
                socket = await self._find()
                if socket is None:
                    raise OSError("it could not be started")
                link = await _Link.open(socket)
        except (OSError, TimeoutError, wire.FrameError) as error:
            self._retry_at = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            self._note(f"the semantic process does not answer ({str(error) or 'too slow'})")
            return
        if self._why:
            logger.info("The semantic process answers again.")
        self._link, self._pause, self._why = link, FIRST_PAUSE, ""
        self._categories_known, self._ask_again_at = False, 0.0

    def _note(self, why: str) -> None:
        if self._why != why:
            logger.warning("Semantic layers are off for now: %s", why)
        self._why = why

    async def _hand_over(self, link: _Link) -> str | None:
        """The digest of the categories, once the process has their vectors; until then None, and it is asked again."""
        if (chosen := self._categories) is None:
            return None
        if not self._categories_known and time.monotonic() >= self._ask_again_at:
            self._ask_again_at = time.monotonic() + CATEGORIES_PATIENCE
            known = await link.call("categories", digest=chosen.digest, categories=_plain(chosen.utterances))
            self._categories_known = known.get("known") is True and chosen is self._categories
        return chosen.digest if self._categories_known else None


class _Link:
    """One connection: sends requests, and gives each answer to who waits for it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.model = ""
        self.languages: tuple[str, ...] = ()
        self.alive = True
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._ids = itertools.count()
        self._listening = asyncio.create_task(self._listen(reader), name="switchman semantics listener")

    @classmethod
    async def open(cls, socket: Path) -> _Link:
        wire.check_private(socket.parent)
        reader, writer = await asyncio.open_unix_connection(str(socket))
        if not wire.peer_is_ours(writer):
            writer.close()
            raise PermissionError(f"another user listens on {socket}")
        link = cls(reader, writer)
        try:
            hello = await link.call("hello")
        except BaseException:
            await link.close()
            raise
        link.model = str(hello.get("model", ""))[:MAX_TEXT]
        languages = hello.get("languages")
        link.languages = tuple(str(code)[:16] for code in languages[:200]) if isinstance(languages, list) else ()
        return link

    async def call(self, op: str, **said: Any) -> dict[str, Any]:
        """Raises OSError when the connection is lost, or the process refuses."""
        if not self.alive:
            raise ConnectionError("the connection is lost")
        number = next(self._ids)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._writer.write(wire.encode({"id": number, "op": op, **said}))
            reply: dict[str, Any] = await waiting
        except wire.FrameError as error:
            raise OSError(str(error)) from error
        finally:
            self._waiting.pop(number, None)
        if "error" in reply:
            raise OSError(f"it refused {op}: {reply['error']}")
        return reply

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        why = "the connection was closed"
        try:
            while (message := await wire.read(reader)) is not None:
                number = message.get("id")
                waiting = self._waiting.get(number) if isinstance(number, int) else None
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
        except (OSError, wire.FrameError) as error:
            why = str(error)
        finally:
            self.alive = False
            self._writer.close()
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(ConnectionError(why))

    async def lost(self) -> None:
        await asyncio.wait([self._listening])

    async def close(self) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)


def _plain(utterances: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {name: list(said) for name, said in utterances.items()}


def _answer(reply: Mapping[str, Any]) -> SemanticAnswer | None:
    """None for an answer that is not in the agreed form: a process of another version, or a broken one."""
    key, elapsed = reply.get("key"), reply.get("ms")
    routes, neighbours = _pairs(reply.get("routes")), _pairs(reply.get("neighbours"))
    if (
        not isinstance(key, str)
        or len(key) > MAX_TEXT
        or not wire.is_number(elapsed, 0, MOST_MS)
        or routes is None
        or neighbours is None
    ):
        return None
    return SemanticAnswer(key, routes, neighbours, float(elapsed))


def _pairs(value: Any) -> tuple[tuple[str, float], ...] | None:
    if not isinstance(value, list) or len(value) > MOST_PAIRS:
        return None
    pairs = []
    for pair in value:
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and len(pair[0]) <= MAX_TEXT):
            return None
        if not wire.is_number(pair[1], -1.01, 1.01):
            return None
        pairs.append((pair[0], float(pair[1])))
    return tuple(pairs)
