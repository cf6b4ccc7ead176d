"""A cost, part by part."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from switchman.addons.core.access.prices.price import Price
from switchman.addons.core.dialects.neutral.form import Usage
from switchman.addons.store.reading.found import RequestRow
from switchman.webui.pages.story.costs import costs_of

PRICE = Price(
    {"input": 3_000_000, "cached": 300_000, "cache_write_5m": 3_750_000, "output": 15_000_000, "reasoning": 15_000_000}
)
BLANK = dict.fromkeys(RequestRow.__dataclass_fields__)


def row(**values: Any) -> RequestRow:
    known = {"started_at": 0.0, "attempt_count": 1, "cost_microdollars": 0}
    return RequestRow(**{**BLANK, **known, **values})


def test_parts_do_not_overlap_and_add_up() -> None:
    """What is cached or written is part of the input, and reasoning of the output; each at its own price."""
    found = costs_of(
        row(input_tokens=1_000, cached_tokens=600, output_tokens=100, reasoning_tokens=40, cost_microdollars=2_955),
        Usage(cache_written=200),
        PRICE,
    )
    assert found is not None
    assert [(part.tokens, part.each, part.amount) for part in found.parts] == [
        (200, 3_000_000, 600),
        (600, 300_000, 180),
        (200, 3_750_000, 750),
        (60, 15_000_000, 900),
        (40, 15_000_000, 600),
    ]
    assert found.total == 600 + 180 + 750 + 900 + 600 and found.differs


def test_the_total_that_was_recorded_does_not_differ() -> None:
    """Rounded up once."""
    one = row(input_tokens=11, output_tokens=7, cost_microdollars=138)
    found = costs_of(one, None, PRICE)
    assert found is not None and (found.total, found.differs) == (138, False)
    moved = costs_of(replace(one, cost_microdollars=139), None, PRICE)
    assert moved is not None and moved.differs


def test_what_is_not_known_is_not_zero() -> None:
    """No price, a part without one, no tokens."""
    nothing = costs_of(row(input_tokens=1, output_tokens=1), None, None)
    assert nothing is not None and nothing.total is None and {part.amount for part in nothing.parts} == {None}
    some = costs_of(row(input_tokens=1, output_tokens=1), None, Price({"input": 1}))
    assert some is not None and some.total is None and not some.differs
    assert costs_of(row(), None, PRICE) is None
