"""`/keys` and `/audit`: what the pages say and do, without a browser."""

from __future__ import annotations

import csv
import io
import re

import pytest
from flask.testing import FlaskClient

from switchman.addons.store.access.audit import Who
from switchman.addons.store.opening import Store

BROWSER = {"Accept": "text/html", "Connection": "keep-alive", "Sec-Fetch-Site": "same-origin"}
KEY = "sk-a-providers-key-0123456789abcdef"
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def client(client_of) -> FlaskClient:
    return client_of(named_at=lambda name: "routes.yaml:7" if name == "named" else None)


def post(client: FlaskClient, path: str, **data: str):
    word = re.search(r'name="csrf" value="(\w+)"', client.get("/keys", headers=BROWSER).text)
    assert word
    return client.post(path, data={"csrf": word[1], **data}, headers=BROWSER)


def test_a_key_is_set_and_never_shown(client: FlaskClient, vault) -> None:
    """Not by the form that it was typed into either."""
    assert post(client, "/keys", name="openai", value=f" {KEY}\n").status_code == 303
    with vault() as opened:
        assert opened.read("openai") == KEY
    again = post(client, "/keys", name="openai", value=KEY[::-1])
    assert again.status_code == 409 and "already" in again.text
    for text in (again.text, *(client.get(a, headers=BROWSER).text for a in ("/keys", "/keys/openai", "/audit"))):
        assert KEY not in text and KEY[::-1] not in text and KEY[-6:] not in text


NO_KEYS: list[tuple[dict[str, str], str]] = [
    ({"name": "a b", "value": KEY}, "letters, digits, dots"),
    ({"name": "", "value": KEY}, "letters, digits, dots"),
    ({"name": EVIL, "value": KEY}, "letters, digits, dots"),
    ({"name": "x", "value": " "}, "value is empty"),
    ({"name": "x", "value": "a\nb"}, "line break"),
    ({"name": "x", "value": "x" * 9000}, "longer than"),
]


def test_what_is_no_key_is_refused_at_the_form(client: FlaskClient, vault) -> None:
    """With the reason, and nothing of the value."""
    for data, why in NO_KEYS:
        answer = post(client, "/keys", **data)
        assert answer.status_code in (409, 422) and why in answer.text, data
        assert KEY not in answer.text and EVIL not in answer.text
    with vault() as opened:
        assert opened.entries() == []


def test_looking_makes_no_master_key(client_of) -> None:
    """Only a change opens the vault, and makes its key file where there is none."""

    def opened():
        raise AssertionError("nobody asked for a change")

    client = client_of(vault=opened)
    for path in ("/keys", "/api/admin/keys"):
        assert client.get(path, headers=BROWSER).status_code == 200
    assert client.get("/keys/x", headers=BROWSER).status_code == 404


def test_a_key_is_rotated_and_deleted(client: FlaskClient, vault) -> None:
    """One that the rules name is deleted only by who says so."""
    post(client, "/keys", name="named", value=KEY)
    assert post(client, "/keys/named/rotate", value="").status_code == 422
    assert post(client, "/keys/named/rotate", value=KEY[::-1]).status_code == 303
    with vault() as opened:
        assert opened.read("named") == KEY[::-1]
    assert "routes.yaml:7" in client.get("/keys/named", headers=BROWSER).text
    refused = post(client, "/keys/named/delete")
    assert refused.status_code == 409 and "vault:named at routes.yaml:7" in refused.text
    assert post(client, "/keys/named/delete", force="1").status_code == 303
    assert "No keys yet" in client.get("/keys", headers=BROWSER).text
    for path in ("/keys/named", "/keys/<b>"):
        assert client.get(path, headers=BROWSER).status_code == 404
    for path in ("/keys/named/rotate", "/keys/named/delete"):
        assert post(client, path, value=KEY).status_code == 404


def test_changes_are_listed_with_what_is_another_one(client: FlaskClient, store: Store) -> None:
    """Names and values are text, whatever they are; the pages of the list have all lines."""
    audit = store.access.audit
    audit.record(
        Who(EVIL, "page", "admin", "203.0.113.7"), "token.change", EVIL, {"a": 1, "b": EVIL}, {"a": 1, "b": "x"}
    )
    for number in range(50):
        audit.record(Who("cli:root@box", "cli"), "token.create", f"t{number}", None, {"id": number, "models": []})
    first = client.get("/audit", headers=BROWSER).text
    assert first.count("on the command line") == 50 and EVIL not in first
    older = re.search(r'href="(/audit\?before=\d+)"', first)
    assert older
    second = client.get(older[1], headers=BROWSER).text
    assert EVIL not in second and second.count("&lt;img") >= 3 and "203.0.113.7" in second and "1 field<" in second
    assert "No older changes" in client.get("/audit?before=1", headers=BROWSER).text
    for wrong in ("x", "-1", "9" * 20, "²"):
        assert client.get(f"/audit?before={wrong}", headers=BROWSER).status_code == 400


def test_a_spreadsheet_runs_nothing_of_what_was_typed(client: FlaskClient, store: Store) -> None:
    """Cells that begin as a formula are text, also behind blanks and in wide letters; all lines are in the table."""
    for start in ("=", "+", "-", "@", "\t=", " =", "＝", "\r="):
        store.access.audit.record(Who(f"{start}cmd|' /C calc'!A0", "api"), "key.set", f"{start}1+1", None, {"a": 1})
    for number in range(200):
        store.access.audit.record(Who("alice", "api"), "token.create", f't{number},"x"', now=1e9)
    answer = client.get("/audit.csv", headers=BROWSER)
    assert answer.mimetype == "text/csv" and "attachment" in answer.headers["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert len(rows) == 209 and rows[1][6] == 't199,"x"'
    for row in rows[1:]:
        for value in row:
            assert not value.strip()[:1] or value.strip()[0] not in "=+-@＝", value
