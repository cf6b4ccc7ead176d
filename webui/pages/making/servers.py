"""The servers of the wizard's second step: those of the file, those whose key is set, and those that somebody adds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import request

from switchman.addons.config.configuration import well_known
from switchman.addons.core.routes.making.answers import Model
from switchman.addons.core.routes.making.drafting import free_name
from switchman.addons.core.routes.making.suggesting import offered, suggested
from switchman.addons.core.servers import urls
from switchman.addons.core.servers.credentials import is_on_own_network
from switchman.addons.core.servers.servers import Server
from switchman.webui.access.people import web_config
from switchman.webui.admin.changes import Refused, key_entries
from switchman.webui.admin.wizard import MOST_MODELS, MOST_SERVERS, Known, ModelIn, ServerIn, address_of, listed_prices
from switchman.webui.pages.making.looking import asked, found_here

SHOWN = 12  # models of a server that are seen at once


@dataclass(frozen=True, slots=True)
class Card:
    """A server as the page shows it. `variable`: that has its key, if it is set; `state`: of the key."""

    given: ServerIn
    address: str
    known: bool
    own: bool
    variable: str
    state: str  # set, unset, none (needs none), file (as the file says)
    first: list[ModelIn]
    more: list[ModelIn]
    prices: dict[str, str]


def first_servers(file: Known) -> list[ServerIn]:
    """Before anybody has answered: the file's, and providers whose variable is set."""
    found = [ServerIn(name=name) for name in list(file.rules.servers)[:MOST_SERVERS] if name in file.written]
    taken = {one.name for one in found}
    there = {server.preset for server in file.rules.servers.values()}
    for name, preset in well_known().items():
        is_set = bool(preset.api_key_env and os.environ.get(preset.api_key_env, "").strip())
        if is_set and preset.url and name not in there | taken and len(found) < MOST_SERVERS:
            found.append(ServerIn(name=name, preset=name))
    return with_models(found, file)


def with_models(servers: Iterable[ServerIn], file: Known, may_ask: bool = True) -> list[ServerIn]:
    """Models where there are none: as the server itself says where it is on this machine, else as rules and prices
    know them. `may_ask`: also new addresses may be asked.
    """
    servers = list(servers)
    empty = {one.name: one for one in servers if not one.models}
    places = {}
    for name, one in empty.items():
        if (server := server_in(one, file)) is not None:
            places[name] = (server.url, server.dialect)
        elif may_ask and (address := new_address(one)):
            preset = well_known().get(one.preset)
            places[name] = (urls.parse(address, query=True), preset.dialect if preset else None)
    answers = asked(places)
    made = []
    for one in servers:
        if one.name in empty:
            answer = answers.get(one.name)
            found = answer.models if answer is not None and answer.models else known_models(one, file)
            one = one.model_copy(update={"models": chosen_among(found[:MOST_MODELS], one, file)})
        made.append(one)
    return made


def server_in(one: ServerIn, file: Known) -> Server | None:
    return file.rules.servers.get(one.name) if one.name in file.written else None


def new_address(one: ServerIn) -> str:
    try:
        return address_of(one)
    except Refused:
        return ""


def known_models(one: ServerIn, file: Known) -> list[ModelIn]:
    """What is known of a server that cannot be asked here: by `models:`, the targets of the rules, and the
    provider's prices.
    """
    names = [name.partition("/")[2] for name in file.rules.models if name.partition("/")[0] == one.name]
    for alias in file.rules.aliases.values():
        names += [i.model for i in alias.instances if i.server.name == one.name and i.model]
    names += [r.model for r in file.rules.routes if r.upstream and r.upstream.name == one.name and r.model]
    names += [r.model.partition("/")[2] for r in file.rules.routes if r.model and r.model.startswith(f"{one.name}/")]
    names += [model.name for model in offered(priced_models(one, file))]
    good = (name for name in dict.fromkeys(names) if name and len(name) <= 200 and name.isprintable())
    return [ModelIn(name=name) for name in good]


def priced_models(one: ServerIn, file: Known) -> list[Model]:
    server = server_in(one, file)
    if server is not None:
        return list(listed_prices(web_config().prices().provider(server.preset, server.url.host)))
    address = new_address(one)
    host = urls.parse(address, query=True).host if address else ""
    return list(listed_prices(web_config().prices().provider(one.preset, host))) if host else []


def chosen_among(models: Sequence[ModelIn], one: ServerIn, file: Known) -> list[ModelIn]:
    """Those that are offered first are chosen."""
    prices = {model.name: model for model in priced_models(one, file)}
    facts = [prices.get(model.name, Model(model.name)) for model in models]
    first = suggested(facts, is_own(one, file) or not prices)
    return [model.model_copy(update={"chosen": model.name in first}) for model in models]


def is_own(one: ServerIn, file: Known) -> bool:
    server = server_in(one, file)
    if server is not None:
        return is_on_own_network(server.url.host)
    address = new_address(one)
    return bool(address) and is_on_own_network(urls.parse(address, query=True).host)


def looked_for(servers: list[ServerIn], file: Known) -> list[ServerIn]:
    """The same, with the servers that answer on this machine and are not among them."""
    config = web_config()
    ports = [port for url in (config.proxy_url, request.host_url) if (port := urlsplit(url).port)]
    places = {str(server.url.port) for server in file.rules.servers.values() if is_on_own_network(server.url.host)}
    places |= {str(urls.parse(url).port) for one in servers if (url := new_address(one))}
    taken = {one.name for one in servers} | set(file.written)
    new = [one for one in found_here([*ports, *map(int, places)]) if len(servers) < MOST_SERVERS]
    renamed = [one.model_copy(update={"name": free_name(one.name, taken)}) for one in new]
    return [*servers, *(one.model_copy(update={"models": chosen_among(one.models, one, file)}) for one in renamed)]


def card_of(one: ServerIn, file: Known) -> Card:
    server, preset = server_in(one, file), well_known().get(one.preset)
    address = str(server.url) if server is not None else new_address(one)
    own = is_own(one, file)
    variable = (preset.api_key_env or "") if preset is not None and server is None else ""
    if server is not None:
        state = "file"
    elif one.key or (variable and os.environ.get(variable, "").strip()):
        state = "set"
    else:
        state = "none" if own else "unset"
    priced = {m.name: f"${(m.output_cost or 0) / 1e6:g}" for m in priced_models(one, file) if m.output_cost}
    ordered = sorted(one.models, key=lambda model: not model.chosen)
    return Card(one, address, server is not None, own, variable, state, ordered[:SHOWN], ordered[SHOWN:], priced)


def vault_names() -> list[str]:
    """Names of keys that may be chosen; none where there is no vault."""
    try:
        return [entry.name for entry in key_entries()]
    except Refused:
        return []
