"""`file:` and `vault:` in the rules: read at the start, read again when they change, kept where they are gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.config.configuration import RulesFile, load_ruleset
from switchman.addons.config.secrets import masterkey
from switchman.addons.config.secrets.masterkey import make_key_file
from switchman.addons.config.secrets.opening import check_vault, coming, key_file, writing
from switchman.addons.config.settings import Settings
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.store.access.vault import Vault

type Made = Callable[..., Settings]

RULES = """\
servers:
  s:
    url: "http://127.0.0.1:9"
    api_key: "{key}"
"""


def write(settings: Settings, key: str, more: str = "") -> None:
    Path(settings.routes_config).write_text(RULES.format(key=key) + more)


def key_of(rules: RulesFile) -> str:
    key = rules.current.servers["s"].api_key
    assert key is not None
    return key.get_secret_value()


def test_a_file(made: Made, tmp_path: Path) -> None:
    """From the rules file's own folder, without the line break behind it; a change of it is taken, and masked."""
    settings = made()
    (file := tmp_path / "openai.key").write_text("file-key-number-1\n")
    file.chmod(0o600)
    write(settings, "file:openai.key", '    headers: {x-more: "file:openai.key"}\n')
    rules = RulesFile(settings)
    assert key_of(rules) == "file-key-number-1" == rules.current.servers["s"].headers["x-more"]
    assert rules.current.warnings == () and rules.current.servers["s"].keys[0].label == "file:openai.key"
    assert not rules.poll()
    file.write_text("file-key-number-2")
    assert rules.poll() and key_of(rules) == "file-key-number-2"
    assert {"file-key-number-1", "file-key-number-2"} <= rules.keys.current.values
    file.unlink()
    assert not rules.poll() and key_of(rules) == "file-key-number-2"
    assert (
        rules.error is not None and f"routes.yaml:4:14: servers.s.api_key: {file}: there is no such file" in rules.error
    )
    file.write_text("file-key-number-3")
    assert rules.poll() and key_of(rules) == "file-key-number-3" and rules.error is None


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o444])
def test_a_file_that_others_may_read_is_told(mode: int, made: Made, tmp_path: Path) -> None:
    """It is used, as the secrets of Docker and Kubernetes are like that."""
    (tmp_path / "k").write_text("file-key-number-1")
    (tmp_path / "k").chmod(mode)
    write(made(), "file:k")
    (warning,) = load_ruleset(made()).warnings
    assert f"{tmp_path / 'k'} may be read by others (mode {mode:04o}): 0600 is enough" in str(warning)


def test_files_that_are_refused(made: Made, tmp_path: Path) -> None:
    """One that everybody may write to, an empty one, one that is none, one that is not there; no path at all."""
    (tmp_path / "open").write_text("file-key-number-1")
    (tmp_path / "open").chmod(0o666)
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "folder").mkdir()
    for name, why in {
        "open": "may be written to by everybody (mode 0666): chmod 600", "empty": "is empty",
        "bytes": "is no UTF-8 text", "folder": "is a folder",
        "gone": "there is no such file", "": "file: is followed by a path",
    }.items():  # fmt: skip
        write(made(), f"file:{name}")
        with pytest.raises(RulesError) as caught:
            load_ruleset(made())
        assert why in str(caught.value)


def test_the_vault(made: Made) -> None:
    """Set, rotated and deleted while the rules are in force: a missing key leaves them in force, and says where."""
    settings = made()
    with writing(settings) as vault:
        vault.set("openai", "vault-key-number-1")
    write(settings, "vault:openai")
    rules = RulesFile(settings)
    assert key_of(rules) == "vault-key-number-1"
    with writing(settings) as vault:
        vault.set("unrelated", "vault-key-unrelated")
    assert not rules.poll() and rules.error is None
    with writing(settings) as vault:
        vault.rotate("openai", "vault-key-number-2")
    assert rules.poll() and key_of(rules) == "vault-key-number-2"
    assert {"vault-key-number-1", "vault-key-number-2"} <= rules.keys.current.values
    with writing(settings) as vault:
        vault.delete("openai")
    assert not rules.poll() and key_of(rules) == "vault-key-number-2"
    assert (
        rules.error is not None and "routes.yaml:4:14: servers.s.api_key: no key openai is in the vault" in rules.error
    )
    assert not rules.poll()
    with writing(settings) as vault:
        vault.set("openai", "vault-key-number-3")
    assert rules.poll() and key_of(rules) == "vault-key-number-3" and rules.error is None


def test_a_name_that_is_not_in_the_vault(made: Made) -> None:
    """At the start that refuses the rules; setting the key is enough to have them loaded."""
    settings = made()
    write(settings, "env:PATH")
    rules = RulesFile(settings)
    write(settings, "vault:openai")
    assert not rules.poll(anyway=True) and rules.error is not None and "the vault is empty" in rules.error
    with writing(settings) as vault:
        vault.set("openai", "vault-key-number-1")
    assert rules.poll() and key_of(rules) == "vault-key-number-1"


def test_a_database_that_is_deleted_under_it(made: Made, tmp_path: Path) -> None:
    """The keys outlast it: what the process has of them, sealed, goes into the new file."""
    settings = made(enable_logging=False)
    with writing(settings) as vault:
        vault.set("openai", "vault-key-number-1")
    write(settings, "vault:openai")
    rules = RulesFile(settings)
    for name in ("requests.db", "requests.db-wal", "requests.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    assert not rules.poll() and key_of(rules) == "vault-key-number-1" and rules.error is None
    with writing(settings) as vault:
        assert vault.read("openai") == "vault-key-number-1"
        vault.rotate("openai", "vault-key-number-2")
    assert rules.poll() and key_of(rules) == "vault-key-number-2"


def test_a_database_that_is_away_for_a_while(made: Made, tmp_path: Path) -> None:
    """Nothing is known of the vault then, so nothing changes."""
    settings = made()
    with writing(settings) as vault:
        vault.set("openai", "vault-key-number-1")
    write(settings, "vault:openai")
    rules = RulesFile(settings)
    (tmp_path / "requests.db").rename(tmp_path / "elsewhere.db")
    assert not rules.poll() and rules.error is None and key_of(rules) == "vault-key-number-1"
    (tmp_path / "elsewhere.db").rename(tmp_path / "requests.db")
    assert not rules.poll() and rules.error is None


def test_keys_that_change_while_the_rules_are_read(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are of one time: the one that was read before the change is not kept for good."""
    settings = made()
    with writing(settings) as vault:
        vault.set("a", "vault-key-a-1")
        vault.set("b", "vault-key-b-1")
    write(settings, "vault:a", '    headers: {x-more: "vault:b"}\n')
    given = Vault.read_in

    def rotated(vault: Vault, rows: Any, name: str) -> str:
        value = given(vault, rows, name)
        if name == "a" and value == "vault-key-a-1":
            with writing(settings) as other:
                other.rotate("a", "vault-key-a-2")
        return value

    monkeypatch.setattr(Vault, "read_in", rotated)
    rules = RulesFile(settings)
    assert key_of(rules) == "vault-key-a-1"
    assert rules.poll() and key_of(rules) == "vault-key-a-2"
    assert not rules.poll()


def test_a_master_key_that_cannot_be_used_is_told_once(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    """The keys that are in use stay in use, and the log is not filled at each look."""
    settings = made()
    with writing(settings) as vault:
        vault.set("openai", "vault-key-number-1")
    write(settings, "vault:openai")
    rules = RulesFile(settings)
    with writing(settings) as vault:
        vault.rotate("openai", "vault-key-number-2")
    key_file(settings).chmod(0o644)
    caplog.clear()
    assert not any(rules.poll() for _ in range(3)) and key_of(rules) == "vault-key-number-1"
    assert caplog.text.count("may be read by others") == 1
    key_file(settings).chmod(0o600)
    assert rules.poll(anyway=True) and key_of(rules) == "vault-key-number-2"


def test_another_master_key_takes_its_place_between_two_looks(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database was sealed anew, and FILE.new becomes FILE just as a process reads the one and then the other."""
    settings = made()
    file = key_file(settings)
    with writing(settings) as vault:
        vault.set("openai", "vault-key-number-1")
        vault.rekey(make_key_file(coming(file)))
    write(settings, "vault:openai")
    given, looks = masterkey.read_key_file, []

    def followed(path: Path) -> Any:
        found = given(path)
        looks.append(path)
        if len(looks) == 1:
            coming(file).replace(file)
        return found

    monkeypatch.setattr(masterkey, "read_key_file", followed)
    check_vault(settings)
    assert looks[0] == coming(file) and key_of(RulesFile(settings)) == "vault-key-number-1"
