"""POST /api/admin/rules/wizard: answers to rules, for programs. Nothing is saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from switchman.addons.config.configuration import RulesFile
from switchman.addons.config.editing.desk import RulesDesk
from switchman.addons.config.settings import Settings
from switchman.addons.core.access.roles import Role
from switchman.addons.core.rules.reading.yamltext import load
from switchman.addons.store.opening import Store
from switchman.webui.access.tokens import make_token

SECRET = "a test's secret, 32 bytes and longer"
KEY = "sk-proj-abcdefghijklmnop1234567890"
TEXT = f'servers:\n  a: {{url: "https://a.example.com", api_key: {KEY}}}\n  b: "http://127.0.0.1:9"\n'


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> RulesDesk:
    file = tmp_path / "routes.yaml"
    file.write_text(TEXT)
    settings = Settings(routes_config=str(file), db_path=str(tmp_path / "requests.db"))
    return RulesDesk(settings, RulesFile(settings), store.access.rules)


@pytest.fixture
def make(client_of: Callable[..., FlaskClient], desk: RulesDesk) -> Callable[..., tuple[int, Any]]:
    client = client_of(
        desk=desk,
        rules=desk.rules,
        webui_security="ALWAYS_AUTH",
        jwt_secret=SECRET,
        keys=lambda: desk.rules.keys.current,
        prices=lambda: desk.rules.current.prices,
    )

    def call(role: Role = Role.OPERATOR, **body: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {make_token(SECRET, 1, role=role, who='bo')}"}
        answer = client.post("/api/admin/rules/wizard", headers=headers, json=body)
        return answer.status_code, answer.get_json()

    return call


def test_answers_become_rules(make, desk: RulesDesk) -> None:
    """The text, which the router would take, and for each use who answers; the file is as it was, its key unseen."""
    status, found = make(servers=[{"name": "b", "models": ["m", "coder"]}, {"name": "a", "models": ["big"]}])
    assert status == 200 and found["good"] and not found["needs_admin"], found
    assert {one["use"]: one["targets"][0] for one in found["picks"]}["coding"].startswith("b/coder")
    assert KEY not in found["yaml"] and desk.path.read_text() == TEXT
    assert desk.check(found["yaml"]).rules is not None and found["digest"] == desk.read().digest


def test_a_new_server_needs_an_admin(make) -> None:
    """Whoever asks is told; a preset brings its own address, and its key where its variable is set."""
    new = {"name": "openai", "preset": "openai", "models": ["gpt-6.1-sol"]}
    status, found = make(servers=[new, {"name": "b", "models": ["m"]}])
    assert status == 200 and found["needs_admin"]
    assert load(found["yaml"], "").data["servers"]["openai"]["preset"] == "openai"


def test_a_key_comes_from_where_secrets_are(make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The preset's variable where it is set, or what is named; never a key itself."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    new = {"name": "openai", "preset": "openai", "models": ["gpt-6.1-sol"]}
    _, found = make(servers=[new])
    assert load(found["yaml"], "").data["servers"]["openai"]["api_key"] == "env:OPENAI_API_KEY"
    status, refused = make(servers=[{**new, "key": KEY}])
    assert status == 422 and KEY not in str(refused)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "Choose at least one server"),
        ({"servers": [{"name": "a", "models": ["m"]}], "priority": "privacy"}, "of your own"),
        ({"servers": [{"name": "x", "models": ["m"]}]}, "give its preset or its address"),
        ({"servers": [{"name": "x", "preset": "azure", "models": ["m"]}]}, "https://RESOURCE"),
        ({"servers": [{"name": "x", "preset": "none-such", "models": ["m"]}]}, "not as they must be"),
        ({"servers": [{"name": "x", "url": "ftp://x", "models": ["m"]}]}, "not as they must be"),
        ({"servers": [{"name": "b"}, {"name": "b"}]}, "not as they must be"),
        ({"spending": "monthly", "dollars": 0}, "not as they must be"),
        ({"uses": ["everything"]}, "not as they must be"),
    ],
)
def test_what_cannot_be_is_said(make, body: dict[str, Any], words: str) -> None:
    """422, with a sentence."""
    status, found = make(**body)
    assert status == 422 and words in found["error"], found


def test_viewers_make_no_rules(make) -> None:
    """Nor do they learn what there is."""
    assert make(Role.VIEWER)[0] == 403
