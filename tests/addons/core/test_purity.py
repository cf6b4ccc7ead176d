"""The pure packages stay pure: what they may not import, they do not, in source nor in effect."""

from __future__ import annotations

import ast
import json
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PURE = ("addons/core",)
CONTRACT = "The core reads no clock, no file, no socket, and knows no framework"
BANNED = next(
    frozenset(contract["forbidden_modules"])
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    if contract["name"] == CONTRACT
)
# Of packages whose other parts are pure: urllib.parse, http.HTTPStatus.
PARTS = {"urllib.request", "http.client", "http.server", "http.cookiejar"}
BANNED_CALLS = {"open", "input", "print", "exec", "eval"}
CLOCKS = {"now", "utcnow", "today"}  # of datetime, which is else only arithmetic


def sources() -> list[Path]:
    return sorted(path for folder in PURE for path in (ROOT / folder).rglob("*.py"))


def modules(package: str, folder: Path) -> list[str]:
    found = pkgutil.walk_packages([str(folder)], package + ".", onerror=lambda name: None)
    return [package, *(module.name for module in found)]


def loaded_after(names: list[str]) -> set[str]:
    """The top-level modules a fresh interpreter has after importing the names."""
    code = "import json, sys; [__import__(name) for name in sys.argv[1:]]; print(json.dumps([*sys.modules]))"
    run = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return {name.partition(".")[0] for name in json.loads(run.stdout)}


def test_there_is_something_to_check() -> None:
    """The checks below look at the real files."""
    assert {"call.py", "sse.py", "decide.py", "__init__.py"} <= {path.name for path in sources()}


@pytest.mark.parametrize("path", sources(), ids=lambda p: p.relative_to(ROOT / "addons").as_posix())
def test_source_imports_nothing_impure(path: Path) -> None:
    """No module of core imports a framework, a socket, a thread, a file, a clock or a random number."""
    wrong = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            names = [node.module or ""]
        wrong += [f"line {node.lineno}: {name}" for name in names if name.partition(".")[0] in BANNED or name in PARTS]  # type: ignore[attr-defined]
        ours = [name for name in names if name.startswith("switchman.")]
        wrong += [f"line {node.lineno}: {name}" for name in ours if not name.startswith("switchman.addons.core")]  # type: ignore[attr-defined]
    assert not wrong


@pytest.mark.parametrize("path", sources(), ids=lambda p: p.relative_to(ROOT / "addons").as_posix())
def test_source_calls_nothing_impure(path: Path) -> None:
    """No module of core opens files, prints, or asks what time it is."""
    wrong = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Global):
            wrong.append(f"line {node.lineno}: global")
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in BANNED_CALLS:
            wrong.append(f"line {node.lineno}: {node.func.id}()")
        if isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
            wrong.append(f"line {node.lineno}: .{node.func.attr}()")
    assert not wrong


def test_core_in_a_fresh_interpreter() -> None:
    """Importing all of core brings in no proxy, no database and no web framework, not even indirectly."""
    names = modules("switchman.addons.core", ROOT / "addons/core")
    assert len(names) > 20
    assert not loaded_after(names) & {"mitmproxy", "sqlalchemy", "alembic", "flask", "werkzeug", "httpx", "waitress"}


def test_dashboard_in_a_fresh_interpreter() -> None:
    """Importing all of the dashboard brings in no mitmproxy."""
    assert "mitmproxy" not in loaded_after(modules("switchman.webui", ROOT / "webui"))
