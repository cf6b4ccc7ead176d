"""`switchman token create` and the like: the token alone on stdout, all that is said of it on stderr."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from switchman.addons.cli import token as command
from switchman.addons.core.access.apitoken import digest_of, is_token
from switchman.addons.core.access.caller import Allowance, Budget
from switchman.addons.store.access.opening import open_access
from switchman.addons.store.access.tokens import Token


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own to run in, and none of the machine's settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("DB_PATH", "DATABASE_URL", "CLIENT_AUTH"):
        monkeypatch.setenv(name, "")
    return tmp_path


def kept(folder: Path, secret: str) -> Token | None:
    access = open_access(None, folder / "requests.db")
    try:
        return access.tokens.by_digest(digest_of(secret))
    finally:
        access.close()


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    assert command.run([*arguments]) == code
    said = capsys.readouterr()
    return said.out, said.err


def test_all_that_can_be_said_of_a_token(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each option is kept as it was meant."""
    out, err = run(
        capsys, "create", "--name", "anna", "--models", "gpt-*, local/*", "--servers", "openai", "--groups", "a,b",
        "--rpm", "60", "--tpm", "100000", "--concurrent", "4", "--max-body", "2MB", "--budget", "20/month",
        "--budget", "500000tokens/day", "--downgrade", "small", "--capture", "metadata", "--expires", "90d",
    )  # fmt: skip
    secret = out.removesuffix("\n")
    assert is_token(secret) and secret not in err and "cannot be shown again" in err
    token = kept(folder, secret)
    assert token is not None and token.caller.expires_at == pytest.approx(token.created_at + 90 * 86_400, abs=5)
    caller = token.caller
    assert (caller.name, caller.models, caller.servers, caller.groups, caller.capture) == (
        "anna", ("gpt-*", "local/*"), ("openai",), {"a", "b"}, "metadata",
    )  # fmt: skip
    budgets = (Budget(20_000_000, "usd", "month", "small"), Budget(500_000, "tokens", "day", "small"))
    assert caller.allowance == Allowance(60, 100_000, 4, 2_000_000, budgets)


def test_nothing_said_is_no_limit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A token with a name alone may use all, for ever; that nobody asks for it yet is said."""
    out, err = run(capsys, "create", "--name", "bo")
    token = kept(folder, out.strip())
    assert token is not None and token.caller.allowance == Allowance() and token.caller.expires_at is None
    assert "CLIENT_AUTH is not TOKENS" in err


def test_it_is_listed_and_shown_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    """For people and as JSON; by its name and by its id."""
    secret = run(capsys, "create", "--name", "anna", "--models", "gpt-*")[0].strip()
    listed, _ = run(capsys, "list")
    row = listed.splitlines()[1].split()
    assert row[0] == "anna" and row[2:6] == ["active", secret[-4:], "never", "gpt-*"]
    one = json.loads(run(capsys, "show", "anna", "--json")[0])
    assert json.loads(run(capsys, "show", one["id"], "--json")[0]) == one
    used = {"running": 0, "used": []}  # of its limits, which the list does not look up
    assert [json.loads(run(capsys, "list", "--json")[0])[0] | used] == [one]
    assert one["state"] == "active" and one["models"] == ["gpt-*"] and one["budgets"] == []
    shown, _ = run(capsys, "show", "anna")
    assert secret[6:-4] not in listed + shown + json.dumps(one)


def test_rotating_and_revoking(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The id stays; the old text ends after its grace time; a revoked one is gone for good."""
    old = run(capsys, "create", "--name", "ci")[0].strip()
    out, err = run(capsys, "rotate", "ci", "--grace", "30m")
    assert is_token(out.strip()) and out.strip() != old and "the old one holds until" in err
    before, after = kept(folder, old), kept(folder, out.strip())
    assert before is not None and before == after
    assert after.secrets[1].valid_until == pytest.approx(after.secrets[0].created_at + 1800)
    at_once = run(capsys, "rotate", "ci", "--grace", "0")[0].strip()
    last = kept(folder, at_once)
    assert last is not None and all(one.valid_until == last.secrets[0].created_at for one in last.secrets[1:])
    assert "ci is revoked" in run(capsys, "revoke", "ci")[1]
    assert json.loads(run(capsys, "show", "ci", "--json")[0])["state"] == "revoked"
    assert "for good" in run(capsys, "rotate", "ci", code=2)[1]


def test_what_is_given_is_changed_and_all_else_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The text stays good, too; each change has its line, and one that changes nothing has none."""
    secret = run(
        capsys, "create", "--name", "ci", "--models", "a,b", "--rpm", "60", "--budget", "20/month", "--expires", "90d"
    )[0].strip()
    before = kept(folder, secret)
    out, err = run(capsys, "update", "ci", "--rpm", "90", "--tpm", "1000", "--budget", "5/day", "--capture", "metadata")
    after = kept(folder, secret)
    assert before is not None and after is not None and out == "" and "ci is changed" in err
    assert after.caller.allowance == Allowance(90, 1000, None, None, (Budget(5_000_000, "usd", "day"),))
    assert (after.caller.capture, after.caller.models) == ("metadata", ("a", "b"))
    assert (after.caller.id, after.caller.expires_at) == (before.caller.id, before.caller.expires_at)
    assert "nothing was changed" in run(capsys, "update", "ci", "--rpm", "90")[1]
    run(capsys, "update", "ci", "--name", "build", "--rpm", "none", "--models", "any", "--expires", "never")
    last = kept(folder, secret)
    assert last is not None and (last.caller.name, last.caller.models, last.caller.expires_at) == ("build", (), None)
    assert last.caller.allowance == Allowance(None, 1000, None, None, (Budget(5_000_000, "usd", "day"),))
    run(capsys, "revoke", "build")
    run(capsys, "revoke", "build")
    assert "for good" in run(capsys, "update", "build", "--rpm", "1", code=2)[1]
    access = open_access(None, folder / "requests.db")
    lines = access.audit.list().lines
    access.close()
    assert [line.what for line in lines] == ["token.revoke", "token.change", "token.change", "token.create"]
    assert (lines[2].target, lines[2].before["requests_per_minute"], lines[2].after["requests_per_minute"]) == (
        *("ci", 60, 90),
    )


def test_a_rotation_is_written_down_with_its_grace(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the pages and the API write it, and without either text."""
    run(capsys, "create", "--name", "ci")
    run(capsys, "rotate", "ci", "--grace", "30m")
    access = open_access(None, folder / "requests.db")
    line = access.audit.list().lines[0]
    access.close()
    assert (line.what, line.before, line.after["grace_seconds"]) == ("token.rotate", None, 1800.0)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["create", "--name", "a*"], "is no name"),
        (["create", "--name", "a", "--budget", "much"], "is no budget"),
        (["create", "--name", "a", "--expires", "soon"], "no length of time"),
        (["create", "--name", "a", "--models", ","], "expected names or globs"),
        (["create", "--name", "a", "--max-body", "big"], "number of bytes"),
        (["create", "--name", "a", "--downgrade", "small"], "--budget"),
        (["create", "--name", "taken"], "already"),
        (["show", "nobody"], "no token with the name"),
        (["revoke", "nobody"], "no token with the name"),
        (["rotate", "taken", "--grace", "x"], "no length of time"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence on stderr, nothing on stdout, nothing changed."""
    run(capsys, "create", "--name", "taken")
    before = run(capsys, "list", "--json")[0]
    out, err = run(capsys, *arguments, code=2)
    assert out == "" and complaint in err and err.count("\n") == 1
    assert run(capsys, "list", "--json")[0] == before


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "x", "9" * 30])
def test_counts_are_whole_numbers_from_one(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    """None of them is no limit by mistake."""
    with pytest.raises(SystemExit) as ended:
        command.run(["create", "--name", "a", f"--rpm={number}"])
    assert ended.value.code == 2 and "whole number" in capsys.readouterr().err


def test_the_database_of_a_data_dir(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That of `serve --data-dir`; a place without one is not made by asking for its tokens."""
    data = folder / "data"
    assert "no database at" in run(capsys, "list", "--data-dir", str(data), code=2)[1]
    assert not data.exists()
    data.mkdir()
    run(capsys, "create", "--name", "there", "--data-dir", str(data))
    assert (data / "requests.db").exists() and not (folder / "requests.db").exists()
    assert "there" in run(capsys, "list", "--data-dir", str(data))[0]
