"""A rules file with servers, the dashboard over it, and a real server to ask."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from switchman.addons.config.configuration import RulesFile
from switchman.addons.config.editing.desk import RulesDesk
from switchman.addons.config.settings import Settings
from switchman.addons.core.access.roles import Role
from switchman.addons.serving.dashboard import price_of, trier
from switchman.addons.store.opening import Store
from switchman.addons.testing import FakeUpstream
from switchman.webui.access.people import COOKIE
from switchman.webui.access.tokens import make_token

SECRET = "a test's secret, 32 bytes and longer"
BROWSER = {"Accept": "text/html", "Connection": "keep-alive", "Sec-Fetch-Site": "same-origin"}
KEY = "sk-the-key-of-up-0123456789abcdef"


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream("openai", models=("small", "large"), api_key=KEY) as found:
        yield found


@pytest.fixture
def desk(store: Store, tmp_path: Path, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> RulesDesk:
    monkeypatch.setenv("UP_KEY", KEY)
    file = tmp_path / "routes.yaml"
    file.write_text(
        f"""\
# ours
servers:
  up: {{url: "{upstream.url}/v1", dialect: openai, api_key: "env:UP_KEY", retry_on: [404]}} # the first
  spare: "http://127.0.0.1:9"
  held: {{url: "http://127.0.0.1:9/held", api_key: {KEY[::-1]}}}
models:
  up/small: {{context: 8000, modalities: [text, tools], input_cost: 1, output_cost: 2}}
aliases:
  pair: {{instances: [up/small, spare/x]}}
routes:
  - {{name: To up, match: {{model: z}}, route: {{upstream: up}}}}
"""
    )
    settings = Settings(routes_config=str(file), db_path=str(tmp_path / "requests.db"))
    return RulesDesk(settings, RulesFile(settings), store.access.rules)


class Visitor:
    """Somebody of a role, with a browser."""

    def __init__(self, client: FlaskClient, role: Role) -> None:
        self.client = client.application.test_client()
        self.client.set_cookie(COOKIE, make_token(SECRET, 1, role=role, who="bo"))

    def get(self, path: str) -> Any:
        return self.client.get(path, headers=BROWSER)

    def post(self, path: str, page: str = "/servers", **data: Any) -> Any:
        """With the words that a form of `page` has, unless others are given."""
        text = self.get(page).text
        fields = {
            name: found[1] for name in ("csrf", "digest") if (found := re.search(rf'name="{name}" value="(\w+)"', text))
        }
        return self.client.post(path, data=fields | data, headers=BROWSER)


@pytest.fixture
def visit(client_of: Callable[..., FlaskClient], desk: RulesDesk) -> Callable[[Role], Visitor]:
    client = client_of(
        desk=desk,
        rules=desk.rules,
        webui_security="ALWAYS_AUTH",
        jwt_secret=SECRET,
        keys=lambda: desk.rules.keys.current,
        ruleset=lambda: desk.rules.current,
        price_of=lambda server, model: price_of(desk.rules.current, server, model),
        tries=trier(desk.settings),
    )
    return lambda role: Visitor(client, role)
