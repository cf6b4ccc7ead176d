"""The semantic process under the supervisor, and the line of layers."""

from __future__ import annotations

from switchman.addons.config.settings import Settings
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset
from switchman.addons.serving.embeddings import Embeddings, layers_line

SERVER = 'servers: {a: "http://127.0.0.1:9"}\n'

ROUTES = SERVER + "semantic_routes: {categories: {coding: a/coder}}"


def rules(text: str) -> Ruleset:
    return parse_ruleset(text, "routes.yaml", Settings())


def test_the_line_of_layers_says_what_is_off_and_why() -> None:
    """What a person sees at the start of `switchman serve`."""
    on = layers_line(rules(ROUTES), Embeddings("", "minilm, en"))
    assert "L2 semantic routes" in on.partition("; off")[0] and "embeddings by minilm, en" in on
    off = layers_line(rules(ROUTES), Embeddings("no prepared model"))
    assert "L2 semantic routes (no prepared model)" in off.partition("; off")[2]
    assert "L3 arbiter (no arbiter)" in off
    assert "L1 rules" in off.partition("; off")[0]
    unkept = layers_line(rules(ROUTES + "\ncache: {exact: {ttl: 0}}\n"), Embeddings("", "minilm, en"))
    assert "L0 exact cache (ttl: 0), L0.5 semantic cache (ttl: 0)" in unkept.partition("; off")[2]
