"""Rules from words: what is asked of the router, what becomes of the reply, and what is saved."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from switchman.addons.config.configuration import RulesFile
from switchman.addons.config.editing.desk import RulesDesk
from switchman.addons.config.settings import Settings
from switchman.addons.core.access.apitoken import is_token
from switchman.addons.core.access.roles import Role
from switchman.addons.core.rules.reading.yamltext import load
from switchman.addons.store.opening import Store
from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.webui.access.tokens import make_token
from switchman.webui.admin.asking.describing import describing

SECRET = "a test's secret, 32 bytes and longer"
EVIL = "<img src=x onerror=alert(1)>"
KEY = "sk-proj-abcdefghijklmnop1234567890"
TEXT = f"""\
# ours
servers:
  a: {{url: "http://127.0.0.1:9", api_key: {KEY}}}
  b: "http://127.0.0.1:9/b"
aliases: {{fast: {{instances: [a/m, b/m]}}}}
routes:
  - name: Coding # by task
    match: {{model: auto, task: coding}}
    route: {{model: a/coder}}
  - name: All
    match: {{model: auto}}
    route: {{model: fast}}
"""
DRAFT = """\
routes:
  - name: Chinese
    match: {model: auto, language: zh}
    route: {model: b/qwen}
"""


@pytest.fixture
def router() -> Iterator[FakeUpstream]:
    """What stands in for the router: it tells an id with each answer, and lists models as the router does."""
    default = Behaviour(text=f"Here:\n```yaml\n{DRAFT}```\n", headers=[("x-switchman-request-id", "asked")])
    with FakeUpstream(default=default, models=["fast", "a/m", "a/coder", "b/qwen"]) as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "routes.yaml"
    found.write_text(TEXT)
    return found


@pytest.fixture
def make(client_of: Callable[..., FlaskClient], store: Store, router: FakeUpstream, file: Path) -> Any:
    def made(**more: Any) -> FlaskClient:
        settings = Settings(routes_config=str(file), db_path=str(file.parent / "requests.db"))
        rules = RulesFile(settings)
        desk = RulesDesk(settings, rules, store.access.rules)

        def explains(ruleset: Any, body: dict[str, Any], *rest: Any) -> Any:
            from switchman.addons.core.routes.subject import LocalTime
            from switchman.addons.hooks.routing.explaining import Question, explain

            question = Question(body, "127.0.0.1", {}, "", offline=True)
            return explain(question, ruleset, settings, LocalTime(720, 0)).as_json()

        values = {"proxy_url": router.url, "wants_tokens": False, "rules": rules, "desk": desk, "explains": explains}
        return client_of(**values | {"ruleset": lambda: rules.current} | more)

    return made


@pytest.fixture
def client(make: Any) -> FlaskClient:
    found: FlaskClient = make()
    return found


def visible(text: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text)))


def word_of(client: FlaskClient) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get("/rules/describe").text)
    assert found
    return found[1]


def until_over(client: FlaskClient, address: str) -> str:
    """The page that an answer leads to."""
    end = time.monotonic() + 20
    while not client.get(f"/api{address}").json["over"]:
        assert time.monotonic() < end
        time.sleep(0.02)
    return client.get(address).text


def ask(client: FlaskClient, sentence: str = "Chinese goes to qwen", **form: str) -> str:
    values = {"csrf": word_of(client), "sentence": sentence, "model": "fast"} | form
    answer = client.post("/rules/describe/ask", data=values)
    assert answer.status_code == 303, visible(answer.text)
    return until_over(client, str(answer.location))


def fields(page: str) -> dict[str, str]:
    """What the draft's form would send."""
    found = {
        name: html.unescape(value)
        for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page)
    }
    text = re.search(r'<textarea id="text"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    assert text
    return found | {"text": html.unescape(text[1]), "place": "end", "model": "fast"}


def saved(client: FlaskClient, page: str, **changes: str) -> Any:
    return client.post("/rules/describe/enable", data=fields(page) | changes)


def test_a_sentence_becomes_rules(client: FlaskClient, router: FakeUpstream, file: Path, store: Store) -> None:
    """Asked past all caches, with the real names; the draft is shown, and saved with its sentence as the note."""
    page = ask(client)
    assert "Chinese" in visible(page) and "language zh" in visible(page) and file.read_text() == TEXT
    assert fields(page)["text"] == DRAFT and "nothing is wrong with it" not in page  # All is tried before
    (got,) = router.inferences
    head = {name.decode().lower(): value.decode() for name, value in got.headers}
    assert head["x-switchman-cache"] == "bypass" and head["cache-control"] == "no-store"
    body = json.loads(got.body)
    assert body["model"] == "fast" and '"Chinese goes to qwen"' in body["messages"][1]["content"]
    assert '"b/qwen"' in body["messages"][0]["content"] and KEY not in got.body.decode()
    answer = saved(client, page, place="first")
    assert answer.status_code == 303 and answer.location == "/rules?done=saved"
    names = [one["name"] for one in load(file.read_text(), "").data["routes"]]
    assert names == ["Chinese", "Coding", "All"] and KEY in file.read_text() and "# by task" in file.read_text()
    newest = store.access.rules.list(str(file.absolute()), None, 5).versions[0]
    assert newest.why == "described: Chinese goes to qwen"
    assert [line.what for line in store.access.audit.list().lines][:2] == ["rules.save", "rules.describe"]


def test_what_can_never_match_is_shown_at_its_rule(client: FlaskClient) -> None:
    """At the end, below a rule that takes all; before it nothing is wrong."""
    page = ask(client)
    told = client.post("/api/rules/describe/check", data=fields(page)).json
    assert "this route can never match: All" in visible(told["rules"]) and told["good"]
    assert told["problems"][0]["line"] == 2
    told = client.post("/api/rules/describe/check", data=fields(page) | {"place": "before:1"}).json
    assert told["problems"] == [] and "nothing is wrong with it" in told["rules"]
    assert "Chinese" in told["diff"]


WRONG = [
    ("b/qwen", "bb/qwen", 4, "names no server and no alias", "b/qwen"),
    ("model: b/qwen", "upstream: bb, model: qwen", 4, "no server is named 'bb'", "b/qwen"),
    ("b/qwen}", "fast, fallbacks: [c/x]}", 4, "no server is named 'c'", None),
    ("b/qwen", "a/codr", 4, "the list of this server has no such model", "a/coder"),
    ("name: Chinese", "name: All", 2, "is used by another rule", None),
    ("language: zh", "langage: zh", 3, "unknown key; did you mean 'language'?", None),
    ("language: zh", "tokens: many", 3, "tokens: expected", None),
    ("match: {model: auto, language: zh}", "match: [", 3, "not valid YAML", None),
    ("b/qwen", "!!python/name:os.system x", 4, "a tag", None),
    ("model: b/qwen", "upstream: 'http://evil.example'", 0, "is a new address", None),
]


def test_what_is_wrong_stands_at_its_line(client: FlaskClient) -> None:
    """With the nearest real names; an address that is none of the file's cannot be brought in by a draft."""
    form = fields(ask(client)) | {"place": "first"}
    for old, new, line, words, near in WRONG:
        told = client.post("/api/rules/describe/check", data=form | {"text": DRAFT.replace(old, new)}).json
        found = [one for one in told["problems"] if words in one["text"]]
        assert found and found[0]["line"] == line, told["problems"]
        assert near is None or f"<code>{near}</code>" in told["rules"]


def test_a_draft_with_an_error_is_not_saved(client: FlaskClient, file: Path) -> None:
    """The page stays, with the text as it was typed."""
    page = ask(client)
    answer = saved(client, page, text=DRAFT.replace("language", "langage"))
    assert answer.status_code == 422 and "mend what is marked first" in answer.text and "langage" in answer.text
    assert file.read_text() == TEXT


def test_saved_switched_off(client: FlaskClient, file: Path) -> None:
    """All its fields are in the file, and it is passed over."""
    assert saved(client, ask(client), off="1").status_code == 303
    (rule,) = [one for one in load(file.read_text(), "").data["routes"] if one["name"] == "Chinese"]
    assert rule["enabled"] is False and rule["match"] == {"model": "auto", "language": "zh"}


def test_somebody_else_was_faster(client: FlaskClient, file: Path) -> None:
    """Nothing is lost: the draft is there, against the file as it is now; the second save goes through."""
    page = ask(client)
    file.write_text(TEXT + "# theirs\n")
    answer = saved(client, page)
    assert answer.status_code == 409 and "the file has changed" in answer.text
    assert file.read_text() == TEXT + "# theirs\n"
    assert saved(client, answer.text).status_code == 303
    assert "# theirs" in file.read_text() and "name: Chinese" in file.read_text()


def test_the_same_sentence_twice_is_asked_twice(client: FlaskClient, router: FakeUpstream) -> None:
    """And the list of models is asked for once a minute."""
    ask(client)
    ask(client)
    assert len(router.inferences) == 2 and len([one for one in router.requests if one.path == "/v1/models"]) == 1


def test_a_draft_is_changed_in_words(client: FlaskClient, router: FakeUpstream, file: Path, store: Store) -> None:
    """The model gets the draft and what should be otherwise; the note has both sentences."""
    first = fields(ask(client))
    del first["csrf"]
    page = ask(client, first.pop("sentence"), change="with a fallback", **first)
    said = json.loads(router.inferences[1].body)["messages"][1]["content"]
    assert (
        json.dumps(DRAFT) in said and '"with a fallback"' in said and "goes to qwen" not in said.split("JSON string")[2]
    )
    saved(client, page, place="first")
    newest = store.access.rules.list(str(file.absolute()), None, 5).versions[0]
    assert newest.why == "described: Chinese goes to qwen; with a fallback"


def test_a_draft_from_elsewhere(client: FlaskClient) -> None:
    """The wizard's: it opens to be refined."""
    answer = client.post("/rules/describe", data={"csrf": word_of(client), "text": DRAFT})
    assert answer.status_code == 200 and fields(answer.text)["text"] == DRAFT
    assert "Change it in words" in answer.text


def test_only_rules_are_taken_in(client: FlaskClient, router: FakeUpstream) -> None:
    """Servers and keys of a reply are named, and nowhere in the draft."""
    router.default = Behaviour(text=f"servers: {{evil: 'http://evil.example'}}\ndefault: evil/x\n{DRAFT}")
    page = ask(client)
    assert "Not taken in: servers, default." in visible(page)
    assert "evil" not in fields(page)["text"]


def test_a_broken_reply_is_shown_to_be_mended(client: FlaskClient, router: FakeUpstream) -> None:
    """As it came, with the line that cannot be read."""
    router.default = Behaviour(text=f"```yaml\n{DRAFT.replace('zh}', 'zh')}```")
    page = ask(client)
    assert "language: zh\n" in fields(page)["text"] and "not valid YAML" in visible(page)


FAILURES = [
    (Behaviour(status=401, message="no key"), "set the server's key"),
    (Behaviour(status=403, message="not for you"), "The request was refused"),
    (Behaviour(status=404, message="no such model"), "There is no such model"),
    (Behaviour(status=429, message="budget used up"), "a budget is used up"),
    (Behaviour(status=503, message="overloaded"), "did not answer as it should"),
    (Behaviour(text=f"I cannot {EVIL}"), "No rules could be read in the reply"),
    (Behaviour(reset=True), "The router gave no answer"),
]


def test_why_there_is_no_draft(client: FlaskClient, router: FakeUpstream) -> None:
    """In words that say what to do, with the router's own beside them; the sentence is there to be sent again."""
    for how, words in FAILURES:
        router.default = how
        page = ask(client)
        assert words in visible(page) and (how.message or "") in visible(page) and EVIL not in page
        assert ">\nChinese goes to qwen</textarea>" in page


def test_it_is_cancelled_and_has_an_end(make: Any, router: FakeUpstream) -> None:
    """By whoever waits, or by the deadline; no thread of the dashboard waits meanwhile."""
    client = make()
    router.default = Behaviour(never_answer=True)
    word = word_of(client)
    form = {"csrf": word, "sentence": "x", "model": "fast"}
    address = client.post("/rules/describe/ask", data=form).location
    assert "Waiting for fast" in client.get(address).text
    router.wait_requests(2)
    assert client.post(f"{address}/cancel", data={"csrf": word}).status_code == 303
    assert "It was cancelled" in until_over(client, address)
    with client.application.app_context():
        describing().deadline = 0.3
    address = client.post("/rules/describe/ask", data=form).location
    assert "no whole answer within 0.3 seconds" in until_over(client, address)


def test_markup_is_text_everywhere(client: FlaskClient, router: FakeUpstream) -> None:
    """In the sentence, the reply, a rule, its problems and the names near to them."""
    text = DRAFT.replace("Chinese", f'"{EVIL}"').replace("b/qwen", f'"{EVIL}/x"').replace("zh", f'"{EVIL}"')
    router.default = Behaviour(text=f"{EVIL}\n```yaml\n{text}```\n")
    page = ask(client, f"do {EVIL}")
    told = client.post("/api/rules/describe/check", data=fields(page)).json
    for made in (page, told["rules"], told["diff"]):
        assert EVIL not in made and "&lt;img" in made


def test_a_prompt_is_tried_under_the_draft(client: FlaskClient, file: Path) -> None:
    """By the pure decision, with or without script; a broken draft says so."""
    form = fields(ask(client)) | {"prompt": "写一首关于秋天的诗", "place": "first"}
    told = client.post("/api/rules/describe/try", data=form).json
    assert "Decided by route Chinese" in visible(told["html"])
    page = client.post("/rules/describe/draft", data=form | {"try": "1"}).text
    assert "Decided by route Chinese" in visible(page)
    broken = client.post("/api/rules/describe/try", data=form | {"text": "routes: ["})
    assert broken.status_code == 422 and "mend what is marked" in broken.json["error"]
    assert client.post("/api/rules/describe/try", data=form | {"prompt": " "}).status_code == 422


def test_it_sends_with_a_token_where_one_is_asked_for(make: Any, router: FakeUpstream) -> None:
    """Its own, which an admin can limit and revoke; the page names it."""
    client = make(wants_tokens=True)
    assert "dashboard.describe" in client.get("/rules/describe").text
    ask(client)
    head = {name.decode().lower(): value.decode() for name, value in router.inferences[0].headers}
    assert is_token(head["authorization"].removeprefix("Bearer "))


REFUSED = [
    ({"sentence": " ", "model": "fast"}, "say in a sentence"),
    ({"sentence": "x" * 2_001, "model": "fast"}, "longer than 2000"),
    ({"sentence": "x", "model": ""}, "name the model"),
    ({"sentence": "x", "model": "a\x07"}, "name the model"),
]


def test_what_cannot_be_asked(client: FlaskClient, router: FakeUpstream) -> None:
    """The page says why, and nothing is sent."""
    word = word_of(client)
    for form, words in REFUSED:
        answer = client.post("/rules/describe/ask", data={"csrf": word} | form)
        assert answer.status_code == 422 and words in visible(answer.text).lower() and router.inferences == []


def test_it_is_for_operators(make: Any) -> None:
    """A viewer sees no page of it, and asks nothing."""
    client = make(webui_security="ALWAYS_AUTH", jwt_secret=SECRET)
    for role, status in ((Role.VIEWER, 403), (Role.OPERATOR, 200)):
        head = {"authorization": f"Bearer {make_token(SECRET, 1, role=role)}"}
        assert client.get("/rules/describe", headers=head).status_code == status
        body = {"sentence": "x", "model": "fast", "wait": 20}
        assert client.post("/api/admin/rules/describe", json=body, headers=head).status_code == status
    assert client.get("/rules/describe/nothing", headers=head).status_code == 404


def test_the_api(client: FlaskClient, file: Path) -> None:
    """A draft with its problems, the request's id, and the whole file, which is saved as any other text."""
    head = {"x-csrf-token": word_of(client)}
    told = client.post(
        "/api/admin/rules/describe", json={"sentence": "Chinese", "model": "fast", "wait": 20}, headers=head
    ).json
    assert (told["state"], told["draft"], told["good"], told["request_id"]) == ("done", DRAFT, True, "asked")
    assert "can never match" in told["problems"][0]["message"] and told["problems"][0]["rule"] == 0
    assert client.get(f"/api/admin/rules/describe/{told['id']}").json == told
    save = {"yaml": told["yaml"], "digest": told["digest"], "why": "by a program"}
    assert client.put("/api/admin/rules", json=save, headers=head).json["saved"] is True
    assert "name: Chinese" in file.read_text()
    assert client.get("/api/admin/rules/describe/none").status_code == 404
    now = client.post("/api/admin/rules/describe", json={"sentence": "x", "model": "fast", "wait": 0}, headers=head)
    assert now.json["state"] in ("sending", "answering", "done")


def test_in_chinese(client: FlaskClient) -> None:
    """The page, and what comes of it by script."""
    head = {"Accept-Language": "zh-CN"}
    assert "用文字描述规则" in client.get("/rules/describe", headers=head).text
    told = client.post(
        "/api/rules/describe/check", data={"csrf": word_of(client), "text": DRAFT, "place": "first"}, headers=head
    ).json
    assert "没有问题" in told["rules"]
