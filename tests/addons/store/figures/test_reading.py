"""What pages ask of the figures, against the plain count of the rows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pytest

from switchman.addons.store import Filters, Store
from switchman.addons.store.figures.cells import DAY, HOUR
from switchman.addons.store.figures.reading import answers
from switchman.addons.testing.samples import make_record

Write = Callable[..., None]


@pytest.mark.parametrize(
    ("filters", "known"),
    [
        (Filters(start=1.0, end=2.0, model="m", outcome="error", layer="none", cache="hit", token="t"), True),
        (Filters(text="x"), False),
        (Filters(client="x"), False),
        (Filters(status="4xx"), False),
        (Filters(attempts="many"), False),
    ],
)
def test_what_figures_can_answer(filters: Filters, known: bool) -> None:
    """Time, and what requests are divided by; nothing else."""
    assert answers(filters) is known


def test_a_range_is_divided_by_each_dimension(store: Store, write: Write) -> None:
    """Most requests first; what has no value is under ""; the router's own answers are nowhere."""
    now = time.time()
    models, layers = ["a", "b", "b", None], ["route", None, "route", "alias"]
    made = [
        make_record(id=f"r{n}", started_at=now - 40 * n, model=models[n % 4], layer=layers[n // 3 % 4], server="s")
        for n in range(30)
    ]
    write(store, *made, make_record(id="own", started_at=now, outcome="answered", model=None))
    found = store.queries.figures.divided(Filters(start=now - DAY))
    for name in ("model", "layer"):
        counted = Counter(getattr(record, name) or "" for record in made)
        assert {value: one.requests for value, one in found.by[name].items()} == counted
        assert [one.requests for one in found.by[name].values()] == sorted(counted.values(), reverse=True)
    assert found.total.requests == 30
    assert store.queries.figures.divided(Filters(layer="none")).total.requests == sum(r.layer is None for r in made)


def test_figures_along_time(store: Store, write: Write) -> None:
    """Each span has what began in it; spans without requests are not there; edges are cut to the range."""
    now = time.time()
    made = [
        make_record(id=f"r{n}", started_at=now - 1000 * n, server="ab"[n % 2], outcome="failed" if n % 5 == 0 else "ok")
        for n in range(60)
    ]
    write(store, *made)
    for step in (60, 300, HOUR, 3 * HOUR, DAY):
        for start in (None, now - 30_000.5):
            kept = [record for record in made if start is None or record.started_at >= start]
            plain = store.queries.figures.along(Filters(start=start), step)
            assert {at: one.requests for (at, _), one in plain.items()} == Counter(
                int(record.started_at // step * step) for record in kept
            )
            assert sum(one.errors for one in plain.values()) == sum(record.outcome == "failed" for record in kept)
            by = store.queries.figures.along(Filters(start=start), step, by="server")
            assert {key: one.requests for key, one in by.items()} == Counter(
                (int(record.started_at // step * step), record.server) for record in kept
            )
            narrowed = store.queries.figures.along(Filters(start=start, server="a"), step)
            assert sum(one.requests for one in narrowed.values()) == sum(record.server == "a" for record in kept)
