"""The key of placeholders: one for all workers, lasting, and nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchman.addons.config.secrets.redaction_key import redaction_key
from switchman.addons.config.settings import Settings

KEY = "9f2c4be07a1d83e65b0f47c29ad6183ee5702bc46f91d8a3347e0c5bb2816fd4"


def settings(folder: Path, **more: str) -> Settings:
    return Settings(db_path=str(folder / "requests.db"), **more)  # type: ignore[arg-type]


def test_it_lasts_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Made once, beside the database, and read from then on."""
    key = redaction_key(settings(tmp_path))
    file = tmp_path / "requests.redaction.key"

    assert len(key) == 32
    assert file.stat().st_mode & 0o777 == 0o600
    assert key.hex() not in file.read_text()
    assert redaction_key(settings(tmp_path)) == key


def test_another_installation_has_another(tmp_path: Path) -> None:
    """Each draws its own."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    assert redaction_key(settings(tmp_path / "a")) != redaction_key(settings(tmp_path / "b"))


def test_machines_with_one_encryption_key_agree(tmp_path: Path) -> None:
    """It comes of ENCRYPTION_KEY then, and no file is made."""
    one = settings(tmp_path, encryption_key=KEY)

    assert redaction_key(one) == redaction_key(settings(tmp_path / "elsewhere", encryption_key=KEY))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """Nothing is redacted by a key that is no secret, and the message says which file."""
    redaction_key(settings(tmp_path))
    (tmp_path / "requests.redaction.key").chmod(0o644)

    with pytest.raises(ValueError, match=r"Nothing can be redacted: .*requests\.redaction\.key may be read by others"):
        redaction_key(settings(tmp_path))
