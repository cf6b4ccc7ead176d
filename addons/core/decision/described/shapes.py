"""Which values of a YAML or JSON text are rules, in whatever shape a model has put them.

A list of rules, one rule, a mapping with `routes` or `rules`, names with a rule each, and these in one more mapping
around them. What is no rule is named, so that a person sees that it was not taken in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from math import isfinite
from typing import Any, Final

from switchman.addons.core.rules.reading.yamltext import Path
from switchman.addons.core.rules.rulesfile import RouteFile

LISTS: Final = ("routes", "rules")  # what a model calls the list
WRAPPERS: Final = frozenset(
    {"config", "configuration", "draft", "output", "result", "response", "answer", "yaml", "json", "rule", "rules_file"}
)
MOST_DEEP: Final = 3  # mappings around the rules
# Names for a rule's own keys that models write.
_OTHER_NAMES: Final = {
    "when": "match", "if": "match", "conditions": "match", "condition": "match",
    "then": "route", "target": "route", "to": "route", "action": "route",
}  # fmt: skip
_KEYS: Final = frozenset(field.alias or name for name, field in RouteFile.model_fields.items())
_TELLING: Final = frozenset({"match", "route", *_OTHER_NAMES})  # a mapping that has one of these is a rule


@dataclass(slots=True)
class Shaped:
    """`rules`: each with its path in the text. `left_out`: keys that are no rules. `dropped`: entries that are none."""

    rules: list[tuple[Path, dict[str, Any]]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    dropped: int = 0


def shaped(value: Any) -> Shaped | None:
    """What of a value are rules; None where nothing in it says that it is about rules at all."""
    found = Shaped()
    return found if _gather(found, value, (), 0) else None


def _gather(found: Shaped, value: Any, path: Path, depth: int) -> bool:
    if isinstance(value, list):
        return _list(found, value, path, depth)
    if not isinstance(value, dict) or depth > MOST_DEEP:
        return False
    names = {key.lower(): key for key in value}
    if (listed := next((names[name] for name in LISTS if name in names), None)) is not None:
        found.left_out += [key for key in value if key != listed]
        return _rules_at(found, value[listed], (*path, listed), depth)
    if _is_rule(value):
        found.rules.append((path, _read(value)))
        return True
    for name in WRAPPERS & names.keys():
        key = names[name]
        if isinstance(value[key], list | dict) and _gather(found, value[key], (*path, key), depth + 1):
            found.left_out += [one for one in value if one != key]
            return True
    return False


def _rules_at(found: Shaped, value: Any, path: Path, depth: int) -> bool:
    """What stands at `routes`: nothing is no rules."""
    if value is None:
        return True
    if isinstance(value, dict) and not _is_rule(value) and any(isinstance(one, dict) for one in value.values()):
        for name, one in value.items():  # names with a rule each
            if isinstance(one, dict) and _is_rule(one):
                rule = _read(one)
                found.rules.append(((*path, name), rule if "name" in rule else {"name": name, **rule}))
            else:
                found.dropped += 1
        return True
    return _list(found, value, path, depth) if isinstance(value, list) else _gather(found, value, path, depth)


def _list(found: Shaped, value: list[Any], path: Path, depth: int) -> bool:
    told = False
    for at, one in enumerate(value):
        here: Path = (*path, at)
        if isinstance(one, dict) and (_is_rule(one) or _KEYS & {key.lower() for key in one}):
            found.rules.append((here, _read(one)))
            told = True
        elif isinstance(one, dict) and _gather(found, one, here, depth + 1):
            told = True
        else:
            found.dropped += 1
    return told or (not value and bool(path))


def _is_rule(value: dict[str, Any]) -> bool:
    return bool(_TELLING & {key.lower() for key in value})


def _read(rule: dict[str, Any]) -> dict[str, Any]:
    """The rule by the names that the rules file has; a target that is a text stands for its `model`."""
    told: dict[str, Any] = {}
    for key, value in rule.items():
        low = key.lower()
        name = low if low in _KEYS else _OTHER_NAMES.get(low, key)
        name = key if name in told or (name != key and name in rule) else name
        told[name] = plain(value)
    if isinstance(told.get("route"), str):
        told["route"] = {"model": told["route"]}
    if told.get("match", 0) is None:
        del told["match"]
    return told


def plain(value: Any) -> Any:
    """The value in what a rules file can be written with."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)
