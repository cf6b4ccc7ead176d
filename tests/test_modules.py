"""Each module of addons/ has a test file of its own, at the same place: addons/a/b.py, tests/addons/a/test_b.py.

mitmproxy holds its own tree so (its tool `filename_matching`). Whoever changes a module knows where its tests are, and
a module without any is seen.
"""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Modules without a test file of their own, and why.
WITHOUT = {
    "addons/cli/__main__.py": "three lines, which cli/test_serve.py and cli/test_pipes.py run as a process",
    "addons/pipeline.py": "one line, which the tests of mitmdump and mitmweb in tests/e2e run",
    "addons/core/record.py": "dataclasses only",
    "addons/store/reading/found.py": "dataclasses only",
    "addons/core/streams/slots.py": "a dataclass and a type",
    "addons/semantics/torch_export.py": "needs torch, which is not installed for the tests",
}

MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "addons").rglob("*.py")
    if path.name != "__init__.py" and "migrations" not in path.parts
)


def own_tests(module: str) -> Path:
    path = Path(module)
    return ROOT / "tests" / path.parent / f"test_{path.stem.strip('_')}.py"


@pytest.mark.parametrize("module", [module for module in MODULES if module not in WITHOUT])
def test_a_module_has_its_own_tests(module: str) -> None:
    """The file is there, and has a test in it."""
    path = own_tests(module)
    assert path.exists(), f"{module} has no {path.relative_to(ROOT)}"
    assert "def test_" in path.read_text()


@pytest.mark.parametrize("module", WITHOUT)
def test_the_list_holds_no_more_than_it_must(module: str) -> None:
    """Whoever is on the list exists, and really has no test file."""
    assert module in MODULES
    assert not own_tests(module).exists()


def test_the_list_is_short() -> None:
    """It is for what has nothing to test: one module in ten at most."""
    assert len(WITHOUT) * 10 <= len(MODULES)
