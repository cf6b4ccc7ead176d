"""`switchman key`: values come in by standard input, and none comes out."""

from __future__ import annotations

import io
import json
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from switchman.addons.cli import main
from switchman.addons.config.secrets.masterkey import make_key_file, read_key_file
from switchman.addons.config.secrets.opening import coming

SECRET = "sk-value-0123456789abcdef"

type Key = Callable[..., tuple[int, str, str]]


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Key:
    """key(*arguments, value): exit code, stdout, stderr; with a database in the test's own folder."""
    monkeypatch.setenv("DB_PATH", str(tmp_path / "requests.db"))
    monkeypatch.setenv("ROUTES_CONFIG", str(tmp_path / "routes.yaml"))
    for name in ("ENCRYPTION_KEY", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, value: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(value))
        code = main(["key", *arguments])
        said = capsys.readouterr()
        assert SECRET not in said.out + said.err
        return code, said.out, said.err

    return run


def test_set_list_rotate_delete(key: Key, tmp_path: Path) -> None:
    """What is listed of a key is its name, its version, when it was set, and a fingerprint."""
    assert key("list") == (0, "", "switchman: no key is in the vault: `switchman key set NAME` puts one there\n")
    assert list(tmp_path.iterdir()) == []
    code, out, said = key("set", "openai", value=f"{SECRET}\n")
    assert (code, out) == (0, "") and "key openai (version 1, fingerprint " in said and "vault:openai" in said
    assert key("set", "openai", value=SECRET)[0] == 2
    code, out, _ = key("list")
    assert code == 0 and out.startswith("openai  version 1  set 20")
    (listed,) = json.loads(key("list", "--json")[1])
    assert set(listed) == {"name", "version", "fingerprint", "created_at", "set_at"} and listed["fingerprint"] in out
    assert key("rotate", "openai", value="sk-another-one-0123")[0] == 0
    (again,) = json.loads(key("list", "--json")[1])
    assert again["version"] == 2 and again["fingerprint"] != listed["fingerprint"]
    assert key("rotate", "other", value=SECRET)[0] == 2
    assert key("delete", "openai") == (0, "", "switchman: key openai is deleted\n")
    assert key("delete", "openai")[0] == 2


def test_the_folder_of_serve(key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--data-dir` means the same database and the same rules as there."""
    monkeypatch.delenv("ROUTES_CONFIG")
    (folder := tmp_path / "data").mkdir(mode=0o700)
    assert key("--data-dir", str(folder), "set", "a", value=SECRET)[0] == 0
    assert {file.name for file in folder.iterdir()} >= {"requests.db", "requests.key"}
    (folder / "routes.yaml").write_text("x: vault:a")
    assert key("--data-dir", str(folder), "delete", "a")[0] == 2
    assert key("delete", "a", "--data-dir", str(folder))[0] == 2
    assert "no key is in the vault" in key("list")[2]


def test_no_value_on_the_command_line(key: Key) -> None:
    """Every user of the machine can read those."""
    with pytest.raises(SystemExit):
        key("set", "openai", "a-value")
    assert key("set", "openai", value=" \n")[0] == 2
    assert "longer than" in key("set", "openai", value="x" * 70_000)[2]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('api_key: "vault:openai"', True), ("api_keys: [env:A, vault:openai]", True), ("x: vault: openai", True),
        ('"vault:openai"', True), ("vault:openai2", False), ("vault:open", False), ("# vault:openai", False),
        ("env:openai", False),
    ],
)  # fmt: skip
def test_deleting_what_the_rules_name(line: str, named: bool, key: Key, tmp_path: Path) -> None:
    """It is refused with the place, whatever else is wrong with the file; by force it is done."""
    key("set", "openai", value=SECRET)
    (tmp_path / "routes.yaml").write_text(f"# rules\n  {line}\n")
    code, _, said = key("delete", "openai")
    assert code == (2 if named else 0)
    if named:
        assert f"{tmp_path / 'routes.yaml'}:2 names vault:openai" in said
        assert key("delete", "openai", "--force")[0] == 0


def test_rekey_of_a_key_file(key: Key, tmp_path: Path) -> None:
    """Another master key is in the file, and opens all; the one before opens nothing any more."""
    file = tmp_path / "requests.key"
    key("set", "a", value=SECRET)
    key("set", "b", value="sk-another-one-0123")
    before = file.read_text()
    code, _, said = key("rekey")
    assert code == 0 and "2 keys are sealed by a new master key" in said
    assert file.read_text() != before and not coming(file).exists() and file.stat().st_mode & 0o777 == 0o600
    assert key("list")[0] == 0
    file.write_text(before)
    code, _, said = key("list")
    assert code == 2 and "was sealed by another master key" in said and "Set ENCRYPTION_KEY to the one" in said


@pytest.mark.parametrize("sealed", [False, True])
def test_rekey_that_was_interrupted(sealed: bool, key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the database was sealed anew, or right after: all keys open at once, by the one file or the other."""
    file = tmp_path / "requests.key"
    key("set", "a", value=SECRET)
    before = file.read_text()
    if sealed:
        with monkeypatch.context() as patch:
            patch.setattr("switchman.addons.cli.access.key.settle", lambda *_: None)  # killed before the last step
            assert key("rekey")[0] == 0
        assert coming(file).exists() and file.read_text() == before
    else:
        make_key_file(coming(file))
    assert key("list")[0] == 0
    assert key("set", "b", value="sk-another-one-0123")[0] == 0
    assert not coming(file).exists() and (file.read_text() == before) is not sealed
    assert read_key_file(file) is not None and len(json.loads(key("list", "--json")[1])) == 2


def test_from_a_key_file_to_the_environment_and_on(key: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENCRYPTION_KEY that is set later is refused, and `rekey` makes it the one; a next one comes by standard input."""
    first, second = secrets.token_hex(32), secrets.token_hex(32)
    key("set", "a", value=SECRET)
    monkeypatch.setenv("ENCRYPTION_KEY", first)
    code, _, said = key("list")
    assert code == 2 and "`switchman key rekey` seals the keys by ENCRYPTION_KEY" in said
    assert "1 key is sealed by ENCRYPTION_KEY now" in key("rekey")[2] and key("list")[0] == 0
    assert key("rekey", value="a passphrase")[0] == 2 and key("list")[0] == 0
    code, _, said = key("rekey", value=second)
    assert code == 0 and "Set ENCRYPTION_KEY to it, and start the router again" in said and second not in said
    assert key("list")[0] == 2
    monkeypatch.setenv("ENCRYPTION_KEY", second)
    assert key("list")[0] == 0


def test_a_master_key_that_is_lost(key: Key, tmp_path: Path) -> None:
    """What cannot be opened can be deleted by force, and set again."""
    key("set", "a", value=SECRET)
    (tmp_path / "requests.key").unlink()
    assert key("set", "b", value=SECRET)[0] == key("delete", "a")[0] == 2
    assert key("delete", "a", "--force")[0] == 0 and key("set", "a", value=SECRET)[0] == 0 and key("list")[0] == 0
