"""What a caller may use: the models and servers that its globs let through.

A model is let through by its name, by `server/model`, or by the name of an alias that stands for it: whoever may use an
alias may use what that stands for, as that is what answers. `name` and `name:latest` are one. Case counts. What a
client's name was turned into counts, not how it was written: MODEL_MAP and rules open nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

from switchman.addons.core.access.caller import Caller

_LATEST: Final = ":latest"


def is_restricted(caller: Caller | None) -> bool:
    """Whether there is anything that the caller may not use."""
    return caller is not None and bool(caller.models or caller.servers)


def may_use_server(caller: Caller, server: str) -> bool:
    """Whether a server is among those of the caller."""
    return not caller.servers or _fits(server, caller.servers)


def may_use_model(caller: Caller, server: str, model: str, aliases: Iterable[str] = ()) -> bool:
    """Whether the caller may use `model` of `server`. `aliases`: the names of those that stand for it.

    A model without a name, which only the server knows, is none of anybody's globs.
    """
    if not may_use_server(caller, server):
        return False
    if not caller.models:
        return True
    short = model.removesuffix(_LATEST)
    names = (model, f"{server}/{model}", short, f"{server}/{short}", f"{short}{_LATEST}") if short else ()
    return any(_fits(name, caller.models) for name in (*names, *aliases))


def _fits(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
