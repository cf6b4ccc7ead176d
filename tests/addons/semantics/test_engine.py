"""The one thread that runs the model: order, bounds, and what becomes of failures."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

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
