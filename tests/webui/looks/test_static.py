"""What templates and scripts name is there: style sheets, scripts and icons."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

WEBUI = Path(__file__).parents[3] / "webui"
TEMPLATES = sorted(WEBUI.rglob("*.html"))
SCRIPTS = sorted((WEBUI / "static").glob("*.js"))


def test_each_file_that_a_template_names_is_there() -> None:
    named = {name for page in TEMPLATES for name in re.findall(r"filename=['\"]([^'\"]+)", page.read_text("utf-8"))}
    assert "app.css" in named
    assert sorted(name for name in named if not (WEBUI / "static" / name).is_file()) == []


def test_each_module_that_a_script_imports_is_there() -> None:
    named = {name for page in SCRIPTS for name in re.findall(r"from \"\./([^\"?]+)\"", page.read_text("utf-8"))}
    assert named
    assert sorted(name for name in named if not (WEBUI / "static" / name).is_file()) == []


def test_git_ignores_no_file_of_the_dashboard() -> None:
    """A file that git ignores is on its author's machine only."""
    if not (WEBUI.parent / ".git").exists():
        pytest.skip("this is no working tree of git")
    static = [str(path.relative_to(WEBUI.parent)) for path in (WEBUI / "static").iterdir()]
    asked = ["git", "check-ignore", "--no-index", *static]
    assert subprocess.run(asked, cwd=WEBUI.parent, capture_output=True, text=True, check=False).stdout == ""


def test_each_icon_has_one_drawing_and_each_that_is_named_has_one() -> None:
    drawn = re.findall(r'if name == "([\w-]+)"', (WEBUI / "templates" / "parts.html").read_text("utf-8"))
    assert sorted(drawn) == sorted(set(drawn)), "the second drawing of a name is never shown"
    named = {name for page in TEMPLATES for name in re.findall(r'\bicon\("([\w-]+)"\)', page.read_text("utf-8"))}
    assert named - set(drawn) == set()
