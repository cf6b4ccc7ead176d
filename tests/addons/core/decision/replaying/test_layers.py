"""What the layers of `auto` answered then, and what that says of other rules."""

from __future__ import annotations

import pytest

MEANT = "semantic_routes: {categories: {coding: %s, math: c/z}}\ndefault: a/y"
JUDGED = 'arbiter: {url: "http://j", model: j, targets: {coding: %s, math: c/z}}\ndefault: a/y'


def line(layer: str, outcome: str) -> dict[str, object]:
    return {"layer": layer, "outcome": outcome, "detail": "as it was", "score": None}


@pytest.mark.parametrize(("layer", "text"), [("semantic", MEANT), ("arbiter", JUDGED)])
def test_a_category_of_then_leads_where_it_leads_now(rules, recorded, decide, layer: str, text: str) -> None:
    """Its judgement stays the same where the categories do; its target may be another one."""
    base = rules(text % "b/x")
    one = recorded(requested_model="auto", layer=layer, route="coding", server="b", model="x")
    assert decide(one, base) == "b/x"
    assert decide(one, rules(text % "a/other"), base) == "a/other"
    missed = recorded(requested_model="auto", layer="default", route="default", trace=(line(layer, "miss"),))
    assert decide(missed, rules(text % "a/other"), base) == "a/y"


@pytest.mark.parametrize(("layer", "text"), [("semantic", MEANT), ("arbiter", JUDGED)])
def test_other_categories_are_unknown(rules, recorded, decide, layer: str, text: str) -> None:
    """So is a request that the layer was not asked about, as a rule decided it."""
    base = rules(text % "b/x")
    one = recorded(requested_model="auto", layer=layer, route="coding", server="b", model="x")
    assert decide(one, rules((text % "b/x").replace("math", "creative")), base) == layer
    assert decide(recorded(requested_model="auto"), base) == layer
    assert decide(one, rules("default: a/y"), base) == "a/y"
    assert decide(one, base, rules("default: a/y")) == layer


def test_a_rule_that_is_new_comes_before_them(rules, recorded, decide) -> None:
    """What it decides needs no embedding."""
    text = MEANT % "b/x"
    by = rules("routes: [{match: {model: auto, keywords: [hello]}, route: {model: c/q}}]\n" + text)
    one = recorded(requested_model="auto", layer="semantic", route="coding", server="b", model="x")
    assert decide(one, by, rules(text)) == "c/q"


def test_a_layer_that_was_skipped_was_not_asked(rules, recorded, decide) -> None:
    """It rested, or was off: nobody knows its answer."""
    one = recorded(requested_model="auto", layer="default", route="default", trace=(line("semantic", "skip"),))
    assert decide(one, rules(MEANT % "b/x")) == "semantic"


def test_a_plug_in_answers_as_it_did(rules, recorded, decide) -> None:
    """No rules say what it answers; where it was not asked, and there is one, it is unknown."""
    by = rules("default: a/y")
    told = recorded(requested_model="auto", layer="cheapest", route="night", server="b", model="x")
    assert decide(told, by, has_plugins=True) == "b/x"
    assert decide(recorded(requested_model="auto"), by, has_plugins=True) == "plug-in"
    assert decide(recorded(requested_model="auto"), by) == "a/y"
    missed = recorded(requested_model="auto", layer="default", route="default")
    assert decide(missed, by, has_plugins=True) == "a/y"
