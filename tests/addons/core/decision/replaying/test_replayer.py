"""One set of rules, over requests of before."""

from __future__ import annotations

import hashlib
import json

import pytest

from switchman.addons.core.access.caller import Caller
from switchman.addons.core.decision.replaying.recorded import Asked
from switchman.addons.core.decision.replaying.replayer import Replayer, as_recorded
from switchman.addons.core.routes.subject import LocalTime


def test_a_named_model_is_decided_by_the_rules(rules, recorded, decide) -> None:
    """Aliases, routes, server/model and the default, as the proxy does."""
    by = rules("aliases: {m: {instances: [b/x, a/y]}}\nroutes: [{match: {model: q}, route: {upstream: c}}]")
    assert decide(recorded(), by) == "b/x"
    assert decide(recorded(requested_model="q"), by) == "c/q"
    assert decide(recorded(requested_model="a/other"), by) == "a/other"
    assert decide(recorded(requested_model="nothing"), by) == "default/nothing"


def test_what_is_asked_decides(rules, recorded, decide) -> None:
    """Features come from the body that is kept."""
    by = rules("routes: [{match: {model: auto, keywords: [invoice]}, route: {model: b/x}}]\ndefault: a/y")
    assert decide(recorded("Pay this invoice.", requested_model="auto"), by) == "b/x"
    assert decide(recorded("Pay nothing.", requested_model="auto"), by) == "a/y"


def test_without_a_body_it_is_unknown_only_where_a_rule_looks_at_it(rules, recorded, decide) -> None:
    """A rule on the model alone needs none; one on the text may be passed over only where it cannot decide."""
    by = rules("""\
routes:
  - {match: {model: z}, route: {upstream: c}}
  - {match: {model: auto, keywords: [invoice]}, route: {model: b/x}}
default: a/y
""")
    assert decide(recorded(body=None, requested_model="z"), by) == "c/z"
    assert decide(recorded(body=None, requested_model="a/m"), by) == "a/m"
    assert decide(recorded(body=None, requested_model="auto"), by) == "body"


def test_without_a_body_capabilities_are_unknown(rules, recorded, decide) -> None:
    """Where the first of several candidates may be passed over."""
    alias = "aliases: {m: {instances: [a/x, b/y]}}\n"
    assert decide(recorded(body=None), rules(alias)) == "a/x"
    assert decide(recorded(body=None), rules(alias + "models: {a/x: {modalities: [text]}}")) == "body"
    assert decide(recorded(), rules(alias + "models: {a/x: {modalities: [text]}}")) == "a/x"


def test_the_time_is_that_of_the_request(rules, recorded) -> None:
    """And not the time of the back-test."""
    by = rules('routes: [{match: {model: m, time: "09:00-17:00"}, route: {model: b/x}}]')
    found = [Replayer(by, by).decided(Asked(recorded(), None, LocalTime(60 * hour, 0))).label for hour in (8, 12)]
    assert found == ["default/m", "b/x"]


def test_headers_and_the_source_decide(rules, recorded, decide) -> None:
    """As they were sent; of several fields of one name all count."""
    by = rules("""\
routes:
  - {match: {model: m, header: {x-team: "one, two"}}, route: {model: b/x}}
  - {match: {model: m, source_host: "10.0.0.0/8"}, route: {model: c/z}}
""")
    fields = (("content-type", "application/json"), ("X-Team", "one"), ("x-team", "two"))
    assert decide(recorded(headers=fields), by) == "b/x"
    assert decide(recorded(), by) == "c/z"
    assert decide(recorded(client="192.168.0.1"), by) == "default/m"


def test_a_header_that_is_masked_is_unknown(rules, recorded, decide) -> None:
    """Whether there is one can be told, not what it is."""
    by = rules("routes: [{match: {model: m, header: {x-api-key: mine}}, route: {model: b/x}}]")
    assert decide(recorded(headers=(("x-api-key", "...abcd"),)), by) == "header"
    assert decide(recorded(), by) == "default/m"
    assert decide(recorded(headers_cut=True), by) == "header"
    there = rules("routes: [{match: {model: m, header: {x-api-key: []}}, route: {model: b/x}}]")
    assert decide(recorded(headers=(("x-api-key", "...abcd"),)), there) == "b/x"


def test_a_clients_own_key_is_unknown_where_it_decides(rules, recorded, decide) -> None:
    """Rules may name its digest, and the log has none; where both ways lead to one place, that is known."""
    digest = hashlib.sha256(b"key").hexdigest()
    sent = recorded(headers=(("authorization", "Bearer ..."),))
    by = rules(f"routes: [{{match: {{model: m, token: {digest}}}, route: {{model: b/x}}}}]")
    assert decide(sent, by) == "key"
    assert decide(recorded(), by) == "default/m"
    assert decide(recorded(requested_model="q", headers=sent.headers), by) == "default/q"


def test_a_token_of_ours_decides(rules, recorded, decide) -> None:
    """By name and group; what it may not use is refused."""
    by = rules("routes: [{match: {model: m, group: staff}, route: {model: b/x}}]\n")
    anna = Caller("aaaaaaaaaaaa", "anna", groups=frozenset({"staff"}))
    assert decide(recorded(caller=anna), by) == "b/x"
    assert decide(recorded(caller=Caller("b" * 12, "ben")), by) == "default/m"
    assert decide(recorded(caller=Caller("c" * 12, "cleo", models=("z",))), by) == "(refused)"


LISTS = {"default_upstream_set": False}


def test_what_the_lists_said_is_taken_from_the_record(rules, recorded, decide) -> None:
    """Where the same servers are asked: the one that had the model then has it."""
    by, more = rules("", **LISTS), rules("aliases: {other: {instances: [a/x]}}", **LISTS)
    one = recorded(layer="list", route="b", server="b")
    assert decide(one, by) == "b/m" and decide(one, more, by) == "b/m"
    assert decide(recorded(layer="default", route="default", server="default"), by) == "default/m"
    lost = recorded(layer=None, route=None, server=None, model=None, status=404, outcome="refused")
    assert decide(lost, by) == "(refused)"
    assert decide(lost, rules("aliases: {m: {instances: [a/x]}}", **LISTS), by) == "a/x"


def test_lists_of_other_servers_are_unknown(rules, recorded, decide) -> None:
    """Nobody knows what a server that is new would have listed, nor what was listed of a name that an alias had."""
    by, fewer = rules("", **LISTS), rules("", **LISTS, default_upstream="http://elsewhere")
    assert decide(recorded(layer="list", route="b", server="b"), fewer, by) == "lists"
    assert decide(recorded(layer="alias", route="m"), by) == "lists"


def test_a_conversation_stays_where_its_first_turn_went(rules, recorded) -> None:
    """By `stick: conversation`, though no rule matches the later turn; for an hour, and not for another caller."""
    by = rules("""\
routes: [{name: code, match: {model: auto, keywords: [python]}, route: {model: b/x, stick: conversation}}]
default: a/y
""")
    replayer = Replayer(by, by)

    def turn(at: float, *said: str, **changes: object) -> str:
        roles = ("user", "assistant")
        messages = [{"role": roles[number % 2], "content": text} for number, text in enumerate(said)]
        body = json.dumps({"model": "auto", "messages": messages}).encode()
        one = recorded(requested_model="auto", started_at=at, body=body, **changes)
        return replayer.decided(Asked(one, None, None)).label

    assert turn(1000.0, "Some python.") == "b/x"
    assert turn(1100.0, "Some python.", "Yes.", "Thanks.") == "b/x"
    assert turn(1100.0, "Some ruby.", "Yes.", "Thanks.") == "a/y"
    assert turn(1100.0, "Some python.", "Yes.", "Thanks.", client="10.0.0.9") == "a/y"
    assert turn(1100.0 + 3700.0, "Some python.", "Yes.", "Thanks.") == "a/y"


def test_a_conversation_that_began_before_stays_as_it_did(rules, recorded, decide) -> None:
    """Where its rule is the same; else nobody knows."""
    text = (
        "routes: [{name: code, match: {model: auto, keywords: [python]}, route: {model: b/x, stick: conversation}}]\n"
    )
    base = rules(text + "default: a/y")
    messages = [{"role": role, "content": "Some."} for role in ("user", "assistant", "user")]
    one = recorded(
        requested_model="auto", layer="conversation", route="code", server="b", model="x", more={"messages": messages}
    )
    assert decide(one, base) == "b/x"
    assert decide(one, rules(text + "default: c/z"), base) == "b/x"
    assert decide(one, rules(text.replace("b/x", "c/x") + "default: c/z"), base) == "conversation"
    assert decide(one, rules("default: c/z"), base) == "c/z"  # nothing holds it any more


@pytest.mark.parametrize("outcome", ["ok", "failed"])
def test_what_really_happened_can_be_the_before(rules, recorded, outcome: str) -> None:
    """The target that answered, or a cache, or nobody."""
    base = rules("")
    found = as_recorded(recorded(outcome=outcome), [base])
    assert (found.label, found.place.url) == ("a/m", "http://a")
    assert as_recorded(recorded(outcome="cached"), [base]).label == "(cache)"
    assert as_recorded(recorded(server=None), [base]).label == "(refused)"


def test_latencies_of_the_time_decide(rules, recorded) -> None:
    """What was slow then is passed over, for as long as it was."""
    by = rules("routes: [{match: {model: m, max_latency: 500}, route: {model: a/m}}]")
    replayer = Replayer(by, by)

    def at(second: float, took: float) -> str:
        one = recorded(id=f"r{second}", started_at=second, duration_ms=took)
        label = replayer.decided(Asked(one, None, None)).label
        replayer.note(one)
        return label

    assert at(0.0, 300.0) == "default/m"  # no figure yet
    assert at(1.0, 300.0) == "a/m"
    assert at(2.0, 2000.0) == "a/m"
    assert at(3.0, 300.0) == "a/m"  # the slow one has not ended
    assert at(5.0, 300.0) == "default/m"
    assert at(400.0, 300.0) == "default/m"  # and none of the last five minutes


def test_turns_are_taken_anew_and_what_hangs_on_the_moment_is_unknown(rules, recorded) -> None:
    """The same each time; a price by the request's size needs its body."""

    def found(strategy: str, more: str = "", **changes) -> list[str]:
        by = rules(
            f"aliases: {{m: {{strategy: {strategy}, instances: [{{server: a, model: x, weight: 2}}, b/y]}}}}\n{more}"
        )
        replayer = Replayer(by, by)
        told = [replayer.decided(Asked(recorded(**changes), None, None)) for _ in range(3)]
        return [one.reason or one.label for one in told]

    assert found("round_robin") == found("round_robin") == ["a/x", "b/y", "a/x"]
    assert found("weighted", body=None) == ["a/x", "b/y", "a/x"]
    assert found("fastest") == found("least_busy") == ["balance"] * 3
    price = "models: {b/y: {input_cost: 1, output_cost: 1}}"
    assert found("cheapest", price) == ["b/y"] * 3 and found("cheapest", price, body=None) == ["body"] * 3
