"""The wizard's five steps, over a real file and a real store."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from switchman.addons.config.configuration import well_known
from switchman.addons.config.editing.desk import RulesDesk
from switchman.addons.core.access.roles import Role
from switchman.addons.testing import FakeUpstream
from switchman.webui.access.people import COOKIE
from switchman.webui.access.tokens import make_token
from switchman.webui.admin import wizard
from switchman.webui.pages.making import looking, servers

SECRET = "a test's secret, 32 bytes and longer"


class Form:
    """A browser without script: the form of a page, its defaults sent back with what a person changes."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.answer: Any = client.get("/rules/wizard")

    @property
    def page(self) -> str:
        return str(self.answer.text)

    def send(self, go: str, status: int = 200, **changes: Any) -> str:
        data = self.fields() | changes
        self.answer = self.client.post("/rules/wizard", data={**data, "go": go})
        assert self.answer.status_code == status, self.page
        return self.page

    def fields(self) -> dict[str, Any]:
        """All inputs of the wizard's form that a browser would send."""
        form = self.page[self.page.index('id="wizard"') :]
        form = form[: form.index("</form>")]
        found: dict[str, Any] = {}
        for tag in re.findall(r"<input[^>]*>", form):
            got = {name: html.unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}
            is_box = got.get("type") in ("checkbox", "radio")
            if "name" not in got or (is_box and " checked" not in tag):
                continue
            if got.get("type") == "checkbox":
                found.setdefault(got["name"], []).append(got["value"])
            else:
                found[got["name"]] = got.get("value", "")
        return found

    def answers(self) -> Any:
        return json.loads(self.fields()["answers"])


def text_of(page: str) -> str:
    found = re.search(r'<textarea name="text" id="review-text"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    assert found
    return html.unescape(found[1])


def save(client: FlaskClient, page: str) -> Any:
    form = page[page.index('class="fields review-form"') :]
    got = {name: re.search(rf'name="{name}" value="([^"]*)"', form) for name in ("csrf", "digest", "why")}
    data = {name: html.unescape(found[1]) for name, found in got.items() if found}
    return client.post("/rules/save", data={**data, "text": text_of(page)})


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream(name="up", dialect="openai", models=["plain-model", "coder-model"]) as found:
        yield found


def with_server(client: FlaskClient, url: str) -> Form:
    form = Form(client)
    form.send("next")
    form.send("add", url=url, name="box")
    return form


def test_five_times_next_is_a_working_router(client: FlaskClient, desk: RulesDesk, upstream: FakeUpstream) -> None:
    """With a server added, the defaults make rules that load without a word, for each model its use."""
    form = with_server(client, upstream.url)
    assert {"plain-model", "coder-model"} <= set(form.fields()["model:box"])
    for _ in range(3):
        form.send("next")
    page = form.page
    assert 'aria-current="step"' in page and "Review" in page
    assert "coder-model" in page and "by the rule Coding" in page
    assert save(client, page).status_code == 303
    rules = desk.rules.current
    assert [one.model for one in rules.aliases["coding"].instances] == ["coder-model", "plain-model"]
    assert [one.model for one in rules.aliases["chat"].instances] == ["plain-model", "coder-model"]
    assert rules.warnings == () and desk.rules.error is None
    assert desk.history is not None and desk.history.newest(desk.name).why == "made by the wizard"


def test_back_keeps_every_answer(client: FlaskClient, upstream: FakeUpstream) -> None:
    """What was chosen is there again on the way back, and on the way forth."""
    form = with_server(client, upstream.url)
    form.send("next", **{"model:box": ["coder-model"], "more:box": "another, coder-model"})
    form.send("next", spending="monthly", dollars="70")
    form.send("back", priority="speed")
    assert form.answers()["spending"] == "monthly" and form.fields()["dollars"] == "70"
    assert form.fields()["spending"] == "monthly"
    form.send("back")
    assert form.fields()["model:box"] == ["coder-model", "another"]
    form.send("to:1")
    assert form.fields()["use"] == ["chat", "coding", "background"]
    form.send("next", use=["chat", "translation"])
    for _ in range(2):
        form.send("next")
    assert form.fields()["priority"] == "speed"
    form.send("next")
    assert "translation:" in text_of(form.page) and "$70/month" in text_of(form.page)
    assert "coding" not in text_of(form.page)


def test_errors_stand_at_their_step(client: FlaskClient, upstream: FakeUpstream) -> None:
    """In words that say what to do; the step stays, with its answers."""
    form = Form(client)
    page = form.send("next", 422, use=[])
    assert "Choose one use at least." in page and "What are requests for?" in page
    form = Form(client)
    assert "No server yet" in form.send("next")
    assert "Choose at least one server" in form.send("next", 422)
    assert "Choose a known server" in form.send("add", 422)
    assert "https://RESOURCE" in form.send("add", 422, preset="azure")
    assert form.send("add", 422, url="ftp://x").count('role="alert"') == 1
    form.send("add", preset="openai")
    assert "OPENAI_API_KEY is not set" in form.page and 'value="gpt-' in form.page
    form.send("next")
    assert "whole number of dollars" in form.send("next", 422, spending="monthly", dollars="0")
    assert "whole number of dollars" in form.send("next", 422, spending="monthly", dollars="1.5")
    assert "no server of your own" in form.send("next", 422, spending="own")
    form.send("next", spending="unlimited")
    assert "no server of your own" in form.send("next", 422, priority="privacy")


def test_a_provider_whose_key_is_set_needs_no_answer(
    client: FlaskClient, desk: RulesDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five times Next, from an empty file; the file names the variable, not the key."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-a-tests-key")
    form = Form(client)
    for _ in range(4):
        form.send("next")
    assert "sk-ant" not in form.page
    assert save(client, form.page).status_code == 303
    assert desk.rules.error is None and desk.rules.current.warnings == ()
    assert 'api_key: "env:ANTHROPIC_API_KEY"' in desk.path.read_text()


def test_local_servers_are_found_by_the_button(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the ports that the presets have, and without those that are there already."""
    with FakeUpstream("ollama", models=["llama3:8b"]) as up:
        moved = {**well_known(), "ollama": well_known()["ollama"].model_copy(update={"url": up.url})}
        others = {name: one for name, one in moved.items() if name in ("ollama", "openai")}
        for module in (looking, servers, wizard):
            monkeypatch.setattr(module, "well_known", lambda: others)
        form = Form(client)
        form.send("next")
        form.send("look")
        assert form.fields()["model:ollama"] == ["llama3:8b"]
        page = form.send("look", 422)
    assert "No other server answers on the usual ports" in page and page.count('name="server"') == 1


def test_rules_that_are_there_stay_or_give_way(client: FlaskClient, desk: RulesDesk) -> None:
    """As somebody chooses: beside them nothing is lost, and no name is used twice."""
    before = 'servers: {a: {url: "http://127.0.0.1:9"}}\nmodels: {a/m: {context: 8192}}\nroutes:\n  - name: Coding\n'
    before += "    match: {model: x}\n    route: {model: a/m}\n"
    desk.path.write_text(before)
    form = Form(client)
    assert "What becomes of the rules" in form.page and form.fields()["how"] == "beside"
    for _ in range(4):
        form.send("next")
    made = text_of(form.page)
    assert made.startswith(before[: before.index("routes:")]) and "- name: Coding-2\n" in made
    form.send("to:1")
    form.send("next", how="replace")
    for _ in range(3):
        form.send("next")
    made = text_of(form.page)
    assert "- name: Coding\n" in made and "model: x" not in made and "http://127.0.0.1:9" in made


def test_an_operator_is_told_early(
    client_of: Callable[..., FlaskClient], settings: dict[str, Any], desk: RulesDesk
) -> None:
    """Whoever may not add a server sees it at the first step, has no way to, and saves rules for those there are."""
    desk.path.write_text('servers: {a: "http://127.0.0.1:9"}\nmodels: {a/m: {context: 8192}}\n')
    client = client_of(webui_security="ALWAYS_AUTH", jwt_secret=SECRET, **settings)
    client.set_cookie(COOKIE, make_token(SECRET, 1, role=Role.OPERATOR))
    form = Form(client)
    assert "Only an admin adds one." in form.page
    form.send("next")
    assert "Look for local servers" not in form.page and "Add it" not in form.page
    form.send("look", 403)
    form = Form(client)
    form.send("next")
    form.send("add", 403, url="http://127.0.0.1:8")
    form = Form(client)
    for _ in range(4):
        form.send("next")
    assert save(client, form.page).status_code == 303
    assert desk.rules.current.auto_default[0].model == "m"
    forged = {**form.answers(), "servers": [{"name": "new", "url": "http://127.0.0.1:8", "models": ["m"]}]}
    page = form.send("stay", answers=json.dumps(forged))
    assert "only an admin saves" in page and ">Save</button>" not in page
    assert save(client, page).status_code == 403


def test_answers_that_were_changed_on_the_way_are_looked_over(client: FlaskClient) -> None:
    """They are whatever somebody sends: no more is believed of them than of a program's."""
    form = Form(client)
    for answers in ("", "{}x", '{"uses": ["all"]}', '{"servers": [{"name": "../x"}]}', '{"how": "over"}', "[" * 9999):
        assert form.client.post(
            "/rules/wizard", data={"csrf": form.fields()["csrf"], "answers": answers, "step": "5", "go": "next"}
        ).status_code in (422, 413), answers


def test_nothing_is_rendered_unescaped(client: FlaskClient, upstream: FakeUpstream) -> None:
    """A model's name comes from a server, and a prompt's way from rules."""
    form = with_server(client, upstream.url)
    evil = "<img src=x onerror=alert(1)>"
    form.send("next", **{"more:box": evil, "model:box": []})
    for go in ("back", "next", "next", "next"):
        form.send(go)
    assert evil not in form.page and html.escape(evil) in form.page


def test_a_model_may_refine_it_where_there_is_one(
    client_of: Callable[..., FlaskClient], settings: dict[str, Any], upstream: FakeUpstream
) -> None:
    """The button takes the draft along; it is there where its page is."""
    client = client_of(**settings)
    form = with_server(client, upstream.url)
    for _ in range(3):
        form.send("next")
    has_page = "describe.index" in client.application.view_functions
    assert ("Refine it with a model" in form.page) is has_page


def test_an_empty_chain_offers_it(client: FlaskClient) -> None:
    """Where there are no rules, and beside the way to a new rule."""
    page = client.get("/rules").text
    assert page.count('href="/rules/wizard"') == 2 and "Answer five questions" in page


def test_it_is_said_in_chinese(client: FlaskClient) -> None:
    """As the browser asks."""
    page = client.get("/rules/wizard", headers={"Accept-Language": "zh-CN"}).text
    assert "请求用来做什么" in page and "What are requests for" not in page
