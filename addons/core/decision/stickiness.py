"""Stickiness: a conversation stays with the target that answered it, while that is healthy and can serve it.

A conversation is known by what no later turn changes: its system text, its first message by the user, and who calls.
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
from switchman.addons.core.routes.plan import Candidate, Plan, TraceLine
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.servers.thinkers import Thinking

LAYER = "conversation"


@dataclass(frozen=True, slots=True)
class Held:
    """What a conversation is held to: the target that answered, then the others of its plan; by which rule.

    `first` is the name of the server that the rule names first: Plan.first_choice.
    """

    targets: tuple[str, ...]
    route: str
    first: str
    thinking: Thinking = "auto"


def conversation_key(call: Call, policy: str, caller: str) -> str | None:
    """The name of the conversation that a request belongs to; None where it has no message of a user."""
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
    # Only what was said: another temperature or another tool is no other conversation.
    told = canonical(type(request)(origin=request.origin, model="", messages=tuple(opening)), {})
    return policy_digest("conversation", policy, caller, told)


def _opening(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body up to its first message by a user: the rest may be long, and says nothing of who it is."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return body
    users = (at for at, said in enumerate(messages) if isinstance(said, dict) and said.get("role") == "user")
    return {**body, "messages": messages[: next(users, len(messages)) + 1]}


def pack(held: Held) -> bytes:
    return json.dumps([held.targets, held.route, held.first, held.thinking]).encode()


def unpack(value: bytes) -> Held | None:
    """None for what this version does not understand."""
    try:
        targets, route, first, thinking = json.loads(value)
    except (ValueError, TypeError):
        return None
    known: Any = thinking if thinking in ("auto", "enabled", "disabled") else "auto"
    if not (isinstance(targets, list) and targets and all(isinstance(one, str) for one in targets)):
        return None
    return Held(tuple(targets), str(route), str(first), known)


def held_plan(held: Held, ask: RoutingQuery, rules: Ruleset, is_open: Callable[[Candidate], bool]) -> Plan | str:
    """The plan that keeps a conversation where it is, or why it cannot stay there: a sentence."""
    places = [found[0] for name in held.targets if (found := known_target(name, rules))]
    candidates = [Candidate(place.server, place.model) for place in places]
    if not candidates or candidates[0].target != held.targets[0]:
        return f"{held.targets[0]}, which the conversation was with, is no known target any more."
    leading = next((one for one in (*rules.upstreams, rules.default) if one.name == held.first), None)
    if leading is None:
        return f"{held.first}, which {held.route} named first, is no server any more."
    first, *others = candidates
    if reason := usable(first, ask.features, rules, ask.model):
        return f"The conversation was with {first.target}, which is passed over: {reason}."
    if is_open(first):
        return f"The conversation was with {first.target}, which failed lately."
    others = [one for one in others if usable(one, ask.features, rules, ask.model) is None]
    others.sort(key=is_open)
    line = TraceLine(LAYER, "hit", f"The conversation stays with {first.target}, where {held.route} had sent it.")
    plan = Plan((first, *dict.fromkeys(others)), LAYER, held.route, (line,), first=leading)
    return replace(plan, thinking=held.thinking, stick="conversation")


def held_by(plan: Plan, answered: Candidate) -> Held:
    """What a conversation is held to from now on."""
    others = [one.target for one in plan.candidates if one != answered]
    return Held((answered.target, *dict.fromkeys(others)), plan.route, plan.first_choice.name, plan.thinking)
