"""Where a request would go, by the functions that the proxy uses; the command's own tests ask it more."""

from __future__ import annotations

from switchman.addons.config.configuration import well_known
from switchman.addons.config.settings import Settings
from switchman.addons.core.access.caller import Caller
from switchman.addons.core.routes.subject import LocalTime
from switchman.addons.core.rules.ruleset import parse_ruleset
from switchman.addons.hooks.routing.explaining import Question, explain

FILE = """\
servers: {laptop: "http://127.0.0.1:9"}
routes:
  - {name: night, match: {time: "22:00-06:00", model: auto}, route: {model: laptop/night}}
  - {name: group, match: {group: lab, model: auto}, route: {model: laptop/lab}}
  - {name: team, match: {header: {x-team: a}, model: auto}, route: {model: laptop/team}}
default: laptop/llama3
"""
DAY, NIGHT = LocalTime(12 * 60, 0), LocalTime(23 * 60, 0)


def test_all_that_a_rule_may_look_at_is_given() -> None:
    """The time, the caller's groups, headers; else the default answers."""
    settings = Settings()
    rules = parse_ruleset(FILE, "routes.yaml", settings, {}, well_known())
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}

    def route(now: LocalTime, question: Question) -> tuple[str, str]:
        found = explain(question, rules, settings, now).as_json()
        return found["route"], found["candidates"][0]["target"]

    plain = Question(body, offline=True)
    assert route(NIGHT, plain) == ("night", "laptop/night")
    assert route(DAY, plain)[1] == "laptop/llama3"
    lab = Caller("", "anna", groups=frozenset({"lab"}))
    assert route(DAY, Question(body, caller=lab, offline=True)) == ("group", "laptop/lab")
    assert route(DAY, Question(body, headers={"x-team": "a"}, offline=True)) == ("team", "laptop/team")


def test_the_limits_of_the_candidates_servers_are_told() -> None:
    """As the file has them; none of those that have none."""
    text = """\
servers:
  gpu: {url: "http://a", max_concurrent: 4, rpm: 30, queue: {wait: 1m}, wait_up_to: 5}
  other: {url: "http://b"}
aliases: {a: {instances: [gpu/m, other/m]}}
"""
    settings = Settings()
    rules = parse_ruleset(text, "routes.yaml", settings, {}, well_known())
    asked = Question({"model": "a", "messages": [{"role": "user", "content": "hi"}]}, offline=True)
    assert explain(asked, rules, settings, DAY).as_json()["limits"] == {
        "gpu": "max_concurrent: 4, rpm: 30, queue: {size: 100, wait: 60}, wait_up_to: 5"
    }
