"""`switchman version`."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from switchman.addons.cli import main

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]


def test_it_prints_the_version_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, of the package that is installed."""
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"switchman {PROJECT['version']}\n"


def test_an_argument_too_many_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, as of every wrong call."""
    with pytest.raises(SystemExit) as caught:
        main(["version", "--short"])
    assert caught.value.code == 2
    assert "--short" in capsys.readouterr().err
