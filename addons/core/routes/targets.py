"""Resolve the name of a target: an alias, `server/model`, or a model that `models:` of the rules file lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from switchman.addons.core.routes.names import find, short
from switchman.addons.core.routes.routes import Alias, Instance, Pool
from switchman.addons.core.servers.servers import Server


def server_and_model(name: str, servers: Mapping[str, Server]) -> Instance | None:
    """Split `server/model` at the first slash; None where the server is unknown, or no model follows."""
    server_name, _, model = name.partition("/")
    server = servers.get(server_name)
    return Instance(server, model) if server is not None and model else None


def instances_named(name: str, servers: Mapping[str, Server], aliases: Mapping[str, Alias]) -> tuple[Instance, ...]:
    """The instances of an alias, or the one of `server/model`; none for a name that is neither."""
    if alias := find(aliases, name):
        return alias.instances
    instance = server_and_model(name, servers)
    return (instance,) if instance is not None else ()


def instances_of_model(model: str, servers: Mapping[str, Server], known: Iterable[str]) -> tuple[Instance, ...]:
    """The instances that serve a bare model name, found among the `server/model` names in `known`."""
    found = (server_and_model(name, servers) for name in known)
    return tuple(instance for instance in found if instance is not None and short(instance.model) == short(model))


def chosen_by(pool: Pool | None) -> str:
    """How it is chosen among instances, behind their words: ` (least_busy)`; "" where they are tried in order."""
    if pool is None:
        return ""
    stays = "" if pool.affinity == "conversation" else f", affinity {pool.affinity}"
    return f" ({pool.strategy}{stays})"


def in_words(instances: Iterable[Instance]) -> str:
    """The instances in a sentence: `fast-box/llama3, then laptop`."""
    return ", then ".join(f"{i.server.name}/{i.model}" if i.model else i.server.name for i in instances)
