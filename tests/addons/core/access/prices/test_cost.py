"""What an answer costs, and the most that a request can cost: whole micro-dollars, exactly."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from switchman.addons.core.access.prices.cost import cost_of, most_of, total_of
from switchman.addons.core.access.prices.price import (
    FREE,
    INPUTS,
    MILLION,
    MOST,
    OUTPUTS,
    PARTS,
    STATED,
    Price,
    Usage,
    Window,
)

# Anthropic's for Sonnet 4.5: $3 in, $0.30 read, $3.75 and $6 written, $15 out; a search $0.01.
SONNET = Price(
    {"input": 3_000_000, "cached": 300_000, "cache_write_5m": 3_750_000, "cache_write_1h": 6_000_000,
     "output": 15_000_000, "reasoning": 15_000_000},
    tools={"web_search": 10_000 * MILLION},
)  # fmt: skip
BANDED = Price(
    {"input": 1_000_000, "output": 2_000_000},
    bands=((100, Price({"input": 3_000_000, "output": 4_000_000})), (200, Price({"input": 5_000_000}))),
)

patient = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
counts = st.integers(0, 10**6)
rates = st.integers(0, 10**9)
usages = st.builds(Usage, **dict.fromkeys(PARTS, counts))


@st.composite
def prices(draw: st.DrawFn) -> Price:
    """All parts known, dearer in each further band."""
    parts = {part: draw(rates) for part in PARTS}
    bands, dearer = [], parts
    for above in sorted(draw(st.sets(st.integers(1, 10**6), max_size=3))):
        dearer = {part: each + draw(st.integers(0, 10**6)) for part, each in dearer.items()}
        bands.append((above, Price(dearer)))
    return Price(parts, bands=tuple(bands))


def test_the_sum_of_the_parts_is_rounded_up_once() -> None:
    """70 x 2.5 + 30 x 1.25 + 50 x 10 = 712.5: each part for itself would have been 713 by luck, or 714."""
    price = Price({"input": 2_500_000, "cached": 1_250_000, "output": 10_000_000})
    assert cost_of(Usage(input=70, cached=30, output=50), price) == 713
    assert cost_of(Usage(input=1, cached=1, output=0), price) == 4  # 2.5 + 1.25 = 3.75
    assert cost_of(Usage(input=2, cached=2), price) == 8  # 7.5


def test_caches_and_tools() -> None:
    """100 x 3 + 1000 x 0.3 + 200 x 3.75 + 100 x 6 + 50 x 15 + 2 x 10000 = 22700."""
    usage = Usage(input=100, cached=1000, cache_write_5m=200, cache_write_1h=100, output=50, tools=(("web_search", 2),))
    assert cost_of(usage, SONNET) == 22_700


@pytest.mark.parametrize(
    ("usage", "price"),
    [
        (Usage(input=1), None),
        (None, SONNET),
        (Usage(audio_in=1), SONNET),
        (Usage(input=1, tools=(("code_interpreter", 1),)), SONNET),
        (Usage(input=1, service="priority"), SONNET),
        (Usage(input=201, output=1), BANDED),
        (Usage(input=MOST), Price({"input": 10**15})),  # no database holds it
    ],
    ids=["no price", "no usage", "a part", "a tool", "a service", "a band", "too much"],
)
def test_what_is_not_known_is_none(usage: Usage | None, price: Price | None) -> None:
    """And not zero; a part that was not used needs no price."""
    assert cost_of(usage, price) is None


def test_what_is_free_is_zero_whatever_is_known() -> None:
    """Also where the answer told nothing."""
    assert cost_of(None, FREE) == cost_of(Usage(input=9, tools=(("x", 1),), service="flex"), FREE) == 0
    assert most_of(FREE, 10**6, 10**6) == 0


@pytest.mark.parametrize(("input_tokens", "cost"), [(100, 102), (101, 307), (200, 604)])
def test_a_band_holds_for_the_whole_answer(input_tokens: int, cost: int) -> None:
    """From more than its number on: 100 x 1 + 1 x 2, 101 x 3 + 1 x 4, 200 x 3 + 1 x 4."""
    assert cost_of(Usage(input=input_tokens, output=1), BANDED) == cost


def test_cached_tokens_count_for_the_band() -> None:
    """The prompt's length is what counts: 60 x 3 + 41 x 3."""
    price = replace(BANDED, bands=((100, Price({"input": 3_000_000, "cached": 3_000_000})),))
    assert cost_of(Usage(input=60, cached=41), price) == 303


def test_further_calls_have_bands_of_their_own() -> None:
    """100 x 1 and 101 x 3, not 201 x 3."""
    assert cost_of(Usage(input=100, more=(Usage(input=101),)), BANDED) == 403


def test_services_have_prices_of_their_own() -> None:
    """Flex at half the price; its tools cost the same."""
    price = replace(SONNET, services={"flex": Price({"input": 1_500_000})})
    assert cost_of(Usage(input=10, service="flex", tools=(("web_search", 1),)), price) == 10_015


def test_the_hour_counts() -> None:
    """Half the price at night: 1970-01-01 was a Thursday."""
    night = Window(frozenset({4}), 0, 60)
    price = Price({"input": 2_000_000}, off_peak=Price({"input": 1_000_000}), off_peak_at=(night,))
    costs = [cost_of(Usage(input=1), price, at) for at in (None, 0.0, 3599.9, 3600.0, 86_400.0, 7 * 86_400.0)]
    assert costs == [2, 1, 1, 2, 2, 1]


def test_what_the_provider_states_counts() -> None:
    """Where it is known to; a stranger's word is not taken."""
    usage = Usage(input=10, stated=7)
    assert cost_of(usage, STATED) == 7
    assert cost_of(usage, replace(SONNET, states=True)) == 7
    assert cost_of(usage, SONNET) == 30
    assert cost_of(replace(usage, stated=None), STATED) is None


@patient
@given(usages, prices())
def test_parts_add_up(usage: Usage, price: Price) -> None:
    """Each part by itself, at the rate of the whole's length, and rounded once."""
    rate = price.for_length(usage.length)
    exact = sum(getattr(usage, part) * rate.parts[part] for part in PARTS)
    cost = cost_of(usage, price)
    assert cost is not None and 0 <= cost * MILLION - exact < MILLION


@patient
@given(usages, prices(), st.sampled_from(PARTS), counts)
def test_more_never_costs_less(usage: Usage, price: Price, part: str, more: int) -> None:
    """Nor is anything ever below zero."""
    before = cost_of(usage, price)
    after = cost_of(replace(usage, **{part: getattr(usage, part) + more}), price)
    assert before is not None and after is not None
    assert 0 <= before <= after


@patient
@given(usages, prices(), counts, counts)
def test_the_most_is_never_less_than_the_cost(usage: Usage, price: Price, more_in: int, more_out: int) -> None:
    """Of no usage with so many tokens or fewer; what is not counted in tokens is on top."""
    usage = replace(usage, images=0, audio_ms=0)
    most = most_of(price, usage.input_tokens + more_in, usage.output_tokens + more_out)
    cost = cost_of(usage, price)
    assert most is not None and cost is not None and cost <= most


def test_the_most_takes_the_dearest_parts() -> None:
    """A thousand tokens may all be written to the cache for an hour: 1000 x 6 + 100 x 15."""
    assert most_of(SONNET, 1000, 100) == 7500
    assert most_of(BANDED, 150, 10) == 150 * 3 + 10 * 4
    assert most_of(replace(SONNET, services={"flex": Price({"input": 1, "output": 1})}), 10**6, 10**6, "flex") == 2


@pytest.mark.parametrize("price", [None, Price(), STATED, Price({"input": 1})])
def test_the_most_of_what_is_not_known_is_not_known(price: Price | None) -> None:
    """Nor is that of a service that has no price."""
    assert most_of(price, 1, 1) is None
    assert most_of(SONNET, 1, 1, "priority") is None


def test_nothing_out_needs_no_price_for_it() -> None:
    """Of embeddings."""
    assert most_of(Price({"input": 20_000}), 1000, 0) == 20


def test_a_million_rows_add_up_exactly() -> None:
    """In whole numbers, whatever the order; floating dollars would not."""
    chance = random.Random(10)
    usage = [Usage(input=chance.randrange(10**5), output=chance.randrange(10**4)) for _ in range(1000)]
    costs = [cost_of(each, SONNET) or 0 for each in usage]
    exact = sum(3 * each.input + 15 * each.output for each in usage)
    rows = costs * 1000
    chance.shuffle(rows)
    assert sum(rows) == exact * 1000
    assert total_of([*rows]) == exact * 1000


def test_a_sum_with_what_is_not_known_is_not_known() -> None:
    """And that of nothing is zero."""
    assert (total_of([1, None]), total_of([]), total_of([1, 2])) == (None, 0, 3)


def test_inputs_and_outputs_are_parts() -> None:
    """Each is one or the other; what is counted otherwise is neither."""
    assert set(PARTS) - set(INPUTS) - set(OUTPUTS) == {"images", "audio_ms"}
    assert not set(INPUTS) & set(OUTPUTS)
