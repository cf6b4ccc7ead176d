"""`switchman forget` on a log that nobody writes."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pytest

from switchman.addons.cli.access import forget as command
from switchman.addons.cli.access.forget import run, when
from switchman.addons.core.access.session import session_digest
from switchman.addons.store import open_store
from switchman.addons.testing.samples import make_record


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a log of three requests, two of a token's and one from long ago."""
    monkeypatch.chdir(tmp_path)
    with open_store(db_path=tmp_path / "requests.db", blob_path=tmp_path / "blob_storage", max_age_days=None) as store:
        for name, token, at in (("a", "anna", time.time()), ("b", "anna", 1_000.0), ("c", "bert", time.time())):
            store.writer().put(make_record(name, token=token, started_at=at, session=session_digest(name)))
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
        assert "2 requests would be forgotten (token anna)" in capsys.readouterr().err


def test_a_session_is_named_as_its_client_does_or_by_its_digest(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The digest is what a request's page shows."""
    for session in ("a", session_digest("b")):
        assert run(["--data-dir", str(folder), "--session", session, "--yes"]) == 0
        assert capsys.readouterr().out.startswith("forgotten: 1 requests")


@pytest.mark.parametrize(("arguments", "words"), [
    (("--token", "ana"), "there is no token with the name or id 'ana', and no request that is meant has it"),
    (("--session", "none"), "no request that is meant has this session"),
])  # fmt: skip
def test_a_name_that_nothing_has_is_told(
    folder: Path, arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --yes, too: 0 requests alone could be a name that was misspelt."""
    for more in ((), ("--yes",)):
        run(["--data-dir", str(folder), *arguments, *more])
        assert words in capsys.readouterr().err


def test_what_stopped_halfway_is_in_the_list_of_changes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody ends it with Ctrl-C to leave no line."""

    def stops(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "forget", stops)
    assert run(["--data-dir", str(folder), "--token", "anna", "--yes"]) == 1
    with open_store(db_path=folder / "requests.db", blob_path=folder / "blob_storage", max_age_days=None) as store:
        (line,) = store.access.audit.list().lines
    assert (line.what, line.target, list(line.after)) == ("log.forget", "token anna", ["stopped"])


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
    assert abs(when("30d ago") - when("30 d")) < 60 and when("999999w") == 0.0
    assert abs(when("30d") - (now - 30 * 86_400)) < 60 and abs(when("2w") - (now - 14 * 86_400)) < 60
    assert when("2026-11-30T14:00") - when("2026-11-30") == 14 * 3600
    assert when("2026-11-30T14:00+00:00") == 1_796_047_200.0
    with pytest.raises(argparse.ArgumentTypeError):
        when("30 days or so")
