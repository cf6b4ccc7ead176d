"""Stickiness: a conversation stays with the target that answered it, while that is healthy and can serve it.

A conversation is identified by what no later turn changes: its system text, its first user message, and the caller.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from switchman.addons.core.cache.fingerprint import canonical, policy_digest
from switchman.addons.core.decision.capabilities import usable
from switchman.addons.core.decision.decide import RoutingQuery, known_target
from switchman.addons.core.dialects.codecs import CODECS, FORMATS
from switchman.addons.core.dialects.neutral.limits import Malformed
from switchman.addons.core.request.call import Call
from switchman.addons.core.routes.granted import is_granted
from switchman.addons.core.routes.plan import Candidate, Plan, TraceLine
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.servers.models.thinkers import Thinking

LAYER = "conversation"


@dataclass(frozen=True, slots=True)
class Held:
    """The targets of a conversation: the one that answered, then the others of its plan. `route`: the rule's name.

    `first` is the name of the server that the rule names first: Plan.first_choice.
    """

    targets: tuple[str, ...]
    route: str
    first: str
    thinking: Thinking = "auto"


def conversation_key(call: Call, policy: str, caller: str) -> str | None:
    """The key of the request's conversation; None where it has no user message, or cannot be read."""
    format = FORMATS.get((call.dialect, call.endpoint.operation))
    if format is None:
        return None
    try:
        request = CODECS[format].decode_request(_opening(call.body))
    except (Malformed, RecursionError):
        return None
    first = next((at for at, message in enumerate(request.messages) if message.role == "user"), None)
    if first is None:
        return None
    opening = [message for message in request.messages[: first + 1] if message.role in ("system", "developer", "user")]
    # Only the messages count: a change of temperature or tools does not start another conversation.
    messages = canonical(type(request)(origin=request.origin, model="", messages=tuple(opening)), {})
    return policy_digest("conversation", policy, caller, messages)


def _opening(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body up to its first user message: the rest may be long, and is no part of the key."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return body
    users = (at for at, said in enumerate(messages) if isinstance(said, dict) and said.get("role") == "user")
    return {**body, "messages": messages[: next(users, len(messages)) + 1]}


def pack(held: Held) -> bytes:
    """The value for the store: JSON."""
    return json.dumps([held.targets, held.route, held.first, held.thinking]).encode()


def unpack(value: bytes) -> Held | None:
    """Read a stored value. None for one that this version does not understand."""
    try:
        targets, route, first, thinking = json.loads(value)
    except (ValueError, TypeError):
        return None
    known: Any = thinking if thinking in ("auto", "enabled", "disabled") else "auto"
    if not (isinstance(targets, list) and targets and all(isinstance(one, str) for one in targets)):
        return None
    return Held(tuple(targets), str(route), str(first), known)


def held_plan(held: Held, query: RoutingQuery, rules: Ruleset, is_open: Callable[[Candidate], bool]) -> Plan | str:
    """The plan that keeps a conversation with its target, or a sentence that says why it cannot stay."""
    places = [found[0] for name in held.targets if (found := known_target(name, rules))]
    candidates = [Candidate(place.server, place.model) for place in places]
    if not candidates or candidates[0].target != held.targets[0]:
        return f"The conversation was with {held.targets[0]}, which is no longer a known target."
    leading = next((one for one in (*rules.upstreams, rules.default) if one.name == held.first), None)
    if leading is None:
        return f"The server {held.first}, which {held.route} named first, is no longer in the rules."
    first, *others = candidates
    if reason := usable(first, query.features, rules, query.model):
        return f"The conversation was with {first.target}, which is passed over: {reason}."
    if not _may_use(first, query, rules):
        return f"The conversation was with {first.target}, which its token may not use."
    if not first.server.enabled:
        return f"The conversation was with {first.target}, whose server is off."
    if is_open(first):
        return f"The conversation was with {first.target}, which failed lately."
    others = [one for one in others if one.server.enabled and _may_use(one, query, rules)]
    others = [one for one in others if usable(one, query.features, rules, query.model) is None]
    others.sort(key=is_open)
    line = TraceLine(LAYER, "hit", f"The conversation stays with {first.target}, where {held.route} had sent it.")
    plan = Plan((first, *dict.fromkeys(others)), LAYER, held.route, (line,), first=leading)
    return replace(plan, thinking=held.thinking, stick="conversation")


def _may_use(candidate: Candidate, query: RoutingQuery, rules: Ruleset) -> bool:
    return is_granted(query.caller, candidate.server.name, candidate.model or query.model, rules.aliases)


def held_by(plan: Plan, answered: Candidate) -> Held:
    """The targets that a conversation keeps, once `answered` has answered it."""
    others = [one.target for one in plan.candidates if one != answered]
    return Held((answered.target, *dict.fromkeys(others)), plan.route, plan.first_choice.name, plan.thinking)
