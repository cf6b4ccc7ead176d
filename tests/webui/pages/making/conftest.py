"""A dashboard with an empty rules file in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from switchman.addons.config.configuration import RulesFile, well_known
from switchman.addons.config.editing.desk import RulesDesk
from switchman.addons.config.settings import Settings
from switchman.addons.store.opening import Store


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever keys the machine's environment has are none of these tests'."""
    for preset in well_known().values():
        if preset.api_key_env:
            monkeypatch.delenv(preset.api_key_env, raising=False)


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> RulesDesk:
    file = tmp_path / "routes.yaml"
    file.write_text("")
    settings = Settings(routes_config=str(file), db_path=str(tmp_path / "requests.db"))
    return RulesDesk(settings, RulesFile(settings), store.access.rules)


@pytest.fixture
def settings(desk: RulesDesk) -> dict[str, Any]:
    """What a WebConfig has of the rules."""

    def explains(rules: Any, body: dict[str, Any], source: str, headers: Any, token: str, offline: bool) -> Any:
        from switchman.addons.core.routes.subject import LocalTime
        from switchman.addons.hooks.routing.explaining import Question, explain

        question = Question(body, source, headers, token, offline=True)
        return explain(question, rules, desk.settings, LocalTime(720, 0)).as_json()

    return {
        "rules": desk.rules,
        "desk": desk,
        "keys": lambda: desk.rules.keys.current,
        "explains": explains,
        "prices": lambda: desk.rules.current.prices,
    }


@pytest.fixture
def client(client_of: Callable[..., FlaskClient], settings: dict[str, Any]) -> FlaskClient:
    return client_of(**settings)
