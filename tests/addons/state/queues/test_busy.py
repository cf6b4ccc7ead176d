"""Busy: what runs on a target and on a server, counted once and ended once."""

from __future__ import annotations

import random

from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.flow.exchange import Attempt
from switchman.addons.state.queues.busy import Busy


def attempt(server: str = "one", model: str = "m") -> Attempt:
    candidate = Candidate(Server(server, parse("http://h")), model)
    return Attempt(1, candidate, candidate.target, "http://h", 0.0, 0.0)


def test_attempts_are_counted_by_target_and_by_server() -> None:
    """Two models of a server are two targets."""
    busy = Busy()
    for one in (attempt(), attempt(), attempt(model="n"), attempt("two")):
        busy.begin(one)
    assert (busy.of("one/m"), busy.of("one/n"), busy.of("two/m"), busy.of("three/m")) == (2, 1, 1, 0)
    assert (busy.of_server("one"), busy.of_server("two"), busy.of_server("three")) == (3, 1, 0)
    assert (busy.servers(), busy.total) == ({"one": 3, "two": 1}, 4)


def test_equal_attempts_are_two_and_each_is_counted_and_ended_once() -> None:
    """Whoever else tells of an attempt's beginning or end changes nothing."""
    busy, first, second = Busy(), attempt(), attempt()
    assert first == second
    for one in (first, second, first):
        busy.begin(one)
    assert busy.of("one/m") == 2
    busy.end(first)
    busy.end(first)
    assert busy.of("one/m") == 1
    busy.end(attempt())  # it was never counted
    assert busy.of("one/m") == 1
    busy.end(second)
    assert (busy.of("one/m"), busy.of_server("one"), busy.servers(), busy.total) == (0, 0, {}, 0)


def test_counts_are_what_runs_after_whatever_order() -> None:
    """2,000 beginnings and ends, some told twice: never less than nothing, and nothing is left at the end."""
    busy, dice, running, ended = Busy(), random.Random(3), [], [attempt()]
    for _ in range(2_000):
        if dice.random() < 0.5:
            running.append(attempt(dice.choice("abc"), dice.choice("mn")))
            busy.begin(running[-1])
        elif running:
            ended.append(running.pop(dice.randrange(len(running))))
            busy.end(ended[-1])
            busy.end(dice.choice(ended))
        counts = [busy.of_server(name) for name in "abc"]
        assert min(counts) >= 0 and sum(counts) == busy.total == len(running)
    for one in running:
        busy.end(one)
    assert (busy.servers(), busy.total) == ({}, 0)
