"""What the servers' lists of models tell a decision: where a bare name is, how a server writes it, what `auto` may be.

The lists are facts from outside, gathered in state/learned/listings.py; here they are values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from switchman.addons.core.decision.capabilities import usable
from switchman.addons.core.decision.catalogue import Model
from switchman.addons.core.request.features import Features
from switchman.addons.core.routes.names import find, short
from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.routes.routes import Alias, Instance
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.rules.rulesfile import AUTO
from switchman.addons.core.servers.models.modelkinds import is_chat
from switchman.addons.core.servers.servers import Server


@dataclass(frozen=True, slots=True)
class ServerModels:
    """What is known of one server. `models`: as it listed them last, by id; None: it never listed any.

    `problem`: why it gave no list when it was asked last. `absent`: no connection could be made then.
    """

    models: Mapping[str, Model] | None = None
    problem: str | None = None
    absent: bool = False


NOTHING = ServerModels()


def server_models(models: Sequence[Model] | None, problem: str | None = None, absent: bool = False) -> ServerModels:
    """ServerModels of a list in its order."""
    return ServerModels(None if models is None else {model.id: model for model in models}, problem, absent)


@dataclass(frozen=True, slots=True)
class KnownModels:
    """What is known of all servers, by their names. A server that is not in it was not asked yet."""

    servers: Mapping[str, ServerModels] = field(default_factory=dict)

    def of(self, server: Server) -> ServerModels:
        return self.servers.get(server.name, NOTHING)

    def listed_as(self, server: Server, model: str) -> str | None:
        """The name as the server lists it, exactly or with its twin's; None where its list does not have it."""
        models = self.of(server).models
        found = find(models, model) if models else None
        return found.id if found is not None else None


NOTHING_KNOWN = KnownModels()


def asked_servers(rules: Ruleset) -> list[Server]:
    """The servers whose lists tell where a bare name is, in the order of the rules file; DEFAULT_UPSTREAM's is the last
    one: nobody has named it, where it is the assumed one. Those that are off tell nothing.
    """
    return list(dict.fromkeys(one for one in (*rules.servers.values(), rules.default) if one.enabled))


def places(model: str, rules: Ruleset, known: KnownModels) -> tuple[Instance, ...]:
    """The servers whose lists have a bare name, in the order of the rules file, each with the name as it lists it."""
    found = ((server, known.listed_as(server, model)) for server in asked_servers(rules)) if model else ()
    return tuple(Instance(server, name) for server, name in found if name is not None)


def spelled(server: Server, model: str, known: KnownModels, ollama: bool) -> str:
    """A client's own name as the server is to be asked for it. `ollama`: an Ollama client wrote it.

    An Ollama server knows both ways to write it, so that the client's stays. Of any other its list decides. Where that
    is not known, and the server is declared to be none of Ollama's, what Ollama's clients add is left out.
    """
    if server.dialect == "ollama":
        return model
    if (listed := known.listed_as(server, model)) is not None:
        return listed
    foreign = ollama and server.dialect is not None and known.of(server).models is None
    return short(model) if foreign else model


MayUse = Callable[[Server, str], bool]


def anybody(server: Server, model: str) -> bool:
    """What a caller may use of whom nothing else is known: all."""
    return True


def first_chat_alias(rules: Ruleset, may_use: MayUse = anybody) -> Alias | None:
    """The first alias that leads to a chat model, as far as its models' names tell, and to one that may be used."""
    aliases = (
        alias
        for alias in rules.aliases.values()
        if any(one.server.enabled and may_use(one.server, one.model or alias.name) for one in alias.instances)
    )
    return next((alias for alias in aliases if is_chat(alias.instances[0].model or alias.name)), None)


def first_chat_model(
    rules: Ruleset, known: KnownModels, features: Features | None, may_use: MayUse = anybody
) -> tuple[Instance, ...]:
    """The first known chat model that can serve such a request, and may be used, and the other servers that list it; ()
    for none.

    An explicit DEFAULT_UPSTREAM comes first, as its models are listed first; then the servers of the file in their
    order. Servers that gave their list when they were asked last come before those that did not.
    """
    servers = asked_servers(rules)
    if rules.default_set:
        servers.sort(key=lambda server: server != rules.default)
    servers.sort(key=lambda server: known.of(server).problem is not None)
    found = [one for one in _chat_models(servers, known) if may_use(one.server, one.model)]
    fit = (one for one in found if usable(Candidate(one.server, one.model), features, rules) is None)
    first = next(fit, None) or next(iter(found), None)
    if first is None:
        return ()
    others = (one for one in places(first.model, rules, known) if one.server != first.server)
    return (first, *(one for one in others if may_use(one.server, one.model)))


def _chat_models(servers: Sequence[Server], known: KnownModels) -> Iterator[Instance]:
    for server in servers:
        for model in (known.of(server).models or {}).values():
            if model.chat and short(model.id) != AUTO:
                yield Instance(server, model.id)
