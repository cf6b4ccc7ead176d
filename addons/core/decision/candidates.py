"""From the instances that a step of decide() names to the plan: which candidates there are, and in which order.

Steps 7 to 13 of decide.py's table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from switchman.addons.core.access.grants import is_restricted
from switchman.addons.core.decision.balancing.costs import cost_of
from switchman.addons.core.decision.balancing.ordering import Balanced, Standing, balanced
from switchman.addons.core.decision.capabilities import usable
from switchman.addons.core.decision.names.known import KnownModels, spelled
from switchman.addons.core.decision.names.unknown import not_granted
from switchman.addons.core.routes.granted import is_granted
from switchman.addons.core.routes.live import Live
from switchman.addons.core.routes.plan import Candidate, ListsUse, Plan, TraceLine
from switchman.addons.core.routes.routes import Instance, Route
from switchman.addons.core.routes.targets import in_words
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.servers.servers import Server

if TYPE_CHECKING:
    from switchman.addons.core.decision.decide import RoutingQuery

_SHOWN = 80  # characters of a client's own text that a trace repeats


@dataclass(frozen=True, slots=True)
class Answer:
    """One layer's instances, before steps 7 to 13. `widens`: the global fallbacks follow them.

    `from_client`: their models' names are the client's words. `lists`: as in Plan.
    """

    layer: str
    route: str
    instances: Sequence[Instance]
    widens: bool = False
    rule: Route | None = None
    from_client: bool = False
    lists: ListsUse = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision in progress: its input, and the trace so far."""

    query: RoutingQuery
    rules: Ruleset
    known: KnownModels
    is_open: Callable[[Candidate], bool]
    live: Live
    trace: list[TraceLine]

    @property
    def ollama(self) -> bool:
        """Whether an Ollama client wrote the names."""
        return self.query.dialect == "ollama"

    def may_use(self, server: Server, model: str) -> bool:
        """Whether the caller may use a server's model; "": the one that the client named."""
        return is_granted(self.query.caller, server.name, model or self.query.model, self.rules.aliases)


def plan_of(answer: Answer, model: str, decision: Decision) -> Plan:
    """Steps 7 to 13. `model` is the name after MODEL_MAP; candidates get it only where it differs from the client's."""
    rules, trace = decision.rules, decision.trace
    instances = tuple(answer.instances)
    # 7. the global fallbacks
    if answer.widens and rules.fallbacks:
        trace.append(TraceLine("fallbacks", "hit", f"If all of these fail, try {in_words(rules.fallbacks)}."))
        instances += rules.fallbacks
    # By name, as hashing a whole Server costs more than the rest of a decision.
    distinct: dict[tuple[str, str], Instance] = {}
    for one in instances:
        distinct.setdefault((one.server.name, _name_there(one, model, answer, decision)), one)
    candidates = [Candidate(instance.server, name) for (_, name), instance in distinct.items()]
    first = candidates[0].server
    # 8. local_only
    candidates = _local(candidates, answer, decision)
    # 9. the caller's token
    candidates = _granted(candidates, decision)
    if not candidates:
        return refused(answer, model, first, decision)
    # 10. servers that are off
    left = _on(candidates, decision)
    if not left:
        return _all_off(answer, candidates, first, decision)
    # 11. capabilities
    candidates = _capable(left, decision)
    # 12. breakers
    healthy, resting = _by_health(candidates, decision)
    # 13. balance
    found = _balanced(healthy, distinct, decision)
    ordered = (*found.candidates, *resting)
    plan = Plan(
        ordered, answer.layer, answer.route, tuple(trace), first=first, lists=answer.lists, settles=tuple(found.settles)
    )
    return replace(plan, thinking=answer.rule.thinking, stick=answer.rule.stick) if answer.rule else plan


def _name_there(instance: Instance, model: str, answer: Answer, decision: Decision) -> str:
    """The model's name for a candidate: the rules' own, or the client's; "" where the client's stays as it came."""
    if instance.model and not answer.from_client:
        return instance.model
    name = spelled(instance.server, instance.model or model, decision.known, decision.ollama)
    return "" if name == decision.query.model else name


def _local(candidates: Sequence[Candidate], answer: Answer, decision: Decision) -> list[Candidate]:
    local, first = decision.rules.local_only, candidates[0].server.name
    if first not in local and not (answer.rule and answer.rule.local_only):
        return list(candidates)
    kept = [candidate for candidate in candidates if candidate.server.name == first or candidate.server.name in local]
    if left := [candidate.target for candidate in candidates if candidate not in kept]:
        detail = f"Requests to {first} are local_only, so these are not tried: {', '.join(left)}."
        decision.trace.append(TraceLine("local_only", "skip", detail))
    return kept


def _granted(candidates: Sequence[Candidate], decision: Decision) -> list[Candidate]:
    caller = decision.query.caller
    if caller is None or not is_restricted(caller):
        return list(candidates)
    kept = [one for one in candidates if decision.may_use(one.server, one.model)]
    if left := [one.target_for(decision.query.model) for one in candidates if one not in kept]:
        detail = f"The token {caller.name} may not use these, so they are not tried: {', '.join(map(shown, left))}."
        decision.trace.append(TraceLine("token", "skip", detail))
    return kept


def _on(candidates: list[Candidate], decision: Decision) -> list[Candidate]:
    if all(one.server.enabled for one in candidates):
        return candidates
    off = [one.target_for(decision.query.model) for one in candidates if not one.server.enabled]
    detail = f"Their server is off (enabled: false), so they are not tried: {', '.join(map(shown, off))}."
    decision.trace.append(TraceLine("off", "skip", detail))
    return [one for one in candidates if one.server.enabled]


def _all_off(answer: Answer, candidates: Sequence[Candidate], first: Server, decision: Decision) -> Plan:
    names = ", ".join(dict.fromkeys(one.server.name for one in candidates))
    refusal = f"All servers that this request could go to are off (enabled: false): {names}."
    trace = tuple(decision.trace)
    return Plan((), answer.layer, answer.route, trace, first=first, refusal=refusal, is_off=True)


def refused(answer: Answer, model: str, first: Server | None, decision: Decision) -> Plan:
    """The plan for a caller that may not use all, where nobody is asked. Of a name that the client chose it is the same
    whether there is such a model or not: who may not use it is not told.
    """
    rules, caller = decision.rules, decision.query.caller
    assert caller is not None
    chosen = rules.is_auto(model)
    if chosen:
        refusal = f"The token {caller.name} may use none of the models that this request could go to."
    else:
        refusal = not_granted(model, shown(model), rules, decision.known, caller)
    trace = tuple(decision.trace)
    return Plan((), answer.layer, answer.route, trace, first=first, refusal=refusal, forbidden=chosen)


def _capable(candidates: Sequence[Candidate], decision: Decision) -> list[Candidate]:
    judged = [(one, usable(one, decision.query.features, decision.rules, decision.query.model)) for one in candidates]
    refused = [(candidate, reason) for candidate, reason in judged if reason is not None]
    if not refused:
        return list(candidates)
    if len(refused) < len(judged):
        for candidate, reason in refused:
            detail = f"{candidate.target} is passed over: {reason}."
            decision.trace.append(TraceLine("capability", "skip", detail))
        return [candidate for candidate, reason in judged if reason is None]
    why = "; ".join(f"{candidate.target}: {reason}" for candidate, reason in refused)
    detail = f"The rules file says that no candidate can serve this request, so the order stays. {why}."
    decision.trace.append(TraceLine("capability", "miss", detail))
    return list(candidates)


def _by_health(candidates: Sequence[Candidate], decision: Decision) -> tuple[list[Candidate], list[Candidate]]:
    """Those that may be asked now; where there are none, all of them. Then the others."""
    healthy: list[Candidate] = []
    resting: list[Candidate] = []
    for candidate in candidates:
        (resting if decision.is_open(candidate) else healthy).append(candidate)
    if resting:
        names = ", ".join(candidate.target for candidate in resting)
        after = "tried after the others" if healthy else "tried all the same, as there is no other"
        decision.trace.append(TraceLine("breaker", "skip", f"Failed lately, and so {after}: {names}."))
    return (healthy, resting) if healthy else (resting, [])


def _balanced(
    candidates: list[Candidate], instances: Mapping[tuple[str, str], Instance], decision: Decision
) -> Balanced:
    """The candidates in the order of their pools' strategies."""
    standing = [
        Standing(one, one.target_for(decision.query.model), instances[one.server.name, one.model]) for one in candidates
    ]
    if not any(one.instance.places for one in standing):
        return Balanced(candidates)
    found = balanced(standing, decision.query.moment, lambda one: cost_of(one, decision.query, decision.rules))
    decision.trace.extend(found.lines)
    return found


def shown(text: str) -> str:
    """A client's own text in a sentence: bounded, and visible even where it is empty or holds control characters."""
    if not text:
        return "(nothing)"
    short = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    return short if short.isprintable() else repr(short)
