"""What a caller may use, as far as the rules say what a name stands for: core/access/grants.py, with aliases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from switchman.addons.core.access.caller import Caller
from switchman.addons.core.access.grants import is_restricted, may_use_model
from switchman.addons.core.routes.names import short
from switchman.addons.core.routes.routes import Alias


def is_granted(caller: Caller | None, server: str, model: str, aliases: Mapping[str, Alias]) -> bool:
    """Whether the caller may use `model` of `server`, by its own name or by that of an alias that stands for it."""
    if caller is None or not is_restricted(caller):
        return True
    if not caller.models:
        return may_use_model(caller, server, model)
    return may_use_model(caller, server, model, _standing_for(server, model, aliases))


def is_alias_granted(caller: Caller | None, alias: Alias, aliases: Mapping[str, Alias]) -> bool:
    """Whether anything that an alias stands for may be used."""
    return any(is_granted(caller, one.server.name, one.model or alias.name, aliases) for one in alias.instances)


def _standing_for(server: str, model: str, aliases: Mapping[str, Alias]) -> Iterator[str]:
    for alias in aliases.values():
        if any(one.server.name == server and short(one.model) == short(model) for one in alias.instances if one.model):
            yield alias.name
