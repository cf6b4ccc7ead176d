"""Which target a conversation is held to, while its turns are replayed: what the shared store knows in the proxy."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from switchman.addons.core.cache.callers import caller_digest, people_in
from switchman.addons.core.decision.replaying.recorded import Asked
from switchman.addons.core.decision.stickiness import Held, conversation_key, held_by
from switchman.addons.core.request.call import Call, Endpoint
from switchman.addons.core.routes.plan import Plan

# As in hooks/routing/chain.py.
TTL: Final = 3600.0
MOST_KEPT: Final = 50_000


class Conversations:
    """Those of one set of rules. The first target of a plan is taken to have answered."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[Held, float]] = OrderedDict()

    def key(self, asked: Asked) -> str | None:
        """The same for all rules: computed once."""
        if asked.conversation is None:
            asked.conversation = (self._key(asked),)
        return asked.conversation[0]

    def _key(self, asked: Asked) -> str | None:
        one, body = asked.recorded, asked.body
        if one.dialect is None or one.operation is None or body is None:
            return None
        call = Call(Endpoint(one.dialect, one.operation, ""), "", "", body, {}, one.requested_model, stream=False)
        token = one.caller.id if one.caller is not None else ""
        query = one.path.partition("?")[2]
        caller = caller_digest(one.fields, query, one.client, people_in(body), token=token)
        return conversation_key(call, "", caller)

    def held(self, key: str, at: float) -> Held | None:
        held, until = self._kept.get(key, (None, 0.0))
        return held if at < until else None

    def keep(self, key: str, plan: Plan, answered_at: float) -> None:
        self._kept[key] = held_by(plan, plan.candidates[0]), answered_at + TTL
        self._kept.move_to_end(key)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
