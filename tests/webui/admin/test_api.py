"""`/api/admin`: what pages and the command do, for programs."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

import pytest
from flask.testing import FlaskClient

from switchman.addons.core.access.apitoken import digest_of, is_token
from switchman.addons.core.access.roles import Role
from switchman.addons.store.database import writing
from switchman.addons.store.keeping.elsewhere import Elsewhere
from switchman.addons.store.keeping.forgetting import forget
from switchman.webui.access.tokens import make_token

SECRET = "a test's secret, 32 bytes and longer"
LOCKED = {"webui_security": "ALWAYS_AUTH", "jwt_secret": SECRET}
KEY = "sk-a-providers-key-0123456789abcdef"


class Admin:
    """A program with an admin's token."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {make_token(SECRET, 1, who='alice')}"}

    def __call__(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        sent = {} if body is None else {"json": body}
        answer = self.client.open(f"/api/admin{path}", method=method, headers=self.headers, **sent)
        assert answer.status_code == status, answer.text
        assert answer.mimetype == "application/json"
        return answer.json


@pytest.fixture
def admin(client_of) -> Admin:
    return Admin(client_of(**LOCKED))


TERMS = {
    "name": "ci",
    "groups": ["agents"],
    "models": ["gpt-*", "local/llama3"],
    "servers": ["openai"],
    "requests_per_minute": 60,
    "tokens_per_minute": 100_000,
    "concurrent": 4,
    "body_bytes": 1_000_000,
    "budgets": [
        {"amount": 20.5, "unit": "usd", "period": "month", "downgrade": None},
        {"amount": 500_000, "unit": "tokens", "period": "day", "downgrade": "small"},
    ],
    "capture": "metadata",
    "expires_at": 4_000_000_000.0,
}


def test_a_token_is_made_with_all_its_terms_and_shown_once(admin: Admin, store) -> None:
    """Its text is in this one answer; what is listed, got, changed and written down has none of it."""
    made = admin("POST", "/tokens", TERMS, 201)
    text = made["text"]
    assert is_token(text) and store.access.tokens.by_digest(digest_of(text)).caller.id == made["token"]["id"]
    assert {name: made["token"][name] for name in TERMS} == TERMS
    kept = store.access.tokens.get("ci").caller.allowance
    assert [(one.amount, one.unit) for one in kept.budgets] == [(20_500_000, "usd"), (500_000, "tokens")]
    got = admin("GET", "/tokens/ci")
    assert got == admin("GET", f"/tokens/{got['id']}") == made["token"]
    listed = admin("GET", "/tokens")
    assert listed == {"tokens": [got], "next": None}
    told = json.dumps([got, listed, admin("GET", "/audit"), admin("GET", "/status")])
    assert text not in told and digest_of(text) not in told


def test_a_token_is_changed_rotated_and_revoked(admin: Admin, store) -> None:
    """It keeps its id; after a rotation both texts open it for the time that was asked for."""
    made = admin("POST", "/tokens", TERMS, 201)
    changed = admin("PUT", "/tokens/ci", {"name": "build"})
    assert (changed["id"], changed["name"], changed["models"], changed["budgets"]) == (
        made["token"]["id"],
        "build",
        [],
        [],
    )
    rotated = admin("POST", "/tokens/build/rotate", {"grace_seconds": 60})
    old, new = (store.access.tokens.by_digest(digest_of(one["text"])) for one in (made, rotated))
    assert old.caller.id == new.caller.id and rotated["text"] != made["text"]
    assert 0 < [one.valid_until for one in new.secrets][1] - time.time() <= 60
    assert rotated["token"]["hints"] == [rotated["text"][-4:], made["text"][-4:]]
    assert admin("POST", "/tokens/build/revoke")["state"] == "revoked"
    assert admin("POST", "/tokens/build/revoke")["state"] == "revoked"
    assert "revoked, for good" in admin("POST", "/tokens/build/rotate", {}, 409)["error"]
    assert [line["what"] for line in admin("GET", "/audit")["changes"]] == [
        "token.revoke", "token.rotate", "token.change", "token.create",
    ]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in TERMS if name != "name"])
def test_what_is_sent_alone_changes_alone(name: str, admin: Admin, store) -> None:
    """By PATCH: all else stays as it was; null, or an empty list, takes it away; the change is written down."""
    before = admin("POST", "/tokens", TERMS, 201)["token"]
    nothing: Any = [] if isinstance(TERMS[name], list) else None
    assert admin("PATCH", "/tokens/ci", {name: nothing}) == before | {name: nothing}
    assert admin("PATCH", "/tokens/ci", {name: TERMS[name]}) == before
    assert admin("PATCH", "/tokens/ci", {}) == before
    lines = admin("GET", "/audit")["changes"]
    assert [line["what"] for line in lines] == ["token.change", "token.change", "token.create"]
    assert lines[0]["target"] == "ci" and lines[0]["who"] == "alice"


@pytest.mark.parametrize(
    ("sent", "field"), [({"name": ""}, "name"), ({"rpm": 1}, "rpm"), ({"concurrent": 0}, "concurrent")]
)
def test_a_change_that_is_wrong_changes_nothing(sent: dict[str, Any], field: str, admin: Admin) -> None:
    """The field is named; a name that another token has is refused as well."""
    before = admin("POST", "/tokens", TERMS, 201)["token"]
    admin("POST", "/tokens", {"name": "other"}, 201)
    assert [one["field"] for one in admin("PATCH", "/tokens/ci", sent, 422)["fields"]] == [field]
    assert admin("PATCH", "/tokens/ci", {"name": "other"}, 409)["fields"][0]["field"] == "name"
    assert admin("GET", "/tokens/ci") == before


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"name": ""}, ["name"]),
    ({"name": "x" * 65}, ["name"]),
    ({"name": "a\nb"}, ["name"]),
    ({"name": 3}, ["name"]),
    ({"models": "gpt-*"}, ["models"]),
    ({"models": [""]}, ["models.0"]),
    ({"requests_per_minute": "60"}, ["requests_per_minute"]),
    ({"requests_per_minute": True}, ["requests_per_minute"]),
    ({"requests_per_minute": 0, "concurrent": -1}, ["requests_per_minute", "concurrent"]),
    ({"tokens_per_minute": 2**60}, ["tokens_per_minute"]),
    ({"budgets": [{"amount": 0}]}, ["budgets.0.amount"]),
    ({"budgets": [{"amount": 0.0000001}]}, ["budgets.0.amount"]),
    ({"budgets": [{"amount": 1.5, "unit": "tokens"}]}, ["budgets.0"]),
    ({"budgets": [{"amount": 1, "period": "year"}]}, ["budgets.0.period"]),
    ({"budgets": [{"amount": "NaN"}]}, ["budgets.0.amount"]),
    ({"capture": "none"}, ["capture"]),
    ({"expires_at": 1.0}, ["expires_at"]),
    ({"expires_at": "never"}, ["expires_at"]),
    ({"rpm": 60}, ["rpm"]),
]


def test_a_field_that_is_wrong_is_named(admin: Admin, store) -> None:
    """Nothing is made, and no field is left out in silence."""
    for changes, fields in WRONG:
        problem = admin("POST", "/tokens", TERMS | changes, 422)
        assert [one["field"] for one in problem["fields"]] == fields and all(one["error"] for one in problem["fields"])
    assert store.access.tokens.list() == ()


def test_what_is_not_one_json_object_is_refused(admin: Admin) -> None:
    """By its type, its form and its length."""
    for body in ([], "x", None, 3):
        assert admin("POST", "/tokens", body if body is not None else [None], 400)["error"]
    post = admin.client.post
    for data, kind, status in (
        (b'{"name": "a"', "application/json", 400),
        (b'\xff{"name": "a"}', "application/json", 400),
        (b'{"name": "a"}', "text/plain", 415),
        (b'{"name": "' + b"a" * 70_000 + b'"}', "application/json", 413),
        (b"[" * 30_000, "application/json", 400),
    ):
        answer = post("/api/admin/tokens", data=data, content_type=kind, headers=admin.headers)
        assert answer.status_code == status and answer.json["error"], data[:20]


def test_one_name_is_one_tokens(admin: Admin) -> None:
    """The field is named, and the one that is there stays."""
    admin("POST", "/tokens", {"name": "ci"}, 201)
    problem = admin("POST", "/tokens", {"name": "ci"}, 409)
    assert [one["field"] for one in problem["fields"]] == ["name"]
    for method, path in (("GET", ""), ("PUT", ""), ("POST", "/revoke"), ("POST", "/rotate")):
        body = {"name": "x"} if method == "PUT" else None
        assert "no token" in admin(method, f"/tokens/other{path}", body, 404)["error"]


def test_lists_come_in_pages(admin: Admin, store) -> None:
    """However many there are; a cursor that is none is refused by its name."""
    for number in range(5):
        admin("POST", "/tokens", {"name": f"t{number}"}, 201)
    first = admin("GET", "/tokens?limit=2")
    second = admin("GET", f"/tokens?limit=2&before={first['next']}")
    names = [token["name"] for token in first["tokens"] + second["tokens"]]
    assert names == ["t0", "t1", "t2", "t3"] and second["next"] is not None
    changes = admin("GET", "/audit?limit=3")
    older = admin("GET", f"/audit?limit=3&before={changes['next']}")
    assert [line["target"] for line in changes["changes"] + older["changes"]] == ["t4", "t3", "t2", "t1", "t0"]
    for query in ("limit=0", "limit=1000", "before=x", "before=-1", "other=1"):
        assert admin("GET", f"/audit?{query}", status=422)["fields"][0]["field"] == query.partition("=")[0]


def test_a_key_is_set_rotated_and_deleted_and_never_told(admin: Admin, vault) -> None:
    """No answer has any of a value, nor has a line of the changes."""
    told = [admin("PUT", "/keys/openai", {"value": KEY}, 201), admin("GET", "/keys")]
    with vault() as opened:
        assert opened.read("openai") == KEY
    assert "already" in admin("PUT", "/keys/openai", {"value": KEY[::-1]}, 409)["error"]
    told.append(admin("POST", "/keys/openai/rotate", {"value": KEY[::-1]}))
    with vault() as opened:
        assert opened.read("openai") == KEY[::-1]
    assert told[0]["version"] == 1 and told[2]["version"] == 2 and told[0]["fingerprint"] != told[2]["fingerprint"]
    admin("DELETE", "/keys/openai")
    assert admin("GET", "/keys") == {"keys": []}
    told.append(admin("GET", "/audit"))
    assert [line["what"] for line in told[-1]["changes"]] == ["key.delete", "key.rotate", "key.set"]
    for value in (KEY, KEY[::-1], KEY[-8:], KEY[:10]):
        assert value not in json.dumps(told)
    for method, path in (("POST", "/keys/openai/rotate"), ("DELETE", "/keys/openai")):
        assert "no key" in admin(method, path, {"value": KEY} if method == "POST" else None, 404)["error"]


def test_a_value_that_is_none_is_not_repeated(admin: Admin) -> None:
    """Each fault of a key's value says its place at most."""
    for value in ("", "  ", "a\nb", "\x00", 3, None, "x" * 9000):
        answer = admin.client.put("/api/admin/keys/openai", json={"value": value}, headers=admin.headers)
        assert answer.status_code in (409, 422) and "xxxx" not in answer.text
    assert admin("GET", "/keys") == {"keys": []}


def test_a_key_that_the_rules_name_is_not_deleted_in_passing(client_of, vault) -> None:
    """It says where it is named; it can be forced."""
    admin = Admin(client_of(**LOCKED, named_at=lambda name: "routes.yaml:3" if name == "openai" else None))
    admin("PUT", "/keys/openai", {"value": KEY}, 201)
    problem = admin("DELETE", "/keys/openai", status=409)
    assert "name vault:openai at routes.yaml:3" in problem["error"] and problem["fields"][0]["field"] == "force"
    admin("DELETE", "/keys/openai", {"force": True})
    assert admin("GET", "/keys") == {"keys": []}


def test_a_change_says_who_made_it(admin: Admin, store) -> None:
    """Name, role and address; before and after."""
    admin("POST", "/tokens", {"name": "ci", "concurrent": 2}, 201)
    admin("PUT", "/tokens/ci", {"name": "ci", "concurrent": 3})
    change, made = admin("GET", "/audit")["changes"]
    assert (change["who"], change["role"], change["address"], change["how"]) == ("alice", "admin", "127.0.0.1", "api")
    assert (change["before"]["concurrent"], change["after"]["concurrent"]) == (2, 3)
    assert made["before"] is None and made["after"]["name"] == "ci" and time.time() - made["at"] < 600


def test_a_database_that_is_locked_is_a_503(admin: Admin, store, monkeypatch) -> None:
    """JSON like every other error."""
    monkeypatch.setattr("switchman.addons.store.database.BUSY_SECONDS", 0.01)
    with writing(store.engine):
        assert "database" in admin("POST", "/tokens", {"name": "ci"}, 503)["error"]
    assert admin("GET", "/tokens")["tokens"] == []


def test_a_change_that_cannot_be_written_down_is_told_in_the_log(admin: Admin, store, monkeypatch, caplog) -> None:
    """It is done by then: whoever looks finds it in the log, and who asked gets an error."""
    record = store.access.audit.record

    def locked(*given: Any, **named: Any) -> None:
        with writing(store.engine):
            record(*given, **named)

    monkeypatch.setattr("switchman.addons.store.database.BUSY_SECONDS", 0.01)
    monkeypatch.setattr(store.access.audit, "record", locked)
    admin("POST", "/tokens", {"name": "ci"}, 503)
    assert "token.create of 'ci' by alice is done, and could not be written down" in caplog.text


def test_the_router_tells_how_it_is(admin: Admin) -> None:
    """Version, database, and how many tokens are in use."""
    admin("POST", "/tokens", {"name": "a"}, 201)
    admin("POST", "/tokens", {"name": "b"}, 201)
    admin("POST", "/tokens/b/revoke")
    status = admin("GET", "/status")
    assert status["tokens"] == 1 and status["stored_bytes"] > 0 and status["webui_security"] == "ALWAYS_AUTH"
    assert (status["underway"], status["waiting_records"], status["rules_error"]) == (0, 0, None)
    assert admin("GET", "/me") == {"name": "alice", "role": "admin", "how": "bearer", "sees_bodies": True}


def test_without_a_database_of_tokens_it_says_so(store) -> None:
    """Not a page of Python."""
    from switchman.webui import WebConfig, create_app

    client = create_app(WebConfig(queries=store.queries)).test_client()
    for address in ("/api/admin/tokens", "/api/admin/keys", "/tokens", "/keys", "/audit"):
        answer = client.get(address)
        assert answer.status_code == 503 and "here" in answer.json["error"]


def test_what_is_forgotten_is_counted_and_written_down(client_of, store, put, make_request, tmp_path) -> None:
    """A dry run counts; the real one removes rows for good and says how many, in the list of changes, too."""
    forgets = partial(forget, store.engine, store.blobs, elsewhere=Elsewhere(tmp_path / "none.db"))
    admin = Admin(client_of(**LOCKED, forgets=lambda wanted: forgets(wanted)))
    put(*(make_request(number, 1_000.0 + number, token=name) for number, name in enumerate(("anna", "bert", "anna"))))
    assert admin("POST", "/forget", {"token": "anna", "dry_run": True})["rows"] == 2
    assert admin("POST", "/forget", {"token": "anna"})["rows"] == 2
    assert admin("POST", "/forget", {"token": "anna", "dry_run": True})["rows"] == 0
    assert admin("POST", "/forget", {"before": 2_000.0, "dry_run": True})["rows"] == 1
    (change,) = admin("GET", "/audit")["changes"]
    assert (change["what"], change["target"], change["after"]["rows"]) == ("log.forget", "token anna", 2)
    for wrong in ({}, {"token": ""}, {"before": "yesterday"}, {"tokens": "anna"}):
        admin("POST", "/forget", wrong, 422)
    assert admin("POST", "/forget", {"before": 2.0**40})["rows"] == 1  # a year with five digits
    assert admin("GET", "/audit")["changes"][0]["target"] == "before 9999-12-31 00:00 UTC"


def test_what_stopped_halfway_is_written_down(client_of) -> None:
    """Whoever has it stop leaves a line, as some may be gone."""

    def stops(wanted: Any) -> Any:
        raise OSError("the disk is away")

    admin = Admin(client_of(**LOCKED, forgets=stops))
    assert "the disk is away" in str(admin("POST", "/forget", {"token": "anna"}, 503))
    (change,) = admin("GET", "/audit")["changes"]
    assert (change["what"], change["target"], list(change["after"])) == ("log.forget", "token anna", ["stopped"])


def test_only_admins_forget(client_of) -> None:
    """Operators and viewers may not, and neither may a page without its CSRF word."""
    called: list[Any] = []
    client = client_of(**LOCKED, forgets=called.append)
    for role in (Role.VIEWER, Role.OPERATOR):
        headers = {"Authorization": f"Bearer {make_token(SECRET, 1, role=role)}"}
        assert client.post("/api/admin/forget", json={"token": "anna"}, headers=headers).status_code == 403
    assert client.post("/api/admin/forget", json={"token": "anna"}).status_code == 401
    assert called == []
