"""/api/admin/rules: what the pages do, for programs."""

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
from switchman.addons.store.opening import Store
from switchman.webui.access.tokens import make_token

SECRET = "a test's secret, 32 bytes and longer"
BASE = "/api/admin/rules"
TEXT = """\
# ours
servers: {a: "http://127.0.0.1:9"}
routes:
  - {name: one, route: {model: a/m}} # first
"""


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> RulesDesk:
    file = tmp_path / "routes.yaml"
    file.write_text(TEXT)
    settings = Settings(routes_config=str(file), db_path=str(tmp_path / "requests.db"))
    return RulesDesk(settings, RulesFile(settings), store.access.rules)


@pytest.fixture
def api(client_of: Callable[..., FlaskClient], desk: RulesDesk) -> Callable[..., tuple[int, Any]]:
    """One call by an operator, or by who is named."""
    client = client_of(
        desk=desk,
        rules=desk.rules,
        webui_security="ALWAYS_AUTH",
        jwt_secret=SECRET,
        keys=lambda: desk.rules.keys.current,
    )

    def call(method: str, path: str = "", role: Role = Role.OPERATOR, **body: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {make_token(SECRET, 1, role=role, who='bo')}"}
        answer = client.open(BASE + path, method=method, headers=headers, json=body or None)
        return answer.status_code, answer.json

    return call


def test_read_change_and_take_back(api: Callable[..., tuple[int, Any]], desk: RulesDesk, store: Store) -> None:
    """Each save with its version, and its line in the list of changes."""
    status, now = api("GET")
    assert (status, now["yaml"], now["in_force"], now["error"]) == (200, TEXT, True, None)
    status, saved = api("PUT", yaml=TEXT.replace("one", "two"), digest=now["digest"], why="a name")
    assert (status, saved["saved"], saved["yaml"], saved["version"]) == (200, True, TEXT.replace("one", "two"), 2)
    status, found = api("GET", "/history")
    assert [(one["number"], one["who"], one["how"], one["why"]) for one in found["versions"]] == [
        (2, "bo", "api", "a name"),
        (1, "by hand", "file", "as it was found"),
    ]
    assert api("GET", "/history/1")[1]["yaml"] == TEXT
    status, back = api("POST", "/history/1/restore", digest=saved["digest"])
    assert (status, desk.path.read_text(), back["version"]) == (200, TEXT, 3)
    assert [line.what for line in store.access.audit.list().lines] == ["rules.rollback", "rules.save"]
    line = store.access.audit.list().lines[0]
    assert (line.who, line.role, line.how, line.after["why"]) == ("bo", "operator", "api", "back to version 1")
    assert api("PUT", yaml=TEXT, digest=back["digest"])[1]["saved"] is False


def test_one_edit_and_its_dry_run(api: Callable[..., tuple[int, Any]], desk: RulesDesk) -> None:
    digest = api("GET")[1]["digest"]
    edit = {"do": "enable", "at": 0, "enabled": False}
    status, tried = api("POST", "/edit", edit=edit, digest=digest, dry_run=True)
    assert (status, tried["saved"]) == (200, False) and "enabled: false" in tried["yaml"]
    assert desk.path.read_text() == TEXT
    status, saved = api("POST", "/edit", edit=edit, digest=digest)
    assert status == 200 and saved["saved"] and desk.path.read_text() == tried["yaml"]
    assert api("POST", "/edit", edit=edit, digest=digest)[0] == 409
    assert api("POST", "/edit", edit={"do": "no"}, digest=saved["digest"])[0] == 422
    assert api("POST", "/edit", edit={"do": "remove", "at": 7}, digest=saved["digest"])[0] == 409
    bad = {"do": "change", "at": 0, "route": {"route": {"model": 7}}}
    for dry_run in (True, False):
        status, told = api("POST", "/edit", edit=bad, digest=saved["digest"], dry_run=dry_run)
        assert status == 422 and "routes.yaml:4:" in told["error"]


def test_refusals(api: Callable[..., tuple[int, Any]], desk: RulesDesk) -> None:
    """A stale digest, a broken text with its line, servers by an operator, a viewer, a version that is not there."""
    digest = api("GET")[1]["digest"]
    assert api("PUT", yaml=TEXT + "# x\n", digest="0" * 64)[0] == 409
    status, told = api("PUT", yaml=TEXT.replace("a/m", "[a"), digest=digest)
    assert status == 422 and "routes.yaml:4:" in told["error"] and told["fields"][0]["field"] == "yaml"
    moved = {"yaml": TEXT.replace(":9", ":10"), "digest": digest}
    assert api("PUT", **moved)[0] == 403
    assert api("GET", role=Role.VIEWER)[0] == 403
    for number in ("9", "x", "9" * 30):
        assert api("GET", f"/history/{number}")[0] == 404
    status, found = api("POST", "/check", yaml="routes: 7\n")
    assert (status, found["good"]) == (200, False) and found["problems"][0]["line"] == 1
    assert desk.path.read_text() == TEXT
    assert api("PUT", role=Role.ADMIN, **moved)[0] == 200


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ("redact: {patterns: []}", "`redact`"),
        ("redact: {words: /etc/hostname}", "/etc/hostname"),
        ("capture: {mode: full}", "`capture`"),
        ("limits: {unknown_price: free}", "`limits`"),
        ("models: {a/m: {input_cost: 0}}", "prices"),
        ("cache: {exact: {scope: shared}}", "shared"),
    ],
)
def test_what_protects_others_is_for_admins(
    api: Callable[..., tuple[int, Any]], desk: RulesDesk, more: str, word: str
) -> None:
    """A 403 that says so, in every way to save; an admin may."""
    digest = api("GET")[1]["digest"]
    changed = {"yaml": f"{TEXT}{more}\n", "digest": digest}
    status, told = api("PUT", **changed)
    assert status == 403 and word in told["error"] and "only admins" in told["error"]
    assert desk.path.read_text() == TEXT
    assert api("PUT", role=Role.ADMIN, **changed)[0] == 200
    if "patterns" in more:  # taken back by who may not, too
        status, told = api("POST", "/history/1/restore", digest=api("GET")[1]["digest"])
        assert status == 403 and word in told["error"]


def test_no_file_is_read_by_who_may_not_name_it(api: Callable[..., tuple[int, Any]], tmp_path: Path) -> None:
    """Its faults would tell what is in it: a check of an operator's text says who may, and an admin's what is wrong."""
    (tmp_path / "words").write_text("\n")
    text = f"{TEXT}redact: {{words: {tmp_path}/words}}\n"
    told = api("POST", "/check", yaml=text)[1]
    assert not told["good"] and "only admins" in str(told["problems"]) and "holds no word" not in str(told)
    told = api("POST", "/check", role=Role.ADMIN, yaml=text)[1]
    assert not told["good"] and "holds no word" in str(told["problems"])


def test_json_of_other_routers(api: Callable[..., tuple[int, Any]], desk: RulesDesk) -> None:
    digest = api("GET")[1]["digest"]
    rule = {"name": "Chat", "targetModel": "a/m", "id": "theirs"}
    rules = {"version": "1.1", "rules": [rule]}
    assert api("POST", "/import", rules=rules, digest=digest, dry_run=True)[1]["saved"] is False
    assert api("POST", "/import", rules=rules, digest=digest)[1]["saved"] is True
    status, given = api("GET", "/export")
    assert (
        status == 200
        and rule in given["rules"]["rules"]
        and given["lost"] == ["one: not exported: it is not for the model auto alone"]
    )
    assert api("POST", "/import", rules={"rules": [{}]}, digest=api("GET")[1]["digest"])[0] == 422
