"""Rows of files in the format of ../shared/evaldata: JSON, one object on a line.

What a row may lack (lang, source, kind) is "". A row that cannot be judged, because it has no text, no label that is
a task type, or no verdict, is left out, and standard error says which and why.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from switchman.addons.core.request.tasktype import TASK_TYPES

SHOWN = 5  # rows left out that are named one by one

Row = dict[str, Any]


def labelled(path: Path) -> list[Row]:
    """Prompts with `text` and `label`. Raises OSError."""
    return _rows(path, _unlabelled)


def pairs(path: Path) -> list[Row]:
    """Two asks, `a` and `b`, and whether they are the `same`. Raises as labelled()."""
    return _rows(path, _unpaired)


def _rows(path: Path, problem: Callable[[Mapping[str, Any]], str]) -> list[Row]:
    found: list[Row] = []
    odd: list[str] = []
    # Only a line feed ends a line: texts may hold other separators, which str.splitlines() would cut at.
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            odd.append(f"{path}:{number}: not JSON: {error}")
            continue
        if why := problem(row) if isinstance(row, dict) else "not an object":
            odd.append(f"{path}:{number}: {why}")
        else:
            found.append(row | {name: str(row.get(name) or "") for name in ("lang", "source", "kind")})
    for said in odd[:SHOWN]:
        print(said, file=sys.stderr)
    if odd:
        print(f"{path}: {len(odd)} of {len(odd) + len(found)} rows left out", file=sys.stderr)
    return found


def _unlabelled(row: Mapping[str, Any]) -> str:
    if not isinstance(row.get("text"), str):
        return "no text"
    return "" if row.get("label") in TASK_TYPES else f"no task type: {row.get('label')!r}"


def _unpaired(row: Mapping[str, Any]) -> str:
    if not isinstance(row.get("a"), str) or not isinstance(row.get("b"), str):
        return "no two texts"
    return "" if row.get("same") in (True, False) else f"neither the same nor not: {row.get('same')!r}"
