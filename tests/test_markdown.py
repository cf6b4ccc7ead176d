"""Markdown: links lead somewhere, and CONTRIBUTING.md is a map of the house as it stands."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOPS = ("addons", "deploy", "rules", "scripts", "tests", "webui")
FILES = sorted((*ROOT.glob("*.md"), *(path for top in TOPS for path in (ROOT / top).rglob("*.md"))))
# Alembic's own folders, and the one that holds the rooms.
NO_ROOMS = {ROOT / "addons", ROOT / "addons/store/migrations", ROOT / "addons/store/migrations/versions"}
ROOMS = sorted({path.parent for top in ("addons", "webui") for path in (ROOT / top).rglob("__init__.py")} - NO_ROOMS)


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose(path: Path) -> str:
    """The text without its blocks of code."""
    return re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)


def headings(path: Path) -> set[str]:
    """The anchors of a file, as GitHub makes them of its headings."""
    titles = re.findall(r"^#+ +(.+?) *$", prose(path), re.M)
    assert len(titles) == len(set(titles)), f"{path} has a heading twice, and GitHub numbers those"
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(path: Path) -> list[str]:
    """Where the links of a file lead, code left out."""
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "`", prose(path)))


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_links_lead_to_what_is_there(path: Path) -> None:
    """Files within the repository, and headings in them; addresses elsewhere are not asked."""
    for link in links(path):
        if re.match(r"https?://", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists() and target.is_relative_to(ROOT), link
        assert not anchor or anchor in headings(target), link


def test_links_are_found() -> None:
    """Else the test above would hold for anything."""
    assert "CONTRIBUTING.md" in links(ROOT / "README.md")
    assert any("#" in link for link in links(ROOT / "README.md"))
    assert "auto-the-router-chooses-the-model" in headings(ROOT / "README.md")


def row(room: Path) -> str:
    """A line of the map: what the room's docstring begins with, its door, and what it may not import."""
    docstring = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
    told = dict(re.findall(r"^(Door|May not import): (.+(?:\n    .+)*)", docstring, re.M))
    cells = (f"`{shown(room)}/`", docstring.partition("\n")[0], told["Door"], told["May not import"])
    return f"| {' | '.join(re.sub(r'\n +', ' ', cell) for cell in cells)} |"


def test_the_map_has_every_room() -> None:
    """Each room's row says what its docstring says. A new room is a line more, one that is gone a line less."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    there = set(re.findall(r"^\| `\w.*$", text, re.M))
    wanted = {row(room) for room in ROOMS}
    assert not wanted - there, "CONTRIBUTING.md lacks these rows:\n" + "\n".join(sorted(wanted - there))
    assert not there - wanted, "CONTRIBUTING.md has these rows of no room:\n" + "\n".join(sorted(there - wanted))


def test_the_map_has_every_contract() -> None:
    """What import-linter holds, by the names that it prints."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    told = text.partition("## What import-linter holds\n")[2].partition("\n## ")[0]
    assert re.findall(r"^- (.+)$", told, re.M) == [contract["name"] for contract in contracts]
