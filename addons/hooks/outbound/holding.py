"""Holding: a conversation that goes on is asked with the key that it was with, where a server has several. Noting
remembers which that was.

Providers keep their prompt caches by account, so another key would pay for the whole prompt once more. A conversation
that begins takes its turn among the keys (core/keys/ring.py). One that goes on from a response, by its id
(`previous_response_id`), has to: no other account knows that. The workers of a machine tell each other, over what they
share; without an answer in time the conversation takes its turn again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Mapping
from typing import Any, Final

from mitmproxy import http

from switchman.addons.core.cache.fingerprint import policy_digest
from switchman.addons.core.decision.stickiness import conversation_key
from switchman.addons.core.keys.accounts import earlier_response
from switchman.addons.core.keys.ring import USED_UP, shares_keys
from switchman.addons.core.servers.servers import Server
from switchman.addons.flow.exchange import Exchange, exchange
from switchman.addons.hooks import seen
from switchman.addons.state.runtime import Runtime
from switchman.addons.state.together.shared import KEYS, Quota, SharedStoreError

logger = logging.getLogger(__name__)

SPACE: Final = KEYS
TTL: Final = 3600.0  # seconds: the longest that a provider keeps a prompt
QUOTA: Final = Quota(entries=50_000, bytes=16 * 1024 * 1024)
PATIENCE: Final = 0.05  # seconds that a request waits to hear which key its conversation was with
_ASKING: Final = frozenset({"user", "system", "developer"})  # roles of who asks: all there is of one that begins


def refused_keys(x: Exchange, server: Server, target: str) -> set[str]:
    """The labels of the server's keys that were refused for this very request: all models are closed to one that is
    refused or without means, to one that is used too often its own.
    """
    return {
        one.key.label
        for one in x.attempts
        if one.key is not None
        and one.candidate.server.name == server.name
        and one.verdict
        and one.verdict.own_key
        and (one.verdict.own_key != USED_UP or one.target == target)
    }


class Holding:
    """Finds out, before Rewriting, which key a conversation was with.

    Writes: key_conversation, held_keys.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def request(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """An awaitable only where a conversation goes on that may go to a server of several keys."""
        if (x := exchange(flow)) is None or flow.response or x.plan is None or x.call is None:
            return None
        if not any(shares_keys(candidate.server) for candidate in x.plan.candidates):
            return None
        x.key_conversation = conversation_key(x.call, SPACE, seen.caller(x))
        if (earlier := earlier_response(x.call.body)) is not None:
            return self._look_up(x, _of_response(earlier, x))
        if x.key_conversation is None or not _goes_on(x.call.body):
            return None
        return self._look_up(x, x.key_conversation)

    async def _look_up(self, x: Exchange, conversation: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                x.held_keys = _unpacked(await self.runtime.shared.get(SPACE, conversation))
        except (SharedStoreError, TimeoutError) as error:
            logger.debug("The key of a conversation could not be looked up: %s", error)


class Noting:
    """Remembers, once an answer is judged, which key a conversation is with.

    Writes: nothing.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._tasks: set[asyncio.Task[None]] = set()

    async def response(self, flow: http.HTTPFlow) -> None:
        if (x := exchange(flow)) is None or not x.was_answered:
            return
        made = x.reply.response_id if x.reply is not None else None
        places = [x.key_conversation, _of_response(made, x) if made else None]
        attempt = x.attempt
        if attempt is None or attempt.key is None or not shares_keys(server := attempt.candidate.server):
            return
        value = json.dumps({**x.held_keys, server.name: attempt.key.label}).encode()
        kept = self._keep([place for place in places if place is not None], value)
        task = asyncio.create_task(kept, name="switchman key of a conversation")
        self._tasks.add(task)  # the event loop itself holds its tasks only weakly
        task.add_done_callback(self._tasks.discard)
        # An agent's next turn may come at once, and should find it; but no answer waits long for this.
        await asyncio.wait([task], timeout=PATIENCE)

    async def error(self, flow: http.HTTPFlow) -> None:
        """The client left. If it had the whole answer by then, the conversation stays with the key."""
        await self.response(flow)

    async def _keep(self, places: list[str], value: bytes) -> None:
        try:
            for place in places:
                await self.runtime.shared.put(SPACE, place, value, TTL, QUOTA)
        except SharedStoreError as error:
            logger.warning("The key of a conversation could not be kept: %s", error)


def _of_response(id: str, x: Exchange) -> str:
    """Where the key of an earlier response is kept: for whom it was made."""
    return policy_digest(SPACE, "response", seen.caller(x), id)


def _goes_on(body: Mapping[str, Any]) -> bool:
    """Whether anything was answered before in a conversation: a message of the model's, a call, a tool's result."""
    said = body.get("messages") or body.get("input")
    return isinstance(said, list) and any(isinstance(one, dict) and one.get("role") not in _ASKING for one in said)


def _unpacked(value: bytes | None) -> Mapping[str, str]:
    """Labels by server; none for what this version does not understand."""
    try:
        found = json.loads(value) if value is not None else {}
    except ValueError:
        return {}
    good = isinstance(found, dict) and all(isinstance(label, str) for label in found.values())
    return found if good else {}
