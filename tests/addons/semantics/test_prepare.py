"""A model becomes a folder that runs: the real one from its weights, and small ones of every kind that is known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from switchman.addons.semantics.prepare import PrepareFailed, prepare


def test_a_folder_with_other_things_in_it_is_left_alone(model_source: Path, tmp_path: Path) -> None:
    """--output ~ is a mistake, not an order to clear it."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("my work")
    with pytest.raises(PrepareFailed, match="something else"):
        prepare(str(model_source), tmp_path / "out", lambda line: None)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_architecture_that_is_not_known_goes_to_torch(model_source: Path, tmp_path: Path) -> None:
    """Under the interpreter that was named; one without torch is told what it lacks."""
    folder = tmp_path / "model"
    shutil.copytree(model_source, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "mpnet"}))
    (folder / "model.safetensors").write_bytes(b"")
    told: list[str] = []
    with pytest.raises(PrepareFailed, match="needs torch"):
        prepare(str(folder), tmp_path / "out", told.append)
    assert any("mpnet" in line for line in told)
