"""The one thread that runs the model: requests first, in order; the categories' vectors in the time that is left.

Engine.submit(work, until)    runs work() in the thread and gives a future; Busy when too many wait, Late past `until`
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

import numpy as np

from switchman.addons.semantics.categories import CategoryIndex, flattened, in_languages
from switchman.addons.semantics.embedder import Embedder, Vectors
from switchman.addons.semantics.index import VectorIndex

logger = logging.getLogger(__name__)

MOST_WAITING: Final = 64  # at 2 ms each, the last one would be past its deadline anyway
KEPT_VECTORS: Final = 2_048  # of the last texts, 3 MB: an answer is remembered by the vector of its prompt
KEPT_SETS: Final = 4  # of categories: of the rules now, and of those that a worker may still have
KEPT_FILES: Final = 8
KEPT_FAILURES: Final = 100


class Busy(Exception):
    """Too many requests wait already."""


class Late(Exception):
    """The deadline was over before the model was free."""


def finite(vector: Vectors) -> Vectors:
    """The vector. Raises ValueError where it has a NaN or an infinity, which is near to nothing and breaks JSON."""
    if not np.isfinite(vector).all():
        raise ValueError("the model gave a vector that is not finite")
    return vector


class Engine:
    """Owns the embedder and the indexes. Everything but `submit`, `prepare` and `stop` runs in its own thread."""

    def __init__(self, embedder: Embedder, state: Path | None) -> None:
        self.embedder = embedder
        self._state = state
        digest = hashlib.sha256(embedder.digest.encode()).hexdigest()[:16]
        self.index = VectorIndex(embedder.dimensions, state / f"vectors-{digest}.db" if state else None)
        self._digest = digest
        self._vectors: OrderedDict[str, Vectors] = OrderedDict()
        self._sets: OrderedDict[str, CategoryIndex] = OrderedDict()
        self._given_up: set[str] = set()
        self._queue: deque[tuple[Callable[[], Any], float, Future[Any]]] = deque()
        self._making: OrderedDict[str, _Making] = OrderedDict()
        self._change = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="model")
        self._thread.start()

    def submit(self, work: Callable[[], Any], until: float) -> Future[Any]:
        """`until` is in monotonic seconds. Raises Busy."""
        future: Future[Any] = Future()
        with self._change:
            if len(self._queue) >= MOST_WAITING:
                raise Busy
            self._queue.append((work, until, future))
            self._change.notify()
        return future

    def prepare(self, digest: str, utterances: Mapping[str, Sequence[str]]) -> bool:
        """Whether the vectors of these categories are there. If not, the thread begins to make them."""
        with self._change:
            if digest in self._sets or digest in self._given_up:
                return True
            if digest not in self._making and len(self._making) < KEPT_SETS and any(utterances.values()):
                self._making[digest] = _Making(utterances, self._file(digest))
                self._change.notify()
        return False

    def stop(self) -> None:
        with self._change:
            self._stopping = True
            self._change.notify()
        self._thread.join()
        self.index.close()

    # ---- in the thread --------------------------------------------------------------------------------------------

    def vector(self, text: str) -> tuple[str, Vectors]:
        """A text's vector, and the key under which it is kept for a while."""
        key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        found = self._vectors.pop(key, None)
        if found is None:
            found = finite(self.embedder.embed([text])[0])
        self._vectors[key] = found
        if len(self._vectors) > KEPT_VECTORS:
            self._vectors.popitem(last=False)
        return key, found

    def kept(self, key: str) -> Vectors | None:
        return self._vectors.get(key)

    def categories(self, digest: str) -> CategoryIndex | None:
        return self._sets.get(digest)

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._stopping or self._queue or self._making)
                if self._stopping:
                    return
                request = self._queue.popleft() if self._queue else None
            if request:
                self._do(*request)
            else:
                self._make_some()

    def _do(self, work: Callable[[], Any], until: float, future: Future[Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        if time.monotonic() >= until:
            future.set_exception(Late())
            return
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 - the boundary of the thread: one bad request must not end it
            logger.warning("A request failed: %s: %s", type(error).__name__, error)
            future.set_exception(error)

    def _make_some(self) -> None:
        """Make the vector of one utterance: a request that comes meanwhile waits no longer than that."""
        digest, making = next(iter(self._making.items()))
        try:
            done = making.step(self.embedder)
        except Exception as error:  # noqa: BLE001 - as above; the layer stays off, and the process serves on
            logger.warning("The categories' vectors could not be made: %s: %s", type(error).__name__, error)
            with self._change:
                del self._making[digest]
                if len(self._given_up) >= KEPT_FAILURES:
                    self._given_up.clear()
                self._given_up.add(digest)
            return
        if done is None:
            return
        with self._change:
            del self._making[digest]
            self._sets[digest] = done
            if len(self._sets) > KEPT_SETS:
                self._sets.popitem(last=False)

    def _file(self, digest: str) -> Path | None:
        if self._state is None:
            return None
        return self._state / f"categories-{self._digest}-{digest[:16]}.npy"


class _Making:
    """The vectors of a set of categories: from the file of an earlier start, or one after the other."""

    def __init__(self, utterances: Mapping[str, Sequence[str]], file: Path | None) -> None:
        self._utterances = utterances
        self._file = file
        self._names: list[str] = []
        self._sizes: list[int] = []
        self._texts: list[str] = []
        self._rows: list[Vectors] = []

    def step(self, embedder: Embedder) -> CategoryIndex | None:
        if not self._texts:
            self._names, self._sizes, self._texts = flattened(in_languages(self._utterances, embedder.languages))
            if not self._texts:
                raise ValueError(f"no utterance is in a language of the model ({', '.join(embedder.languages)})")
            if (rows := self._saved(embedder.dimensions)) is not None:
                return CategoryIndex.of(self._names, self._sizes, rows)
        self._rows.append(finite(embedder.embed([self._texts[len(self._rows)]])[0]))
        if len(self._rows) < len(self._texts):
            return None
        made = np.stack(self._rows)
        self._save(made)
        return CategoryIndex.of(self._names, self._sizes, made)

    def _saved(self, dimensions: int) -> Vectors | None:
        if self._file is None:
            return None
        try:
            rows: Vectors = np.load(self._file, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        fits = rows.shape == (len(self._texts), dimensions) and rows.dtype == np.float32
        return rows if fits and np.isfinite(rows).all() else None

    def _save(self, rows: Vectors) -> None:
        if self._file is None:
            return
        try:
            half = self._file.with_suffix(".new.npy")
            np.save(half, rows)
            half.replace(self._file)
            old = sorted(self._file.parent.glob("categories-*.npy"), key=lambda file: file.stat().st_mtime)
            for file in old[:-KEPT_FILES]:
                file.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("The categories' vectors could not be kept for the next start: %s", error)
