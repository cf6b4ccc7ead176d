"""Rules that were made from answers, put into a rules file: in the place of its rules, or beside them.

1. An empty file becomes the draft's own text, comments and all.
2. `replace`: aliases, routes, default, fallbacks and local_only are the draft's, and so are the budgets of all callers
   together; what the answers are not about stays. Servers that were not chosen go, with what `models:` says of them and
   the layers of `auto` that lead to targets of before (`semantic_routes`, `arbiter`); an operator may not take servers
   away, so theirs stay.
3. `beside`: nothing goes. The draft's rules come behind those that are there; a default stays, and budgets do.

What is there is not written anew (rewriting.py). Comments of new entries stand above them.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal

from switchman.addons.config.editing import emitting
from switchman.addons.config.editing.merging import ROUTES
from switchman.addons.config.editing.rewriting import rewritten, rules_in, same
from switchman.addons.core.routes.making.drafting import Draft, Entry
from switchman.addons.core.routes.making.writing import written
from switchman.addons.core.rules.reading.yamltext import Path, load

How = Literal["replace", "beside"]
_OF_RULES: Final = ("aliases", "routes", "default", "fallbacks", "local_only", "semantic_routes")


def put_into(text: str, draft: Draft, how: How, *, may_servers: bool = True) -> str:
    """The new text. Raises NotEditable with a sentence, and RulesError for a text that cannot be read."""
    data, routes = rules_in(text, sound=True)
    if not data and not text.strip():
        return written(draft)
    wanted = _replaced(data, draft, may_servers) if how == "replace" else _beside(data, draft)
    old = routes if how == "beside" else []
    order: list[int | None] = [*range(len(old)), *(None for _ in draft.routes)]
    orders: dict[Path, list[int | None]] = {ROUTES: order} if routes else {}
    made = rewritten(text, wanted, orders)
    return _with_comments(made, draft, known=data)


def taken_names(text: str) -> frozenset[str]:
    """The names that rules beside those of a text must not have. Raises RulesError."""
    data = load(text, "").data
    if not isinstance(data, dict):
        return frozenset()
    routes = data.get("routes")
    routes = routes if isinstance(routes, list) else []
    named = [str(one["name"]) for one in routes if isinstance(one, dict) and one.get("name")]
    return frozenset([*map(str, _mapping(data, "aliases")), *map(str, _mapping(data, "servers")), *named])


def _replaced(data: dict[str, Any], draft: Draft, may_servers: bool) -> dict[str, Any]:
    wanted = {key: value for key, value in data.items() if key not in _OF_RULES}
    servers = _mapping(data, "servers")
    if may_servers:
        wanted.pop("arbiter", None)
        servers = {one.name: servers.get(one.name, one.value) for one in draft.servers}
        models = {
            name: facts for name, facts in _mapping(data, "models").items() if str(name).partition("/")[0] in servers
        }
        wanted = _with(wanted, "models", models)
    wanted = _with(wanted, "servers", servers)
    return _with_rules(wanted, draft, {}, [])


def _beside(data: dict[str, Any], draft: Draft) -> dict[str, Any]:
    servers = _mapping(data, "servers")
    wanted = _with(data, "servers", {**servers, **_values(one for one in draft.servers if one.name not in servers)})
    made = _with_rules(wanted, draft, _mapping(data, "aliases"), list(data.get("routes") or []))
    if _mapping(_mapping(data, "limits"), "total").get("budgets"):
        made["limits"] = data["limits"]
    return made


def _with_rules(wanted: dict[str, Any], draft: Draft, aliases: dict[str, Any], routes: list[Any]) -> dict[str, Any]:
    models = _mapping(wanted, "models")
    wanted = _with(wanted, "models", {**_values(draft.models), **models} if models or draft.models else {})
    wanted = _with(wanted, "aliases", {**aliases, **_values(draft.aliases)})
    wanted = _with(wanted, "routes", [*routes, *({"name": one.name, **one.value} for one in draft.routes)])
    if draft.default is not None:
        wanted.setdefault("default", draft.default.value)
    if draft.local_only is not None:
        there = list(wanted.get("local_only") or [])
        wanted["local_only"] = [*there, *(name for name in draft.local_only.value if name not in there)]
    if draft.budget is not None:
        limits = _mapping(wanted, "limits")
        wanted["limits"] = {**limits, "total": {**_mapping(limits, "total"), "budgets": draft.budget.value}}
    return wanted


def _with(data: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    """A section, where it was; none where it is empty."""
    if not value:
        return {key: one for key, one in data.items() if key != name}
    return {**data, name: value}


def _mapping(data: dict[str, Any], name: str) -> dict[str, Any]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def _values(entries: Any) -> dict[str, Any]:
    return {one.name: one.value for one in entries}


def _with_comments(text: str, draft: Draft, known: dict[str, Any]) -> str:
    """Above each new entry that has a line of its own. JSON takes no comments."""
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return text
    newline = "\r\n" if "\r\n" in text else "\n"
    above: dict[str, str] = {}
    for section in ("servers", "models", "aliases"):
        entries: list[Entry] = getattr(draft, section)
        for one in entries:
            if one.name not in _mapping(known, section):
                above[f"{emitting.scalar(one.name)}:"] = one.why
    above |= {f"- name: {emitting.scalar(one.name)}": one.why for one in draft.routes}
    singles = [draft.default, draft.local_only]
    above |= {f"{one.name}:": one.why for one in singles if one is not None and one.name not in known}
    lines = []
    for line in text.splitlines(keepends=True):
        found = re.match(r"(\s*)(.*)", line)
        begin = next((start for start in above if found and _begins(found[2], start)), None)
        if found and begin is not None:
            lines.append(f"{found[1]}# {above.pop(begin)}{newline}")
        lines.append(line)
    made = "".join(lines)
    return made if same(load(made, "").data, load(text, "").data) else text  # within a text of many lines


def _begins(line: str, start: str) -> bool:
    return line == start or (line.startswith(start) and line[len(start)] in " \r\n")
