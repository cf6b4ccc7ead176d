"""`switchman forget` on a log that nobody writes."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pytest

from switchman.addons.cli.access.forget import run, when
from switchman.addons.store import open_store
from switchman.addons.testing.samples import make_record


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a log of three requests, two of a token's and one from long ago."""
    monkeypatch.chdir(tmp_path)
    with open_store(db_path=tmp_path / "requests.db", blob_path=tmp_path / "blob_storage", max_age_days=None) as store:
        for name, token, at in (("a", "anna", time.time()), ("b", "anna", 1_000.0), ("c", "bert", time.time())):
            store.writer().put(make_record(name, token=token, started_at=at))
    return tmp_path


def test_rows_are_forgotten_by_all_conditions(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A time and a token together; what is left is forgotten by the token alone, and then nothing is left of it."""
    assert run(["--data-dir", str(folder), "--token", "anna", "--before", "1d", "--yes"]) == 0
    assert capsys.readouterr().out.startswith("forgotten: 1 requests")
    assert run(["--data-dir", str(folder), "--token", "anna", "--yes"]) == 0
    assert capsys.readouterr().out.startswith("forgotten: 1 requests")
    assert run(["--data-dir", str(folder), "--token", "anna", "--yes"]) == 0
    assert capsys.readouterr().out.startswith("forgotten: 0 requests")


def test_it_asks_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody can be asked, it says how many rows it would be, and forgets none."""
    for _ in range(2):
        assert run(["--data-dir", str(folder), "--token", "anna"]) == 2
        assert "2 requests would be forgotten" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "words"), [
    ((), "say what is to be forgotten"),
    (("--before", "yesterday"), "is no time"),
])  # fmt: skip
def test_a_call_that_says_nothing_forgets_nothing(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is meant must be said, in a form that is understood."""
    try:
        code = run([*arguments, "--yes"])
    except SystemExit as ended:
        code = ended.code
    assert code == 2 and words in capsys.readouterr().err


def test_times_are_dates_or_so_long_ago() -> None:
    """Days, hours and weeks; a date of this machine's zone, with a time or without."""
    now = time.time()
    assert abs(when("30d") - (now - 30 * 86_400)) < 60 and abs(when("2w") - (now - 14 * 86_400)) < 60
    assert when("2026-11-30T14:00") - when("2026-11-30") == 14 * 3600
    assert when("2026-11-30T14:00+00:00") == 1_796_047_200.0
    with pytest.raises(argparse.ArgumentTypeError):
        when("30 days or so")
