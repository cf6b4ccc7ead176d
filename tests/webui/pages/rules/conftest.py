"""A dashboard with a rules file in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.config.configuration import RulesFile
from switchman.addons.config.editing.desk import RulesDesk
from switchman.addons.config.settings import Settings
from switchman.addons.store.opening import Store

KEY = "sk-proj-abcdefghijklmnop1234567890"
TEXT = f"""\
# ours
servers:
  a: {{url: "http://127.0.0.1:9", api_key: {KEY}}}
  b: "http://127.0.0.1:9/b"
aliases: {{fast: {{instances: [a/m, b/m]}}}}
routes:
  # for coders
  - name: Coding # by task
    match: {{model: auto, task: coding}}
    route: {{model: a/coder, fallbacks: [b/m], thinking: disabled}}
  - name: High
    priority: 900
    match: {{model: /^gpt-/}}
    route: {{upstream: b}}
  - name: Never
    match: {{model: gpt-4}}
    route: {{upstream: a}}
  - name: Off
    enabled: false
    match: {{any: [{{tools: true}}]}}
    route: {{model: a/m}}
default: a/m
"""


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> RulesDesk:
    file = tmp_path / "routes.yaml"
    file.write_text(TEXT)
    settings = Settings(routes_config=str(file), db_path=str(tmp_path / "requests.db"))
    return RulesDesk(settings, RulesFile(settings), store.access.rules)


@pytest.fixture
def settings(desk: RulesDesk) -> dict[str, Any]:
    """What a WebConfig has of the rules."""

    def explains(rules: Any, body: dict[str, Any], source: str, headers: Any, token: str, offline: bool) -> Any:
        from switchman.addons.core.routes.subject import LocalTime
        from switchman.addons.hooks.routing.explaining import Question, explain

        return explain(
            Question(body, source, headers, token, offline=True), rules, desk.settings, LocalTime(720, 0)
        ).as_json()

    return {"rules": desk.rules, "desk": desk, "keys": lambda: desk.rules.keys.current, "explains": explains}


@pytest.fixture
def word() -> Callable[[str], str]:
    """The word of a page's forms."""
    import re

    def find(html: str) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', html)
        assert found
        return found[1]

    return find
