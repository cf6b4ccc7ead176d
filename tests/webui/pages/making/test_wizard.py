"""The wizard's five steps, over a real file and a real store."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from switchman.addons.config.editing.desk import RulesDesk
from switchman.addons.testing import FakeUpstream

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
def upstream() -> Any:
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
