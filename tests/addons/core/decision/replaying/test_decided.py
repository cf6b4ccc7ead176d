"""Two decisions, and whether they lead to the same place."""

from __future__ import annotations

from switchman.addons.core.decision.decide import RoutingQuery, decide
from switchman.addons.core.decision.replaying.decided import REASONS, Decided, Place, decided, unknown


def test_a_place_is_its_url_and_model() -> None:
    """A server that got another name is the same; one of the same name at another URL is not."""
    one, renamed = Place("a", "m", "http://a"), Place("b", "m", "http://a")
    moved, other = Place("a", "m", "http://b"), Place("a", "n", "http://a")
    assert one.is_same(renamed) and not one.is_same(moved) and not one.is_same(other)
    assert Decided("target", one).goes_where(Decided("target", renamed))
    assert not Decided("target", one).goes_where(Decided("cache"))
    assert Decided("nobody").goes_where(Decided("nobody"))


def test_a_plan_is_its_first_candidate_and_the_others(rules) -> None:
    """With the model that is asked for where the rules name none."""
    by = rules("routes: [{name: r, match: {model: m}, route: {upstream: a, fallbacks: [b/x]}}]")
    found = decided(decide(RoutingQuery("m"), by), "m")
    assert (found.label, found.others, found.layer, found.route) == ("a/m", ("b/x",), "route", "r")
    assert Decided("nobody").label == "(refused)" and Decided("cache").label == "(cache)"
    assert all(unknown(reason).label == "(unknown)" for reason in REASONS)
