"""Settings whose database lies in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.config.configuration import load_settings
from switchman.addons.config.settings import Settings

type Made = Callable[..., Settings]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.delenv("ENCRYPTION_KEY", raising=False)
    monkeypatch.delenv("DATABASE_URL", raising=False)

    def make(**more: Any) -> Settings:
        return load_settings(db_path=str(tmp_path / "requests.db"), routes_config=str(tmp_path / "routes.yaml"), **more)

    return make
