"""Where a bare name goes that no alias and no rule knows, and `auto` where no layer named a target.

Steps 5 and 6 of decide.py's table.
"""

from __future__ import annotations

from collections.abc import Sequence

from switchman.addons.core.decision.candidates import Answer, Decision, shown
from switchman.addons.core.decision.names.known import first_chat_alias, first_chat_model, places
from switchman.addons.core.routes.plan import ListsUse, TraceLine
from switchman.addons.core.routes.routes import Instance
from switchman.addons.core.routes.targets import in_words


def by_list(model: str, decision: Decision) -> Answer | None:
    rules = decision.rules
    if rules.default_set:
        return None
    found = places(model, rules, decision.known)
    if not found:
        decision.trace.append(TraceLine("list", "miss", f"No server's list has {shown(model)}."))
        return None
    decision.trace.append(TraceLine("list", "hit", f"{shown(model)} is in {the_lists(found)}."))
    instances = tuple(Instance(one.server, "") for one in found)
    return Answer("list", found[0].server.name, instances, lists="used")


def the_lists(found: Sequence[Instance]) -> str:
    """`the list of server ollama`, or `the lists of servers ollama, then gpu`."""
    names = ", then ".join(one.server.name for one in found)
    return f"the list of server {names}" if len(found) == 1 else f"the lists of servers {names}"


def by_upstream(model: str, map_key: str, decision: Decision) -> Answer:
    rules, default = decision.rules, decision.rules.default
    layer, route = ("model_map", map_key) if map_key else ("default", default.name)
    if rules.default_set:
        others = [one for one in places(model, rules, decision.known) if one.server != default]
        listed = f" ({_capital(the_lists(others))} has it too, as {in_words(others[:1])}.)" if others else ""
        detail = f"{shown(model)} goes to DEFAULT_UPSTREAM, {default.url}.{listed}"
        decision.trace.append(TraceLine("default", "hit", detail))
        return Answer(layer, route, (Instance(default, ""),))
    # 6a. nobody has named it: it is for those who have a server there, and told us nothing
    if decision.known.of(default).absent:
        detail = f"DEFAULT_UPSTREAM is not set, and nothing answers at its default, {default.url}."
        decision.trace.append(TraceLine("default", "miss", detail))
        return Answer("default", default.name, (), lists="missed")
    detail = f"{shown(model)} goes to DEFAULT_UPSTREAM, which is not set: its default is {default.url}."
    decision.trace.append(TraceLine("default", "hit", detail))
    return Answer(layer, route, (Instance(default, ""),), lists="missed")


def by_auto_default(model: str, decision: Decision) -> Answer:
    rules, known = decision.rules, decision.known
    missing = "No layer named a target, and there is no `default:` in the rules"
    if rules.auto_default:
        targets, lists = _auto_targets(decision)
    if rules.auto_default and _may_use_any((*targets, *rules.fallbacks), decision):
        detail = f"No layer named a target; `default:` is {in_words(targets or rules.auto_default)}."
        decision.trace.append(TraceLine("default", "hit", detail))
        return Answer("default", "default", targets, widens=True, lists=lists)
    if rules.auto_default:
        missing = "No layer named a target, and the token may use none that `default:` leads to"
    listed = rules.default_set and model and known.listed_as(rules.default, model) is not None
    if listed and decision.may_use(rules.default, model):
        detail = f"{missing}; {shown(model)} is in the list of DEFAULT_UPSTREAM, {rules.default.url}."
        decision.trace.append(TraceLine("default", "hit", detail))
        return Answer("default", rules.default.name, (Instance(rules.default, ""),), widens=True)
    if (alias := first_chat_alias(rules, decision.may_use)) is not None:
        detail = f"{missing}; the first alias is {alias.name}, which stands for {in_words(alias.instances)}."
        decision.trace.append(TraceLine("default", "hit", detail))
        return Answer("default", alias.name, alias.instances, widens=True)
    if found := first_chat_model(rules, known, decision.query.features, decision.may_use):
        detail = f"{missing}, nor an alias; the first chat model that is known is {found[0].model}, in "
        decision.trace.append(TraceLine("default", "hit", f"{detail}{the_lists(found)}."))
        return Answer("default", in_words(found[:1]), found, widens=True, lists="used")
    if not rules.default_set and known.of(rules.default).absent:
        detail = f"{missing}, nor an alias, and no chat model is known."
        decision.trace.append(TraceLine("default", "miss", detail))
        return Answer("default", rules.default.name, (), widens=True, lists="missed")
    detail = (
        f"{missing}; {shown(model)} goes to DEFAULT_UPSTREAM, "
        f"{rules.default.url}, which must know a model by this name."
    )
    decision.trace.append(TraceLine("default", "hit", detail))
    return Answer("default", rules.default.name, (Instance(rules.default, ""),), widens=True, lists="missed")


def _may_use_any(instances: Sequence[Instance], decision: Decision) -> bool:
    """True where there are none: what is said then is another step's."""
    return not instances or any(decision.may_use(one.server, one.model) for one in instances)


def _auto_targets(decision: Decision) -> tuple[tuple[Instance, ...], ListsUse]:
    """The instances of `default:`, which may be a bare name: the compiler then puts it on DEFAULT_UPSTREAM."""
    rules, first = decision.rules, decision.rules.auto_default[0]
    if first.server == rules.default and rules.default.name not in rules.servers:
        return bare(first.model, decision)
    return rules.auto_default, ""


def bare(name: str, decision: Decision) -> tuple[tuple[Instance, ...], ListsUse]:
    """Steps 5 and 6 for a bare name that the rules give: where it is, and whether the lists told that."""
    rules, known = decision.rules, decision.known
    if rules.default_set:
        return (Instance(rules.default, name),), ""
    if found := places(name, rules, known):
        return found, "used"
    return (() if known.of(rules.default).absent else (Instance(rules.default, name),)), "missed"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
