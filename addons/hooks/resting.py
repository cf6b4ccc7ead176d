"""Resting: which candidates of a request are tried after the others, as routing asks for each of them.

A target whose breaker is open, for everybody; a server whose
several keys all rest, likewise; one that has refused this caller's own key lately, for this caller.

Writes: nothing.
"""

from __future__ import annotations

import time

from switchman.addons.core.routes.plan import Candidate, TraceLine
from switchman.addons.core.servers.callerkeys import credential_of
from switchman.addons.flow.exchange import Exchange
from switchman.addons.hooks import seen
from switchman.addons.state.runtime import Runtime


class Resting:
    """Asked as a function. `model`: the one that the request names, for candidates that name none."""

    def __init__(self, runtime: Runtime, x: Exchange, model: str) -> None:
        self._runtime, self._x, self._model = runtime, x, model
        self._refused: dict[str, None] = {}
        self._used_up: dict[str, None] = {}

    def __call__(self, candidate: Candidate) -> bool:
        target, now = candidate.target_for(self._model), time.monotonic()
        keys, server = self._runtime.caller_keys, candidate.server
        if keys.any and self._x.sent is not None:
            credential = credential_of(server, seen.headers(self._x), self._x.sent.path)
            if keys.rests(credential, server.name, target, now):
                self._refused[target] = None
                return True
        if self._runtime.key_ring.all_rest(server, target, now):
            self._used_up[server.name] = None
            return True
        return self._runtime.breakers.is_open(target, now)

    @property
    def lines(self) -> list[TraceLine]:
        """What the trace says of keys, once the plan is made."""
        said = []
        if self._refused:
            said.append(f"The caller's own key was refused, or used up, lately by {', '.join(self._refused)}.")
        if self._used_up:
            said.append(f"All keys rest that the rules have for {', '.join(self._used_up)}.")
        return [TraceLine("credentials", "skip", detail) for detail in said]
