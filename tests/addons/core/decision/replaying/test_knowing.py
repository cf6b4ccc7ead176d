"""What the log has in the place of what it does not."""

from __future__ import annotations

import pytest

from switchman.addons.core.decision.replaying.knowing import (
    cache_answers,
    compared_headers,
    key_digests,
    listed,
    lists_are_same,
    needs_figures,
)


@pytest.mark.parametrize(
    ("cache", "said", "answers"),
    [
        ("{exact: {ttl: 24h}}", "hit", True),
        ("{exact: {ttl: 48h}}", "hit", True),
        ("{exact: {ttl: 1h}}", "hit", None),
        ("{exact: {ttl: 0}}", "hit", False),
        ("{exact: {scope: shared}}", "hit", None),
        ("{exact: {ttl: 24h}}", "miss", False),
        ("{exact: {ttl: 1h}}", "miss", False),
        ("{exact: {ttl: 48h}}", "miss", None),
        ("{semantic: {mode: on}}", "miss", None),
        ("{semantic: {mode: on}}", "hit", True),  # the exact one
        ("{exact: {ttl: 24h}}", "bypass", False),
        ("{exact: {ttl: 24h}}", None, None),
    ],
)
def test_a_cache_answers_as_it_did(rules, recorded, cache: str, said: str | None, answers: bool | None) -> None:
    """Where it is no looser: what it would have found besides is not known."""
    by, base = rules(f"cache: {cache}\ndefault: a/y"), rules("default: a/y")
    one = recorded(requested_model="auto", cache=said, layer="exact_cache" if said == "hit" else "default")
    assert cache_answers(one, by, base, auto=True) is answers


def test_a_cache_is_for_auto_and_the_models_that_it_names(rules, recorded) -> None:
    """A hit of a model that it does not serve any more is none."""
    base = rules("cache: {models: [m*]}")
    assert cache_answers(recorded(cache="hit"), base, base, auto=False) is True
    assert cache_answers(recorded(cache="hit"), rules(""), base, auto=False) is False


def test_what_rules_look_at(rules) -> None:
    """Within all, any and not, too."""
    digest = "0f" * 32
    by = rules(f"""\
routes:
  - match:
      model: m
      any: [{{token: {digest}}}, {{not: {{token: anna}}}}, {{header: {{x-a: "1"}}}}, {{header: {{x-b: []}}}}]
    route: {{model: b/x}}
""")
    assert key_digests(by) == (digest,)
    assert compared_headers(by) == {"x-a"}
    assert not needs_figures(by)
    assert needs_figures(rules("routes: [{match: {model: m, max_latency: 5}, route: {model: b/x}}]"))
    assert needs_figures(rules("routes: [{match: {model: m, provider_health: {a: green}}, route: {model: b/x}}]"))


def test_the_lists_of_then(rules, recorded) -> None:
    """One server had it; or none, so that the assumed one was asked; or nothing is known."""
    by = rules("", default_upstream_set=False)
    assert list(listed(recorded(layer="list", server="b"), by, "default").of(by.servers["b"]).models) == ["m"]
    assert listed(recorded(layer="default", server="default"), by, "default").servers == {}
    assert listed(recorded(layer="alias"), by, "default") is None
    assert listed(recorded(layer="route"), by, "default") is None
    assert lists_are_same(by, rules("default: a/x", default_upstream_set=False))
    assert not lists_are_same(by, rules("", default_upstream_set=False, default_upstream="http://e"))
