"""The one thread that runs the model: order, bounds, and what becomes of failures."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switchman.addons.semantics import engine as module
from switchman.addons.semantics.engine import MOST_WAITING, Busy, Engine, Late


class Dice:
    """An embedder that waits until it is told to go on."""

    model, dimensions, languages, digest = "dice", 4, (), "dice"

    def __init__(self) -> None:
        self.go = threading.Event()
        self.busy = threading.Event()
        self.seen: list[str] = []

    def embed(self, texts: Any) -> Any:
        self.busy.set()
        self.go.wait(30)
        self.seen += texts
        return np.ones((len(texts), 4), dtype=np.float32) / 2


def test_the_queue_is_bounded_and_what_waited_too_long_is_not_run() -> None:
    """Full: refused at once. Past the deadline when its turn comes: dropped."""
    dice = Dice()
    engine = Engine(dice, None)
    try:
        far = time.monotonic() + 60
        first = engine.submit(lambda: engine.vector("first"), far)
        assert dice.busy.wait(30)
        waiting: list[Future[Any]] = [engine.submit(lambda: engine.vector("late"), 0.0)]
        waiting += [engine.submit(lambda: engine.vector("x"), far) for _ in range(MOST_WAITING - 1)]
        with pytest.raises(Busy):
            engine.submit(lambda: None, far)
        dice.go.set()
        assert first.result(30)
        with pytest.raises(Late):
            waiting[0].result(30)
        assert waiting[-1].result(30)
        assert dice.seen == ["first", "x"]  # once for all that ask the same
    finally:
        dice.go.set()
        engine.stop()


def test_a_request_that_fails_does_not_end_the_process() -> None:
    """Its own future has the error; the next one is served."""
    dice = Dice()
    dice.go.set()
    engine = Engine(dice, None)
    try:
        far = time.monotonic() + 60
        with pytest.raises(ZeroDivisionError):
            engine.submit(lambda: 1 / 0, far).result(30)
        assert engine.submit(lambda: 2, far).result(30) == 2
    finally:
        engine.stop()


def test_asks_go_before_the_vectors_of_categories() -> None:
    """Thousands of utterances do not hold up a request: it waits for one of them at most."""
    dice = Dice()
    engine = Engine(dice, None)
    try:
        assert not engine.prepare("digest", {"a": [f"utterance {number}" for number in range(50)], "b": ["other"]})
        assert dice.busy.wait(30)
        asked = engine.submit(lambda: engine.vector("ask"), time.monotonic() + 60)
        dice.go.set()
        asked.result(30)
        assert dice.seen.index("ask") <= 1
    finally:
        dice.go.set()
        engine.stop()


class Counting:
    """An embedder that gives each text a vector of its own, and counts what it was asked for."""

    model, dimensions, languages, digest = "counting", 4, ("en",), "counting"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def embed(self, texts: Any) -> Any:
        self.seen += texts
        rows = np.array([[len(text), text.count("e"), text.count("o"), 1] for text in texts], dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


UTTERANCES = {"coding": ["Write a function for me", "Fix the bug in this code"], "chat": ["How are you today"]}


@contextmanager
def engine_of(embedder: Any, state: Path | None = None) -> Iterator[Engine]:
    engine = Engine(embedder, state)
    try:
        yield engine
    finally:
        engine.stop()


def ready(engine: Engine, utterances: Mapping[str, Sequence[str]] = UTTERANCES, digest: str = "digest") -> None:
    """Waits until these categories' vectors are made, or given up."""
    end = time.monotonic() + 30
    while not engine.prepare(digest, utterances):
        assert time.monotonic() < end
        time.sleep(0.001)


def test_vectors_of_categories_are_made_once_and_kept_for_the_next_start(tmp_path: Path) -> None:
    """A process that starts again reads them; one with another set of texts, or a broken file, makes them anew."""
    first, second, third = Counting(), Counting(), Counting()
    with engine_of(first, tmp_path) as engine:
        ready(engine)
        assert engine.categories("digest") is not None and engine.categories("other") is None
    assert sorted(first.seen) == sorted(text for texts in UTTERANCES.values() for text in texts)
    with engine_of(second, tmp_path) as engine:
        ready(engine)
        index = engine.categories("digest")
        assert index is not None and index.names == ("coding", "chat")
    assert second.seen == []
    (file,) = tmp_path.glob("categories-*.npy")
    file.write_bytes(b"no array")
    with engine_of(third, tmp_path) as engine:
        ready(engine)
    assert len(third.seen) == 3


def test_categories_that_cannot_be_made_are_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """No utterance in a language of the model: that is said once, nobody waits for it, and asks are served."""
    with engine_of(Counting()) as engine:
        ready(engine, {"a": ["Wie schreibe ich eine Funktion, die das sortiert?"]})
        assert engine.categories("digest") is None
        assert engine.prepare("digest", {"a": ["whatever"]})
        assert engine.submit(lambda: engine.vector("hello"), time.monotonic() + 60).result(30)
    assert caplog.text.count("could not be made") == 1


def test_nothing_is_made_of_no_utterances() -> None:
    """Rules without categories keep the thread idle."""
    embedder = Counting()
    with engine_of(embedder) as engine:
        assert not engine.prepare("digest", {})
        assert not engine.prepare("digest", {"a": []})
    assert embedder.seen == []


def test_only_the_last_sets_and_vectors_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is older is made again when it is asked for; a vector that was asked for again is not old."""
    monkeypatch.setattr(module, "KEPT_SETS", 2)
    monkeypatch.setattr(module, "KEPT_VECTORS", 2)
    embedder = Counting()
    with engine_of(embedder) as engine:
        for digest in ("a", "b", "c"):
            ready(engine, UTTERANCES, digest)
        assert [engine.categories(digest) is not None for digest in ("a", "b", "c")] == [False, True, True]

        def work() -> list[bool]:
            keys = [engine.vector(text)[0] for text in ("one", "two", "one", "three")]
            return [engine.kept(key) is not None for key in keys]

        assert engine.submit(work, time.monotonic() + 60).result(30) == [True, False, True, True]
    assert embedder.seen[-3:] == ["one", "two", "three"]


def test_a_state_that_cannot_be_written_costs_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The vectors serve until the end of the process, and it is said that they are not kept."""
    (tmp_path / "state").mkdir()
    with engine_of(Counting(), tmp_path / "state") as engine:
        for file in (tmp_path / "state").iterdir():
            file.unlink()
        (tmp_path / "state").rmdir()
        ready(engine)
        assert engine.categories("digest") is not None
    assert "could not be kept for the next start" in caplog.text


def test_a_request_that_was_given_up_is_not_run() -> None:
    """Its client hung up while it waited."""
    dice = Dice()
    with engine_of(dice) as engine:
        far = time.monotonic() + 60
        first = engine.submit(lambda: engine.vector("first"), far)
        assert dice.busy.wait(30)
        given_up = engine.submit(lambda: engine.vector("second"), far)
        assert given_up.cancel()
        dice.go.set()
        first.result(30)
        assert engine.submit(lambda: 1, far).result(30) == 1
    assert dice.seen == ["first"]
