"""The vault of the settings: made by the first key, refused where its master key is another one."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from switchman.addons.config.configuration import RulesFile, SettingsError, load_ruleset
from switchman.addons.config.secrets.opening import Unusable, check_vault, key_file, reading, writing
from switchman.addons.config.settings import Settings
from switchman.addons.store.access.vault import WrongMaster

type Made = Callable[..., Settings]


def test_reading_makes_nothing(made: Made, tmp_path: Path) -> None:
    """No database, no master key; it is said that there is none."""
    with pytest.raises(Unusable, match="the vault is empty: there is no database"), reading(made()):
        pass
    check_vault(made())
    check_vault(made(encryption_key=secrets.token_hex(32)))
    assert os.listdir(tmp_path) == []


def test_the_first_key_makes_a_master_key(made: Made) -> None:
    """In a file beside the database; with ENCRYPTION_KEY none is made."""
    with writing(made()) as vault:
        vault.set("a", "value-a")
    assert key_file(made()).exists()
    with reading(made()) as vault:
        assert vault.read("a") == "value-a"


def test_none_is_made_beside_encryption_key(made: Made) -> None:
    """And the vault opens by it alone."""
    settings = made(encryption_key=secrets.token_hex(32))
    with writing(settings) as vault:
        vault.set("a", "value-a")
    assert not key_file(settings).exists()
    check_vault(settings)


def test_a_wrong_master_key_is_refused(made: Made) -> None:
    """By whoever reads rules, though these name no key of the vault; what to do is said."""
    with writing(made(encryption_key=secrets.token_hex(32))) as vault:
        vault.set("a", "value-a")
    wrong = made(encryption_key=secrets.token_hex(32))
    for start in (check_vault, load_ruleset, RulesFile):
        with pytest.raises(
            (Unusable, SettingsError),
            match=r"the vault's key a was sealed by another master key .* Set ENCRYPTION_KEY to",
        ):
            start(wrong)


def test_a_key_file_that_is_lost(made: Made) -> None:
    """No other one is made in its place: that would hide what has happened."""
    with writing(made()) as vault:
        vault.set("a", "value-a")
    key_file(made()).unlink()
    for use in (lambda vault: vault.check(), lambda vault: vault.set("b", "value-b")):
        with writing(made()) as vault, pytest.raises(WrongMaster, match="than any there is"):
            use(vault)
    assert not key_file(made()).exists()


def test_no_database_code_without_need(tmp_path: Path) -> None:
    """A router without a log and without a vault loads none."""
    code = (
        "import sys; from switchman.addons.config.configuration import RulesFile, load_settings\n"
        "RulesFile(load_settings(db_path='none.db', enable_logging=False, routes_config='none.yaml'))\n"
        "assert 'sqlalchemy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
