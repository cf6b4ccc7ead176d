"""The servers of the rules file, seen and changed for pages and programs alike.

Operators turn them off and on, test those that are saved, and close their breakers. What says where a key goes is for
admins: adding, changing, removing, and testing what is not saved.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from switchman.addons.config.configuration import well_known
from switchman.addons.config.editing.desk import Reading
from switchman.addons.config.editing.edits import servers_in
from switchman.addons.config.editing.pointing import Pointing, pointing
from switchman.addons.core.access.prices.words import told as price_words
from switchman.addons.core.access.roles import Role
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.core.rules.reading.yamltext import load
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.servers.reaching.references import is_reference
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.texts.masking import is_secret_name
from switchman.addons.store.access.audit import How
from switchman.addons.store.access.vault import Vault, VaultError
from switchman.addons.store.reading.filters import Filters
from switchman.webui.access.people import person
from switchman.webui.access.viewing import log
from switchman.webui.admin.changes import Refused, access, who
from switchman.webui.admin.rules import RulesChanges, desk, glance, parse_edit, reading, with_edit
from switchman.webui.admin.servers.servertests import Kept, kept_tests
from switchman.webui.looks.health import SPAN, SPANS, Health, healths

WEEK = 7 * 86_400.0
MOST_MODELS = 2_000  # of one server's page

Where = Literal["env", "file", "vault", "written", "headers", "client", "none"]


class KeySource(NamedTuple):
    """Where a key comes from, and nothing of it. `version`: of a key in the vault. `is_there`: it was found."""

    where: Where
    name: str = ""
    version: int | None = None
    is_there: bool = True


class ModelSeen(NamedTuple):
    """A model of a server. `price`: in words. `listed`: by the last test; `has_facts`: by the rules; `requests`: of the
    last week.
    """

    name: str
    context: int | None
    modalities: Sequence[str]
    price: str
    listed: bool
    has_facts: bool
    requests: int


@dataclass(frozen=True, slots=True)
class ServerSeen:
    """`written`: as the file has it, as a mapping; None where it is not in the file's `servers`. `speaks`: none
    where that is found out.
    """

    name: str
    written: dict[str, Any] | None
    server: Server
    url: str
    speaks: tuple[str, ...]
    keys: list[KeySource]
    pointing: list[Pointing]
    health: Health
    tried: Kept | None
    models: list[ModelSeen] = field(default_factory=list)
    known_models: int | None = None

    @property
    def enabled(self) -> bool:
        return self.server.enabled


def ruleset() -> Ruleset:
    """The rules in force."""
    return desk().rules.current


def find(name: str) -> Server:
    """A server of the rules in force; 404 where there is none."""
    rules = ruleset()
    found = rules.servers.get(name) or next((one for one in all_servers(rules) if one.name == name), None)
    if found is None:
        raise Refused(f"there is no server with the name {name[:100]!r}", 404)
    return found


def all_servers(rules: Ruleset) -> list[Server]:
    """Those of the file in its order, then those that rules name by a URL only, and DEFAULT_UPSTREAM."""
    return list(dict.fromkeys((*rules.servers.values(), *rules.upstreams)))


def values_of(now: Reading) -> dict[str, Any]:
    """The file's values, with words in place of keys; nothing of a file that cannot be read."""
    try:
        found = load(now.text, "").data
    except RulesError:
        return {}
    return found if isinstance(found, dict) else {}


def seen_all(now: Reading) -> list[ServerSeen]:
    rules, values = ruleset(), values_of(now)
    servers = all_servers(rules)
    states = {one.name: one for one in states_of(servers)}
    return [_seen(one, rules, values, states[one.name]) for one in servers]


def seen(name: str, now: Reading) -> ServerSeen:
    """One, with its models."""
    server, rules = find(name), ruleset()
    found = _seen(server, rules, values_of(now), states_of([server])[0])
    return ServerSeen(**{one: getattr(found, one) for one in found.__slots__} | {"models": models_of(found, rules)})


def states_of(servers: Sequence[Server]) -> list[Health]:
    """As the last hour of the log and the workers tell."""
    now, names, queries = time.time(), [one.name for one in servers], log()
    along = queries.figures.along(Filters(start=now - SPAN * SPANS), SPAN, by="server", spreads=("durations",))
    return healths(names, queries.server_news(names, now), along, now)


def _seen(server: Server, rules: Ruleset, values: dict[str, Any], state: Health) -> ServerSeen:
    tried = kept_tests().of(server)
    facts = {name.partition("/")[2] for name in rules.models if name.startswith(f"{server.name}/")}
    whole = person().role >= Role.OPERATOR
    url = str(server.url)
    return ServerSeen(
        name=server.name,
        written=servers_in(values).get(server.name),
        server=server,
        url=url if whole else url.partition("?")[0],
        speaks=(server.dialect, *server.also) if server.dialect is not None else (),
        keys=keys_of(server),
        pointing=pointing_at(server.name, values),
        health=state,
        tried=tried,
        known_models=len(tried.tried.models) if tried is not None and tried.tried.models else len(facts) or None,
    )


def pointing_at(name: str, values: dict[str, Any]) -> list[Pointing]:
    """What leads to a server, by the file and by MODEL_MAP."""
    mapped = (key for key, value in desk().settings.model_map.items() if value.partition("/")[0] == name)
    return [*pointing(values, name), *(Pointing("MODEL_MAP", key, ()) for key in mapped)]


def keys_of(server: Server) -> list[KeySource]:
    """Where its keys come from, by the references of the rules."""
    found = [_source(key.label) for key in server.keys]
    if not found and any(is_secret_name(name) for name in server.headers):
        return [KeySource("headers")]
    if found:
        return found
    preset = well_known().get(server.preset)
    if preset is not None and preset.api_key_env and server.forward_auth is not True:
        return [KeySource("env", preset.api_key_env, is_there=False)]
    return [KeySource("none" if server.forward_auth is False else "client")]


def _source(label: str) -> KeySource:
    if not is_reference(label):
        return KeySource("written")
    where, _, name = label.partition(":")
    return KeySource(
        _WHERE.get(where.strip(), "written"), name.strip(), _versions().get(name.strip()) if where == "vault" else None
    )


_WHERE: dict[str, Where] = {"env": "env", "file": "file", "vault": "vault"}


def _versions() -> dict[str, int]:
    try:
        return {entry.name: entry.version for entry in Vault(access().engine).entries()}
    except (Refused, VaultError):
        return {}


def models_of(one: ServerSeen, rules: Ruleset) -> list[ModelSeen]:
    """Those that the last test listed, in its order; then those of the rules' `models:`, and of the week's requests."""
    begin = f"{one.name}/"
    listed = [model.id for model in one.tried.tried.models] if one.tried is not None else []
    facts = [name.removeprefix(begin) for name in rules.models if name.startswith(begin)]
    used = log().figures.divided(Filters(start=time.time() - WEEK, server=one.name)).by["model"]
    names = list(dict.fromkeys(filter(None, (*listed, *facts, *used))))[:MOST_MODELS]
    known = set(listed)
    return [_model(name, one.server, rules, name in known, used.get(name)) for name in names]


def _model(name: str, server: Server, rules: Ruleset, listed: bool, used: Any) -> ModelSeen:
    facts = rules.facts(server, name)
    return ModelSeen(
        name=name,
        context=facts.context,
        modalities=sorted(facts.modalities),
        price=price_words(rules.price_for(server, name)),
        listed=listed,
        has_facts=f"{server.name}/{name}" in rules.models,
        requests=used.requests if used is not None else 0,
    )


# ---- changes ----


def edited(now: Reading, edit: dict[str, Any]) -> str:
    """The file's text after an edit, which nobody has saved."""
    return with_edit(now.text, parse_edit(edit))


def server_edit(name: str, value: Any) -> dict[str, Any]:
    return {"do": "server", "name": name, "server": value}


def without(name: str, now: Reading) -> str:
    """The text without a server. Refused while something leads there."""
    values = values_of(now)
    if name not in servers_in(values):
        raise Refused(f"there is no server with the name {name[:100]!r} in the file", 404)
    if places := pointing_at(name, values):
        listed = ", ".join(map(str, places[:10])) + (", ..." if len(places) > 10 else "")
        raise Refused(f"{name} cannot be removed while these lead to it: {listed}", 409, "name")
    return edited(now, server_edit(name, None))


def switch(name: str, enabled: bool, digest: str, how: How) -> str:
    """Turn a server on or off; the digest of the file then."""
    now = reading()
    if digest and digest != now.digest:
        raise Refused("the rules file has changed since this page was made: load it again, and change that", 409)
    if name not in servers_in(values_of(now)):
        raise Refused(f"{name[:100]} is not in the file's `servers`, so it cannot be turned off", 404)
    text = edited(now, {"do": "enable_server", "name": name, "enabled": enabled})
    found = desk().check(text)
    if found.rules is None:
        raise Refused(f"the router would not take the file: {found.problems[0]}", 409)
    what, why = ("server.enable", f"{name} on") if enabled else ("server.disable", f"{name} off")
    return RulesChanges(how).save(text, now.digest, why, what).digest


def reset(name: str, how: How) -> None:
    """Have every worker close the breakers of a server, and end the rests of its keys."""
    server = find(name)
    found = access()
    found.resets.ask(server.name)
    resting = [one.target for one in states_of([server])[0].news.resting]
    found.audit.record(who(how), "server.reset", server.name, {"resting": resting}, None)


def drafted(name: str, value: Any) -> Server:
    """A server as it would be, to be tested before it is saved."""
    if person().role < Role.ADMIN:
        raise Refused("only admins test what is not saved: a key would go to a new address", 403)
    found = desk().check(edited(glance(), server_edit(name, value)))
    if found.rules is None:
        raise Refused(f"the router would not take this: {found.problems[0].message}", 422, "server")
    return found.rules.servers[name]
