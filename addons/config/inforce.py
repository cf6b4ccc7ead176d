"""What is in force, and where it came from: every setting, and what the rules file says.

1. `switchman serve` notes in ORIGINS, for its processes, which variables were in its own environment and which were set
   by an option. What is set and in no note, the router has set for its processes by itself.
2. A secret is told as "set", never by its value; URLs are told without their passwords.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from switchman.addons.config.configuration import MAX_FILE_BYTES
from switchman.addons.config.regular import Unreadable, read_file
from switchman.addons.config.settings import Settings
from switchman.addons.core.access.roles import EVERYBODY, RoleMap
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.core.rules.reading.yamltext import load
from switchman.addons.core.texts.masking import mask_text, mask_url

ORIGINS = "SWITCHMAN_SETTINGS_FROM"  # JSON: {variable: "" for the environment, or the option that set it}
SET = "set, and not shown"
LONGEST = 300  # characters of a value that are shown

Origin = Literal["default", "environment", "option", "router"]


class InForce(NamedTuple):
    """One setting. `option`: the one that set it, such as `--port`. `value`, `default`: as people write them."""

    name: str
    value: str
    default: str
    origin: Origin
    option: str
    description: str


class Told(NamedTuple):
    """A key at the top of the rules file. `value`: of a scalar; of others, how many there are in it."""

    name: str
    value: str
    line: int


def in_force(settings: Settings, environment: Mapping[str, str]) -> tuple[InForce, ...]:
    """All settings, in the order in which they are declared."""
    origins = _origins(environment)
    return tuple(_one(settings, name, field, origins) for name, field in type(settings).model_fields.items())


def _one(settings: Settings, name: str, field: FieldInfo, origins: Mapping[str, str] | None) -> InForce:
    variable = name.upper()
    origin: Origin = "default"
    option = ""
    if name in settings.model_fields_set:
        known = None if origins is None else origins.get(variable)
        option = known or ""
        origin = "option" if option else "router" if origins is not None and known is None else "environment"
    default = field.get_default(call_default_factory=True, validated_data={})
    return InForce(
        name=variable,
        value=_written(name, getattr(settings, name)),
        default="" if default is PydanticUndefined else _written(name, default),
        origin=origin,
        option=option,
        description=field.description or "",
    )


def _origins(environment: Mapping[str, str]) -> Mapping[str, str] | None:
    """None: nobody has noted them."""
    try:
        noted = json.loads(environment.get(ORIGINS, ""))
    except ValueError:
        return None
    return {str(name): str(option) for name, option in noted.items()} if isinstance(noted, dict) else None


def noted(environment: Mapping[str, str], options: Mapping[str, str]) -> str:
    """For ORIGINS: the settings of an environment, before options were written into it, and what the options set."""
    given = {name.upper(): "" for name in Settings.model_fields if environment.get(name.upper(), "").strip()}
    return json.dumps(given | dict(options))


def _written(name: str, value: Any) -> str:
    """As it is written into the environment, about; "" for none."""
    if value is None:
        return ""
    if isinstance(value, SecretStr) or name == "jwt_public_key":
        return SET
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, RoleMap):
        people = {**value.names, **({EVERYBODY: value.everybody} if value.everybody else {})}
        text = ", ".join(f"{who}={role.word}" for who, role in people.items())
    elif isinstance(value, Mapping):
        text = json.dumps(dict(value), ensure_ascii=False)
    elif isinstance(value, tuple | frozenset | list):
        text = ", ".join(sorted(map(str, value)) if isinstance(value, frozenset) else map(str, value))
    else:
        text = str(value)
    text = mask_url(text) if "://" in text else mask_text(text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def rules_file(settings: Settings) -> tuple[Told, ...]:
    """What stands at the top of the rules file; nothing where it cannot be read."""
    try:
        text = read_file(Path(settings.routes_config), MAX_FILE_BYTES).decode("utf-8", "replace")
        document = load(text, settings.routes_config)
    except (OSError, Unreadable, RulesError):
        return ()
    found = document.data if isinstance(document.data, dict) else {}
    return tuple(
        Told(str(name), _summed(value), document.keys.get((name,), (0, 0))[0]) for name, value in found.items()
    )


def _summed(value: Any) -> str:
    if isinstance(value, dict | list):
        what = "entry" if len(value) == 1 else "entries"
        return f"{len(value)} {what}"
    return "" if value is None else _written("", value)
