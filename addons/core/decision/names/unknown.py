"""What a client is told of a model that nothing knows: the nearest names there are, and what could not be looked at."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from heapq import nlargest
from itertools import islice

from switchman.addons.core.access.caller import Caller
from switchman.addons.core.decision.names.known import KnownModels, asked_servers
from switchman.addons.core.routes.granted import is_alias_granted, is_granted
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.servers.servers import Server

SHOWN = 3  # names that are offered
# The event loop waits for this, so it is bounded: to some 10 ms for lists of any length, and names of any.
_SEEN = 1_000  # names that are looked at
_COMPARED = 40  # of those, the ones that share the most pairs of letters, which are compared in full
_LONGEST = 48  # characters of each
_ALIKE = 0.5  # of 1


def nearest(model: str, rules: Ruleset, known: KnownModels, caller: Caller | None = None) -> list[str]:
    """The names most like `model`, best first: aliases, and what the servers list, as far as the caller may use them.

    With a slash in it, `server/model` names too.
    """
    wanted = model[:_LONGEST].lower()
    by_key: dict[str, str] = {}
    for name in islice(_names(rules, known, caller, slash="/" in model), _SEEN):
        for key in (name[:_LONGEST].lower(), name[:_LONGEST].lower().rpartition("/")[2].partition(":")[0]):
            by_key.setdefault(key, name)
    pairs = {wanted[at : at + 2] for at in range(len(wanted) - 1)}
    hopeful = nlargest(_COMPARED, by_key, key=lambda key: 2 * sum(pair in key for pair in pairs) - len(key))
    alike = get_close_matches(wanted, hopeful, SHOWN * 2, _ALIKE)
    return list(dict.fromkeys(by_key[key] for key in alike))[:SHOWN]


def _names(rules: Ruleset, known: KnownModels, caller: Caller | None, slash: bool) -> Iterator[str]:
    yield from (alias.name for alias in rules.aliases.values() if is_alias_granted(caller, alias, rules.aliases))
    for server in asked_servers(rules):
        for model in known.of(server).models or ():
            if not is_granted(caller, server.name, model, rules.aliases):
                continue
            yield model
            if slash and server.name in rules.servers:
                yield f"{server.name}/{model}"


def refusal_of(model: str, shown: str, rules: Ruleset, known: KnownModels) -> str:
    """The sentences of the 404. `shown`: the name as it may be printed, "" for a request without one."""
    subject = f"The model {shown!r} was not found" if shown else "The request names no model"
    said = [f"{subject}: no alias, no rule and no server's list has it." if shown else f"{subject}."]
    if names := nearest(model, rules, known) if shown else []:
        said.append(f"The nearest names are: {', '.join(names)}.")
    dark = [one for one in asked_servers(rules) if known.of(one).models is None and one.name in rules.servers]
    if dark:
        said.append(f"These lists could not be read: {'; '.join(_why(one, known) for one in dark[:SHOWN])}.")
        said.append(f"Models of such a server are reached as {dark[0].name}/MODEL.")
    elif not rules.servers:
        said.append(
            f"The routes file names no server, and nothing answers at {rules.default.url}: say there where your models "
            "are, or set DEFAULT_UPSTREAM."
        )
    return " ".join(said)


def not_granted(model: str, shown: str, rules: Ruleset, known: KnownModels, caller: Caller) -> str:
    """The sentences of the 404 for a caller that may not use all: the same whether there is such a model or not."""
    said = [f"The model {shown} was not found, or the token {caller.name} may not use it."]
    if names := nearest(model, rules, known, caller):
        said.append(f"The nearest names that it may use are: {', '.join(names)}.")
    return " ".join((*said, "The list of models has all that it may use."))


def _why(server: Server, known: KnownModels) -> str:
    return f"{server.name} ({known.of(server).problem or 'not asked yet'})"
