"""Busy: how many attempts run now, by target and by server.

An attempt is counted from when its request is made (Rewriting) to when it is judged (Judging): answered, failed, left
by its client, stopped. One that became a WebSocket is counted until that is closed. What no hook came to the end of is
taken out when its request is written down (Recording): no request goes without that.
"""

from __future__ import annotations

from collections import Counter

from switchman.addons.flow.exchange import Attempt


class Busy:
    """The attempts of one process. Belongs to the event loop's thread. Each is counted once, and ended once."""

    def __init__(self) -> None:
        self._running: dict[int, Attempt] = {}  # by id(), which is its own for as long as it is kept here
        self._targets: Counter[str] = Counter()
        self._servers: Counter[str] = Counter()

    def begin(self, attempt: Attempt) -> None:
        """Count an attempt; a second time changes nothing."""
        if id(attempt) in self._running:
            return
        self._running[id(attempt)] = attempt
        self._targets[attempt.target] += 1
        self._servers[attempt.candidate.server.name] += 1

    def end(self, attempt: Attempt) -> None:
        """Count it no longer; one that is not counted changes nothing."""
        if self._running.pop(id(attempt), None) is not None:
            _less(self._targets, attempt.target)
            _less(self._servers, attempt.candidate.server.name)

    def of(self, target: str) -> int:
        """How many run on a target, `server/model` as it is asked for there."""
        return self._targets.get(target, 0)

    def of_server(self, name: str) -> int:
        """How many run on a server, whatever the model."""
        return self._servers.get(name, 0)

    def servers(self) -> dict[str, int]:
        """How many run on each server on which any does."""
        return dict(self._servers)

    @property
    def total(self) -> int:
        return len(self._running)


def _less(counts: Counter[str], name: str) -> None:
    """One less; what is at nothing is not kept, as names come from clients."""
    counts[name] -= 1
    if not counts[name]:
        del counts[name]
