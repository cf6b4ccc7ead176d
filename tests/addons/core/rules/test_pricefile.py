"""The price of a server's model: models:, then the server, then the shipped table; faults by line."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from switchman.addons.core.access.prices.price import FREE, MILLION, Price
from switchman.addons.core.access.prices.table import Prices, parse_prices
from switchman.addons.core.rules import ruleset
from switchman.addons.core.rules.presets import parse_presets
from switchman.addons.core.rules.pricefile import PriceFile, price_for, price_of
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset
from switchman.addons.core.servers.servers import ModelFacts, Server

ENVIRONMENT = SimpleNamespace(
    default_upstream="https://api.acme.example", default_upstream_set=True, model_map={}, request_timeout=3000.0,
    strip_thinking=True, strip_json_markdown=False, disable_thinking=False,
)  # fmt: skip
PRICES = parse_prices(json.dumps({"source": "", "date": "", "providers": {
    "acme": {"hosts": ["api.acme.example"], "models": {"big": {"input": 3, "cached": 0.3, "output": 15, "from": ""}}},
}}))  # fmt: skip
PRESETS = parse_presets("acme: {url: 'https://elsewhere.example/v1', dialect: openai, docs: x}", "presets.yaml")
SERVERS = """servers:
  acme: {preset: acme}
  way: {url: 'https://api.acme.example'}
  box: 'http://10.0.0.1'
  own: {url: 'http://10.0.0.2', free: true}
"""


def parsed(text: str) -> Ruleset:
    return parse_ruleset(SERVERS + text, "r.yaml", ENVIRONMENT, {}, PRESETS, prices=PRICES)


def price(target: str, models: str = "{}") -> Price | None:
    server, _, model = target.partition("/")
    rules = parsed(f"models: {models}\n")
    return rules.price_for(rules.servers[server], model)


@pytest.mark.parametrize("target", ["acme/big", "way/big", "acme/big-2026-01-31", "way/big-latest"])
def test_the_table_is_found_by_preset_and_by_host(target: str) -> None:
    """And by the name that the model has there."""
    found = price(target)
    assert found is not None and (found.input, found.output) == (3_000_000, 15_000_000)


def test_default_upstream_is_found_by_its_host() -> None:
    """It has no preset and needs no rule."""
    rules = parsed("")
    found = rules.price_for(rules.default, "big")
    assert found is not None and found.input == 3_000_000


@pytest.mark.parametrize("target", ["acme/bigger", "box/big", "box/anything"])
def test_what_is_in_no_list_is_not_known(target: str) -> None:
    """A model on the own network costs somebody something; only the file can say that it does not."""
    assert price(target) is None


def test_a_server_that_is_free() -> None:
    """Whatever model; but what models: says of one holds."""
    assert price("own/anything") is FREE
    found = price("own/dear", "{own/dear: {input_cost: 1}}")
    assert found is not None and found.input == MILLION


def test_models_win() -> None:
    """A whole price takes the place of the table's, single figures change it."""
    whole = price("acme/big", "{acme/big: {input_cost: 2, output_cost: 4}}")
    assert whole == Price({"input": 2_000_000, "cached": 2_000_000, "cache_write_5m": 2_000_000,
                           "cache_write_1h": 2_000_000, "image_in": 2_000_000, "image_cached": 2_000_000,
                           "output": 4_000_000, "reasoning": 4_000_000})  # fmt: skip
    changed = price("acme/big", "{acme/big: {cached_cost: 0.1}}")
    assert changed is not None and (changed.input, changed.parts["cached"]) == (3_000_000, 100_000)
    assert price("box/m", "{box/m: {input_cost: 0, output_cost: 0}}") == FREE
    latest = price("box/m", "{'box/m:latest': {input_cost: 0, output_cost: 0}}")
    assert latest == FREE  # one model, as everywhere


def test_every_key_is_a_part() -> None:
    """In its own unit: per million tokens, per picture, per second, per use."""
    keys = {name: 0.5 for name in PriceFile.model_fields if name.endswith("_cost")}
    written = price_of(PriceFile.model_validate({
        **keys, "tool_costs": {"web_search": 0.01},
        "tiers": [{"above": 10, "input_cost": 1.0}, {"above": 20, "output_cost": 2.0}],
    }))  # fmt: skip
    assert written is not None
    tokens = ("input", "output", "cached", "cache_write_5m", "cache_write_1h", "reasoning", "audio_in", "audio_out",
              "image_in", "image_out")  # fmt: skip
    assert written.parts == dict.fromkeys(tokens, 500_000) | {"images": 500_000 * MILLION, "audio_ms": 500_000_000}
    assert written.tools == {"web_search": 10_000 * MILLION}
    assert written.bands == ((10, {"input": MILLION}), (20, {"output": 2 * MILLION}))
    assert price_of(PriceFile()) is None


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{cached_cost: -1}", "7:27: models.acme/big.cached_cost: expected 0.0 or more, not -1"),
        ("{input_cost: 1000001}", "7:26: models.acme/big.input_cost: expected 1000000.0 or less, not 1000001"),
        ("{image_cost: 2}", "7:26: models.acme/big.image_cost: expected 1.0 or less, not 2"),
        ("{audio_cost: 2}", "audio_cost"),
        ("{tool_costs: {web_search: .inf}}", "models.acme/big.tool_costs.web_search"),
        ("{tiers: [{input_cost: 1}]}", "models.acme/big.tiers[0]"),
        ("{tiers: [{above: 0}]}", "models.acme/big.tiers[0].above"),
        ("{tiers: [{above: 9}, {above: 9}]}", "expected tiers in the order of above, each once"),
    ],
)
def test_faults_are_told_by_line(entry: str, words: str) -> None:
    """With the key and what was expected."""
    with pytest.raises(RulesError) as error:
        parsed(f"models:\n  acme/big: {entry}\n")
    assert words in str(error.value.problems[0])


@pytest.mark.parametrize(
    ("target", "models", "fits"),
    [
        ("acme/big", "{}", True),
        ("acme/big", "{acme/big: {input_cost: 5}}", False),
        ("acme/big", "{acme/big: {cached_cost: 5}}", True),
        ("own/m", "{}", True),
        ("box/m", "{}", None),
    ],
)
def test_max_cost_knows_the_same_prices(target: str, models: str, fits: bool | None) -> None:
    """$3 is not more than 4; a rule whose target has no price is warned of."""
    rules = parsed(f"models: {models}\nroutes: [{{match: {{max_cost: 4}}, route: {{model: {target}}}}}]\n")
    warned = [str(one) for one in rules.warnings if "max_cost" in str(one)]
    assert bool(warned) is (fits is not True)
    if fits is None:
        assert f"no price of {target} is known" in warned[0]


def test_an_empty_table_changes_nothing() -> None:
    """As tests and tools that read rules by themselves have it."""
    rules: Any = parse_ruleset(SERVERS, "r.yaml", ENVIRONMENT, {}, PRESETS)
    assert rules.price_for(rules.servers["acme"], "big") is None


def test_a_price_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for several times for each request; what any client may name is kept up to a bound."""
    asked: list[str] = []

    def counting(facts: ModelFacts, server: Server, model: str, prices: Prices) -> Price | None:
        asked.append(model)
        return price_for(facts, server, model, prices)

    monkeypatch.setattr(ruleset, "price_for", counting)
    rules = parsed("models: {way/big: {input_cost: 1, output_cost: 2}}")
    acme, way = rules.servers["acme"], rules.servers["way"]
    found = [(rules.price_for(acme, "big"), rules.price_for(way, "big"), rules.price_for(acme, "no")) for _ in range(3)]
    assert asked == ["big", "big", "no"]
    assert found[0] == found[1] == found[2]
    assert found[0][0] != found[0][1] is not None and found[0][2] is None
    asked.clear()
    for number in range(ruleset.MOST_PRICED + 50):
        rules.price_for(acme, f"m{number}")
    long = "m" * (ruleset.LONGEST_PRICED + 1)
    assert rules.price_for(acme, long) is rules.price_for(acme, long) is None
    assert len(rules._priced) == ruleset.MOST_PRICED
    assert asked[-2:] == [long, long]
    assert rules.price_for(acme, "big") == found[0][0]
