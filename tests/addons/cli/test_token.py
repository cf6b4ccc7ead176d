"""`switchman token`: a token that opens the dashboard, alone on stdout, or one sentence on stderr."""

from __future__ import annotations

import time

import pytest

from switchman.addons.cli import token
from switchman.webui.access.tokens import token_expiry

STRONG = "kV9qRz3mT7wXc2Lp8sYd4Hf6Jn1Bg5Qa0EuItOx"


@pytest.mark.parametrize(("arguments", "hours"), [([], 24), (["--hours", "0.5"], 0.5)])
def test_the_token_is_alone_on_stdout_and_valid(
    arguments: list[str], hours: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that it can be piped; it ends when it was said that it would."""
    monkeypatch.setenv("JWT_SECRET", STRONG)
    before = int(time.time())
    assert token.run(arguments) == 0
    said = capsys.readouterr()
    assert said.err == "" and said.out.count("\n") == 1
    end = token_expiry(said.out.strip(), STRONG) - round(hours * 3600)
    assert before <= end <= time.time()


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf"])
def test_a_time_that_is_none_is_refused(
    hours: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and a sentence, and no token that nobody would accept."""
    monkeypatch.setenv("JWT_SECRET", STRONG)
    assert token.run([f"--hours={hours}"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and f"valid for {float(hours)} hours" in said.err


@pytest.mark.parametrize(("secret", "why"), [("", "JWT_SECRET is not set"), ("password", "JWT_SECRET: too weak")])
def test_without_a_good_secret_there_is_no_token(
    secret: str, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty variable is an unset one; a weak secret is not repeated."""
    monkeypatch.setenv("JWT_SECRET", secret)
    assert token.run([]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith(f"switchman: {why}")
    assert "password" not in said.err
