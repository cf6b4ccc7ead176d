"""The pages of rules, over a real file and a real store."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from switchman.addons.config.editing.desk import RulesDesk
from switchman.addons.core.access.roles import Role
from switchman.addons.core.record import RulesInForce
from switchman.addons.core.rules.matchfile import MatchFile
from switchman.addons.core.rules.rulesfile import RouteFile, TargetFile
from switchman.addons.store.opening import Store
from switchman.webui.access.tokens import make_token
from switchman.webui.pages.rules.visual import MATCH_KINDS, ROUTE_KINDS, TARGET_KINDS

SECRET = "a test's secret, 32 bytes and longer"
KEY = "sk-proj-abcdefghijklmnop1234567890"
PAGES = ("/rules", "/rules/text", "/rules/route/0", "/rules/route/new", "/rules/try", "/rules/history", "/rules/json")


@pytest.fixture
def client(client_of: Callable[..., FlaskClient], settings: dict[str, Any]) -> FlaskClient:
    return client_of(**settings)


def visible(text: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text)))


def reviewed(page: str) -> str:
    """The text that a review would save."""
    found = re.search(r'<textarea name="text" id="review-text" hidden>\n(.*?)</textarea>', page, re.DOTALL)
    assert found
    return html.unescape(found[1])


def post(client: FlaskClient, path: str, word: Callable[[str], str], **values: Any) -> Any:
    page = client.get("/rules/text").text
    digest = re.search(r'name="digest" value="([0-9a-f]{64})"', page)
    assert digest
    return client.post(path, data={"csrf": word(page), "digest": digest[1], **values})


def test_the_chain_with_its_hits(client: FlaskClient, put, make_request) -> None:
    """In the order they are tried; what never answered and what cannot is marked; the range is the address's."""
    now = time.time()
    put(
        make_request(1, now - 60, id="a", layer="route", route="Coding"),
        make_request(2, now - 90_000, id="b", layer="route", route="Coding"),
        make_request(3, now - 50, id="c", layer="conversation", route="Coding"),
        make_request(4, now - 40, id="d", layer="alias", route="fast"),
    )
    page = client.get("/rules").text
    names = re.findall(r'<li class="route[^>]*>.*?<bdi>(.*?)</bdi>', page, re.DOTALL)
    assert names == ["High", "Coding", "Never", "Off"]
    rows = [visible(row) for row in re.findall(r'<li class="route.*?</li>', page, re.DOTALL)]
    assert "never hit" in rows[0] and "when model /^gpt-/ → b" in rows[0]
    assert "1 hit +1" in rows[1] and "thinking disabled" in rows[1] and "a/coder then b/m" in rows[1]
    assert "never reached" in rows[2] and "High (line 11), which is tried before, takes all that it could" in rows[2]
    assert "off" in rows[3] and "any [{tools: true}]" in rows[3]
    assert "2 hits" in visible(client.get("/rules?range=all").text)
    assert re.search(r"fast a/m then b/m 1 ", visible(page))
    assert client.get("/rules?range=1y").status_code == 400


def test_the_chain_shows_strategies_and_shares(client: FlaskClient, desk: RulesDesk) -> None:
    """Of aliases and of rules, loaded or off; the form has the keys of the one that has them."""
    text = "servers: {a: 'http://127.0.0.1:1', b: 'http://127.0.0.1:2'}\n"
    text += "aliases: {busy: {strategy: least_busy, instances: [a/m, b/m]}, canary: {split: {busy: 90, b/z: 10}},\n"
    text += "  weighed: {strategy: weighted, instances: [{server: a, model: m, weight: 3}, b/m]}}\n"
    text += "routes:\n- {match: {model: x}, route: {split: {busy: 9, b/z: 1}, affinity: caller}}\n"
    text += "- {match: {model: y}, enabled: false, route: {split: {busy: 9, b/z: 1}}}\n"
    desk.path.write_text(text)
    page = visible(client.get("/rules").text)
    assert "busy a/m then b/m least_busy" in page and "canary busy 90 / b/z 10 split" in page
    assert "weighed a/m 3 then b/m 1 weighted" in page
    assert "busy 9 / b/z 1" in page and "split, affinity caller" in page and "{busy: 9, b/z: 1}" in page
    form = html.unescape(client.get("/rules/route/0").text).replace(" ", "")
    assert '"split":{"b/z":1,"busy":9}' in form and '"key":"strategy"' in form


def test_no_page_has_a_key(client: FlaskClient, word: Callable[[str], str], desk: RulesDesk) -> None:
    """Nor has a review, a save, the API, the history or the list of changes."""
    desk.path.write_text(desk.path.read_text() + f"# old: {KEY}\n")
    texts = [client.get(path).text for path in PAGES]
    texts.append(post(client, "/rules/review", word, text=desk.read().text + "# more\n").text)
    post(client, "/rules/save", word, text=desk.read().text + "# more\n", why=f"with {KEY}")
    texts += [client.get(path).text for path in ("/rules/history", "/rules/history/1", "/rules/history/2", "/audit")]
    texts += [client.get(f"/api/admin/rules{path}").text for path in ("", "/history", "/history/2", "/export")]
    for text in texts:
        assert KEY not in text and KEY[8:20] not in text and "****" not in text
    assert desk.path.read_text().count(KEY) == 2 and "&lt;hidden-key-" in texts[1]


def test_who_may_what(client_of: Callable[..., FlaskClient], settings: dict[str, Any], desk: RulesDesk) -> None:
    """Viewers see the chain; operators change it, but neither where keys go nor what protects others."""
    client = client_of(**settings, webui_security="ALWAYS_AUTH", jwt_secret=SECRET)

    def headers(role: Role) -> dict[str, str]:
        return {"Authorization": f"Bearer {make_token(SECRET, 1, role=role, who='bo')}"}

    viewer, operator = headers(Role.VIEWER), headers(Role.OPERATOR)
    assert [client.get(path, headers=viewer).status_code for path in PAGES] == [200, *[403] * 6]
    assert "New rule" not in client.get("/rules", headers=viewer).text
    assert [client.get(path, headers=operator).status_code for path in PAGES] == [200] * 7
    assert client.get("/rules").status_code == 401
    now = desk.read()
    for path in (
        "/rules/save",
        "/rules/review",
        "/api/rules/check",
        "/api/rules/preview",
        "/api/rules/try",
        "/rules/try",
    ):
        assert client.post(path, data={"text": now.text, "digest": now.digest}, headers=viewer).status_code == 403
    moved = {"text": now.text.replace(":9/b", ":10/b"), "digest": now.digest}
    answer = client.post("/rules/save", data=moved, headers=operator)
    assert answer.status_code == 403 and "only admins" in answer.text
    loosened = {"text": now.text + "\nredact: {words: /etc/hostname}\n", "digest": now.digest}
    answer = client.post("/rules/save", data=loosened, headers=operator)
    assert answer.status_code == 403 and "only admins" in answer.text and "/etc/hostname" in answer.text
    answer = client.post("/api/rules/try", data=loosened | {"prompt": "x"}, headers=operator)
    assert answer.status_code == 422 and "only admins" in answer.json["error"]
    routed = {"text": now.text.replace("name: High", "name: Higher"), "digest": now.digest}
    assert client.post("/rules/save", data=routed, headers=operator).status_code == 303
    assert (
        client.post("/rules/save", data=moved | {"digest": desk.read().digest}, headers=headers(Role.ADMIN)).status_code
        == 303
    )


def test_a_save_needs_our_own_page(client: FlaskClient, desk: RulesDesk) -> None:
    """Another site's form changes nothing."""
    now, before = desk.read(), desk.path.read_text()
    for path in ("/rules/save", "/rules/review", "/rules/try"):
        data = {"text": now.text + "# x\n", "digest": now.digest, "csrf": "0" * 64}
        assert client.post(path, data=data).status_code == 403
        origin = {"Origin": "https://evil.example"}
        assert client.post(path, data=data, headers=origin).status_code == 403
    assert desk.path.read_text() == before


def test_every_edit_is_reviewed_first(client: FlaskClient, word: Callable[[str], str], desk: RulesDesk) -> None:
    """The review has the diff; the file is as it was until the save."""
    before = desk.path.read_text()
    page = post(client, "/rules/review", word, edit=json.dumps({"do": "enable", "at": 3, "enabled": True})).text
    assert "− enabled: false + enabled: true" in re.sub(r" \d+", "", visible(page).replace("  ", " "))
    assert desk.path.read_text() == before
    text = reviewed(page)
    assert post(client, "/rules/save", word, text=text, why="on").status_code == 303
    assert desk.path.read_text() == before.replace("enabled: false", "enabled: true")
    for edit in ("{", '{"do": "x"}', json.dumps({"do": "remove", "at": 9})):
        assert post(client, "/rules/review", word, edit=edit).status_code in (409, 422)


def test_a_broken_text_comes_back_with_its_line(
    client: FlaskClient, word: Callable[[str], str], desk: RulesDesk
) -> None:
    """By the review, by the save, and as somebody types; nothing of it is lost."""
    broken = desk.read().text.replace("upstream: b", "upstream: nowhere")
    for path in ("/rules/review", "/rules/save"):
        answer = post(client, path, word, text=broken)
        assert answer.status_code == 422 and "line 14, column 23" in answer.text and "nowhere" in answer.text
    found = post(client, "/api/rules/check", word, text=broken).json
    assert found["good"] is False and (found["problems"][0]["line"], found["problems"][0]["column"]) == (14, 23)
    assert post(client, "/api/rules/check", word, text=desk.read().text).json["good"] is True


def test_the_second_of_two_sees_both(client: FlaskClient, word: Callable[[str], str], desk: RulesDesk) -> None:
    """Their own text is in the field, the other one beside it; a save from there counts."""
    mine, digest = desk.read().text + "# mine\n", desk.read().digest
    desk.path.write_text(desk.path.read_text() + "# theirs\n")
    for path in ("/rules/save", "/rules/review"):
        answer = post(client, path, word, text=mine, digest=digest)
        assert answer.status_code == 409
        assert "# mine" in answer.text and "# theirs" in answer.text and "nothing of it is lost" in answer.text
    merged = desk.read().text + "# mine\n"
    assert post(client, "/rules/save", word, text=merged).status_code == 303
    assert desk.path.read_text().endswith("# theirs\n# mine\n")
    stale = post(client, "/rules/review", word, edit=json.dumps({"do": "remove", "at": 0}), digest=digest)
    assert stale.status_code == 409 and "has changed" in stale.text


def test_back_to_a_version(client: FlaskClient, word: Callable[[str], str], desk: RulesDesk, store: Store) -> None:
    """By a review, as any change; who did what is in the list of changes."""
    before = desk.path.read_text()
    post(client, "/rules/save", word, text=desk.read().text + "# x\n", why="try")
    desk.path.write_text(before + "# hand\n")
    page = visible(client.get("/rules/history").text)
    assert re.search(
        r"3 in force .*by hand changed outside .* 2 .*local on a page try .* 1 .*by hand as it was found", page
    )
    assert "− # hand" in visible(client.get("/rules/history/1?against=now").text)
    assert "+ # x" in visible(client.get("/rules/history/2").text)
    review = post(client, "/rules/review", word, version="1").text
    assert "back to version 1" in review
    text = reviewed(review)
    post(client, "/rules/save", word, text=text, way="version", why="back to version 1")
    assert desk.path.read_text() == before
    lines = store.access.audit.list().lines
    assert [line.what for line in lines] == ["rules.rollback", "rules.save"] and lines[0].after["version"] == 4
    assert client.get("/rules/history/99").status_code == 404


def test_a_request_is_tried(client: FlaskClient, word: Callable[[str], str], desk: RulesDesk) -> None:
    """On the rules in force, and on a text that is not saved; with headers; nothing is written."""
    prompt = "Fix this Python function, it raises a KeyError"
    assert "Decided by route Coding" in visible(client.get("/rules/try", query_string={"prompt": prompt}).text)
    text = desk.read().text.replace("task: coding", "header: {x-team: lab}").replace("a/coder", "a/other")
    answer = post(client, "/rules/try", word, prompt="hi", headers="X-Team: lab", text=text)
    assert "Decided by route Coding" in visible(answer.text) and "a/other" in answer.text
    assert "Decided by default" in visible(post(client, "/rules/try", word, prompt="hi", text=text).text)
    assert post(client, "/rules/try", word, prompt="hi", headers="x").status_code == 422
    assert "line 1" in post(client, "/rules/try", word, prompt="hi", text="[").text
    edit = {
        "do": "add",
        "route": {"name": "New", "priority": 950, "match": {"model": "auto"}, "route": {"model": "b/x"}},
    }
    found = post(client, "/api/rules/try", word, prompt="hi", edit=json.dumps(edit)).json
    assert (found["route"], found["candidates"][0]["target"]) == ("New", "b/x")


def test_json_in_and_out(client: FlaskClient, word: Callable[[str], str], desk: RulesDesk) -> None:
    """What was imported is exported again; a bad one says why."""
    rule = {
        "name": "Chat", "priority": 300, "enabled": True, "targetModel": "a/m", "fallbackChain": [],
        "thinkingStrategy": "auto",
        "conditions": {"combinator": "AND", "items": [{"type": "taskType", "taskTypes": ["chat"]}]},
    }  # fmt: skip
    review = post(client, "/rules/review", word, json=json.dumps({"version": "1.1", "rules": [rule]})).text
    assert "imported from JSON" in review
    text = reviewed(review)
    post(client, "/rules/save", word, text=text, way="json")
    assert rule in client.get("/rules/export.json").json["rules"]
    assert desk.path.read_text().startswith("# ours\nservers:\n")
    for bad in ("{", '{"rules": [{"targetModel": 1}]}', "[]"):
        answer = post(client, "/rules/review", word, json=bad)
        assert answer.status_code == 422 and "JSON" in answer.text


def test_a_broken_file_shows_what_is_in_force(client: FlaskClient, desk: RulesDesk) -> None:
    """The last good rules, with the banner; the text can be mended."""
    desk.path.write_text(desk.path.read_text() + "routes: [\n")
    page = client.get("/rules").text
    assert "the file is not in force" in page and "Rules file not loaded" in page and "Coding" in page
    assert "New rule" not in page and client.get("/rules/route/0").status_code == 409
    assert "routes: [" in client.get("/rules/text").text


def test_markup_in_a_file_is_text(client: FlaskClient, desk: RulesDesk) -> None:
    evil = "<img src=x onerror=alert(1)>"
    text = desk.path.read_text().replace("name: High", f"name: '{evil}'").replace("# ours", f"# {evil}\n# </textarea>")
    desk.path.write_text(text)
    for path in PAGES:
        page = client.get(path).text
        assert evil not in page and page.count("</textarea>") == page.count("<textarea"), path


def test_a_large_form_is_for_the_rules_alone(client: FlaskClient, word: Callable[[str], str], desk: RulesDesk) -> None:
    """A file of 200 kB can be edited; no other view takes as much."""
    text = desk.read().text + "# long\n" * 30_000
    assert post(client, "/api/rules/check", word, text=text).json["good"] is True
    assert client.post("/sign-in", data={"token": "x" * 100_000}).status_code == 413


def test_every_key_of_the_grammar_has_its_place_in_the_form() -> None:
    """A key that the form does not know could not be set there."""
    for model, kinds in ((MatchFile, MATCH_KINDS), (TargetFile, TARGET_KINDS), (RouteFile, ROUTE_KINDS)):
        assert {field.alias or name for name, field in model.model_fields.items()} == set(kinds)


def test_a_worker_that_lags_is_said(client: FlaskClient, store: Store) -> None:
    """By its name and the time of its rules; or that its file is no good."""
    now = time.time()
    assert "still has the rules" not in client.get("/rules").text
    for worker, digest, written_at in (
        ("new-1", "b" * 64, now - 60),
        ("old-2", "a" * 64, now - 4000),
        ("<b>3", "c", 0),
    ):
        store.write_rules(worker, RulesInForce(worker, digest, written_at, now - 30), now)
    page = visible(client.get("/rules").text)
    assert "The worker old-2 still has the rules of" in page
    assert "The worker <b>3 does not have the rules that were written last: its file is missing or faulty." in page
    assert "new-1" not in page
