"""SECURITY.md: every row names tests that are there, and every kind of attack has a row."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# attack | what happens | `tests/....py::test_name`, or several of them
SECTION = re.compile(r"^#### (.+)\n\n(?:[^|#\n].*\n\n)?\| attack .*\n\|[-|]+\|\n((?:\|.*\n)*)", re.M)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
SECTIONS: dict[str, list[str]] = {
    title: rows.splitlines() for title, rows in SECTION.findall((ROOT / "SECURITY.md").read_text(encoding="utf-8"))
}


@cache
def in_file(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("row", [row for rows in SECTIONS.values() for row in rows])
def test_a_row_names_tests_that_are_there(row: str) -> None:
    """Three cells, and the last names what would fail if the promise were broken."""
    cells = [cell for cell in re.split(r"(?<!\\)\|", row) if cell.strip()]
    assert len(cells) == 3, row
    named = NAMED.findall(cells[2])
    assert named, row
    for path, name in named:
        assert name in in_file(path), f"{path} has no {name}"


def test_every_table_is_looked_at() -> None:
    """One that stands under no heading of its own would hold nothing."""
    tables = re.findall(r"^\| attack ", (ROOT / "SECURITY.md").read_text(encoding="utf-8"), re.M)
    assert len(tables) == len(SECTIONS)
