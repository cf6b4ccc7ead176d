"""/api/admin/servers: what the pages do, for programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from switchman.addons.config.editing.desk import RulesDesk
from switchman.addons.core.access.roles import Role
from switchman.addons.core.rules.reading.yamltext import load
from switchman.addons.store.access.resets import reset_name
from switchman.addons.store.opening import Store
from switchman.addons.testing import FakeUpstream
from switchman.webui.access.tokens import make_token

KEY = "sk-the-key-of-up-0123456789abcdef"
SECRET = "a test's secret, 32 bytes and longer"
Call = Callable[..., tuple[int, Any]]


@pytest.fixture
def api(visit: Callable[[Role], Any]) -> Call:
    client: FlaskClient = visit(Role.ADMIN).client.application.test_client()

    def call(method: str, path: str = "", role: Role = Role.ADMIN, **body: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {make_token(SECRET, 1, role=role, who='bo')}"}
        answer = client.open(
            f"/api/admin{path}" if path == "/presets" else f"/api/admin/servers{path}",
            method=method,
            headers=headers,
            json=body or None,
        )
        return answer.status_code, answer.json

    return call


def test_a_server_comes_is_tested_and_goes(api: Call, desk: RulesDesk, upstream: FakeUpstream) -> None:
    """Added, with a dry run before it; asked; turned off; removed."""
    status, found = api("GET", role=Role.VIEWER)
    assert status == 200 and [one["name"] for one in found["servers"]] == ["up", "spare", "held"]
    assert KEY not in str(found) and found["servers"][0]["keys"][0]["name"] == "UP_KEY"
    assert found["servers"][0]["led_to_by"] == ["alias pair", "route To up"]
    body = {"server": {"url": upstream.url, "dialect": "openai", "api_key": "env:UP_KEY"}, "digest": found["digest"]}
    assert api("PUT", "/new", dry_run=True, **body)[1]["saved"] is False
    assert api("PUT", "/new", Role.OPERATOR, **body)[0] == 403
    digest = api("PUT", "/new", **body)[1]["digest"]
    status, tried = api("POST", "/new/test", Role.OPERATOR)
    assert (status, tried["good"], tried["status"], tried["models"]) == (200, True, 200, ["small", "large"])
    status, off = api("POST", "/new/switch", Role.OPERATOR, enabled=False, digest=digest)
    assert status == 200 and api("GET", "/new")[1]["state"] == "off"
    assert api("DELETE", "/up", digest=off["digest"])[0] == 409
    status, gone = api("DELETE", "/new", digest=off["digest"])
    assert status == 200 and gone["saved"] and "new" not in desk.rules.current.servers


def test_what_is_not_saved_is_tested_by_admins_only(api: Call, upstream: FakeUpstream) -> None:
    """An operator cannot have a key sent to a new address."""
    body = {"server": {"url": upstream.url, "dialect": "openai", "api_key": "env:UP_KEY"}}
    assert api("POST", "/new/test", Role.OPERATOR, **body)[0] == 403 and upstream.requests == []
    assert api("POST", "/new/test", **body)[1]["good"] is True
    status, said = api("POST", "/new/test", server={"url": "http://169.254.169.254/", "api_key": "env:UP_KEY"})
    assert status == 422 and "EGRESS_DENY" in said["error"]
    assert api("POST", "/new/test", server={"url": "http://metadata.invalid"})[1]["good"] is False


def test_operators_reset_and_say_what_a_model_can_do(api: Call, desk: RulesDesk, store: Store) -> None:
    """Both are written down."""
    assert api("POST", "/up/reset", Role.OPERATOR)[0] == 200
    assert reset_name("up") in store.access.resets.latest()
    digest = api("GET")[1]["digest"]
    facts = {"model": "large", "facts": {"context": 3}, "digest": digest}
    costs = {"model": "large", "facts": {"input_cost": 3}, "digest": digest}
    assert api("POST", "/up/facts", Role.OPERATOR, **costs)[0] == 403
    assert api("POST", "/up/facts", Role.OPERATOR, **facts)[0] == 200
    assert load(desk.path.read_text(), "").data["models"]["up/large"] == {"context": 3}
    assert [line.what for line in store.access.audit.list().lines] == ["rules.save", "server.reset"]
    assert api("POST", "/up/facts", Role.VIEWER, **facts)[0] == 403


def test_the_presets(api: Call) -> None:
    status, found = api("GET", "/presets", Role.VIEWER)
    assert status == 200 and {"openai", "groq"} <= {one["name"] for one in found["presets"]}
