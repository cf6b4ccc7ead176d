"""The house: each room says what it is, none is too full, nothing in it is too long."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOPS = ("addons", "webui")
MOST_ENTRIES = 14
MOST_LINES = 399
MOST_FUNCTION_LINES = 59
# Alembic's own folders.
NO_ROOMS = {ROOT / "addons/store/migrations", ROOT / "addons/store/migrations/versions"}

# Sources of the SDKs, where docstrings say which file of them a shape is from.
SDK_FILES = {"_types.py", "create_embedding_response.py", "response_input_param.py", "stop_reason.py", "usage.py"}

ROOMS = sorted({path.parent for top in TOPS for path in (ROOT / top).rglob("__init__.py")} - NO_ROOMS)
SOURCES = sorted(path for top in TOPS for path in (ROOT / top).rglob("*.py"))
SCRIPTS = sorted((ROOT / "scripts").rglob("*.py"))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("room", [room for room in ROOMS if room != ROOT / "addons"], ids=shown)
def test_a_room_says_what_it_is(room: Path) -> None:
    """The docstring of a room's __init__ tells what is in it, its door, and what it may not import."""
    docstring = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    begun = [line.partition(":")[0] for line in docstring.splitlines()]
    assert [word for word in begun if word in ("In it", "Door", "May not import")] == [
        "In it",
        "Door",
        "May not import",
    ]


@pytest.mark.parametrize("room", ROOMS, ids=shown)
def test_a_room_is_not_too_full(room: Path) -> None:
    """A folder of more entries wants a door put in."""
    entries = [path for path in room.iterdir() if path.name not in ("__pycache__", "__init__.py")]
    assert len(entries) <= MOST_ENTRIES, sorted(path.name for path in entries)


@pytest.mark.parametrize("path", [*SOURCES, *SCRIPTS], ids=shown)
def test_nothing_is_too_long(path: Path) -> None:
    """No file has 400 lines, no function 60."""
    text = path.read_text()
    assert text.count("\n") <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno + 1 <= MOST_FUNCTION_LINES, node.name


@pytest.mark.parametrize("folder", ["addons/hooks", "webui/pages"])
def test_every_room_of_the_hooks_and_pages_is_in_the_contract(folder: str) -> None:
    """The rooms of addons/ and core/ are counted by import-linter itself; where it only keeps rooms apart, here."""
    package = "switchman." + folder.replace("/", ".")
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    apart = {name for contract in contracts if contract["type"] == "independence" for name in contract["modules"]}
    rooms = {f"{package}.{path.parent.name}" for path in (ROOT / folder).glob("*/__init__.py")}
    assert rooms == {name for name in apart if name.startswith(package)}


# Every end of a path of ours: `plan.py`, `routes/plan.py`, `core/routes/plan.py`, ...
OUR_FILES = sorted(path for top in (*TOPS, "rules", "scripts", "tests") for path in (ROOT / top).rglob("*.py"))
ENDS = {"/".join(path.parts[at:]) for path in OUR_FILES for at in range(len(ROOT.parts), len(path.parts))}


def prose(text: str) -> Iterator[str]:
    """The docstrings and comments of a module."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def dead_paths(text: str) -> list[str]:
    """The words like `core/plan.py`, or `core.plan.Plan`, that lead to no file of ours, nor of an SDK's `types/`.

    A name of one letter is an example.
    """
    dead = []
    for words in prose(text):
        files = re.findall(r"(?<![\w./*-])[\w./]*\w\w\.py\b", words)
        dead += [file for file in files if file not in ENDS | SDK_FILES and not file.startswith("types/")]
        dotted = re.findall(r"(?<![\w./])core(?:\.[a-z_]+)+(?=\.[A-Z])", words)
        dead += [name for name in dotted if f"{name.replace('.', '/')}.py" not in ENDS]
    return dead


@pytest.mark.parametrize("path", [*SOURCES, *SCRIPTS], ids=shown)
def test_paths_in_docstrings_and_comments_lead_to_files(path: Path) -> None:
    """A module that moves takes with it what is said of it elsewhere."""
    assert dead_paths(path.read_text()) == []


def test_dead_paths_are_found() -> None:
    """Else the test above would hold for anything."""
    text = '"""As core/plan.py, routes/plan.py and core.plan.Plan; see core.record.Record."""\nx = 1  # gone.py\n'
    assert dead_paths(text) == ["core/plan.py", "core.plan", "gone.py"]
