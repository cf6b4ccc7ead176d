"""The list of models for clients, merged from the upstreams' own lists.

1. `read_models` reads an upstream's answer, in any of the three dialects' formats, into a tuple of Models.
2. `merge` combines these with the rules: `auto`, aliases, the default upstream's models by their own names, and every
   server's as `server/model`. A name that the router would send elsewhere is left out.
3. The other functions write that list in each dialect's format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from switchman.addons.core.access.caller import Caller
from switchman.addons.core.dialects.ollama.show import NO_DETAILS
from switchman.addons.core.routes.granted import is_alias_granted, is_granted
from switchman.addons.core.routes.names import find, twin
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.rules.rulesfile import AUTO
from switchman.addons.core.servers.models.modelkinds import is_chat
from switchman.addons.core.servers.servers import UNKNOWN_MODEL, ModelFacts, Server

OWNER = "switchman"  # of `auto` and the aliases


@dataclass(frozen=True, slots=True)
class Model:
    """A model as its upstream lists it. `created` is epoch seconds; `tag` is Ollama's entry as it came.

    `chat`: it answers chats, as far as the list or its name tells.
    """

    id: str
    created: int | None = None
    owner: str = ""
    tag: Mapping[str, Any] | None = None
    chat: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """A name that a client may request. `owner` is the owner that the upstream gives, else the server's name.

    `facts`: the rules' `models:` entry; for an alias, that of its first instance.
    """

    id: str
    owner: str
    created: int | None = None
    tag: Mapping[str, Any] | None = None
    facts: ModelFacts = UNKNOWN_MODEL


def read_models(answer: Any) -> tuple[Model, ...]:
    """The models of an upstream's parsed answer; ValueError if it is no list of models.

    Known formats: OpenAI and Anthropic {"data": [{"id"}]}, Ollama {"models": [{"name", "model"}]}, and the bare list
    that some OpenAI-like servers send. Entries without a name are skipped.
    """
    listed = answer
    if isinstance(answer, dict):
        listed = answer["data"] if isinstance(answer.get("data"), list) else answer.get("models")
    if not isinstance(listed, list):
        raise ValueError("the answer is not a list of models")
    read = (_read_model(entry) for entry in listed if isinstance(entry, dict))
    return tuple({model.id: model for model in read if model.id}.values())


def _read_model(entry: Mapping[str, Any]) -> Model:
    name = next((entry[key] for key in ("id", "model", "name") if isinstance(entry.get(key), str)), "")
    owner = entry.get("owned_by")
    tag = entry if "id" not in entry and "modified_at" in entry else None
    when = next((entry[key] for key in ("created", "created_at", "modified_at") if entry.get(key)), None)
    return Model(name, _epoch(when), owner if isinstance(owner, str) else "", tag, is_chat(name, entry))


def _epoch(when: object) -> int | None:
    """Epoch seconds of a number or an ISO 8601 text; None if it is neither."""
    if isinstance(when, bool):
        return None
    try:
        return int(when) if isinstance(when, int | float) else int(datetime.fromisoformat(str(when)).timestamp())
    except (ValueError, OverflowError):
        return None


def merge(
    rules: Ruleset, lists: Mapping[str, Sequence[Model]], auto: bool = True, caller: Caller | None = None
) -> tuple[Entry, ...]:
    """The one list, `auto` first. `lists` has the models by server name, the default upstream's under its own name.
    It has what the caller may use.

    A name occurs once. An upstream that is missing in `lists` adds no models; its aliases are listed all the same.
    """
    entries: dict[str, Entry] = {}
    if auto:
        entries[AUTO] = Entry(AUTO, OWNER)
    for alias in rules.aliases.values():
        if not is_alias_granted(caller, alias, rules.aliases):
            if alias.name == AUTO:
                entries.pop(AUTO, None)
            continue
        first = alias.instances[0] if alias.instances else None
        facts = rules.facts(first.server, first.model or alias.name) if first else UNKNOWN_MODEL
        entries[alias.name] = Entry(alias.name, OWNER, facts=facts)  # also in the place of `auto`, if it is called so
    if rules.default in rules.upstreams:
        for model in lists.get(rules.default.name, ()):
            # A first part that is a server's name means that server, not the default upstream.
            own = model.id.partition("/")[0] not in rules.servers and twin(model.id) not in entries
            if own and is_granted(caller, rules.default.name, model.id, rules.aliases):
                entries.setdefault(model.id, entry_for(model.id, rules.default, model, rules))
    for name in rules.servers:
        if "/" in name:
            continue  # `server/model` is split at the first slash, so this server has no such names
        for model in lists.get(name, ()):
            if not is_granted(caller, name, model.id, rules.aliases):
                continue
            entries.setdefault(f"{name}/{model.id}", entry_for(f"{name}/{model.id}", rules.servers[name], model, rules))
    return tuple(entries.values())


def entry_of(entries: Iterable[Entry], model: str) -> Entry | None:
    """The entry of a name that a client asks for, which may be its twin."""
    return find({entry.id: entry for entry in entries}, model)


def entry_for(name: str, server: Server, model: Model, rules: Ruleset) -> Entry:
    """The entry of a server's model under the name that a client asks for."""
    return Entry(name, model.owner or server.name, model.created, model.tag, rules.facts(server, model.id))


def openai_entry(entry: Entry) -> dict[str, Any]:
    """OpenAI's model object. `created` is required there, so 0 stands for not known.

    The rules' facts are added under the names that OpenRouter and others use.
    """
    return {"id": entry.id, "object": "model", "created": entry.created or 0, "owned_by": entry.owner} | _facts(entry)


def _facts(entry: Entry) -> dict[str, Any]:
    facts = entry.facts
    known: dict[str, Any] = {}
    if facts.context is not None:
        known["context_length"] = facts.context
    if facts.modalities:
        known["modalities"] = sorted(facts.modalities)
    return known


def openai_list(entries: Iterable[Entry]) -> dict[str, Any]:
    """The answer to GET /v1/models."""
    return {"object": "list", "data": [openai_entry(entry) for entry in entries]}


def anthropic_entry(entry: Entry) -> dict[str, Any]:
    """Anthropic's model object. Its API gives the epoch for an unknown release date."""
    model = {"type": "model", "id": entry.id, "display_name": entry.id, "created_at": _iso(entry.created)}
    return model | _facts(entry)


def anthropic_list(entries: Sequence[Entry]) -> dict[str, Any]:
    """Anthropic's answer to GET /v1/models, all on one page."""
    ends = (entries[0].id, entries[-1].id) if entries else (None, None)
    data = [anthropic_entry(entry) for entry in entries]
    return {"data": data, "has_more": False, "first_id": ends[0], "last_id": ends[1]}


def ollama_tags(entries: Iterable[Entry]) -> dict[str, Any]:
    """Ollama's answer to GET /api/tags: an Ollama server's own entry under the name it has here, or a minimal one."""
    return {"models": [_tag(entry) for entry in entries]}


def _tag(entry: Entry) -> dict[str, Any]:
    known: Mapping[str, Any] = entry.tag or {
        "modified_at": _iso(entry.created),
        "size": 0,
        # `ollama list` prints its first 12 characters and breaks on fewer: it names the entry, not its weights.
        "digest": sha256(entry.id.encode("utf-8", "surrogatepass")).hexdigest(),
        "details": NO_DETAILS,
    }
    return {**known, "name": entry.id, "model": entry.id}


def _iso(created: int | None) -> str:
    try:
        return datetime.fromtimestamp(created or 0, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):  # a year that no calendar has
        return "1970-01-01T00:00:00Z"
