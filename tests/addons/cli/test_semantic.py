"""`switchman semantic prepare`: what it says when it cannot."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.cli import semantic
from switchman.addons.semantics import prepare as preparing


def test_the_command_names_what_it_cannot_find(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No folder, no package, no hub: exit code 1, and one sentence."""
    folder = tmp_path / "empty"
    folder.mkdir()
    assert semantic.run(["prepare", str(folder), "--output", str(tmp_path / "out")]) == 1
    assert "torch" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the module is asked to make: making it takes half a minute."""
    asked: list[tuple[Any, ...]] = []

    def note(model: str, output: Path, say: Any, **more: Any) -> None:
        asked.append((model, output, more))

    monkeypatch.setattr(preparing, "prepare", note)
    return asked


@pytest.mark.parametrize(
    ("given", "languages"),
    [([], None), (["--languages", "EN,de"], ("en", "de")), (["--languages", "any"], ())],
)
def test_what_is_said_is_what_is_made(
    given: list[str], languages: tuple[str, ...] | None, prepared: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEMANTIC_MODEL is where it goes; without --languages the model's card says what it knows, `any` is all."""
    monkeypatch.setenv("SEMANTIC_MODEL", "/models/here")
    assert semantic.run(["prepare", "minilm", *given, "--python", "py"]) == 0
    assert semantic.run(["prepare", "minilm", "--output", "there", "--revision", "a1"]) == 0
    assert prepared[0] == ("minilm", Path("/models/here"), {"languages": languages, "python": "py", "revision": None})
    assert (prepared[1][1], prepared[1][2]["revision"]) == (Path("there"), "a1")


def test_bad_settings_are_refused_before_anything_is_made(
    prepared: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and the variable's name."""
    monkeypatch.setenv("LISTEN_PORT", "many")
    assert semantic.run(["prepare", "minilm"]) == 2
    assert "LISTEN_PORT" in capsys.readouterr().err and not prepared


def test_a_missing_extra_is_named_with_its_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Exit code 2, as what is wrong is the installation."""
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "switchman.addons.semantics.prepare")
    assert semantic.run(["prepare", "minilm", "--output", str(tmp_path / "out")]) == 2
    assert "onnx is not installed; pip install 'switchman[semantic,semantic-export]'" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and no traceback."""

    def fail(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", "/models")

    monkeypatch.setattr(preparing, "prepare", fail)
    assert semantic.run(["prepare", "minilm"]) == 1
    assert "Permission denied" in capsys.readouterr().err
