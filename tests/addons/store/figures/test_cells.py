"""Rows become cells: each counts in its own kind and in that of its outcome."""

from __future__ import annotations

from typing import Any

from switchman.addons.store.figures.cells import COLUMNS, gather, kind_id, kinds_of, overall_kind
from switchman.addons.store.figures.tables import NUMBERS

ROW: dict[str, Any] = dict.fromkeys(COLUMNS) | {
    "started_at": 125.0, "duration_ms": 10.0, "server": "s", "model": "m", "outcome": "ok",
}  # fmt: skip


def numbers(found: Any) -> dict[str, float]:
    return dict(zip(NUMBERS, found.numbers, strict=True))


def test_a_row_is_in_two_cells() -> None:
    """Two rows of a minute and kind are one cell; another minute is another one."""
    rows = [ROW, ROW | {"started_at": 179.9, "ttft_ms": 3.0}, ROW | {"started_at": 180.0}]
    cells, kinds = gather(rows, 60)
    assert {(key.bucket, kinds[key.kind][1]): cell.numbers[0] for key, cell in cells.items()} == {
        (120, False): 2, (120, True): 2, (180, False): 1, (180, True): 1,
    }  # fmt: skip
    own = kinds_of(ROW)[0][0]
    texts = {key.bucket: cell.texts for key, cell in cells.items() if key.kind == own}
    assert [len(text) for text in texts[120]] == [2, 1, 0, 0]


def test_what_is_not_known_is_not_counted_as_zero() -> None:
    """Tokens, cost and time saved have their own count of requests that told them."""
    known = ROW | {
        "input_tokens": 100, "output_tokens": 7, "cached_tokens": 40, "reasoning_tokens": 5,
        "cost_microdollars": 0, "saved_ms": 2.5, "saved_microdollars": 9,
    }  # fmt: skip
    cells, kinds = gather([ROW, known, ROW | {"output_tokens": 3}], 60)
    (cell,) = (cell for key, cell in cells.items() if not kinds[key.kind][1])
    assert numbers(cell) == {
        "requests": 3, "told": 2, "input_tokens": 100, "output_tokens": 10, "cached_tokens": 40,
        "reasoning_tokens": 5, "priced": 1, "cost": 0, "saved_cost": 9, "saved": 1, "saved_ms": 2.5,
        "compared": 1, "compared_cost": 0, "compared_input": 100, "compared_cached": 40, "compared_output": 7,
    }  # fmt: skip


def test_a_kind_has_the_same_number_everywhere() -> None:
    """It follows from the values alone, fits into 63 bits, and no part runs into the next one."""
    kind = kinds_of(ROW)[0][1]
    assert kind_id(kind) == kinds_of(ROW)[0][0] != kind_id(kind, True)
    assert kind_id(("ab", "", *kind[2:])) != kind_id(("a", "b", *kind[2:]))
    assert 0 <= kind_id(kind) < 2**63
    assert overall_kind("ok") == ("", "", "", "", "", "ok", "")
