"""Balancing: tells a decision of the moment that it is made in, and remembers where a conversation or a caller stays.

A conversation is one of core/sessions: what the client calls its session, and the branch within it; without a name,
what begins alike. One that goes on from a response by its id (`previous_response_id`) is known by that id. Where each
stays is kept in this process, and told to the others over what they share; without an answer in time its place is found
by its key alone.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from mitmproxy import http

from switchman.addons.core.cache.callers import identity_digest, people_in
from switchman.addons.core.cache.fingerprint import policy_digest
from switchman.addons.core.decision.balancing.moment import Moment
from switchman.addons.core.keys.accounts import earlier_response
from switchman.addons.core.request.call import GENERATING
from switchman.addons.core.routes.routes import Affinity
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.sessions.membership import membership_of
from switchman.addons.flow.exchange import Exchange, exchange
from switchman.addons.state.runtime import Runtime
from switchman.addons.state.together.shared import HOMES, Quota, SharedStoreError

logger = logging.getLogger(__name__)

TTL: Final = 3600.0  # seconds: the longest that a provider keeps a prompt
QUOTA: Final = Quota(entries=50_000, bytes=16 * 1024 * 1024)
PATIENCE: Final = 0.02  # seconds that a request waits to hear where its conversation was
KNOWN_FOR: Final = 60.0  # seconds until another worker may have moved it
MOST_KEPT: Final = 20_000
MOST_POOLS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Homes:
    """Where one conversation or caller stays, by pool. `at`: monotonic seconds when this was last told or heard."""

    targets: Mapping[str, str]
    at: float


class Balancing:
    """`moment` is asked by Routing. Belongs to the event loop's thread.

    Writes: homes.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._turns: Counter[str] = Counter()
        self._homes: OrderedDict[str, Homes] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def moment(self, x: Exchange, rules: Ruleset) -> Moment:
        """For rules that balance: looks up where the request's conversation and caller stay."""
        keys, goes_on = _keys(x, rules)
        homes: dict[str, str] = {}
        for affinity, key in keys.items():
            if affinity == "caller" or goes_on:
                homes.update(await self._looked_up(key))
        return Moment(self.runtime.live, keys, goes_on, homes, self._turn())

    async def response(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or x.plan is None or not x.plan.settles or not x.was_answered:
            return
        if x.attempt is None or not (kept := self._settled(x, x.attempt.target)):
            return
        task = asyncio.create_task(self._tell(kept), name="switchman homes")
        self._tasks.add(task)  # the event loop itself holds its tasks only weakly
        task.add_done_callback(self._tasks.discard)
        # An agent's next turn may come at once, to another worker; but no answer waits long for this.
        await asyncio.wait([task], timeout=PATIENCE)

    async def error(self, flow: http.HTTPFlow) -> None:
        """The client left. If it had the whole answer by then, the conversation stays there."""
        await self.response(flow)

    def _turn(self) -> Callable[[str], int]:
        """A request takes one turn, however often its decision is made."""
        taken: dict[str, int] = {}

        def turn(pool: str) -> int:
            if pool not in taken:
                if len(self._turns) > MOST_POOLS:
                    self._turns.clear()  # of rules that are no longer there
                taken[pool] = self._turns[pool]
                self._turns[pool] += 1
            return taken[pool]

        return turn

    async def _looked_up(self, key: str) -> Mapping[str, str]:
        known = self._homes.get(key)
        if known is not None and time.monotonic() - known.at < KNOWN_FOR:
            self._homes.move_to_end(key)
            return known.targets
        try:
            async with asyncio.timeout(PATIENCE):
                heard = _unpacked(await self.runtime.shared.get(HOMES, key))
        except (SharedStoreError, TimeoutError) as error:
            logger.debug("A conversation's home could not be looked up: %s", error)
            heard = {}
        targets = heard or (known.targets if known is not None else {})
        if targets:
            self._keep(key, targets)
        return targets

    def _settled(self, x: Exchange, target: str) -> dict[str, Mapping[str, str]]:
        """What has changed, by key."""
        assert x.plan is not None
        found: dict[str, dict[str, str]] = {}
        keys: dict[str, None] = {}
        made = x.reply.response_id if x.reply is not None else None
        token = x.caller.id if x.caller is not None else ""
        for one in x.plan.settles:
            if target not in one.targets:
                continue
            key = x.moment.keys[one.pool.affinity]
            keys[key] = None
            if one.moves:
                found.setdefault(key, {})[one.pool.name] = target
            if made and one.pool.affinity == "conversation":
                home = target if one.moves else x.moment.homes.get(one.pool.name, target)
                keys[_of_response(made, token)] = None
                found.setdefault(_of_response(made, token), {})[one.pool.name] = home
        x.homes = tuple(keys)
        kept: dict[str, Mapping[str, str]] = {}
        for key, targets in found.items():
            before = self._homes.get(key)
            kept[key] = {**(before.targets if before is not None else {}), **targets}
            self._keep(key, kept[key])
        return kept

    def _keep(self, key: str, targets: Mapping[str, str]) -> None:
        self._homes[key] = Homes(targets, time.monotonic())
        self._homes.move_to_end(key)
        if len(self._homes) > MOST_KEPT:
            self._homes.popitem(last=False)

    async def _tell(self, kept: Mapping[str, Mapping[str, str]]) -> None:
        try:
            for key, targets in kept.items():
                await self.runtime.shared.put(HOMES, key, json.dumps(targets).encode(), TTL, QUOTA)
        except SharedStoreError as error:
            logger.warning("A conversation's home could not be kept: %s", error)


def _keys(x: Exchange, rules: Ruleset) -> tuple[dict[Affinity, str], bool]:
    """What the request's conversation and caller are known by, and whether the conversation goes on."""
    found: dict[Affinity, str] = {}
    if x.call is None or x.sent is None:
        return found, False
    token = x.caller.id if x.caller is not None else ""
    if "caller" in rules.affinities:
        query = x.sent.path.partition("?")[2]
        found["caller"] = identity_digest(x.sent.fields, query, x.client, people_in(x.call.body), token=token)
    if "conversation" not in rules.affinities or x.call.endpoint.operation not in (*GENERATING, "count_tokens"):
        return found, False
    if (earlier := earlier_response(x.call.body)) is not None:
        found["conversation"] = _of_response(earlier, token)
        return found, True
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in x.sent.fields]
    member = membership_of(fields, x.call, token or x.client)
    if member.session is None:
        return found, False
    found["conversation"] = policy_digest("home", token, member.session, member.branch or "")
    return found, not member.opens


def _of_response(made: str, token: str) -> str:
    return policy_digest("home of a response", token, made)


def _unpacked(value: bytes | None) -> dict[str, str]:
    """A stored value; nothing of one that this version does not understand."""
    try:
        found = json.loads(value) if value is not None else {}
    except ValueError:
        return {}
    return {str(pool): str(target) for pool, target in found.items()} if isinstance(found, dict) else {}
