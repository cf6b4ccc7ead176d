"""The page of the back-test, its part for other pages, and its JSON."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.config.configuration import load_settings, ruleset_of
from switchman.addons.config.replaying import Backtests
from switchman.addons.core.access.roles import Role
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.store.opening import Store
from switchman.addons.store.reading.recordings import Recordings
from switchman.addons.testing.samples import make_record
from switchman.webui.access.tokens import make_token
from switchman.webui.admin.changes import Refused
from switchman.webui.pages.backtest import running
from switchman.webui.pages.backtest.running import Running, Wanted, run

SECRET = "a test's secret, 32 bytes and longer"
EVIL = "<img src=x onerror=alert(1)>"
SERVERS = 'servers: {a: "http://127.0.0.1:1", b: "http://127.0.0.1:2"}\n'
PRICES = "models: {a/m: {input_cost: 2, output_cost: 10}, b/m: {input_cost: 3, output_cost: 15}}\n"
OLD = SERVERS + PRICES + "routes: [{name: all, match: {model: m}, route: {upstream: a}}]\n"
NEW = OLD.replace("upstream: a", "upstream: b")


@pytest.fixture
def backtests(store: Store, put: Callable[..., None], tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Backtests:
    """Over four requests of today, which a answered."""
    monkeypatch.setenv("ROUTES_CONFIG", str(tmp_path / "routes.yaml"))
    monkeypatch.setenv("DEFAULT_UPSTREAM", "http://127.0.0.1:3")
    (tmp_path / "routes.yaml").write_text(NEW)
    settings = load_settings()
    in_force: Ruleset = ruleset_of(settings, OLD)
    known = {"requested_model": "m", "server": "a", "model": "m", "layer": "route", "route": "all"}
    known |= {"input_tokens": 1000, "output_tokens": 100, "duration_ms": 800.0}
    put(*(make_record(f"r{number}", started_at=time.time() - 60 + number, **known) for number in range(4)))
    return Backtests(settings, lambda: in_force, Recordings(store.engine, store.blobs))


@pytest.fixture
def client(client_of: Callable[..., Any], backtests: Backtests) -> Any:
    return client_of(backtests=backtests)


def ask(client: Any, path: str = "/rules/backtest", **form: str) -> Any:
    word = re.search(r'name="csrf" value="(\w+)"', client.get("/rules/backtest").text)
    assert word is not None
    return client.post(path, data={"csrf": word[1], **form}, headers={"Accept": "text/html"})


def test_pasted_rules_are_tried(client: Any) -> None:
    """Against the rules in force: all four go to b, at one and a half times the cost."""
    answer = ask(client, rules=NEW)
    assert answer.status_code == 200
    text = re.sub(r"<[^>]+>|\s+", " ", answer.text)
    assert re.search(r"Go elsewhere\s+4\s+100\.0%", text)
    assert re.search(r"\$0\.012\s+→\s+\$0\.018\s+\+50\.0%", text)
    assert re.search(r"a/m\s+b/m\s+4", text) and re.search(r"no answer yet:\s+b/m\s+\(4\)", text)
    assert 'href="/request/r0"' in answer.text and "Say hello" not in answer.text
    assert NEW.splitlines()[0].replace('"', "&#34;") in answer.text  # what was typed stays in the form


def test_the_saved_file_is_tried_and_what_happened_can_be_the_before(client: Any) -> None:
    """The file on disk sends all to b, and the log says a."""
    for against in ("rules", "log"):
        answer = ask(client, which="saved", against=against)
        assert re.search(r"Go elsewhere</dt><dd>4 ", answer.text), against


def test_a_part_for_other_pages(client: Any) -> None:
    """Without frame: it is put into a page that has the panel."""
    answer = ask(client, "/rules/backtest?part=1", rules=NEW)
    assert answer.status_code == 200 and "<html" not in answer.text and "Go elsewhere" in answer.text


def test_the_panel_needs_nothing_of_its_page(client: Any) -> None:
    """But the selector of the editor's text; its form works by itself, too."""
    app = client.application
    with app.test_request_context("/rules"):
        app.preprocess_request()
        template = app.jinja_env.from_string('{% set backtest_source = "#yaml" %}{% include "backtest_panel.html" %}')
        context: dict[str, Any] = {}
        app.update_template_context(context)
        text = template.render(context)
    assert 'data-backtest-source="#yaml"' in text and 'action="/rules/backtest"' in text
    assert re.search(r'name="csrf" value="\w{64}"', text) and text.count("<select") == 3


def test_broken_rules_are_told_at_their_line(client: Any) -> None:
    """In the page, the part and the JSON; what is in them is shown as text."""
    broken = SERVERS + f"routes: [{{match: {{modle: '{EVIL}'}}}}]\n"
    for path, status in (("/rules/backtest", 422), ("/rules/backtest?part=1", 200)):
        answer = ask(client, path, rules=broken)
        assert answer.status_code == status and EVIL not in answer.text
        assert "line 2, column 19: routes[0].match.modle: unknown key" in answer.text
    answer = client.post("/api/rules/backtest", json={"rules": broken})
    assert answer.status_code == 422 and "line 2, column 19: routes[0].match.modle" in "".join(answer.json["problems"])


def test_the_json_is_that_of_the_command(client: Any) -> None:
    """By text, or the file as it is saved."""
    for more in ({"rules": NEW}, {}):
        told = client.post("/api/rules/backtest", json={"limit": 3, **more}).json
        assert (told["form"], told["requests"], told["elsewhere"]) == (1, 3, 3)
        assert told["moves"][0]["cost"] == {"before": 0.009, "after": 0.0135, "change": 0.5, "requests": 3}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"rules": " "}, "rules"),
        ({"rules": NEW, "since": "1y"}, "since"),
        ({"rules": NEW, "limit": "10001"}, "limit"),
        ({"rules": NEW, "limit": "-1"}, "limit"),
        ({"rules": NEW, "against": "x"}, "against"),
        ({"rules": "x" * (running.MOST_TEXT + 1)}, "rules"),
    ],
)
def test_what_is_asked_for_is_checked(client: Any, given: dict[str, str], field: str) -> None:
    """With the field that is wrong."""
    answer = client.post("/api/rules/backtest", json=given)
    assert (answer.status_code, answer.json["fields"][0]["field"]) == (422, field)
    with pytest.raises(Refused):
        Wanted.parse(given)


def test_a_whole_rules_file_fits_into_the_form(client: Any) -> None:
    """Other forms of the dashboard take 64 kB."""
    assert "Go elsewhere" in ask(client, rules=NEW + "# a remark\n" * 20_000).text
    assert client.post("/api/rules/backtest", data=b"[1]", content_type="application/json").status_code == 400


def test_it_is_for_operators(client_of: Callable[..., Any], backtests: Backtests) -> None:
    """Viewers see neither the page nor its answers; without a word of ours a browser's form changes nothing."""
    client = client_of(backtests=backtests, webui_security="ALWAYS_AUTH", jwt_secret=SECRET)
    for role, status in ((Role.VIEWER, 403), (Role.OPERATOR, 200)):
        bearer = {"Authorization": f"Bearer {make_token(SECRET, 1, role=role, who='x')}"}
        assert client.get("/rules/backtest", headers=bearer).status_code == status
        answer = client.post("/api/rules/backtest", json={"rules": NEW}, headers=bearer)
        assert answer.status_code == status
    reads = {"rules": NEW + "redact: {words: /etc/hostname}\n"}
    answer = client.post("/api/rules/backtest", json=reads, headers=bearer)
    assert answer.status_code == 403 and "only admins name another one" in answer.json["error"]
    assert client.post("/api/rules/backtest", json={"rules": NEW}).status_code == 401


def test_a_form_of_another_site_runs_nothing(client: Any) -> None:
    """It has no word of ours."""
    assert (
        client.post("/rules/backtest", data={"rules": NEW}, headers={"Origin": "http://localhost"}).status_code == 403
    )


def test_one_at_a_time_for_each_person_and_two_in_all() -> None:
    """The dashboard's threads are for those who look at pages, too; a place is free again whatever happens."""
    places = Running()
    with places.place("anna"):
        with pytest.raises(Refused, match="of yours is still under way") as again, places.place("anna"):
            pass
        with places.place("ben"), pytest.raises(Refused, match="Other people's") as third, places.place("cleo"):
            pass
    assert (again.value.status, third.value.status) == (429, 503)
    with pytest.raises(ZeroDivisionError), places.place("anna"):
        raise ZeroDivisionError
    with places.place("anna"):
        pass


def test_what_was_done_in_time_is_told(backtests: Backtests) -> None:
    """The oldest requests are replayed first, and how many of the newest are missing is said."""
    ticks = iter(range(1000))
    report = run(backtests, Wanted(NEW), time.time(), clock=lambda: float(next(ticks)), seconds=5.0)
    assert 0 < report.requests < 4
    left = 4 - report.requests
    assert report.stopped == f"Stopped after 5 s: the newest {left} of 4 requests are not in it."


def test_others_have_their_turns(backtests: Backtests, monkeypatch: pytest.MonkeyPatch) -> None:
    """It rests as long as it works: another thread counts on while it runs."""
    rests: list[float] = []
    monkeypatch.setattr(running, "TURN", 0.0)
    sleep = time.sleep
    monkeypatch.setattr(running.time, "sleep", lambda seconds: (rests.append(seconds), sleep(seconds)))
    thread = threading.Thread(target=run, args=(backtests, Wanted(NEW), time.time()))
    thread.start()
    thread.join(60)
    assert not thread.is_alive() and len(rests) == 4


def test_no_log_nothing_to_replay(client_of: Callable[..., Any], backtests: Backtests) -> None:
    """It says so."""
    assert client_of().post("/api/rules/backtest", json={"rules": NEW}).status_code == 503
    told = client_of(backtests=backtests).post("/api/rules/backtest", json={"rules": NEW, "since": "1h", "limit": "2"})
    assert told.json["requests"] == 2
