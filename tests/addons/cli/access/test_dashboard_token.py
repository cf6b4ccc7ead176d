"""`switchman token jwt`: a token for a role and a time, alone on stdout."""

from __future__ import annotations

import time

import pytest

from switchman.addons.cli.access import dashboard_token
from switchman.addons.core.access.roles import Role
from switchman.webui.access.tokens import read_token

STRONG = "kV9qRz3mT7wXc2Lp8sYd4Hf6Jn1Bg5Qa0EuItOx"


@pytest.mark.parametrize(
    ("arguments", "role", "seconds"),
    [
        ([], Role.VIEWER, 12 * 3600),
        (["--role", "operator", "--ttl", "90s"], Role.OPERATOR, 90),
        (["--role", "admin", "--ttl", "7d", "--name", "Alice  B"], Role.ADMIN, 7 * 86_400),
    ],
)
def test_the_token_is_for_the_role_and_time_that_were_asked_for(
    arguments: list[str],
    role: Role,
    seconds: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The least role and half a day where nothing is said; alone on stdout, so that it can be piped."""
    monkeypatch.setenv("JWT_SECRET", STRONG)
    before = int(time.time())
    assert dashboard_token.run(arguments) == 0
    said = capsys.readouterr()
    assert said.err == "" and said.out.count("\n") == 1
    token = read_token(said.out.strip(), STRONG)
    assert token.role is role and before <= token.expires_at - seconds <= time.time()
    assert token.who == ("Alice B" if "--name" in arguments else f"token {token.name[:8]}")


@pytest.mark.parametrize(
    "arguments",
    [["--ttl", "0h"], ["--ttl", "12"], ["--ttl", "-1h"], ["--ttl", "nan"], ["--role", "root"], ["--name", ""]],
)
def test_what_no_token_can_be_is_refused(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and a sentence, and no token."""
    monkeypatch.setenv("JWT_SECRET", STRONG)
    with pytest.raises(SystemExit) as left:
        dashboard_token.run(arguments)
    said = capsys.readouterr()
    assert left.value.code == 2 and said.out == "" and arguments[0] in said.err


@pytest.mark.parametrize(("secret", "why"), [("", "JWT_SECRET is not set"), ("password", "JWT_SECRET: too weak")])
def test_without_a_good_secret_there_is_no_token(
    secret: str, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A weak secret is not repeated."""
    monkeypatch.setenv("JWT_SECRET", secret)
    assert dashboard_token.run([]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith(f"switchman: {why}") and "password" not in said.err
