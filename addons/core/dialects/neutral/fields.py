"""Fields: read members of JSON objects that may be missing or have another type. Nothing here raises."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeGuard

from switchman.addons.core.texts.largejson import encoded, loads
from switchman.addons.core.texts.longtext import word
from switchman.addons.core.texts.unicode import dumps

# The key under which arguments that are no JSON object go to a format that demands one.
RAW_ARGUMENTS: Final = "raw_arguments"
# Commas and brackets in a call's arguments: with more they stay text, as reading them would take gigabytes.
MOST_MARKS: Final = 500_000


def text_of(obj: Mapping[str, Any], key: str) -> str:
    """A string member, "" if it is absent or of another type."""
    value = obj.get(key)
    return value if isinstance(value, str) else ""


def kind_of(obj: Mapping[str, Any]) -> str:
    """The `type` that an object of a kind unknown here names; "None" where it names none."""
    return word(obj.get("type")) or "None"


def object_of(obj: Mapping[str, Any], key: str) -> dict[str, Any]:
    """An object member, {} if it is absent or of another type."""
    value = obj.get(key)
    return value if isinstance(value, dict) else {}


def objects_of(obj: Mapping[str, Any], key: str) -> Iterator[dict[str, Any]]:
    """The objects of a list member; skips other things in it."""
    return objects_in(obj.get(key))


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """The objects of a list; none if it is no list."""
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def count_of(obj: Mapping[str, Any], key: str) -> int | None:
    """A whole number, None if it is absent or of another type (true is no number)."""
    value = obj.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def epoch_of(obj: Mapping[str, Any], key: str) -> float | None:
    """Epoch seconds; None if absent, of another type, or past the year 9999 (some servers send milliseconds)."""
    value = obj.get(key)
    return value if is_number(value) and 0 <= value < 253_402_300_800 else None


def is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_text_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def is_object_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def without(obj: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The members that are not named."""
    return {key: value for key, value in obj.items() if key not in names}


def present(**members: Any) -> dict[str, Any]:
    """The members that are not None."""
    return {key: value for key, value in members.items() if value is not None}


def arguments_object(arguments: str) -> dict[str, Any]:
    """A tool call's arguments as an object: {} for none, `{"raw_arguments": text}` for what is no JSON object, or has
    more than MOST_MARKS values.

    NaN and Infinity, which Python writes and JSON does not have, are null.
    """
    if not arguments.strip():
        return {}
    if len(arguments) > MOST_MARKS and sum(map(arguments.count, ",{[")) > MOST_MARKS:
        return {RAW_ARGUMENTS: arguments}
    try:
        value = loads(arguments, _decode)
    except (ValueError, RecursionError):
        return {RAW_ARGUMENTS: arguments}
    return value if isinstance(value, dict) else {RAW_ARGUMENTS: arguments}


def arguments_text(arguments: Any) -> str:
    """An object as compact JSON text; text stays as it is."""
    if isinstance(arguments, str):
        return arguments
    text = encoded(arguments if arguments is not None else {}, dumps)
    return encoded(loads(text, _decode), dumps) if "NaN" in text or "Infinity" in text else text


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


_decode: Final = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite).raw_decode
