"""Sampling options between the internal form and a format's own names, by one table for each format."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

from switchman.addons.core.dialects.neutral.fields import is_count, is_number
from switchman.addons.core.dialects.neutral.form import Sampling
from switchman.addons.core.servers.servers import Quirks

__all__ = ["CHECKS", "STANDARD", "Quirks", "said", "take", "take_number", "take_sampling", "take_stop"]

Check = Callable[[Any], bool]

# member of Sampling -> the type it has in every format
CHECKS: Final[dict[str, Check]] = {
    "max_tokens": is_count,
    "temperature": is_number,
    "top_p": is_number,
    "top_k": is_count,
    "min_p": is_number,
    "seed": is_count,
    "presence_penalty": is_number,
    "frequency_penalty": is_number,
    "repeat_penalty": is_number,
}


STANDARD: Final = Quirks()
NUMBER: Final = re.compile(r"[+-]?\d{1,15}(?:\.\d{0,15})?")


def take(rest: dict[str, Any], name: str, check: Check) -> Any:
    """Take a member out of `rest` if it has the right type; else give None and leave it there."""
    return rest.pop(name) if name in rest and check(rest[name]) else None


def take_number(rest: dict[str, Any], name: str, check: Check) -> Any:
    """Take a number out of `rest`, also one that was written as a text ("100"), or a count as a decimal (100.0).

    Forms and settings files give texts, and many a client sends them on; some servers refuse them.
    """
    value = rest.get(name)
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        value = float(value)
        value = int(value) if value.is_integer() else value
    elif isinstance(value, float) and check is is_count and value.is_integer():
        value = int(value)
    if name not in rest or not check(value):
        return None
    del rest[name]
    return value


def take_sampling(rest: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Take the members of Sampling out of `rest`, where they have the wire names of `names`."""
    found = {member: take_number(rest, wire, CHECKS[member]) for member, wire in names.items()}
    return {member: value for member, value in found.items() if value is not None}


def take_stop(rest: dict[str, Any], name: str) -> dict[str, Any]:
    """Take the stop sequences out of `rest`: a string or a list of strings."""
    value = rest.get(name)
    if isinstance(value, str):
        del rest[name]
        return {"stop": (value,), "stop_plain": True}
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        del rest[name]
        return {"stop": tuple(value)}
    return {}


def said(sampling: Sampling) -> dict[str, Any]:
    """The number options that the client gave, by member name."""
    members = ((item.name, getattr(sampling, item.name)) for item in fields(sampling) if item.name in CHECKS)
    return {name: value for name, value in members if value is not None}
