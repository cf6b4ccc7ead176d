"""Whether an installed wheel is whole: every file of the packages is in it, every module can be imported.

check_wheel.py switchman.whl files.txt      files.txt: paths in the repository, one per line
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import zipfile
from pathlib import Path

import switchman


def missing_files(wheel: Path, tracked: Path) -> list[str]:
    """Tracked files that the wheel leaves out: templates and data, or a package that pyproject.toml does not list."""
    inside = set(zipfile.ZipFile(wheel).namelist())
    return [path for path in tracked.read_text().split("\n") if path and f"switchman/{path}" not in inside]


# What only the extras bring; the modules that need it are imported where it is asked for alone.
OF_THE_EXTRAS = {"numpy", "onnx", "onnxruntime", "opentelemetry", "safetensors", "tokenizers"}
USERS_OF_THEM = ("switchman.addons.semantics.", "switchman.addons.state.telemetry.")


def broken_imports() -> list[str]:
    """Modules that cannot be imported without the development tools. Migrations run inside Alembic only."""
    broken = []
    for module in pkgutil.walk_packages(switchman.__path__, "switchman."):
        if ".migrations." in module.name:
            continue
        try:
            importlib.import_module(module.name)
        except ImportError as e:
            if module.name.startswith(USERS_OF_THEM) and (e.name or "").partition(".")[0] in OF_THE_EXTRAS:
                continue
            broken.append(f"{module.name}: {e}")
    return broken


def main() -> int:
    problems = {
        "not in the wheel": missing_files(Path(sys.argv[1]), Path(sys.argv[2])),
        "cannot be imported": broken_imports(),
    }
    for what, names in problems.items():
        for name in names:
            print(f"{what}: {name}", file=sys.stderr)
    return 1 if any(problems.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
