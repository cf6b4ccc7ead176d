"""`/servers` and the page of each: what is shown to whom, tests, the switch, the reset."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.config.editing.desk import RulesDesk
from switchman.addons.core.access.roles import Role
from switchman.addons.store.access.resets import reset_name
from switchman.addons.store.opening import Store
from switchman.addons.testing import FakeUpstream

KEY = "sk-the-key-of-up-0123456789abcdef"
Visit = Callable[[Role], Any]


def text_of(answer: Any) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def test_the_list_says_what_each_server_is(visit: Visit) -> None:
    """State, address, dialect, where the key comes from, what leads there; and no key, to nobody."""
    for role in Role:
        answer = visit(role).get("/servers")
        assert answer.status_code == 200
        text = text_of(answer)
        for words in (
            "up",
            "not asked",
            "env:UP_KEY",
            "in the rules file itself",
            "the client's own",
            "alias pair",
            "rule To up",
        ):
            assert words in text, words
        assert KEY not in answer.text and KEY[::-1] not in answer.text
        assert ("Turn off" in text) == (role >= Role.OPERATOR) and ("Add a server" in text) == (role >= Role.ADMIN)


def test_the_page_of_one(visit: Visit) -> None:
    """Its models with what the rules say of them, and the price as requests are counted."""
    text = text_of(visit(Role.VIEWER).get("/server/up"))
    assert "small in the rules 8.0k text tools $1 in, $1 cached, $2 out per million tokens" in text
    assert "connect 10 s, first byte 600 s, idle 300 s" in text and "Ask for its models" not in text
    assert visit(Role.VIEWER).get("/server/none").status_code == 404


def test_a_test_asks_with_the_key_and_lists_the_models(visit: Visit, upstream: FakeUpstream, desk: RulesDesk) -> None:
    """What it said is shown until the server is changed."""
    operator = visit(Role.OPERATOR)
    assert operator.post("/server/up/test").status_code == 303
    assert dict(upstream.requests[-1].headers)[b"authorization"] == f"Bearer {KEY}".encode()
    text = text_of(operator.get("/server/up"))
    assert "usable answers, with 2 models Status 200" in text and "large" in text
    assert "Models 2" in text_of(operator.get("/servers"))
    desk.path.write_text(desk.path.read_text().replace("retry_on: [404]", "retry_on: [403]"))
    desk.rules.poll()
    assert "It was not tested" in text_of(operator.get("/server/up"))


def test_a_test_says_what_is_wrong(visit: Visit, upstream: FakeUpstream) -> None:
    """A key that is refused, and nobody who answers, in a sentence each."""
    operator = visit(Role.OPERATOR)
    upstream.api_key = "another"
    operator.post("/server/up/test")
    found = operator.get("/server/up")
    assert "cannot be used it refuses the key in api_key: 401" in text_of(found) and KEY not in found.text
    operator.post("/server/spare/test")
    assert "nothing listens at 127.0.0.1:9 (connection refused)" in text_of(operator.get("/server/spare"))


def test_operators_turn_a_server_off_and_on(visit: Visit, desk: RulesDesk, store: Store) -> None:
    """One line of the file changes, its comments stay, and who did it is written down."""
    before = desk.path.read_text()
    operator = visit(Role.OPERATOR)
    assert operator.post("/server/up/switch", enabled="0").status_code == 303
    assert desk.path.read_text() == before.replace("retry_on: [404]}", "retry_on: [404], enabled: false}")
    assert not desk.rules.current.servers["up"].enabled
    assert "This server is off" in text_of(operator.get("/server/up"))
    operator.post("/server/up/switch", enabled="1")
    assert desk.rules.current.servers["up"].enabled
    lines = store.access.audit.list().lines
    assert [(line.what, line.who, line.after["why"]) for line in lines] == [
        ("server.enable", "bo", "up on"), ("server.disable", "bo", "up off"),
    ]  # fmt: skip
    stale = operator.post("/server/up/switch", enabled="0", digest="0" * 64)
    assert stale.status_code == 409 and desk.rules.current.servers["up"].enabled


def test_a_reset_is_asked_for_and_written_down(visit: Visit, store: Store) -> None:
    assert visit(Role.OPERATOR).post("/server/up/reset").status_code == 303
    assert [*store.access.resets.latest()] == [reset_name("up")]
    line = store.access.audit.list().lines[0]
    assert (line.what, line.target, line.before) == ("server.reset", "up", {"resting": []})
    assert visit(Role.OPERATOR).post("/server/none/reset").status_code == 404


@pytest.mark.parametrize("path", ["test", "ask", "reset", "switch", "facts"])
def test_viewers_change_nothing(visit: Visit, path: str, upstream: FakeUpstream, desk: RulesDesk) -> None:
    before = desk.path.read_text()
    assert visit(Role.VIEWER).post(f"/server/up/{path}", model="x", enabled="0").status_code == 403
    assert desk.path.read_text() == before and upstream.requests == []


def test_the_router_that_does_not_answer_is_told(visit: Visit, client_of: Any) -> None:
    """Asking for a word goes through the router, which is not there."""
    found = visit(Role.OPERATOR)
    found.client.application.config["SWITCHMAN"] = _with(found, proxy_url="http://127.0.0.1:9", wants_tokens=False)
    answer = found.post("/server/up/ask", model="small")
    assert answer.status_code == 200 and "the router did not answer" in text_of(answer)


def _with(visitor: Any, **changes: Any) -> Any:
    from dataclasses import replace

    return replace(visitor.client.application.config["SWITCHMAN"], **changes)
