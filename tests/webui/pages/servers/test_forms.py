"""A server added, changed and removed by forms: each change as a diff, and then in the file."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

from switchman.addons.config.editing.desk import RulesDesk
from switchman.addons.core.access.roles import Role
from switchman.addons.core.rules.reading.yamltext import load
from switchman.addons.testing import FakeUpstream

KEY = "sk-the-key-of-up-0123456789abcdef"
Visit = Callable[[Role], Any]


def reviewed(answer: Any) -> dict[str, str]:
    """What the review's form would send."""
    assert answer.status_code == 200, answer.text
    text = re.search(r"<textarea name=\"text\" hidden>\n(.*?)</textarea>", answer.text, re.S)
    assert text is not None, answer.text
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', answer.text))
    return hidden | {"text": unescape(text[1]), "why": "a test"}


def values(visitor: Any, page: str) -> dict[str, str]:
    """The form as it is filled in."""
    text = visitor.get(page).text
    found = dict(re.findall(r'<input id="(?:\w+)" name="(\w+)" value="([^"]*)"', text))
    found |= dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', text))
    for name, options in re.findall(r'<select id="\w+" name="(\w+)"[^>]*>(.*?)</select>', text, re.S):
        chosen = re.search(r'<option value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return {name: unescape(value) for name, value in found.items()}


def test_a_server_is_added_from_a_preset(visit: Visit, desk: RulesDesk, upstream: FakeUpstream) -> None:
    """The form knows what the preset knows; the file says what is not the preset's own."""
    admin, before = visit(Role.ADMIN), desk.path.read_text()
    form = values(admin, "/servers/add?preset=groq")
    assert (form["name"], form["url"], form["dialect"], form["api_key"]) == (
        "groq", "https://api.groq.com/openai/v1", "openai", "env:GROQ_API_KEY",
    )  # fmt: skip
    review = admin.post("/servers/review", **form)
    assert "preset: groq" in review.text and desk.path.read_text() == before
    assert admin.post("/servers/save", **reviewed(review)).location == "/server/groq?done=saved"
    assert desk.path.read_text() == before.replace("models:\n", "  groq: {preset: groq}\nmodels:\n", 1)
    form = values(admin, "/servers/add?preset=openai") | {
        "name": "local",
        "url": upstream.url,
        "api_key": "env:UP_KEY",
        "total": "90",
    }
    admin.post("/servers/save", **reviewed(admin.post("/servers/review", **form)))
    found = load(desk.path.read_text(), "").data["servers"]["local"]
    assert found == {"preset": "openai", "url": upstream.url, "api_key": "env:UP_KEY", "timeout": {"total": 90}}


def test_an_edit_keeps_what_the_form_does_not_know(visit: Visit, desk: RulesDesk) -> None:
    """Its comment and other keys; a key that stands in the file stays what it is, and is not shown."""
    admin, before = visit(Role.ADMIN), desk.path.read_text()
    form = values(admin, "/server/up/edit")
    assert form["api_key"] == "env:UP_KEY" and "retry_on" in admin.get("/server/up/edit").text
    review = admin.post("/servers/review", **form | {"idle": "20"})
    admin.post("/servers/save", **reviewed(review))
    assert desk.path.read_text() == before.replace("retry_on: [404]}", "retry_on: [404], timeout: {idle: 20}}")
    page = admin.get("/server/held/edit")
    assert KEY[::-1] not in page.text
    form = values(admin, "/server/held/edit") | {"free": "1"}
    admin.post("/servers/save", **reviewed(admin.post("/servers/review", **form)))
    assert load(desk.path.read_text(), "").data["servers"]["held"] == {
        "url": "http://127.0.0.1:9/held", "api_key": KEY[::-1], "free": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"name": "a b"}, "letters, digits, dots"),
        ({"name": ""}, "letters, digits, dots"),
        ({"name": "up"}, "There is a server with this name"),
        ({"api_key": "sk-a-key-that-was-pasted-here"}, "a key has no place in a file"),
        ({"api_key": "env:NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE"),
        ({"url": "ftp://x"}, "http"),
        ({"url": "http://169.254.169.254/v1"}, "EGRESS_DENY"),
        ({"idle": "soon"}, "expected a number"),
        ({"idle": "-1"}, "more than 0"),
    ],
)
def test_what_is_no_server_is_said_at_the_form(visit: Visit, change: dict[str, str], why: str, desk: RulesDesk) -> None:
    """With what was typed, and nothing saved."""
    admin, before = visit(Role.ADMIN), desk.path.read_text()
    form = values(admin, "/servers/add?preset=") | {"name": "new", "url": "http://127.0.0.1:9", **change}
    answer = admin.post("/servers/review", **form)
    assert answer.status_code == 422 and why in unescape(answer.text)
    assert form["url"] in answer.text and desk.path.read_text() == before


def test_what_is_not_saved_is_tested_by_admins_only(visit: Visit, upstream: FakeUpstream, desk: RulesDesk) -> None:
    """With its key; nothing is written, and no address is asked that no request goes to."""
    admin, before = visit(Role.ADMIN), desk.path.read_text()
    form = values(admin, "/servers/add?preset=") | {
        "name": "new",
        "url": upstream.url,
        "api_key": "env:UP_KEY",
        "do": "test",
    }
    answer = admin.post("/servers/review", **form)
    assert answer.status_code == 200 and "answers, with 2 models" in answer.text and KEY not in answer.text
    asked = len(upstream.requests)
    assert visit(Role.OPERATOR).post("/servers/review", **form).status_code == 403
    denied = admin.post("/servers/review", **form | {"url": "http://169.254.169.254"})
    assert denied.status_code == 422 and "EGRESS_DENY" in denied.text
    assert len(upstream.requests) == asked and desk.path.read_text() == before


def test_a_server_goes_when_nothing_leads_there(visit: Visit, desk: RulesDesk) -> None:
    """While something does, it is named."""
    admin = visit(Role.ADMIN)
    assert "alias pair" in admin.get("/server/spare").text
    refused = admin.post("/server/up/remove")
    assert refused.status_code == 409 and "alias pair, route To up" in refused.text
    review = admin.post("/server/held/remove")
    assert admin.post("/servers/save", **reviewed(review)).location == "/servers?done=removed"
    assert "held" not in desk.rules.current.servers and "held" not in desk.path.read_text()


def test_a_key_goes_into_the_vault_and_the_file_names_it(visit: Visit, desk: RulesDesk, vault: Any) -> None:
    """Write-only: the value is in no page. Another server's key is not written over."""
    admin, value = visit(Role.ADMIN), "sk-a-new-key-0123456789abcdef"
    with vault() as opened:
        opened.set("others", "sk-of-another-server-0123456789")
    taken = admin.post("/server/spare/key", page="/server/spare", value=value, key="others")
    assert taken.status_code == 409 and "another server" in taken.text
    review = admin.post("/server/spare/key", page="/server/spare", value=value)
    assert "vault:spare" in review.text and value not in review.text
    with vault() as opened:
        assert opened.read("spare") == value and opened.read("others") == "sk-of-another-server-0123456789"


def test_the_facts_of_a_model(visit: Visit, desk: RulesDesk) -> None:
    """Operators may say what a model can do; what it costs is an admin's, as budgets are used up by it."""
    operator, admin, before = visit(Role.OPERATOR), visit(Role.ADMIN), desk.path.read_text()
    page = operator.get("/server/up/facts?model=small")
    assert 'value="8000"' in page.text
    given: dict[str, Any] = {"model": "small", "context": "9000", "modalities": ["text", "tools"]}
    given |= {"input_cost": "1", "output_cost": "2"}
    assert page.text.count(" readonly") == 3
    review = operator.post("/server/up/facts", page="/server/up/facts?model=small", **given)
    assert operator.post("/servers/save", **reviewed(review)).status_code == 303
    given["input_cost"] = "0.5"
    review = operator.post("/server/up/facts", page="/server/up/facts?model=small", **given)
    assert operator.post("/servers/save", **reviewed(review)).status_code == 403
    review = admin.post("/server/up/facts", page="/server/up/facts?model=small", **given)
    assert admin.post("/servers/save", **reviewed(review)).status_code == 303
    assert desk.path.read_text() == before.replace("context: 8000", "context: 9000").replace(
        "input_cost: 1", "input_cost: 0.5"
    )
    assert operator.post("/server/up/facts", page="/server/up/facts", model="").status_code == 422


def test_headers_certificates_and_quirks(visit: Visit, desk: RulesDesk) -> None:
    """They are changed by the form, comments stay, a secret is refused at its field, and operators change none."""
    admin, before = visit(Role.ADMIN), desk.path.read_text()
    form = values(admin, "/server/up/edit")
    secret = admin.post("/servers/review", **form, headers="authorization: Bearer sk-0123456789abcdefghij")
    assert secret.status_code == 422 and "a key has no place in a file" in secret.text
    assert desk.path.read_text() == before
    given = {"headers": "x-team: research\r\nx-key: env:UP_KEY", "tls_verify": "no", "quirk_developer_role": "no"}
    review = reviewed(admin.post("/servers/review", **form | given))
    by_operator = visit(Role.OPERATOR).post("/servers/save", **review)
    assert by_operator.status_code == 403 and desk.path.read_text() == before
    admin.post("/servers/save", **review)
    after = desk.path.read_text()
    assert after.startswith("# ours\n") and "# the first" in after
    assert load(after, "").data["servers"]["up"] | {"url": ""} == {
        "url": "", "dialect": "openai", "api_key": "env:UP_KEY", "retry_on": [404],
        "headers": {"x-team": "research", "x-key": "env:UP_KEY"},
        "tls": {"verify": False}, "quirks": {"developer_role": False},
    }  # fmt: skip
    assert desk.rules.current.servers["up"].headers["x-key"] == KEY
    again = admin.post("/servers/review", **values(admin, "/server/up/edit"), headers="x-team: research")
    admin.post("/servers/save", **reviewed(again))
    assert load(desk.path.read_text(), "").data["servers"]["up"]["headers"] == {"x-team": "research"}
