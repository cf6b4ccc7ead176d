"""What requests cost where they were not answered."""

from __future__ import annotations

from switchman.addons.core.decision.replaying.decided import Decided, Place
from switchman.addons.core.decision.replaying.prices import PriceTable, server_in_log

PRICED = "models: {a/m: {input_cost: 2, output_cost: 8}, b/x: {input_cost: 1, output_cost: 1}}"


def test_the_new_rules_say_the_price_on_both_sides(rules, recorded) -> None:
    """So that a price that was put right moves no cost; what they do not know, the old ones say."""
    new = rules("models: {a/m: {input_cost: 4, output_cost: 8}}")
    table = PriceTable((new, rules(PRICED)))
    at = lambda server, model: Decided("target", Place(server, model, f"http://{server}"))  # noqa: E731
    assert table.cost(recorded(), at("a", "m")) == 4_000 + 800  # micro-dollars: 1000 tokens in, 100 out
    assert table.cost(recorded(), at("b", "x")) == 1_100
    assert table.cost(recorded(), at("c", "z")) is None
    assert table.cost(recorded(), Decided("target", Place("a", "m", "http://moved"))) is None


def test_what_costs_nothing(rules, recorded) -> None:
    """A cache's answer, and what no model generates; without tokens, only what is free is known."""
    table = PriceTable((rules(PRICED + "\n"),))
    paid = Decided("target", Place("a", "m", "http://a"))
    assert table.cost(recorded(), Decided("cache")) == 0
    assert table.cost(recorded(operation="count_tokens"), paid) == 0
    assert table.cost(recorded(input_tokens=None), paid) is None


def test_a_servers_name_in_the_log(rules) -> None:
    """By its URL, where it has got another name; none where its name was another machine's."""
    base = rules("")
    assert server_in_log(Place("a", "m", "http://a"), base) == "a"
    assert server_in_log(Place("new", "m", "http://a"), base) == "a"
    assert server_in_log(Place("new", "m", "http://new"), base) == "new"
    assert server_in_log(Place("a", "m", "http://new"), base) is None
    assert server_in_log(Place("a", "m", "http://b"), base) == "b"
