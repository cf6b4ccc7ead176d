"""What a rules file says of a price."""

from __future__ import annotations

import pytest

from switchman.addons.core.access.prices.price import FREE, Price
from switchman.addons.core.access.prices.written import WrittenPrice

LISTED = Price(
    {"input": 10, "cached": 1, "output": 20}, tools={"web_search": 5}, bands=((100, Price({"input": 15})),),
    services={"flex": Price({"input": 5})},
)  # fmt: skip


def test_a_whole_price_stands_alone() -> None:
    """What it does not say follows from what it says; audio and made pictures do not."""
    found = WrittenPrice({"input": 2, "output": 6, "cached": 1}).over(LISTED)
    assert found == Price({"input": 2, "cached": 1, "cache_write_5m": 2, "cache_write_1h": 2, "image_in": 2,
                           "image_cached": 1, "output": 6, "reasoning": 6})  # fmt: skip


def test_part_of_a_price_changes_the_listed_one() -> None:
    """And nothing else of it."""
    found = WrittenPrice({"cached": 3}, {"file_search": 7}).over(LISTED)
    assert found.parts == {"input": 10, "cached": 3, "output": 20}
    assert found.tools == {"web_search": 5, "file_search": 7}
    assert (found.bands, found.services) == (LISTED.bands, LISTED.services)
    assert WrittenPrice({"cached": 3}).over(None) == Price({"cached": 3})


def test_tiers_have_what_they_name_and_the_rest_of_below() -> None:
    """With what follows from that: a tier's cached tokens cost what its others do."""
    found = WrittenPrice({"input": 2, "output": 6}, bands=((100, {"input": 4}),)).over(None)
    assert found.for_length(101).parts["input"] == found.for_length(101).parts["cached"] == 4
    assert found.for_length(101).output == 6
    changed = WrittenPrice({}, bands=((50, {"input": 12}),)).over(LISTED)
    assert [changed.for_length(length).input for length in (50, 51, 101)] == [10, 12, 12]


@pytest.mark.parametrize(
    ("written", "free"),
    [
        (WrittenPrice({"input": 0, "output": 0}), True),
        (WrittenPrice({"input": 0, "output": 0}, bands=((9, {"input": 1}),)), False),
        (WrittenPrice({"input": 0, "output": 0, "audio_in": 1}), False),
        (WrittenPrice({"input": 0}), False),
    ],
)
def test_nothing_but_zeros_is_free(written: WrittenPrice, free: bool) -> None:
    """Both have to be said."""
    assert (written.over(LISTED) == FREE) is free
