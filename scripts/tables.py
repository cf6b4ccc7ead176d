#!/usr/bin/env python3
"""The tables of the documentation that are made from the code: `scripts/tables.py fields` or `presets`.

fields: what becomes of each field that has no word in the server's dialect. presets: rules/presets.yaml, a row each.
"""

from __future__ import annotations

import sys

from switchman.addons.config.configuration import well_known
from switchman.addons.core.dialects.neutral.limits import LIMITS


def fields() -> str:
    """The rows of LIMITS as Markdown."""
    rows = ["| field | sent by a client of | to a server of | what happens | why |", "|---|---|---|---|---|"]
    for row in LIMITS:
        clients, servers = ", ".join(row.formats), ", ".join(row.targets)
        rows.append(f"| `{row.field}` | {clients} | {servers} | {row.treatment} | {row.reason} |")
    return "\n".join(rows) + "\n"


def presets() -> str:
    """The servers that are known by name, as Markdown."""
    rows = ["| preset | base URL | dialect | key, where it is set | quirks |", "|---|---|---|---|---|"]
    for name, preset in well_known().items():
        dialects = ", ".join((preset.dialect, *preset.also))
        key = f"`{preset.api_key_env}`" if preset.api_key_env else ""
        quirks = ", ".join(f"{quirk}: {str(value).lower()}" for quirk, value in preset.quirks if value is not None)
        rows.append(f"| `{name}` | `{preset.url or preset.url_form}` | {dialects} | {key} | {quirks} |")
    return "\n".join(rows) + "\n"


TABLES = {"fields": fields, "presets": presets}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in TABLES:
        sys.exit(f"usage: scripts/tables.py {'|'.join(TABLES)}")
    sys.stdout.write(TABLES[sys.argv[1]]())
