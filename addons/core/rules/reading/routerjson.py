"""Convert rules in the JSON form that other routers exchange, version 1.1, to routes of a rules file and back.

    routes_from(data) -> Imported      ValueError says what cannot be imported, and in which rule
    rules_from(file) -> Exported       lists what the form cannot express; no rule changes its meaning

The form: {"version", "rules": [{"name", "priority", "enabled", "conditions": {"combinator": "AND" | "OR", "items":
[{"type", ...}]}, "targetModel", "fallbackChain", "thinkingStrategy", "description"}]}. Its rules are for `auto`, and
its keywords are found within words too.

A rule that would not be exported exactly as it was imported (it has unknown fields, or lacks some) is kept whole under
`x-router-json` beside the route, and exported from there as long as the route is not edited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

KEPT: Final = "x-router-json"
VERSION: Final = "1.1"
MOST_FALLBACKS: Final = 3
_COMBINATORS: Final = {"AND": "all", "OR": "any"}
_MODALITIES: Final = {"image": "vision", "images": "vision"}  # their names -> ours, where they differ
_RULE: Final = (
    "name", "priority", "enabled", "conditions", "targetModel", "fallbackChain", "thinkingStrategy", "description",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Imported:
    """`routes` as in a rules file, and `kept` for its `x-router-json`: the top-level fields, or nothing."""

    routes: list[dict[str, Any]]
    kept: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Exported:
    """`data` is the JSON. `lost` has a sentence for each route that is missing in it, or incomplete."""

    data: dict[str, Any]
    lost: list[str]


class _Inexpressible(ValueError):
    """A route, or a part of it, that the form cannot express."""


# ---- import ------------------------------------------------------------------------------------------------------


def routes_from(data: Any) -> Imported:
    """The routes for all rules, in their order."""
    if not isinstance(data, Mapping) or not isinstance(data.get("rules"), list):
        raise ValueError('expected an object with "rules", a list')
    routes = []
    for number, rule in enumerate(data["rules"], 1):
        try:
            routes.append(_route(rule))
        except ValueError as error:
            name = rule.get("name") if isinstance(rule, Mapping) else None
            raise ValueError(f"rule {number}{f' ({name})' if name else ''}: {error}") from None
    kept = {key: value for key, value in data.items() if key != "rules"}
    return Imported(routes, {} if kept == {"version": VERSION} else kept)


def _route(rule: Any) -> dict[str, Any]:
    if not isinstance(rule, Mapping):
        raise ValueError("expected an object")
    route = _plain_route(rule)
    return route if _is_exported_unchanged(route, rule) else {**route, KEPT: dict(rule)}


def _is_exported_unchanged(route: Mapping[str, Any], rule: Mapping[str, Any]) -> bool:
    try:
        return _rule(route, 0) == rule
    except _Inexpressible:
        return False


def _plain_route(rule: Mapping[str, Any]) -> dict[str, Any]:
    route: dict[str, Any] = {}
    for key in ("name", "description"):
        if rule.get(key) is not None:
            route[key] = _text(rule[key], key, empty=key == "description")
    if rule.get("enabled", True) is not True:
        route["enabled"] = _typed(rule["enabled"], bool, "enabled: expected true or false")
    if "priority" in rule:
        route["priority"] = _typed(rule["priority"], int, "priority: expected a whole number")
    match: dict[str, Any] = {"model": "auto"}
    if rule.get("conditions") is not None:
        match |= _group(rule["conditions"])
    target: dict[str, Any] = {"model": _text(rule.get("targetModel"), "targetModel")}
    if fallbacks := _typed(rule.get("fallbackChain") or [], list, "fallbackChain: expected a list"):
        target["fallbacks"] = [_text(fallback, "fallbackChain") for fallback in fallbacks]
    thinking = rule.get("thinkingStrategy") or "auto"
    if thinking not in ("auto", "enabled", "disabled"):
        raise ValueError(f"thinkingStrategy: expected auto, enabled or disabled, not {thinking!r}")
    if thinking != "auto":
        target["thinking"] = thinking
    return {**route, "match": match, "route": target}


def _group(conditions: Any) -> dict[str, Any]:
    if not isinstance(conditions, Mapping) or not isinstance(conditions.get("items"), list):
        raise ValueError('conditions: expected an object with "combinator" and "items"')
    _only(conditions, ("combinator", "items"), "conditions")
    combinator = conditions.get("combinator", "AND")
    if combinator not in _COMBINATORS:
        raise ValueError(f"conditions.combinator: expected AND or OR, not {combinator!r}")
    return {_COMBINATORS[combinator]: [_item(item) for item in conditions["items"]]}


def _item(item: Any) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise ValueError("conditions.items: expected objects")
    if "combinator" in item:
        return _group(item)
    kind = item.get("type")
    if not isinstance(kind, str) or kind not in _READ:
        raise ValueError(f"a condition of type {kind!r} is not known; known are {', '.join(_READ)}")
    keys, read = _READ[kind]
    _only(item, ("type", *keys), kind)
    return read(item)


def _tokens(item: Mapping[str, Any]) -> dict[str, Any]:
    ends = {"min": item.get("minTokens"), "max": item.get("maxTokens")}
    written = {
        end: _typed(value, int, f"tokenCount.{end}Tokens: expected a whole number")
        for end, value in ends.items()
        if value is not None
    }
    if not written:
        raise ValueError("tokenCount: expected minTokens, maxTokens, or both")
    return {"tokens": written}


def _health(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "provider_health": {
            _text(item.get("providerName"), "providerName"): _text(item.get("healthStatus"), "healthStatus")
        }
    }


def _modality(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"modalities": [_MODALITIES.get(name, name) for name in _texts(item, "modalities")]}


# type -> its fields, and the function that makes a condition of them
_READ: Final[dict[str, tuple[tuple[str, ...], Callable[[Mapping[str, Any]], dict[str, Any]]]]] = {
    "taskType": (("taskTypes",), lambda item: {"task": _texts(item, "taskTypes")}),
    "keywords": (("keywords",), lambda item: {"keywords_substring": _texts(item, "keywords")}),
    "tokenCount": (("minTokens", "maxTokens"), _tokens),
    "maxCost": (("maxCostPerMillion",), lambda item: {"max_cost": _number(item, "maxCostPerMillion")}),
    "maxLatency": (("maxLatencyMs",), lambda item: {"max_latency": _number(item, "maxLatencyMs")}),
    "providerHealth": (("providerName", "healthStatus"), _health),
    "hasModality": (("modalities",), _modality),
}


def _only(written: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
    """Refuse unknown fields: one may change the meaning of a condition."""
    if unknown := [key for key in written if key not in known]:
        raise ValueError(f"{place}: {', '.join(unknown)} is not known; known are {', '.join(known)}")


def _typed(value: Any, kind: type, message: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{message}, not {value!r}")
    return value


def _text(value: Any, key: str, *, empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or empty):
        raise ValueError(f"{key}: expected text, not {value!r}")
    return value


def _texts(item: Mapping[str, Any], key: str) -> list[str]:
    values = item.get(key)
    if not isinstance(values, list) or not values:
        raise ValueError(f"{key}: expected a list with at least one text")
    return [_text(value, key) for value in values]


def _number(item: Mapping[str, Any], key: str) -> int | float:
    value = item.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{key}: expected a number, not {value!r}")
    return value


# ---- export ------------------------------------------------------------------------------------------------------


def rules_from(file: Mapping[str, Any]) -> Exported:
    """The rules that the form can express. `file` is a rules file that loads, as plain values."""
    rules, lost = [], []
    for number, route in enumerate(file.get("routes") or (), 1):
        name = route.get("name") or f"route {number}"
        try:
            rules.append(_unedited(route) or _rule(route, number))
        except _Inexpressible as error:
            lost.append(f"{name}: not exported: {error}")
            continue
        if (route.get("route") or {}).get("stick"):
            lost.append(f"{name}: exported without stick")
    kept = file.get(KEPT) or {"version": VERSION}
    return Exported({**kept, "rules": rules}, lost)


def _unedited(route: Mapping[str, Any]) -> dict[str, Any] | None:
    """The rule that a route was imported from, if the route still says the same."""
    kept = route.get(KEPT)
    if not isinstance(kept, Mapping):
        return None
    now = {key: value for key, value in route.items() if key != KEPT}
    try:
        return dict(kept) if _plain_route(kept) == now else None
    except ValueError:
        return None  # the kept rule itself was edited


def _rule(route: Mapping[str, Any], number: int) -> dict[str, Any]:
    target = route["route"]
    if target.get("local_only"):
        raise _Inexpressible("local_only")
    rule = {
        "name": route.get("name") or f"route {number}",
        "priority": route.get("priority", 500),
        "enabled": route.get("enabled", True),
        "conditions": _conditions(route.get("match") or {}),
        "targetModel": _target(target.get("upstream"), target.get("model")),
        "fallbackChain": _chain(target.get("fallbacks") or []),
        "thinkingStrategy": target.get("thinking", "auto"),
    }
    if route.get("description") is not None:
        rule["description"] = route["description"]
    kept = route.get(KEPT)
    more = {key: value for key, value in kept.items() if key not in _RULE} if isinstance(kept, Mapping) else {}
    return rule | more


def _target(upstream: str | None, model: str | None) -> str:
    if model is None or (upstream is not None and "://" in upstream):
        raise _Inexpressible("its target is not provider/model")
    name = model if upstream is None else f"{upstream}/{model}"
    if "/" not in name:
        raise _Inexpressible(f"its target {name} is an alias, not provider/model")
    return name


def _chain(fallbacks: list[Any]) -> list[str]:
    if len(fallbacks) > MOST_FALLBACKS:
        raise _Inexpressible(f"{len(fallbacks)} fallbacks, of which {MOST_FALLBACKS} would fit")
    return [
        _target(None, one) if isinstance(one, str) else _target(one.get("server") or one.get("url"), one.get("model"))
        for one in fallbacks
    ]


def _conditions(match: Mapping[str, Any]) -> dict[str, Any]:
    if match.get("model") != "auto":
        raise _Inexpressible("it is not for the model auto alone")
    parts = {key: value for key, value in match.items() if key != "model" and value is not None}
    if list(parts) == ["any"]:
        return {"combinator": "OR", "items": [_one(part) for part in parts["any"]]}
    return {"combinator": "AND", "items": [*_items(parts)]}


def _items(parts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One item for each condition; all must hold."""
    for key, value in parts.items():
        if key == "all":
            for part in value:
                yield from _items(part)
        elif key == "any":
            yield {"combinator": "OR", "items": [_one(part) for part in value]}
        elif key == "provider_health" and len(value) > 1:
            for server, states in value.items():
                yield _written(key, {server: states})
        else:
            yield _written(key, value)


def _one(part: Mapping[str, Any]) -> dict[str, Any]:
    """One item for a part of `any`."""
    items = [*_items(part)]
    return items[0] if len(items) == 1 else {"combinator": "AND", "items": items}


def _written(key: str, value: Any) -> dict[str, Any]:
    match key:
        case "task":
            types, sure = (value["types"], value.get("min_confidence")) if isinstance(value, Mapping) else (value, None)
            if not sure:
                return {"type": "taskType", "taskTypes": _several(types)}
            raise _Inexpressible("min_confidence")
        case "keywords_substring":
            return {"type": "keywords", "keywords": _several(value)}
        case "tokens":
            ends = {"minTokens": value.get("min"), "maxTokens": value.get("max")}
            return {"type": "tokenCount", **{name: end for name, end in ends.items() if end is not None}}
        case "max_cost":
            return {"type": "maxCost", "maxCostPerMillion": value}
        case "max_latency":
            return {"type": "maxLatency", "maxLatencyMs": value}
        case "modalities":
            return {"type": "hasModality", "modalities": _several(value)}
        case "provider_health":
            ((server, states),) = value.items()
            if len(_several(states)) == 1:
                return {"type": "providerHealth", "providerName": server, "healthStatus": _several(states)[0]}
            raise _Inexpressible("several states of one server")
    raise _Inexpressible(f"the condition {key}")


def _several(value: Any) -> list[Any]:
    return [value] if isinstance(value, str) else list(value)
