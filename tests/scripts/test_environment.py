"""scripts/environment.sh: which Python or uv is taken, and what a machine without either is told."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASH = shutil.which("bash") or "bash"
TOOLS = ("bash", "cat", "cksum", "dirname", "env", "rm", "mkdir")

OLD_PYTHON = '#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.18" && exit 0\nexit 1\n'
BROKEN_SHIM = '#!/bin/sh\necho "pyenv: not installed" >&2\nexit 127\n'
GOOD_UV = "#!/bin/sh\necho 'uv 0.9.0'\n"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A checkout's scripts, and a folder `bin` with no Python and no uv in it."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    for name in ("pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, f"this test needs {tool}"
        (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def add(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(text)
    program.chmod(0o755)
    return program


def run(machine: Path, *command: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": path or str(machine / "bin"), "HOME": str(machine)}
    return subprocess.run([BASH, *command], cwd=machine, env=environment, capture_output=True, text=True, timeout=60)


def sourced(function: str) -> tuple[str, str]:
    return "-c", f". scripts/environment.sh; {function}"


@pytest.mark.parametrize("script", ["serve", "check"])
def test_a_python_that_is_too_old_gets_one_clear_line(machine: Path, script: str) -> None:
    """Exit code 1, what is needed, what was found; nothing is made."""
    add(machine / "bin", "python3", OLD_PYTHON)
    done = run(machine, f"scripts/{script}")
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if "needs" in line]
    assert said == [
        "switchman: needs Python 3.12 or newer with its venv module, or uv (https://docs.astral.sh/uv/); "
        "found Python 3.9.18"
    ]
    assert not (machine / ".venv").exists()


def test_no_python_at_all_is_said(machine: Path) -> None:
    """The same line where there is none."""
    done = run(machine, "scripts/serve")
    assert (done.returncode, "found no Python" in done.stderr) == (1, True)


def test_a_broken_shim_is_passed_over(machine: Path) -> None:
    """A uv that stands first on PATH and does not run hides none that does."""
    add(machine / "shims", "uv", BROKEN_SHIM)
    good = add(machine / "real", "uv", GOOD_UV)
    path = f"{machine / 'shims'}:{machine / 'real'}:{machine / 'bin'}"
    assert run(machine, *sourced("working_uv"), path=path).stdout == str(good)
    assert run(machine, *sourced("working_uv"), path=f"{machine / 'shims'}:{machine / 'bin'}").returncode == 1


def test_a_python_behind_a_broken_one_is_found(machine: Path) -> None:
    """Every name and every place is tried, and what is taken was really run."""
    add(machine / "shims", "python3.13", BROKEN_SHIM)
    add(machine / "shims", "python3.12", OLD_PYTHON)
    (machine / "bin" / "python3").symlink_to(sys.executable)
    path = f"{machine / 'shims'}:{machine / 'bin'}"
    done = run(machine, *sourced("working_python ''"), path=path)
    assert done.stdout == str(machine / "bin" / "python3")


def test_the_fingerprint_follows_lock_and_project(machine: Path) -> None:
    """What is installed is installed anew when the lock file or pyproject.toml changed, and not otherwise."""
    before = run(machine, *sourced("fingerprint requirements.lock")).stdout
    assert before and run(machine, *sourced("fingerprint requirements.lock")).stdout == before
    with (machine / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    assert run(machine, *sourced("fingerprint requirements.lock")).stdout != before
