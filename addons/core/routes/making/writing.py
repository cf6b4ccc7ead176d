"""A draft as the text of a rules file: YAML with a comment at each entry. The same draft makes the same bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from switchman.addons.core.routes.making.drafting import Draft, Entry

WIDTH: Final = 110  # columns of a line of a rule
# What needs no quotes, also within braces; all else is written as JSON, which is YAML.
_PLAIN: Final = re.compile(r"[A-Za-z_/][\w./@+-]*(?: [\w./@+()-]+)*", re.ASCII)
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def written(made: Draft) -> str:
    """The whole file. Ends with a line break."""
    lines = ["# Made by the wizard of the dashboard, from these answers:", *(f"#   {_safe(one)}" for one in made.about)]
    lines += ["# Change what you like: comments are for people only.", ""]
    lines += _section("servers", made.servers)
    lines += _section("models", made.models)
    lines += _section("aliases", made.aliases)
    if made.routes:
        lines.append("routes:")
        for one in made.routes:
            lines += [f"  # {_safe(one.why)}", f"  - name: {scalar(one.name)}"]
            lines += [line for key, value in one.value.items() for line in _pair(key, value, 4)]
        lines.append("")
    for single in (made.default, made.local_only):
        if single is not None:
            lines += [f"# {_safe(single.why)}", f"{single.name}: {flow(single.value)}", ""]
    if made.budget is not None:
        lines += [f"# {_safe(made.budget.why)}", "limits:", "  total:"]
        lines += [f"    {made.budget.name}: {flow(made.budget.value)}", ""]
    return "\n".join(lines[:-1]) + "\n"


def _section(name: str, entries: Iterable[Entry]) -> list[str]:
    lines = [line for one in entries for line in (f"  # {_safe(one.why)}", f"  {scalar(one.name)}: {flow(one.value)}")]
    return [f"{name}:", *lines, ""] if lines else []


def _pair(key: str, value: Any, indent: int) -> list[str]:
    """`key: value` in one line where it is short enough, else with its parts below it."""
    begin = f"{' ' * indent}{scalar(key)}:"
    line = f"{begin} {flow(value)}"
    if len(line) <= WIDTH or not value or not isinstance(value, dict | list):
        return [line]
    if isinstance(value, dict):
        return [begin, *(one for name, part in value.items() for one in _pair(name, part, indent + 2))]
    return [begin, *(f"{' ' * (indent + 2)}- {flow(part)}" for part in value)]


def _safe(words: str) -> str:
    """In one line of a comment."""
    return "".join(one if one.isprintable() else "�" for one in words)


def scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def flow(value: Any) -> str:
    """A value in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(str(key))}: {flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)
