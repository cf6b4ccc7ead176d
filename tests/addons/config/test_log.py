"""Opening the log as the settings say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from switchman.addons.config.configuration import SettingsError
from switchman.addons.config.log import open_log
from switchman.addons.config.settings import Settings
from switchman.addons.testing.samples import make_record


def test_every_setting_reaches_the_store(tmp_path: Path) -> None:
    """Where rows and bodies are, how large a body may be, how large all of them, and how old."""
    settings = Settings(
        db_path=str(tmp_path / "log.db"), blob_storage_path=str(tmp_path / "bodies"), max_blob_size=10,
        max_total_storage_size=77, max_log_age_days=3,
    )  # fmt: skip
    with open_log(settings) as log:
        assert (log._max_body, log._max_total) == (10, 77)
        assert log.retention._max_age == 3 * 86_400
        writer = log.writer()
        assert writer.put(make_record(request_body=bytes(range(256)) * 300))
    assert {path.name for path in tmp_path.iterdir()} >= {"log.db"}
    with open_log(settings) as log:
        (row,) = log.queries.list_requests().rows
        detail = log.queries.get_request(row.id)
        assert detail is not None and detail.request_body.truncated and detail.request_body.size == 76_800


def test_database_url_stands_above_db_path(tmp_path: Path) -> None:
    """The SQLite file is then not made."""
    settings = Settings(
        database_url=f"sqlite:///{tmp_path / 'other.db'}",
        db_path=str(tmp_path / "log.db"), blob_storage_path=str(tmp_path / "b"),
    )  # fmt: skip
    open_log(settings).close()
    assert (tmp_path / "other.db").exists() and not (tmp_path / "log.db").exists()


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"database_url": "sqlite://"}, "in-memory"),
        ({"db_path": ":memory:"}, "in-memory"),
        ({"database_url": "postgresql://u:hunter2@127.0.0.1:1/none"}, "cannot use the database"),
        ({"database_url": "nonsense"}, "not an SQLAlchemy URL"),
    ],
)
def test_a_log_that_cannot_be_opened_is_a_fault_of_the_settings(more: dict[str, Any], why: str) -> None:
    """One kind of error for whoever starts a process, and no password in it."""
    with pytest.raises(SettingsError, match=why) as caught:
        open_log(Settings(**more))
    assert "hunter2" not in str(caught.value)
