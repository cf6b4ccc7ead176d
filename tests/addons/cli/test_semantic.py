"""`switchman semantic prepare`: what it says when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchman.addons.cli import semantic


def test_the_command_names_what_it_cannot_find(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No folder, no package, no hub: exit code 1, and one sentence."""
    folder = tmp_path / "empty"
    folder.mkdir()
    assert semantic.run(["prepare", str(folder), "--output", str(tmp_path / "out")]) == 1
    assert "torch" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
