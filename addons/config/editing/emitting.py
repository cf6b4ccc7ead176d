"""Plain values as YAML, as a person would write them: short ones in one line, long ones in a block; and as JSON.

What is written is read again by whoever writes it (rewriting.py), so that a text that would mean something else is
noticed.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

WIDTH: Final = 100  # columns of what is written in one line
STEP: Final = 2

# What needs no quotes anywhere, also within braces; all else has them.
_PLAIN: Final = re.compile(r"[A-Za-z_/][\w./@+-]*(?: [\w./@+()-]+)*", re.ASCII)
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def scalar(value: Any, is_json: bool = False) -> str:
    """Text, a number, a truth value or nothing. TypeError for what is none of them."""
    if isinstance(value, str):
        if not is_json and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
            return value
        return json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value, allow_nan=False)
    raise TypeError(f"{type(value).__name__} has no place in a rules file")


def flow(value: Any, is_json: bool = False) -> str:
    """A value in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(str(key), is_json)}: {flow(one, is_json)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(one, is_json) for one in value) + "]"
    return scalar(value, is_json)


def pairs(value: dict[str, Any], indent: int) -> list[str]:
    """The lines of a mapping in block style, the first one without its indentation."""
    lines: list[str] = []
    for key, one in value.items():
        begin = "" if not lines else " " * indent
        lines += _entry(f"{begin}{scalar(str(key))}:", one, indent)
    return lines


def items(value: list[Any], indent: int) -> list[str]:
    """The lines of a list in block style, all with their indentation."""
    lines = []
    for one in value:
        if isinstance(one, dict) and one and not _is_short(one, indent + STEP):
            first, *rest = pairs(one, indent + STEP)
            lines += [f"{' ' * indent}- {first}", *rest]
        else:
            lines.append(f"{' ' * indent}- {flow(one)}")
    return lines


def item(value: Any, indent: int) -> list[str]:
    """One entry of a list of routes, with its dash: a mapping is always a block, as routes are."""
    if not isinstance(value, dict) or not value:
        return [f"{' ' * indent}- {flow(value)}"]
    first, *rest = pairs(value, indent + STEP)
    return [f"{' ' * indent}- {first}", *rest]


def _entry(begin: str, value: Any, indent: int) -> list[str]:
    is_bulky = isinstance(value, dict | list) and bool(value) and not _is_short(value, len(begin) + 1)
    if not is_bulky:
        return [f"{begin} {flow(value)}"]
    if isinstance(value, dict):
        first, *rest = pairs(value, indent + STEP)
        return [begin, f"{' ' * (indent + STEP)}{first}", *rest]
    return [begin, *items(value, indent + STEP)]


def _is_short(value: Any, column: int) -> bool:
    """Whether it is read at a glance in one line: no mapping within a mapping within it, and not too wide."""
    return column + len(flow(value)) <= WIDTH and _depth(value) <= 2


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return max(map(_depth, value), default=0) + any(isinstance(one, dict) for one in value)
    return 0
