"""Several keys of one server: which of them a request goes with, and which rest.

1. In turn, or by weight: the smooth weighted round robin of nginx, for each server, over the keys that do not rest.
2. A conversation that goes on keeps the key it was with, as providers keep their prompt caches by account: `held`.
3. A key that is refused, or without means (401, 402), rests at the whole server; one that is used too often (429) at
   the model, as providers limit each by itself. It rests for as long as the answer said; where it did not say, for
   REST seconds, twice as long each time that it is refused again, MOST at most.
4. All rest: who must ask all the same goes with the one whose rest ends first.
5. A key is known by its label and a digest of its value: another value in its place begins anew. Memory is bounded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from switchman.addons.core.servers.servers import Server, ServerKey

USED_UP: Final = 429  # the status that is about one model
REST: Final = 30.0  # seconds
MOST: Final = 600.0  # seconds, of a rest that nobody named
LONGEST: Final = 86_400.0  # seconds, of one that was named: a quota of a day comes back by then
MAX_RESTS: Final = 4096  # names of models come from clients

Place = tuple[str, str, str]  # the server's name, or its target; the key's label; a digest of its value


@dataclass(slots=True)
class _Rest:
    until: float
    length: float  # what it is doubled from


def shares_keys(server: Server) -> bool:
    """Whether a server has several keys of its own, so that one that is refused says nothing of the server."""
    return len(server.keys) > 1


class KeyRing:
    """The keys of all servers, of one process. Not thread-safe: it belongs to the event loop's thread.

    `target` is `server/model` as it is asked for there; `now`: seconds of a clock that does not go back.
    """

    def __init__(self) -> None:
        self._rests: dict[Place, _Rest] = {}
        self._turns: dict[str, dict[str, int]] = {}  # by server: what each label has saved up

    def choose(
        self, server: Server, target: str, now: float, held: str | None = None, tried: Collection[str] = ()
    ) -> ServerKey:
        """The key for the next attempt. `held`: the label that its conversation is with; `tried`: those that were
        refused for this very request.
        """
        ready = self._ready(server, target, now, tried)
        if not ready:
            return min(server.keys, key=lambda key: self._rests_until(server, target, key))
        return next((key for key in ready if key.label == held), None) or self._next(server, ready)

    def has_other(self, server: Server, target: str, now: float, tried: Collection[str]) -> bool:
        """Whether a key that does not rest is left, beside those that were tried."""
        return bool(self._ready(server, target, now, tried))

    def all_rest(self, server: Server, target: str, now: float) -> bool:
        """Whether to try other servers first."""
        return bool(self._rests) and shares_keys(server) and not self._ready(server, target, now, ())

    def refused(
        self, server: Server, target: str, key: ServerKey, status: int, now: float, said: float | None = None
    ) -> float:
        """Have a key rest. `said`: for how many seconds, by the answer. Returns for how long it does."""
        if len(self._rests) >= MAX_RESTS:
            self._make_room(now)
        place = _place(target if status == USED_UP else server.name, key)
        before = self._rests.get(place)
        if said is not None:
            length = min(said, LONGEST)
        elif before is None:
            length = REST
        elif now < before.until:  # sent before it rested, or as a last resort: no news
            return before.until - now
        else:
            length = min(max(2 * before.length, REST), MOST)
        until = max(now + length, before.until if before is not None and now < before.until else 0.0)
        self._rests[place] = _Rest(until, length)
        return until - now

    def accepted(self, server: Server, target: str, key: ServerKey) -> None:
        """A key that rested was taken: its next rest is a first one again."""
        if self._rests:
            for place in (server.name, target):
                self._rests.pop(_place(place, key), None)

    def reset(self, server: str) -> int:
        """End the rests of a server's keys. Returns how many there were."""
        found = [place for place in self._rests if place[0] == server or place[0].startswith(f"{server}/")]
        for place in found:
            del self._rests[place]
        return len(found)

    def _ready(self, server: Server, target: str, now: float, tried: Collection[str]) -> list[ServerKey]:
        return [
            key
            for key in server.keys
            if key.label not in tried and (not self._rests or self._rests_until(server, target, key) <= now)
        ]

    def _rests_until(self, server: Server, target: str, key: ServerKey) -> float:
        rests = (self._rests.get(_place(place, key)) for place in (server.name, target))
        return max((rest.until for rest in rests if rest is not None), default=0.0)

    def _next(self, server: Server, ready: list[ServerKey]) -> ServerKey:
        known = self._turns.get(server.name, {})
        saved = {key.label: known.get(key.label, 0) for key in server.keys}  # labels of earlier rules go
        for key in ready:
            saved[key.label] += key.weight
        chosen = max(ready, key=lambda key: saved[key.label])
        saved[chosen.label] -= sum(key.weight for key in ready)
        self._turns[server.name] = saved
        return chosen

    def _make_room(self, now: float) -> None:
        over = [place for place, rest in self._rests.items() if rest.until <= now]
        oldest = sorted(self._rests, key=lambda place: self._rests[place].until)[: MAX_RESTS // 4]
        for place in over or oldest:
            del self._rests[place]


def _place(place: str, key: ServerKey) -> Place:
    return place, key.label, hashlib.sha256(key.value.get_secret_value().encode("utf-8", "surrogatepass")).hexdigest()
