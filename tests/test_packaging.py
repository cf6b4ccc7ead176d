"""What pyproject.toml and the lock files must say for the wheel and a fresh checkout to work."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_package_is_listed(project: dict[str, Any]) -> None:
    """A folder of modules that is not listed is absent from the wheel, though the editable install has it; of a folder
    of data below one of them setuptools warns.
    """
    found = {
        "switchman." + ".".join(module.parent.relative_to(ROOT).parts)
        for top in ("addons", "webui", "rules")
        for module in (ROOT / top).rglob("*.py")
    }
    found |= {f"switchman.webui.{name}" for name in ("static", "templates")}
    found |= {
        "switchman." + ".".join(catalog.parent.relative_to(ROOT).parts)
        for catalog in (ROOT / "webui/languages").rglob("*.po")
    }
    assert set(project["tool"]["setuptools"]["packages"]) == found
    assert set(project["tool"]["setuptools"]["package-data"]) <= found


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_the_locks_name_every_dependency(project: dict[str, Any], lock: str) -> None:
    """Each direct dependency is pinned; scripts/lock writes the files anew."""
    wanted = list(project["project"]["dependencies"])
    if "dev" in lock:
        wanted += [text for group in project["dependency-groups"].values() for text in group]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", text)[0]).lower() for text in wanted}
    pinned = set(re.findall(r"^([a-z0-9.-]+)==", (ROOT / lock).read_text(), re.M))
    assert names - pinned == set()


def test_both_locks_agree() -> None:
    """What runs in the tests is what runs in production."""

    def pins(name: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9.-]+)==([^ ;\\]+)", (ROOT / name).read_text(), re.M))

    runtime, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {name: dev.get(name) for name in runtime} == runtime


def test_no_heavy_dependency_in_the_base_install() -> None:
    """torch only ever comes with the extra `semantic`."""
    lock = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"^(torch|onnxruntime|numpy|scipy|transformers)==", lock, re.M)
